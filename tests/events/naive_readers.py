"""The CSV readers again, a row at a time with decimals and dictionaries, as the specification puts it."""

import csv
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
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


def lobster_events(lines: Iterable[str], date: str, book_row: str | None = None) -> list[Event]:
    """Return the events of a LOBSTER message file, from the book of `book_row` on where it is given."""
    midnight = int(datetime.fromisoformat(date).replace(tzinfo=ZoneInfo("America/New_York")).timestamp()) * 10**9
    events: list[Event] = []
    seeds: dict[tuple[str, int], list[int]] = {}
    added: set[int] = set()
    for number, row in enumerate(csv.reader(lines)):
        ts = midnight + whole(row[0], 9)
        kind, order_id, size, price = int(row[1]), *map(integer, row[2:5])
        price *= 10**5
        side = "B" if int(row[5]) == 1 else "A"
        if number == 0 and book_row is not None:
            cells = list(map(integer, next(csv.reader([book_row]))))
            levels = [
                ("AB"[place % 2], cells[2 * place] * 10**5, cells[2 * place + 1]) for place in range(len(cells) // 2)
            ]
            for seed_side, seed_price, seed_size in levels:
                if seed_size:
                    seed_id = SEED_ID_BASE + len(seeds)
                    seeds[seed_side, seed_price] = [seed_id, seed_size]
                    events.append((ts, "A", seed_side, seed_price, seed_size, seed_id, 32))
            if events:
                events[-1] = (*events[-1][:-1], 32 | 128)
            continue
        if kind > 4:
            continue
        if kind == 1:
            added.add(order_id)
            events.append((ts, "A", side, price, size, order_id, 128))
            continue
        if order_id not in added and (side, price) in seeds:
            seed = seeds[side, price]
            order_id = seed[0]
            seed[1] -= size
            if seed[1] <= 0:
                del seeds[side, price]
        if kind == 4:
            events.append((ts, "F", side, price, size, order_id, 0))
        events.append((ts, "C", side, price, size, order_id, 128))
    return events


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
