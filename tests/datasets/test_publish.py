"""Publishing folders that were made elsewhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.publish import publish
from vpharness.datasets.read import load, verify
from vpharness.errors import ConfigError, DatasetError

BINS, RADIUS = 20, 3
CELLS = 2 * RADIUS + 1


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path / "lake")


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The least that bins and grid must have, and one column of somebody's own; the bins count from 7."""
    bins = pd.DataFrame({"bin_seq": np.arange(7, 7 + BINS), "ts_ns": 10**18 + 250_000_000 * np.arange(BINS)})
    bins["mid_price"] = 100 + 0.125 * np.arange(BINS)
    keys = {"bin_seq": np.repeat(bins["bin_seq"], CELLS), "k": np.tile(np.arange(-RADIUS, RADIUS + 1), BINS)}
    return bins, pd.DataFrame({**keys, "mine": np.arange(BINS * CELLS) / 8})


def written(folder: Path, bins: pd.DataFrame, grid: pd.DataFrame) -> Path:
    """Write the tables into a folder."""
    folder.mkdir(parents=True)
    bins.to_parquet(folder / "bins.parquet")
    grid.to_parquet(folder / "grid_clean.parquet")
    return folder


def test_a_folder_becomes_a_dataset_and_says_once_what_is_absent(tmp_path: Path, lake: Lake) -> None:
    """The cell width comes from the bins; without best prices there are no net figures, and it is not promotable."""
    manifest = publish(lake, written(tmp_path / "made", *tables()), "theirs", 0.25)
    assert (manifest.cell_width_ms, manifest.radius, manifest.bins) == (250, RADIUS, BINS)
    assert [note.split(":")[0] for note in manifest.notes] == [
        "lattice parameters are not known",
        "best prices are absent",
    ]
    dataset = find_dataset(lake, "theirs")
    verify(dataset)
    np.testing.assert_array_equal(
        load(dataset, ["mine"]).grid["mine"], np.arange(BINS * CELLS).reshape(BINS, CELLS) / 8
    )


def test_rows_may_come_in_any_order(tmp_path: Path, lake: Lake) -> None:
    """Shuffled bins and cells are read like ordered ones."""
    bins, grid = tables()
    folder = written(tmp_path / "made", bins.sample(frac=1, random_state=1), grid.sample(frac=1, random_state=2))
    assert not publish(lake, folder, "shuffled", 0.25).rows_ordered
    loaded = load(find_dataset(lake, "shuffled"), ["mine"])
    np.testing.assert_array_equal(loaded.bins["mid_price"], bins["mid_price"])
    np.testing.assert_array_equal(loaded.grid["mine"], grid["mine"].to_numpy().reshape(BINS, CELLS))


def test_a_folder_in_its_place_is_found_only_once_it_is_published(lake: Lake) -> None:
    """Before, a run on it is told the command; then it is made a dataset where it lies."""
    folder = written(lake.published / "old", *tables())
    with pytest.raises(DatasetError, match=r"publish .*/old dataset\.id=old source.tick_size=TICK_SIZE"):
        find_dataset(lake, "old")
    publish(lake, folder, "old", 0.25)
    assert find_dataset(lake, "old").manifest.bins == BINS
    with pytest.raises(DatasetError, match="holds a dataset already"):
        publish(lake, folder, "old", 0.25)


def test_what_does_not_fit_is_said_and_nothing_is_left(tmp_path: Path, lake: Lake) -> None:
    """Each fault of the tables is one clear error."""
    bins, grid = tables()
    faults = {
        "lacks mid_price": (bins.drop(columns="mid_price"), grid),
        "has no column k": (bins, grid.drop(columns="k")),
        "bin_seq must count up by one, but 9 is followed by 11": (bins.drop(index=3), grid),
        "found steps of 250000000, 500000000 ns": (bins.drop(index=3).assign(bin_seq=np.arange(BINS - 1)), grid),
        "one row for each bin and each k": (bins, grid.iloc[:-1]),
        "each pair of bin_seq and k of its bins once": (bins, pd.concat([grid.iloc[1:], grid.iloc[-1:]])),
        "no numbers": (bins.assign(mid_price=np.nan), grid),
        "at least 2 are needed": (bins.iloc[:1], grid),
    }
    for number, (message, (bad_bins, bad_grid)) in enumerate(faults.items()):
        with pytest.raises(DatasetError, match=message):
            publish(lake, written(tmp_path / str(number), bad_bins, bad_grid), "bad", 0.25)
    with pytest.raises(ConfigError, match=r"source.tick_size is 0.2, but \d+ of 20 mid prices"):
        publish(lake, written(tmp_path / "tick", bins, grid), "bad", 0.2)
    with pytest.raises(DatasetError, match=r"has no bins\.parquet"):
        publish(lake, tmp_path, "bad", 0.25)
    assert not lake.published.exists()
