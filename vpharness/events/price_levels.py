"""Books that are known by price level: their changes as events of one pseudo order a level.

A level is a side and a price, and its pseudo order holds all of its quantity. A level that grows is an add. Of what a
level loses, as much is a fill as trades at that price have explained since the level was last spoken of, and the rest
is a pull: an F of the explained quantity, and then an M to the new total, or a C of everything. What a level says uses
up all trades at it before, whether they were needed or not.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    EVENT_DTYPE,
    FILL,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    MODIFY,
    NO_SIDE,
    NONE,
)

LEVEL_DTYPE: Final = np.dtype([("message", np.int64), ("level", np.int64), ("size", np.int64), ("is_trade", np.bool_)])
"""What a message says of a level: its new quantity, 0 where it is gone, or a quantity that was traded at it."""

CHANGES, SNAPSHOT, GAP = range(3)
"""Kinds of messages: changes of levels and trades, a restatement of the whole book, and a gap before the next one."""

_STATE_DTYPE: Final = np.dtype([("level", np.int64), ("size", np.int64), ("traded", np.int64)])
"""A level's quantity, and what was traded at it since it was last spoken of."""

LARGEST_SIZE: Final = 1 << 53
_MOST_TRADED: Final = 1 << 62


def levels(prices: NDArray[np.int64], is_ask: NDArray[np.bool_] | bool) -> NDArray[np.int64]:
    """Return the numbers of levels, which are also the ids of their pseudo orders: twice the price, 1 more for asks."""
    return prices * 2 + is_ask


@dataclass(frozen=True)
class LevelMessages:
    """Consecutive messages of a feed by price level.

    times: [messages] int64, ns; kinds: [messages] uint8; rows: [rows] of LEVEL_DTYPE in the order of the feed, each
    with the index of its message.
    """

    times: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    rows: NDArray[np.void]


