"""The reader of DBN files."""

from pathlib import Path

import databento_dbn
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.samples import (
    COMPRESSIONS,
    DAY,
    ENUMS,
    START,
    UNDEFINED_TIME,
    events,
    mbo,
    metadata,
    read,
    symbol_mapping,
    write,
)
from tests.examples import examples
from tests.lattice.engine_help import run_engine
from vpharness.errors import ConfigError, SourceError
from vpharness.events import dbn
from vpharness.events.dbn import DbnSource
from vpharness.events.dbn_instruments import is_spread
from vpharness.events.dbn_records import mbo_dtype
from vpharness.events.mbo_event import UNDEFINED_PRICE

ONE_DAY = ("2023-12-25", "2023-12-26")
ES = {"ESH4": [(*ONE_DAY, 7)], "ESM4": [(*ONE_DAY, 8)], "ESH4-ESM4": [(*ONE_DAY, 9)]}
SYSTEM = bytes(databento_dbn.SystemMsg(ts_event=START, msg="heartbeat"))


def source(path: str, **choice: str | int) -> DbnSource:
    """Return a source with the tick size of the E-mini."""
    return DbnSource(path, tick_size=0.25, **choice)  # type: ignore[arg-type]  # the tests choose the right types


def test_the_layout_is_that_of_the_decoder() -> None:
    """Field for field, records are laid out as databento_dbn lays them out."""
    made = databento_dbn.MBOMsg(
        publisher_id=1,
        instrument_id=7,
        ts_event=11,
        order_id=12,
        price=-13,
        size=14,
        action=ENUMS.Action.MODIFY,
        side=ENUMS.Side.ASK,
        ts_recv=15,
        flags=130,
    )
    view = np.frombuffer(bytes(made), mbo_dtype(56))[0]
    head = (56 // 4, ENUMS.RType.MBO.value, 1, 7, 11)
    assert view.tolist() == (*head, 12, -13, 14, 130, made.channel_id, ord("M"), ord("A"), 15, 0, 0)
    assert bytes(made) == mbo(7, 11, 12, -13, 14, b"M", b"A", 130, 15)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_become_events_as_they_are(tmp_path: Path, compression: str, version: int) -> None:
    """Every action, and the largest values, plain or compressed, in every version of the format."""
    undefined, largest = 2**63 - 1, 2**64 - 1
    data = metadata(ES, version=version) + b"".join(
        [
            mbo(ts_event=START, action=b"R", side=b"N", price=undefined, order_id=0, size=0, flags=40),
            mbo(ts_event=START + 1, order_id=largest, size=2**32 - 1),
            mbo(ts_event=START, action=b"M", side=b"A", price=-5, flags=0),
            *(mbo(ts_event=START + 2, action=action) for action in (b"C", b"T", b"F", b"N")),
            mbo(ts_event=2**63 - 1, ts_recv=START),
        ]
    )
    path = write(tmp_path, "es.dbn", COMPRESSIONS[compression](data))
    found, stream = read(source(path, symbol="ESH4"))
    assert found == [
        (START, "R", "N", undefined, 0, 0, 40),
        (START + 1, "A", "B", 10**9, 2**32 - 1, largest, 128),
        (START, "M", "A", -5, 1, 1, 0),
        *((START + 2, action, "B", 10**9, 1, 1, 128) for action in "CTFN"),
        (2**63 - 1, "A", "B", 10**9, 1, 1, 128),
    ]
    assert (stream.instrument, stream.size_unit, stream.progress()) == ("ESH4", 1.0, 1.0)
    assert set(stream.counts.values()) == {0}


MIXED = b"".join(
    [
        mbo(9, order_id=1),
        mbo(7, order_id=2),
        SYSTEM,
        mbo(8, order_id=3),
        mbo(7, order_id=4),
        mbo(99),
        symbol_mapping(5, "X"),
    ]
)


@pytest.mark.parametrize("choice", [{"symbol": "ESH4"}, {"instrument_id": 7}])
def test_other_records_are_skipped_and_counted_by_reason(tmp_path: Path, choice: dict[str, str | int]) -> None:
    """One instrument is taken, by symbol or by id; spreads, others and other types of records are told apart."""
    path = write(tmp_path, "es.dbn", metadata(ES, schema=None) + MIXED)
    found, stream = read(source(path, **choice))
    assert [order_id for *_, order_id, _ in found] == [2, 4]
    assert stream.counts == {"skipped_spread": 1, "skipped_other_instrument": 2, "skipped_other_record": 2}
    assert stream.instrument == "ESH4"


def test_the_only_outright_is_taken_unasked(tmp_path: Path) -> None:
    """Where neither symbol nor id is given, spreads do not stand in the way, wherever they come."""
    body = mbo(9, order_id=1) + mbo(7, order_id=2) + mbo(9, order_id=3)
    found, stream = read(source(write(tmp_path, "es.dbn", metadata(ES) + body)))
    assert [order_id for *_, order_id, _ in found] == [2]
    assert (stream.instrument, stream.counts["skipped_spread"]) == ("ESH4", 2)
    assert read(source(write(tmp_path, "bare.dbn", metadata() + mbo(7))))[1].instrument == "7"


def test_several_outrights_unasked_are_refused_with_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the choices, even if the second instrument comes late."""
    monkeypatch.setattr(dbn, "BLOCK_BYTES", 56)
    path = write(tmp_path, "es.dbn", metadata(ES) + mbo(7) * 50 + mbo(8))
    with pytest.raises(SourceError, match=r"holds several instruments: ESH4, ESM4; choose one with source\.symbol"):
        events(source(path))


def test_spreads_alone_are_refused_unasked_and_taken_when_named(tmp_path: Path) -> None:
    """A spread is never taken for an outright, but may be asked for."""
    path = write(tmp_path, "es.dbn", metadata(ES) + mbo(9))
    with pytest.raises(SourceError, match=r"holds spreads alone: ESH4-ESM4; name one with source\.symbol"):
        events(source(path))
    assert len(events(source(path, symbol="ESH4-ESM4"))) == 1


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("ESH4-ESM4", True),
        ("ES:BF H4-M4-U4", True),
        ("UD:1V: GN 123", True),
        ("BRN FMG0024-BRN FMH0024", True),
        ("ESH4", False),
        ("ESH4 C4800", False),
        ("BAC-K", False),
        ("LOZ4 C-500", False),
        ("AAPL  240119C00150000", False),
    ],
)
def test_spreads_are_known_by_their_symbol(symbol: str, expected: bool) -> None:
    """Futures spreads and strategies, but no options, shares or preferred shares."""
    assert is_spread(symbol) is expected


def test_an_id_stands_for_a_symbol_on_its_days_alone(tmp_path: Path) -> None:
    """Ids are reused: a record counts by the day it was received, so that an old order of a snapshot is in."""
    mappings = {
        "A": [("2023-12-25", "2023-12-26", 7), ("2023-12-26", "2023-12-28", 8)],
        "B": [("2023-12-25", "2023-12-26", 8), ("2023-12-26", "2023-12-28", 7)],
    }
    body = [
        mbo(7, ts_event=START - DAY, ts_recv=START, order_id=1),
        mbo(8, ts_event=START, order_id=2),
        mbo(7, ts_event=START + DAY - 1, order_id=3),
        mbo(7, ts_event=START + DAY, order_id=4),
        mbo(8, ts_event=START + DAY, order_id=5),
        mbo(8, ts_event=START + DAY, ts_recv=UNDEFINED_TIME, order_id=6),
        mbo(8, ts_event=START + 3 * DAY, order_id=7),
    ]
    path = write(tmp_path, "ab.dbn", metadata(mappings) + b"".join(body))
    found, stream = read(source(path, symbol="A"))
    assert [order_id for *_, order_id, _ in found] == [1, 3, 5, 6]
    assert stream.counts["skipped_other_instrument"] == 3


@pytest.mark.parametrize("version", [1, 2, 3])
def test_mapping_records_of_a_live_capture_name_instruments_from_there_on(tmp_path: Path, version: int) -> None:
    """A symbol may move to another id in the middle, and what the id stood for before is another instrument."""
    body = [
        mbo(7, order_id=1),
        symbol_mapping(7, "ESH4", version),
        symbol_mapping(8, "ESH4-ESM4", version),
        mbo(7, order_id=2),
        mbo(8, order_id=3),
        symbol_mapping(8, "ESH4", version),
        mbo(7, order_id=4),
        mbo(8, order_id=5),
        symbol_mapping(8, "ESZ4", version),
        mbo(8, order_id=6),
    ]
    path = write(tmp_path, "live.dbn", metadata(schema=None, version=version) + b"".join(body))
    assert [order_id for *_, order_id, _ in events(source(path, symbol="ESH4"))] == [2, 5]
    assert [order_id for *_, order_id, _ in events(source(path, instrument_id=7))] == [1, 2, 4]


def test_a_file_asked_for_one_symbol_is_taken_by_its_word(tmp_path: Path) -> None:
    """Without mappings, the symbol of the query stands for the only instrument; another symbol does not."""
    path = write(tmp_path, "odd.dbn", metadata(symbols=["ODD"]) + mbo(7))
    found, stream = read(source(path, symbol="ODD"))
    assert (len(found), stream.instrument) == (1, "ODD")
    with pytest.raises(SourceError, match="no such instrument: EVEN; the file holds 7"):
        events(source(path, symbol="EVEN"))


def test_times_of_sending_are_passed_over(tmp_path: Path) -> None:
    """Captures with ts_out have records that are 8 bytes longer."""
    path = write(tmp_path, "es.dbn", metadata(ts_out=True) + mbo(order_id=1, ts_out=5) + mbo(order_id=2, ts_out=6))
    assert [order_id for *_, order_id, _ in events(source(path))] == [1, 2]


RECORD = st.sampled_from([mbo(7, order_id=n) for n in range(5)] + [mbo(8), mbo(9), SYSTEM, symbol_mapping(5, "X")])


@given(st.lists(RECORD, min_size=1, max_size=200), st.integers(16, 700))
@examples()
def test_the_size_of_blocks_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, body: list[bytes], block: int
) -> None:
    """Records of any mixture, cut anywhere, are those that databento_dbn decodes one by one."""
    data = metadata(ES, schema=None) + mbo(7) + b"".join(body)
    path = write(tmp_path_factory.getbasetemp(), "cut.dbn", data)
    decoder = databento_dbn.DBNDecoder()
    expected = [
        (
            record.ts_event,
            str(record.action),
            str(record.side),
            record.price,
            record.size,
            record.order_id,
            record.flags,
        )
        for record in decoder.write_and_decode(data)
        if isinstance(record, databento_dbn.MBOMsg) and record.instrument_id == 7
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbn, "BLOCK_BYTES", block)
        assert events(source(path, symbol="ESH4")) == expected


def test_no_chunk_is_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a block holds is handed out in chunks."""
    monkeypatch.setattr(dbn, "CHUNK_EVENTS", 10)
    path = write(tmp_path, "es.dbn", metadata() + mbo() * 95)
    with source(path).open() as stream:
        assert [len(chunk) for chunk in stream.chunks] == [10] * 9 + [5]


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (mbo(ts_event=UNDEFINED_TIME), f"record 3 has the ts_event {UNDEFINED_TIME}; expected a time"),
        (mbo(ts_event=2**63), "record 3 has the ts_event"),
        (mbo(action=b"X"), "record 3 has the action 88; expected the code of one of A C M R T F N"),
        (mbo(side=b"\0"), "record 3 has the side 0; expected the code of one of B A N"),
        (b"\0" + mbo()[1:], "record 3 says it is 0 bytes long"),
        (b"\3" + mbo()[1:], "record 3 says it is 12 bytes long"),
        (mbo()[:1] + b"\xfe" + mbo()[2:], "record 3 has the unknown type 254"),
        (mbo(ts_out=1), "record 3 is an MBO record of 64 bytes; expected 56"),
        (mbo()[:55], "truncated: the file ends 55 bytes into record 3"),
        (mbo()[:7], "truncated: the file ends 7 bytes into record 3"),
    ],
)
def test_a_broken_record_is_named_by_its_number(tmp_path: Path, record: bytes, complaint: str) -> None:
    """The error gives the file, the record and what is wrong with it."""
    path = write(tmp_path, "es.dbn", metadata() + mbo() * 2 + record)
    with pytest.raises(SourceError, match=rf"es\.dbn: {complaint}"):
        events(source(path))


