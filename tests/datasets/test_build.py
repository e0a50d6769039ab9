"""Building datasets: whole and immutable, or not there at all."""

import contextlib
import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.samples import MINUTE, OPENING_NS, SECOND_NS, Fixed, book
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import all_datasets, find_dataset
from vpharness.datasets.lake import Lake, new_folder
from vpharness.datasets.manifest import read_checksums
from vpharness.datasets.read import load, verify
from vpharness.errors import ConfigError, DatasetError, SourceError
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_engine import advance, open_bin_end_ns
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import new_state
from vpharness.storage.checksums import file_sha256

LATTICE = LatticeParameters()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path / "lake")


def files_of(lake: Lake) -> list[str]:
    """Every file and folder of a lake below its two homes of datasets."""
    return sorted(str(path) for home in (lake.published, lake.variants) if home.exists() for path in home.rglob("*"))


def test_a_built_dataset_holds_what_the_lattice_computes(lake: Lake) -> None:
    """Every column of bins and grid is the engine's, bit for bit, and is read back in the shape [bins, cells]."""
    built = build(lake, MINUTE, LATTICE, dataset_id="minute")
    loaded = load(find_dataset(lake, "minute"), list(GRID_COLUMNS))
    with MINUTE.open() as stream:
        events = np.concatenate(list(stream.chunks))
    state = new_state(LATTICE, tick_size=MINUTE.tick_size, size_unit=1.0, start_ns=None)
    state, blocks = advance(state, events)
    state, last = advance(state, events[:0], open_bin_end_ns(state))
    for name in loaded.bins:
        np.testing.assert_array_equal(loaded.bins[name], np.concatenate([b.bins[name] for b in blocks + last]))
    for name, values in loaded.grid.items():
        np.testing.assert_array_equal(values, np.concatenate([b.column(name) for b in blocks + last]))
        assert values.shape == (built.manifest.bins, 101)
    assert built.manifest.events == {
        chr(code): int(n) for code, n in zip(*np.unique(events["action"], return_counts=True), strict=True)
    }


def test_pandas_reads_the_tables_with_the_types_of_the_contract(lake: Lake) -> None:
    """Users read bins.parquet and grid_clean.parquet with pandas; rows are ordered by bin and cell."""
    path = build(lake, MINUTE, LATTICE).path
    grid = pd.read_parquet(path / "grid_clean.parquet")
    assert list(grid.columns) == ["bin_seq", "k", *GRID_COLUMNS]
    assert grid["k"].dtype == np.int32
    assert {name: grid[name].dtype for name in GRID_COLUMNS} == GRID_COLUMNS
    assert grid["k"].iloc[:101].tolist() == list(range(-50, 51))
    assert grid["bin_seq"].is_monotonic_increasing


def test_the_same_build_is_recognised_and_another_under_its_name_refused(lake: Lake) -> None:
    """Ids are never reused for other content."""
    first = build(lake, MINUTE, LATTICE, dataset_id="minute")
    again = build(lake, MINUTE, LATTICE, dataset_id="minute")
    assert (first.existed, again.existed) == (False, True)
    assert again.manifest == first.manifest
    with pytest.raises(DatasetError, match="exists with other content"):
        build(lake, MINUTE, LatticeParameters(cell_width_ms=50), dataset_id="minute")


def test_a_variant_is_named_after_everything_that_made_it(lake: Lake) -> None:
    """Another parameter or span gives another id; the source's own eviction is the same as saying it."""
    base = build(lake, MINUTE, LATTICE)
    assert base.path == lake.variants / base.manifest.content_id
    assert build(lake, MINUTE, LatticeParameters(evict_crossed_ms=0)).existed
    others = [
        build(lake, MINUTE, LatticeParameters(tau_velocity=2.5)),
        build(lake, MINUTE, LATTICE, start_ns=MINUTE.start_ns + 5 * SECOND_NS),
    ]
    assert len({base.path, *(other.path for other in others)}) == 3


