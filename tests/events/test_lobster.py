"""The reader of LOBSTER message files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.naive_readers import SEED_ID_BASE, lobster_events
from tests.events.samples import COMPRESSIONS, events, read, write
from tests.examples import examples
from vpharness.errors import ConfigError, SourceError
from vpharness.events import csv_rows, lobster
from vpharness.events.lobster import LobsterSource

SUMMER = "2012-06-21"
MIDNIGHT = 1_340_251_200 * 10**9
"""New York is four hours behind UTC in summer."""

MESSAGES = (
    "34200.017459617,1,16085616,100,5859300,-1\n"
    "34200.18960767,2,16085616,30,5859300,-1\n"
    "34200.2,4,16085616,20,5859300,-1\n"
    "34200.3,5,0,10,5859200,1\n"
    "34200.4,6,0,10,5859200,1\n"
    "34200.5,7,0,0,-1,-1\n"
    "34200.6,3,16085616,50,5859300,-1\n"
    "57599.999999999,1,16085617,5,5853300,1\n"
)
HALT_EVENT = (MIDNIGHT + 34_200_500_000_000, "H", "N", 0, 0, 0, 128)
MESSAGE_EVENTS = [
    (MIDNIGHT + 34_200_017_459_617, "A", "A", 585_930_000_000, 100, 16085616, 128),
    (MIDNIGHT + 34_200_189_607_670, "C", "A", 585_930_000_000, 30, 16085616, 128),
    (MIDNIGHT + 34_200_200_000_000, "F", "A", 585_930_000_000, 20, 16085616, 0),
    (MIDNIGHT + 34_200_200_000_000, "C", "A", 585_930_000_000, 20, 16085616, 128),
    HALT_EVENT,
    (MIDNIGHT + 34_200_600_000_000, "C", "A", 585_930_000_000, 50, 16085616, 128),
    (MIDNIGHT + 57_599_999_999_999, "A", "B", 585_330_000_000, 5, 16085617, 128),
]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_type_of_message(tmp_path: Path, compression: str) -> None:
    """Types 1 to 4 and halts make events to the nanosecond; 5 and 6 are counted."""
    path = write(tmp_path, "AMZN_2012-06-21_message_10.csv", COMPRESSIONS[compression](MESSAGES.encode()))
    found, stream = read(LobsterSource(path, SUMMER))
    assert found == MESSAGE_EVENTS
    assert stream.counts == {"skipped_hidden_execution": 1, "skipped_cross_trade": 1, "skipped_trading_halt": 0}
    assert (stream.instrument, stream.size_unit, stream.progress()) == ("AMZN", 1.0, 1.0)


@pytest.mark.parametrize(
    ("date", "midnight_s"),
    [
        ("2012-06-21", 1_340_251_200),
        ("2012-12-21", 1_356_066_000),
        ("2012-03-09", 1_331_269_200),
        ("2012-03-12", 1_331_524_800),
    ],
)
def test_midnight_is_new_yorks(tmp_path: Path, date: str, midnight_s: int) -> None:
    """Times count from New York's midnight, in summer and in winter."""
    path = write(tmp_path, "m.csv", "0,1,1,1,1,1\n")
    assert events(LobsterSource(path, date))[0][0] == midnight_s * 10**9


BOOK_ROW = "5859400,200,5853300,18,5859800,200,-9999999999,0,9999999999,0,5853000,150"


