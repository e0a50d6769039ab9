"""The steps of walk-forward: before each stretch of segments a choice from the past, and what it earned there."""

import math
from dataclasses import dataclass

from vpharness.errors import ConfigError
from vpharness.evaluation.blocks import merged
from vpharness.evaluation.intervals import Interval, ratio_of_totals
from vpharness.results.holdout import HoldoutResult
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.walk_forward.choosing import Chosen, WindowSums
from vpharness.results.walk_forward.segments import Segment, SegmentEvidence, Timeline


@dataclass(frozen=True)
class Step:
    """One choice, and the segments behind it in which it was in force.

    Attributes:
        number: from 1 on.
        in_sample: the segments that chose.
        out_of_sample: the segments behind them; none at the last step where they are still to come.
        candidate: what was chosen, with all its trials that are meant; None where nothing could be ranked.
        chosen: its results in sample; None likewise.
        found: its evidence in those of the segments behind, one each.
        opening: for segments that are kept for the test: the result of opening them.
        refused: why they were not opened; empty otherwise.
    """

    number: int
    in_sample: tuple[Segment, ...]
    out_of_sample: tuple[Segment, ...]
    candidate: LedgerCandidate | None
    chosen: Chosen | None
    found: tuple[SegmentEvidence, ...]
    opening: HoldoutResult | None = None
    refused: str = ""

    @property
    def is_test(self) -> bool:
        """Whether its segments are kept for the test."""
        return any(each.is_test for each in self.out_of_sample)

    @property
    def is_open(self) -> bool:
        """Whether its segments are still to come: it says what the procedure would trade now."""
        return not self.out_of_sample

    @property
    def n_net(self) -> int:
        """The net fires out of sample."""
        return sum(int(each.evidence.blocks.count("n_net").sum()) for each in self.found)

    @property
    def net_total(self) -> float:
        """What they earned together, ticks."""
        return sum(float(each.evidence.blocks.tick("net_pnl").sum()) for each in self.found)

    @property
    def net(self) -> Interval:
        """The net mean out of sample with its interval, ticks; NaN where there is none."""
        if not self.found:
            return Interval(math.nan, math.nan, math.nan)
        blocks = merged([each.evidence.blocks for each in self.found])
        return ratio_of_totals(blocks.tick("net_pnl"), blocks.count("n_net")).interval()


def walk(timeline: Timeline, sums: WindowSums, train: int, step: int) -> list[Step]:
    """Return the steps of a procedure over the segments that choose, in the order of time.

    Nothing of a segment is looked at by a choice that is made before it. A candidate can be chosen where it ran on
    every segment of the window and of the stretch behind: whether it ran there says nothing of what it earned. The last
    step is the choice that is in force now, or, where that has run its course, the one that is due.

    Args:
        timeline: segments and candidates.
        sums: of its candidates.
        train: how many segments before the step choose; 0 for all.
        step: how many segments a choice is in force.

    Raises ConfigError where there are too few segments for one step.
    """
    segments = timeline.segments
    first = train or 1
    if len(segments) <= first:
        raise ConfigError(
            f"train={train} needs {first + 1} segments or more, and there are {len(segments)}; give a smaller train, "
            "or run the campaign on more datasets"
        )
    found: list[Step] = []
    for begin in range(first, len(segments) + 1, step):
        start, stop = (begin - train if train else 0), min(begin + step, len(segments))
        chosen = sums.choose(start, begin, timeline.ran_on(start, stop))
        own = None if chosen is None else timeline.histories[chosen.place]
        behind = () if own is None else own.in_segments[begin:stop]
        found.append(
            Step(
                len(found) + 1,
                segments[start:begin],
                segments[begin:stop],
                None if own is None else own.candidate,
                chosen,
                tuple(each for each in behind if each is not None),
            )
        )
    return found


@dataclass(frozen=True)
class BestFixed:
    """The candidate that the out-of-sample segments themselves would choose, and its results there.

    That is hindsight: a bar to compare with, which no procedure can be expected to reach.
    """

    candidate: LedgerCandidate
    chosen: Chosen


def best_fixed(timeline: Timeline, sums: WindowSums, train: int) -> BestFixed | None:
    """Return the candidate with the largest lower end over all out-of-sample segments; None where none is rankable."""
    first = train or 1
    chosen = sums.choose(first, len(timeline.segments), timeline.ran_on(first, len(timeline.segments)))
    return None if chosen is None else BestFixed(timeline.histories[chosen.place].candidate, chosen)
