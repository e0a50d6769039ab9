"""The reader of Bitstamp order events."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.naive_readers import bitstamp_events
from tests.events.samples import COMPRESSIONS, events, read, write
from tests.examples import examples
from vpharness.errors import ConfigError, SourceError
from vpharness.events import bitstamp, csv_rows, time_sort
from vpharness.events.bitstamp import BitstampSource

OLD = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
NEW = "id,timestamp,exchange_timestamp,price,volume,action,direction\n"
MS = 10**6
BTC = 10**8

LIFE = OLD + (
    "1,1000,900,236.47,200000000,created,bid\n"
    "1,1001,900,236.47,150000000,changed,bid\n"
    "1,1002,900,236.47,0,deleted,bid\n"
    "2,1003,950,236.5,300000000,created,ask\n"
    "2,1004,950,236.5,300000000,deleted,ask\n"
)
LIFE_EVENTS = [
    (1000 * MS, "A", "B", 236_470_000_000, 2 * BTC, 1, 128),
    (1001 * MS, "F", "B", 236_470_000_000, BTC // 2, 1, 0),
    (1001 * MS, "C", "B", 236_470_000_000, BTC // 2, 1, 128),
    (1002 * MS, "F", "B", 236_470_000_000, 3 * BTC // 2, 1, 0),
    (1002 * MS, "C", "B", 236_470_000_000, 3 * BTC // 2, 1, 128),
    (1003 * MS, "A", "A", 236_500_000_000, 3 * BTC, 2, 128),
    (1004 * MS, "C", "A", 236_500_000_000, 3 * BTC, 2, 128),
]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_life_of_two_orders(tmp_path: Path, compression: str) -> None:
    """A change is a fill and its cancel, a delete at 0 executes what was left, another delete cancels it."""
    found, stream = read(BitstampSource(write(tmp_path, "o.csv", COMPRESSIONS[compression](LIFE.encode()))))
    assert found == LIFE_EVENTS
    assert (stream.instrument, stream.size_unit, stream.progress()) == ("BTCUSD", 1e-8, 1.0)


def test_the_newer_dialect_is_timed_by_the_exchange_and_counts_whole_coins(tmp_path: Path) -> None:
    """With exchange_timestamp that column is the event time, and volumes are in BTC, exponents included."""
    text = NEW + "5,9999,1000,78318.0,1.53453667,created,bid\n6,9999,1000,60076.0,7.18e-06,created,ask\n"
    assert events(BitstampSource(write(tmp_path, "o.csv", text))) == [
        (1000 * MS, "A", "B", 78_318 * 10**9, 153_453_667, 5, 128),
        (1000 * MS, "A", "A", 60_076 * 10**9, 718, 6, 128),
    ]


def test_rows_are_sorted_by_event_time_stably_before_they_are_understood(tmp_path: Path) -> None:
    """A change that stands before its order's creation in the file, but is later, comes after it."""
    text = OLD + (
        "1,1002,0,10,50,changed,bid\n"
        "2,1000,0,11,70,created,ask\n"
        "1,1000,0,10,80,created,bid\n"
        "3,999,0,12,90,created,ask\n"
    )
    found = events(BitstampSource(write(tmp_path, "o.csv", text)))
    assert [(ts // MS, action, order_id, size) for ts, action, _, _, size, order_id, _ in found] == [
        (999, "A", 3, 90),
        (1000, "A", 2, 70),
        (1000, "A", 1, 80),
        (1002, "F", 1, 30),
        (1002, "C", 1, 30),
    ]


def test_changes_of_unknown_orders_are_remembered_and_growth_makes_no_event(tmp_path: Path) -> None:
    """What makes no event is counted, and still says what is left."""
    text = OLD + (
        "1,1,0,10,80,changed,bid\n"
        "1,2,0,10,90,changed,bid\n"
        "1,3,0,10,60,changed,bid\n"
        "2,4,0,10,0,deleted,ask\n"
        "3,5,0,10,40,deleted,ask\n"
        "4,6,0,10,50,created,ask\n"
        "4,7,0,10,20,deleted,ask\n"
        "5,8,0,10,50,created,ask\n"
        "5,9,0,10,70,deleted,ask\n"
    )
    found, stream = read(BitstampSource(write(tmp_path, "o.csv", text)))
    assert [(action, order_id, size) for _, action, _, _, size, order_id, _ in found] == [
        ("F", 1, 30),
        ("C", 1, 30),
        ("C", 2, 0),
        ("C", 3, 40),
        ("A", 4, 50),
        ("C", 4, 50),
        ("A", 5, 50),
        ("C", 5, 70),
    ]
    assert stream.counts == {"skipped_unknown_change": 1, "skipped_change_without_fill": 1}


ROW = st.tuples(
    st.integers(1, 6),
    st.integers(0, 12),
    st.sampled_from(["0", "1.5", "999999999", "100.123456789", "0.01"]),
    st.sampled_from([0, 1, 2, 3, 50]),
    st.sampled_from(["created", "changed", "deleted"]),
    st.sampled_from(["bid", "ask"]),
)


@given(st.lists(ROW, min_size=1, max_size=60), st.booleans(), st.sampled_from([1, 3, 1000]))
@examples()
def test_agrees_with_the_plain_reader_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str, int, str, str]], newer: bool, cut: int
) -> None:
    """Random rows give the plain reader's events, for any size of chunk, text block and sorted run."""
    lines = [f"{i},{t},{t},{p},{v},{a},{d}" for i, t, p, v, a, d in rows]
    text = (NEW if newer else OLD) + "\n".join(lines)
    path = write(tmp_path_factory.getbasetemp(), "random.csv", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitstamp, "CHUNK_EVENTS", 2 * cut)
        patch.setattr(csv_rows, "BLOCK_BYTES", 100 * cut)
        patch.setattr(time_sort.sorted_by_time.__wrapped__, "__defaults__", (cut,))  # type: ignore[attr-defined]  # contextmanager keeps the function
        found, stream = read(BitstampSource(path))
    assert found == bitstamp_events(text.splitlines())
    assert stream.progress() == 1.0


