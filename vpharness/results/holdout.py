"""Opening test parts: each opening of the same market time makes the next one harder to pass, and is counted."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vpharness.evaluation import (
    TEST,
    Evidence,
    Figures,
    Judgement,
    MarketTime,
    any_overlap,
    counted_once,
    judge,
    opening_error,
)
from vpharness.evaluation.intervals import ratio_of_totals
from vpharness.evaluation.significance import LEAST_TEST_FIRES
from vpharness.results.ledger import DatasetKey, LedgerCandidate, Trial
from vpharness.results.reevaluation import ViewOf, reevaluate
from vpharness.results.store import VIEWS, Store, TableRows, append, read
from vpharness.results.table_schemas import VIEWS_SCHEMA, market_in, market_row

if TYPE_CHECKING:
    from vpharness.results.ranking import Ranked


@dataclass(frozen=True)
class HoldoutResult:
    """The result of a test part, and what it takes to hold.

    Attributes:
        judgement: figures of the test part.
        number: k, how many candidates had been shown on overlapping market time by then, this one included; each
            stretch of this one's that was opened as a test, and that it has been trained on since, counts as another.
        error: the error that this opening is allowed, 0.05·6/(π²k²).
        low: lower end of the net mean, one-sided at that error, ticks; NaN with fewer than two blocks.
        times: how often it has been opened, this time included.
    """

    judgement: Judgement
    number: int
    error: float
    low: float
    times: int

    @property
    def holds(self) -> bool:
        """Whether the candidate earns something in the test, at the level that the opening is allowed."""
        return self.low > 0 and self.judgement.figures.n_net >= LEAST_TEST_FIRES


def open_holdouts(
    ranked: Sequence["Ranked"], ledger: Sequence[LedgerCandidate], store: Store, view_of: ViewOf
) -> list["Ranked"]:
    """Open the test part of some candidates, and count in the store that it has been opened.

    A candidate whose signal was judged on the same market time, in whatever run, has no test: that is said, and it is
    not opened. Raises ResultsError where the store cannot be written.
    """
    opened = open_tests([each.candidate for each in ranked], ledger, store, view_of)
    return [
        replace(each, test_refused=opening.refused)
        if opening.refused
        else replace(each, holdout=opening.result)
        if opening.result is not None
        else each
        for each, opening in zip(ranked, opened, strict=True)
    ]


def open_rankable(
    ranked: Sequence["Ranked"], ledger: Sequence[LedgerCandidate], store: Store, view_of: ViewOf
) -> list["Ranked"]:
    """Open the test part of those candidates that have enough data in training; of the others it is said why not.

    Each opening makes the next ones harder to pass, so none is spent on what no test could confirm.
    """
    why = [unrankable(each) for each in ranked]
    opened = iter(
        open_holdouts([each for each, text in zip(ranked, why, strict=True) if not text], ledger, store, view_of)
    )
    return [replace(each, test_refused=text) if text else next(opened) for each, text in zip(ranked, why, strict=True)]


def unrankable(ranked: "Ranked") -> str:
    """Return why a candidate has nothing that a test could confirm, in a sentence; empty where it may have.

    That an adaptive search chose it is no reason: its test is what judges it. Nor is that it ran on datasets alone that
    are kept for the test, where nothing was to be judged before.
    """
    if not ranked.candidate.choosing or not ranked.judgement.lacks:
        return ""
    lacks = "; ".join(map(str, ranked.judgement.lacks))
    return f"not opened, since it cannot be ranked and a test could confirm nothing: {lacks}"


@dataclass(frozen=True)
class OpenedTest:
    """The opening of one candidate's test part.

    Attributes:
        result: its result; None where it has no test part, or was not opened.
        refused: why it was not opened; empty otherwise.
        evidence: of the test part on each dataset.
    """

    result: HoldoutResult | None = None
    refused: str = ""
    evidence: Mapping[DatasetKey, Evidence] = field(default_factory=dict)


def open_tests(
    candidates: Sequence[LedgerCandidate], ledger: Sequence[LedgerCandidate], store: Store, view_of: ViewOf
) -> list[OpenedTest]:
    """Open the test part of each candidate on its trials, and count in the store that it has been opened.

    One whose signal was judged on the same market time, in whatever run, is refused. Raises ResultsError where the
    store cannot be written.
    """
    refused = [seen_in_training(each, ledger) for each in candidates]
    tests = [[] if why else trials_with_test(each) for each, why in zip(candidates, refused, strict=True)]
    evidence = reevaluate([trial for trials in tests for trial in trials], view_of, lambda _: TEST)
    own = [{trial.dataset: evidence[trial.candidate_id, trial.dataset] for trial in trials} for trials in tests]
    _count([each for each, some in zip(candidates, own, strict=True) if some], time.time_ns(), store)
    views = _views(store, ledger)
    return [
        OpenedTest(refused=why)
        if why or not some
        else OpenedTest(_holdout_result(each, judge(list(some.values()), each.first.evaluation), views), evidence=some)
        for each, why, some in zip(candidates, refused, own, strict=True)
    ]


def trials_with_test(candidate: LedgerCandidate) -> list[Trial]:
    """Return a candidate's trials that have a test part; of those that overlap in market time the longest alone."""
    trials = [trial for trial in candidate.trials if trial.test_time is not None]
    times = [trial.test_time for trial in trials if trial.test_time is not None]
    return [trials[place] for place in counted_once(times)]


