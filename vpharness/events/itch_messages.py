"""The messages of Nasdaq TotalView-ITCH 5.0, and the kernel that turns those of one stock into events.

Nasdaq defines them in its technical specification "Nasdaq TotalView-ITCH 5.0":
nasdaqtrader.com/content/technicalsupport/specifications/dataproducts/NQTVITCHspecification.pdf. In the daily files each
message stands behind its length, 16 bits. Integers are unsigned and big-endian; names are padded with spaces. Every
message begins with its type (1 byte), the *locate*, which is the day's number of its stock (2; 0 for the whole market),
a tracking number (2) and its time in ns since midnight in New York (6). The fields that are read, each with its first
byte and its length:

    S  system event       11 code (1): S is the beginning of system hours, C the day's last message
    R  stock directory    11 stock (8)
    H  trading action     11 stock (8)  19 state (1): H halted, P paused, Q quotation only, T trading
    h  operational halt   11 stock (8)  19 market (1)  20 state (1): H halted, T trading
    A  order added        11 order (8)  19 side (1): B or S  20 shares (4)  24 stock (8)  32 price (4)
    F  the same, with the name of its owner
    E  order executed     11 order (8)  19 shares (4)
    C  the same, at a price of its own: 31 printable (1): Y or N  32 price (4)
    X  order cancelled    11 order (8)  19 shares (4) that it loses
    D  order deleted      11 order (8)
    U  order replaced     11 order (8)  19 new order (8)  27 shares (4)  31 price (4)
    P  hidden execution   20 shares (4)  24 stock (8)  32 price (4)

Executions in a cross are messages of type C that are not to be printed; the cross itself (Q) then states their sum.
"""

from typing import Any, Final

import numpy as np

from vpharness.compiled import Array, Key, Record, inlined_kernel, int64, kernel
from vpharness.events.itch_state import (
    NO_LOCATE,
    NOT_PRINTED,
    OFF_PRICE,
    OTHER_STOCK,
    UNKNOWN_REPLACE,
    ZERO_SHARES,
    ItchState,
    forget,
    remember,
)
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, CLEAR, FILL, FLAG_LAST, HALT, NO_SIDE, RESUME, TRADE
from vpharness.hash_table import ALONE, NOWHERE, find
from vpharness.prices import TEN_THOUSANDTH

MESSAGES: Final = {
    "S": (12, "system_event"),
    "R": (39, "stock_directory"),
    "H": (25, "trading_action"),
    "h": (21, "operational_halt"),
    "Y": (20, "short_sale_restriction"),
    "L": (26, "market_participant_position"),
    "V": (35, "market_wide_decline_level"),
    "W": (12, "market_wide_decline_status"),
    "K": (28, "ipo_quoting_period"),
    "J": (35, "auction_collar"),
    "A": (36, "add"),
    "F": (40, "add_of_owner"),
    "E": (31, "execution"),
    "C": (36, "execution_at_price"),
    "X": (23, "cancel"),
    "D": (19, "delete"),
    "U": (35, "replace"),
    "P": (44, "hidden_execution"),
    "Q": (40, "cross_trade"),
    "B": (19, "broken_trade"),
    "I": (50, "order_imbalance"),
    "N": (20, "retail_interest"),
    "O": (48, "direct_listing"),
}
"""The bytes of a message of each type, without the length in front of it, and what it is counted as."""

LENGTH_BYTES: Final = 2
FEWEST_BYTES_PER_EVENT: Final = (LENGTH_BYTES + MESSAGES["E"][0]) // 2
"""An execution makes two events; no other message makes more for its length."""
FEWEST_BYTES_PER_ORDER: Final = LENGTH_BYTES + MESSAGES["U"][0]
DAY_NS: Final = 86_400 * 1_000_000_000

_LENGTH_OF: Final = np.array([MESSAGES.get(chr(code), (0,))[0] for code in range(256)], np.int64)
_PRICE_PER_UNIT: Final = int64(TEN_THOUSANDTH)

