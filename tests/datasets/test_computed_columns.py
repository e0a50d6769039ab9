"""Grid columns that are not stored are computed from the dataset's events, equal bit by bit to the stored ones."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.compact import ALL, assert_same, built
from tests.datasets.samples import MINUTE, Fixed
from tests.lattice.feed import TICK
from tests.lattice.streams import random_stream
from tests.lattice.test_engine_golden import GOLDEN
from vpharness.config.time_parsing import parse_time_ns
from vpharness.datasets import replay
from vpharness.datasets.bin_by_bin import grid_blocks, require_grid
from vpharness.datasets.dataset_build import build
from vpharness.datasets.event_table import DatasetEvents
from vpharness.datasets.find import find_dataset
from vpharness.datasets.grid_columns import chosen_columns
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import GRID_FILE, read_checksums
from vpharness.datasets.read import load, verify
from vpharness.errors import ConfigError, DatasetError
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.prices import PRICE_SCALE

SMALL = LatticeParameters(radius=5, spectrum_zscore_window=40, spectrum_zscore_min_periods=10)


@pytest.mark.parametrize(("seed", "at_a_time"), [(0, 1), (1, 7), (2, 100), (3, 1500)])
def test_computed_columns_of_random_streams_equal_stored_ones(tmp_path: Path, seed: int, at_a_time: int) -> None:
    """All 37, whatever the feed does wrong; so do the bins, and the events are those that were given."""
    source = Fixed(random_stream(seed, 1500), f"stream {seed}", TICK / PRICE_SCALE, at_a_time=at_a_time)
    stored = built(tmp_path / "all", source, ALL, SMALL)
    none = built(tmp_path / "none", source, (), SMALL)
    assert (stored.stored_columns, none.stored_columns) == (ALL, ())
    assert_same(none, stored)
    with DatasetEvents(none).open() as stream:
        assert np.array_equal(np.concatenate(list(stream.chunks)), source.events)


def test_a_column_alone_is_what_it_is_beside_all_others(tmp_path: Path) -> None:
    """Whatever else of a cell is left out for it."""
    stored, none = (built(tmp_path / str(len(each)), MINUTE, each, SMALL) for each in (ALL, ()))
    wanted, alone = load(stored, ALL).grid, dataclasses.replace(none, cache=None)
    for name in ALL:
        assert load(alone, [name]).grid[name].tobytes() == wanted[name].tobytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_computed_columns_of_golden_files_equal_stored_ones(tmp_path: Path, shared: Path, name: str) -> None:
    """All 37 of every real file."""
    golden = GOLDEN[name]
    source = golden.open(shared / "data")
    lattice = LatticeParameters(cell_width_ms=golden.cell_width_ms, evict_crossed_ms=golden.evict_crossed_ms or None)
    datasets = []
    for columns in (ALL, ()):
        lake = Lake(tmp_path / str(len(columns)))
        start_ns, end_ns = parse_time_ns(golden.start, "start"), parse_time_ns(golden.end, "end")
        build(lake, source, lattice, dataset_id=name, columns=columns, start_ns=start_ns, end_ns=end_ns)
        datasets.append(find_dataset(lake, name))
    assert_same(datasets[1], datasets[0])


def test_any_choice_of_columns_is_the_same_dataset(tmp_path: Path) -> None:
    """Its content, its checksum and all that is read of it; asked for with other columns, it is found as it is."""
    choices = [(), ("v_add", "spectrum_score"), ALL]
    datasets = [built(tmp_path / str(len(columns)), MINUTE, columns, SMALL) for columns in choices]
    assert [each.stored_columns for each in datasets] == choices
    assert len({each.checksum for each in datasets}) == 1
    assert len({each.manifest.content_id for each in datasets}) == 1
    assert datasets[0].manifest == datasets[2].manifest
    for each in datasets[:2]:
        assert_same(each, datasets[2])
        again = build(Lake(each.path.parents[2]), MINUTE, SMALL, dataset_id="minute", columns=ALL)
        assert again.existed
        assert each.stored_columns == find_dataset(Lake(each.path.parents[2]), "minute").stored_columns


def test_a_dataset_without_columns_has_no_grid_file(tmp_path: Path) -> None:
    """It is intact, and small."""
    dataset = built(tmp_path, MINUTE, (), SMALL)
    assert GRID_FILE not in read_checksums(dataset.path)
    assert not dataset.grid_path.exists()
    assert list(verify(dataset)) == ["bins.parquet", "events.parquet", "manifest.json"]


def test_the_spectrum_is_computed_only_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And cells only where any column is; the lattice is told so before the first event."""
    told = list[tuple[bool, bool]]()
    original = replay.only_what_is_needed

    def only_what_is_needed(*arguments: object) -> object:
        state = original(*arguments)  # type: ignore[arg-type]
        told.append((bool(state.rules["with_cells"][0]), bool(state.rules["with_spectrum"][0])))
        return state

    monkeypatch.setattr(replay, "only_what_is_needed", only_what_is_needed)
    dataset = dataclasses.replace(built(tmp_path, MINUTE, (), SMALL), cache=None)
    for columns in (["v_add"], ["v_add", "spectrum_state_code"]):
        load(dataset, columns)
    replay.verify_replay(dataset)
    assert told == [(True, False), (True, True), (False, False)]


