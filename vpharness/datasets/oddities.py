"""What is odd about a dataset, in sentences for its manifest: what a user should know before believing a result on it.

A build succeeds on data that are of little use: a book that is crossed most of the time, a feed with holes, a file
that begins in the middle of a day. The sentences say what was found, how much of it, and what to do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vpharness.compiled import Array
from vpharness.datasets.manifest import LEAST_VALID_SHARE, valid_share_text
from vpharness.events.mbo_event import (
    ADD,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    HALT,
    RESUME,
)
from vpharness.events.times import SECOND_NS, time_text

LONG_CROSSED_NS: Final = 10 * SECOND_NS
MOST_UNKNOWN_SHARE: Final = 0.01

_UNKNOWN: Final = ("unknown_cancel", "unknown_modify", "unknown_fill")
_HALTS_TOLD: Final = 3


@dataclass
class EventMarks:
    """What the events themselves say: snapshots, halts, and gaps in the feed."""

    records: int = 0
    in_snapshots: int = 0
    halts: list[tuple[int, int | None]] = field(default_factory=list)  # from and until when, ns
    gaps: int = 0
    first_gap_ns: int = 0
    publishers: tuple[int, int] | None = None  # the lowest and the highest that adds something
    tells_prices: bool = False  # best prices or price levels in place of orders

    def take_in(self, events: Array) -> None:
        """Take in the next events."""
        self.records += len(events)
        self.in_snapshots += int(np.count_nonzero(events["flags"] & FLAG_SNAPSHOT))
        self.tells_prices |= bool((events["flags"] & (FLAG_TOP_OF_BOOK | FLAG_BY_PRICE)).any())
        adding = events["publisher"][events["action"] == ADD]
        if len(adding):
            lowest, highest = self.publishers or (int(adding[0]), int(adding[0]))
            self.publishers = min(lowest, int(adding.min())), max(highest, int(adding.max()))
        gaps = events["ts_ns"][(events["flags"] & FLAG_FEED_GAP) != 0]
        if len(gaps) and not self.gaps:
            self.first_gap_ns = int(gaps[0])
        self.gaps += len(gaps)
        for event in events[(events["action"] == HALT) | (events["action"] == RESUME)]:
            is_halted = bool(self.halts) and self.halts[-1][1] is None
            if event["action"] == HALT and not is_halted:
                self.halts.append((int(event["ts_ns"]), None))
            elif event["action"] == RESUME and is_halted:
                self.halts[-1] = (self.halts[-1][0], int(event["ts_ns"]))

    @property
    def is_consolidated(self) -> bool:
        """Whether the book is one of several venues."""
        return self.publishers is not None and self.publishers[0] != self.publishers[1]

    @property
    def is_snapshot_alone(self) -> bool:
        """Whether every record restates a book."""
        return 0 < self.records == self.in_snapshots


@dataclass
class InvalidBins:
    """Why bins have no valid book: how many for each reason, and the longest time for which it was crossed."""

    bins: int = 0
    valid: int = 0
    crossed: int = 0
    one_sided: int = 0
    crossed_since_ns: int | None = None
    longest_crossed_ns: int = 0
    longest_crossed_start_ns: int = 0

    def take_in(self, bins: Array) -> None:
        """Take in the next bins, BIN_DTYPE [n]."""
        bids, asks, valid = bins["best_bid_price_int"], bins["best_ask_price_int"], bins["book_valid"]
        one_sided = ~valid & ((bids == 0) | (asks == 0))
        crossed = ~valid & ~one_sided & (bids >= asks)
        self.bins += len(bins)
        self.valid += int(valid.sum())
        self.one_sided += int(one_sided.sum())
        self.crossed += int(crossed.sum())
        changes = np.flatnonzero(np.diff(crossed, prepend=self.crossed_since_ns is not None))
        for place in changes.tolist():
            start_ns = int(bins["bin_start_ns"][place])
            if crossed[place]:
                self.crossed_since_ns = start_ns
            else:
                self._end_crossing(start_ns)
        if len(bins) and self.crossed_since_ns is not None:
            since_ns = self.crossed_since_ns
            self._end_crossing(int(bins["bin_end_ns"][-1]))
            self.crossed_since_ns = since_ns

    def _end_crossing(self, end_ns: int) -> None:
        since_ns = end_ns if self.crossed_since_ns is None else self.crossed_since_ns
        if end_ns - since_ns > self.longest_crossed_ns:
            self.longest_crossed_ns, self.longest_crossed_start_ns = end_ns - since_ns, since_ns
        self.crossed_since_ns = None


def oddities(marks: EventMarks, invalid: InvalidBins, problems: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence for everything that is odd about a dataset that has been built."""
    if invalid.valid < LEAST_VALID_SHARE * invalid.bins:
        yield f"{valid_share_text(invalid.valid, invalid.bins)}: {_reasons(marks, invalid)}"
    if invalid.longest_crossed_ns >= LONG_CROSSED_NS:
        yield (
            f"the book was crossed (bid at or above ask) for {_duration(invalid.longest_crossed_ns)} from "
            f"{time_text(invalid.longest_crossed_start_ns)} on: {_why_crossed(marks)}"
        )
    unknown = sum(problems.get(name, 0) for name in _UNKNOWN)
    if unknown > MOST_UNKNOWN_SHARE * marks.records:
        yield (
            f"{unknown:,} of {marks.records:,} events ({unknown / marks.records:.1%}) name orders that are not in the "
            "book: the data begin without a snapshot of it, or records are missing"
        )
    if marks.halts:
        told = ", ".join(_halt(*each) for each in marks.halts[:_HALTS_TOLD])
        more = f" and {len(marks.halts) - _HALTS_TOLD} more times" if len(marks.halts) > _HALTS_TOLD else ""
        yield f"trading was halted {told}{more}: there the book is not valid"
    if marks.gaps:
        times = "a record follows" if marks.gaps == 1 else f"{marks.gaps:,} records follow"
        yield (
            f"{times} a gap in the feed, the first at {time_text(marks.first_gap_ns)}: from a gap on the book is not "
            "valid until it is restated"
        )