def test_a_broken_record_of_another_instrument_does_not_matter(tmp_path: Path) -> None:
    """What is skipped is not judged."""
    path = write(tmp_path, "es.dbn", metadata(ES) + mbo(8, action=b"X") + mbo(7))
    assert len(events(source(path, symbol="ESH4"))) == 1


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "the file is empty"),
        (b"DB", "is no DBN file"),
        (b"DBN\x03", "truncated: the file ends inside of its metadata"),
        (b"ts,action\n1,2\n", "is no DBN file: it begins with b'ts,actio'"),
        (b"DBN\x09" + metadata()[4:] + mbo(), "metadata cannot be decoded: .*newer version"),
        (b"DBN\x03\x08\0\0\0" + b"\xff" * 99, "metadata cannot be decoded"),
        (metadata()[:-1], "truncated: the file ends inside of its metadata"),
        (metadata(), "holds no market-by-order record"),
        (metadata(schema=None) + SYSTEM, "holds no market-by-order record"),
        (metadata(schema=ENUMS.Schema.TRADES), "holds the schema trades; expected mbo"),
    ],
)
def test_a_file_that_is_none_of_its_kind_is_refused(tmp_path: Path, data: bytes, complaint: str) -> None:
    """Empty, foreign, newer and cut files, and other schemas, give one clear line."""
    with pytest.raises(SourceError, match=rf"es\.dbn: .*{complaint}"):
        events(source(write(tmp_path, "es.dbn", data)))


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_truncated_compressed_file_is_refused(tmp_path: Path, compression: str) -> None:
    """Even when only whole records are lost."""
    data = COMPRESSIONS[compression](metadata() + b"".join(mbo(order_id=n) for n in range(999)))
    for lost in (1, 10, len(data) // 2):
        with pytest.raises(SourceError, match="truncated"):
            events(source(write(tmp_path, "es.dbn.zst", data[:-lost])))


def test_an_instrument_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    """By symbol at once, by id when the file has been read."""
    path = write(tmp_path, "es.dbn", metadata(ES) + mbo(7) + mbo(77))
    with pytest.raises(SourceError, match="no such instrument: ESZ9; the file holds ESH4, ESH4-ESM4, ESM4"):
        events(source(path, symbol="ESZ9"))
    with pytest.raises(SourceError, match="no such instrument: ESM4; the file holds 77, ESH4"):
        events(source(path, symbol="ESM4"))
    with pytest.raises(SourceError, match="no such instrument: 5; the file holds 77, ESH4"):
        events(source(path, instrument_id=5))


def test_symbol_and_id_together_are_refused(tmp_path: Path) -> None:
    """Parameters are checked before the file is looked for."""
    with pytest.raises(ConfigError, match="give one of the two"):
        events(source(str(tmp_path / "nowhere"), symbol="ESH4", instrument_id=7))
    with pytest.raises(ConfigError, match="instrument_id is -1"):
        events(source(str(tmp_path / "nowhere"), instrument_id=-1))


def test_identity_names_content_and_choice_but_no_path(tmp_path: Path) -> None:
    """What changes the events changes the identity; where the file lies does not."""
    one, two = (write(tmp_path, name, metadata(ES) + mbo(7)) for name in ("a.dbn", "b.dbn"))
    assert source(one, symbol="ESH4").identity() == source(two, symbol="ESH4").identity()
    other = write(tmp_path, "c.dbn", metadata(ES) + mbo(7) * 2)
    identities = [
        s.identity() for s in (source(one), source(one, symbol="ESH4"), source(one, instrument_id=7), source(other))
    ]
    assert all(identities.count(identity) == 1 for identity in identities)
    assert str(tmp_path) not in str(identities)


def test_the_publisher_of_a_record_is_that_of_its_event(tmp_path: Path) -> None:
    """Two venues with the same ids are two books: the consolidated one has both, and loses one by its R."""
    records = [
        mbo(order_id=1, price=150_00 * 10**7, publisher=39),
        mbo(order_id=2, price=150_05 * 10**7, side=b"A", publisher=39),
        mbo(order_id=1, price=149_90 * 10**7, publisher=40),
        mbo(order_id=2, price=150_20 * 10**7, side=b"A", publisher=40),
        mbo(order_id=0, price=UNDEFINED_PRICE, size=0, action=b"R", side=b"N", publisher=40),
        mbo(order_id=0, price=UNDEFINED_PRICE, size=0, action=b"N", side=b"N", publisher=65535),
    ]
    path = write(tmp_path, "venues.dbn", metadata(ES) + b"".join(records))
    with DbnSource(path, tick_size=0.01, instrument_id=7).open() as stream:
        found = np.concatenate(list(stream.chunks))
    assert found["publisher"].tolist() == [39, 39, 40, 40, 40, 65535]
    bins = run_engine(found, tick_int=10**7, cell_width_ms=100, radius=2).finished.bins
    assert bins[["best_bid_price_int", "best_ask_price_int"]].tolist() == [(150_00 * 10**7, 150_05 * 10**7)]
