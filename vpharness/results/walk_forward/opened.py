"""Segments that are kept for the test: what was chosen before each of them is opened there, and counted.

Nothing is ever chosen on such a segment: choices look at the segments that choose alone. So one opening is counted for
what is in force on them, not for every candidate that could have been chosen.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from vpharness.evaluation import TEST, pooled
from vpharness.results.holdout import open_tests
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.reevaluation import ViewOf
from vpharness.results.store import Store
from vpharness.results.walk_forward.choosing import WindowSums
from vpharness.results.walk_forward.segments import Segment, SegmentEvidence, Timeline
from vpharness.results.walk_forward.steps import Step


def with_tests(  # what steps depend on, and what opening does
    steps: Sequence[Step],
    timeline: Timeline,
    sums: WindowSums,
    train: int,
    ledger: Sequence[LedgerCandidate],
    store: Store,
    view_of: ViewOf,
) -> list[Step]:
    """Return steps with those on test segments behind them, in the order of time.

    Test segments that come before there are enough segments to choose on are left closed.
    """

    def before(segment: Segment) -> int:
        return sum(each.stop_ns <= segment.start_ns for each in timeline.segments)

    found = list(steps)
    for begin, some in groupby(timeline.tests, key=before):
        if begin >= (train or 1):
            found.append(_opened(tuple(some), begin, timeline, sums, train, ledger, store, view_of))
    ordered = sorted(
        found, key=lambda step: (step.is_open, step.out_of_sample[0].start_ns if step.out_of_sample else 0)
    )
    return [replace(step, number=place + 1) for place, step in enumerate(ordered)]


def _opened(
    tests: tuple[Segment, ...],
    begin: int,
    timeline: Timeline,
    sums: WindowSums,
    train: int,
    ledger: Sequence[LedgerCandidate],
    store: Store,
    view_of: ViewOf,
) -> Step:
    start = begin - train if train else 0
    in_sample = timeline.segments[start:begin]
    there = np.array([bool(_trials(each.candidate, tests)) for each in timeline.histories], np.bool_)
    chosen = sums.choose(start, begin, timeline.ran_on(start, begin) & there)
    if chosen is None:
        return Step(0, in_sample, tests, None, None, ())
    candidate = timeline.histories[chosen.place].candidate
    times = {time for segment in tests for time in segment.times}
    meant = candidate.on(lambda run: run.judged_part != TEST or run.test_time in times) or candidate
    (opening,) = open_tests([meant], ledger, store, view_of)
    if opening.result is None:
        return Step(0, in_sample, tests, candidate, chosen, (), None, opening.refused or "it has no test part")
    found = []
    for segment in tests:
        trials = tuple(trial for trial in _trials(candidate, [segment]) if trial.dataset in opening.evidence)
        if trials:
            evidence = pooled([opening.evidence[trial.dataset] for trial in trials])
            found.append(SegmentEvidence(trials, evidence, segment.start_ns, segment.stop_ns))
    return Step(0, in_sample, tests, candidate, chosen, tuple(found), opening.result)


def _trials(candidate: LedgerCandidate, tests: Sequence[Segment]) -> tuple[Trial, ...]:
    """Return a candidate's trials on test segments."""
    times = {time for segment in tests for time in segment.times}
    return tuple(trial for trial in candidate.trials if trial.test_time in times)