def test_the_first_row_of_the_order_book_file_is_a_snapshot(tmp_path: Path) -> None:
    """One order a level, without the empty ones, at the first message's time, which is not replayed."""
    path = write(tmp_path, "m.csv", "1.5,1,9,18,5853300,1\n2,1,10,1,5853300,1\n")
    second = BOOK_ROW.replace("5853300,18", "5853300,19")
    found, stream = read(LobsterSource(path, SUMMER, orderbook_path=write(tmp_path, "b.csv", BOOK_ROW + "\n" + second)))
    start = MIDNIGHT + 1_500_000_000
    assert found == [
        (start, "A", "A", 585_940_000_000, 200, SEED_ID_BASE, 32),
        (start, "A", "B", 585_330_000_000, 18, SEED_ID_BASE + 1, 32),
        (start, "A", "A", 585_980_000_000, 200, SEED_ID_BASE + 2, 32),
        (start, "A", "B", 585_300_000_000, 150, SEED_ID_BASE + 3, 32 | 128),
        (MIDNIGHT + 2 * 10**9, "A", "B", 585_330_000_000, 1, 10, 128),
    ]
    assert stream.counts["skipped_seeding_message"] == 1


def test_unknown_orders_draw_on_the_seeded_level_until_it_is_used_up(tmp_path: Path) -> None:
    """An order added since is its own; others at a seeded price take from the seeded order, then are unknown."""
    text = (
        "1,1,1,1,1,1\n"
        "2,2,50,60,5859400,-1\n"  # draws 60 of 200
        "3,4,51,100,5859400,-1\n"  # draws 100, as a fill and its cancel
        "4,1,52,7,5859400,-1\n"  # an order of its own
        "5,3,52,7,5859400,-1\n"
        "6,3,52,7,5859400,-1\n"  # was added since: unknown now, but never the seeded order
        "7,3,53,60,5859400,1\n"  # the other side is not seeded there
        "8,3,54,60,5859500,-1\n"  # no seeded price
        "9,3,55,60,5859400,-1\n"  # draws the last 40 and more
        "10,3,56,60,5859400,-1\n"  # used up
    )
    source = LobsterSource(write(tmp_path, "m.csv", text), SUMMER, orderbook_path=write(tmp_path, "b.csv", BOOK_ROW))
    found = [(action, order_id, size) for _, action, _, _, size, order_id, _ in events(source)[4:]]
    assert found == [
        ("C", SEED_ID_BASE, 60),
        ("F", SEED_ID_BASE, 100),
        ("C", SEED_ID_BASE, 100),
        ("A", 52, 7),
        ("C", 52, 7),
        ("C", 52, 7),
        ("C", 53, 60),
        ("C", 54, 60),
        ("C", SEED_ID_BASE, 60),
        ("C", 56, 60),
    ]


PLACES = [(price, side) for price in (5859400, 5853300, 5859800, 5853000, 1) for side in (1, -1)]
"""Prices and directions, most of them seeded; an order stays at the one its id stands for."""

MESSAGE = st.builds(
    lambda time, kind, order_id, size: (time, kind, order_id, size, *PLACES[order_id % len(PLACES)]),
    st.decimals(0, 86399, places=9),
    st.integers(1, 7),
    st.integers(1, 2 * len(PLACES)),
    st.integers(0, 120),
)


