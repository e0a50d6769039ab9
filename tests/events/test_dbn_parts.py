"""DBN files end to end, fragments without metadata, and venues."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.export_files import DBN, ONE_DAY, RECORDS, TWO, published
from tests.events.samples import COMPRESSIONS, DAY, ENUMS, START, events, mbo, metadata, read, symbol_mapping, write
from tests.examples import examples
from vpharness.errors import ConfigError, SourceError
from vpharness.events import dbn, dbn_records
from vpharness.events.dbn import DbnSource
from vpharness.events.dbn_publishers import publisher_label, venues_text

NEXT_DAY = ("2023-12-26", "2023-12-27")
TUESDAY = {"ESH4": [(*NEXT_DAY, 17)], "ESM4": [(*NEXT_DAY, 7)]}
"""The ids of the next day: that of ESH4 is new, and ESM4 has its old one."""
DAY_TWO = mbo(17, ts_event=START + DAY, order_id=21) + mbo(7, ts_event=START + DAY, order_id=22)


def source(path: str, **choice: str | int) -> DbnSource:
    """Return a source with the tick size of the E-mini."""
    return DbnSource(path, tick_size=0.25, **choice)  # type: ignore[arg-type]  # the tests choose the right types


def order_ids(made: DbnSource) -> list[int]:
    """Return the order id of every event."""
    return [order_id for *_, order_id, _ in events(made)]


@pytest.mark.parametrize("compression", ["plain", "zstd"])
@pytest.mark.parametrize("versions", [(3, 3), (1, 3), (3, 1)])
def test_files_end_to_end_are_read_one_after_the_other(
    tmp_path: Path, compression: str, versions: tuple[int, int]
) -> None:
    """Each says in its own metadata which ids its symbols have; versions may differ, compressed parts too."""
    one = metadata(TWO, version=versions[0]) + mbo(7, order_id=1) + mbo(8, order_id=2) + mbo(7, order_id=3)
    two = metadata(TUESDAY, version=versions[1]) + DAY_TWO
    path = write(tmp_path, "es.dbn", COMPRESSIONS[compression](one) + COMPRESSIONS[compression](two))
    assert order_ids(source(path, symbol="ESH4")) == [1, 3, 21]
    assert order_ids(source(path, symbol="ESM4")) == [2, 22]
    assert order_ids(source(path, instrument_id=7)) == [1, 3, 22]


def test_mapping_records_of_each_part_are_of_its_version(tmp_path: Path) -> None:
    """Live captures end to end name their instruments anew."""
    parts = [
        metadata(schema=None, version=version) + symbol_mapping(number, "ESH4", version) + mbo(number, order_id=number)
        for version, number in ((1, 7), (3, 8))
    ]
    assert order_ids(source(write(tmp_path, "live.dbn", b"".join(parts)), symbol="ESH4")) == [7, 8]


def test_the_only_outright_is_followed_by_its_name(tmp_path: Path) -> None:
    """A symbol's next id is the same instrument, unasked; another symbol is another one, though its id is old."""
    one = metadata({"ESH4": TWO["ESH4"]}) + mbo(7, order_id=1)
    same = metadata({"ESH4": TUESDAY["ESH4"]}) + mbo(17, ts_event=START + DAY, order_id=2)
    found, stream = read(source(write(tmp_path, "es.dbn", one + same)))
    assert ([order_id for *_, order_id, _ in found], stream.instrument) == ([1, 2], "ESH4")
    other = metadata({"ESM4": TUESDAY["ESM4"]}) + mbo(7, ts_event=START + DAY)
    with pytest.raises(SourceError, match="holds several instruments: ESH4, ESM4; choose one"):
        events(source(write(tmp_path, "es.dbn", one + other)))


def test_a_symbol_of_a_later_part_alone_is_found(tmp_path: Path) -> None:
    """What the first part does not hold may be in the next one; what none holds is refused with all there are."""
    one = metadata({"ESZ3": [(*ONE_DAY, 5)]}) + mbo(5)
    path = write(tmp_path, "es.dbn", one + metadata(TUESDAY) + DAY_TWO)
    assert order_ids(source(path, symbol="ESH4")) == [21]
    with pytest.raises(SourceError, match="no such instrument: ESU4; the file holds ESH4, ESM4, ESZ3"):
        events(source(path, symbol="ESU4"))


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (b"DBN\x09" + metadata()[4:] + mbo(), "metadata cannot be decoded: .*newer version"),
        (metadata(schema=ENUMS.Schema.MBP_10) + mbo(), "holds the schema mbp-10; expected mbo: download the schema"),
        (metadata()[:-1], "truncated: the file ends inside of its metadata"),
        (metadata()[:9], "truncated: the file ends inside of its metadata"),
        (metadata() + mbo()[:9], "truncated: the file ends 9 bytes into record 3"),
        (metadata() + mbo(action=b"X"), "record 3 has the action 88"),
        (b"DBN\x03\xff\xff\xff\xff" + bytes(9), "says its metadata is 4294967303 bytes long; at most 268435456"),
        (metadata(ts_out=True) + mbo(), "record 3 is an MBO record of 56 bytes; expected 64"),
    ],
)
def test_a_broken_second_part_is_refused(tmp_path: Path, second: bytes, complaint: str) -> None:
    """Records are counted through all parts."""
    path = write(tmp_path, "es.dbn", metadata() + mbo() * 2 + second)
    with pytest.raises(SourceError, match=rf"es\.dbn: .*{complaint}"):
        events(source(path))


