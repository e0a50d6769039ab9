"""The plain twin's order book: what each record does to the orders, and which impulses it gives (SPEC section 1)."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from vpharness.events.mbo_event import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FILL,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    HALT,
    MAX_PRICE,
    MODIFY,
    NO_SIDE,
    RESTATE,
    RESUME,
    UNDEFINED_PRICE,
)

FLOWS: Final = ("add", "pull", "fill")
DEPTHS: Final = {BID: "bid_depth", ASK: "ask_depth"}
CHANNELS: Final = (*FLOWS, *DEPTHS.values())
COUNTS: Final = (
    "unknown_cancel",
    "unknown_modify",
    "duplicate_add",
    "unknown_fill",
    "clamped_ts",
    "off_tick",
    "evicted_crossed",
    "invalid_add",
    "price_out_of_range",
    "feed_gap",
    "halts",
    "events",
    "bins",
)


class Record(NamedTuple):
    """One event, its fields in the order of EVENT_DTYPE."""

    ts_ns: int
    price: int
    size: int
    order_id: int
    action: int
    side: int
    flags: int
    publisher: int


class Key(NamedTuple):
    """What an order is known by: a publisher's id of an order, the price of a level, or a side (its best price)."""

    publisher: int
    kind: str
    side: int
    number: int


class Impulse(NamedTuple):
    """A quantity (in units of the source's size_unit, negative where depth shrinks) that one channel of a tick gets."""

    tick: int
    channel: str
    quantity: int


@dataclass
class Order:
    """A resting order; `age` is its place in the order of insertions."""

    side: int
    tick: int
    size: int
    age: int


@dataclass
class Book:
    """The live orders by id, and the quantities that fills of the present time have announced."""

    tick_int: int
    orders: dict[Key, Order] = field(default_factory=dict)
    filled: dict[Key, int] = field(default_factory=dict)
    gaps: set[int] = field(default_factory=set)
    """Publishers whose book is in doubt."""
    halted: bool = False
    insertions: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))


def apply_record(book: Book, record: Record) -> list[Impulse]:
    """Let one record act on the book; return its impulses, none for a silent one (bit 32, or R)."""
    book.counts["feed_gap"] += bool(record.flags & FLAG_FEED_GAP)
    if record.flags & FLAG_FEED_GAP and record.action != CLEAR:
        book.gaps.add(record.publisher)
    elif record.action == CLEAR or record.flags & FLAG_SNAPSHOT:
        book.gaps.discard(record.publisher)
    impulses = _act(book, record)
    return [] if record.flags & FLAG_SNAPSHOT else [impulse for impulse in impulses if impulse.quantity != 0]


def best(book: Book) -> tuple[int | None, int | None]:
    """Return the ticks of the best bid and the best ask, None where a side is empty."""
    bids = [order.tick for order in book.orders.values() if order.side == BID]
    asks = [order.tick for order in book.orders.values() if order.side == ASK]
    return max(bids, default=None), min(asks, default=None)


def crossed(book: Book) -> bool:
    """Return whether the best bid is at or above the best ask."""
    bid, ask = best(book)
    return bid is not None and ask is not None and bid >= ask


def depth_by_tick(book: Book) -> dict[tuple[int, int], int]:
    """Return the resting quantity by (side, tick)."""
    depths: dict[tuple[int, int], int] = {}
    for order in book.orders.values():
        depths[order.side, order.tick] = depths.get((order.side, order.tick), 0) + order.size
    return depths


def uncross(book: Book) -> None:
    """Remove the oldest order at the best bid and ask together, again and again, until the book is uncrossed."""
    while crossed(book):
        touch = dict(zip((BID, ASK), best(book), strict=True))
        at_touch = [key for key, order in book.orders.items() if order.tick == touch[order.side]]
        del book.orders[min(at_touch, key=lambda key: book.orders[key].age)]
        book.counts["evicted_crossed"] += 1


def key_of(record: Record) -> Key:
    """Return the key of the order, level or side that a record is about."""
    if record.flags & FLAG_TOP_OF_BOOK:
        return Key(record.publisher, "top", record.side, 0)
    if record.flags & FLAG_BY_PRICE:
        return Key(record.publisher, "level", record.side, record.price)
    return Key(record.publisher, "order", 0, record.order_id)