FINE: Final = int64(0)
UNKNOWN_TYPE: Final = int64(1)
WRONG_LENGTH: Final = int64(2)
BEHIND_END: Final = int64(3)
WRONG_TIME: Final = int64(4)
WRONG_SIDE: Final = int64(5)
WRONG_STATE: Final = int64(6)
WRONG_STOCK: Final = int64(7)
NEW_LOCATE: Final = int64(8)
"""Whether a message can be read, and if not, why."""

_SYSTEM_EVENT, _DIRECTORY, _TRADING_ACTION, _OPERATIONAL_HALT = ord("S"), ord("R"), ord("H"), ord("h")
_ADD, _OWNED_ADD, _EXECUTED, _EXECUTED_AT = ord("A"), ord("F"), ord("E"), ord("C")
_CANCEL, _DELETE, _REPLACE, _HIDDEN_EXECUTION = ord("X"), ord("D"), ord("U"), ord("P")
_BUY, _SELL, _NOT_PRINTABLE = ord("B"), ord("S"), ord("N")
_HALTED, _PAUSED, _QUOTATION_ONLY, _TRADING = ord("H"), ord("P"), ord("Q"), ord("T")
_SYSTEM_HOURS_BEGIN, _LAST_MESSAGE = ord("S"), ord("C")

# Where fields lie in a message.
_LOCATE, _TIME, _BODY = 1, 5, 11
_WHOLE_MARKET = 0
_ZERO: Final = int64(0)
_SIDELESS: Final = int64(NO_SIDE)


@inlined_kernel
def _two(block: Array, place: int) -> int:
    value: Any = (np.int64(block[place]) << 8) | np.int64(block[place + 1])
    return value


@inlined_kernel
def _four(block: Array, place: int) -> int:
    return (_two(block, place) << 16) | _two(block, place + 2)


@inlined_kernel
def _eight(block: Array, place: int) -> Key:
    return (np.uint64(_four(block, place)) << np.uint64(32)) | np.uint64(_four(block, place + 4))


@kernel
def decode(block: Array, state: ItchState, events: Array) -> None:
    """Read the whole messages of a block, and write the wanted stock's events.

    Stops before the first message that is not whole, or cannot be read: `problem` then says why. `place`, `records` and
    `events` of the reader say how far it has come.

    Args:
        block: [bytes] uint8, from the beginning of a message.
        state: changed in place; has room for the orders that the block may add.
        events: EVENT_DTYPE, with room for an event per FEWEST_BYTES_PER_EVENT bytes of the block.
    """
    reader: Record = state.reader[0]
    reader.events = 0
    place, end = _ZERO, len(block)
    problem = FINE
    while place + LENGTH_BYTES <= end:
        length = _two(block, place)
        message = place + LENGTH_BYTES
        if reader.ended:
            problem = BEHIND_END
            break
        if length == 0:
            reader.ended = True
            place = message
            continue
        if message >= end:
            break
        problem = _frame_problem(block, message, length)
        if problem != FINE or message + length > end:
            break
        problem = _read(block, message, state, events)
        if problem != FINE:
            break
        place = message + length
        reader.records += 1
    reader.place = place
    reader.problem = problem


@inlined_kernel
def _frame_problem(block: Array, message: int, length: int) -> int:
    expected = _LENGTH_OF[block[message]]
    if expected == 0:
        return UNKNOWN_TYPE
    if expected != length:
        return WRONG_LENGTH
    return FINE


@inlined_kernel
def _read(block: Array, message: int, state: ItchState, events: Array) -> int:
    """Read a message of any stock, and return what is wrong with it."""
    reader: Record = state.reader[0]
    kind = block[message]
    locate = _two(block, message + _LOCATE)
    time_ns = (_two(block, message + _TIME) << 32) | _four(block, message + _TIME + 2)
    if time_ns >= DAY_NS:
        return WRONG_TIME
    ts_ns = reader.midnight_ns + time_ns
    if kind == _SYSTEM_EVENT:
        _read_system_event(block, message, ts_ns, state, events)
    elif kind == _DIRECTORY:
        return _read_directory(block, message, ts_ns, locate, state, events)
    elif locate == reader.locate:
        return _read_own(block, message, ts_ns, kind, state, events)
    else:
        if kind == _TRADING_ACTION:
            reader.trading_actions_met = True
        if locate == _WHOLE_MARKET:
            state.by_type[kind] += 1
        else:
            state.tallies[OTHER_STOCK] += 1
    return FINE


