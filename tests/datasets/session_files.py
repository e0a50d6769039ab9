"""Small DBN files of a market that quotes once a minute, for tests of sessions and collections."""

import datetime
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.event_rows import events_of
from vpharness.events.dbn_writer import write_dbn
from vpharness.events.event_source import EventStream
from vpharness.lattice.lattice_parameters import LatticeParameters

MINUTE_NS = 60 * 10**9
TICK = 250_000_000
_ADD, _CANCEL, _BID, _ASK, _LAST = ord("A"), ord("C"), ord("B"), ord("A"), 128
WIDE = LatticeParameters(cell_width_ms=60_000, radius=3)
"""A bin a minute: a session is some hundreds of bins."""


def utc(text: str) -> int:
    """Return a time such as 2024-03-11 14:30, UTC, in ns since the epoch."""
    return int(datetime.datetime.fromisoformat(f"{text}+00:00").timestamp()) * 10**9


def minutes(first: str, last: str, step: int = 1) -> range:
    """Return the times from one minute to another one, UTC, every `step` minutes."""
    return range(utc(first), utc(last) + 1, step * MINUTE_NS)


def quotes(times: Iterable[int], level: int = 100) -> Iterator[tuple[int, ...]]:
    """Yield events: a bid and an ask that stay, and at each time a bid below them that is cancelled at once."""
    numbers = itertools.count(1)
    for place, time_ns in enumerate(times):
        bid, ask = level * TICK, (level + 1) * TICK
        if place == 0:
            first = time_ns // MINUTE_NS * 10
            yield time_ns, bid, 5, first, _ADD, _BID, _LAST
            yield time_ns, ask, 5, first + 1, _ADD, _ASK, _LAST
        number = time_ns // MINUTE_NS * 10 + 2 + next(numbers) % 8
        yield time_ns, bid - TICK, 1 + place % 7, number, _ADD, _BID, _LAST
        yield time_ns, bid - TICK, 1 + place % 7, number, _CANCEL, _BID, _LAST


def write_day(path: Path, times: Iterable[int], symbol: str = "ESH4", level: int = 100) -> Path:
    """Write a DBN file of quotes at some times; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = EventStream(symbol, 1.0, iter([events_of(quotes(times, level))]))
    write_dbn(path, stream, dataset="GLBX.MDP3", symbol=symbol, instrument_id=sum(symbol.encode()))
    return path
