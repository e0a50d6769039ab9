"""Candidates as a table for people, and as rows for programs."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.table import Table

from vpharness.campaigns.share import view_of
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import DatasetError, ResultsError
from vpharness.evaluation import DatasetView, Figures
from vpharness.events.times import time_text
from vpharness.results.ledger import DatasetKey, LedgerCandidate, read_ledger
from vpharness.results.ranking import ADAPTIVELY_CHOSEN, FEW_BLOCKS, Ranked, alike, rank
from vpharness.results.store import Store
from vpharness.tasks.text import console, interval_text, table_of


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


def readable_ledger(store: Store, lake: Lake) -> list[LedgerCandidate]:
    """Return the candidates of the ledger on datasets that are as they were; say which datasets are not."""
    ledger = read_ledger(store)
    lost: dict[DatasetKey, str] = {}
    for key in sorted({trial.dataset for candidate in ledger for trial in candidate.trials}):
        try:
            changed = find_dataset(lake, key[0]).checksum != key[1]
            lost |= {key: f"dataset {key[0]} is not the one any more that it was"} if changed else {}
        except DatasetError as error:
            lost[key] = str(error)
    for reason in lost.values():
        print(f"vpharness: results are left out: {reason}", file=sys.stderr)
    kept = [
        LedgerCandidate(each.candidate_id, tuple(trial for trial in each.trials if trial.dataset not in lost))
        for each in ledger
    ]
    return [each for each in kept if each.trials]


def print_candidates(store: Store, lake: Lake, run_ids: Collection[str], *, as_json: bool, folder: Path) -> None:
    """Print the candidates of some runs, ranked within the whole ledger, and what to do next."""
    ranked = rank(readable_ledger(store, lake), views_in(lake))
    mine = [each for each in ranked if any(trial.run_id in run_ids for trial in each.candidate.trials)]
    if as_json:
        print(json.dumps({"folder": str(folder), "candidates": [row_of(each) for each in mine]}, indent=1))
        return
    print_ranking(mine)
    print(f"\nrun folder: {folder}\nnext: python -m vpharness compare; or sweep with -m")


def print_ranking(ranked: Sequence[Ranked], *, each_dataset: bool = False, most: int | None = None) -> None:
    """Print candidates that rank, and below them those with too little data.

    Args:
        ranked: the candidates, in their order; those that came to just the same share a row.
        each_dataset: whether to name the dataset.
        most: rows of either kind.
    """
    out = console()
    rankable = [each for each in ranked if each.p_adjusted is not None]
    poor = [each for each in ranked if each.judgement.lacks]
    adaptive = [each for each in ranked if each.p_adjusted is None and not each.judgement.lacks]
    if rankable:
        out.print(_table(alike(rankable)[:most], each_dataset=each_dataset))
        winners = sum(each.winner for each in rankable)
        verdict = f"{winners} beat chance (*)" if winners else "nothing here beats chance"
        out.print(f"{_search(rankable)}; {verdict}", soft_wrap=True)
    for each in ranked:
        if each.test is not None:
            out.print(_test_line(each, each.test.figures, each.test.p_value))
    if adaptive:
        out.print(f"\n{ADAPTIVELY_CHOSEN} (show_test=true)")
        for each, count in alike(adaptive)[:most]:
            first, others = each.candidate.first, f", and {count - 1} like it" if count > 1 else ""
            figures = f"net {interval_text(each.judgement.figures)} ticks, p {each.judgement.p_value:.3f}"
            out.print(f"  {first.signal} at {first.threshold_label}{others}: {figures}", soft_wrap=True)
    if poor:
        out.print("\ntoo little data")
        for each, count in alike(poor)[:most]:
            lacks, others = "; ".join(each.judgement.lacks), f", and {count - 1} like it" if count > 1 else ""
            first = each.candidate.first
            out.print(f"  {first.signal} at {first.threshold_label}{others}: {lacks}", soft_wrap=True)
    if not ranked:
        out.print("no candidates; python -m vpharness signal=perm_derivative makes some")


def _search(rankable: Sequence[Ranked]) -> str:
    """Say how large the searches were that p-values are adjusted for."""
    sizes = sorted({(each.family.size, each.family.n_evaluated) for each in rankable})
    shown = " and ".join(f"{size} rankable of {evaluated}" for size, evaluated in sizes)
    return f"p adj. is against {shown} candidates tried on the same data"


def _test_line(ranked: Ranked, f: Figures, p_value: float) -> str:
    openings = "once" if ranked.test_openings == 1 else f"{ranked.test_openings} times"
    return (
        f"test of {ranked.candidate.candidate_id[:6]}, opened {openings}: "
        f"net {interval_text(f)} ticks over {f.n_net} fires, p {p_value:.3f}"
    )


def barriers_text(ranked: Ranked) -> str:
    """Return a candidate's barriers in ticks, such as 8/4."""
    evaluation = ranked.candidate.first.evaluation
    return f"{evaluation.tp_ticks:g}/{evaluation.sl_ticks:g}"


def _table(kinds: Sequence[tuple[Ranked, int]], *, each_dataset: bool) -> Table:
    ranked = [each for each, _ in kinds]
    several = len({barriers_text(each) for each in ranked}) > 1
    columns: dict[str, Callable[[Ranked, Figures], str]] = {
        # A star and its signal are one word, which is cut short rather than broken.
        "signal": lambda each, _: ("*\N{NO-BREAK SPACE}" if each.winner else "") + each.candidate.first.signal,
        "dataset": lambda each, _: each.candidate.first.dataset_id if each_dataset else "",
        "θ": lambda each, _: each.candidate.first.threshold_label,
        "tp/sl": lambda each, _: barriers_text(each) if several else "",
        "net ticks [95 %]": lambda _, f: interval_text(f),
        "p": lambda each, _: f"{each.judgement.p_value:.3f}",
        "p adj.": lambda each, _: f"{each.p_adjusted:.3f}",
        "p camp.": lambda each, _: "" if each.p_campaign is None else f"{each.p_campaign:.3f}",
        "TP % [95 %]": lambda _, f: f"{100 * f.tp_rate:.0f} [{100 * f.tp_rate_low:.0f}, {100 * f.tp_rate_high:.0f}]",
        "b/e": lambda _, f: f"{100 * f.break_even_tp_share:.0f}",
        "fires": lambda _, f: str(f.n_net),
        "/h": lambda _, f: f"{f.events_per_hour:.0f}",
        "B": lambda _, f: str(f.n_net_blocks) if f.n_net_blocks < FEW_BLOCKS else "",
        "id": lambda each, _: each.candidate.candidate_id[:6],
    }
    rows = {name: [text(each, each.judgement.figures) for each in ranked] for name, text in columns.items()}
    rows["alike"] = [str(count) if count > 1 else "" for _, count in kinds]
    return table_of({name: texts for name, texts in rows.items() if any(texts)}, texts=("signal", "dataset"))


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
        "family_size": ranked.family.size,
        "family_evaluated": ranked.family.n_evaluated,
        "family_newest_run": time_text(ranked.family.newest_ns),
        "p_campaign": ranked.p_campaign,
        "campaign_size": ranked.campaign_size,
        "winner": ranked.winner,
        "adaptive": ranked.candidate.adaptive,
        "lacks": "; ".join(ranked.lacks),
        **dataclasses.asdict(ranked.judgement.figures),
    }
    if ranked.test is not None:
        row |= {f"test_{name}": value for name, value in dataclasses.asdict(ranked.test.figures).items()}
        row |= {"test_p_value": ranked.test.p_value, "test_openings": ranked.test_openings}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
