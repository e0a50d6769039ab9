"""Converting datasets: what they store changes, what they are does not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.compact import ALL, as_of_an_earlier_version, assert_same, built
from tests.datasets.samples import MINUTE, OPENING_NS, SECOND_NS, Fixed, book
from vpharness.datasets import dataset_conversion as converting
from vpharness.datasets.dataset_build import build
from vpharness.datasets.dataset_conversion import convert
from vpharness.datasets.event_table import DatasetEvents
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake, being_changed
from vpharness.datasets.manifest import BINS_FILE, GRID_FILE, checksum_of, read_checksums, replace_checksums
from vpharness.datasets.read import verify
from vpharness.datasets.replay import verify_replay
from vpharness.errors import DatasetError
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.storage.checksums import file_sha256

SMALL = LatticeParameters(radius=5, spectrum_zscore_window=40, spectrum_zscore_min_periods=10)


@pytest.fixture
def earlier(tmp_path: Path) -> Dataset:
    """A dataset of an earlier version: bins, a grid with all columns, and no events."""
    return as_of_an_earlier_version(built(tmp_path / "lake", MINUTE, ALL, SMALL))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same one as it is built today, with all columns."""
    return built(tmp_path_factory.mktemp("stored"), MINUTE, ALL, SMALL)


def again(dataset: Dataset) -> Dataset:
    """Return a dataset as it is found anew."""
    return find_dataset(Lake(dataset.path.parents[2]), "minute")


def test_a_dataset_of_an_earlier_version_is_read_as_it_was(earlier: Dataset, stored: Dataset) -> None:
    """Its checksum is the SHA-256 of the three files' checksums, as run ids of earlier versions hold it."""
    found = again(earlier)
    assert not found.keeps_events
    assert found.checksum == file_sha256(earlier.path / "checksums.json")
    assert list(verify(found)) == ["bins.parquet", "grid_clean.parquet", "manifest.json"]
    assert_same(found, stored)


@pytest.mark.parametrize("columns", [(), ("v_add", "spectrum_score"), ALL])
def test_a_converted_dataset_keeps_its_checksum_and_all_that_is_read_of_it(
    earlier: Dataset, stored: Dataset, columns: tuple[str, ...]
) -> None:
    """It is read-only, intact, and its bins are the same file; whatever it stores now, it can be converted back."""
    before, bins = earlier.checksum, read_checksums(earlier.path)[BINS_FILE]
    done = convert(earlier, columns, lambda: MINUTE)
    assert (done.before, done.after, done.events_added) == (ALL, columns, True)
    for wanted in (columns, ALL, ()):
        found = again(earlier)
        convert(found, wanted, lambda: None)
        found = again(earlier)
        assert (found.checksum, checksum_of(found.path)) == (before, before)
        assert found.stored_columns == wanted
        assert (found.path / GRID_FILE).exists() == bool(wanted)
        assert verify(found)[BINS_FILE] == bins
        verify_replay(found)
        assert_same(found, stored)
        assert found.path.stat().st_mode & 0o777 == 0o555
        assert {path.stat().st_mode & 0o777 for path in found.path.iterdir()} == {0o444}
    with DatasetEvents(again(earlier)).open() as kept, MINUTE.open() as source:
        assert np.array_equal(np.concatenate(list(kept.chunks)), np.concatenate(list(source.chunks)))
    assert [path.name for path in earlier.path.parent.iterdir()] == ["minute"]


def test_what_it_stores_already_is_not_written_again(tmp_path: Path) -> None:
    """Nothing is read of its events either."""
    dataset = built(tmp_path, MINUTE, ("v_add",), SMALL)
    times = {path.name: path.stat().st_mtime_ns for path in dataset.path.iterdir()}
    assert not convert(dataset, ("v_add",), lambda: None).events_added
    assert {path.name: path.stat().st_mtime_ns for path in dataset.path.iterdir()} == times


def test_a_source_that_is_gone_unknown_or_another_is_refused(earlier: Dataset) -> None:
    """In one line, and the dataset is what it was."""
    files = sorted(earlier.path.iterdir())
    with pytest.raises(DatasetError, match="where its events lie has not been noted; give source= and its keys"):
        convert(earlier, (), lambda: None)
    with pytest.raises(DatasetError, match="was built from another source: seed differ; give source="):
        convert(earlier, (), lambda: dataclasses.replace(MINUTE, seed=4))
    assert sorted(earlier.path.iterdir()) == files
    assert earlier.path.stat().st_mode & 0o777 == 0o555
    verify(again(earlier))


