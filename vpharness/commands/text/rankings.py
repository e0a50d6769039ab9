"""Candidates as a table for people, and as rows for programs."""

import dataclasses
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.table import Table

from vpharness.campaigns.dataset_cache import view_of
from vpharness.campaigns.market_identity import market_of
from vpharness.commands.text.terminal import console, counted, interval_text, minute_text, print_table, table_of
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import DatasetError, ResultsError
from vpharness.evaluation import DatasetView, Figure, Figures, MarketTime, shown_figures
from vpharness.evaluation.figure_registry import TABLE
from vpharness.evaluation.figures import HEADLINE
from vpharness.events.times import time_text
from vpharness.results.holdout import HoldoutResult, net_text
from vpharness.results.ledger import (
    AUDIT_FAILED,
    AUDIT_PASSED,
    NOT_AUDITED,
    DatasetKey,
    LedgerCandidate,
)
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import ADAPTIVELY_CHOSEN, Ranked, alike, restricted
from vpharness.results.reevaluation import needs_dataset, with_missing_evidence
from vpharness.results.remembered_rankings import ranked_before
from vpharness.results.sensitivity import settings_of
from vpharness.results.store import Store


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
    """Return the candidates of the ledger, judged by the rules of this version.

    Rows of an earlier version are judged anew where their dataset is at hand and as it was; those left out are printed.
    """
    ledger = read_ledger(store)
    needed = {trial.dataset for candidate in ledger for trial in candidate.trials if needs_dataset(trial)}
    if not needed:
        return ledger
    lost: dict[DatasetKey, str] = {}
    for key in sorted(needed):
        try:
            changed = find_dataset(lake, key[0]).checksum != key[1]
            lost |= {key: f"dataset {key[0]} is not the one any more that it was"} if changed else {}
        except DatasetError as error:
            lost[key] = str(error)
    for reason in lost.values():
        print(f"vpharness: results of an earlier version are left out: {reason}", file=sys.stderr)
    kept = restricted(ledger, lambda trial: not (needs_dataset(trial) and trial.dataset in lost))
    return with_missing_evidence(kept, views_in(lake), lambda dataset_id, _: market_of(find_dataset(lake, dataset_id)))


def print_candidates(store: Store, lake: Lake, run_ids: Collection[str], *, as_json: bool, folder: Path) -> None:
    """Print the candidates of some runs, ranked within the whole ledger, and what to do next."""
    ranked = ranked_before(store, readable_ledger(store, lake))
    mine = [each for each in ranked if not set(run_ids).isdisjoint(each.candidate.run_ids)]
    if as_json:
        print(json.dumps({"folder": str(folder), "candidates": [row_of(each) for each in mine]}, indent=1))
        return
    print_ranking(mine)
    print(f"\nrun folder: {folder}\nnext: python -m vpharness compare; or sweep with -m")


def print_ranking(ranked: Sequence[Ranked], *, each_dataset: bool = False, most: int | None = None) -> None:
    """Print candidates that rank, and below them those with too little data.

    Args:
        ranked: the candidates, in their order; those with just the same figures share a row.
        each_dataset: whether to name the dataset.
        most: rows of either kind.
    """
    out = console()
    rankable = [each for each in ranked if each.p_adjusted is not None]
    poor = [each for each in ranked if each.judgement.lacks]
    adaptive = [each for each in ranked if each.p_adjusted is None and not each.judgement.lacks]
    if rankable:
        print_table(_table(alike(rankable)[:most], each_dataset=each_dataset))
        for line in (*_searches(rankable), *_verdict(rankable)):
            out.print(line)
    for line in _audits(ranked):
        out.print(line)
    for each in ranked:
        if each.holdout is not None:
            out.print(line_of_test(each, each.holdout))
        elif each.test_refused:
            out.print(f"test of {each.candidate.candidate_id[:6]}: {each.test_refused}")
    if adaptive:
        out.print(f"\n{ADAPTIVELY_CHOSEN} (show_test=true)")
        for each, count in alike(adaptive)[:most]:
            first, others = each.candidate.first, f", and {count - 1} like it" if count > 1 else ""
            figures = f"net {interval_text(each.judgement.figures)} ticks, p {each.judgement.p_value:.3f}"
            out.print(f"  {first.signal} at {first.threshold_label}{others}: {figures}")
    if poor:
        out.print(f"\ntoo little data: {counted(len(poor), 'candidate')}")
        for what, (count, nearest) in _shortages(poor).items():
            named = f"{nearest.candidate.first.signal} at {nearest.candidate.first.threshold_label}"
            lack = next(each for each in nearest.judgement.lacks if each.what == what)
            out.print(f"  {count:,} with too few {what}; the nearest, {named}, has {lack}")
    if not ranked:
        out.print("no candidates; python -m vpharness signal=perm_derivative makes some")


