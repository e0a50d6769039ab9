"""The book of a LOBSTER message file set right by the rows of its order book file, message after message.

LOBSTER's number of levels restricts only what is written: what happens behind the last level is not told. An order
that rests there may be cancelled without a message, and one that was never told of comes into view with its level. So
row i of the order book file, the state after message i, is the truth for the levels that it shows, and after each
message the book is set right where it differs, up to the row's last level (everywhere, where a row does not need all
its levels):

- a level that the row does not have is forgotten, with its orders;
- a level that the book lacks is taken up as one standing order;
- where quantities differ, what a level lacks is given to its standing order; what it has too much is taken from that
  order, and beyond it from the oldest of the level's orders.

Levels behind the last one stay as they were last seen, until a row reaches them again.

Each such change of an order is an event RESTATE, which changes the book and is no flow. A row is compared with the
levels of the book in one pass, so that the cost of a message is that of the levels of its row.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import Array, Key, inlined_kernel, kernel
from vpharness.events.lobster_levels import (
    ASKS,
    BIDS,
    NO_EDGE,
    NOWHERE,
    ORDER_DTYPE,
    STANDING_ID_BASE,
    LobsterBook,
    close_level,
    new_book,
    open_level,
    reduce,
    restate,
    submit,
    take_from_order,
    take_from_standing,
)
from vpharness.events.mbo_event import ADD, ASK, BID, EVENT_DTYPE, FLAG_LAST, FLAG_SNAPSHOT

COUNTS: Final = ("levels_changed_out_of_view", "levels_set_right", "levels_forgotten_out_of_view")
"""What is counted: levels found to be others than they were when they were last seen; all other differences, which are
few (of an order that changed out of view it is not known which) unless the files do not belong together; and levels
that were forgotten for lack of room."""

_SUBMITTED: Final = 1
_LAST_THAT_CHANGES: Final = 4
_EVENTS_OF_A_MESSAGE: Final = 2
_OUT_EVENTS: Final = 1 << 16
_COLUMNS_OF_A_LEVEL: Final = 4


@inlined_kernel
def _level_of_row(row: Array, side: int, column: int) -> int:
    """Return the next level, from `column` on, that a side of a row has; their count where it has none."""
    levels = len(row) // _COLUMNS_OF_A_LEVEL
    while column < levels and row[_COLUMNS_OF_A_LEVEL * column + (3 if side == BIDS else 1)] == 0:
        column += 1
    return column


@inlined_kernel
def _price_of_row(row: Array, side: int, column: int) -> int:
    return row[_COLUMNS_OF_A_LEVEL * column + (2 if side == BIDS else 0)]


@inlined_kernel
def _size_of_row(row: Array, side: int, column: int) -> int:
    return row[_COLUMNS_OF_A_LEVEL * column + (3 if side == BIDS else 1)]


@inlined_kernel
def _is_full(row: Array, side: int) -> bool:
    """Whether a side of a row needs all its levels, so that there may be more behind the last one."""
    return row[len(row) - (1 if side == BIDS else 3)] > 0


@inlined_kernel
def _is_like(book: LobsterBook, side: int, row: Array) -> bool:
    """Whether a side has the levels of a row already, which is so for nearly all rows."""
    levels, column, place = len(row) // _COLUMNS_OF_A_LEVEL, 0, 0
    while True:
        column = _level_of_row(row, side, column)
        if column == levels:
            return _is_full(row, side) or place == book.counts[side]
        if place == book.counts[side]:
            return False
        level = book.levels[book.places[side, place]]
        if level.price != _price_of_row(row, side, column) or level.quantity != _size_of_row(row, side, column):
            return False
        column += 1
        place += 1


@inlined_kernel
def _forget(book: LobsterBook, side: int, place: int, out: Array, ts_ns: int) -> None:
    """Take a level with its orders out of both books."""
    level = book.levels[book.places[side, place]]
    if level.standing_left > 0:
        restate(book, out, ts_ns, level, level.standing_id, 0)
    slot = level.oldest
    while slot != NOWHERE:
        if book.orders[slot].left > 0:
            restate(book, out, ts_ns, level, book.orders[slot].order_id, 0)
        slot = book.orders[slot].newer
    close_level(book, side, place)


@inlined_kernel
def _set_quantity(book: LobsterBook, index: int, quantity: int, out: Array, ts_ns: int) -> None:
    """Give a level the quantity of its row, in both books."""
    level, counters = book.levels[index], book.counters[0]
    if quantity > level.quantity:
        if level.standing_left == 0:
            level.standing_id = counters.next_standing_id
            counters.next_standing_id += np.uint64(1)
            counters.known += 1
        level.standing_left += quantity - level.quantity
        level.quantity = quantity
        restate(book, out, ts_ns, level, level.standing_id, level.standing_left)
    if quantity < level.quantity and level.standing_left > 0:
        taken = min(level.quantity - quantity, level.standing_left)
        restate(book, out, ts_ns, level, level.standing_id, level.standing_left - taken)
        take_from_standing(book, index, taken)
    slot = level.oldest
    while quantity < level.quantity and slot != NOWHERE:
        order = book.orders[slot]
        newer = order.newer
        taken = min(level.quantity - quantity, order.left)
        if taken > 0:
            restate(book, out, ts_ns, level, order.order_id, order.left - taken)
            take_from_order(book, slot, taken)
        slot = newer


@inlined_kernel
def _count(book: LobsterBook, side: int, price: int) -> None:
    """Count a difference by whether the row before reached that price."""
    edge = book.edges[side]
    if edge != NO_EDGE and (price < edge if side == BIDS else price > edge):
        book.counters[0].out_of_view += 1
    else:
        book.counters[0].set_right += 1


@inlined_kernel
def _forget_from(book: LobsterBook, side: int, place: int, until: int, out: Array, ts_ns: int) -> None:
    """Forget the levels from a place on that are better than a price, all where it is NO_EDGE."""
    while place < book.counts[side]:
        level = book.levels[book.places[side, place]]
        if until != NO_EDGE and (level.price <= until if side == BIDS else level.price >= until):
            return
        if level.quantity > 0:
            _count(book, side, level.price)
        _forget(book, side, place, out, ts_ns)


@inlined_kernel
def _set_right(book: LobsterBook, side: int, row: Array, out: Array, ts_ns: int) -> bool:
    """Make a side of the book like a row, as far as that reaches; return whether the row's prices are in order."""
    levels = len(row) // _COLUMNS_OF_A_LEVEL
    place, column, latest = 0, 0, NO_EDGE
    while True:
        column = _level_of_row(row, side, column)
        if column == levels:
            if not _is_full(row, side):
                _forget_from(book, side, place, NO_EDGE, out, ts_ns)
            return True
        price, quantity = _price_of_row(row, side, column), _size_of_row(row, side, column)
        if latest != NO_EDGE and (price >= latest if side == BIDS else price <= latest):
            return False
        _forget_from(book, side, place, price, out, ts_ns)
        if place == book.counts[side] or book.levels[book.places[side, place]].price != price:
            _count(book, side, price)
            open_level(book, side, place, price)
        elif book.levels[book.places[side, place]].quantity != quantity:
            _count(book, side, price)
        _set_quantity(book, book.places[side, place], quantity, out, ts_ns)
        latest = price
        place += 1
        column += 1