def test_events_that_give_something_else_are_refused(tmp_path: Path) -> None:
    """The first bin that differs is named; events that fail on the way leave the dataset what it was as well."""
    dataset = as_of_an_earlier_version(built(tmp_path, Fixed(book(0.5, 1.5)), ALL, SMALL))
    for source, error, said in (
        (Fixed(book(0.5, 1.6)), DatasetError, "bin_event_count of bin"),
        (Fixed(book(0.5)), DatasetError, "fewer than the 16 stored"),
        (Fixed(book(0.5, 1.5, 9.0)), DatasetError, "more than the 16 stored|bin_event_count"),
        (Fixed(book(0.5, 1.5), fails_after=3), DatasetError, "No space left on device"),
    ):
        with pytest.raises(error, match=said):
            convert(dataset, (), lambda source=source: source)  # type: ignore[misc]  # mypy loses the default
    assert [path.name for path in dataset.path.parent.iterdir()] == ["minute"]
    verify(again(dataset))
    assert not again(dataset).keeps_events


def test_a_dataset_with_another_grid_than_its_events_give_is_refused(tmp_path: Path) -> None:
    """Cells that do not follow from the events are never thrown away."""
    dataset = as_of_an_earlier_version(built(tmp_path, MINUTE, ALL, SMALL))
    weighted = {**(dataset.manifest.lattice or {}), "c1_v_add": 2.0}
    other = dataclasses.replace(dataset, manifest=dataclasses.replace(dataset.manifest, lattice=weighted))
    with pytest.raises(DatasetError, match="pressure_variant has other cells in bins 0 to"):
        convert(other, (), lambda: MINUTE)
    assert (dataset.path / GRID_FILE).exists()


def test_a_folder_made_elsewhere_keeps_its_columns(earlier: Dataset) -> None:
    """There are no events from which they would follow."""
    foreign = dataclasses.replace(earlier, manifest=dataclasses.replace(earlier.manifest, lattice=None))
    with pytest.raises(DatasetError, match="was made elsewhere: there are no events"):
        convert(foreign, (), lambda: MINUTE)


@pytest.mark.parametrize("fails_at", range(1, 9))
def test_each_state_on_the_way_is_a_whole_dataset(
    earlier: Dataset, stored: Dataset, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """Whenever a process is killed between two changes of files, the dataset has its checksum and all that it held."""
    before, changes = earlier.checksum, 0

    def killed_at(change: object) -> object:
        def changing(*arguments: object, **named: object) -> object:
            nonlocal changes
            changes += 1
            if changes == fails_at:
                raise KeyboardInterrupt
            return change(*arguments, **named)  # type: ignore[operator]

        return changing

    with monkeypatch.context() as patch:
        patch.setattr(converting, "replace_checksums", killed_at(replace_checksums))
        for name in ("rename", "replace", "unlink"):
            patch.setattr(Path, name, killed_at(getattr(Path, name)))
        try:
            convert(earlier, ("v_add",), lambda: MINUTE)
        except KeyboardInterrupt:
            assert changes >= fails_at  # a file that is given up is deleted, which counts as well
    found = again(earlier)
    assert found.checksum == before
    verify(found)
    assert_same(found, stored)
    convert(again(earlier), (), lambda: MINUTE)
    assert again(earlier).checksum == before
    assert sorted(path.name for path in earlier.path.iterdir()) == sorted(
        [*read_checksums(earlier.path), "checksums.json"]
    )


def test_another_process_that_changes_it_is_said(earlier: Dataset) -> None:
    """Its folder of unfinished files is locked."""
    with being_changed(earlier.path), pytest.raises(DatasetError, match="being changed by another process"):
        convert(earlier, (), lambda: MINUTE)


def test_a_flipped_identity_is_found(earlier: Dataset) -> None:
    """Nothing else would prove the checksum of a converted dataset."""
    convert(earlier, (), lambda: MINUTE)
    path = earlier.path / "checksums.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace(earlier.checksum, earlier.checksum[::-1]))
    with pytest.raises(DatasetError, match="is not as it was written"):
        again(earlier)


def test_events_of_a_span_end_with_it(tmp_path: Path) -> None:
    """Those before its start warm the book up and are kept; those from its end on were not taken in, and are not."""
    lake, source = Lake(tmp_path), Fixed(book(0.5, 1.5, 2.5, 3.5))
    start_ns = OPENING_NS + SECOND_NS
    for name, columns in (("all", ALL), ("none", ())):
        build(lake, source, SMALL, dataset_id=name, columns=columns, start_ns=start_ns, end_ns=start_ns + 2 * SECOND_NS)
    stored, none = find_dataset(lake, "all"), find_dataset(lake, "none")
    with DatasetEvents(none).open() as stream:
        assert np.array_equal(np.concatenate(list(stream.chunks)), source.events[:-1])
    assert none.manifest.first_bin_start_ns == start_ns
    assert_same(none, stored)
    convert(as_of_an_earlier_version(stored), (), lambda: source)
    assert_same(find_dataset(lake, "all"), none)
