"""The reader of Nasdaq's daily ITCH files."""

import tracemalloc
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.itch_writer import (
    AAPL,
    AAPLW,
    APPLE,
    END_OF_SESSION,
    HOUR,
    OTHER,
    ZVZZT,
    Stock,
    before_system_hours,
    decline_levels,
    decline_status,
    framed,
    head,
    system_event,
)
from tests.events.samples import COMPRESSIONS, Event, events, read, write
from tests.examples import examples
from tests.naive_itch import NAMES, read_itch
from vpharness.errors import ConfigError, SourceError
from vpharness.events import itch
from vpharness.events.itch import ItchSource, day_of_name
from vpharness.events.itch_messages import MESSAGES

DAY = "2019-01-30"
FILE = "01302019.NASDAQ_ITCH50"
MIDNIGHT = 1_548_824_400 * 10**9
"""New York is five hours behind UTC in winter."""
OPEN = 10 * HOUR

ALL_TYPES = [
    *before_system_hours([AAPLW, AAPL]),
    AAPL.short_sale_restriction(OPEN),
    AAPL.participant_position(OPEN),
    decline_levels(OPEN),
    decline_status(OPEN),
    AAPL.ipo_quoting_period(OPEN),
    AAPL.auction_collar(OPEN),
    AAPL.add(OPEN + 1, 5, "B", 100, 1_000_000),
    AAPLW.add(OPEN + 2, 6, "B", 100, 20_000),
    AAPL.add(OPEN + 3, 7, "S", 200, 1_000_100, owner="GSCO"),
    AAPL.executed(OPEN + 4, 5, 10),
    AAPL.executed_at(OPEN + 5, 5, 20, 999_900, printable="N"),
    AAPL.cancel(OPEN + 6, 5, 30),
    AAPL.replace(OPEN + 7, 5, 8, 60, 999_800),
    AAPLW.delete(OPEN + 8, 6),
    AAPL.delete(OPEN + 9, 7),
    AAPL.hidden_execution(OPEN + 10, 15, 1_000_050),
    AAPL.cross(OPEN + 11, 10_000_000_000, 1_000_000),
    AAPL.broken_trade(OPEN + 12),
    AAPL.order_imbalance(OPEN),
    AAPL.retail_interest(OPEN),
    AAPL.direct_listing(OPEN),
    AAPL.operational_halt(OPEN + 13, "Q", "H"),
    AAPL.executed(OPEN + 14, 8, 60),
    system_event(OPEN + 15, "C"),
]
AT = MIDNIGHT + OPEN
ALL_EVENTS: list[Event] = [
    (MIDNIGHT + 3 * HOUR + 1, "R", "N", 0, 0, 0, 128),
    (AT + 1, "A", "B", 100_000_000_000, 100, 5, 128),
    (AT + 3, "A", "A", 100_010_000_000, 200, 7, 128),
    (AT + 4, "F", "B", 100_000_000_000, 10, 5, 0),
    (AT + 4, "C", "B", 100_000_000_000, 10, 5, 128),
    (AT + 5, "F", "B", 100_000_000_000, 20, 5, 0),  # at the order's price, not at the one that was paid
    (AT + 5, "C", "B", 100_000_000_000, 20, 5, 128),
    (AT + 6, "C", "B", 100_000_000_000, 30, 5, 128),
    (AT + 7, "C", "B", 100_000_000_000, 40, 5, 0),
    (AT + 7, "A", "B", 99_980_000_000, 60, 8, 128),
    (AT + 9, "C", "A", 100_010_000_000, 200, 7, 128),
    (AT + 10, "T", "N", 100_005_000_000, 15, 0, 128),
    (AT + 13, "H", "N", 0, 0, 0, 128),
    (AT + 14, "F", "B", 99_980_000_000, 60, 8, 0),
    (AT + 14, "C", "B", 99_980_000_000, 60, 8, 128),
]


