"""Segments: market time cut into stretches that follow one another, with the evidence of candidates in each of them.

A segment is a dataset, or several that overlap by the clock, such as two instruments on one day. A single dataset can
be cut into equal spans instead. The ledger keeps sums over blocks of time, so a span is made of whole blocks, cut where
blocks begin; a block that holds a fire whose longest walk may cross the cut behind it is left out whole, and its fires
are counted.
"""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation import TEST, BlockSums, Evidence, MarketTime, Tally, pooled
from vpharness.evaluation.blocks import NS_PER_SECOND
from vpharness.results.ledger import (
    LaterTrials,
    LedgerCandidate,
    LedgerRun,
    LedgerRuns,
    Trial,
    at_places,
    evidence_at,
)

LEAST_SEGMENTS = 2
_NS_PER_MS = 1_000_000
_NS_PER_HOUR = 3600 * NS_PER_SECOND
_NO_TIMES = np.zeros(0)
_NAMED_AT_MOST = 2


@dataclass(frozen=True)
class Segment:
    """A stretch of time.

    Attributes:
        name: of its datasets, or of the span.
        start_ns, stop_ns: `start_ns` <= t < `stop_ns`, ns since the Unix epoch, UTC.
        times: the market time that candidates are judged on in it, a stretch for each of its datasets.
        is_test: whether its datasets are kept for the test: nothing is ever chosen on it.
    """

    name: str
    start_ns: int
    stop_ns: int
    times: tuple[MarketTime, ...]
    is_test: bool = False


@dataclass(frozen=True)
class SegmentEvidence:
    """What a candidate did in one segment.

    Attributes:
        trials: its trials on the datasets of the segment.
        evidence: pooled over them.
        first_ns, stop_ns: its fires from `first_ns` on and before `stop_ns` are in the evidence, unless their block is
            among `dropped`.
        dropped: blocks of the evidence's length that were left out at the cut behind.
        n_dropped: the net fires in them.
    """

    trials: tuple[Trial, ...]
    evidence: Evidence
    first_ns: int
    stop_ns: int
    dropped: frozenset[int] = frozenset()
    n_dropped: int = 0


class SegmentsLater(Sequence[SegmentEvidence | None]):
    """What a candidate did in segments that are whole datasets, made where it is first looked at."""

    def __init__(
        self, candidate: LedgerCandidate, segments: Sequence[Segment], places: Sequence[Sequence[int]]
    ) -> None:
        """Note the places that its trials in each segment have among all its trials."""
        self._candidate, self._segments, self.places = candidate, segments, places

    def __len__(self) -> int:
        """Return how many segments there are."""
        return len(self._segments)

    @overload
    def __getitem__(self, segment: int) -> SegmentEvidence | None: ...

    @overload
    def __getitem__(self, segment: slice) -> tuple[SegmentEvidence | None, ...]: ...

    def __getitem__(self, segment: int | slice) -> SegmentEvidence | tuple[SegmentEvidence | None, ...] | None:
        """Return what it did in a segment, or in some of them; None where it did not run."""
        if isinstance(segment, slice):
            return tuple(self[each] for each in range(*segment.indices(len(self))))
        evidence, its = self.evidence(segment), self._segments[segment]
        if evidence is None:
            return None
        trials = tuple(at_places(self._candidate.trials, self.places[segment]))
        return SegmentEvidence(trials, evidence, its.start_ns, its.stop_ns)

    def evidence(self, segment: int) -> Evidence | None:
        """Return the evidence of a segment, for which no trial is made."""
        known = [evidence_at(self._candidate.trials, place) for place in self.places[segment]]
        several = [each for each in known if each is not None]
        return pooled(several) if several else None


@dataclass(frozen=True)
class History:
    """A candidate with its evidence in each segment; None in those that it did not run on."""

    candidate: LedgerCandidate
    in_segments: Sequence[SegmentEvidence | None]

    @property
    def evidence(self) -> list[Evidence | None]:
        """Its evidence alone in each segment."""
        own = self.in_segments
        if isinstance(own, SegmentsLater):
            trials = self.candidate.trials
            return [
                evidence_at(trials, places[0]) if len(places) == 1 else own.evidence(segment)
                for segment, places in enumerate(own.places)
            ]
        return [None if each is None else each.evidence for each in own]

    @property
    def ran(self) -> list[bool]:
        """Whether it ran on each segment."""
        own = self.in_segments
        return [bool(each) for each in own.places] if isinstance(own, SegmentsLater) else [x is not None for x in own]