@inlined_kernel
def _make_room(book: LobsterBook, levels: int, out: Array, ts_ns: int) -> None:
    """Forget levels farthest away, where there is no room for those of another row."""
    while book.counters[0].free_levels < 2 * levels + 2:
        side = BIDS if book.counts[BIDS] > book.counts[ASKS] else ASKS
        book.counters[0].forgotten += 1
        _forget(book, side, book.counts[side] - 1, out, ts_ns)


@kernel
def follow(
    book: LobsterBook, messages: Array, slots: Array, first: Array, events: Array, rows: Array, start: int, out: Array
) -> int:
    """Write the events of messages from `start` on, as long as there is room; return the first message not done.

    messages: [n], fields ts_ns, price, size, side, type; slots: [n], places of their orders; first: [n + 1], places of
    their events among `events`; rows: [n, 4 levels], or [0, 4 levels] where there are none to follow.
    """
    counters = book.counters[0]
    counters.written = 0
    follows = len(rows) > 0
    for index in range(start, len(messages)):
        if counters.written + _EVENTS_OF_A_MESSAGE + rows.shape[1] + 2 + counters.known > len(out):
            return index
        message = messages[index]
        side = BIDS if message.side == BID else ASKS
        drawn_on: Key = np.uint64(0)
        if message.type == _SUBMITTED:
            submit(book, slots[index], side, message.price, message.size, follows)
        elif message.type <= _LAST_THAT_CHANGES:
            drawn_on = reduce(book, slots[index], side, message.price, message.size, follows)
        for place in range(first[index], first[index + 1]):
            out[counters.written] = events[place]
            if drawn_on != 0:
                out[counters.written].order_id = drawn_on
            counters.written += 1
        if follows:
            _make_room(book, rows.shape[1] // _COLUMNS_OF_A_LEVEL, out, message.ts_ns)
            for each in range(2):
                if not _is_like(book, each, rows[index]) and not _set_right(
                    book, each, rows[index], out, message.ts_ns
                ):
                    counters.wrong_row = index
                    return index
                last = rows.shape[1] - (2 if each == BIDS else 4)
                book.edges[each] = rows[index, last] if _is_full(rows[index], each) else NO_EDGE
    return len(messages)


class FollowedBook:
    """The book from the first row of an order book file on, and the events that keep another book like it."""

    def __init__(self, first_row: NDArray[np.int64], counts: Counter[str]) -> None:
        """Start from a row [4 levels]: ask price, ask size, bid price, bid size of each level; size 0 for no level."""
        self._book = new_book(len(first_row) // _COLUMNS_OF_A_LEVEL)
        self._known_ids = np.zeros(0, np.uint64)  # ascending
        self._known_slots = np.zeros(0, np.int64)
        self._free_slots = np.zeros(0, np.int64)
        self._out = np.zeros(_OUT_EVENTS, EVENT_DTYPE)
        self._counts = counts
        counts.update(dict.fromkeys(COUNTS, 0))
        pairs = first_row.reshape(-1, 2)
        columns = np.flatnonzero(pairs[:, 1] > 0)
        is_bid = columns % 2 == 1
        levels = self._book.levels[: len(columns)]
        levels["price"], levels["quantity"] = pairs[columns].T
        levels["standing_id"] = STANDING_ID_BASE + np.arange(len(columns), dtype=np.uint64)
        levels["standing_left"], levels["oldest"], levels["newest"] = levels["quantity"], NOWHERE, NOWHERE
        levels["side"] = np.where(is_bid, BID, ASK)
        for side, sign in ((BIDS, -1), (ASKS, 1)):
            own = np.flatnonzero(is_bid == (side == BIDS))
            own = own[np.argsort(sign * levels["price"][own])]
            self._book.counts[side] = len(own)
            self._book.places[side, : len(own)] = own
            if len(own) == len(first_row) // _COLUMNS_OF_A_LEVEL:
                self._book.edges[side] = levels["price"][own[-1]]
        # Unused places are taken from the end of the list.
        self._book.free[:] = self._book.free[::-1].copy()
        counters = self._book.counters
        counters["free_levels"] -= len(columns)
        counters["known"] = len(columns)
        counters["next_standing_id"] += np.uint64(len(columns))
        self._snapshot = np.zeros(len(columns), EVENT_DTYPE)
        for name, own_name in (("price", "price"), ("size", "quantity"), ("side", "side"), ("order_id", "standing_id")):
            self._snapshot[name] = levels[own_name]
        self._snapshot["action"], self._snapshot["flags"] = ADD, FLAG_SNAPSHOT
        self._snapshot["flags"][-1:] |= FLAG_LAST

    def snapshot(self, ts_ns: int) -> NDArray[np.void]:
        """Return the events that make the book of the first row: one order a level, in the order of its columns."""
        events = self._snapshot.copy()
        events["ts_ns"] = ts_ns
        return events

    def events(
        self,
        messages: NDArray[np.void],
        first: NDArray[np.int64],
        events: NDArray[np.void],
        rows: NDArray[np.int64],
    ) -> Iterator[NDArray[np.void]]:
        """Yield the events of messages with those that set the book right behind them; see `follow`.

        Yields views that hold until the next one. Raises RowOrderError where the prices of a row are not in order.
        """
        slots = self._slots_of(messages)
        counters = self._book.counters
        done = 0
        while done < len(messages):
            least = _EVENTS_OF_A_MESSAGE + rows.shape[1] + 2 + int(counters["known"][0])
            if least > len(self._out):
                self._out = np.zeros(2 * least, EVENT_DTYPE)
            done = int(follow(self._book, messages, slots, first, events, rows, done, self._out))
            if counters["wrong_row"][0] != NOWHERE:
                raise RowOrderError(int(counters["wrong_row"][0]))
            yield self._out[: int(counters["written"][0])]
        for name, field in zip(COUNTS, ("out_of_view", "set_right", "forgotten"), strict=True):
            self._counts[name] = int(counters[field][0])
        self._forget_unknown()

    def _slots_of(self, messages: NDArray[np.void]) -> NDArray[np.int64]:
        """Return the place of each message's order, one for each id that is not known yet."""
        ids, inverse = np.unique(messages["order_id"], return_inverse=True)
        places = np.searchsorted(self._known_ids, ids)
        inside = np.minimum(places, max(len(self._known_ids) - 1, 0))
        is_known = self._known_ids[inside] == ids if len(self._known_ids) else np.zeros(len(ids), np.bool_)
        slots = np.empty(len(ids), np.int64)
        slots[is_known] = self._known_slots[places[is_known]]
        wanted = int(np.count_nonzero(~is_known))
        self._make_room(wanted)
        slots[~is_known], self._free_slots = self._free_slots[:wanted], self._free_slots[wanted:]
        self._known_ids = np.insert(self._known_ids, places[~is_known], ids[~is_known])
        self._known_slots = np.insert(self._known_slots, places[~is_known], slots[~is_known])
        new = self._book.orders[slots[~is_known]]
        new["order_id"], new["level"], new["left"] = ids[~is_known], NOWHERE, 0
        self._book.orders[slots[~is_known]] = new
        return slots[inverse]

    def _make_room(self, wanted: int) -> None:
        if wanted > len(self._free_slots):
            had = len(self._book.orders)
            grown = np.zeros(max(2 * had, had + wanted), ORDER_DTYPE)
            grown[:had] = self._book.orders
            self._book = self._book._replace(orders=grown)
            self._free_slots = np.concatenate((self._free_slots, np.arange(had, len(grown))))

    def _forget_unknown(self) -> None:
        """Give the places of orders that rest at no level to others."""
        is_known = self._book.orders["level"][self._known_slots] != NOWHERE
        self._free_slots = np.concatenate((self._known_slots[~is_known], self._free_slots))
        self._known_ids, self._known_slots = self._known_ids[is_known], self._known_slots[is_known]


class RowOrderError(Exception):
    """A row's prices are not in order: asks ascend and bids descend. `row` is its place among those given."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row}")
        self.row = row
