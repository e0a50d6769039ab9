"""What a sound feed does: orders come, change, trade and go."""

from tests.lattice.feed import NS_PER_MS, OTHER, Feed, set_order, touch
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, FILL, MODIFY, NO_SIDE, NONE, TRADE


def add(feed: Feed) -> None:
    """Add an order behind the middle, every other time close to it."""
    side, size, order_id = feed.side(), feed.size(), feed.new_id()
    price = feed.price(side, feed.whole(1, 3) if feed.chance(0.5) else feed.whole(1, 60))
    feed.emit(ADD, side, price, size, order_id)
    set_order(feed, order_id, side, price, size)


def marketable(feed: Feed) -> None:
    """Add an order across the middle; its fills come later, or never."""
    side, size, order_id = feed.side(), feed.size(), feed.new_id()
    price = feed.price(side, -feed.whole(0, 4))
    feed.emit(ADD, side, price, size, order_id)
    set_order(feed, order_id, side, price, size)


def cancel(feed: Feed) -> None:
    """Cancel an order, mostly whole."""
    order_id = feed.any_order()
    if order_id is None:
        return add(feed)
    side, price, size = feed.orders[order_id]
    taken = size if feed.chance(0.6) else feed.whole(1, size)
    feed.emit(CANCEL, side, price, taken, order_id)
    return set_order(feed, order_id, side, price, size - taken)


def resize(feed: Feed) -> None:
    """Give an order a new size, at times the one it has."""
    order_id = feed.any_order()
    if order_id is None:
        return add(feed)
    side, price, _ = feed.orders[order_id]
    new = feed.size()
    feed.emit(MODIFY, side, price, new, order_id)
    return set_order(feed, order_id, side, price, new)


def move(feed: Feed) -> None:
    """Modify an order to another price, perhaps with another size."""
    order_id = feed.any_order()
    if order_id is None:
        return add(feed)
    side, _, size = feed.orders[order_id]
    price, size = feed.price(side, feed.whole(1, 10)), size if feed.chance(0.5) else feed.size()
    feed.emit(MODIFY, side, price, size, order_id)
    return set_order(feed, order_id, side, price, size)


def trade(feed: Feed) -> None:
    """Execute an order, in part or whole."""
    order_id = feed.any_order()
    if order_id is None:
        return add(feed)
    return execute(feed, order_id, whole=feed.chance(0.5))


def execute(feed: Feed, order_id: int, *, whole: bool) -> None:
    """Fill an order as CME does (M with what is left) or as Nasdaq does (C of what was executed)."""
    side, price, size = feed.orders[order_id]
    executed = size if whole else feed.whole(1, size)
    if feed.chance(0.3):
        feed.emit(TRADE, OTHER[side], price, executed, 0, flags=0)
    first = feed.whole(1, executed) if feed.chance(0.3) else executed
    for part in (first, executed - first):
        if part:
            feed.emit(FILL, side, price, part, order_id, flags=0)
    if executed < size and feed.chance(0.5):
        feed.emit(MODIFY, side, price, size - executed, order_id)
    else:
        feed.emit(CANCEL, side, price, executed, order_id)
    set_order(feed, order_id, side, price, size - executed)


def nothing(feed: Feed) -> None:
    """Do nothing."""
    feed.emit(NONE, NO_SIDE, 0, 0, 0)


def uncross(feed: Feed) -> None:
    """End a crossing of the book, as an exchange does, by fills at the touch, unless it is to stand for a while."""
    if feed.crossed_until > feed.ts_ns:
        return
    for _ in range(4):
        bids = [price for side, price, _ in feed.orders.values() if side == BID]
        asks = [price for side, price, _ in feed.orders.values() if side == ASK]
        if not bids or not asks or max(bids) < min(asks) or feed.chance(0.05):
            return
        if feed.chance(0.2 * feed.mischief):
            feed.crossed_until = feed.ts_ns + feed.whole(0, 800) * NS_PER_MS
            return
        execute(feed, touch(feed)[feed.whole(0, len(touch(feed)) - 1)], whole=True)
