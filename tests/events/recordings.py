"""Small recordings of coin exchanges' messages, made by tests: each exchange's own words, and little else."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tests.events.naive_recorded import kraken_checksum

SECOND = 10**9
START = 1_704_067_200 * SECOND
"""2024-01-01, in ns since the epoch."""


def lines(messages: Iterable[Any]) -> str:
    """Return messages as a file has them."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def enveloped(message: Any, received_ns: int, symbol: str | None = None) -> dict[str, Any]:
    """Return a message in its envelope."""
    names = {} if symbol is None else {"symbol": symbol}
    return {"received_ns": received_ns, **names, "message": message}


def clock(seconds: float) -> str:
    """Return a time of the first minute of 2024, in µs."""
    return f"2024-01-01T00:00:{seconds:09.6f}Z"


def coinbase(kind: str, sequence: int, seconds: float, product: str = "BTC-USD", **fields: str) -> dict[str, Any]:
    """Return a message of Coinbase's channel full."""
    return {"type": kind, "product_id": product, "sequence": sequence, "time": clock(seconds), **fields}


def coinbase_snapshot(
    sequence: int, seconds: float | None, bids: list[list[str]], asks: list[list[str]]
) -> dict[str, Any]:
    """Return an answer of the level 3 endpoint."""
    time = {} if seconds is None else {"time": clock(seconds)}
    return {"bids": bids, "asks": asks, "sequence": sequence, "auction_mode": False, "auction": None, **time}


BIDS = [["100.00", "1.5", "b1"], ["99.50", "2", "b2"]]
ASKS = [["101.00", "2", "a1"], ["101.01", "0.25", "a2"]]

COINBASE = lines(
    [
        {"type": "subscriptions", "channels": [{"name": "full", "product_ids": ["BTC-USD"]}]},
        coinbase("open", 6, 0, order_id="old", side="buy", price="1", remaining_size="1"),
        coinbase("open", 8, 0.25, order_id="n", side="sell", price="103.5", remaining_size="0.5"),
        coinbase_snapshot(7, 0.2, BIDS, ASKS),
        coinbase("received", 9, 1, order_id="t", side="buy", order_type="market", funds="50"),
        coinbase("match", 10, 1, maker_order_id="a1", taker_order_id="t", side="sell", price="101.00", size="0.5"),
        coinbase("done", 11, 1, order_id="t", side="buy", reason="filled"),
        coinbase("change", 12, 2, order_id="b1", side="buy", price="100.00", old_size="1.5", new_size="1.0"),
        coinbase(
            "change", 13, 2.1, order_id="b2", side="buy", reason="modify_order", new_price="99.75", new_size="2.5"
        ),
        coinbase("activate", 14, 2.2, order_id="s", side="sell", stop_type="entry"),
        coinbase("match", 15, 3, maker_order_id="a1", taker_order_id="u", side="sell", price="101.00", size="1.5"),
        coinbase("done", 16, 3, order_id="a1", side="sell", reason="filled", remaining_size="0", price="101.00"),
        coinbase("done", 17, 4, order_id="b1", side="buy", reason="canceled", remaining_size="1.0", price="100.00"),
        coinbase("open", 19, 5, order_id="m", side="buy", price="98", remaining_size="1"),
        coinbase("open", 20, 5.5, order_id="k", side="buy", price="97", remaining_size="1"),
        enveloped(coinbase_snapshot(19, None, BIDS, ASKS), START + 6 * SECOND, "BTC-USD"),
    ]
)

K_SNAPSHOT: dict[str, list[tuple[str, str, str, float]]] = {
    "bids": [("OB1", "100.0", "1.50000000", 0), ("OB2", "100.0", "0.00250000", 0.1), ("OB3", "99.5", "2.00000000", 0)],
    "asks": [("OA1", "101.0", "2.00000000", 0.2), ("OA2", "101.5", "0.25000000", 0)],
}