@given(st.lists(MESSAGE, min_size=1, max_size=50), st.booleans(), st.sampled_from([1, 2, 5, 1000]))
@examples()
def test_agrees_with_the_plain_reader_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], seeded: bool, cut: int
) -> None:
    """Random messages give the plain reader's events, for any size of chunk and text block."""
    lines = [",".join(map(str, row)) for row in rows]
    folder = tmp_path_factory.getbasetemp()
    path = write(folder, "random.csv", "\n".join(lines))
    book = write(folder, "random_book.csv", BOOK_ROW) if seeded else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lobster, "CHUNK_EVENTS", cut)
        patch.setattr(csv_rows, "BLOCK_BYTES", 100 * cut)
        with LobsterSource(path, SUMMER, orderbook_path=book).open() as stream:
            assert all(len(chunk) <= max(cut, 4) for chunk in stream.chunks)
        found = events(LobsterSource(path, SUMMER, orderbook_path=book))
    assert found == lobster_events(lines, SUMMER, BOOK_ROW if seeded else None)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("34200,1,5,100,5859300", "line 2: has 5 fields"),
        ("34200,1,5,100,5859300,1,2", "line 2: has 7 fields"),
        ("late,1,5,100,5859300,1", "line 2: time is 'late'"),
        ("86400,1,5,100,5859300,1", "line 2: time is '86400'"),
        ("-1,1,5,100,5859300,1", "line 2: time is '-1'"),
        ("34200,8,5,100,5859300,1", "line 2: type is '8'"),
        ("34200,1,5.x,100,5859300,1", "line 2: order id is '5.x'"),
        (f"34200,1,{SEED_ID_BASE},100,5859300,1", "line 2: order id is"),
        ("34200,1,5,-100,5859300,1", "line 2: size is '-100'"),
        ("34200,1,5,100,-1,1", "line 2: price is '-1'"),
        ("34200,1,5,100,10000000000001,1", "line 2: price is"),
        ("34200,1,5,100,5859300,0", "line 2: direction is '0'; expected 1 or -1"),
        ("34200,1,5,100,5859300,-", "line 2: direction is '-'"),
        ("34200,1,5,100,5859300,", "line 2: direction is ''"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    """The error gives the file, the line, the column and what is wrong with it."""
    path = write(tmp_path, "m.csv", f"1,1,1,1,1,1\n{row}\n1,1,1,1,1,1\n")
    with pytest.raises(SourceError, match=rf"m\.csv: {complaint}"):
        events(LobsterSource(path, SUMMER))


def test_a_file_cut_inside_of_a_row_is_refused(tmp_path: Path) -> None:
    """Wherever the last row is cut, but after its last field, the rest of it is no row."""
    for end in range(len(MESSAGES) - 22, len(MESSAGES) - 2):
        with pytest.raises(SourceError, match="line 8"):
            events(LobsterSource(write(tmp_path, "m.csv", MESSAGES[:end]), SUMMER))


@pytest.mark.parametrize("date", ["", "21.06.2012", "2012-13-01", "0001-01-01", "9999-12-31"])
def test_a_date_that_is_none_is_refused(tmp_path: Path, date: str) -> None:
    """The message says how a date is written."""
    path = write(tmp_path, "m.csv", MESSAGES)
    with pytest.raises(ConfigError, match=r"source\.date is .* expected the trading day as YYYY-MM-DD"):
        events(LobsterSource(path, date))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("", "the file is empty"),
        ("1,2,3", "line 1: has 3 fields"),
        ("1,2,x,4", "line 1: price"),
        ("1,-2,3,4", "line 1: size"),
        ("5,1,4,1,5,2,3,1", "line 1: has the price 5 twice on one side"),
    ],
)
def test_a_broken_order_book_file_is_refused(tmp_path: Path, row: str, complaint: str) -> None:
    """The order book file is named, not the message file."""
    path, book = write(tmp_path, "m.csv", MESSAGES), write(tmp_path, "b.csv", row)
    with pytest.raises(SourceError, match=rf"b\.csv: {complaint}"):
        events(LobsterSource(path, SUMMER, orderbook_path=book))


def test_an_empty_message_file_is_refused(tmp_path: Path) -> None:
    """Nothing is not a quiet day."""
    with pytest.raises(SourceError, match=r"m\.csv: the file is empty"):
        events(LobsterSource(write(tmp_path, "m.csv", ""), SUMMER))


def test_identity_covers_the_order_book_file_and_the_date(tmp_path: Path) -> None:
    """What changes the events changes the identity; where the files lie does not."""
    path, book = write(tmp_path, "A_m.csv", MESSAGES), write(tmp_path, "b.csv", BOOK_ROW)
    other = write(tmp_path, "c.csv", BOOK_ROW.replace("200", "201"))
    identities = [
        LobsterSource(path, SUMMER).identity(),
        LobsterSource(path, "2012-06-22").identity(),
        LobsterSource(path, SUMMER, orderbook_path=book).identity(),
        LobsterSource(path, SUMMER, orderbook_path=other).identity(),
    ]
    assert all(identities.count(identity) == 1 for identity in identities)
    assert str(tmp_path) not in str(identities)


