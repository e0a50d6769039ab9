"""What all sources of recorded messages share: lines, envelopes, exact numbers and times, identity, blocks."""

import itertools
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tests.events.recordings import BITFINEX, BITSTAMP_LIVE, COINBASE, KRAKEN, SECOND, START
from tests.events.samples import COMPRESSIONS, events, write
from vpharness.config.dataset_schemas import RecordCommand
from vpharness.errors import ConfigError, SourceError
from vpharness.events import json_lines, order_feed
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.bitstamp_live import BitstampLiveSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.json_lines import MessageError, in_units, price_of, time_ns
from vpharness.events.kraken import KrakenSource
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.recorded_source import RecordedSource
from vpharness.events.size_units import size_digits
from vpharness.parameters import rules_of

SOURCES: list[tuple[type[RecordedSource], str]] = [
    (CoinbaseSource, COINBASE),
    (KrakenSource, KRAKEN),
    (BitfinexSource, BITFINEX),
    (BitstampLiveSource, BITSTAMP_LIVE),
]
every_source = pytest.mark.parametrize(("source", "text"), SOURCES, ids=[source.kind for source, _ in SOURCES])


@every_source
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compression_envelopes_and_blank_lines_change_nothing(
    tmp_path: Path, source: type[RecordedSource], text: str, compression: str
) -> None:
    """Nor do a byte-order mark, ends of lines in the manner of Windows, or a last line without an end."""
    expected = events(source(write(tmp_path, "plain", text), 0.01))
    bare = [line for line in text.splitlines() if '"received_ns"' not in line]
    made = [
        line if '"received_ns"' in line else f'{{"received_ns":{START},"message":{line}}}' for line in text.splitlines()
    ]
    other = "\ufeff\r\n" + "\r\n\r\n".join(made if len(bare) % 2 else text.splitlines())
    assert events(source(write(tmp_path, "other", COMPRESSIONS[compression](other.encode())), 0.01)) == expected
    enveloped = "\n".join(made)
    assert events(source(write(tmp_path, "enveloped", enveloped), 0.01)) == expected