def test_a_start_after_the_last_event_is_said(lake: Lake) -> None:
    """With both times; nothing is built."""
    with pytest.raises(
        SourceError, match=r"^start is 2\d\d\d-.*, after the last event, which is at 2024-.*: give an earl"
    ):
        build(lake, MINUTE, LATTICE, start_ns=MINUTE.start_ns + 3600 * SECOND_NS)
    assert not list(lake.variants.iterdir())


def test_files_are_read_only_and_their_checksums_hold(lake: Lake) -> None:
    """A changed byte is found by verify, which names the file."""
    built = build(lake, MINUTE, LATTICE, dataset_id="minute")
    dataset = find_dataset(lake, "minute")
    assert [oct(path.stat().st_mode & 0o777) for path in built.path.iterdir()] == ["0o444"] * 5
    assert oct(built.path.stat().st_mode & 0o777) == "0o555"
    assert verify(dataset) == read_checksums(built.path)
    assert read_checksums(built.path)["bins.parquet"] == file_sha256(built.path / "bins.parquet")
    grid = built.path / "grid_clean.parquet"
    grid.chmod(0o644)
    with grid.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\x00\xff")
    with pytest.raises(DatasetError, match=r"grid_clean\.parquet .* differs from its checksum"):
        verify(dataset)


def test_a_span_is_cut_at_bin_edges_and_warmed_up(lake: Lake) -> None:
    """Start is rounded down to a bin; end leaves out the events from it on; the book is warm at the first bin."""
    source = Fixed(book(1.05, 2.05, 3.05))
    manifest = build(
        lake, source, LATTICE, start_ns=OPENING_NS + SECOND_NS + 50_000_000, end_ns=OPENING_NS + 3 * SECOND_NS
    ).manifest
    assert manifest.first_bin_start_ns == OPENING_NS + SECOND_NS
    assert manifest.last_bin_end_ns == OPENING_NS + 2_100_000_000
    assert manifest.events == {"A": 4}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Fixed(book()[:1]), "gave no bin"),
        (Fixed(book()[:0]), "holds no events"),
        (Fixed(book(8 * 86_400)), r"8\.0 days after"),
        (Fixed(book(*np.arange(2000)), tick_size=7.0), "source.tick_size is 7"),
        (Fixed(book(1), fails_after=2), "No space left on device"),
    ],
)
def test_what_cannot_be_built_leaves_the_lake_as_it_was(lake: Lake, source: Fixed, message: str) -> None:
    """One clear error, and nothing is left behind."""
    with pytest.raises((SourceError, DatasetError), match=message):
        build(lake, source, LATTICE, dataset_id="broken")
    assert files_of(lake) == []


def test_an_impossible_time_is_named(lake: Lake) -> None:
    """A time outside 1970 to 2200 is no time of an event."""
    events = book(1)
    events["ts_ns"][2] = 2**63 - 1
    with pytest.raises(SourceError, match="event 3 has the time 9223372036854775807 ns"):
        build(lake, Fixed(events), LATTICE)