def _verdict(rankable: Sequence[Ranked]) -> Iterator[str]:
    """Yield what it all comes to, and what keeps candidates from winning or their trials from counting."""
    winners = sum(each.winner for each in rankable)
    verdict = f"{winners} beat chance (*)" if winners else "nothing here beats chance"
    yield f"{verdict}; net is after the spread and cost_ticks{_fees_text(rankable)}"
    if pooled := [each for each in rankable if len(each.candidate.counted) > 1]:
        most = max(len(each.candidate.counted) for each in pooled)
        yield (
            f"{counted(len(pooled), 'candidate')} pooled over up to {most} datasets that they ran on: by=dataset shows "
            "each apart"
        )
    if partial := sum(bool(each.left_out) for each in rankable):
        ran = f"{counted(partial, 'candidate')} ran on more of the same instrument than is judged here"
        yield f"{ran}: a part of the evidence wins nothing"
    if overlapping := sum(bool(each.candidate.overlapping) for each in rankable):
        again = f"{counted(overlapping, 'candidate')} ran on the same market time more than once"
        yield f"{again}: the longest run counts"


def _audits(ranked: Sequence[Ranked]) -> Iterator[str]:
    """Yield what is to be known of candidates whose audit failed, or that have none."""
    counts = Counter(each.candidate.audit for each in ranked)
    if counts[AUDIT_FAILED]:
        failed = counted(counts[AUDIT_FAILED], "candidate")
        yield f"audit FAILED for {failed}: such scores look ahead, hold their answers, or never forget their start"
    if counts[NOT_AUDITED]:
        yield f"no audit of {counted(counts[NOT_AUDITED], 'candidate')}: python -m vpharness audit makes one"


def _fees_text(rankable: Sequence[Ranked]) -> str:
    """Return that no fees are in the figures, where none are."""
    free = all(each.candidate.first.evaluation.cost_ticks == 0 for each in rankable)
    return ", before fees" if free else ""


def _shortages(poor: Sequence[Ranked]) -> dict[str, tuple[int, Ranked]]:
    """Return what candidates lack, with how many lack it and the one that lacks the least of it."""
    found: dict[str, list[tuple[int, Ranked]]] = {}
    for each in poor:
        for lack in each.judgement.lacks:
            found.setdefault(lack.what, []).append((lack.needed - lack.found, each))
    return {what: (len(those), min(those, key=lambda pair: pair[0])[1]) for what, those in found.items()}


def _searches(rankable: Sequence[Ranked]) -> Iterator[str]:
    """Yield how large the searches were that p-values are adjusted for, since when, and on which market time."""
    families = {each.family.market_times: each.family for each in rankable}
    for family in families.values():
        evaluated, runs = counted(family.n_evaluated, "candidate"), counted(family.n_runs, "run")
        yield (
            f"p adj. is against {family.n_rankable:,} rankable of {evaluated} of {runs} since "
            f"{minute_text(family.oldest_ns)}, on {market_times_text(family.market_times)}"
        )
    hopeless = [each for each in rankable if not each.could_win]
    if hopeless:
        blocks = max(each.judgement.figures.n_net_blocks for each in hopeless)
        yield (
            f"no result could win on so few blocks as {len(hopeless):,} of these have (at most {blocks}): a search of "
            "this size needs more time"
        )


def market_times_text(times: Sequence[MarketTime]) -> str:
    """Return market time in words: the instruments, and from when to when."""
    names = sorted({each.market.instrument or "an unnamed market" for each in times})
    start_ns, stop_ns = min(each.start_ns for each in times), max(each.stop_ns for each in times)
    return f"{', '.join(names)}, {minute_text(start_ns)} to {minute_text(stop_ns)}"


def line_of_test(ranked: Ranked, opening: HoldoutResult) -> str:
    """Return the result of a candidate's test part as a sentence."""
    openings = "once" if opening.times == 1 else f"{opening.times} times"
    figures, verdict = opening.judgement.figures, "holds" if opening.holds else "does not hold"
    return (
        f"test of {ranked.candidate.candidate_id[:6]}, opened {openings}, as number {opening.number} on this market "
        f"time: {verdict}; {'net ' if figures.n_net else ''}{net_text(figures, opening.low)} at an error of "
        f"{opening.error:.2g}"
    )


