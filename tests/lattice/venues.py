"""What feeds of several venues do, and of venues that tell no orders: best prices, levels, halts, gaps."""

from tests.lattice.feed import Feed, rebuild, set_order
from vpharness.events.mbo_event import (
    ADD,
    BID,
    CANCEL,
    FILL,
    FLAG_BY_PRICE,
    FLAG_FEED_GAP,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    HALT,
    MAX_PRICE,
    MODIFY,
    NO_SIDE,
    NONE,
    RESUME,
    UNDEFINED_PRICE,
)


def _flags(feed: Feed, flag: int) -> int:
    return flag | feed.last_flag | (FLAG_SNAPSHOT if feed.chance(0.1 * feed.mischief) else 0)


def _anyones_id(feed: Feed) -> int:
    return feed.whole(0, 40)


def best_price(feed: Feed) -> None:
    """Send the best price of one side of a publisher, or that it has none; now and then trade at it."""
    publisher, side = feed.whole(0, feed.publishers - 1), feed.side()
    price, size = feed.price(side, feed.whole(1, 3)), feed.size()
    if feed.chance(0.1):
        price = UNDEFINED_PRICE
    if feed.chance(0.1):
        size = 0
    if feed.chance(0.1 * feed.mischief):
        side = NO_SIDE
    order_id = feed.publishers * feed.whole(0, 1) + publisher
    if feed.chance(0.2):
        for action in (FILL, CANCEL)[feed.whole(0, 1) :]:
            feed.emit(action, side, price, feed.whole(0, 20), order_id, flags=_flags(feed, FLAG_TOP_OF_BOOK))
    action = MODIFY if feed.chance(0.2) else ADD
    feed.emit(action, side, price, size, order_id, flags=_flags(feed, FLAG_TOP_OF_BOOK))


def price_level(feed: Feed) -> None:
    """Send what a publisher has at a price, or take from it."""
    side, order_id = feed.side(), _anyones_id(feed)
    price, size = feed.price(side, feed.whole(1, 8)), feed.whole(0, 20) if feed.chance(0.8) else 0
    if feed.chance(0.05 * feed.mischief):
        side = NO_SIDE
    action = (ADD, MODIFY, ADD, MODIFY, CANCEL, FILL)[feed.whole(0, 5)]
    feed.emit(action, side, price, size, order_id, flags=_flags(feed, FLAG_BY_PRICE))
    if action == FILL:
        feed.emit(MODIFY, side, price, feed.whole(0, 10), order_id, flags=_flags(feed, FLAG_BY_PRICE))


def beyond(feed: Feed) -> None:
    """Move an order, add one, or say a level or a best price out of the range of prices."""
    price = (MAX_PRICE + feed.tick_int) * (1 if feed.chance(0.5) else -1)
    flags = (0, 0, FLAG_TOP_OF_BOOK, FLAG_BY_PRICE)[feed.whole(0, 3)]
    known = feed.any_order()
    order_id = feed.new_id() if known is None or feed.chance(0.3) else known
    side = feed.orders[order_id][0] if order_id in feed.orders else BID
    feed.emit(ADD if feed.chance(0.3) else MODIFY, side, price, feed.size(), order_id, flags=_flags(feed, flags))
    if not flags:
        set_order(feed, order_id, side, price, 0)


def halt(feed: Feed) -> None:
    """Stop trading, and mostly let it go on."""
    if feed.chance(0.3):
        feed.emit(HALT, NO_SIDE, 0, 0, 0)
    else:
        feed.emit(RESUME, NO_SIDE, 0, 0, 0)


def gap(feed: Feed) -> None:
    """Lose records, and mostly restate the book soon."""
    order_id = _anyones_id(feed)
    if feed.chance(0.7):
        feed.emit(NONE, NO_SIDE, 0, 0, order_id, flags=FLAG_FEED_GAP | feed.last_flag)
    else:
        side = feed.side()
        feed.emit(ADD, side, feed.price(side, 2), feed.size(), feed.new_id(), flags=_flags(feed, FLAG_FEED_GAP))
    if feed.chance(0.6):
        rebuild(feed, FLAG_SNAPSHOT if feed.chance(0.5) else 0)