@pytest.mark.parametrize("followed", [False, True])
def test_trading_is_halted_until_it_is_resumed(tmp_path: Path, followed: bool) -> None:
    """-1 halts it, 0 resumes quoting alone, 1 trading; the book goes on."""
    states = "".join(f"{time},7,0,0,{price},-1\n" for time, price in ((2, -1), (3, 0), (4, 1)))
    path = write(tmp_path, "m.csv", f"1,5,0,1,5853300,1\n{states}5,7,-1,0,0,-1\n")
    book = write(tmp_path, "b.csv", f"{BOOK_ROW}\n" * 5) if followed else None
    found, stream = read(LobsterSource(path, SUMMER, orderbook_path=book))
    assert [event for event in found if event[1] != "A"] == [
        (MIDNIGHT + 2 * 10**9, "H", "N", 0, 0, 0, 128),
        (MIDNIGHT + 4 * 10**9, "O", "N", 0, 0, 0, 128),
    ]
    assert stream.counts["skipped_trading_halt"] == 2


def test_halts_change_the_identity_of_messages_alone(tmp_path: Path) -> None:
    """Earlier versions passed over them; a file without them is what it was."""
    quiet, halted = write(tmp_path, "q.csv", "1,1,7,1,5,1\n"), write(tmp_path, "h.csv", "1,1,1,1,5,1\n2,7,0,0,-1,-1\n")
    identity = LobsterSource(quiet, SUMMER).identity()
    assert set(identity) == {"kind", "version", "tick_size", "date", "instrument", "sha256", "orderbook_sha256"}
    assert (identity["version"], identity["date"], identity["orderbook_sha256"]) == (1, SUMMER, None)
    assert LobsterSource(halted, SUMMER).identity()["halts"] is True
    for row, halts in (
        ("2,7,0,0,1,-1", True),
        (' 2, "7", 0, 0, "-1", -1', True),
        ("2,7,0,0,-1,-1,x", True),
        ("2,7,0,0,0,-1", False),
        ("2,7,0,0,5,-1", False),
    ):
        source = LobsterSource(write(tmp_path, "s.csv", f"\n{row}\n"), SUMMER)
        assert ("halts" in source.identity(), bool(events(source))) == (halts, halts)
    assert LobsterSource(quiet, SUMMER, orderbook_path=write(tmp_path, "b.csv", BOOK_ROW)).identity()["version"] == 2


def test_cross_trades_have_no_order(tmp_path: Path) -> None:
    """Their pseudo ids, -1 to -4, are read and counted; an order has none of these."""
    path = write(tmp_path, "m.csv", "".join(f"1,6,{-number},150000,1002000,-1\n" for number in (1, 2, 3, 4)))
    found, stream = read(LobsterSource(path, SUMMER))
    assert (found, stream.counts["skipped_cross_trade"]) == ([], 4)
    for row in ("1,1,-1,1,1,1", "1,6,-5,1,1,1"):
        with pytest.raises(SourceError, match="order id is '-"):
            events(LobsterSource(write(tmp_path, "m.csv", f"{row}\n"), SUMMER))


def days(folder: Path, *names: str) -> None:
    """Write a message file and an order book file for each name."""
    for name in names:
        write(folder, f"{name}_message_3.csv", "34200,1,1,7,5853300,1\n34201,3,1,7,5853300,1\n")
        second = BOOK_ROW.replace("5853300,18", "5853300,11")
        write(folder, f"{name}_orderbook_3.csv", f"{BOOK_ROW}\n{second}\n")


