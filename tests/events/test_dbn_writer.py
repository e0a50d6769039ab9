"""What the DBN writer writes is what Databento's own decoder reads."""

import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import databento_dbn
import numpy as np
import pytest
import zstandard
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError
from vpharness.events.dbn_records import MBO_RECORD_DTYPE
from vpharness.events.dbn_writer import write_dbn
from vpharness.events.event_source import EventStream
from vpharness.events.mbo_event import ADD, BID, EVENT_DTYPE, FLAG_LAST
from vpharness.events.synthetic import SyntheticSource
from vpharness.storage.durable import ABANDONED_S, aside_of


def stream_of(*chunks: NDArray[np.void]) -> EventStream:
    """Open chunks of events as a source would."""
    return EventStream(instrument="SYN", size_unit=1.0, chunks=iter(chunks))


def write(path: Path, stream: EventStream) -> int:
    """Write a source under the names that the tests look for."""
    return write_dbn(path, stream, dataset="SYNTHETIC", symbol="SYN", instrument_id=7)


def some_events(count: int = 3) -> NDArray[np.void]:
    """Return adds at odd nanoseconds, each an exchange event of its own."""
    events = np.zeros(count, EVENT_DTYPE)
    events["ts_ns"] = 1_704_205_800_000_000_001 + np.arange(count)
    events["price"] = 4_800_250_000_000
    events["size"] = 1 + np.arange(count)
    events["order_id"] = 2**64 - 1 - np.arange(count, dtype=np.uint64)
    events["action"], events["side"], events["flags"] = ADD, BID, FLAG_LAST
    return events


def decode(data: bytes) -> tuple[databento_dbn.Metadata, list[databento_dbn.MBOMsg]]:
    """Read a plain DBN file with the library's decoder."""
    decoder = databento_dbn.DBNDecoder()
    decoder.write(data)
    metadata, *records = decoder.decode()
    assert isinstance(metadata, databento_dbn.Metadata)
    return metadata, records  # type: ignore[return-value] # the decoder is typed for records of every schema


@pytest.mark.parametrize("suffix", [".dbn", ".dbn.zst"])
def test_every_field_of_every_event_is_read_back(tmp_path: Path, suffix: str) -> None:
    """A minute of synthetic market comes back field by field, plain or compressed."""
    source = SyntheticSource(minutes=1, seed=5)
    with source.open() as stream:
        chunks = list(stream.chunks)
    events = np.concatenate(chunks)
    path = tmp_path / f"market{suffix}"

    assert write(path, stream_of(*chunks)) == len(events)

    data = path.read_bytes()
    metadata, records = decode(zstandard.ZstdDecompressor().decompress(data) if suffix == ".dbn.zst" else data)
    assert (metadata.schema, metadata.dataset, metadata.symbols) == ("mbo", "SYNTHETIC", ["SYN"])
    assert len(records) == len(events)
    for name, read in (
        ("ts_ns", [r.ts_event for r in records]),
        ("price", [r.price for r in records]),
        ("size", [r.size for r in records]),
        ("order_id", [r.order_id for r in records]),
        ("action", [ord(str(r.action)) for r in records]),
        ("side", [ord(str(r.side)) for r in records]),
        ("flags", [int(r.flags) for r in records]),
    ):
        assert read == events[name].tolist(), name
    assert {r.instrument_id for r in records} == {7}
    assert [r.ts_recv for r in records] == [r.ts_event for r in records]


def test_records_are_laid_out_as_the_library_says() -> None:
    """The structured dtype has the names, offsets and size of databento_dbn's MBOMsg."""
    theirs = np.dtype(databento_dbn.MBOMsg._dtypes)
    assert MBO_RECORD_DTYPE.itemsize == databento_dbn.MBOMsg.size_hint == 56
    assert MBO_RECORD_DTYPE.names == theirs.names
    for name in theirs.names or ():
        assert MBO_RECORD_DTYPE.fields is not None
        assert theirs.fields is not None
        assert MBO_RECORD_DTYPE.fields[name][1] == theirs.fields[name][1]


def test_metadata_tell_the_span_and_map_the_symbol_on_all_its_days(tmp_path: Path) -> None:
    """The mapping runs from the first event's day to the day after the last event's, also over midnight."""
    events = some_events(2)
    events["ts_ns"] = [1_704_239_999_999_999_999, 1_704_240_000_000_000_001]
    write(tmp_path / "two-days.dbn", stream_of(events[:1], events[1:]))
    metadata, _ = decode((tmp_path / "two-days.dbn").read_bytes())
    assert (metadata.start, metadata.end) == (1_704_239_999_999_999_999, 1_704_240_000_000_000_002)
    (interval,) = metadata.mappings["SYN"]
    assert interval == {"start_date": date(2024, 1, 2), "end_date": date(2024, 1, 4), "symbol": "7"}


def test_records_of_one_exchange_event_share_a_sequence_number(tmp_path: Path) -> None:
    """The number rises after each record with the last flag, across chunks too."""
    events = some_events(4)
    events["flags"] = [0, FLAG_LAST, 0, FLAG_LAST]
    write(tmp_path / "a.dbn", stream_of(events[:1], events[1:3], events[3:]))
    _, records = decode((tmp_path / "a.dbn").read_bytes())
    assert [record.sequence for record in records] == [1, 1, 2, 2]


@pytest.mark.parametrize("suffix", [".dbn", ".dbn.zst"])
def test_what_a_killed_writer_has_left_is_deleted_by_the_next_a_day_later(tmp_path: Path, suffix: str) -> None:
    """Of whichever file it was; what is newer, and what bears another name, is kept."""
    left = [aside_of(tmp_path / "monday.dbn"), aside_of(tmp_path / "monday.dbn.zst")]
    kept = {aside_of(tmp_path / "tuesday.dbn"), aside_of(tmp_path / "notes.txt")}
    then = time.time() - ABANDONED_S - 60
    for path in (*left, *kept):
        path.write_bytes(b"half")
        if "tuesday" not in path.name:
            os.utime(path, (then, then))
    write(tmp_path / f"market{suffix}", stream_of(some_events()))
    assert set(tmp_path.iterdir()) == {*kept, tmp_path / f"market{suffix}"}


@pytest.mark.parametrize("suffix", [".dbn", ".dbn.zst"])
def test_a_source_that_breaks_off_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """An error in the middle of the source is passed on, and no file or folder stays behind."""

    def broken() -> Iterator[NDArray[np.void]]:
        yield some_events()
        raise SourceError("broken row")

    with pytest.raises(SourceError, match="broken row"):
        write(tmp_path / f"a{suffix}", EventStream("SYN", 1.0, broken()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sizes", "error", "words"),
    [
        ("a.csv", [1], ConfigError, "must end in .dbn or .dbn.zst"),
        ("taken.dbn", [1], ConfigError, "there is a file already"),
        ("a.dbn", [2**32], SourceError, "DBN holds 0 to 4294967295"),
        ("a.dbn", [], SourceError, "no events"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, sizes: list[int], error: type[Exception], words: str
) -> None:
    """Each reason gives one clear line and leaves the folder as it was."""
    (tmp_path / "taken.dbn").write_bytes(b"mine")
    events = some_events(len(sizes))
    events["size"] = sizes
    with pytest.raises(error, match=words):
        write(tmp_path / name, stream_of(events))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.dbn"]
    assert (tmp_path / "taken.dbn").read_bytes() == b"mine"