def day_file(folder: Path, messages: Sequence[bytes], name: str = FILE, end: bytes = b"") -> str:
    """Write a daily file and return its path."""
    return write(folder, name, framed(messages) + end)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("end", [b"", END_OF_SESSION])
def test_every_type_of_message(tmp_path: Path, compression: str, end: bytes) -> None:
    """Messages of the stock become events to the nanosecond; what gives none is counted by type."""
    assert {chr(message[0]) for message in ALL_TYPES} == set(MESSAGES) == set(NAMES)
    assert all(len(message) == MESSAGES[chr(message[0])][0] for message in ALL_TYPES)
    path = write(tmp_path, FILE, COMPRESSIONS[compression](framed(ALL_TYPES) + end))
    found, stream = read(ItchSource(path, "AAPL"))
    assert found == ALL_EVENTS
    once = {"Y", "L", "V", "W", "K", "J", "H", "Q", "B", "I", "N", "O"}
    assert stream.counts == {
        **{f"skipped_{NAMES[letter]}": 1 for letter in once},
        "skipped_system_event": 3,
        "skipped_other_stock": 4,
        "execution_off_price": 1,
        "execution_not_printed": 1,
    }
    assert (stream.instrument, stream.size_unit, stream.progress(), stream.notes) == ("AAPL", 1.0, 1.0, [])


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 40, 64, 1 << 20])
def test_a_message_may_lie_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    """However the file is cut while it is read, the events are the same."""
    monkeypatch.setattr(itch, "BLOCK_BYTES", block_bytes)
    assert events(ItchSource(day_file(tmp_path, ALL_TYPES, end=END_OF_SESSION), "AAPL")) == ALL_EVENTS


@pytest.mark.parametrize(
    ("name", "day", "midnight_s"),
    [
        ("01302019.NASDAQ_ITCH50.gz", date(2019, 1, 30), 1_548_824_400),
        ("S081321-v50.txt.gz", date(2021, 8, 13), 1_628_827_200),
        ("20190730.BX_ITCH_50.gz", date(2019, 7, 30), 1_564_459_200),
        ("20190730.PSX_ITCH_50", date(2019, 7, 30), 1_564_459_200),
    ],
)
def test_the_day_is_in_the_files_name(tmp_path: Path, name: str, day: date, midnight_s: int) -> None:
    """As Nasdaq names its files; times count from New York's midnight, in summer and in winter."""
    assert day_of_name(f"/somewhere/{name}") == day
    path = day_file(tmp_path, [AAPL.directory(0)], name)
    assert events(ItchSource(path, "AAPL"))[0][0] == midnight_s * 10**9
    assert ItchSource(path, "AAPL").identity()["date"] == day.isoformat()


def test_a_day_that_is_given_holds_and_is_compared_with_the_name(tmp_path: Path) -> None:
    """One that differs from the name is noted; a name without a day needs one."""
    path = day_file(tmp_path, [AAPL.directory(0), system_event(1, "C")])
    found, stream = read(ItchSource(path, "AAPL", date="2019-01-31"))
    assert found[0][0] == MIDNIGHT + 24 * HOUR
    assert stream.notes == [
        "source.date is 2019-01-31, while the file's name says 2019-01-30: source.date holds",
        "the file holds no trading action of AAPL: it counts as trading all day",
    ]
    renamed = day_file(tmp_path, [AAPL.directory(0)], "day.bin")
    assert events(ItchSource(renamed, "AAPL", date=DAY))[0][0] == MIDNIGHT
    with pytest.raises(ConfigError, match=r"source\.date must be given: the name of .*day.bin says no day"):
        events(ItchSource(renamed, "AAPL"))
    with pytest.raises(ConfigError, match=r"source\.date is '30.1.2019'; expected the trading day as YYYY-MM-DD"):
        events(ItchSource(renamed, "AAPL", date="30.1.2019"))


@pytest.mark.parametrize("symbol", ["", "TOOLONGNAME", "A B", "ÄÖ"])
def test_a_symbol_that_is_none_is_refused(tmp_path: Path, symbol: str) -> None:
    """Before the file is looked at."""
    with pytest.raises(ConfigError, match=r"source\.symbol is .*; expected Nasdaq's symbol of a stock"):
        events(ItchSource(str(tmp_path / "gone"), symbol))