class LevelBook:
    """The quantity of each level, and what was traded there since the level was last spoken of."""

    def __init__(self, counts: Counter[str]) -> None:
        """Begin with an empty book; `counts` grows by the rows that make no event."""
        self._state = np.empty(0, _STATE_DTYPE)  # sorted by level
        self.counts = counts

    def events(self, messages: LevelMessages) -> NDArray[np.void]:
        """Return the events of messages, and bring the book to the state after them."""
        kinds, rows = messages.kinds, messages.rows
        special = np.flatnonzero(kinds != CHANGES)
        starts = np.searchsorted(rows["message"], [*special, *(special + 1)])
        parts, done = [], 0
        for message, start, stop in zip(special, starts[: len(special)], starts[len(special) :], strict=True):
            parts.append(self._changed(rows[done:start], messages.times))
            ts_ns = int(messages.times[message])
            if kinds[message] == SNAPSHOT:
                parts.append(self._restated(rows[start:stop], ts_ns))
            else:
                parts.append(np.array([(ts_ns, 0, 0, 0, NONE, NO_SIDE, FLAG_FEED_GAP | FLAG_LAST, 0)], EVENT_DTYPE))
            done = stop
        parts.append(self._changed(rows[done:], messages.times))
        return np.concatenate(parts)

    def _restated(self, rows: NDArray[np.void], ts_ns: int) -> NDArray[np.void]:
        """Replace the book; of several rows of a level the last one holds, and trades before it explain nothing."""
        rows = rows[~rows["is_trade"]]
        said = dict(zip(rows["level"].tolist(), rows["size"].tolist(), strict=True))
        sizes = {level: size for level, size in said.items() if size}
        self._state = np.array(sorted((level, size, 0) for level, size in sizes.items()), _STATE_DTYPE)
        events = np.zeros(1 + len(sizes), EVENT_DTYPE)
        events["ts_ns"], events["flags"] = ts_ns, FLAG_SNAPSHOT
        events["action"], events["side"] = CLEAR, NO_SIDE
        _place(events[1:], np.fromiter(sizes, np.int64, len(sizes)))
        events["action"][1:] = ADD
        events["size"][1:] = list(sizes.values())
        events["flags"][-1] |= FLAG_LAST
        return events

    def _changed(self, rows: NDArray[np.void], times: NDArray[np.int64]) -> NDArray[np.void]:
        """Return the events of changes and trades; each message is one exchange event."""
        if not len(rows):
            return np.empty(0, EVENT_DTYPE)
        before, traded = self._before(rows)
        after, is_level = rows["size"], ~rows["is_trade"]
        self.counts["skipped_unchanged_level"] += int((is_level & (after == before) & (after > 0)).sum())
        self.counts["skipped_unknown_level"] += int((is_level & (after == before) & (after == 0)).sum())
        filled = np.where(is_level, np.minimum(traded, np.maximum(before - after, 0)), 0)
        count = np.where(is_level & (after != before), 1 + (filled > 0), 0)
        source = np.repeat(np.arange(len(rows)), count)
        is_fill = (filled[source] > 0) & (np.diff(source, prepend=-1) > 0)

        events = np.zeros(len(source), EVENT_DTYPE)
        _place(events, rows["level"][source])
        events["ts_ns"] = times[rows["message"][source]]
        gone, new = after[source] == 0, before[source] == 0
        events["action"] = np.select([is_fill, gone, new], [FILL, CANCEL, ADD], MODIFY)
        events["size"] = np.select([is_fill, gone], [filled[source], before[source]], after[source])
        events["flags"] = np.where(np.diff(rows["message"][source], append=-1) != 0, FLAG_LAST, 0)
        return events

    def _before(self, rows: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each level's quantity before a row, and what was traded since it was last spoken of, [rows] each.

        The book is brought to the state after the rows. Rows are looked at level by level, in their order: what
        stands before a row of the same level is known from it, and otherwise from the book.
        """
        order = np.argsort(rows["level"], kind="stable")
        level, size, is_trade = rows["level"][order], rows["size"][order], rows["is_trade"][order]
        place = np.arange(len(rows))
        starts = np.flatnonzero(np.diff(level, prepend=level[0] - 1))
        group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
        known = self._known(level[starts])
        held, pending = known["size"].copy(), known["traded"].copy()

        spoken = np.maximum.accumulate(np.where(is_trade, -1, place))  # the last row up to here that is no trade
        last = np.concatenate(([-1], spoken[:-1]))
        is_later = last >= starts[group]
        # Differences of running totals are exact even where the totals wrap around.
        total = np.cumsum(np.where(is_trade, size, 0), dtype=np.uint64)
        up_to = np.concatenate((np.zeros(1, np.uint64), total))
        since = np.where(is_later, last, starts[group])
        traded = (up_to[place] - up_to[since]).astype(np.int64) + np.where(is_later, 0, pending[group])
        before = np.where(is_later, size[last], held[group])

        ends = np.append(starts[1:], len(rows)) - 1
        is_spoken = spoken[ends] >= starts
        left = (up_to[ends + 1] - up_to[np.where(is_spoken, spoken[ends], starts)]).astype(np.int64)
        left += np.where(is_spoken, 0, pending)
        known["size"] = np.where(is_spoken, size[spoken[ends]], held)
        known["traded"] = np.minimum(left, _MOST_TRADED)
        self._keep(known)
        unsorted = np.empty((2, len(rows)), np.int64)
        unsorted[0, order], unsorted[1, order] = before, np.minimum(traded, _MOST_TRADED)
        return unsorted[0], unsorted[1]

    def _known(self, level: NDArray[np.int64]) -> NDArray[np.void]:
        """Return the state of some levels, which ascend, as rows of _STATE_DTYPE; one that is not there is empty."""
        found = np.zeros(len(level), _STATE_DTYPE)
        found["level"] = level
        if len(self._state):
            place = np.minimum(np.searchsorted(self._state["level"], level), len(self._state) - 1)
            is_there = self._state["level"][place] == level
            found[is_there] = self._state[place[is_there]]
        return found

    def _keep(self, known: NDArray[np.void]) -> None:
        """Take over the new state of some levels; those in which nothing is left are forgotten."""
        others = self._state[~np.isin(self._state["level"], known["level"], assume_unique=True)]
        state = np.concatenate((others, known[(known["size"] > 0) | (known["traded"] > 0)]))
        self._state = state[np.argsort(state["level"], kind="stable")]


def _place(events: NDArray[np.void], level: NDArray[np.int64]) -> None:
    """Fill in the price, side and order id of levels."""
    events["price"] = level >> 1
    events["side"] = np.where(level & 1, ASK, BID)
    events["order_id"] = level.view(np.uint64)
