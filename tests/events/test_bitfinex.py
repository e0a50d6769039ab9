"""The reader of Bitfinex's raw books."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.events.recordings import BITFINEX, SECOND, START, enveloped, lines
from tests.events.samples import events, read, write
from tests.events.test_coinbase import COIN, DOLLAR, at
from vpharness.errors import SourceError
from vpharness.events.bitfinex import BitfinexSource

SUBSCRIBED = {
    "event": "subscribed",
    "channel": "book",
    "chanId": 7,
    "symbol": "tBTCUSD",
    "prec": "R0",
    "pair": "BTCUSD",
}
TRADES = {"event": "subscribed", "channel": "trades", "chanId": 8, "symbol": "tBTCUSD", "pair": "BTCUSD"}
BOOK = [[11, 100, 1.5], [21, 101, -2]]


def stamped(messages: list[Any]) -> str:
    """Return messages in envelopes, a second apart."""
    return lines(enveloped(message, START + number * SECOND) for number, message in enumerate(messages))


def test_a_recording_from_its_snapshot_through_a_gap_to_the_next(tmp_path: Path) -> None:
    """Orders as they are now become adds, cancels of the difference, and modifies; price 0 removes."""
    found, stream = read(BitfinexSource(write(tmp_path, "b.jsonl", BITFINEX), 0.1))
    assert found == [
        at(0, "R", "N", 0, 0, 0, 32),
        at(0, "A", "B", 100 * DOLLAR, 3 * COIN // 2, 1, 32),
        at(0, "A", "B", 199 * DOLLAR // 2, 2 * COIN, 2, 32),
        at(0, "A", "B", 99 * DOLLAR, 3 * COIN, 3, 32),
        at(0, "A", "A", 101 * DOLLAR, 2 * COIN, 4, 32),
        at(0, "A", "A", 203 * DOLLAR // 2, COIN // 4, 5, 32),
        at(0, "A", "A", 102 * DOLLAR, 1, 6, 32 | 128),
        at(1, "A", "B", 201 * DOLLAR // 2, 3 * COIN // 4, 7, 128),
        at(1, "C", "B", 99 * DOLLAR, 3 * COIN, 3, 32 | 128),  # a fourth bid: the worst of them has left the view
        at(2, "C", "A", 101 * DOLLAR, 3 * COIN // 4, 4, 128),
        at(4, "C", "B", 201 * DOLLAR // 2, 3 * COIN // 4, 7, 128),
        at(4, "A", "B", 197 * DOLLAR // 2, COIN, 8, 32 | 128),  # an old order, behind all: it has come into view
        at(5, "M", "A", 405 * DOLLAR // 4, COIN // 4, 5, 128),
        at(5, "N", "N", 0, 0, 0, 4 | 128),
        at(7, "R", "N", 0, 0, 0, 32),
        at(7, "A", "B", 100 * DOLLAR, 3 * COIN // 2, 9, 32),
        at(7, "A", "A", 101 * DOLLAR, 2 * COIN, 10, 32 | 128),
    ]
    assert +stream.counts == {
        "gap_in_sequence": 1,
        "orders_out_of_view": 1,
        "orders_come_into_view": 1,
        "skipped_without_snapshot": 1,
        "skipped_other_message": 5,
    }
    assert stream.instrument == "tBTCUSD"
    assert stream.notes[0].startswith("the file has no trades")


def test_without_the_exchange_time_that_of_the_envelope_counts(tmp_path: Path) -> None:
    """And without either the file is refused, with the way out."""
    messages = [SUBSCRIBED, [7, BOOK], [7, [12, 99, 1]], [7, "hb"]]
    found = events(BitfinexSource(write(tmp_path, "b.jsonl", stamped(messages)), 0.1))
    assert [(ts - START) // SECOND for ts, *_ in found] == [1, 1, 1, 2]
    with pytest.raises(SourceError, match=r"line 2: has no time; expected lines in an envelope .* flag 32768"):
        events(BitfinexSource(write(tmp_path, "bare.jsonl", lines(messages)), 0.1))


def test_trades_of_the_same_file_explain_declines(tmp_path: Path) -> None:
    """A trade whose amount is above 0 was bought: it took asks. One after a decline does not explain it."""
    ms = START // 10**6
    messages = [
        SUBSCRIBED,
        TRADES,
        [7, BOOK],
        [8, [[1, ms, 1, 101]]],
        [8, "te", [2, ms + 4_000, 0.5, 101]],
        [8, "tu", [2, ms + 4_000, 0.5, 101]],
        [7, [21, 101, -1]],
        [7, [11, 0, 1]],
        [8, "te", [3, ms + 7_000, -0.5, 100]],
        [8, "te", [4, ms + 7_001, -1, 100]],
    ]
    text = stamped(messages).replace(f'"received_ns": {START + 6 * SECOND}', f'"received_ns": {START + 4 * SECOND}')
    found, stream = read(BitfinexSource(write(tmp_path, "b.jsonl", text), 0.1))
    assert found[3:] == [
        at(4, "F", "A", 101 * DOLLAR, COIN // 2, 2, 0),
        at(4, "C", "A", 101 * DOLLAR, COIN // 2, 2, 128),
        at(4, "C", "A", 101 * DOLLAR, COIN // 2, 2, 128),
        at(7, "F", "B", 100 * DOLLAR, COIN // 2, 1, 0),
        at(7, "C", "B", 100 * DOLLAR, COIN // 2, 1, 128),
        at(7, "C", "B", 100 * DOLLAR, COIN, 1, 128),
    ]
    assert stream.notes == []


def test_a_new_connection_is_a_gap_and_counts_from_its_beginning(tmp_path: Path) -> None:
    """Its channels have other numbers, and its snapshot restates the book."""
    again = {**SUBSCRIBED, "chanId": 9}
    info = {"event": "info", "version": 2}
    messages = [info, SUBSCRIBED, [7, BOOK, 50], [7, "hb", 51], info, again, [9, BOOK, 1], [7, [12, 99, 1], 2]]
    found, stream = read(BitfinexSource(write(tmp_path, "b.jsonl", stamped(messages)), 0.1))
    assert [action for _, action, *_ in found] == ["R", "A", "A", "N", "R", "A", "A"]
    assert {name: count for name, count in stream.counts.items() if name.startswith("gap")} == {"gap_in_connection": 1}


def test_a_product_is_chosen_by_its_symbol_or_its_pair(tmp_path: Path) -> None:
    """And where no subscription was recorded, the first channel is taken for the product named."""
    other = {**SUBSCRIBED, "chanId": 5, "symbol": "tETHUSD", "pair": "ETHUSD"}
    messages = [SUBSCRIBED, other, [5, [[1, 9, 1], [2, 10, -1]]], [7, BOOK]]
    path = write(tmp_path, "b.jsonl", stamped(messages))
    for symbol in ("tETHUSD", "ETHUSD"):
        found, stream = read(BitfinexSource(path, 0.1, symbol=symbol))
        assert [event[3] for event in found] == [0, 9 * DOLLAR, 10 * DOLLAR]
        assert stream.counts["skipped_other_product"] == 1
    with pytest.raises(SourceError, match="line 3: is about another product, and the file began with tBTCUSD"):
        events(BitfinexSource(path, 0.1))
    bare = write(tmp_path, "bare.jsonl", stamped([[7, BOOK], [5, [[1, 9, 1]]]]))
    assert len(events(BitfinexSource(bare, 0.1, symbol="BTCUSD"))) == 3
    with pytest.raises(SourceError, match="no message names a product"):
        events(BitfinexSource(bare, 0.1))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ([7, [1, 2, 3, 4]], r"holds the order \[1, 2, 3, 4\]; expected \[order id, price, amount\]"),
        ([7, 5], "holds 5; expected an order, a list of orders, or a word such as hb"),
        ([7, [-1, 2, 3]], r"holds the order \[-1, 2, 3\]; expected"),
        ([7, [1, "2", None]], "amount is 'None'; expected a number"),
        ([7, [1, "x", 1]], "price is 'x'; expected a decimal number"),
        ([7, [1, 2, 1e-9]], "amount is 1e-09; .*give a smaller source.size_unit"),
        ([8, "te", [1, 2]], r"is no trade; expected \[id, time in ms, amount, price\]"),
        ({"event": "error", "msg": "symbol: invalid"}, "is an error of the exchange: 'symbol: invalid'"),
        ("text", "is neither an event nor an array"),
    ],
)
def test_a_message_that_is_not_as_documented_is_named_by_its_line(tmp_path: Path, message: Any, complaint: str) -> None:
    """With what was expected of it."""
    text = stamped([SUBSCRIBED, TRADES, [7, BOOK]]) + json.dumps(enveloped(message, START + 9 * SECOND))
    with pytest.raises(SourceError, match=rf"b\.jsonl: line 4: {complaint}"):
        events(BitfinexSource(write(tmp_path, "b.jsonl", text), 0.1))
