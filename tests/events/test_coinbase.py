"""The reader of Coinbase Exchange's channel full."""

from pathlib import Path

import pytest

from tests.events.recordings import ASKS, BIDS, COINBASE, SECOND, START, coinbase, coinbase_snapshot, lines
from tests.events.samples import Event, events, read, write
from vpharness.errors import SourceError
from vpharness.events import coinbase as coinbase_module
from vpharness.events.coinbase import CoinbaseSource

DOLLAR = 10**9
COIN = 10**8


def at(seconds: float, *rest: object) -> Event:
    """Return an event of the first minute of 2024."""
    return (START + round(seconds * SECOND), *rest)  # type: ignore[return-value]


def snapshot_at(seconds: float, first_id: int) -> list[Event]:
    """Return the events of the snapshot of BIDS and ASKS."""
    return [
        at(seconds, "R", "N", 0, 0, 0, 32),
        at(seconds, "A", "B", 100 * DOLLAR, 3 * COIN // 2, first_id, 32),
        at(seconds, "A", "B", 199 * DOLLAR // 2, 2 * COIN, first_id + 1, 32),
        at(seconds, "A", "A", 101 * DOLLAR, 2 * COIN, first_id + 2, 32),
        at(seconds, "A", "A", 10101 * DOLLAR // 100, COIN // 4, first_id + 3, 32 | 128),
    ]


def test_a_recording_from_its_snapshot_through_a_gap_to_the_next(tmp_path: Path) -> None:
    """Messages before the snapshot's number are in it; those held back behind it follow; a match fills the maker."""
    found, stream = read(CoinbaseSource(write(tmp_path, "c.jsonl", COINBASE), 0.01))
    assert found == [
        at(0, "N", "N", 0, 0, 0, 4 | 128),
        *snapshot_at(0.2, 1),
        at(0.25, "A", "A", 207 * DOLLAR // 2, COIN // 2, 5, 128),
        at(1, "F", "A", 101 * DOLLAR, COIN // 2, 3, 0),
        at(1, "C", "A", 101 * DOLLAR, COIN // 2, 3, 128),
        at(2, "M", "B", 100 * DOLLAR, COIN, 1, 128),
        at(2.1, "M", "B", 9975 * DOLLAR // 100, 5 * COIN // 2, 2, 128),
        at(3, "F", "A", 101 * DOLLAR, 3 * COIN // 2, 3, 0),
        at(3, "C", "A", 101 * DOLLAR, 3 * COIN // 2, 3, 128),
        at(4, "C", "B", 100 * DOLLAR, COIN, 1, 128),
        at(4, "N", "N", 0, 0, 0, 4 | 128),
        *snapshot_at(5.5, 6),
        at(5.5, "A", "B", 97 * DOLLAR, COIN, 10, 128),
    ]
    assert +stream.counts == {
        "gap_in_sequence": 1,
        "skipped_old_sequence": 2,
        "skipped_received": 1,
        "skipped_activate": 1,
        "skipped_done_of_order_not_in_book": 2,
        "skipped_other_message": 1,
    }
    assert stream.notes == [
        "messages are missing (1 in sequence): the book is not valid from each gap until the next snapshot"
    ]
    assert (stream.instrument, stream.size_unit, stream.progress()) == ("BTC-USD", 1e-8, 1.0)


def test_a_snapshot_that_is_older_than_the_messages_leaves_a_gap(tmp_path: Path) -> None:
    """What lies between them is missing, and the next snapshot is waited for."""
    text = lines(
        [
            coinbase("open", 20, 1, order_id="n", side="buy", price="90", remaining_size="1"),
            coinbase_snapshot(10, 2, BIDS, ASKS),
            coinbase("open", 21, 3, order_id="m", side="buy", price="91", remaining_size="1"),
            coinbase_snapshot(20, 4, BIDS, ASKS),
        ]
    )
    found, stream = read(CoinbaseSource(write(tmp_path, "c.jsonl", text), 0.01))
    assert [(action, (ts - START) // SECOND, flags) for ts, action, *_, flags in found if action in "NR"] == [
        ("N", 1, 132),
        ("R", 1, 32),
        ("N", 1, 132),
        ("R", 3, 32),
    ]
    assert found[-1] == at(3, "A", "B", 91 * DOLLAR, COIN, 9, 128)
    assert stream.counts["gap_in_sequence"] == 1


def test_only_so_many_messages_wait_for_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are dropped and counted, and what then lacks before the snapshot's follower is a gap."""
    monkeypatch.setattr(coinbase_module, "HELD_MESSAGES", 3)
    waiting = [
        coinbase("open", number, number / 10, order_id=f"n{number}", side="buy", price="90", remaining_size="1")
        for number in range(10, 16)
    ]
    for last, gaps in ((12, 0), (11, 1)):
        path = write(tmp_path, "c.jsonl", lines([*waiting, coinbase_snapshot(last, 2, BIDS, ASKS)]))
        _, stream = read(CoinbaseSource(path, 0.01))
        assert stream.counts["gap_in_sequence"] == gaps
        assert stream.counts["skipped_without_snapshot"] == 3 + 3 * gaps


def test_a_book_that_starts_empty_needs_no_snapshot(tmp_path: Path) -> None:
    """It starts empty again after a gap, and the manifest says so."""
    text = lines(
        [
            coinbase("open", 1, 1, order_id="a", side="buy", price="90", remaining_size="1"),
            coinbase("match", 2, 2, maker_order_id="z", taker_order_id="t", side="buy", price="90", size="1"),
            coinbase("open", 4, 3, order_id="b", side="buy", price="91", remaining_size="1"),
        ]
    )
    path = write(tmp_path, "c.jsonl", text)
    found, stream = read(CoinbaseSource(path, 0.01, require_snapshot=False))
    assert found == [
        at(1, "A", "B", 90 * DOLLAR, COIN, 1, 128),
        at(2, "N", "N", 0, 0, 0, 132),
        at(2, "R", "N", 0, 0, 0, 128),
        at(3, "A", "B", 91 * DOLLAR, COIN, 2, 128),
    ]
    assert +stream.counts == {"gap_in_sequence": 1, "skipped_match_of_order_not_in_book": 1}
    assert stream.notes[-1] == "the book started empty: orders placed before the recording are unknown"
    with pytest.raises(SourceError, match=r"holds no snapshot of the book for BTC-USD \(the answer of GET /products/"):
        events(CoinbaseSource(path, 0.01))


OPEN = coinbase("open", 8, 1, order_id="a", side="buy", price="90", remaining_size="1")


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({**OPEN, "price": "1e-10"}, "price is 1e-10; expected a multiple of 1e-9"),
        ({**OPEN, "price": "nine"}, "price is 'nine'; expected a decimal number"),
        ({**OPEN, "price": 90}, r"Expected `str \| null`, got `int` - at `\$\.price`"),
        ({**OPEN, "remaining_size": "0.000000001"}, "remaining_size|size is 0.000000001; .*smaller source.size_unit"),
        ({**OPEN, "remaining_size": "1" * 12}, "size is 1{12}; expected a number below 9.22337e"),
        ({**OPEN, "remaining_size": None}, "has no remaining_size"),
        ({**OPEN, "side": "long"}, "side is 'long'; expected buy or sell"),
        ({**OPEN, "sequence": None}, "has no sequence; expected one in a message of type open"),
        ({**OPEN, "time": "today"}, "time is 'today'; expected a time such as 2024-05-01T12:00:00.123456Z"),
        ({**OPEN, "time": "2024-02-30T00:00:00Z"}, "time is '2024-02-30T00:00:00Z'; expected a time"),
        ({**OPEN, "order_id": None}, "has no order_id"),
        ({"type": "error", "message": "no"}, "is an error of the exchange: 'no'"),
        ({"bids": [["1", "1"]], "asks": [], "sequence": 1}, r"length 3.* - at `\$\.bids\[0\]`"),
        ({"bids": [], "asks": [], "sequence": 1}, "is a snapshot without time"),
        ({"bids": [], "asks": [], "time": "2024-01-01T00:00:00Z"}, "is a snapshot without sequence"),
        ({}, "has no type, and no bids and asks"),
        ({**OPEN, "product_id": "ETH-USD"}, "is about ETH-USD, and the file began with BTC-USD; choose one"),
    ],
)
def test_a_message_that_is_not_as_documented_is_named_by_its_line(
    tmp_path: Path, message: dict[str, object], complaint: str
) -> None:
    """With what was expected of it."""
    text = lines([{"type": "heartbeat", "product_id": "BTC-USD"}]) + "\n" + lines([message])
    with pytest.raises(SourceError, match=rf"c\.jsonl: line 3: .*{complaint}"):
        events(CoinbaseSource(write(tmp_path, "c.jsonl", text), 0.01))


def test_one_product_of_several_is_chosen(tmp_path: Path) -> None:
    """The others are counted; a snapshot names its product in its envelope."""
    other = {
        "received_ns": START,
        "symbol": "ETH-USD",
        "message": coinbase_snapshot(5, 0, [["9", "1", "e"]], [["10", "1", "f"]]),
    }
    text = lines(
        [
            other,
            {**other, "symbol": "BTC-USD", "message": coinbase_snapshot(7, 0, BIDS, ASKS)},
            coinbase("open", 6, 1, "ETH-USD", order_id="g", side="buy", price="8", remaining_size="1"),
            coinbase("open", 8, 1, order_id="h", side="buy", price="98", remaining_size="1"),
        ]
    )
    path = write(tmp_path, "c.jsonl", text)
    found, stream = read(CoinbaseSource(path, 0.01, symbol="BTC-USD"))
    assert found == [*snapshot_at(0, 1), at(1, "A", "B", 98 * DOLLAR, COIN, 5, 128)]
    assert stream.counts["skipped_other_product"] == 2
    found, stream = read(CoinbaseSource(path, 0.01, symbol="ETH-USD"))
    assert (len(found), stream.instrument) == (4, "ETH-USD")
    with pytest.raises(SourceError, match="holds no message about XRP-USD"):
        events(CoinbaseSource(path, 0.01, symbol="XRP-USD"))


def snapshot_then(*messages: object) -> str:
    """Return a recording of a snapshot and messages behind it."""
    return lines([coinbase_snapshot(10, 0, BIDS, ASKS), *messages])


def test_a_match_of_nothing_leaves_the_order_as_it_is(tmp_path: Path) -> None:
    """A cancel of size 0 would take the whole order out of the book."""
    empty = coinbase("match", 11, 1, maker_order_id="a1", taker_order_id="t", side="sell", price="101", size="0")
    found, stream = read(CoinbaseSource(write(tmp_path, "c.jsonl", snapshot_then(empty)), 0.01))
    assert found == snapshot_at(0, 1)
    assert +stream.counts == {"skipped_execution_without_size": 1}


@pytest.mark.parametrize(
    "message",
    [
        coinbase("match", 11, 1, maker_order_id="a1", side="sell", price="101", size="-1"),
        coinbase("open", 11, 1, order_id="n", side="buy", price="90", remaining_size="-1"),
        coinbase("change", 11, 1, order_id="b1", side="buy", price="100", new_size="-1"),
        coinbase_snapshot(12, 1, [["100", "-1", "x"]], []),
    ],
)
def test_a_quantity_below_nothing_is_refused(tmp_path: Path, message: object) -> None:
    """Taken out of an order it would make it larger."""
    path = write(tmp_path, "c.jsonl", snapshot_then(message))
    with pytest.raises(SourceError, match="line 2: size is -1; expected a number of at least 0"):
        events(CoinbaseSource(path, 0.01, symbol="BTC-USD"))


def test_an_order_that_opens_twice_is_changed(tmp_path: Path) -> None:
    """Its first state would stand in the book for ever; on the other side it leaves this one."""
    opened = [
        coinbase("open", 11, 1, order_id="n", side="buy", price="90", remaining_size="1"),
        coinbase("open", 12, 2, order_id="n", side="buy", price="91", remaining_size="2"),
        coinbase("open", 13, 3, order_id="n", side="sell", price="105", remaining_size="2"),
        coinbase("open", 14, 4, order_id="n", side="sell", price="105", remaining_size="0"),
    ]
    found, stream = read(CoinbaseSource(write(tmp_path, "c.jsonl", snapshot_then(*opened)), 0.01))
    assert found[5:] == [
        at(1, "A", "B", 90 * DOLLAR, COIN, 5, 128),
        at(2, "M", "B", 91 * DOLLAR, 2 * COIN, 5, 128),
        at(3, "C", "B", 91 * DOLLAR, 2 * COIN, 5, 128),
        at(3, "A", "A", 105 * DOLLAR, 2 * COIN, 6, 128),
        at(4, "C", "A", 105 * DOLLAR, 2 * COIN, 6, 128),
    ]
    assert +stream.counts == {"orders_added_twice": 3}


def test_an_order_that_a_snapshot_lists_twice_stands_once(tmp_path: Path) -> None:
    """As it is listed first; the other would stand in the book for ever."""
    text = lines([coinbase_snapshot(10, 0, [*BIDS, ["98.00", "4", "b1"]], [*ASKS, ["103.00", "1", "b2"]])])
    found, stream = read(CoinbaseSource(write(tmp_path, "c.jsonl", text), 0.01, symbol="BTC-USD"))
    assert found == snapshot_at(0, 1)
    assert +stream.counts == {"skipped_order_listed_twice": 2}