def barriers_text(ranked: Ranked) -> str:
    """Return a candidate's barriers in ticks, such as 8/4."""
    evaluation = ranked.candidate.first.evaluation
    return f"{evaluation.tp_ticks:g}/{evaluation.sl_ticks:g}"


def _table(kinds: Sequence[tuple[Ranked, int]], *, each_dataset: bool) -> Table:
    ranked = [each for each, _ in kinds]
    several = len({barriers_text(each) for each in ranked}) > 1
    holds = len({each.hold_s for each in ranked})
    columns: dict[str, Callable[[Ranked, Figures], str]] = {
        # A star and its signal are one word, which is cut short rather than broken.
        "signal": lambda each, _: ("*\N{NO-BREAK SPACE}" if each.winner else "") + each.candidate.first.signal,
        "dataset": lambda each, _: each.candidate.first.dataset_id if each_dataset else "",
        "θ": lambda each, _: each.candidate.first.threshold_label,
        "tp/sl": lambda each, _: barriers_text(each) if several else "",
        "hold": lambda each, _: f"{each.hold_s:g} s" if holds > 1 else "",
        **_figure_columns([HEADLINE]),
        "for all": lambda each, _: "none" if math.isnan(each.net_low_all) else f"{each.net_low_all:+.2f}",
        "p": lambda each, _: f"{each.judgement.p_value:.3f}",
        "p adj.": lambda each, _: f"{each.p_adjusted:.3f}",
        "p camp.": lambda each, _: "" if each.p_campaign is None else f"{each.p_campaign:.3f}",
        **_figure_columns([each for each in shown_figures(TABLE) if each is not HEADLINE]),
        "id": lambda each, _: each.candidate.candidate_id[:6],
        "audit": lambda each, _: "" if each.candidate.audit == AUDIT_PASSED else each.candidate.audit,
    }
    rows = {name: [text(each, each.judgement.figures) for each in ranked] for name, text in columns.items()}
    rows["alike"] = [str(count) if count > 1 else "" for _, count in kinds]
    return table_of({name: texts for name, texts in rows.items() if any(texts)}, texts=("signal", "dataset"))


def _figure_columns(figures: Iterable[Figure]) -> dict[str, Callable[[Ranked, Figures], str]]:
    """Return a column for each figure, by its heading."""

    def column(figure: Figure) -> Callable[[Ranked, Figures], str]:
        return lambda _, f: figure.text(vars(f)) if figure.is_shown(vars(f)) else ""

    return {each.title(): column(each) for each in figures}


def row_of(ranked: Ranked) -> dict[str, Any]:
    """Return a candidate as a tidy row: what it is, and every figure; missing numbers are None.

    Parameters of the signal and the evaluation are columns of their own, named as they are given on the command line.
    """
    first = ranked.candidate.first
    row = {
        "candidate_id": ranked.candidate.candidate_id,
        "run_ids": list(ranked.candidate.run_ids),
        "datasets": list(ranked.candidate.dataset_ids),
        "signal": first.signal,
        **settings_of(first),
        "p_value": ranked.judgement.p_value,
        "p_adjusted": ranked.p_adjusted,
        "net_pnl_ticks_low_all": ranked.net_low_all,
        "could_win": ranked.could_win,
        "left_out_datasets": list(ranked.left_out),
        "overlapping_run_ids": [trial.run_id for trial in ranked.candidate.overlapping],
        "family_size": ranked.family.n_rankable,
        "family_evaluated": ranked.family.n_evaluated,
        "family_runs": ranked.family.n_runs,
        "family_oldest_run": time_text(ranked.family.oldest_ns),
        "family_newest_run": time_text(ranked.family.newest_ns),
        "p_campaign": ranked.p_campaign,
        "campaign_size": ranked.campaign_size,
        "winner": ranked.winner,
        "adaptive": ranked.candidate.adaptive,
        "audit": ranked.candidate.audit,
        "lacks": "; ".join(ranked.lacks),
        **dataclasses.asdict(ranked.judgement.figures),
    }
    if ranked.test_refused:
        row["test_refused"] = ranked.test_refused
    if (opening := ranked.holdout) is not None:
        row |= {f"test_{name}": value for name, value in dataclasses.asdict(opening.judgement.figures).items()}
        row |= {
            "test_p_value": opening.judgement.p_value,
            "test_openings": opening.times,
            "test_opening_number": opening.number,
            "test_error": opening.error,
            "test_net_pnl_ticks_low": opening.low,
            "test_holds": opening.holds,
        }
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