@kernel
def _read_own(block: Array, message: int, ts_ns: int, kind: int, state: ItchState, events: Array) -> int:
    """Read a message of the wanted stock, and return what is wrong with it."""
    if kind in (_ADD, _OWNED_ADD):
        return _read_add(block, message, ts_ns, state, events)
    if kind in (_EXECUTED, _EXECUTED_AT, _CANCEL, _DELETE):
        _read_reduction(block, message, ts_ns, kind, state, events)
    elif kind == _REPLACE:
        _read_replace(block, message, ts_ns, state, events)
    elif kind == _HIDDEN_EXECUTION:
        if _eight(block, message + 24) != state.reader[0].stock:
            return WRONG_STOCK
        size, price = _four(block, message + 20), _four(block, message + 32) * _PRICE_PER_UNIT
        _write(state, events, ts_ns, TRADE, NO_SIDE, price, size, np.uint64(0))
    elif kind in (_TRADING_ACTION, _OPERATIONAL_HALT):
        return _read_halt(block, message, ts_ns, kind, state, events)
    else:
        state.by_type[kind] += 1
    return FINE


@inlined_kernel
def _write(
    state: ItchState,
    events: Array,
    ts_ns: int,
    action: int,
    side: int,
    price: int,
    size: int,
    order_id: Key,
) -> None:
    event: Record = events[state.reader[0].events]
    event.ts_ns, event.price, event.size, event.order_id = ts_ns, price, size, order_id
    event.action, event.side, event.flags, event.publisher = action, side, FLAG_LAST, 0
    state.reader[0].events += 1


@inlined_kernel
def _go_on(state: ItchState, events: Array) -> None:
    """Mark the last event as one that another event of the same message follows."""
    events[state.reader[0].events - 1].flags = 0


@inlined_kernel
def _read_add(block: Array, message: int, ts_ns: int, state: ItchState, events: Array) -> int:
    letter = block[message + 19]
    if letter not in (_BUY, _SELL):
        return WRONG_SIDE
    if _eight(block, message + 24) != state.reader[0].stock:
        return WRONG_STOCK
    side = BID if letter == _BUY else ASK
    price = _four(block, message + 32) * _PRICE_PER_UNIT
    _enter(state, events, ts_ns, side, price, _four(block, message + 20), _eight(block, message + _BODY))
    return FINE


@inlined_kernel
def _enter(state: ItchState, events: Array, ts_ns: int, side: int, price: int, size: int, order_id: Key) -> None:
    """Let an order enter the book: one without shares does not, and takes the place of one that had its id."""
    order = find(state.table, order_id, ALONE)
    if size > 0:
        remember(state, order, order_id, price, size, side)
    elif order != NOWHERE:
        forget(state, order)
    _write(state, events, ts_ns, ADD, side, price, size, order_id)


@inlined_kernel
def _read_reduction(block: Array, message: int, ts_ns: int, kind: int, state: ItchState, events: Array) -> None:
    """Read an execution, a cancel or a deletion: its side and price are those of the order, none if it is unknown."""
    order_id = _eight(block, message + _BODY)
    order = find(state.table, order_id, ALONE)
    side, price, left = _SIDELESS, _ZERO, _ZERO
    if order != NOWHERE:
        side, price, left = state.orders[order].side, state.orders[order].price, state.orders[order].size
    size = left if kind == _DELETE else _four(block, message + 19)
    if size == 0 and kind != _DELETE:
        state.tallies[ZERO_SHARES] += 1  # as an event it would take the whole order
        return
    if kind == _EXECUTED_AT:
        if block[message + 31] == _NOT_PRINTABLE:
            state.tallies[NOT_PRINTED] += 1
        if order != NOWHERE and _four(block, message + 32) * _PRICE_PER_UNIT != price:
            state.tallies[OFF_PRICE] += 1
    if kind in (_EXECUTED, _EXECUTED_AT):
        _write(state, events, ts_ns, FILL, side, price, size, order_id)
        _go_on(state, events)
    _write(state, events, ts_ns, CANCEL, side, price, size, order_id)
    if order != NOWHERE:
        if size < left:
            state.orders[order].size = left - size
        else:
            forget(state, order)