def seen_in_training(candidate: LedgerCandidate, ledger: Sequence[LedgerCandidate]) -> str:
    """Return which dataset has seen a candidate's test part in training, in a sentence; empty where none has.

    Whatever was judged of the same signal counts, at any parameters: its author has seen it.
    """
    tests = [trial.test_time for trial in candidate.trials if trial.test_time is not None]
    signal = candidate.first.signal
    for other in ledger:
        for trial in other.choosing if _same_signal(candidate.first, other.first) else ():
            if any_overlap([trial.judged_time], tests):
                return (
                    f"its test part is no test: {signal} was judged in training on dataset {trial.dataset_id} over the "
                    f"same market time (run {trial.run_id})"
                )
    return ""


def _same_signal(one: Trial, other: Trial) -> bool:
    """Whether two trials are of one signal: by its name, or by its program, which a copy under another name shares."""
    return one.signal == other.signal or (bool(one.signal_digest) and one.signal_digest == other.signal_digest)


@dataclass(frozen=True)
class _View:
    candidate_id: str
    opened_ns: int
    times: tuple[MarketTime, ...]


def _count(candidates: Sequence[LedgerCandidate], now_ns: int, store: Store) -> None:
    """Note in the store which market time is opened; candidates of one call one after the other, as they rank."""
    rows: list[dict[str, Any]] = []
    for place, candidate in enumerate(candidates):
        rows += [
            {
                "candidate_id": candidate.candidate_id,
                "opened_ns": now_ns + place,
                **market_row(test.market),
                "start_ns": test.start_ns,
                "stop_ns": test.stop_ns,
            }
            for trial in trials_with_test(candidate)
            if (test := trial.test_time) is not None
        ]
    append(store, TableRows(VIEWS, rows, VIEWS_SCHEMA))


def _views(store: Store, ledger: Sequence[LedgerCandidate]) -> list[_View]:
    """Return all openings, in their order; those noted by an earlier version are of the ledger's test parts."""
    of_candidate = {each.candidate_id: each for each in ledger}
    found: dict[tuple[str, int], list[MarketTime]] = {}
    for row in read(store, VIEWS):
        times = found.setdefault((row["candidate_id"], row["opened_ns"]), [])
        market = market_in(row)
        if market is not None:
            times.append(MarketTime(market, row["start_ns"], row["stop_ns"]))
        elif row["candidate_id"] in of_candidate:
            trials = trials_with_test(of_candidate[row["candidate_id"]])
            times += [trial.test_time for trial in trials if trial.test_time is not None]
    views = [_View(candidate_id, opened_ns, tuple(times)) for (candidate_id, opened_ns), times in found.items()]
    return sorted(views, key=lambda view: (view.opened_ns, view.candidate_id))


def _holdout_result(candidate: LedgerCandidate, judgement: Judgement, views: Sequence[_View]) -> HoldoutResult:
    times = [trial.test_time for trial in trials_with_test(candidate) if trial.test_time is not None]
    own = [view for view in views if view.candidate_id == candidate.candidate_id and any_overlap(view.times, times)]
    # Each stretch was first shown at some time: the last of these is when all that is judged here had been shown.
    first_shown_ns = max(min(view.opened_ns for view in own if any_overlap(view.times, [time])) for time in times)
    before = {
        view.candidate_id
        for view in views
        if view.opened_ns <= first_shown_ns and (any_overlap(view.times, times) or not view.times)
    }
    number = len(before | {candidate.candidate_id}) + _trained_on_since(candidate, views)
    error = opening_error(number)
    blocks = judgement.evidence.blocks
    low = ratio_of_totals(blocks.tick("net_pnl"), blocks.count("n_net")).lower_end(error)
    return HoldoutResult(judgement, number, error, low if math.isfinite(low) else math.nan, len(own))


def _trained_on_since(candidate: LedgerCandidate, views: Sequence[_View]) -> int:
    """Return how many different stretches were opened as a candidate's test that it has been trained on since.

    A collection that grows moves datasets from the test into training. Whoever has seen a test could move out of it
    what went badly: what is left is another test then, chosen after the first.
    """
    own = [view for view in views if view.candidate_id == candidate.candidate_id]
    return len({view.times for view in own if any_overlap(view.times, candidate.market_times)})


def net_low_text(figures: Figures, low: float) -> str:
    """Return a net mean with its lower end in words; nothing is put into figures that are not there."""
    if not figures.n_net:
        return "no net fires"
    end = f"lower end {low:+.2f}" if math.isfinite(low) else "no lower end"
    return f"{figures.net_pnl_ticks:+.2f} ticks over {figures.n_net} fires, {end}"
