"""Small recordings of books by price level, as exchanges and vendors write them."""

import json
from collections.abc import Iterable
from typing import Any

OPENING_MS = 1_700_000_000_000


def lines_of(messages: Iterable[Any]) -> str:
    """Return messages as JSON lines, as compact as an exchange sends them."""
    return "".join(json.dumps(message, separators=(",", ":")) + "\n" for message in messages)


def depth(first: int, last: int, bids: Any, asks: Any, at_ms: int = 0, **more: Any) -> dict[str, Any]:
    """Return Binance's message of levels that changed."""
    return {
        "e": "depthUpdate", "E": OPENING_MS + at_ms, "s": "BTCUSDT", "U": first, "u": last, **more, "b": bids, "a": asks
    }  # fmt: skip


def snapshot(last: int, bids: Any, asks: Any) -> dict[str, Any]:
    """Return Binance's REST snapshot."""
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def agg_trade(price: str, size: str, at_ms: int, *, buyer_is_maker: bool) -> dict[str, Any]:
    """Return Binance's message of a trade."""
    return {
        "e": "aggTrade", "E": OPENING_MS + at_ms, "s": "BTCUSDT", "a": 1, "p": price, "q": size, "f": 1, "l": 1,
        "T": OPENING_MS + at_ms, "m": buyer_is_maker, "M": True,
    }  # fmt: skip


BINANCE = lines_of([
    depth(5, 7, [["100.0", "1.5"]], [["101.0", "2"]]),
    snapshot(6, [["100.0", "1.0"], ["99.5", "3"]], [["101.0", "1"], ["102", "4"]]),
    {"stream": "btcusdt@depth", "data": depth(8, 9, [["100.0", "0.5"], ["99.5", "0"]], [], 100)},
    agg_trade("101.0", "0.7", 149, buyer_is_maker=False),
    depth(10, 11, [["98", "1"]], [["101.0", "1.0"], ["102", "5"]], 200),
    depth(13, 14, [["98", "0"]], [], 300),
])  # fmt: skip


def book(kind: str, update: int, bids: Any, asks: Any, at_ms: int = 0) -> dict[str, Any]:
    """Return Bybit's message of the order book."""
    return {
        "topic": "orderbook.500.BTCUSDT", "type": kind, "ts": OPENING_MS + at_ms + 3,
        "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": update, "seq": 7 * update}, "cts": OPENING_MS + at_ms,
    }  # fmt: skip


def public_trade(price: str, size: str, side: str, at_ms: int) -> dict[str, Any]:
    """Return Bybit's message of a trade."""
    trade = {"T": OPENING_MS + at_ms, "s": "BTCUSDT", "S": side, "v": size, "p": price, "L": "PlusTick", "i": "x"}
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": OPENING_MS + at_ms, "data": [trade]}


BYBIT = lines_of([
    book("snapshot", 10, [["100.0", "1"], ["99.5", "3"]], [["101.0", "1"]]),
    book("delta", 11, [["100.0", "0.5"]], [["101.5", "2"]], 100),
    public_trade("101.0", "0.4", "Buy", 140),
    public_trade("99.5", "5", "Sell", 150),
    book("delta", 12, [["99.5", "0"]], [["101.0", "0.1"]], 200),
    book("delta", 14, [["98", "2"]], [], 300),
    book("snapshot", 20, [["98", "2"]], [["101", "7"]], 400),
    book("delta", 21, [["98", "3"]], [], 500),
])  # fmt: skip

TARDIS_HEAD = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
TARDIS = TARDIS_HEAD + "".join(
    f"binance,BTCUSDT,{OPENING_MS * 1000 + micros},{OPENING_MS * 1000 + micros + 9},{row}\n"
    for micros, row in [
        (0, "false,bid,100.1,9"),
        (1, "true,bid,100.0,1"),
        (1, "true,ask,101.0,2"),
        (2, "true,ask,102.0,2"),
        (100_000, "false,bid,100.0,0.25"),
        (100_000, "false,bid,99.0,4"),
        (200_000, "false,ask,101.0,0"),
        (200_001, "false,ask,101.0,1.5"),
    ]
)
TARDIS_TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n" + "".join(
    f"binance,BTCUSDT,{OPENING_MS * 1000 + micros},{OPENING_MS * 1000 + micros + 5},{number},{row}\n"
    for number, (micros, row) in enumerate(
        [(200_000, "buy,101.0,0.5"), (100_000, "sell,100.0,0.5"), (50_000, "unknown,100.0,0.25")]
    )
)
