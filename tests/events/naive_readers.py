"""The CSV readers again, a row at a time with decimals and dictionaries, as the specification puts it."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from zoneinfo import ZoneInfo

from tests.events.samples import Event

SEED_ID_BASE = 1 << 62


def whole(text: str, digits: int) -> int:
    """Return a decimal number in units of 10**-digits, half up."""
    return int(Decimal(text).scaleb(digits).to_integral_value(ROUND_HALF_UP))


def integer(text: str) -> int:
    """Return a number that must be whole."""
    assert Decimal(text) == int(Decimal(text))
    return int(Decimal(text))


@dataclass
class Level:
    """A price level: its orders by id, those with nothing left included, and the order that stands for all others."""

    orders: dict[int, int] = field(default_factory=dict)
    standing_id: int = 0
    standing_left: int = 0

    def quantity(self) -> int:
        """Return what rests at the level."""
        return sum(self.orders.values()) + self.standing_left


def levels_of(row: str) -> dict[tuple[str, int], int]:
    """Return the size of each level of a row of an order book file."""
    cells = list(map(integer, row.split(",")))
    return {("AB"[n % 2], cells[2 * n] * 10**5): cells[2 * n + 1] for n in range(len(cells) // 2) if cells[2 * n + 1]}


def lobster_events(lines: Iterable[str], date: str, book: str | Sequence[str] | None = None) -> list[Event]:
    """Return the events of a LOBSTER message file, and of the rows of its order book file as far as they are given."""
    midnight = int(datetime.fromisoformat(date).replace(tzinfo=ZoneInfo("America/New_York")).timestamp()) * 10**9
    rows = [book] if isinstance(book, str) else list(book or [])
    events: list[Event] = []
    levels: dict[tuple[str, int], Level] = {}
    standing_ids = count(SEED_ID_BASE)
    messages = [row for row in csv.reader(lines) if "".join(row)]
    for number, row in enumerate(messages):
        ts = midnight + whole(row[0], 9)
        kind, order_id, size, price = int(row[1]), *map(integer, row[2:5])
        key = ("B" if int(row[5]) == 1 else "A", price * 10**5)
        if kind == 7 and abs(integer(row[4])) == 1:
            events.append((ts, "H" if price < 0 else "O", "N", 0, 0, 0, 128))
        if number == 0 and rows:
            snapshot = []
            for seeded, quantity in levels_of(rows[0]).items():
                levels[seeded] = Level(standing_id=next(standing_ids), standing_left=quantity)
                snapshot.append((ts, "A", *seeded, quantity, levels[seeded].standing_id, 32))
            if snapshot:
                snapshot[-1] = (*snapshot[-1][:-1], 32 | 128)
            events = snapshot + events
            continue
        follows = number < len(rows)
        if kind <= 4:
            events += order_events(levels, ts, kind, key, size, order_id, follows=follows)
        if follows:
            events += set_right(levels, ts, levels_of(rows[number]), standing_ids, rows[number].count(",") // 4 + 1)
    return events


def order_events(
    levels: dict[tuple[str, int], Level],
    ts: int,
    kind: int,
    key: tuple[str, int],
    size: int,
    order_id: int,
    *,
    follows: bool,
) -> list[Event]:
    """Return the events of a message of types 1 to 4, and let it change the levels."""
    if kind == 1:
        own = next((level for level in levels.values() if order_id in level.orders), None)
        if own is not None and not (levels.get(key) is own and size):
            del own.orders[order_id]
        level = levels.get(key)
        if level is None and follows and size:
            level = levels[key] = Level()
        if level is not None and (size or level.standing_left):
            level.orders[order_id] = size
        return [(ts, "A", *key, size, order_id, 128)]
    own = next((level for level in levels.values() if order_id in level.orders), None)
    if own is not None:
        own.orders[order_id] -= min(size, own.orders[order_id]) if size else own.orders[order_id]
        if not own.orders[order_id] and not own.standing_left:
            del own.orders[order_id]
    elif key in levels and levels[key].standing_left:
        level = levels[key]
        order_id = level.standing_id
        level.standing_left -= min(size, level.standing_left)
        forget_used_up(level)
        if not follows and not level.standing_left:
            del levels[key]
    cancel = (ts, "C", *key, size, order_id, 128)
    return [(ts, "F", *key, size, order_id, 0), cancel] if kind == 4 else [cancel]


def forget_used_up(level: Level) -> None:
    """Forget orders with nothing left once there is no standing order that they could draw on."""
    if not level.standing_left:
        level.orders = {order_id: left for order_id, left in level.orders.items() if left}


def reaches(row: dict[tuple[str, int], int], most: int, side: str, price: int) -> bool:
    """Whether a row of up to `most` levels a side shows a price, or that nothing rests there."""
    shown = [own for letter, own in row if letter == side]
    return len(shown) < most or (price >= min(shown) if side == "B" else price <= max(shown))


def set_right(
    levels: dict[tuple[str, int], Level],
    ts: int,
    row: dict[tuple[str, int], int],
    standing_ids: Iterator[int],
    most: int,
) -> list[Event]:
    """Return the events that make the levels those of a row, as far as it reaches: bids, then asks, best first."""
    found: list[Event] = []
    for side, sign in (("B", -1), ("A", 1)):
        prices = {price for letter, price in (*levels, *row) if letter == side}
        for price in sorted(prices, reverse=sign < 0):
            if not reaches(row, most, side, price):
                continue
            key, wanted = (side, price), row.get((side, price), 0)
            level = levels.setdefault(key, Level())
            said: list[tuple[int, int]] = []
            surplus = level.quantity() - wanted
            if surplus < 0:
                if not level.standing_left:
                    level.standing_id = next(standing_ids)
                level.standing_left -= surplus
                said.append((level.standing_id, level.standing_left))
            elif surplus and level.standing_left:
                taken = min(surplus, level.standing_left)
                surplus, level.standing_left = surplus - taken, level.standing_left - taken
                said.append((level.standing_id, level.standing_left))
            for order_id, left in level.orders.items():
                taken = max(0, min(surplus, left))
                if taken:
                    surplus, level.orders[order_id] = surplus - taken, left - taken
                    said.append((order_id, left - taken))
            forget_used_up(level)
            if not wanted:
                del levels[key]
            found += [(ts, "S", *key, left, order_id, 32 | 128) for order_id, left in said]
    return found


def bitstamp_events(lines: Iterable[str]) -> list[Event]:
    """Return the events of a Bitstamp order file."""
    rows = list(csv.DictReader(lines))
    in_btc = "exchange_timestamp" in rows[0]
    time = "exchange_timestamp" if in_btc else "timestamp"
    rows.sort(key=lambda row: Decimal(row[time]))
    left: dict[int, int] = {}
    events: list[Event] = []
    for row in rows:
        order_id, volume = int(row["id"]), whole(row["volume"], 8 if in_btc else 0)
        ts, price = whole(row[time], 6), whole(row["price"], 9)
        side = {"bid": "B", "ask": "A"}[row["direction"]]
        filled = taken = 0
        if row["action"] == "created":
            events.append((ts, "A", side, price, volume, order_id, 128))
        elif row["action"] == "changed":
            filled = max(left.get(order_id, 0) - volume, 0)
        elif volume == 0 and order_id in left:
            filled = left[order_id]
            if not filled:
                events.append((ts, "F", side, price, 0, order_id, 0))
                events.append((ts, "C", side, price, 0, order_id, 128))
        else:
            taken = max(left.get(order_id, 0), volume)
            events.append((ts, "C", side, price, taken, order_id, 128))
        if filled:
            events.append((ts, "F", side, price, filled, order_id, 0))
            events.append((ts, "C", side, price, filled, order_id, 128))
        left[order_id] = volume
        if row["action"] == "deleted":
            del left[order_id]
    return events