def test_no_chunk_is_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that make two events each are cut in time."""
    monkeypatch.setattr(bitstamp, "CHUNK_EVENTS", 8)
    changes = "".join(f"1,{n},0,10,{1000 - n},changed,bid\n" for n in range(1, 30))
    path = write(tmp_path, "o.csv", OLD + "1,0,0,10,1000,created,bid\n" + changes)
    with BitstampSource(path).open() as stream:
        sizes = [len(chunk) for chunk in stream.chunks]
    assert sum(sizes) == 59
    assert max(sizes) == 8


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1,1000,900,236.47,2,created", "line 3: has 6 fields"),
        ("x,1000,900,236.47,2,created,bid", "line 3: id is 'x'"),
        ("-1,1000,900,236.47,2,created,bid", "line 3: id is '-1'"),
        ("1,soon,900,236.47,2,created,bid", "line 3: timestamp is 'soon'"),
        ("1,9999999999999999,900,236.47,2,created,bid", "line 3: timestamp is"),
        ("1,1000,900,-1,2,created,bid", "line 3: price is '-1'"),
        ("1,1000,900,1000000001,2,created,bid", "line 3: price is '1000000001'"),
        ("1,1000,900,nan,2,created,bid", "line 3: price is 'nan'"),
        ("1,1000,900,236.47,,created,bid", "line 3: volume is ''"),
        ("1,1000,900,236.47,2,moved,bid", "line 3: action is 'moved'; expected created or changed or deleted"),
        ("1,1000,900,236.47,2,created,bi", "line 3: direction is 'bi'; expected bid or ask"),
        ("", "line 3: has 1 fields"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    """The error gives the file, the line, the column and what is wrong with it."""
    path = write(tmp_path, "o.csv", f"{OLD}1,1,1,1,1,created,bid\n{row}\n1,1,1,1,1,deleted,bid\n")
    with pytest.raises(SourceError, match=rf"o\.csv: {complaint}"):
        events(BitstampSource(path))


def test_a_broken_row_far_down_is_named_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are counted across text blocks."""
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 200)
    path = write(tmp_path, "o.csv", OLD + "1,1,1,1,1,created,bid\n" * 500 + "1,1,1,?,1,created,bid\n")
    with pytest.raises(SourceError, match=r"line 502: price is '\?'"):
        events(BitstampSource(path))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the file is empty"),
        (OLD, "holds no order event"),
        ("1,2,3\n", "line 1: the columns are"),
        (OLD.replace("price", "prize"), "line 1: the columns are"),
        ("\xff\xfe\n", "is no CSV header"),
        ("x" * 3_000_000, "holds a line of more than 1048576 bytes"),
    ],
)
def test_a_file_that_is_none_of_its_kind_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """Empty files, other columns and binary data give one clear line."""
    with pytest.raises(SourceError, match=complaint):
        events(BitstampSource(write(tmp_path, "o.csv", text)))


def test_columns_may_stand_in_any_order_and_be_quoted(tmp_path: Path) -> None:
    """R quotes words; columns are found by name."""
    text = (
        '"direction","id","price","volume","action","timestamp","exchange.timestamp"\r\n"ask",3,1.5,7,"created",2,1\r\n'
    )
    assert events(BitstampSource(write(tmp_path, "o.csv", text))) == [(2 * MS, "A", "A", 1_500_000_000, 7, 3, 128)]


def test_identity_names_content_and_parameters_but_no_path(tmp_path: Path) -> None:
    """The same content elsewhere is the same source; other content or another tick size is not."""
    one, two = write(tmp_path, "a.csv", LIFE), write(tmp_path, "b.csv", LIFE)
    assert BitstampSource(one).identity() == BitstampSource(two).identity()
    different = [
        BitstampSource(one),
        BitstampSource(one, tick_size=0.1),
        BitstampSource(one, instrument="ETHUSD"),
        BitstampSource(write(tmp_path, "c.csv", LIFE + "9,9999,0,1,1,created,bid\n")),
    ]
    assert all(a.identity() != b.identity() for a, b in itertools.combinations(different, 2))
    assert str(tmp_path) not in str(BitstampSource(one).identity())


def test_a_tick_size_out_of_range_is_refused(tmp_path: Path) -> None:
    """Parameters are checked before anything is read."""
    with pytest.raises(ConfigError, match="tick_size"), BitstampSource(str(tmp_path), tick_size=0.0).open():
        pass