@given(st.lists(st.sampled_from([metadata(TWO), *RECORDS]), min_size=1, max_size=60), st.integers(16, 900))
@examples()
def test_the_size_of_blocks_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, body: list[bytes], block: int
) -> None:
    """Metadata and records, cut anywhere, are those of one block."""
    path = write(tmp_path_factory.getbasetemp(), "parts.dbn", DBN + b"".join(body))
    expected = events(source(path, symbol="ESH4"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbn, "BLOCK_BYTES", block)
        assert events(source(path, symbol="ESH4")) == expected


@pytest.mark.parametrize("compression", ["plain", "zstd"])
def test_a_fragment_is_named_by_the_choice(tmp_path: Path, compression: str) -> None:
    """By the symbol where it holds one instrument, by the id among several, or by its own mapping records."""
    one, two = mbo(7, order_id=1) + mbo(7, order_id=2), mbo(7, order_id=1) + mbo(8, order_id=2)
    path = write(tmp_path, "es.dbn.frag", COMPRESSIONS[compression](one))
    found, stream = read(source(path, symbol="ESH4"))
    assert (len(found), stream.instrument) == (2, "ESH4")
    assert stream.notes == ["the file names no instruments: its only one is taken for ESH4"]
    assert read(source(path))[1].instrument == "7"
    path = write(tmp_path, "two.dbn.frag", COMPRESSIONS[compression](two))
    assert order_ids(source(path, instrument_id=8)) == [2]
    with pytest.raises(SourceError, match=r"several instruments: 7, 8; choose one with source\.instrument_id, or name"):
        events(source(path, symbol="ESH4"))


@pytest.mark.parametrize("version", [1, 3])
def test_a_fragment_of_a_live_capture_names_its_instruments(tmp_path: Path, version: int) -> None:
    """Mapping records tell their version by their length, and hold from where they stand."""
    body = (
        symbol_mapping(8, "ESM4", version)
        + symbol_mapping(7, "ESH4", version)
        + mbo(8, order_id=1)
        + mbo(7, order_id=2)
    )
    found, stream = read(source(write(tmp_path, "live.dbn.frag", body), symbol="ESH4"))
    assert ([order_id for *_, order_id, _ in found], stream.notes) == ([2], [])


def test_times_of_sending_in_a_fragment_are_passed_over(tmp_path: Path) -> None:
    """The length of its first record says whether they are there."""
    path = write(tmp_path, "es.dbn.frag", mbo(order_id=1, ts_out=5) + mbo(order_id=2, ts_out=6))
    assert order_ids(source(path)) == [1, 2]
    path = write(tmp_path, "es.dbn.frag", mbo(order_id=1, ts_out=5) + mbo(order_id=2))
    with pytest.raises(SourceError, match="record 2 is an MBO record of 56 bytes; expected 64"):
        events(source(path))


def test_a_venue_is_chosen_by_its_publisher(tmp_path: Path) -> None:
    """All venues together say so in a note; one alone is taken with source.publisher_id, and the others counted."""
    body = [published(mbo(7, order_id=n), publisher) for n, publisher in enumerate((39, 40, 40, 39, 40))]
    path = write(tmp_path, "es.dbn", metadata({"ESH4": TWO["ESH4"]}) + b"".join(body))
    found, stream = read(source(path))
    assert (len(found), stream.counts["skipped_other_publisher"]) == (5, 0)
    (note,) = stream.notes
    assert note.startswith(
        "the book is consolidated from 2 venues: DBEQ.BASIC.XCIS (40), DBEQ.BASIC.XCHI (39); source."
    )
    with source(path).open() as opened:
        assert [number for chunk in opened.chunks for number in chunk["publisher"].tolist()] == [39, 40, 40, 39, 40]
    found, stream = read(source(path, publisher_id=39))
    assert ([order_id for *_, order_id, _ in found], stream.notes) == ([0, 3], [])
    assert stream.counts["skipped_other_publisher"] == 3
    with pytest.raises(SourceError, match=r"no record of the publisher XNAS\.ITCH\.XNAS \(2\); the venues of ESH4 are"):
        events(source(path, publisher_id=2))
    with pytest.raises(ConfigError, match="publisher_id is 65536; it must be at most 65535"):
        events(source(path, publisher_id=1 << 16))


def test_the_chosen_publisher_belongs_to_the_identity_where_it_is_given(tmp_path: Path) -> None:
    """Datasets that were built before there was a choice keep theirs."""
    path = write(tmp_path, "es.dbn", DBN)
    assert set(source(path).identity()) == {"kind", "version", "tick_size", "symbol", "instrument_id", "sha256"}
    assert source(path, publisher_id=2).identity() == source(path).identity() | {"publisher_id": 2}


def test_publishers_are_named_as_databento_names_them() -> None:
    """Every number of Databento's client has the client's name; an unknown one is shown as a number."""
    publishers = pytest.importorskip("databento.common.publishers").Publisher
    for publisher in publishers:
        assert publisher_label(publisher.to_int()) == f"{publisher} ({publisher.to_int()})"
    assert publisher_label(60_000) == "60000"
    assert venues_text(dict.fromkeys(range(1, 11), 5)).endswith("EDGX.PITCH.EDGX (8) and 2 more")


def test_no_record_type_can_be_taken_for_the_next_file() -> None:
    """The second letter of the magic is no type of record."""
    assert dbn_records.MAGIC[1] not in dbn_records.KNOWN_TYPES
