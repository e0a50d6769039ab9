"""The reader of Kraken's channel level3."""

from pathlib import Path

import pytest

from tests.events.recordings import K_SNAPSHOT, KRAKEN, SECOND, START, KrakenTape, clock, lines
from tests.events.samples import events, read, write
from tests.events.test_coinbase import COIN, DOLLAR, at
from vpharness.errors import SourceError
from vpharness.events.kraken import KrakenSource
from vpharness.events.kraken_book import KrakenBook, checksum_text, rank_of
from vpharness.events.mbo_event import ASK, BID

PULLS = "the file has no trades: executions cannot be told from cancels, and every decline of an order counts as a pull"


def trade(side: str, price: float, size: float, seconds: float) -> dict[str, object]:
    """Return a message of the channel trade; side is the taker's."""
    row = {"symbol": "BTC/USD", "side": side, "price": price, "qty": size, "trade_id": 1, "timestamp": clock(seconds)}
    return {"channel": "trade", "type": "update", "data": [row]}


def test_a_recording_from_its_snapshot_to_a_wrong_checksum_and_the_next(tmp_path: Path) -> None:
    """Declines are cancels of the difference; a checksum that differs marks a gap."""
    found, stream = read(KrakenSource(write(tmp_path, "k.jsonl", KRAKEN), 0.1))
    assert found[:6] == [
        at(0.2, "R", "N", 0, 0, 0, 32),
        at(0.2, "A", "B", 100 * DOLLAR, 3 * COIN // 2, 1, 32),
        at(0.2, "A", "B", 100 * DOLLAR, COIN // 400, 2, 32),
        at(0.2, "A", "B", 199 * DOLLAR // 2, 2 * COIN, 3, 32),
        at(0.2, "A", "A", 101 * DOLLAR, 2 * COIN, 4, 32),
        at(0.2, "A", "A", 203 * DOLLAR // 2, COIN // 4, 5, 32 | 128),
    ]
    assert found[6:13] == [
        at(1, "A", "B", 201 * DOLLAR // 2, 3 * COIN // 4, 6, 128),
        at(2, "C", "A", 101 * DOLLAR, 3 * COIN // 4, 4, 128),
        at(3, "C", "B", 100 * DOLLAR, 3 * COIN // 2, 1, 128),
        at(3.5, "A", "A", 102 * DOLLAR, COIN, 7, 128),
        at(4, "M", "B", 100 * DOLLAR, COIN, 6, 128),
        at(5, "C", "A", 203 * DOLLAR // 2, COIN // 4, 5, 128),
        at(5, "N", "N", 0, 0, 0, 4 | 128),
    ]
    assert [action for _, action, *_ in found[13:]] == ["R", "A", "A", "A", "A", "A"]
    assert +stream.counts == {"gap_by_checksum": 1, "skipped_without_snapshot": 1, "skipped_other_message": 3}
    assert stream.notes[0].startswith(PULLS)


def test_the_checksum_reads_the_ten_best_levels_in_the_order_of_their_queues() -> None:
    """Prices and quantities without the point and leading zeros, asks first: CRC-32 of the text by other means."""
    book = KrakenBook()
    for number in range(12):
        book.sides[ASK].put(rank_of(ASK, 101 + number), f"a{number}", checksum_text(f"{101 + number}.5", "0.00100000"))
        book.sides[BID].put(rank_of(BID, 100 - number), f"b{number}", checksum_text(f"0.{100 - number}", "2.50"))
    book.sides[BID].put(rank_of(BID, 100), "b0b", checksum_text("0.100", "1"))
    book.sides[BID].put(rank_of(BID, 100), "b0", checksum_text("0.100", "2.00"))
    asks = "".join(f"{101 + number}5100000" for number in range(10))
    bids = "1002001001" + "".join(f"{100 - number}250" for number in range(1, 10))
    crc = 0xFFFFFFFF
    for byte in (asks + bids).encode():
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    assert book.checksum() == crc ^ 0xFFFFFFFF


def test_trades_of_the_same_file_explain_declines_at_and_after_their_time(tmp_path: Path) -> None:
    """At the order's price and side, near in time, as far as their quantity goes."""
    tape = KrakenTape()
    tape.message("snapshot", **K_SNAPSHOT)
    tape.other({**trade("buy", 101.0, 9, 0), "type": "snapshot"})
    tape.other(trade("buy", 101.0, 0.5, 1.1))
    tape.message("update", asks=[("modify", "OA1", "101.0", "1.25000000", 1.2)])
    tape.message("update", bids=[("delete", "OB1", "100.0", "1.50000000", 2)])
    tape.other(trade("sell", 100.0, 1.5, 2))
    tape.message("update", bids=[("delete", "OB3", "99.5", "2.00000000", 3)])
    tape.other(trade("buy", 99.5, 2, 3))
    tape.other(trade("sell", 99.5, 2, 3.1))
    found, stream = read(KrakenSource(write(tmp_path, "k.jsonl", tape.text), 0.1))
    assert found[6:] == [
        at(1.2, "F", "A", 101 * DOLLAR, COIN // 2, 4, 0),
        at(1.2, "C", "A", 101 * DOLLAR, COIN // 2, 4, 128),
        at(1.2, "C", "A", 101 * DOLLAR, COIN // 4, 4, 128),
        at(2, "F", "B", 100 * DOLLAR, 3 * COIN // 2, 1, 0),
        at(2, "C", "B", 100 * DOLLAR, 3 * COIN // 2, 1, 128),
        at(3, "C", "B", 199 * DOLLAR // 2, 2 * COIN, 3, 128),
    ]
    assert stream.notes == []


def test_events_do_not_depend_on_what_comes_after_them(tmp_path: Path) -> None:
    """Whatever follows a moment, trades at the very price and side included, the events up to it are the same."""
    tape = KrakenTape()
    tape.message("snapshot", **K_SNAPSHOT)
    tape.other(trade("sell", 100.0, 0.1, 1.9))
    tape.message("update", bids=[("delete", "OB1", "100.0", "1.50000000", 2)])
    past = tape.text
    rest = [
        [trade("sell", 100.0, 1.5, 2.000001)],
        [trade("sell", 100.0, 1.5, 2.4), trade("sell", 100.0, 0.1, 2.5)],
        [trade("buy", 100.0, 1.5, 9)],
        [],
    ]
    found = []
    for place, messages in enumerate(rest):
        text = past + lines(messages)
        rows = events(KrakenSource(write(tmp_path, f"{place}.jsonl", text), 0.1))
        found.append([row for row in rows if row[0] <= START + 2 * SECOND])
    assert all(each == found[0] for each in found)
    assert [(row[1], row[4]) for row in found[0][-3:]] == [("F", COIN // 10), ("C", COIN // 10), ("C", 14 * COIN // 10)]


def test_levels_behind_the_depth_leave_and_come_back_without_flow(tmp_path: Path) -> None:
    """Ten levels are shown: the eleventh is dropped silently, and shown again when one above it has gone."""
    tape = KrakenTape()
    tape.other({"method": "subscribe", "success": True, "result": {"channel": "level3", "depth": 10}})
    bids = [(f"B{number}", f"{100 - number}.0", "1.0", number / 100) for number in range(10)]
    tape.message("snapshot", bids=bids, asks=[("A0", "101.0", "1.0", 0)])
    tape.message("update", bids=[("add", "NEW", "100.5", "1.0", 1)])
    tape.forget("B9")
    tape.message("update", bids=[("delete", "NEW", "100.5", "1.0", 2), ("add", "B9", "91.0", "1.0", 0.09)])
    tape.message("update", bids=[("modify", "B9", "91.0", "0.5", 3)])
    found, stream = read(KrakenSource(write(tmp_path, "k.jsonl", tape.text), 0.5))
    assert found[12:] == [
        at(1, "A", "B", 201 * DOLLAR // 2, COIN, 12, 128),
        at(1, "C", "B", 91 * DOLLAR, COIN, 10, 32 | 128),
        at(1, "A", "B", 91 * DOLLAR, COIN, 13, 32 | 128),
        at(2, "C", "B", 201 * DOLLAR // 2, COIN, 12, 128),
        at(3, "C", "B", 91 * DOLLAR, COIN // 2, 13, 128),
    ]
    assert (stream.counts["orders_out_of_view"], stream.counts["orders_come_into_view"]) == (1, 1)
    assert stream.counts["gap_by_checksum"] == 0


def test_a_file_whose_numbers_were_rewritten_is_read_without_its_checksums(tmp_path: Path) -> None:
    """A program that drops zeros makes every checksum wrong: they say nothing then, and that is counted."""
    text = KRAKEN.replace("1.50000000", "1.5").replace('"checksum":1,', '"checksum":2,')
    found, stream = read(KrakenSource(write(tmp_path, "k.jsonl", text), 0.1))
    assert stream.counts["snapshots_without_right_checksum"] == 2
    assert stream.counts["gap_by_checksum"] == 0
    assert stream.counts["gap_in_connection"] == 1
    assert sum(action == "R" for _, action, *_ in found) == 2


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"event":"add"', '"event":"put"', "event is 'put'; expected add, modify or delete"),
        ('"limit_price":100.5', '"limit_price":true', "limit_price is 'true'; expected a decimal number"),
        ('"order_qty":0.75000000', '"order_qty":0.123456789', "order_qty.* is 0.123456789; .*source.size_unit"),
        ('"type":"update"', '"type":"change"', "type is 'change'; expected snapshot or update"),
    ],
)
def test_a_message_that_is_not_as_documented_is_named_by_its_line(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """With what was expected of it."""
    tape = KrakenTape()
    tape.message("snapshot", **K_SNAPSHOT)
    tape.message("update", bids=[("add", "OB4", "100.5", "0.75000000", 1)])
    with pytest.raises(SourceError, match=rf"k\.jsonl: line 2: .*{complaint}"):
        events(KrakenSource(write(tmp_path, "k.jsonl", tape.text.replace(old, new)), 0.1))


def test_an_order_that_a_snapshot_lists_twice_stands_once(tmp_path: Path) -> None:
    """As it is listed first, in the levels that the depth is counted in too."""
    tape = KrakenTape()
    tape.other({"method": "subscribe", "success": True, "result": {"channel": "level3", "depth": 10}})
    bids = [(f"B{number}", f"{100 - number}.0", "1.0", 0) for number in range(10)]
    tape.message("snapshot", bids=[*bids, ("B0", "90.0", "1.0", 0)], asks=[("A0", "101.0", "1.0", 0)])
    tape.message("update", bids=[("delete", "B0", "100.0", "1.0", 1)])
    tape.message("update", bids=[("add", "B10", "90.0", "1.0", 2)])
    found, stream = read(KrakenSource(write(tmp_path, "k.jsonl", tape.text), 0.5))
    assert [order_id for _, action, _, _, _, order_id, _ in found if action == "A"] == list(range(1, 13))
    assert [event for event in found if event[1] == "C"] == [at(1, "C", "B", 100 * DOLLAR, COIN, 1, 128)]
    assert (stream.counts["skipped_order_listed_twice"], stream.counts["orders_out_of_view"]) == (1, 0)


def test_an_answer_that_refuses_and_a_file_without_a_product_are_errors(tmp_path: Path) -> None:
    """Nothing follows from them."""
    tape = KrakenTape()
    tape.message("snapshot", **K_SNAPSHOT)
    refused = lines([{"method": "subscribe", "success": False, "error": "ESession:Invalid session"}])
    with pytest.raises(SourceError, match="line 2: is an error of the exchange: 'ESession:Invalid session'"):
        events(KrakenSource(write(tmp_path, "k.jsonl", tape.text + refused), 0.1))
    with pytest.raises(SourceError, match="no message names a product; expected messages of kraken"):
        events(KrakenSource(write(tmp_path, "k.jsonl", lines([{"channel": "heartbeat"}])), 0.1))