def test_identity_is_what_the_events_depend_on(tmp_path: Path) -> None:
    """The same file under another name, with the same day and market, is the same source."""
    path = day_file(tmp_path, ALL_TYPES)
    copy = day_file(tmp_path, ALL_TYPES, "copy.bin")
    assert ItchSource(path, "AAPL").identity() == ItchSource(copy, "AAPL", date=DAY).identity()
    assert str(tmp_path) not in str(ItchSource(path, "AAPL").identity())
    bx = day_file(tmp_path, ALL_TYPES, "20190130.BX_ITCH_50")
    assert ItchSource(bx, "AAPL").identity()["market"] == "B"
    assert ItchSource(bx, "AAPL", market="Q").identity() == ItchSource(path, "AAPL").identity()


def halts(folder: Path, messages: Sequence[bytes], name: str = FILE) -> tuple[list[tuple[int, str]], list[str]]:
    """Return when events stopped and resumed trading, by hours, and the notes."""
    found, stream = read(ItchSource(day_file(folder, messages, name), "AAPL"))
    times = [((event[0] - MIDNIGHT) // HOUR, event[1]) for event in found if event[1] in "HO"]
    return times, stream.notes


def test_trading_states_stop_and_resume_trading(tmp_path: Path) -> None:
    """Halted, paused and quotation only are halts, of which only the first one and the end are events."""
    states = [(10, "H"), (11, "Q"), (12, "T"), (13, "P"), (14, "P"), (15, "Q"), (16, "T"), (17, "T")]
    actions = [AAPL.trading_action(hour * HOUR, state, "T12") for hour, state in states]
    others = [AAPLW.trading_action(hour * HOUR, "H") for hour in (12, 16)]
    found, _ = halts(tmp_path, [*before_system_hours([AAPL, AAPLW]), *actions, *others])
    assert found == [(10, "H"), (12, "O"), (13, "H"), (16, "O")]


@pytest.mark.parametrize(("name", "market"), [(FILE, "Q"), ("20190130.BX_ITCH_50", "B"), ("20190130.PSX_ITCH_50", "X")])
def test_an_operational_halt_concerns_its_market(tmp_path: Path, name: str, market: str) -> None:
    """Others go on; and a stock trades again when both kinds of halt are over."""
    messages = [
        *(AAPL.operational_halt(9 * HOUR, other, "H") for other in "QBX" if other != market),
        AAPL.operational_halt(10 * HOUR, market, "H"),
        AAPL.trading_action(11 * HOUR, "H"),
        AAPL.operational_halt(12 * HOUR, market, "T"),
        AAPL.trading_action(13 * HOUR, "T"),
    ]
    assert halts(tmp_path, [*before_system_hours([AAPL]), *messages], name)[0] == [(10, "H"), (13, "O")]


def test_a_stock_without_a_trading_action_before_system_hours_is_halted(tmp_path: Path) -> None:
    """As the specification says of a stock that is absent where others are not."""
    beginning = [AAPL.directory(1), AAPLW.directory(2), AAPLW.trading_action(3, "T"), system_event(4 * HOUR, "S")]
    found, notes = halts(tmp_path, [*beginning, AAPL.trading_action(11 * HOUR, "T"), system_event(20 * HOUR, "C")])
    assert found == [(4, "H"), (11, "O")]
    (note,) = notes
    assert note.startswith("AAPL is absent from the trading actions before system hours: it counts as halted")


def test_a_file_without_trading_actions_is_of_stocks_that_trade(tmp_path: Path) -> None:
    """Such as an excerpt; that is noted, as is that its last message is missing."""
    found, notes = halts(tmp_path, [AAPL.directory(1), system_event(4 * HOUR, "S")])
    assert found == []
    assert [note.split(":")[0] for note in notes] == [
        "the file ends without the day's last message (system event C)",
        "the file holds no trading action of AAPL",
    ]


def test_orders_that_were_never_added_have_no_side_and_no_price(tmp_path: Path) -> None:
    """The lattice counts them as unknown; what replaces one cannot enter, and is counted here."""
    messages = [
        AAPL.directory(0),
        AAPL.executed(1, 1, 10),
        AAPL.executed_at(2, 1, 10, 5),
        AAPL.cancel(3, 1, 10),
        AAPL.delete(4, 1),
        AAPL.replace(5, 1, 2, 10, 100),
        AAPL.delete(6, 2),
    ]
    found, stream = read(ItchSource(day_file(tmp_path, messages), "AAPL"))
    assert [(event[1], event[2], event[3], event[4], event[5]) for event in found[1:]] == [
        ("F", "N", 0, 10, 1),
        ("C", "N", 0, 10, 1),
        ("F", "N", 0, 10, 1),
        ("C", "N", 0, 10, 1),
        ("C", "N", 0, 10, 1),
        ("C", "N", 0, 0, 1),
        ("C", "N", 0, 0, 1),
        ("C", "N", 0, 0, 2),
    ]
    assert stream.counts == {"skipped_unknown_replace": 1}


def test_no_shares_are_no_event(tmp_path: Path) -> None:
    """A cancel of size 0 would take the whole order: what takes nothing is counted, and changes nothing."""
    messages = [
        AAPL.directory(0),
        AAPL.add(1, 1, "S", 10, 100),
        AAPL.executed(2, 1, 0),
        AAPL.executed_at(2, 1, 0, 5),
        AAPL.cancel(3, 1, 0),
        AAPL.delete(4, 1),
    ]
    found, stream = read(ItchSource(day_file(tmp_path, messages), "AAPL"))
    assert found[1:] == [
        (MIDNIGHT + 1, "A", "A", 10_000_000, 10, 1, 128),
        (MIDNIGHT + 4, "C", "A", 10_000_000, 10, 1, 128),
    ]
    assert stream.counts == {"skipped_zero_shares": 3}


def test_the_directory_message_may_come_again(tmp_path: Path) -> None:
    """With the same locate, it empties no book; with another one, it is another day's."""
    again = [AAPL.directory(0), AAPL.add(1, 1, "B", 1, 1), AAPL.directory(2)]
    found, stream = read(ItchSource(day_file(tmp_path, again), "AAPL"))
    assert [event[1] for event in found] == ["R", "A"]
    assert stream.counts == {"skipped_stock_directory": 1}
    with pytest.raises(SourceError, match="record 3 at byte 79 gives AAPL the locate 15, which has been 13; expected"):
        events(ItchSource(day_file(tmp_path, [*again[:2], Stock(15, "AAPL").directory(2)]), "AAPL"))


def test_a_stock_that_the_file_does_not_hold_is_named_with_those_like_it(tmp_path: Path) -> None:
    """Letters are as Nasdaq has them; a file without a directory is none of a whole day."""
    path = day_file(tmp_path, before_system_hours([AAPL, AAPLW, ZVZZT]))
    with pytest.raises(SourceError, match=r"holds no stock aapl among its 3, such as 'AAPL', 'AAPLW'$"):
        events(ItchSource(path, "aapl"))
    with pytest.raises(SourceError, match=r"holds no stock IBM among its 3, such as 'AAPL', 'AAPLW', 'ZVZZT'$"):
        events(ItchSource(path, "IBM"))
    with pytest.raises(SourceError, match=r"holds no stock directory message \(R\)"):
        events(ItchSource(day_file(tmp_path, [AAPL.add(1, 1, "B", 1, 1)]), "AAPL"))


START = [AAPL.directory(0)]
"""41 bytes with its length."""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"1", "is no ITCH 5.0 file: all it holds is b'1'; expected a daily file of Nasdaq TotalView-ITCH 5.0"),
        (b"ts,price\n1,2\n", r"is no ITCH 5.0 file: it begins with b'ts,price'; expected a daily file"),
        (b"DBN\x01" + bytes(100), "is no ITCH 5.0 file: it begins with"),
        (framed([b"S" + bytes(12)]), "is no ITCH 5.0 file: it begins with"),
        (framed([*START, b"z" * 30]), "record 2 at byte 41 has the unknown type 'z'; is the file damaged, or newer"),
        (framed([*START, b"A" * 30]), "record 2 at byte 41 of type 'A' is 30 bytes long; expected 36 bytes"),
        (framed(START) + b"\xff\xffD", "record 2 at byte 41 of type 'D' is 65535 bytes long; expected 19 bytes"),
        (
            framed([*START, AAPL.delete(24 * HOUR, 1)]),
            "record 2 at byte 41 has the time 86400000000000 ns after midnight",
        ),
        (framed([*START, AAPL.add(1, 1, "N", 1, 1)]), "record 2 at byte 41 has the side 'N'; expected B or S"),
        (framed([*START, AAPL.trading_action(1, "Z")]), "record 2 at byte 41 has the state 'Z'; expected H, P, Q or T"),
        (framed([*START, AAPL.operational_halt(1, "B", "P")]), "has the state 'P'; expected H or T"),
        (
            framed([*START, Stock(APPLE, "MSFT").add(1, 1, "B", 1, 1)]),
            "record 2 at byte 41 is of 'MSFT' under the locate 13, that of AAPL; expected one stock for each locate",
        ),
        (framed([*START, Stock(APPLE, "MSFT").trading_action(1, "H")]), "is of 'MSFT' under the locate 13"),
        (framed([*START, Stock(APPLE, "MSFT").hidden_execution(1, 1, 1)]), "is of 'MSFT' under the locate 13"),
        (framed(START) + b"\0", "truncated: the file ends 1 bytes into record 2 at byte 41"),
        (framed([*START, AAPL.delete(1, 1)])[:-1], "truncated: the file ends 20 bytes into record 2 at byte 41"),
        (framed(START) + END_OF_SESSION * 2, "goes on at byte 43, behind the mark of the session's end"),
        (framed(START) + END_OF_SESSION + b"\0", "goes on at byte 43, behind the mark of the session's end"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path: Path, content: bytes, expected: str) -> None:
    """Record and byte, what was expected and what was found."""
    path = write(tmp_path, FILE, content)
    with pytest.raises(SourceError, match=expected) as refused:
        events(ItchSource(path, "AAPL"))
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_file_cut_inside_of_a_message_is_refused(tmp_path: Path) -> None:
    """Between messages it cannot be told from a whole one, but for the day's last message, and that is noted."""
    whole = framed(ALL_TYPES)
    ends = set(np.cumsum([2 + len(message) for message in ALL_TYPES]).tolist())
    shortest = sum(2 + len(message) for message in ALL_TYPES[:3])  # up to the stock's directory message
    for end in range(len(whole)):
        source = ItchSource(write(tmp_path, FILE, whole[:end]), "AAPL")
        if end in ends and end >= shortest:
            found, stream = read(source)
            assert found == ALL_EVENTS[: len(found)]
            assert any("may have been cut off" in note for note in stream.notes)
        else:
            with pytest.raises(SourceError):
                events(source)


def test_messages_of_other_stocks_are_not_looked_into(tmp_path: Path) -> None:
    """Only their frames must be right: they are most of the file."""
    wrong = [Stock(OTHER, "MSFT").add(1, 1, "N", 1, 1), AAPLW.trading_action(1, "Z"), head("D", OTHER, 1) + bytes(8)]
    found, stream = read(ItchSource(day_file(tmp_path, [*START, *wrong]), "AAPL"))
    assert len(found) == 1
    assert stream.counts == {"skipped_other_stock": 3}


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the most memory that a call had at once, as Python and NumPy ask for it."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_depends_on_the_live_orders_of_the_stock_alone(tmp_path: Path) -> None:
    """A million live orders of another stock leave it flat; and so do a million of this one that come and go."""

    def adds(stock: Stock, count: int) -> bytes:
        rows = np.tile(np.frombuffer(framed([stock.add(OPEN, 0, "B", 100, 1_000_000)]), np.uint8), (count, 1))
        rows[:, 13:21] = np.arange(1, count + 1, dtype=">u8").view(np.uint8).reshape(count, 8)
        return rows.tobytes()

    def comings_and_goings(count: int) -> bytes:
        return framed([AAPL.add(OPEN, 9, "B", 1, 1), AAPL.delete(OPEN, 9)]) * count

    beginning = framed(before_system_hours([AAPL, AAPLW]))

    def reading(name: str, body: bytes, symbol: str = "AAPL") -> tuple[int, int]:
        source = ItchSource(write(tmp_path, name, beginning + body), symbol, date=DAY)
        counted = 0

        def work() -> None:
            nonlocal counted
            with source.open() as stream:
                counted = sum(map(len, stream.chunks))

        return peak_bytes(work), counted

    reading("first", adds(AAPLW, 100))  # what is loaded once
    few, _ = reading("few", adds(AAPLW, 60_000))
    many, found = reading("many", adds(AAPLW, 1_000_000))
    assert found == 1
    assert many < few + 100_000
    passing, found = reading("passing", comings_and_goings(1_000_000))
    assert found == 2_000_001
    fewer_passing, _ = reading("fewer passing", comings_and_goings(60_000))
    assert passing < fewer_passing + 100_000
    live, found = reading("live", adds(AAPLW, 1_000_000), "AAPLW")
    assert found == 1_000_001
    assert live > many + 1_000_000 * 40


ORDER = st.integers(1, 6)
SHARES = st.sampled_from([0, 1, 1, 2, 5])
PRICE = st.integers(1, 5)
TIME = st.integers(0, 24 * HOUR - 1)
STOCK = st.sampled_from([AAPL, AAPL, AAPL, AAPLW])
MESSAGE = st.one_of(
    st.builds(Stock.add, STOCK, TIME, ORDER, st.sampled_from("BS"), SHARES, PRICE, st.sampled_from([None, "GSCO"])),
    st.builds(Stock.executed, STOCK, TIME, ORDER, SHARES),
    st.builds(Stock.executed_at, STOCK, TIME, ORDER, SHARES, PRICE, st.sampled_from("YN")),
    st.builds(Stock.cancel, STOCK, TIME, ORDER, SHARES),
    st.builds(Stock.delete, STOCK, TIME, ORDER),
    st.builds(Stock.replace, STOCK, TIME, ORDER, ORDER, SHARES, PRICE),
    st.builds(Stock.hidden_execution, STOCK, TIME, SHARES, PRICE),
    st.builds(Stock.cross, STOCK, TIME, SHARES, PRICE),
    st.builds(Stock.trading_action, STOCK, TIME, st.sampled_from("HPQT")),
    st.builds(Stock.operational_halt, STOCK, TIME, st.sampled_from("QBX"), st.sampled_from("HT")),
    st.builds(Stock.directory, STOCK, TIME),
    st.builds(Stock.order_imbalance, STOCK, TIME),
    st.builds(system_event, TIME, st.sampled_from("OSQMEC")),
    st.builds(decline_status, TIME),
)


@given(messages=st.lists(MESSAGE, max_size=60), block_bytes=st.sampled_from([5, 64, 1 << 20]))
@examples(300)
def test_the_events_are_the_plain_twins(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes], block_bytes: int
) -> None:
    """Any messages of two stocks, orders unknown or doubly added among them: the same events and the same counts."""
    data = framed([AAPL.directory(0), *messages])
    path = write(tmp_path_factory.getbasetemp(), FILE, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(itch, "BLOCK_BYTES", block_bytes)
        found, stream = read(ItchSource(path, "AAPL"))
    twin = read_itch(data, "AAPL", DAY)
    assert found == twin.events
    assert stream.counts == twin.counts