def _act(book: Book, record: Record) -> list[Impulse]:
    order = book.orders.get(key_of(record))
    if record.action == CLEAR:
        for key in [key for key in book.orders if key.publisher == record.publisher]:
            del book.orders[key]
            book.filled.pop(key, None)
    elif record.action in (HALT, RESUME):
        book.counts["halts"] += record.action == HALT and not book.halted
        book.halted = record.action == HALT
    elif record.action in (ADD, MODIFY, RESTATE):
        if record.flags & (FLAG_TOP_OF_BOOK | FLAG_BY_PRICE):
            return _restate(book, record)
        if order is None:
            return _add(book, record)
        book.counts["duplicate_add"] += record.action == ADD
        return _modify(book, record, order)
    elif record.action == CANCEL:
        if order is not None:
            return _take(book, key_of(record), record.size if 0 < record.size < order.size else order.size)
        book.counts["unknown_cancel"] += 1
    elif record.action == FILL:
        if order is not None:
            return _fill(book, record, order)
        book.counts["unknown_fill"] += 1
    return []


def _add(book: Book, record: Record) -> list[Impulse]:
    book.counts["unknown_modify"] += record.action == MODIFY
    if record.side == NO_SIDE or record.size == 0:
        book.counts["invalid_add"] += 1
        return []
    if abs(record.price) > MAX_PRICE:
        book.counts["price_out_of_range"] += 1
        return []
    return _insert(book, record, record.side)


def _restate(book: Book, record: Record) -> list[Impulse]:
    """Let a best price replace its publisher's side, or a level what its publisher has there."""
    is_top, in_range, key = bool(record.flags & FLAG_TOP_OF_BOOK), abs(record.price) <= MAX_PRICE, key_of(record)
    if record.side == NO_SIDE:
        book.counts["invalid_add"] += 1
        return []
    book.counts["price_out_of_range"] += not in_range and not (is_top and record.price == UNDEFINED_PRICE)
    if not in_range and not is_top:
        return []
    impulses, tick = list[Impulse](), nearest_tick(book, record.price)
    for other, order in list(book.orders.items()):
        is_there = is_top or (order.tick == tick and other.kind != "level")
        if other != key and other.publisher == record.publisher and order.side == record.side and is_there:
            impulses += _take(book, other, order.size)
    if key not in book.orders:
        return impulses + (_insert(book, record, record.side) if record.size > 0 and in_range else [])
    gone = record._replace(size=0) if not in_range else record
    return impulses + _modify(book, gone, book.orders[key])


def _insert(book: Book, record: Record, side: int) -> list[Impulse]:
    tick = nearest_tick(book, record.price)
    book.counts["off_tick"] += record.price != tick * book.tick_int
    book.insertions += 1
    book.orders[key_of(record)] = Order(side, tick, record.size, book.insertions)
    return [Impulse(tick, "add", record.size), Impulse(tick, DEPTHS[side], record.size)]


def _modify(book: Book, record: Record, order: Order) -> list[Impulse]:
    side = order.side if record.side == NO_SIDE else record.side
    if record.size == 0:
        return _take(book, key_of(record), order.size)
    if abs(record.price) > MAX_PRICE:
        book.counts["price_out_of_range"] += 1
        return _take(book, key_of(record), order.size)
    if side != order.side or nearest_tick(book, record.price) != order.tick:
        return _take(book, key_of(record), order.size) + _insert(book, record, side)
    if record.size < order.size:
        return _take(book, key_of(record), order.size - record.size)
    added = record.size - order.size
    order.size = record.size
    return [Impulse(order.tick, "add", added), Impulse(order.tick, DEPTHS[side], added)]


def _take(book: Book, key: Key, quantity: int) -> list[Impulse]:
    """Take a quantity out of an order: what has been filled first, the rest is pulled."""
    order = book.orders[key]
    by_fill = min(quantity, book.filled.get(key, 0))
    if by_fill:
        book.filled[key] -= by_fill
    order.size -= quantity
    if order.size == 0:
        del book.orders[key]
        book.filled.pop(key, None)
    return [Impulse(order.tick, "pull", quantity - by_fill), Impulse(order.tick, DEPTHS[order.side], -quantity)]


def _fill(book: Book, record: Record, order: Order) -> list[Impulse]:
    """Remember what is executed; it counts as a fill only at the tick at which the order rests."""
    if record.flags & FLAG_SNAPSHOT:
        return []
    book.filled[key_of(record)] = book.filled.get(key_of(record), 0) + record.size
    rests_there = abs(record.price) <= MAX_PRICE and nearest_tick(book, record.price) == order.tick
    return [Impulse(order.tick, "fill", record.size)] if rests_there else []


def nearest_tick(book: Book, price: int) -> int:
    """Return the tick nearest to a price, half up."""
    return (2 * price + book.tick_int) // (2 * book.tick_int)