def test_a_folder_holds_days_with_their_order_books(tmp_path: Path) -> None:
    """Pairs and days by their names; each day begins with its own book."""
    days(tmp_path, "A_2012-06-22_34200000_57600000", "A_2012-06-21_34200000_57600000")
    for path in (str(tmp_path), str(tmp_path / "A_*"), [str(each) for each in tmp_path.glob("*message*")]):
        source = LobsterSource(path)
        found, stream = read(source)
        actions = [(event[1], (event[0] - MIDNIGHT) // (86_400 * 10**9)) for event in found]
        day = [("A", 4), ("C", 1)]
        assert actions == [(action, 0) for action, times in day for _ in range(times)] + [("R", 0)] + [
            (action, 1) for action, times in day for _ in range(times)
        ]
        assert source.identity()["date"] == ["2012-06-21", "2012-06-22"]
        assert len(set(source.identity()["orderbook_sha256"])) == 1
        assert stream.instrument == "A"
        assert stream.notes == [
            "no file holds the 24.0 hours from 2012-06-21T13:30:01.000+00:00 to 2012-06-22T13:30:01.000+00:00"
        ]


def test_a_single_pair_in_a_folder_is_that_pair(tmp_path: Path) -> None:
    """With the same identity as the two paths."""
    days(tmp_path, "A_2012-06-21")
    message, book = (str(tmp_path / f"A_2012-06-21_{kind}_3.csv") for kind in ("message", "orderbook"))
    pair = LobsterSource(message, SUMMER, orderbook_path=book)
    assert LobsterSource(str(tmp_path)).identity() == pair.identity()
    assert events(LobsterSource(str(tmp_path))) == events(pair)
    # A message file that is named alone is read alone, as ever, and the notes say what is amiss.
    _, stream = read(LobsterSource(message))
    assert len(stream.notes) == 1
    assert "add source.orderbook_path=… (A_2012-06-21_orderbook_3.csv lies beside it)" in stream.notes[0]


def test_a_date_against_the_files_name_is_said(tmp_path: Path) -> None:
    """The given one holds."""
    days(tmp_path, "A_2012-06-22")
    source = LobsterSource(str(tmp_path), SUMMER)
    found, stream = read(source)
    assert found[0][0] < MIDNIGHT + 86_400 * 10**9
    assert stream.notes == [
        "source.date is 2012-06-21, and the file is named A_2012-06-22_message_3.csv: is that the right day?"
    ]


def test_what_names_do_not_say_must_be_given(tmp_path: Path) -> None:
    """The day of a file, and which of several stocks."""
    path = write(tmp_path, "m.csv", MESSAGES)
    with pytest.raises(ConfigError, match=r"source\.date must be given as YYYY-MM-DD: the name 'm\.csv' holds no day"):
        events(LobsterSource(path))
    days(tmp_path, "A_2012-06-21", "B_2012-06-21")
    with pytest.raises(SourceError, match=r"files of several stocks: A, B; choose one with a glob such as FOLDER/A_"):
        events(LobsterSource(str(tmp_path), SUMMER))
    days(tmp_path, "A_2012-06-22")
    with pytest.raises(ConfigError, match=r"source\.date is of one day, and source\.path names 2 message files"):
        events(LobsterSource(str(tmp_path / "A_*"), SUMMER))
    with pytest.raises(SourceError, match="holds order book files alone"):
        events(LobsterSource(str(tmp_path / "*orderbook*"), SUMMER))
    with pytest.raises(SourceError, match=r"this is the order book file; give the message file .*A_2012-06-21_message"):
        events(LobsterSource(str(tmp_path / "A_2012-06-21_orderbook_3.csv")))


def test_files_of_a_folder_that_are_not_named_as_lobsters_are_are_left_alone(tmp_path: Path) -> None:
    """Such as the prices of another exchange; a list names what it means, whatever that is called."""
    days(tmp_path, "A_2012-06-21")
    alone = events(LobsterSource(str(tmp_path)))
    other = write(tmp_path, "bitstamp-btcusd-20150501.csv", MESSAGES)
    write(tmp_path, "MSFT.csv", MESSAGES)
    assert events(LobsterSource(str(tmp_path))) == alone
    assert events(LobsterSource(str(tmp_path / "*.csv"))) == alone
    with pytest.raises(SourceError, match="no file that is named as LOBSTER's are"):
        events(LobsterSource(str(tmp_path / "b*.csv"), SUMMER))
    assert events(LobsterSource([other], SUMMER))
