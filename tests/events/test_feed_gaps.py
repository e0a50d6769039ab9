"""Books of recorded feeds are not valid from a gap to the next snapshot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.events.level_files import (
    book,
    depth,
    lines_of,
    snapshot,
)
from tests.events.recordings import (
    ASKS,
    BIDS,
    START,
    KrakenTape,
    bitstamp,
    bitstamp_book,
    coinbase,
    coinbase_snapshot,
    lines,
)
from tests.events.samples import write
from tests.lattice.engine_help import best_prices
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.bitstamp_live import BitstampLiveSource
from vpharness.events.bybit_depth import BybitDepthSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.kraken import KrakenSource


def _coinbase_gap() -> str:
    orders = [
        coinbase("open", number, seconds, order_id=f"n{number}", side="buy", price="99", remaining_size="1")
        for number, seconds in ((8, 0.05), (9, 0.15), (11, 0.25), (12, 0.35), (13, 0.55))
    ]
    snapshots = [coinbase_snapshot(7, 0.01, BIDS, ASKS), coinbase_snapshot(12, 0.45, BIDS, ASKS)]
    return lines([snapshots[0], *orders[:4], snapshots[1], orders[4]])


def _kraken_gap() -> str:
    tape = KrakenTape()
    for restated, seconds in enumerate(((0.05, 0.15, 0.25, 0.35), (0.55,))):
        at = 0.45 if restated else 0.01
        tape.message("snapshot", bids=[("OB1", "100.0", "1.5", at)], asks=[("OA1", "101.0", "2", at)])
        for number, each in enumerate(seconds):
            order = ("add", f"O{number}", f"{99 - number}.0", "1.00000000", each)
            tape.message("update", checksum=1 if each == 0.25 else None, bids=[order])
    return tape.text


def _bitfinex_gap() -> str:
    orders, ms = [[11, 100, 1.5], [21, 101, -2]], START // 10**6
    return lines(
        [
            {"event": "subscribed", "channel": "book", "chanId": 7, "symbol": "tBTCUSD", "prec": "R0", "len": "25"},
            [7, orders, 1, ms + 10],
            *([7, [30 + number, 99, 0.75], number, ms + at] for number, at in ((2, 50), (3, 150), (5, 250), (6, 350))),
            [7, orders, 7, ms + 450],
            [7, [38, 99, 0.75], 8, ms + 550],
        ]
    )


def _bitstamp_gap() -> str:
    created = [
        bitstamp("order_created", 31 + number, 0, "99", "1", seconds)
        for number, seconds in enumerate((0.05, 0.15, 0.25, 0.35, 0.55))
    ]
    subscribed = {"event": "bts:subscription_succeeded", "channel": "live_orders_btcusd", "data": {}}
    books = [bitstamp_book(at, [["100", "1", "11"]], [["101", "1", "21"]]) for at in (0.01, 0.45)]
    return lines([books[0], *created[:2], subscribed, *created[2:4], books[1], created[4]])


def _binance_gap() -> str:
    changes = [
        depth(number, number, [["99", str(number)]], [], at)
        for number, at in ((2, 10), (3, 50), (4, 150), (6, 250), (7, 350), (8, 450), (9, 550))
    ]
    first, again = (snapshot(last, [["100", "1"]], [["101", "1"]]) for last in (1, 7))
    return lines_of([first, *changes[:5], again, *changes[5:]])


def _bybit_gap() -> str:
    deltas = [
        book("delta", number, [["99", str(number)]], [], at)
        for number, at in ((2, 50), (3, 150), (5, 250), (6, 350), (10, 550))
    ]
    first, again = (book("snapshot", number, [["100", "1"]], [["101", "1"]], at) for number, at in ((1, 10), (9, 450)))
    return lines_of([first, *deltas[:4], again, deltas[4]])


GAPS: dict[str, tuple[type[Any], Callable[[], str], int]] = {
    "coinbase": (CoinbaseSource, _coinbase_gap, 1),
    "kraken": (KrakenSource, _kraken_gap, 2),
    "bitfinex": (BitfinexSource, _bitfinex_gap, 1),
    "bitstamp_live": (BitstampLiveSource, _bitstamp_gap, 1),
    "binance_depth": (BinanceDepthSource, _binance_gap, 2),
    "bybit_depth": (BybitDepthSource, _bybit_gap, 2),
}
"""A source, messages at 0.05, 0.15, 0.25, 0.35 and 0.55 s, of which the third is behind a gap, and a snapshot at 0.45
s; and the first bin without a book: by order, a gap has the time of the last message before it, by level of the next.
"""


@pytest.mark.parametrize("name", GAPS)
def test_the_book_is_not_valid_from_a_gap_to_the_next_snapshot(tmp_path: Path, name: str) -> None:
    """Of every feed that can tell of a gap; the best prices are right before it and behind the snapshot."""
    kind, text, first = GAPS[name]
    found = best_prices(kind(write(tmp_path, "m.jsonl", text()), 0.5))
    assert found == [None if first <= place < 4 else (100, 101) for place in range(6)]


def test_the_book_is_not_valid_before_the_first_snapshot(tmp_path: Path) -> None:
    """Messages by order that come before it make no book, and bins begin with a valid one."""
    messages = [
        coinbase("open", 6, 0.05, order_id="x", side="buy", price="99", remaining_size="1"),
        coinbase("open", 7, 0.15, order_id="y", side="sell", price="102", remaining_size="1"),
        coinbase_snapshot(7, 0.25, BIDS, ASKS),
        coinbase("open", 8, 0.35, order_id="z", side="sell", price="102", remaining_size="1"),
    ]
    found = best_prices(CoinbaseSource(write(tmp_path, "c.jsonl", lines(messages)), 0.5))
    assert found == [(100, 101), (100, 101)]
