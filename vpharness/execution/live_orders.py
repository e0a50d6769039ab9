"""Virtual orders in a feed: what becomes of those that are placed as bins close, as early as it can be known.

A dataset's table has an order for every bin and side. In a feed only the bins at which somebody fires need one, and
orders do not touch one another, so each has the fate that it has in the table. The rules are the same kernels; what is
added here is the order of things: the events of a bin are followed before its orders are placed, and those behind the
bin's end after it, wherever the feed was cut.

Cost: the book is kept a second time, since what is left of an order between its fills and the cancel behind them is
nothing that the lattice knows; and every event looks at the orders that wait at its level.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import Array
from vpharness.errors import ConfigError
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.execution.queue_kernel import advance_time, follow
from vpharness.execution.queue_layout import VIRTUAL_ORDER_DTYPE, QueueState, new_queue, with_room, without_first
from vpharness.execution.queue_state import restore_queue
from vpharness.lattice import state_transfer
from vpharness.lattice.lattice_engine import as_events
from vpharness.lattice.layout import NO_SLOT, NO_TIME, SIDE_ASK, SIDE_BID, LatticeState, make_room
from vpharness.order_fates import OPEN, VirtualOrder, no_order

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)
_LEAST_ROOM: Final = 64
_BOOK, _QUEUE, _FOLLOWED, _HAS_NEW, _DURATIONS = "book/", "queue/", "followed", "has_new", "durations_ns"


class LiveOrders:
    """The virtual orders of one latency and longest wait in a feed.

    It has state, as the session has beside which it follows the feed: `take` the events of a call, `close` each bin
    that they finish and `place` its orders, then `catch_up`.
    """

    def __init__(self, book: LatticeState, *, latency_ns: int, max_wait_ns: int) -> None:
        """Begin before the first event.

        Args:
            book: a fresh lattice state, of the feed's tick size and eviction, which becomes this one's own.
            latency_ns: from the decision to the arrival.
            max_wait_ns: from the arrival to the withdrawal.
        """
        self._book, self._latency_ns, self._max_wait_ns = book, latency_ns, max_wait_ns
        self._room = np.zeros(_LEAST_ROOM, VIRTUAL_ORDER_DTYPE)
        self._queue: QueueState = with_room(new_queue(self._room[:0]), book)
        self._followed: list[int] = []  # places of the orders whose fate has not been returned
        self._ahead, self._times = _NO_EVENTS, np.zeros(0, np.int64)
        self._has_new = False

    def take(self, events: NDArray[np.void]) -> None:
        """Take in events, in the order of the feed; they are followed once the orders before them are known."""
        events = as_events(events)
        if not len(events):
            return
        latest_ns = self._times[-1] if len(self._times) else self._book.clock["now_ns"][0]
        times = np.maximum(np.maximum.accumulate(events["ts_ns"]), latest_ns)
        if len(self._ahead):
            events, times = np.concatenate([self._ahead, events]), np.concatenate([self._times, times])
        self._ahead, self._times = events, times

    def close(self, bin_end_ns: int) -> list[VirtualOrder]:
        """Follow what lies before the end of a bin, and return the orders whose fate is known since the last call."""
        self._follow(int(np.searchsorted(self._times, bin_end_ns)), bin_end_ns)
        orders, open_still, decided = self._queue.orders, list[int](), list[int]()
        for place in self._followed:
            (open_still if orders["reason"][place] == OPEN else decided).append(place)
        self._followed = open_still
        return [self._order(place) for place in decided]

    def place(self, row: NDArray[np.void], direction: int) -> VirtualOrder:
        """Return the order that is placed at the end of the bin just closed, at the touch; one of before where equal.

        Args:
            row: the bin, BIN_DTYPE [1].
            direction: +1 to buy at the best bid, -1 to sell at the best ask.
        """
        decided_ns = int(row["bin_end_ns"][0])
        if not row["book_valid"][0]:
            return no_order(decided_ns, direction)
        side = SIDE_BID if direction > 0 else SIDE_ASK
        arrival_ns = decided_ns + self._latency_ns
        for place in reversed(self._followed):
            if self._queue.orders["arrival_ns"][place] < arrival_ns:
                break
            if self._queue.orders["side"][place] == side:
                return self._order(place)
        name = "best_bid_price_int" if direction > 0 else "best_ask_price_int"
        order = np.zeros((), VIRTUAL_ORDER_DTYPE)
        order["side"], order["reason"], order["level"] = side, OPEN, NO_SLOT
        order["home"] = NO_SLOT
        order["arrival_ns"], order["withdrawal_ns"] = arrival_ns, arrival_ns + self._max_wait_ns
        order["tick"] = row[name][0] // self._book.rules["tick_price"][0]
        self._append(order)
        return self._order(len(self._queue.orders) - 1)

    def catch_up(self, complete_to_ns: int | None = None) -> None:
        """Follow all events taken, none of which lies behind a bin that is not closed; see `LiveSession.iterate`."""
        self._follow(len(self._ahead), complete_to_ns)

    @property
    def n_waiting(self) -> int:
        """How many orders are on their way or wait."""
        return int(np.count_nonzero(self._queue.orders["reason"][self._followed] == OPEN))

    def book(self) -> NDArray[np.void]:
        """Return what rests in the book, as events of a snapshot from which another one may begin."""
        return state_transfer.resting_orders(self._book)

    def save(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays by name, as `numpy.savez` takes them, orders that wait included.

        Raises ConfigError where not all events taken have been followed.
        """
        if len(self._ahead):
            raise ConfigError("events have been taken that are not followed yet; catch up before saving")
        book = {name: np.copy(array) for name, array in state_transfer.save_lattice(self._book).items()}
        clock = book["clock"]
        if clock["now_ns"][0] != NO_TIME:  # nothing here counts bins
            clock["bin"] = clock["now_ns"] // self._book.rules["cell_width_ns"]
        queue = {name: np.copy(array) for name, array in self._queue._asdict().items()}
        return {
            **{_BOOK + name: array for name, array in book.items()},
            **{_QUEUE + name: array for name, array in queue.items()},
            _FOLLOWED: np.array(self._followed, np.int64),
            _HAS_NEW: np.array(self._has_new),
            _DURATIONS: np.array([self._latency_ns, self._max_wait_ns], np.int64),
        }

    @classmethod
    def restore(
        cls, book: LatticeState, saved: Mapping[str, NDArray[Any]], *, latency_ns: int, max_wait_ns: int
    ) -> "LiveOrders":
        """Return what goes on where `save` was called, for the same arguments as that one was made with.

        Raises ConfigError where the state was saved under other durations or another book's rules, and where its arrays
        do not belong together.
        """
        orders = cls(book, latency_ns=latency_ns, max_wait_ns=max_wait_ns)
        durations = saved.get(_DURATIONS, np.zeros(0)).tolist()
        if durations != [latency_ns, max_wait_ns]:
            raise ConfigError(
                f"the saved orders have the latency and the longest wait {durations} ns, not "
                f"{[latency_ns, max_wait_ns]}; start anew"
            )
        own = {
            part: {name.removeprefix(part): np.copy(saved[name]) for name in saved if name.startswith(part)}
            for part in (_BOOK, _QUEUE)
        }
        orders._book = state_transfer.restore_lattice(own[_BOOK], book)
        orders._queue = restore_queue(own[_QUEUE], orders._book)
        orders._room = orders._queue.orders
        orders._followed = [int(place) for place in saved.get(_FOLLOWED, np.zeros(0, np.int64))]
        if any(not 0 <= place < len(orders._room) for place in orders._followed):
            raise ConfigError("the saved orders are damaged: followed is outside of them; start anew")
        orders._has_new = bool(saved.get(_HAS_NEW, False))
        return orders

    def _follow(self, count: int, complete_to_ns: int | None) -> None:
        """Follow the first events that wait, and move time to where the feed is complete."""
        if self._has_new:
            # Orders that were placed at the present time arrive before the events of it.
            advance_time(self._book, self._queue, int(self._book.clock["now_ns"][0]))
            self._has_new = False
        if count:
            events, self._ahead, self._times = self._ahead[:count], self._ahead[count:], self._times[count:]
            self._book = make_room(self._book, events)
            self._queue = with_room(self._queue, self._book)
            follow(self._book, self._queue, events)
        if complete_to_ns is not None:
            advance_time(self._book, self._queue, complete_to_ns)

    def _append(self, order: NDArray[np.void]) -> None:
        count = len(self._queue.orders)
        if count == len(self._room):
            cursor = self._queue.cursor[0]
            ended = min(int(cursor["withdrawn"]), int(cursor["measured"]), *self._followed[:1])
            room = np.zeros(max(_LEAST_ROOM, 2 * (count - ended)), VIRTUAL_ORDER_DTYPE)
            self._queue = without_first(self._queue, ended)
            self._followed = [place - ended for place in self._followed]
            count -= ended
            room[:count] = self._queue.orders
            self._room = room
        self._room[count] = order
        self._queue = self._queue._replace(orders=self._room[: count + 1])
        self._followed.append(count)
        self._has_new = True

    def _order(self, place: int) -> VirtualOrder:
        order: Array = self._queue.orders[place]
        return VirtualOrder(
            decided_ns=int(order["arrival_ns"]) - self._latency_ns,
            direction=1 if order["side"] == SIDE_BID else -1,
            price=int(order["tick"] * self._book.rules["tick_price"][0]),
            reason=int(order["reason"]),
            fill_ns=int(order["fill_ns"]),
            ahead_at_arrival=int(order["ahead_at_arrival"]),
        )