@inlined_kernel
def _read_replace(block: Array, message: int, ts_ns: int, state: ItchState, events: Array) -> None:
    """Read a replacement: what is left of the order goes, and one of another id enters at the end of its queue."""
    order_id = _eight(block, message + _BODY)
    order = find(state.table, order_id, ALONE)
    if order == NOWHERE:
        state.tallies[UNKNOWN_REPLACE] += 1  # the new order's side is unknown with the old one
        _write(state, events, ts_ns, CANCEL, NO_SIDE, _ZERO, _ZERO, order_id)
        return
    side, price, left = state.orders[order].side, state.orders[order].price, state.orders[order].size
    forget(state, order)
    _write(state, events, ts_ns, CANCEL, side, price, left, order_id)
    _go_on(state, events)
    new_price = _four(block, message + 31) * _PRICE_PER_UNIT
    _enter(state, events, ts_ns, side, new_price, _four(block, message + 27), _eight(block, message + 19))


@inlined_kernel
def _read_directory(block: Array, message: int, ts_ns: int, locate: int, state: ItchState, events: Array) -> int:
    """Read the number of a stock; the wanted one's book begins empty with it."""
    reader: Record = state.reader[0]
    stock = _eight(block, message + _BODY)
    state.stocks[locate] = stock
    if stock != reader.stock:
        state.tallies[OTHER_STOCK] += 1
    elif reader.locate == NO_LOCATE:
        reader.locate = locate
        _write(state, events, ts_ns, CLEAR, NO_SIDE, _ZERO, _ZERO, np.uint64(0))
    elif reader.locate == locate:
        state.by_type[_DIRECTORY] += 1
    else:
        return NEW_LOCATE
    return FINE


@inlined_kernel
def _read_system_event(block: Array, message: int, ts_ns: int, state: ItchState, events: Array) -> None:
    """Read a system event. A stock that had no trading action before system hours is halted when they begin."""
    reader: Record = state.reader[0]
    state.by_type[_SYSTEM_EVENT] += 1
    code = block[message + _BODY]
    if code == _LAST_MESSAGE:
        reader.last_message_met = True
    is_absent = reader.trading_actions_met and not reader.trading_action_met
    if code == _SYSTEM_HOURS_BEGIN and is_absent and reader.locate != NO_LOCATE:
        reader.absent_from_start = reader.state_halted = True
        _write_halt(state, events, ts_ns)


@inlined_kernel
def _read_halt(block: Array, message: int, ts_ns: int, kind: int, state: ItchState, events: Array) -> int:
    """Read a trading action, or an operational halt, which concerns one market alone."""
    reader: Record = state.reader[0]
    if _eight(block, message + _BODY) != reader.stock:
        return WRONG_STOCK
    letter = block[message + (19 if kind == _TRADING_ACTION else 20)]
    is_known = letter in (_HALTED, _TRADING)
    if not is_known and (kind != _TRADING_ACTION or letter not in (_PAUSED, _QUOTATION_ONLY)):
        return WRONG_STATE
    if kind == _TRADING_ACTION:
        reader.trading_actions_met = reader.trading_action_met = True
        reader.state_halted = letter != _TRADING
    elif block[message + 19] == reader.market:
        reader.market_halted = letter != _TRADING
    if not _write_halt(state, events, ts_ns):
        state.by_type[kind] += 1
    return FINE


@inlined_kernel
def _write_halt(state: ItchState, events: Array, ts_ns: int) -> bool:
    """Write that trading has stopped or opened again, if that is new; return whether it was."""
    reader: Record = state.reader[0]
    halted = reader.state_halted or reader.market_halted
    if halted == reader.halted:
        return False
    reader.halted = halted
    action = HALT if halted else RESUME
    _write(state, events, ts_ns, action, NO_SIDE, _ZERO, _ZERO, np.uint64(0))
    return True