def _why_crossed(marks: EventMarks) -> str:
    """Return why a book may be crossed for long, and what to do: an order is stale only where orders are told."""
    if marks.is_consolidated:
        return (
            "it holds the prices of several venues, which may cross one another's without an order that is out of "
            "date; choose a venue with source.publisher_id"
        )
    if marks.tells_prices:
        return (
            "its prices are told in place of orders, one of them without its end; use data order by order, or leave "
            "these times out with start and end"
        )
    return "an order that is gone from the market is still in it; lattice.evict_crossed_ms=1000 takes such orders out"


def no_bin_reason(marks: EventMarks) -> str:
    """Return why no bin ended with a valid book, and what to do about it."""
    if marks.is_snapshot_alone:
        return (
            "every record is part of a snapshot (bit 32), which restates a book and holds no flow: get the records "
            "that follow it (the vendor's data of a longer time, beside the snapshot)"
        )
    halted = bool(marks.halts) and marks.halts[-1][1] is None
    state = "; trading was halted" if halted else "; the feed has a gap" if marks.gaps else ""
    return (
        "from the start on no bin ended with a valid book (bids and asks, not crossed)"
        f"{state}; check start, end and the instrument"
    )


def _reasons(marks: EventMarks, invalid: InvalidBins) -> str:
    rest = invalid.bins - invalid.valid - invalid.crossed - invalid.one_sided
    others = [
        name
        for name, is_so in (
            ("trading was halted", bool(marks.halts)),
            ("the feed had a gap", bool(marks.gaps)),
            ("a snapshot was under way", not marks.halts and not marks.gaps),
        )
        if is_so
    ]
    found = {
        "the book was crossed": invalid.crossed,
        "a side was empty": invalid.one_sided,
        " or ".join(others): rest,
    }
    parts = sorted(((count, name) for name, count in found.items() if count), reverse=True)
    return ", ".join(f"in {count / invalid.bins:.1%} {name}" for count, name in parts)


def _halt(start_ns: int, end_ns: int | None) -> str:
    return f"from {time_text(start_ns)} " + ("on" if end_ns is None else f"to {time_text(end_ns)}")


def _duration(duration_ns: int) -> str:
    seconds = duration_ns / SECOND_NS
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} minutes"
        if seconds < 7200
        else f"{seconds / 3600:.1f} hours"
    )
