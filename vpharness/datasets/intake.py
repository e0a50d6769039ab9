"""Checks of events between source and lattice: cut at the end of the span, counted, and refused where impossible."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from vpharness.compiled import Array
from vpharness.datasets.oddities import EventMarks
from vpharness.errors import SourceError
from vpharness.events.event_source import EventStream
from vpharness.events.mbo_event import ADD, FLAG_SNAPSHOT, MAX_PRICE, MODIFY, RESTATE
from vpharness.events.times import SECOND_NS, latest_time
from vpharness.prices import PRICE_SCALE

LONGEST_GAP_NS: Final = 7 * 86_400 * SECOND_NS
"""A feed that is silent for longer is two feeds, or has a broken clock: every bin of the gap would be written."""

_GAP_ADVICE: Final = "choose the span with start= and end=, or repair the feed"
_ENOUGH_PRICES: Final = 1_000
_MOST_OFF_TICK: Final = 0.2


@dataclass
class Intake:
    """The events taken in so far: their count, their latest time and their prices off the tick lattice."""

    tick_price: int
    end_ns: int | None
    actions: Counter[str] = field(default_factory=Counter)
    latest_ns: int | None = None
    begun_ns: int | None = None  # the time of the first record that is not part of a snapshot
    prices: int = 0
    prices_off_tick: int = 0
    common_step: int = 0  # greatest common divisor of all prices
    tick_is_checked: bool = False
    marks: EventMarks = field(default_factory=EventMarks)
    start_ns: int | None = None

    @property
    def events(self) -> int:
        """Events taken in."""
        return self.actions.total()


def taken_in(stream: EventStream, intake: Intake) -> Iterator[Array]:
    """Yield a stream's chunks up to the first event at or behind the span's end.

    Raises SourceError at a time that cannot be, at a gap longer than LONGEST_GAP_NS, and where the prices of orders
    do not stand on the ticks.
    """
    for chunk in stream.chunks:
        events, is_last = _cut(chunk, intake)
        intake.begun_ns = _begun_ns(events, intake)
        intake.latest_ns = latest_time(
            events["ts_ns"],
            intake.latest_ns,
            LONGEST_GAP_NS,
            partial(_name, intake.events + 1),
            _GAP_ADVICE,
            intake.begun_ns,
        )
        intake.marks.take_in(events[events["action"] != RESTATE])
        letters, counts = np.unique(events["action"][events["action"] != RESTATE], return_counts=True)
        intake.actions.update({chr(letter): int(count) for letter, count in zip(letters, counts, strict=True)})
        _look_at_prices(events, intake)
        if intake.prices >= _ENOUGH_PRICES and not intake.tick_is_checked:
            check_tick_size(intake)
        yield events
        if is_last:
            return
    check_tick_size(intake)


def _begun_ns(events: Array, intake: Intake) -> int | None:
    """Return when time begins: with the first record that is not part of a snapshot, whose orders may be old."""
    if intake.begun_ns is not None:
        return intake.begun_ns
    others = np.flatnonzero((events["flags"] & FLAG_SNAPSHOT) == 0)
    return int(events["ts_ns"][others[0]]) if len(others) else None


def _name(first: int, index: int) -> str:
    return f"event {first + index}"


def _cut(events: Array, intake: Intake) -> tuple[Array, bool]:
    """Leave out what comes at or behind the end, in the time that never runs backwards."""
    if intake.end_ns is None:
        return events, False
    behind = np.flatnonzero(events["ts_ns"] >= intake.end_ns)
    return (events[: behind[0]], True) if len(behind) else (events, False)


def _look_at_prices(events: Array, intake: Intake) -> None:
    enters = (events["action"] == ADD) | (events["action"] == MODIFY)
    prices = np.abs(events["price"][enters])
    prices = prices[(prices > 0) & (prices < MAX_PRICE)]
    intake.prices += len(prices)
    intake.prices_off_tick += int(np.count_nonzero(prices % intake.tick_price))
    if len(prices):
        intake.common_step = math.gcd(intake.common_step, int(np.gcd.reduce(prices)))


def check_tick_size(intake: Intake) -> None:
    """Raise SourceError where too many prices stand between the ticks."""
    intake.tick_is_checked = True
    if intake.prices_off_tick > _MOST_OFF_TICK * intake.prices:
        raise SourceError(
            f"source.tick_size is {intake.tick_price / PRICE_SCALE:g}, but {intake.prices_off_tick} of "
            f"{intake.prices} order prices are no multiple of it; all are multiples of "
            f"{intake.common_step / PRICE_SCALE:g}"
        )


def tick_size_notes(intake: Intake) -> list[str]:
    """Return a warning where the tick size is finer than every price suggests."""
    if intake.prices < _ENOUGH_PRICES or intake.common_step <= intake.tick_price:
        return []
    step, tick = intake.common_step / PRICE_SCALE, intake.tick_price / PRICE_SCALE
    return [f"every price is a multiple of {step:g}, and tick_size is {tick:g}: is that right?"]