@every_source
def test_events_do_not_depend_on_how_the_file_is_cut(
    tmp_path: Path, source: type[RecordedSource], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of text and chunks of events of any size give the same, and no chunk is too long."""
    path = write(tmp_path, "m", text)
    expected = events(source(path, 0.01))
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", 7)
    monkeypatch.setattr(order_feed, "CHUNK_EVENTS", 4)
    monkeypatch.setattr(order_feed, "_ROWS_AT_ONCE", 2)
    assert events(source(path, 0.01)) == expected
    with source(path, 0.01).open() as stream:
        assert max(len(chunk) for chunk in stream.chunks) <= 4


@every_source
def test_no_order_number_is_given_twice_and_each_event_names_a_living_order(
    tmp_path: Path, source: type[RecordedSource], text: str
) -> None:
    """Within a run, whatever the exchange calls them."""
    added: set[int] = set()
    alive: set[int] = set()
    for _, action, _, _, _, order_id, _ in events(source(write(tmp_path, "m", text), 0.01)):
        if action == "A":
            assert order_id not in added
            added.add(order_id)
            alive.add(order_id)
        elif action in "CFM":
            assert order_id in alive
        elif action == "R":
            alive.clear()
    assert added


@every_source
def test_identity_names_content_and_parameters_but_no_path(
    tmp_path: Path, source: type[RecordedSource], text: str
) -> None:
    """The same content elsewhere is the same source; other content or another parameter is not."""
    one, two = write(tmp_path, "one", text), write(tmp_path, "two", text)
    assert source(one, 0.01).identity() == source(two, 0.01).identity()
    assert str(tmp_path) not in str(source(one, 0.01).identity())
    different = [
        source(one, 0.01),
        source(one, 0.1),
        source(one, 0.01, symbol="X"),
        source(one, 0.01, size_unit=1e-9),
        source(one, 0.01, require_snapshot=False),
        source(write(tmp_path, "three", text + "\n"), 0.01),
    ]
    assert all(a.identity() != b.identity() for a, b in itertools.combinations(different, 2))
    assert source(one, 0.01).identity()["kind"] == source.kind


@every_source
def test_a_finer_unit_of_size_multiplies_sizes(tmp_path: Path, source: type[RecordedSource], text: str) -> None:
    """And nothing else."""
    path = write(tmp_path, "m", text)
    plain, fine = events(source(path, 0.01)), events(source(path, 0.01, size_unit=1e-10))
    assert [(*event[:4], 100 * event[4], *event[5:]) for event in plain] == fine


@pytest.mark.parametrize("unit", [0.0, -1e-8, 2e-8, 10.0, 1e-19, float("nan"), float("inf")])
def test_a_unit_of_size_is_a_power_of_ten(unit: float) -> None:
    """So that decimal sizes are whole numbers of it."""
    with pytest.raises(ConfigError, match=r"source\.size_unit"), CoinbaseSource("x", 0.01, size_unit=unit).open():
        pass
    assert [size_digits(10.0**-digits) for digits in range(19)] == list(range(19))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"type"', "line 2: is no JSON message: .*; expected one whole message a line"),
        (b"\xff\xfe", "line 2: is no JSON message"),
        (b'{"type": "\xff", "event": "\xff"}', "line 2: is no JSON message"),
        (b'{"received_ns": 1}', r"line 2: .*missing required field `message`"),
        (b'{"received_ns": "1", "message": {}}', r"line 2: Expected `int`, got `str` - at `\$\.received_ns`"),
        (b'{"received_ns": -1, "message": {}}', "line 2: received_ns is -1; expected ns since 1970"),
        (b"[" * 100_000, "line 2: "),
    ],
)
@every_source
def test_a_line_that_is_no_message_is_named(
    tmp_path: Path, source: type[RecordedSource], text: str, line: bytes, complaint: str
) -> None:
    """Cut off, of another encoding, or in another envelope."""
    path = write(tmp_path, "m.jsonl", b"\n" + line + b"\n" + text.encode())
    with pytest.raises(SourceError, match=rf"m\.jsonl: {complaint}") as raised:
        events(source(path, 0.01))
    assert "\n" not in str(raised.value)


def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than read whole: a compressed file may hold gigabytes of it."""
    monkeypatch.setattr(json_lines, "LONGEST_LINE_BYTES", 1 << 20)
    with pytest.raises(SourceError, match="line 3: is longer than 1 MB; expected one JSON message a line"):
        events(CoinbaseSource(write(tmp_path, "m", b"\n\n" + b"x" * (3 << 20)), 0.01))


def test_the_longest_line_is_one_that_a_recorder_can_write() -> None:
    """And a line takes no more memory than a machine has: what is made of it is many times its length."""
    most = rules_of(next(each for each in fields(RecordCommand) if each.name == "largest_message_mb")).maximum
    assert most is not None
    assert (int(most) << 20) + 1024 < json_lines.LONGEST_LINE_BYTES <= 1 << 26


@pytest.mark.parametrize(
    ("text", "digits", "value"),
    [
        ("1", 8, 10**8),
        ("0.1", 1, 1),
        ("100.123456789", 9, 100_123_456_789),
        ("1.500", 1, 15),
        ("-1.5", 8, -150_000_000),
        ("1e-8", 8, 1),
        ("2.5E+3", 0, 2500),
        (7, 2, 700),
        ("9223372036854775807", 0, (1 << 63) - 1),
    ],
)
def test_numbers_are_exact(text: str | int, digits: int, value: int) -> None:
    """None is rounded, and none is a float on its way."""
    assert in_units(text, digits, "size") == value


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "+1", "1e", "1_0", "0x1", "nan", "inf", "\u0661", "1e999", "1" * 80, "0.15"]
)
def test_what_is_no_number_of_the_unit_is_refused(text: str) -> None:
    """With its name."""
    with pytest.raises(MessageError, match=r"^size is "):
        in_units(text, 1, "size")


def test_prices_beyond_the_range_of_orders_come_back_just_beyond_it() -> None:
    """Whatever they are, so that orders with them can be counted."""
    assert price_of("1000000000", "price") == MAX_PRICE
    assert price_of("99999999999.00", "price") == MAX_PRICE + 1
    assert price_of("-1e40", "price") == -MAX_PRICE - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T00:00:00Z", START),
        ("2024-01-01T00:00:00.123456789Z", START + 123_456_789),
        ("2024-01-01t00:00:00.5z", START + SECOND // 2),
        ("2024-01-01 01:30:00.000001+01:30", START + 1000),
        ("2024-01-01T00:00:00.123456789000Z", START + 123_456_789),
    ],
)
def test_times_are_exact_to_the_nanosecond(text: str, expected: int) -> None:
    """In any zone; more digits must be zeros."""
    assert time_ns(text, "time") == expected


@pytest.mark.parametrize(
    "text",
    ["2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "1960-01-01T00:00:00Z", "2024-01-01T00:00:00.1234567891Z", "x", ""],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Without a zone, out of range, or finer than a nanosecond."""
    with pytest.raises(MessageError, match=r"^time is .*; expected a time such as 2024"):
        time_ns(text, "time")


def test_a_snapshot_of_many_orders_is_cut_into_chunks(tmp_path: Path) -> None:
    """None is longer than the limit, and all say that they restate the book."""
    bids = ",".join(f'["{number}.5","1","b{number}"]' for number in range(1, 70_001))
    head = '{"product_id":"BTC-USD","sequence":1,"time":"2024-01-01T00:00:00Z"'
    text = f'{head},"bids":[{bids}],"asks":[]}}'
    with CoinbaseSource(write(tmp_path, "m", text), 0.01).open() as stream:
        chunks = list(stream.chunks)
    assert [len(chunk) for chunk in chunks] == [65_536, 4_465]
    flags = np.concatenate([chunk["flags"] for chunk in chunks])
    assert (flags[:-1] == 32).all()
    assert flags[-1] == 32 | 128
