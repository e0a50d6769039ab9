"""The reader of Bitstamp's channel live_orders."""

from pathlib import Path
from typing import Any

import pytest

from tests.events.recordings import B_ASKS, B_BIDS, BITSTAMP_LIVE, bitstamp, bitstamp_book, lines
from tests.events.samples import events, read, write
from tests.events.test_coinbase import COIN, DOLLAR, at
from vpharness.errors import SourceError
from vpharness.events.bitstamp_live import BitstampLiveSource

MARK = (0, "N", "N", 0, 0, 0, 4 | 128)


def test_a_recording_from_its_order_book_through_a_new_subscription_to_the_next(tmp_path: Path) -> None:
    """What shrank was executed, what was deleted with something left was cancelled."""
    found, stream = read(BitstampLiveSource(write(tmp_path, "b.jsonl", BITSTAMP_LIVE), 0.01))
    assert found == [
        at(0.5, *MARK[1:]),
        at(1, "R", "N", 0, 0, 0, 32),
        at(1, "A", "B", 100 * DOLLAR, 3 * COIN // 2, 1, 32),
        at(1, "A", "B", 199 * DOLLAR // 2, 2 * COIN, 2, 32),
        at(1, "A", "A", 101 * DOLLAR, 2 * COIN, 3, 32 | 128),
        at(1.5, "A", "A", 102 * DOLLAR, COIN, 4, 128),
        at(2, "F", "A", 101 * DOLLAR, 3 * COIN // 4, 3, 0),
        at(2, "C", "A", 101 * DOLLAR, 3 * COIN // 4, 3, 128),
        at(3, "F", "A", 101 * DOLLAR, 5 * COIN // 4, 3, 0),
        at(3, "C", "A", 101 * DOLLAR, 5 * COIN // 4, 3, 128),
        at(3.5, "C", "B", 199 * DOLLAR // 2, 2 * COIN, 2, 128),
        at(4, "M", "B", 201 * DOLLAR // 2, 3 * COIN, 1, 128),
        at(4, *MARK[1:]),
        at(4.5, "R", "N", 0, 0, 0, 32),
        at(4.5, "A", "B", 100 * DOLLAR, 3 * COIN // 2, 5, 32),
        at(4.5, "A", "B", 199 * DOLLAR // 2, 2 * COIN, 6, 32),
        at(4.5, "A", "A", 101 * DOLLAR, 2 * COIN, 7, 32 | 128),
        at(5, "A", "B", 100 * DOLLAR, COIN, 8, 128),
    ]
    assert +stream.counts == {
        "gap_in_connection": 1,
        "skipped_before_snapshot": 1,
        "skipped_order_changed_of_unknown_order": 1,
        "skipped_price_out_of_range": 1,
        "skipped_other_message": 2,
    }
    assert (stream.instrument, BitstampLiveSource.default_evict_crossed_ms) == ("btcusd", 1000)


def test_a_book_that_starts_empty_needs_no_order_book(tmp_path: Path) -> None:
    """As the files of the channel alone are."""
    text = lines([bitstamp("order_created", 1, 0, "10.5", "2", 1), bitstamp("order_deleted", 1, 0, "10.5", "0", 2)])
    path = write(tmp_path, "b.jsonl", text)
    assert events(BitstampLiveSource(path, 0.01, require_snapshot=False)) == [
        at(1, "A", "B", 21 * DOLLAR // 2, 2 * COIN, 1, 128),
        at(2, "F", "B", 21 * DOLLAR // 2, 2 * COIN, 1, 0),
        at(2, "C", "B", 21 * DOLLAR // 2, 2 * COIN, 1, 128),
    ]
    with pytest.raises(
        SourceError, match=r"holds no snapshot of the book for btcusd \(a message of the channel detail"
    ):
        events(BitstampLiveSource(path, 0.01))


def test_numbers_are_read_where_their_texts_are_missing(tmp_path: Path) -> None:
    """Exactly as they stand in the file."""
    message = bitstamp("order_created", 1, 1, "0", "0", 1)
    for name in ("price_str", "amount_str"):
        del message["data"][name]
    text = lines([bitstamp_book(0, B_BIDS, B_ASKS), message])
    text = text.replace('"price": 0.0', '"price": 100.123456789').replace('"amount": 0.0', '"amount": 3e-8')
    assert events(BitstampLiveSource(write(tmp_path, "b.jsonl", text), 0.01))[-1] == at(
        1, "A", "A", 100_123_456_789, 3, 4, 128
    )


def test_another_product_is_counted_or_chosen(tmp_path: Path) -> None:
    """By the name in the channel."""
    other = {**bitstamp("order_created", 9, 0, "1", "1", 1), "channel": "live_orders_ethusd"}
    path = write(
        tmp_path,
        "b.jsonl",
        lines([bitstamp_book(0, B_BIDS, B_ASKS), bitstamp("order_created", 1, 0, "1", "1", 1), other]),
    )
    found, stream = read(BitstampLiveSource(path, 0.01, symbol="btcusd"))
    assert (len(found), stream.counts["skipped_other_product"]) == (5, 1)
    with pytest.raises(SourceError, match="line 3: is about ethusd, and the file began with btcusd"):
        events(BitstampLiveSource(path, 0.01))


def changed(**values: Any) -> dict[str, Any]:
    """Return a message with other values in its data."""
    message = bitstamp("order_created", 1, 0, "1", "1", 1)
    return {**message, "data": {**message["data"], **values}}


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (changed(order_type=2), "order_type is 2; expected 0 or 1"),
        (changed(microtimestamp="soon"), "microtimestamp is 'soon'; expected microseconds since 1970"),
        (changed(price_str="1,5"), "price is '1,5'; expected a decimal number"),
        (changed(amount_str="0.000000001"), "amount is 0.000000001; .*give a smaller source.size_unit"),
        (changed(id="x"), r"Expected `int`, got `str` - at `\$\.id`"),
        (bitstamp_book(1, [["1", "1"]], []), "is an order book with 2 values an entry; .*group=2"),
        (bitstamp_book(1, [["1", "1", "x"]], []), "order id is 'x'; expected a whole number"),
        ({"event": "bts:error", "channel": "", "data": {"code": 4009}}, "is an error of the exchange: .*4009"),
        ({"channel": "live_orders_btcusd"}, "has no event, and is no order book"),
    ],
)
def test_a_message_that_is_not_as_documented_is_named_by_its_line(
    tmp_path: Path, message: dict[str, Any], complaint: str
) -> None:
    """With what was expected of it."""
    text = lines([bitstamp("order_created", 2, 0, "1", "1", 1), message])
    with pytest.raises(SourceError, match=rf"b\.jsonl: line 2: {complaint}"):
        events(BitstampLiveSource(write(tmp_path, "b.jsonl", text), 0.01))
