"""Candidates as a table for people, and as rows for programs."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vpharness.campaigns.collection_members import sessions_and_labels, sessions_of_datasets
from vpharness.commands.ledger_access import lattices_in, moves_of, readable_ledger
from vpharness.commands.text.dataset_facts import DatasetRemarks, by_level_lines
from vpharness.commands.text.information_tables import print_information
from vpharness.commands.text.ranking_lines import (
    DIRECTIONAL,
    FOR_ALL,
    P_ADJUSTED,
    THETA,
    audits,
    kept_for_test,
    ranking_verdict,
    searches,
    shortages,
    term_lines,
)
from vpharness.commands.text.terminal import console, print_table
from vpharness.commands.text.varied_settings import differences
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.lake import Lake
from vpharness.evaluation import Figure, Figures, shown_figures
from vpharness.evaluation.figure_registry import TABLE, without_nan
from vpharness.evaluation.figures import HEADLINE
from vpharness.events.times import time_text
from vpharness.results.advice import advice
from vpharness.results.holdout import HoldoutResult, net_low_text
from vpharness.results.information_rows import Information, information_rows
from vpharness.results.ledger import (
    AUDIT_PASSED,
    LedgerCandidate,
)
from vpharness.results.ranking import ADAPTIVELY_CHOSEN, Ranked, duplicates, net_order
from vpharness.results.remembered_rankings import ranked_before
from vpharness.results.sensitivity import settings_of
from vpharness.results.store import Store


def print_candidates(  # what is shown of a run
    store: Store,
    lake: Lake,
    run_ids: Collection[str],
    *,
    as_json: bool,
    folder: Path,
    information_of: Callable[[LedgerCandidate], Information] | None = None,
) -> None:
    """Print the candidates of some runs, ranked within the whole ledger, and what to do next.

    With `information_of` also how well the scores of the best one agree with later moves.
    """
    ledger = readable_ledger(store, lake)
    ranked = ranked_before(store, ledger)
    mine = [each for each in ranked if not set(run_ids).isdisjoint(each.candidate.run_ids)]
    others = {run_id for each in mine for refitted in each.candidate.refitted for run_id in refitted.run_ids}
    if others := others.intersection(run_ids):
        print(
            f"vpharness: of {', '.join(sorted(others))} the first run of the same candidate stands here, which was "
            "fitted on other datasets; what was run now counts as one more try",
            file=sys.stderr,
        )
    found = None if information_of is None or not mine else information_of(mine[0].candidate)
    if as_json:
        facts = {"folder": str(folder), "candidates": rows_of(mine, lake)}
        more = {} if found is None else {"information": [without_nan(row) for row in information_rows(found)]}
        print(json.dumps({**facts, **more}, indent=1))
        return
    print_ranking(mine, lake=lake, every=True, ledger=ledger)
    if found is not None:
        print()
        print_information(found)
    print(f"\nrun folder: {folder}")
    if any(each.winner for each in mine):
        print(f"next: python -m vpharness compare{lake_key(lake)}; or sweep with -m")


def print_ranking(
    ranked: Sequence[Ranked],
    *,
    lake: Lake | None = None,
    most: int | None = None,
    every: bool = False,
    explained: bool = True,
    ledger: Sequence[LedgerCandidate] = (),
) -> None:
    """Print candidates that rank, and below them those with too little data.

    Where none of them wins, what to try next is printed in the end.

    Args:
        ranked: the candidates, in their order.
        lake: where their datasets are.
        most: rows.
        every: whether each candidate has a row; otherwise those with just the same figures share one.
        explained: whether the terms of the table are explained below it.
        ledger: all candidates that there are, among which are those that p-values are adjusted for.
    """
    out, (sessions, labels) = console(), sessions_and_labels(lake)
    rankable = [each for each in ranked if each.p_adjusted is not None]
    adaptive = [each for each in ranked if each.p_adjusted is None and not each.judgement.lacks]
    if rankable:
        rows = [[each] for each in rankable] if every else duplicates(rankable)
        found = differences(rows[:most], lattices_in(lake), sessions)
        out.print(f"in all rows: {found.common}")
        columns = _columns(rows[:most], found.varied)
        print_table(columns, texts=("signal", "varied"), key="id")
        for line in (
            *(term_lines(columns) if explained else ()),
            *searches(rankable, ledger, labels),
            *ranking_verdict(rankable, ledger, labels),
        ):
            out.print(line)
    of_datasets = [dataset_id for each in ranked for dataset_id in each.candidate.dataset_ids]
    for line in (*kept_for_test(ranked), *audits(ranked), *by_level_lines(lake, of_datasets, labels)):
        out.print(line)
    for each in ranked:
        if each.holdout is not None:
            out.print(line_of_test(each, each.holdout))
        elif each.test_refused:
            out.print(f"test of {each.candidate.candidate_id}: {each.test_refused}")
    for line in _adaptive_lines(adaptive, lake, most):
        out.print(line)
    for line in shortages(ranked):
        out.print(line)
    if not ranked:
        out.print("no candidates; python -m vpharness signal=perm_derivative makes some")
    elif not any(each.winner for each in ranked) and not all(each.candidate.adaptive for each in ranked):
        best = next(each for each in ranked if not each.candidate.adaptive)
        out.print(f"next: {advice(best, moves_of(best, lake))}")


def _adaptive_lines(adaptive: Sequence[Ranked], lake: Lake | None, most: int | None) -> Iterator[str]:
    """Yield candidates that an adaptive search chose, in the order of the lower end of their net interval."""
    rows = duplicates(sorted(adaptive, key=net_order))[:most]
    if not rows:
        return
    yield f"\n{ADAPTIVELY_CHOSEN} (candidate=ID show_test=true); the highest lower end of the net interval first"
    for row, varied in zip(rows, differences(rows, lattices_in(lake)).varied, strict=True):
        each, count = row[0], len(row)
        first, others = each.candidate.first, f", and {count - 1} with the same figures" if count > 1 else ""
        values = f" {varied}" if varied else ""
        figures = f"net {net_interval_text(each.judgement.figures)} ticks, p {each.judgement.p_value:.3f}"
        yield f"  {each.candidate.candidate_id} {first.signal} at {first.threshold_label}{values}{others}: {figures}"


def _columns(rows: Sequence[Sequence[Ranked]], varied: Sequence[str]) -> dict[str, list[str]]:
    """Return the cells of a ranking by their headings; a column in which nothing stands is left out."""
    ranked = [row[0] for row in rows]
    lead = "  " if any(each.winner for each in ranked) else ""
    columns: dict[str, Callable[[Ranked, Figures], str]] = {
        "signal": lambda each, _: ("* " if each.winner else lead) + each.candidate.first.signal,
        THETA: lambda each, _: each.candidate.first.threshold_label,
        "varied": lambda _each, _: "",
        **_figure_columns([HEADLINE]),
        FOR_ALL: lambda each, _: "none" if math.isnan(each.net_low_all) else f"{each.net_low_all:+.2f}",
        "p": lambda each, _: f"{each.judgement.p_value:.3f}",
        P_ADJUSTED: lambda each, _: f"{each.p_adjusted:.3f}",
        "p camp.": lambda each, _: "" if each.p_campaign is None else f"{each.p_campaign:.3f}",
        DIRECTIONAL: lambda each, _: f"{each.judgement.t:.2f}",
        **_figure_columns([each for each in shown_figures(TABLE) if each is not HEADLINE]),
        "audit": lambda each, _: "" if each.candidate.audit == AUDIT_PASSED else each.candidate.audit,
        "duplicates": lambda _each, _: "",
        "id": lambda each, _: each.candidate.candidate_id,
    }
    cells = {name: [text(each, each.judgement.figures) for each in ranked] for name, text in columns.items()}
    cells["varied"] = list(varied)
    cells["duplicates"] = [str(len(row) - 1) if len(row) > 1 else "" for row in rows]
    return {name: texts for name, texts in cells.items() if any(texts)}


def _figure_columns(figures: Iterable[Figure]) -> dict[str, Callable[[Ranked, Figures], str]]:
    """Return a column for each figure, by its heading."""

    def column(figure: Figure) -> Callable[[Ranked, Figures], str]:
        return lambda _, f: figure.text(vars(f)) if figure.is_shown(vars(f)) else ""

    return {each.title(): column(each) for each in figures}


def net_interval_text(f: Figures) -> str:
    """Return a candidate's net mean with its 95 % interval, ticks."""
    return HEADLINE.text(vars(f))


def line_of_test(ranked: Ranked, opening: HoldoutResult) -> str:
    """Return the result of a candidate's test part as a sentence."""
    openings = "once" if opening.times == 1 else f"{opening.times} times"
    figures, verdict = opening.judgement.figures, "holds" if opening.holds else "does not hold"
    return (
        f"test of {ranked.candidate.candidate_id}, opened {openings}, as number {opening.number} on this market "
        f"time: {verdict}; {'net ' if figures.n_net else ''}{net_low_text(figures, opening.low)} at an error of "
        f"{opening.error:.2g}"
    )


def rows_of(ranked: Iterable[Ranked], lake: Lake) -> list[dict[str, Any]]:
    """Return candidates as tidy rows, with what is odd about their datasets, as far as these are in the lake."""
    remarks, sessions = DatasetRemarks(lake), sessions_of_datasets(lake)
    return [
        {
            **row_of(each),
            **({"session": [sessions.get(name) for name in each.candidate.dataset_ids]} if sessions else {}),
            **remarks.of(each.candidate.dataset_ids),
        }
        for each in ranked
    ]


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
        "t_statistic": ranked.judgement.t,
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
    return without_nan(row)
