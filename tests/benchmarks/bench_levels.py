"""How fast books by price level are read, beside a plain decoder: `python -m tests.benchmarks.bench_levels [MESSAGES]`.

The files are made here: messages of 20 levels around a price that wanders, a trade after every fourth. The plain
decoder keeps a dictionary of each side with floats, as most scripts do, and makes no events.
"""

import csv
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.events.level_files import OPENING_MS, agg_trade, book, depth, lines_of, snapshot
from tests.events.samples import write
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bybit_depth import BybitDepthSource
from vpharness.events.event_source import Source
from vpharness.events.tardis_l2 import TardisL2Source

LEVELS = 20


def changes(count: int, seed: int = 1) -> Iterator[tuple[list[list[str]], list[list[str]]]]:
    """Yield bids and asks that changed, message after message."""
    draw, mid = random.Random(seed), 40_000.0  # noqa: S311  # a market, not a secret
    for _ in range(count):
        mid += draw.gauss(0, 0.5)
        sides = [
            [
                [f"{mid + way * draw.randrange(1, 400) / 10:.2f}", f"{draw.choice([0, draw.random() * 5]):.8f}"]
                for _ in range(LEVELS // 2)
            ]
            for way in (-1, 1)
        ]
        yield sides[0], sides[1]


def plain_json(path: Path) -> int:
    """Keep a book from messages with the standard library; return the number of its levels."""
    sides: list[dict[float, float]] = [{}, {}]
    with path.open() as file:
        for line in file:
            message = json.loads(line)
            message = message.get("data", message)
            for side, rows in zip(sides, (message.get("b"), message.get("a")), strict=True):
                for price, size in rows if isinstance(rows, list) else ():
                    if float(size):
                        side[float(price)] = float(size)
                    else:
                        side.pop(float(price), None)
    return sum(map(len, sides))


def plain_csv(path: Path) -> int:
    """Keep a book from rows with the standard library; return the number of its levels."""
    sides: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            price, size = float(row[6]), float(row[7])
            if size:
                sides[row[5]][price] = size
            else:
                sides[row[5]].pop(price, None)
    return sum(map(len, sides.values()))


def read_all(source: Source) -> int:
    """Read a source to its end; return the number of its events."""
    with source.open() as stream:
        return sum(map(len, stream.chunks))


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """Return how much of the processor's time a call takes, and what it returns."""
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


def main() -> None:
    """Print rows a second of each reader, and of the plain decoder on the same file."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        binance: list[object] = [snapshot(1, [["39900", "1"]], [["40100", "1"]])]
        bybit: list[object] = [book("snapshot", 1, [["39900", "1"]], [["40100", "1"]])]
        tardis = ["exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"]
        for number, (bids, asks) in enumerate(changes(count), 2):
            binance.append(depth(number, number, bids, asks, 100 * number))
            bybit.append(book("delta", number, bids, asks, 100 * number))
            if number % 4 == 0:
                binance.append(agg_trade(bids[0][0], "0.5", 100 * number + 1, buyer_is_maker=True))
            stamp, first = (OPENING_MS + 100 * number) * 1000, str(number == 2).lower()
            for side, rows in (("bid", bids), ("ask", asks)):
                tardis += [f"x,BTCUSDT,{stamp},{stamp + 9},{first},{side},{price},{size}" for price, size in rows]
        readers: list[tuple[str, str, Callable[[str], Source], Callable[[Path], int]]] = [
            ("binance_depth", lines_of(binance), lambda path: BinanceDepthSource(path, 0.01), plain_json),
            ("bybit_depth", lines_of(bybit), lambda path: BybitDepthSource(path, 0.01), plain_json),
            ("tardis_l2", "\n".join(tardis) + "\n", lambda path: TardisL2Source(path, 0.01), plain_csv),
        ]
        for kind, text, make, plain in readers:
            path = write(folder, kind, text)
            read_all(make(path))  # compiles
            seconds, found = timed(lambda make=make, path=path: read_all(make(path)))  # type: ignore[misc]
            beside, _ = timed(lambda plain=plain, path=path: plain(Path(path)))  # type: ignore[misc]
            total = count * LEVELS
            print(
                f"{kind}: {total:,} levels, {len(text) / 1e6:.0f} MB: {total / seconds / 1e6:.2f} M levels/s "
                f"({found:,} events), plain decoder {total / beside / 1e6:.2f}"
            )


if __name__ == "__main__":
    main()
