"""What the ITCH reader remembers between messages: where it is, what it has counted, and one stock's live orders.

The memory of orders grows with those of the wanted stock that are live at once; other stocks' orders are not in it.
Kernels never allocate: before each block of the file `with_room` makes place for all the orders that it can add.
"""

from typing import Final, NamedTuple

import numpy as np

from vpharness import hash_table
from vpharness.compiled import Array, Key, Record, inlined_kernel
from vpharness.hash_table import ALONE, NOWHERE, insert, remove

NO_LOCATE: Final = -1
LOCATES: Final = 1 << 16
"""Stocks are numbered by 16 bits."""

_I8: Final = np.int64

READER_DTYPE: Final = np.dtype(
    [
        ("stock", np.uint64),  # the wanted one's name: its eight letters as one integer
        ("market", _I8),  # the letter of the market whose operational halts stop the book
        ("midnight_ns", _I8),
        ("locate", _I8),  # the number of the wanted stock; NO_LOCATE until its directory message
        ("place", _I8),  # bytes of the block that have been read
        ("records", _I8),  # messages of the file that have been read
        ("problem", _I8),  # why the message behind them cannot be read
        ("events", _I8),  # made of this block
        ("free_order", _I8),  # head of the list of free order slots
        ("orders_live", _I8),
        ("ended", np.bool_),  # the mark of the session's end has been met
        ("last_message_met", np.bool_),  # the system event that says so
        ("trading_actions_met", np.bool_),  # of any stock
        ("trading_action_met", np.bool_),  # of the wanted one
        ("absent_from_start", np.bool_),  # when system hours began there was one of others, but none of the wanted one
        ("state_halted", np.bool_),  # by the stock's trading state
        ("market_halted", np.bool_),  # by an operational halt
        ("halted", np.bool_),  # as the events have it
    ],
    align=True,
)

ORDER_DTYPE: Final = np.dtype(
    [("order_id", np.uint64), ("price", _I8), ("size", _I8), ("side", _I8), ("next_free", _I8)], align=True
)
"""A live order: price in units of 1e-9 dollars, size in shares, side by its letter."""

TALLIES: Final = ("other_stock", "zero_shares", "unknown_replace", "execution_off_price", "execution_not_printed")
"""What is counted besides messages without events by type."""
OTHER_STOCK, ZERO_SHARES, UNKNOWN_REPLACE, OFF_PRICE, NOT_PRINTED = range(len(TALLIES))


class ItchState(NamedTuple):
    """Everything the reader remembers. The kernel changes the arrays in place; growing gives a new tuple."""

    reader: Array  # READER_DTYPE [1]
    by_type: Array  # int64 [256]: messages that gave no event, by the code of their type; other stocks' are not in it
    tallies: Array  # int64 [len(TALLIES)]
    stocks: Array  # uint64 [LOCATES]: the names of all stocks, 0 where there is none
    orders: Array  # ORDER_DTYPE
    table: Array  # order id -> slot in orders


def new_state(stock: int, market: int, midnight_ns: int) -> ItchState:
    """Return the state before the first message.

    Args:
        stock: the wanted stock's name, eight letters as one big-endian integer.
        market: the letter of the file's market.
        midnight_ns: when the file's day begins in New York, in ns since the epoch.
    """
    reader = np.zeros(1, READER_DTYPE)
    reader["stock"], reader["market"], reader["midnight_ns"] = stock, market, midnight_ns
    reader["locate"], reader["free_order"] = NO_LOCATE, NOWHERE
    orders = np.empty(0, ORDER_DTYPE)
    counts = np.zeros(256, _I8), np.zeros(len(TALLIES), _I8)
    return ItchState(reader, *counts, np.zeros(LOCATES, np.uint64), orders, hash_table.new_table(0))


def with_room(state: ItchState, more: int) -> ItchState:
    """Return the state with room for `more` orders besides the live ones."""
    least = int(state.reader["orders_live"][0]) + more
    if least <= len(state.orders):
        return state
    old, new = len(state.orders), max(least, 2 * len(state.orders))
    orders = np.zeros(new, ORDER_DTYPE)
    orders[:old] = state.orders
    orders["next_free"][old:] = np.arange(old + 1, new + 1)
    orders["next_free"][-1] = state.reader["free_order"][0]
    state.reader["free_order"] = old
    table = hash_table.new_table(new)
    hash_table.copy_into(state.table, table)
    return state._replace(orders=orders, table=table)


@inlined_kernel
def remember(state: ItchState, order: int, order_id: Key, price: int, size: int, side: int) -> None:
    """Remember an order, in the slot of the one that has had its id or, at NOWHERE, in a free one."""
    if order == NOWHERE:
        order = state.reader[0].free_order
        state.reader[0].free_order = state.orders[order].next_free
        state.reader[0].orders_live += 1
        insert(state.table, order_id, ALONE, order)
    resting: Record = state.orders[order]
    resting.order_id, resting.price, resting.size, resting.side = order_id, price, size, side


@inlined_kernel
def forget(state: ItchState, order: int) -> None:
    """Forget an order, and free its slot."""
    remove(state.table, state.orders[order].order_id, ALONE)
    state.orders[order].next_free = state.reader[0].free_order
    state.reader[0].free_order = order
    state.reader[0].orders_live -= 1