@dataclass(frozen=True)
class Timeline:
    """Segments that choose, in the order of time, and the histories of candidates over them.

    Attributes:
        segments: the segments.
        histories: the candidates that have any of them.
        tests: segments that are kept for the test, in the order of time; candidates have trials there, and no evidence.
    """

    segments: tuple[Segment, ...]
    histories: tuple[History, ...]
    tests: tuple[Segment, ...] = ()

    @functools.cached_property
    def ran(self) -> NDArray[np.bool_]:
        """[C, T] whether each candidate ran on each segment."""
        return np.array([own.ran for own in self.histories], np.bool_).reshape(len(self.histories), len(self.segments))

    def ran_on(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return [C] whether each candidate ran on all of the segments `start` to `stop - 1`."""
        found: NDArray[np.bool_] = np.all(self.ran[:, start:stop], axis=1)
        return found


def segments_of(candidates: Sequence[LedgerCandidate], spans: int | None = None) -> Timeline:
    """Return the segments that candidates ran on, and their evidence in each.

    Args:
        candidates: each with the trials that are meant.
        spans: into how many equal spans a single dataset is cut; None where each dataset is a segment.

    Raises ConfigError where there are no two segments, and where `spans` do not fit.
    """
    judged = [each for each in candidates if each.chooses and _has_evidence(each)]
    datasets = {runs.runs[place].dataset for runs in _distinct_runs(judged) for place in runs.counted}
    if not datasets:
        raise ConfigError(
            "no candidate was judged on what is asked for; python -m vpharness compare shows what there is"
        )
    if spans is None:
        timeline = _by_dataset(judged)
        if len(timeline.segments) < LEAST_SEGMENTS:
            names = ", ".join(each.name for each in timeline.segments)
            raise ConfigError(
                f"walk_forward needs several segments that follow one another, and there is one: {names}; run the "
                "campaign on more datasets, or cut this one with segments=K"
            )
        return replace(timeline, tests=_tests(candidates))
    if len(datasets) > 1:
        names = ", ".join(sorted({dataset_id for dataset_id, _ in datasets}))
        raise ConfigError(
            f"segments={spans} cuts a single dataset, and there are {names}; give dataset.id, or no segments"
        )
    return _by_span(judged, spans)


def _has_evidence(candidate: LedgerCandidate) -> bool:
    """Whether all trials that count have evidence, as those in the store have that need not be made to be judged."""
    return isinstance(candidate.trials, LaterTrials) or all(each.evidence is not None for each in candidate.counted)


def _distinct_runs(candidates: Sequence[LedgerCandidate]) -> list[LedgerRuns]:
    """Return the runs of candidates, once where several share them."""
    return list({id(each.runs): each.runs for each in candidates}.values())


def _by_dataset(candidates: Sequence[LedgerCandidate]) -> Timeline:
    several = _distinct_runs(candidates)
    # Runs on the same days share the object, so that few of them are compared by what they hold.
    counted = (runs.runs[place] for runs in several for place in runs.counted)
    objects = {id(run.judged_time): run for run in counted}
    runs_at = {run.judged_time: run for run in objects.values()}
    groups = _groups(list(runs_at))
    segments = tuple(_segment([runs_at[time] for time in times]) for times in groups)
    of_time = {time: place for place, times in enumerate(groups) for time in times}
    segment_of = {number: of_time[run.judged_time] for number, run in objects.items()}
    places: dict[int, tuple[list[int], ...]] = {}
    for runs in several:
        own = places[id(runs)] = tuple([] for _ in segments)
        for place in runs.counted:
            own[segment_of[id(runs.runs[place].judged_time)]].append(place)
    histories = (History(each, SegmentsLater(each, segments, places[id(each.runs)])) for each in candidates)
    return Timeline(segments, tuple(histories))


def _groups(times: Collection[MarketTime]) -> list[list[MarketTime]]:
    """Return stretches in groups that follow one another by the clock: those that overlap are together."""
    groups: list[list[MarketTime]] = []
    stop_ns = 0
    for time in sorted(times, key=lambda each: (each.start_ns, each.stop_ns)):
        if groups and time.start_ns < stop_ns:
            groups[-1].append(time)
        else:
            groups.append([time])
            stop_ns = time.stop_ns
        stop_ns = max(stop_ns, time.stop_ns)
    return groups


def _segment(runs: Sequence[LedgerRun], *, is_test: bool = False) -> Segment:
    times = [(run.test_time if is_test else None) or run.judged_time for run in runs]
    names = sorted({run.dataset_id for run in runs})
    more = len(names) - _NAMED_AT_MOST
    name = "+".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    start_ns, stop_ns = min(each.start_ns for each in times), max(each.stop_ns for each in times)
    return Segment(name, start_ns, stop_ns, tuple(dict.fromkeys(times)), is_test)


def _tests(candidates: Sequence[LedgerCandidate]) -> tuple[Segment, ...]:
    """Return the segments of datasets that are kept for the test, in the order of time."""
    kept = (run for runs in _distinct_runs(candidates) for run in runs.runs if run.judged_part == TEST)
    runs_at = {run.test_time: run for run in kept if run.test_time is not None}
    return tuple(_segment([runs_at[time] for time in times], is_test=True) for times in _groups(list(runs_at)))


def _by_span(candidates: Sequence[LedgerCandidate], spans: int) -> Timeline:
    """Cut a single dataset into equal spans, rounded to the longest blocks among the candidates."""
    trials = [each.counted[0] for each in candidates]
    start_ns = min(trial.judged_time.start_ns for trial in trials)
    stop_ns = max(trial.judged_time.stop_ns for trial in trials)
    longest_s = max(trial.evidence.blocks.seconds for trial in trials if trial.evidence is not None)
    block_ns = longest_s * NS_PER_SECOND
    ideal = [start_ns + round(place * (stop_ns - start_ns) / spans) for place in range(1, spans)]
    inner = [(cut + block_ns // 2) // block_ns * block_ns for cut in ideal]
    cuts = [start_ns, *inner, stop_ns]
    if any(later - earlier < min(block_ns, stop_ns - start_ns) for earlier, later in pairwise(cuts)):
        most = max(1, (stop_ns - start_ns) // (2 * block_ns))
        raise ConfigError(
            f"segments={spans} cuts {(stop_ns - start_ns) / NS_PER_SECOND:,.0f} s into spans of less than one block of "
            f"{longest_s} s; give at most segments={most}, or a longer dataset"
        )
    name, market = trials[0].dataset_id, trials[0].market
    segments = tuple(
        Segment(f"{name} {place + 1}/{spans}", low, high, (MarketTime(market, low, high),))
        for place, (low, high) in enumerate(pairwise(cuts))
    )
    return Timeline(segments, tuple(History(each, _spans_of(each.counted[0], cuts)) for each in candidates))


def _spans_of(trial: Trial, cuts: Sequence[int]) -> tuple[SegmentEvidence | None, ...]:
    evidence = trial.evidence
    if evidence is None:
        return (None,) * (len(cuts) - 1)
    blocks, width_ns = evidence.blocks, round(trial.evaluation.cell_width_ms * _NS_PER_MS)
    times = (trial.first_bin_start_ns or 0) + trial.fires.bins * width_ns
    block_ns, reach_ns = blocks.seconds * NS_PER_SECOND, trial.evaluation.net_reach_bins * width_ns
    found: list[SegmentEvidence | None] = []
    for place, (low, high) in enumerate(pairwise(cuts)):
        is_last = place == len(cuts) - 2
        begins = blocks.block * block_ns
        # The first and the last block of the dataset may begin before it, or end behind it.
        inside = ((begins >= low) | (place == 0)) & ((begins < high) | is_last)
        crossing = np.empty(0, np.int64) if is_last else _crossing(times, low, high, reach_ns, block_ns)
        kept = inside & ~np.isin(blocks.block, crossing)
        lost = inside & ~kept
        fired = int(np.count_nonzero((times >= low) & (times < high) & ~np.isin(times // block_ns, crossing)))
        found.append(
            SegmentEvidence(
                (trial,),
                _part_of(evidence, kept, fired, (high - low) / (cuts[-1] - cuts[0]), (high - low) / _NS_PER_HOUR),
                low,
                high,
                frozenset(blocks.block[lost].tolist()),
                int(blocks.count("n_net")[lost].sum()),
            )
        )
    return tuple(found)


def _crossing(times: NDArray[np.int64], low: int, high: int, reach_ns: int, block_ns: int) -> NDArray[np.int64]:
    """Return the blocks before a cut that hold a fire whose longest walk may reach the cut."""
    return np.unique(times[(times >= low) & (times < high) & (times + reach_ns >= high)] // block_ns)


def _part_of(evidence: Evidence, kept: NDArray[np.bool_], fired: int, share: float, hours: float) -> Evidence:
    """Return the evidence of some blocks alone.

    What the ledger keeps for the whole dataset alone is left out (times, squares) or taken in proportion to time (the
    walks of the market, which tell at which barriers fires are expected to end).
    """
    blocks, tally = evidence.blocks, evidence.tally
    sums = BlockSums(
        blocks.seconds,
        blocks.block[kept],
        blocks.counts[kept],
        blocks.ticks[kept],
        None if blocks.orders is None else blocks.orders[kept],
    )
    numbers = Tally(
        n_fires=fired,
        n_up=0,
        n_down=0,
        n_censored=0,
        n_skipped=0,
        n_net_censored=0,
        n_net_skipped=0,
        hours=hours,
        net_pnl_squares=float("nan"),
        n_walks=round(tally.n_walks * share),
        n_walks_tp=round(tally.n_walks_tp * share),
        n_walks_sl=round(tally.n_walks_sl * share),
    )
    return Evidence(sums, numbers, _NO_TIMES, _NO_TIMES, None if evidence.waits_ms is None else _NO_TIMES)