@pytest.mark.parametrize("start_s", [None, 0.5])
def test_the_orders_of_a_snapshot_may_be_as_old_as_they_like(lake: Lake, start_s: float | None) -> None:
    """Time begins with the first record that is not part of a snapshot, and gaps count from there."""
    events = book(0.1, 1)
    events["ts_ns"][:2] -= [90 * 86_400 * SECOND_NS, 8 * 86_400 * SECOND_NS]
    events["flags"][:2] = 32
    start_ns = None if start_s is None else OPENING_NS + int(start_s * SECOND_NS)
    built = build(lake, Fixed(events), LATTICE, start_ns=start_ns).manifest
    first_ns = OPENING_NS + (SECOND_NS // 10 if start_ns is None else SECOND_NS // 2)
    assert built.first_bin_start_ns == first_ns
    assert built.bins == built.valid_bins == (OPENING_NS + SECOND_NS - first_ns) // 100_000_000 + 1
    late = book(0.1, 8 * 86_400)
    late["flags"][:2] = 32
    with pytest.raises(SourceError, match=r"event 4 comes 8\.0 days after the one before it"):
        build(lake, Fixed(late, "late"), LATTICE, start_ns=start_ns)


def test_a_source_of_nothing_but_a_snapshot_says_so(lake: Lake) -> None:
    """The book is not to blame: no bin begins within a snapshot."""
    events = book(1)
    events["flags"] |= 32
    with pytest.raises(SourceError, match=r"3 events up to .* gave no bin: every record is part of a snapshot"):
        build(lake, Fixed(events), LATTICE)
    assert files_of(lake) == []


def test_start_after_end_is_refused(lake: Lake) -> None:
    """The span must not be empty."""
    with pytest.raises(ConfigError, match="start must lie before end"):
        build(lake, MINUTE, LATTICE, start_ns=2 * 10**18, end_ns=10**18)


def test_a_full_disk_is_one_clear_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the build fails, and its unfinished folder goes."""

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vpharness.storage.checksums.HashingFile.write", full)
    with pytest.raises(DatasetError, match="No space left on device"):
        build(lake, MINUTE, LATTICE, dataset_id="full")
    assert files_of(lake) == []


def _hold(target: Path, begun: Event, release: Event) -> None:
    with new_folder(target) as folder:
        (folder / "half").write_text("half", encoding="utf-8")
        begun.set()
        release.wait(60)
        os._exit(9)


def test_two_writers_of_one_id_and_what_a_killed_one_leaves(lake: Lake) -> None:
    """While one process writes an id another is refused; when the first is killed its rubbish is swept away."""
    context = multiprocessing.get_context("spawn")
    begun, release = context.Event(), context.Event()
    target = lake.published / "minute"
    writer = context.Process(target=_hold, args=(target, begun, release))
    writer.start()
    assert begun.wait(60)
    with pytest.raises(DatasetError, match="being written by another process"):
        build(lake, MINUTE, LATTICE, dataset_id="minute")
    release.set()
    writer.join(60)
    assert writer.exitcode == 9
    assert not target.exists()
    assert list(all_datasets(lake)) == []
    build(lake, MINUTE, LATTICE, dataset_id="minute")
    assert [path.name for path in lake.published.iterdir()] == ["minute"]


def test_an_interrupt_leaves_nothing(lake: Lake) -> None:
    """Ctrl-C in the middle of a build."""

    def interrupt(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(lake, MINUTE, LATTICE, dataset_id="minute", report=interrupt)
    assert files_of(lake) == []


def test_missing_and_damaged_datasets_are_named(lake: Lake) -> None:
    """A missing id names its neighbours; a missing file and a newer manifest are said."""
    path = build(lake, MINUTE, LATTICE, dataset_id="minute").path
    with pytest.raises(DatasetError, match=r"no dataset minutes in the lake .*; did you mean minute\?"):
        find_dataset(lake, "minutes")
    path.chmod(0o755)
    manifest = path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(json.dumps({"manifest_version": 99}), encoding="utf-8")
    with pytest.raises(DatasetError, match="manifest_version is 99, this vpharness reads 1"):
        find_dataset(lake, "minute")
    (path / "bins.parquet").unlink()
    with pytest.raises(DatasetError, match=r"bins\.parquet is missing"):
        find_dataset(lake, "minute")


def test_an_absent_column_is_named_with_those_that_are_there(lake: Lake) -> None:
    """A signal's columns are looked for before anything is read."""
    build(lake, MINUTE, LATTICE, dataset_id="minute")
    with pytest.raises(
        DatasetError,
        match=r"grid_clean\.parquet has no column v_ad; did you mean v_add, a_add or j_add\? it has bin_seq, k, ",
    ):
        load(find_dataset(lake, "minute"), ["v_ad"])


def test_a_variant_that_another_process_builds_is_waited_for(tmp_path: Path) -> None:
    """The other gives up: then it is built here; it would have been taken from there."""
    lake, source, lattice = Lake(tmp_path), SyntheticSource(minutes=1), LatticeParameters()
    first = build(lake, source, lattice)
    first.path.rename(tmp_path / "elsewhere")
    with ThreadPoolExecutor(1) as pool:
        with contextlib.suppress(LookupError), new_folder(first.path):
            waiting = pool.submit(build, lake, source, lattice)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            raise LookupError
        assert waiting.result(timeout=60).path == first.path
    assert build(lake, source, lattice).existed
