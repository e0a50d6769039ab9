"""How fast daily ITCH files are read: `python -m tests.benchmarks.bench_itch [MILLIONS_OF_MESSAGES]`.

A made-up day of a hundred stocks, whose messages have the mix of a real one (adds and deletions, some executions,
cancels and replacements), is read for one stock, plain and gzipped, beside a decoder of plain Python and, where it is
installed, the package itch-book.
"""

import gzip
import importlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from tests.events.itch_writer import HOUR, Stock, before_system_hours, framed, system_event
from tests.naive_itch import itch_events
from vpharness.events.itch import ItchSource

STOCKS = [Stock(locate, f"S{locate:03}") for locate in range(1, 101)]
WANTED = STOCKS[49]
PIECE = 200_000
TWIN_MESSAGES = 200_000


def piece(first_order: int, seed: int) -> list[bytes]:
    """Return messages of all stocks, of orders that begin and end among them."""
    random = np.random.default_rng(seed)
    messages: list[bytes] = []
    orders: list[tuple[Stock, int]] = []
    for number, (kind, place, price) in enumerate(
        zip(random.random(PIECE), random.integers(1 << 30, size=PIECE), random.integers(400, size=PIECE), strict=True)
    ):
        ts, order = 10 * HOUR, first_order + number
        if kind < 0.46 or not orders:
            stock = STOCKS[place % len(STOCKS)]
            side, level = ("B", 1_000_000 - 100 * int(price)) if place % 2 else ("S", 1_000_100 + 100 * int(price))
            messages.append(stock.add(ts, order, side, 100, level))
            orders.append((stock, order))
            continue
        index = int(place) % len(orders)
        stock, old = orders[index]
        if kind < 0.52:
            messages.append(stock.replace(ts, old, order, 100, 900_000))
            orders[index] = (stock, order)
            continue
        if kind < 0.54:
            messages.append(stock.cancel(ts, old, 1))
            continue
        orders[index] = orders[-1]
        orders.pop()
        messages.append(stock.executed(ts, old, 100) if kind < 0.58 else stock.delete(ts, old))
    return messages


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def read(path: Path) -> int:
    """Read a file for the wanted stock, and return how many events there were."""
    with ItchSource(str(path), WANTED.symbol).open() as stream:
        return sum(map(len, stream.chunks))


def read_with_itch_book(path: Path) -> None:
    """Read a file with itch-book, which builds the books of all stocks."""
    itch_book = importlib.import_module("itch_book")
    with itch_book.open(str(path), date=date(2019, 1, 30)) as feed:
        for _ in feed.batches(tables=("bbo",), symbols=(WANTED.symbol,)):
            pass


def main() -> None:
    """Print every figure."""
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    pieces = millions * 1_000_000 // PIECE
    messages = piece(1, 0)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "01302019.NASDAQ_ITCH50"
        with plain.open("wb") as file:
            file.write(framed(before_system_hours(STOCKS)))
            for number in range(pieces):
                file.write(framed(messages if number == 0 else piece(1 + number * PIECE, number)))
            file.write(framed([system_event(20 * HOUR, "C")]))
        packed = plain.with_name("01302019.NASDAQ_ITCH50.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes(), compresslevel=6))
        total = pieces * PIECE
        print(f"{total:,} messages, {plain.stat().st_size / 1e6:.0f} MB, gzipped {packed.stat().st_size / 1e6:.0f} MB")
        print(f"{read(plain):,} events of one stock of {len(STOCKS)}")
        for path in (plain, packed):
            took = min(seconds_of(partial(read, path)) for _ in range(3))
            print(f"{path.name}: {total / took / 1e6:.1f} M messages/s, {plain.stat().st_size / took / 1e6:.0f} MB/s")
        part = framed([*before_system_hours(STOCKS), *messages[:TWIN_MESSAGES]])
        took = seconds_of(lambda: itch_events(part, WANTED.symbol, "2019-01-30"))
        print(f"plain Python: {TWIN_MESSAGES / took / 1e6:.2f} M messages/s")
        if importlib.util.find_spec("itch_book") is not None:
            took = min(seconds_of(lambda: read_with_itch_book(plain)) for _ in range(3))
            print(f"itch-book, all books, plain file: {total / took / 1e6:.1f} M messages/s")


if __name__ == "__main__":
    main()