class KrakenTape:
    """A recording of level3 that is being made, with right checksums: prices and quantities stay as they are given."""

    def __init__(self, symbol: str = "BTC/USD") -> None:
        """Start with an empty book."""
        self.symbol, self.text = symbol, ""
        self.book: dict[str, list[tuple[int, Any, str]]] = {"B": [], "A": []}

    def message(self, kind: str, checksum: Any = None, **sides: Sequence[tuple[Any, ...]]) -> None:
        """Write a snapshot or an update; events are (name, id, price, quantity, second), without name in a snapshot."""
        told: dict[str, list[str]] = {"bids": [], "asks": []}
        if kind == "snapshot":
            self.book = {"B": [], "A": []}
        for name, events in sides.items():
            for event in events:
                action, key, price, size, seconds = ("add", *event) if kind == "snapshot" else event
                self._apply({"bids": "B", "asks": "A"}[name], action, key, price, size)
                first = "" if kind == "snapshot" else f'"event":"{action}",'
                told[name].append(
                    f'{{{first}"order_id":"{key}","limit_price":{price},"order_qty":{size},"timestamp":"{clock(seconds)}"}}'
                )
        checksum = kraken_checksum(self.book) if checksum is None else checksum
        self.text += (
            f'{{"channel":"level3","type":"{kind}","data":[{{"symbol":"{self.symbol}","checksum":{checksum},'
            f'"bids":[{",".join(told["bids"])}],"asks":[{",".join(told["asks"])}]}}]}}\n'
        )

    def other(self, message: Any) -> None:
        """Write any other message."""
        self.text += lines([message])

    def forget(self, *keys: str) -> None:
        """Drop orders that have fallen behind the depth."""
        for side in self.book.values():
            side[:] = [order for order in side if order[1] not in keys]

    def _apply(self, side: str, action: str, key: str, price: str, size: str) -> None:
        rank = round(float(price) * 10)
        order = (rank, key, price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0"))
        there = [place for place, each in enumerate(self.book[side]) if each[1] == key]
        if action == "delete":
            del self.book[side][there[0]]
        elif there and self.book[side][there[0]][0] == rank:
            self.book[side][there[0]] = order
        else:
            self.forget(key)
            self.book[side].append(order)


def _kraken() -> str:
    tape = KrakenTape()
    tape.other({"channel": "status", "type": "update", "data": [{"system": "online", "version": "2.0.0"}]})
    tape.other(
        {
            "method": "subscribe",
            "result": {"channel": "level3", "symbol": "BTC/USD", "depth": 10, "snapshot": True},
            "success": True,
            "time_in": clock(0),
            "time_out": clock(0),
        }
    )
    tape.message("snapshot", **K_SNAPSHOT)
    tape.other({"channel": "heartbeat"})
    tape.message("update", bids=[("add", "OB4", "100.5", "0.75000000", 1)], asks=[])
    tape.message("update", asks=[("modify", "OA1", "101.0", "1.25000000", 2)])
    tape.message("update", bids=[("delete", "OB1", "100.0", "1.50000000", 3)])
    tape.message("update", bids=[("modify", "OB4", "100.0", "1.00000000", 4)], asks=[("add", "OA3", "102.0", "1", 3.5)])
    tape.message("update", checksum=1, asks=[("delete", "OA2", "101.5", "0.25000000", 5)])
    tape.message("update", asks=[("add", "OA9", "103.0", "1.00000000", 6)])
    tape.message("snapshot", **K_SNAPSHOT)
    return tape.text


KRAKEN = _kraken()

BITFINEX = (
    lines(
        [
            {"event": "info", "version": 2, "serverId": "x", "platform": {"status": 1}},
            {"event": "conf", "status": "OK", "flags": 65536 + 32768},
            {
                "event": "subscribed",
                "channel": "book",
                "chanId": 7,
                "symbol": "tBTCUSD",
                "prec": "R0",
                "len": "3",
                "pair": "BTCUSD",
            },
        ]
    )
    + "[7,[[11,100,1.5],[12,99.5,2],[13,99,3],[21,101,-2],[22,101.5,-0.25],[23,102,-1e-8]],1,1704067200000]\n"
    + "[7,[30,100.5,0.75],2,1704067201000]\n"
    + "[7,[13,0,1],3,1704067201000]\n"
    + "[7,[21,101,-1.25],4,1704067202000]\n"
    + '[7,"hb",5,1704067203000]\n'
    + '[7,"cs",-12345,6,1704067203000]\n'
    + "[7,[30,0,1],7,1704067204000]\n"
    + "[7,[9,98.5,1],8,1704067204000]\n"
    + "[7,[22,101.25,-0.25],9,1704067205000]\n"
    + "[7,[22,0,-1],11,1704067206000]\n"
    + "[7,[[11,100,1.5],[21,101,-2]],12,1704067207000]\n"
)


def bitstamp(event: str, key: int, side: int, price: str, amount: str, seconds: float) -> dict[str, Any]:
    """Return a message of Bitstamp's channel live_orders."""
    data = {
        "id": key,
        "id_str": str(key),
        "order_type": side,
        "datetime": str(START // SECOND + int(seconds)),
        "microtimestamp": str(START // 1000 + round(seconds * 10**6)),
        "amount": float(amount),
        "amount_str": amount,
        "price": float(price),
        "price_str": price,
    }
    return {"event": event, "channel": "live_orders_btcusd", "data": data}


def bitstamp_book(seconds: float, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    """Return an order book by order, as the endpoint with group=2 answers."""
    micro = START // 1000 + round(seconds * 10**6)
    return {"timestamp": str(micro // 10**6), "microtimestamp": str(micro), "bids": bids, "asks": asks}


B_BIDS, B_ASKS = [["100.00", "1.50000000", "11"], ["99.50", "2.00000000", "12"]], [["101.00", "2.00000000", "21"]]
SUBSCRIBED = {"event": "bts:subscription_succeeded", "channel": "live_orders_btcusd", "data": {}}

BITSTAMP_LIVE = lines(
    [
        SUBSCRIBED,
        bitstamp("order_created", 11, 0, "100.00", "1.50000000", 0.5),
        bitstamp("order_created", 31, 1, "102.00", "1.00000000", 1.5),
        bitstamp_book(1, B_BIDS, B_ASKS),
        bitstamp("order_changed", 21, 1, "101.00", "1.25000000", 2),
        bitstamp("order_deleted", 21, 1, "101.00", "0.00000000", 3),
        bitstamp("order_deleted", 12, 0, "99.50", "2.00000000", 3.5),
        bitstamp("order_changed", 99, 0, "99.50", "2.00000000", 3.5),
        bitstamp("order_created", 41, 0, "99999999999.00", "1.00000000", 3.6),
        bitstamp("order_changed", 11, 0, "100.50", "3.00000000", 4),
        SUBSCRIBED,
        bitstamp("order_created", 51, 0, "100.00", "1.00000000", 5),
        {"event": "data", "channel": "detail_order_book_btcusd", "data": bitstamp_book(4.5, B_BIDS, B_ASKS)},
    ]
)
