"""Candidates as a table for people, and as rows for programs."""

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from vpharness.campaigns.share import view_of
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import ResultsError
from vpharness.evaluation import DatasetView, Figures
from vpharness.results.ledger import read_ledger
from vpharness.results.ranking import Ranked, rank
from vpharness.results.store import Store

WIDTH: Final = 100
FEW_BLOCKS: Final = 50
"""Below this many blocks an interval is rough, and their number is shown."""


def views_in(lake: Lake) -> Callable[[str, str], DatasetView]:
    """Return how to find what evaluation sees of a dataset: each is read once."""

    @lru_cache(maxsize=64)
    def view(dataset_id: str, checksum: str) -> DatasetView:
        dataset = find_dataset(lake, dataset_id)
        if dataset.checksum != checksum:
            raise ResultsError(
                f"dataset {dataset_id} is no longer the one that runs in the store were made on; "
                "restore it, or use another lake"
            )
        return view_of(dataset, load(dataset))

    return view


def print_candidates(store: Store, lake: Lake, run_ids: Collection[str], *, as_json: bool, folder: Path) -> None:
    """Print the candidates of some runs, ranked within the whole ledger, and what to do next."""
    ranked = rank(read_ledger(store), views_in(lake))
    mine = [each for each in ranked if any(trial.run_id in run_ids for trial in each.candidate.trials)]
    if as_json:
        print(json.dumps({"folder": str(folder), "candidates": [row_of(each) for each in mine]}, indent=1))
        return
    print_ranking(mine)
    print(f"\nrun folder: {folder}\nnext: python -m vpharness compare; or sweep with -m")


def print_ranking(ranked: Sequence[Ranked]) -> None:
    """Print candidates that rank, and below them those with too little data."""
    console = Console(width=WIDTH, highlight=False)
    rankable = [each for each in ranked if each.p_adjusted is not None]
    poor = [each for each in ranked if each.p_adjusted is None]
    if rankable:
        console.print(_table(rankable))
        sizes = sorted({each.family_size for each in rankable})
        shown = " and ".join(str(size) for size in sizes)
        winners = sum(each.winner for each in rankable)
        verdict = f"{winners} beat chance (*)" if winners else "nothing here beats chance"
        console.print(f"p adj. is against {shown} rankable candidates tried on the same data; {verdict}")
    for each in ranked:
        if each.test is not None:
            console.print(_test_line(each, each.test.figures, each.test.p_value))
    if poor:
        console.print("\ntoo little data")
        for each in poor:
            lacks = "; ".join(each.judgement.lacks)
            console.print(f"  {each.candidate.first.signal} at {each.candidate.first.threshold_label}: {lacks}")
    if not ranked:
        console.print("no candidates; python -m vpharness signal=perm_derivative makes some")


def _test_line(ranked: Ranked, f: Figures, p_value: float) -> str:
    return (
        f"test of {ranked.candidate.candidate_id[:6]}, opened {ranked.test_openings} times: net {f.net_pnl_ticks:+.2f} "
        f"[{f.net_pnl_ticks_low:+.2f}, {f.net_pnl_ticks_high:+.2f}] ticks over {f.n_net} fires, p {p_value:.3f}"
    )


def _table(ranked: Sequence[Ranked]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("signal", no_wrap=True)
    for name in ("θ", "net ticks [95 %]", "p", "p adj.", "TP % [95 %]", "b/e", "fires", "/h", "blocks"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True)
    for each in ranked:
        f = each.judgement.figures
        table.add_row(
            ("* " if each.winner else "") + each.candidate.first.signal,
            each.candidate.first.threshold_label,
            f"{f.net_pnl_ticks:+.2f} [{f.net_pnl_ticks_low:+.2f}, {f.net_pnl_ticks_high:+.2f}]",
            f"{each.judgement.p_value:.3f}",
            f"{each.p_adjusted:.3f}",
            f"{100 * f.tp_rate:.0f} [{100 * f.tp_rate_low:.0f}, {100 * f.tp_rate_high:.0f}]",
            f"{100 * f.break_even_tp_share:.0f}",
            str(f.n_net),
            f"{f.events_per_hour:.0f}",
            str(f.n_net_blocks) if f.n_net_blocks < FEW_BLOCKS else "",
            each.candidate.candidate_id[:6],
        )
    return table


def row_of(ranked: Ranked) -> dict[str, Any]:
    """Return a candidate as a flat row: what it is, and every figure; missing numbers are None."""
    first = ranked.candidate.first
    row = {
        "candidate_id": ranked.candidate.candidate_id,
        "run_ids": [trial.run_id for trial in ranked.candidate.trials],
        "datasets": list(ranked.candidate.dataset_ids),
        "signal": first.signal,
        "parameters": json.dumps(first.parameters, sort_keys=True),
        "evaluation": json.dumps(dataclasses.asdict(first.evaluation), sort_keys=True),
        "threshold": first.threshold_label,
        "p_value": ranked.judgement.p_value,
        "p_adjusted": ranked.p_adjusted,
        "family_size": ranked.family_size,
        "winner": ranked.winner,
        "lacks": "; ".join(ranked.judgement.lacks),
        **dataclasses.asdict(ranked.judgement.figures),
    }
    if ranked.test is not None:
        row |= {f"test_{name}": value for name, value in dataclasses.asdict(ranked.test.figures).items()}
        row |= {"test_p_value": ranked.test.p_value, "test_openings": ranked.test_openings}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