@pytest.mark.parametrize("first", [0, 1, 300, 599])
def test_bins_are_replayed_from_any_place_with_the_cells_that_are_stored(tmp_path: Path, first: int) -> None:
    """Bins before it are gone through without cells; those from it on have the same ones, the spectrum included."""
    stored, none = (built(tmp_path / str(len(each)), MINUTE, each, SMALL) for each in (ALL, ()))
    require_grid(none)
    wanted, at = load(stored, ALL).grid, first
    for block in grid_blocks(none, first, 600):
        count = len(block["v_add"])
        for name in ALL:
            assert block[name].tobytes() == wanted[name][at : at + count].tobytes(), name
        at += count
    assert at == 600


def test_a_lake_that_may_only_be_read_computes_without_keeping(tmp_path: Path) -> None:
    """Nothing is written, and what is read is the same."""
    stored, none = (built(tmp_path / str(len(each)), MINUTE, each, SMALL) for each in (ALL, ()))
    cache = tmp_path / "0" / "cache"
    cache.write_text("a file where the folder of the cache would be")  # root may write into read-only folders
    assert_same(none, stored, ("v_add", "perm_state5_code"))
    assert cache.is_file()


def test_events_that_do_not_give_the_stored_bins_are_refused(tmp_path: Path) -> None:
    """Columns are never computed from what does not belong to the bins."""
    dataset = built(tmp_path, MINUTE, (), SMALL)
    other = dataclasses.replace(dataset.manifest, lattice={**(dataset.manifest.lattice or {}), "cell_width_ms": 50})
    with pytest.raises(DatasetError, match="bins that follow from its events are not those stored: ts_ns of bin 0"):
        load(dataclasses.replace(dataset, manifest=other, cache=None), ["v_add"])


def test_events_of_another_version_of_the_lattice_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bins can be read, and the columns that it stores."""
    dataset = dataclasses.replace(built(tmp_path, MINUTE, ("v_add",), SMALL), cache=None)
    monkeypatch.setattr(replay, "LATTICE_VERSION", 1000)
    assert load(dataset, ["v_add"]).grid["v_add"].any()
    with pytest.raises(DatasetError, match="columns that it does not store cannot be computed; build it again"):
        load(dataset, ["v_add", "a_add"])


def test_columns_are_chosen_by_name() -> None:
    """In their own order; what is no column is named with those that it may mean."""
    assert chosen_columns("all") == ALL
    assert chosen_columns([]) == ()
    assert chosen_columns(["v_fill", "v_add"]) == ("v_add", "v_fill")
    with pytest.raises(ConfigError, match=r"dataset.columns has 'v_ad', which is no column of the grid; did you mean"):
        chosen_columns(["v_ad"])
    with pytest.raises(ConfigError, match=r"dataset.columns is 'v_add'; it must be all, or a list"):
        chosen_columns("v_add")
