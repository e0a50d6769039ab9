"""Several files as one source: a list, a glob or a folder, in the order of time."""

import contextlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.events.export_files import csv_of, json_of, parquet_of
from tests.events.recordings import COINBASE
from tests.events.samples import COMPRESSIONS, DAY, START, events, mbo, metadata, read, write
from tests.lattice.engine_help import run_engine
from vpharness.datasets.sources import source_values
from vpharness.errors import ConfigError, SourceError
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.dbn import DbnSource
from vpharness.events.input_files import sha256
from vpharness.events.many_files import files_of, opened_in_order
from vpharness.events.mbo_event import UNDEFINED_PRICE

HOUR = 3600 * 10**9
MINUTE = HOUR // 60
SECOND = 10**9


def day(
    folder: Path, name: str, *times: int, symbol: str = "ESH4", number: int = 7, snapshot_ns: int | None = None
) -> str:
    """Write a DBN file with an order at each time, and before them a snapshot of one order."""
    mapping = {symbol: [("2023-12-01", "2024-02-01", number)]}
    snapshot = b"" if snapshot_ns is None else mbo(number, snapshot_ns, 900, flags=32 | 128)
    orders = b"".join(mbo(number, time, place + time // MINUTE) for place, time in enumerate(times))
    return write(folder, name, metadata(mapping) + snapshot + orders)


@pytest.fixture
def days(tmp_path: Path) -> list[str]:
    """Return three files of consecutive minutes, whose names do not sort in the order of time."""
    names = {"b.dbn": 0, "c.dbn": 2, "a.dbn": 1}
    return [day(tmp_path, name, START + place * MINUTE, START + place * MINUTE + 9) for name, place in names.items()]


def test_a_list_a_glob_and_a_folder_give_the_same_events_in_the_order_of_time(days: list[str], tmp_path: Path) -> None:
    """However the files are named and listed; identity too, which holds each file's checksum in that order."""
    b, c, a = days
    write(tmp_path, "notes.txt", "not a source")
    (tmp_path / "old.dbn").mkdir()
    expected = [event for path in (b, a, c) for event in events(DbnSource(path, 0.25))]
    values: list[Any] = [
        *itertools.permutations(days),
        str(tmp_path),
        str(tmp_path / "*.dbn"),
        str(tmp_path / "[abc].dbn"),
    ]
    for value in (list(each) if isinstance(each, tuple) else each for each in values):
        source = DbnSource(value, 0.25)
        found, stream = read(source)
        assert found == expected
        assert source.identity()["sha256"] == [sha256(path) for path in (b, a, c)]
        assert stream.bytes_total == stream.bytes_read == sum(Path(path).stat().st_size for path in days)
        assert stream.notes == []
        assert stream.progress() == 1.0


def test_one_file_is_what_it_was(days: list[str], tmp_path: Path) -> None:
    """Whether it is named, listed alone, or alone in its folder: its identity holds one checksum."""
    (tmp_path / "one").mkdir()
    path = str(Path(days[0]).rename(tmp_path / "one" / "b.dbn"))
    for value in (path, [path], str(tmp_path / "one")):
        source = DbnSource(value, 0.25)
        assert source.identity()["sha256"] == sha256(path)
        assert len(events(source)) == 2


def test_counts_of_all_files_are_summed(tmp_path: Path) -> None:
    """What each file left out."""
    mapping = {"ESH4": [("2023-12-01", "2024-02-01", 7)], "ESM4": [("2023-12-01", "2024-02-01", 8)]}
    paths = [
        write(tmp_path, f"{place}.dbn", metadata(mapping) + mbo(8, START + place) * (place + 1) + mbo(7, START + place))
        for place in range(3)
    ]
    _, stream = read(DbnSource(paths, 0.25, symbol="ESH4"))
    assert stream.counts == {"skipped_other_instrument": 6, "skipped_other_record": 0, "skipped_spread": 0}


def test_a_snapshot_says_nothing_of_a_files_place(tmp_path: Path) -> None:
    """Its orders may be days old."""
    early = day(tmp_path, "early.dbn", START, START + 1)
    late = day(tmp_path, "late.dbn", START + 5, START + 6, snapshot_ns=START - 3 * DAY)
    found, stream = read(DbnSource([late, early], 0.25))
    assert [event[0] - START for event in found] == [0, 1, -3 * DAY, 5, 6]
    assert stream.notes == []


def test_an_overlap_and_a_gap_are_notes(tmp_path: Path) -> None:
    """Both with their times; a gap of an hour is none yet."""
    paths = [
        day(tmp_path, "a.dbn", START, START + HOUR),
        day(tmp_path, "b.dbn", START + HOUR - MINUTE, START + 2 * HOUR),
        day(tmp_path, "c.dbn", START + 3 * HOUR),
        day(tmp_path, "d.dbn", START + 8 * HOUR),
    ]
    found, stream = read(DbnSource(paths, 0.25))
    assert len(found) == 7
    assert found[5] == (START + 3 * HOUR + SECOND, "N", "N", 0, 0, 0, 4 | 128), "what may be missing before d.dbn"
    assert stream.notes == [
        (
            "b.dbn begins at 2023-12-25T00:59:00.000+00:00, before a.dbn ends at 2023-12-25T01:00:00.000+00:00: the "
            "files overlap; events earlier than 2023-12-25T01:00:00.000+00:00 were moved to that time (clamped_ts)"
        ),
        (
            "no file holds the 5.0 hours from 2023-12-25T03:00:00.000+00:00 to 2023-12-25T08:00:00.000+00:00: the book "
            "is not valid from there until a snapshot or a clear restates it"
        ),
    ]


def test_a_foreign_file_among_others_is_named_with_a_way_out(tmp_path: Path) -> None:
    """It stops everything, and a glob leaves it out."""
    day(tmp_path, "a.dbn", START, START + HOUR)
    (tmp_path / "b.dbn").write_bytes(b"something else")
    with pytest.raises(SourceError, match=r"b\.dbn: is no DBN file.*; if it does not belong .* a glob, such as .*NAME"):
        read(DbnSource(str(tmp_path), 0.25))


def test_files_of_two_instruments_years_apart_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """A roll of a contract is a note; this is two feeds, both of which are named."""
    first = day(tmp_path, "a.dbn", START, START + HOUR)
    other = write(
        tmp_path,
        "b.dbn",
        metadata({"ZZZ9": [("2023-12-01", "2026-02-01", 9)]}) + mbo(9, START + 400 * DAY, 1),
    )
    with pytest.raises(SourceError, match=r"a\.dbn is of ESH4 and begins at .*, b\.dbn of ZZZ9 and at .*: make a data"):
        read(DbnSource([first, other], 0.25))


def test_many_gaps_are_one_note(tmp_path: Path) -> None:
    """Of a month of days nobody reads thirty sentences."""
    paths = [day(tmp_path, f"{place}.dbn", START + place * DAY + max(0, place - 6)) for place in range(8)]
    _, stream = read(DbnSource(paths, 0.25))
    (note,) = stream.notes
    assert note == (
        "7 times without a file, the longest: no file holds the 24.0 hours from 2023-12-31T00:00:00.000+00:00 to "
        "2024-01-01T00:00:00.000+00:00: the book is not valid from there until a snapshot or a clear restates it"
    )


def test_the_book_is_emptied_where_the_instrument_changes(tmp_path: Path) -> None:
    """A roll: silently, at the next file's first event, and said."""
    paths = [day(tmp_path, "h.dbn", START), day(tmp_path, "m.dbn", START + 9, symbol="ESM4", number=8)]
    found, stream = read(DbnSource(paths[::-1], 0.25))
    assert [(event[0] - START, event[1], event[2], event[6]) for event in found] == [
        (0, "A", "B", 128),
        (9, "R", "N", 32 | 128),
        (9, "A", "B", 128),
    ]
    assert stream.instrument == "ESH4"
    assert stream.notes == [
        "the instrument changes from ESH4 to ESM4 at 2023-12-25T00:00:00.000+00:00 (m.dbn): the book is emptied there"
    ]


def book_of_a_day(number: int, begin_ns: int, *, restates: bool) -> bytes:
    """Return a bid and an ask, behind a clear where the day restates its book, and another bid half a second later."""
    clear = mbo(number, begin_ns, 0, UNDEFINED_PRICE, 0, b"R", b"N")
    bid, ask = mbo(number, begin_ns, 1, 40 * 10**9), mbo(number, begin_ns, 2, 41 * 10**9, side=b"A")
    return clear * restates + bid + ask + mbo(number, begin_ns + SECOND // 2, 3, 39 * 10**9)


@pytest.mark.parametrize(("number", "restates"), [(8, True), (8, False), (7, True)])
def test_no_book_outlives_its_file_through_a_night(tmp_path: Path, number: int, restates: bool) -> None:
    """Of another instrument, and of the same one after hours without a file: the bins between have no valid book."""
    names = {7: "ESH4", 8: "ESM4"}
    paths = [
        write(
            tmp_path,
            f"{place}.dbn",
            metadata({names[each]: [("2023-12-01", "2024-02-01", each)]})
            + book_of_a_day(each, START + place * 2 * HOUR, restates=restates),
        )
        for place, each in enumerate((7, number))
    ]
    with DbnSource(paths, 1.0).open() as stream:
        found = np.concatenate(list(stream.chunks))
    bins = run_engine(found, tick_int=10**9, size_unit=1.0, cell_width_ms=1000).finished.bins
    ends, valid = bins["bin_end_ns"] - START, bins["book_valid"]
    assert valid[ends <= SECOND].all()
    assert not valid[(ends > 2 * SECOND) & (ends <= 2 * HOUR)].any()
    assert valid[ends > 2 * HOUR].all()


def test_a_file_that_goes_on_after_hours_is_in_doubt_until_it_restates_the_book(tmp_path: Path) -> None:
    """What is missing between may have changed every order: a note says so."""
    head = metadata({"ESH4": [("2023-12-01", "2024-02-01", 7)]})
    days = [head + book_of_a_day(7, START + place * 2 * HOUR, restates=False) for place in range(2)]
    paths = [write(tmp_path, f"{place}.dbn", each) for place, each in enumerate(days)]
    with DbnSource(paths, 1.0).open() as stream:
        found = np.concatenate(list(stream.chunks))
    bins = run_engine(found, tick_int=10**9, size_unit=1.0, cell_width_ms=1000).finished.bins
    assert not bins["book_valid"][bins["bin_end_ns"] > START + 2 * SECOND].any()
    assert "the book is not valid from there until a snapshot or a clear restates it" in stream.notes[0]


def test_the_book_of_one_instrument_goes_on(days: list[str]) -> None:
    """No event is made where one file follows another, unless a source says that its files stand alone."""
    assert [event[1] for event in events(DbnSource(days, 0.25))] == ["A"] * 6
    with opened_in_order(days, DbnSource(days, 0.25)._opened, is_new_book=True) as stream:
        actions = "".join(chr(action) for chunk in stream.chunks for action in chunk["action"])
    assert actions == "AARAARAA"


def test_files_are_closed_where_reading_ends_early(days: list[str]) -> None:
    """One is open at a time, and none when the stream is left."""
    open_now: list[str] = []
    source = DbnSource(days, 0.25)

    @contextlib.contextmanager
    def opened(path: str) -> Any:
        with source._opened(path) as stream:
            open_now.append(path)
            assert len(open_now) == 1
            yield stream
            open_now.clear()

    with opened_in_order(days, opened) as stream:
        next(stream.chunks)
        assert open_now == [days[0]]
    # A file that is left in the middle is closed by its own context.
    with contextlib.suppress(StopIteration):
        assert next(stream.chunks) is None


def test_bitstamp_takes_several_files(tmp_path: Path) -> None:
    """Each is sorted by itself, and an order of one file may be deleted in the next."""
    header = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
    late = write(tmp_path, "a.csv", header + "1,2000,1000,5,100,deleted,bid\n")
    early = write(tmp_path, "b.csv", header + "1,1000,1000,5,100,created,bid\n")
    assert [event[1] for event in events(BitstampSource([late, early]))] == ["A", "C"]
    assert [event[1] for event in events(BitstampSource(str(tmp_path)))] == ["A", "C"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("nothing/*.dbn", "no file matches it"),
        ("empty", "the folder holds no file that ends in .dbn or .dbn.zst"),
        ("gone.dbn", "there is no such file"),
        (["b.dbn", "gone.dbn"], "'gone.dbn': there is no such file"),
        (["b.dbn", "./b.dbn"], "is named twice by source.path"),
        (["b.dbn", "copy.dbn"], "is the same file as"),
        ("b\0.dbn", "there is no such file"),
    ],
)
def test_files_that_are_not_there_or_there_twice_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, complaint: str
) -> None:
    """In one line that names the value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("b.dbn", "copy.dbn"):
        day(tmp_path, name, START)
    with pytest.raises(SourceError, match=complaint) as error:
        events(DbnSource(value, 0.25))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [None, 7, [], [""], ["a", 7], {"a": 1}])
def test_a_value_that_is_no_path_is_refused(value: Any) -> None:
    """The message says what may stand there."""
    with pytest.raises(ConfigError, match=r"source\.path is .*; expected a file, a list of files, a glob or a folder"):
        files_of(value, (".dbn",))


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Databento's client
@pytest.mark.parametrize("other", ["dbn", "dbn.zst", "csv", "json", "parquet"])
def test_one_day_in_two_formats_is_refused(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, other: str
) -> None:
    """Both are named; read one after another they would be twice the orders. A part of the day is no other day."""
    mapping = {"ESH4": [("2023-12-01", "2024-02-01", 7)]}
    records = [mbo(7, START + place * MINUTE, place + 1) for place in range(4)]
    snapshot = mbo(7, START - HOUR, 900, flags=32 | 128)
    whole = metadata(mapping) + snapshot + b"".join(records)
    write(tmp_path, "day.mbo.dbn", whole)
    other_folder = tmp_path_factory.mktemp("exports")
    if other.startswith("dbn"):
        part = metadata(mapping) + b"".join(records[:2])
        write(tmp_path, f"half.{other}", COMPRESSIONS["zstd"](part) if other.endswith("zst") else part)
    elif other == "parquet":
        write(tmp_path, "day.mbo.parquet", parquet_of(whole, other_folder))
    else:
        write(tmp_path, f"day.mbo.{other}", (csv_of if other == "csv" else json_of)(whole, other_folder))
    with pytest.raises(
        SourceError, match=r"begins with the same event as .*, at 2023-12-25T.*; name one of the two"
    ) as r:
        read(DbnSource(str(tmp_path), 0.25))
    assert all(path.name in str(r.value) for path in tmp_path.iterdir())


def test_a_compressed_copy_of_a_recording_is_refused(tmp_path: Path) -> None:
    """As any source's."""
    for name in COMPRESSIONS:
        write(tmp_path, f"{name}.jsonl", COMPRESSIONS[name](COINBASE.encode()))
    with pytest.raises(SourceError, match="begins with the same event as"):
        read(CoinbaseSource(str(tmp_path), 0.01))


def test_instruments_that_begin_alike_are_no_copies_of_each_other(tmp_path: Path) -> None:
    """Nor are files that begin at the same time with other events."""
    paths = []
    for number, symbol in ((7, "ESH4"), (8, "ESM4")):
        mapping = {symbol: [("2023-12-01", "2024-02-01", number)]}
        records = mbo(number, START, 0, UNDEFINED_PRICE, 0, b"R", b"N", 8) + mbo(number, START + 5, number)
        paths.append(write(tmp_path, f"{symbol}.dbn", metadata(mapping) + records))
    assert len(events(DbnSource(paths, 0.25))) == 5  # one empties the book between them
    with pytest.raises(SourceError, match="begins with the same event as"):
        events(
            DbnSource([paths[0], write(tmp_path, "copy.dbn", Path(paths[0]).read_bytes() + mbo(7, START + 9, 3))], 0.25)
        )
    same_time = [day(tmp_path, f"{place}.dbn", START + place * MINUTE, START + MINUTE) for place in (0, 1)]
    assert len(events(DbnSource(same_time, 0.25))) == 4


def test_a_file_with_the_letters_of_a_glob_is_that_file(tmp_path: Path) -> None:
    """Rather than a pattern that would not find it."""
    path = day(tmp_path, "a[1].dbn", START)
    assert files_of(path, ()) == [path]


def test_lists_and_globs_are_noted_as_they_are_true_in_any_folder(tmp_path: Path) -> None:
    """As single paths are."""
    with contextlib.chdir(tmp_path):
        listed, globbed = source_values(DbnSource(["a.dbn", "/b.dbn"], 0.25)), source_values(DbnSource("d/*.dbn", 0.25))
    assert listed is not None
    assert globbed is not None
    assert (listed["path"], globbed["path"]) == ([str(tmp_path / "a.dbn"), "/b.dbn"], str(tmp_path / "d/*.dbn"))
    assert json.loads(json.dumps(listed)) == listed
