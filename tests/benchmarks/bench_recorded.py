"""How fast recorded messages of the coin exchanges are read, beside decoding the same lines and nothing else.

    python -m tests.benchmarks.bench_recorded [MESSAGES]

For each exchange so many made-up messages are written (a book of two thousand orders that keep coming and going), plain
and in zstd, and read to the last event; a plain decoder is `json.loads` of every line, with floats left as text.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import zstandard

from tests.events.recordings import START, KrakenTape, bitstamp, bitstamp_book, coinbase, coinbase_snapshot
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.bitstamp_live import BitstampLiveSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.kraken import KrakenSource
from vpharness.events.recorded_source import RecordedSource

ORDERS = 2_000
MESSAGES = 120_000
KRAKEN_SHARE = 60
"""Of Kraken's messages so many times fewer are made: each is of an order book with a checksum."""


def steps(messages: int, rng: random.Random) -> Iterator[tuple[str, int, str, float]]:
    """Yield what happens (add, take), to which order, its price, and when in seconds: bids below 100, asks above."""
    alive: list[tuple[int, str]] = []
    for number in range(messages):
        seconds = 1 + number * 50 / messages
        if len(alive) > ORDERS and rng.random() < 0.5:
            place = rng.randrange(len(alive))
            alive[place], alive[-1] = alive[-1], alive[place]
            key, price = alive.pop()
            yield "take", key, price, seconds
        else:
            price = f"{100 + (1 if number % 2 else -1) * rng.randrange(1, 500) / 100:.2f}"
            alive.append((number, price))
            yield "add", number, price, seconds


def coinbase_lines(messages: int, rng: random.Random) -> Iterator[str]:
    """Yield messages of Coinbase's channel full."""
    yield json.dumps(coinbase_snapshot(1, 0, [["90.00", "1", "b"]], [["110.00", "1", "a"]]))
    for sequence, (what, key, price, seconds) in enumerate(steps(messages, rng), 2):
        fields = {"order_id": f"{key:08x}-7b6f-4e0c-9d8b-{key:012x}", "side": "buy" if price < "100" else "sell"}
        if what == "add":
            yield json.dumps(coinbase("open", sequence, seconds, **fields, price=price, remaining_size="0.12500000"))
        else:
            yield json.dumps(coinbase("done", sequence, seconds, **fields, price=price, reason="canceled"))


def kraken_lines(messages: int, rng: random.Random) -> Iterator[str]:
    """Yield messages of Kraken's channel level3 to a depth of a thousand levels."""
    tape = KrakenTape()
    tape.message("snapshot", bids=[("B", "90.0", "1.0", 0)], asks=[("A", "110.0", "1.0", 0)])
    for what, key, text, seconds in steps(messages // KRAKEN_SHARE, rng):
        price, name = f"{float(text):.1f}", f"O{key:06}-AAAAA-BBBBBB"
        side = "bids" if float(text) < 100 else "asks"
        event = ("add" if what == "add" else "delete", name, price, "0.12500000", seconds)
        tape.message("update", **{side: [event]})
    yield from tape.text.splitlines()


def bitfinex_lines(messages: int, rng: random.Random) -> Iterator[str]:
    """Yield messages of a raw book, with sequence numbers and times."""
    yield '{"event":"subscribed","channel":"book","chanId":7,"symbol":"tBTCUSD","prec":"R0","pair":"BTCUSD"}'
    yield f"[7,[[1,90,1],[2,110,-1]],1,{START // 10**6}]"
    for sequence, (what, key, price, seconds) in enumerate(steps(messages, rng), 2):
        shown, amount = (price, 0.125) if what == "add" else (0, 1)
        sign = "" if float(price) < 100 else "-"
        yield f"[7,[{1000 + key},{shown},{sign}{amount}],{sequence},{START // 10**6 + int(seconds * 1000)}]"


def bitstamp_lines(messages: int, rng: random.Random) -> Iterator[str]:
    """Yield messages of Bitstamp's channel live_orders."""
    yield json.dumps(bitstamp_book(0, [["90.00", "1", "1"]], [["110.00", "1", "2"]]))
    for what, key, price, seconds in steps(messages, rng):
        event = "order_created" if what == "add" else "order_deleted"
        yield json.dumps(bitstamp(event, 1000 + key, int(float(price) > 100), price, "0.12500000", seconds))


def seconds_of(work: Callable[[], object]) -> float:
    """Return the processor time that something takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def read_whole(source: RecordedSource) -> None:
    """Read a source to its last event."""
    with source.open() as stream:
        for _ in stream.chunks:
            pass


def decode(lines: Sequence[str]) -> None:
    """Decode lines, and do nothing with them."""
    for line in lines:
        json.loads(line, parse_float=str)


def main(messages: int) -> None:
    """Print a line for each exchange: messages a second, plain, in zstd, and by the plain decoder."""
    makers: dict[Callable[[str, float], RecordedSource], Callable[[int, random.Random], Iterator[str]]] = {
        CoinbaseSource: coinbase_lines,
        KrakenSource: kraken_lines,
        BitfinexSource: bitfinex_lines,
        BitstampLiveSource: bitstamp_lines,
    }
    with tempfile.TemporaryDirectory() as folder:
        for source, make in makers.items():
            lines = list(make(messages, random.Random(1)))  # noqa: S311  # an example
            plain, packed = Path(folder) / "plain", Path(folder) / "zstd"
            plain.write_text("\n".join(lines))
            packed.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
            made = source(str(plain), 0.01)
            works = [partial(read_whole, each) for each in (made, source(str(packed), 0.01))]
            taken = [seconds_of(work) for work in (*works, partial(decode, lines))]
            rates = [f"{len(lines) / each:,.0f}/s" for each in taken]
            print(f"{made.kind:14} {len(lines):,} messages: plain {rates[0]}, zstd {rates[1]}, json.loads {rates[2]}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)
