"""What feeds do to tease: everything that is wrong, rare or out of order in real files."""

from typing import Final

from tests.lattice.feed import HOME_TICK, NS_PER_MS, OTHER, Feed, pass_time, rebuild, set_order
from vpharness.events.mbo_event import ADD, BID, CANCEL, FILL, FLAG_SNAPSHOT, MODIFY, NO_SIDE
from vpharness.prices import PRICE_SCALE

FAR_PRICES: Final = (0, PRICE_SCALE, 999_999_999 * PRICE_SCALE)


def iceberg(feed: Feed) -> None:
    """Execute more than is displayed; the order is then refreshed, moved or gone."""
    order_id = feed.any_order()
    if order_id is None:
        return
    side, price, size = feed.orders[order_id]
    for _ in range(feed.whole(1, 2)):
        feed.emit(FILL, side, price, size + feed.whole(0, 9), order_id, flags=0)
    shown = feed.whole(0, size + 3)
    if feed.chance(0.3):
        price = feed.price(side, feed.whole(1, 5))
    feed.emit(MODIFY, side, price, shown, order_id)
    set_order(feed, order_id, side, price, shown)


def own_fill(feed: Feed) -> None:
    """Fill the aggressor's own order, at the price it traded at or where it rests, taken out at once, late or never."""
    order_id = feed.any_order()
    if order_id is None:
        return
    side, price, size = feed.orders[order_id]
    executed = 0 if feed.chance(0.3) else feed.whole(1, size)
    elsewhere = price + feed.whole(-2, 2) * feed.tick_int if feed.chance(0.6) else price
    feed.emit(FILL, side, max(0, elsewhere), executed, order_id, flags=0)
    if feed.chance(0.3):
        return
    if feed.chance(0.3):
        pass_time(feed)
    taken = feed.whole(1, size)
    silently = feed.whole(1, taken - 1) if taken > 1 and feed.chance(0.15) else 0
    if silently:
        feed.emit(CANCEL, side, price, silently, order_id, flags=FLAG_SNAPSHOT)
    feed.emit(CANCEL, side, price, taken - silently, order_id)
    set_order(feed, order_id, side, price, size - taken)


def come_back(feed: Feed) -> None:
    """Fill an order beyond its size, take it out or clear the book, and use its id again at the same time."""
    order_id = feed.any_order()
    if order_id is None:
        return
    side, price, size = feed.orders[order_id]
    feed.emit(FILL, side, price, size + 5, order_id, flags=0)
    if feed.chance(0.2):
        rebuild(feed, 0)
    else:
        feed.emit(CANCEL, side, price, size, order_id, flags=0)
    _add_and_cancel(feed, order_id, side, price)


def _add_and_cancel(feed: Feed, order_id: int, side: int, price: int) -> None:
    size = feed.size()
    taken = feed.whole(1, size)
    feed.emit(ADD, side, price, size, order_id, flags=0)
    feed.emit(CANCEL, side, price, taken, order_id)
    set_order(feed, order_id, side, price, size - taken)


def unknown(feed: Feed) -> None:
    """Speak of an order that nobody has seen."""
    action, side, order_id, size = (CANCEL, FILL, MODIFY)[feed.whole(0, 2)], feed.side(), feed.new_id(), feed.size()
    price = feed.price(side, feed.whole(1, 20))
    feed.emit(action, side, price, size, order_id)
    if action == MODIFY:
        set_order(feed, order_id, side, price, size)
    elif feed.chance(0.3):
        _add_and_cancel(feed, order_id, side, price)


def invalid(feed: Feed) -> None:
    """Add an order, known or not, without a side or without a size."""
    known = feed.any_order() if feed.chance(0.2) else None
    order_id = feed.new_id() if known is None else known
    side, size = (NO_SIDE, feed.size()) if feed.chance(0.5) else (feed.side(), 0)
    action = ADD if feed.chance(0.7) else MODIFY
    price = feed.price(BID, feed.whole(1, 20)) if known is None else feed.orders[order_id][1]
    feed.emit(action, side, price, size, order_id)
    if known is not None:
        set_order(feed, order_id, feed.orders[order_id][0] if side == NO_SIDE else side, price, size)


def strange_cancel(feed: Feed) -> None:
    """Cancel nothing, or more than there is, or modify to nothing: the whole order goes."""
    order_id = feed.any_order()
    if order_id is None:
        return
    side, price, size = feed.orders.pop(order_id)
    kind = feed.whole(0, 2)
    if kind == 2:
        feed.emit(MODIFY, feed.side(), feed.price(side, feed.whole(1, 5)), 0, order_id)
    else:
        feed.emit(CANCEL, side, price, 0 if kind else size + feed.whole(1, 9), order_id)


def restate(feed: Feed) -> None:
    """Add a known order, or modify one to the other side, perhaps where it stands and perhaps to no new size."""
    order_id = feed.any_order()
    if order_id is None:
        return
    side, price, size = feed.orders[order_id]
    action = ADD if feed.chance(0.6) else MODIFY
    if action == MODIFY:
        side = NO_SIDE if feed.chance(0.2) else OTHER[side]
    if feed.chance(0.5):
        price = feed.price(side, feed.whole(1, 8))
    if feed.chance(0.5):
        size = feed.size()
    if feed.chance(0.3):
        price = max(0, price + feed.whole(-1, 1) * (feed.tick_int // 3))
    feed.emit(action, side, price, size, order_id)
    set_order(feed, order_id, feed.orders[order_id][0] if side == NO_SIDE else side, price, size)


def far_away(feed: Feed) -> None:
    """Add an order at the end of the world."""
    side, size, order_id = feed.side(), feed.size(), feed.new_id()
    price = FAR_PRICES[feed.whole(0, len(FAR_PRICES) - 1)]
    feed.emit(ADD, side, price, size, order_id)
    set_order(feed, order_id, side, price, size)


def empty_side(feed: Feed) -> None:
    """Cancel all that rests on one side, which may stay deserted for a while."""
    side = feed.side()
    feed.deserted_until[side] = feed.ts_ns + feed.whole(0, 500) * NS_PER_MS
    for order_id in [i for i, (its, _, _) in feed.orders.items() if its == side]:
        _, price, size = feed.orders.pop(order_id)
        feed.emit(CANCEL, side, price, size, order_id)


def clear(feed: Feed) -> None:
    """Clear the book, and restate it as a snapshot or by adds, perhaps somewhere else, perhaps after a silence."""
    if feed.chance(0.3):
        feed.mid = HOME_TICK + feed.whole(-400, 400) if feed.chance(0.7) else feed.whole(100, 1_000_000_000)
    rebuild(feed, FLAG_SNAPSHOT if feed.chance(0.6) else 0)
