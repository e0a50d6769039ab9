"""Publishing folders that were made elsewhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.publish_folder import publish
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
    keys = {"bin_seq": np.repeat(bins["bin_seq"].to_numpy(), CELLS), "k": np.tile(np.arange(-RADIUS, RADIUS + 1), BINS)}
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


def with_prices(bins: pd.DataFrame) -> pd.DataFrame:
    """Add best prices around the mids, and validity."""
    half_spread = 125_000_000
    middle = (bins["mid_price"] * 10**9).astype(np.int64)
    return bins.assign(
        best_bid_price_int=middle - half_spread, best_ask_price_int=middle + half_spread, book_valid=True
    )


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
        "mid_price is missing in row 0": (bins.assign(mid_price=np.nan), grid),
        "bin 10: mid_price is inf, which is no number": (bins.replace({"mid_price": {100.375: np.inf}}), grid),
        "at least 2 are needed": (bins.iloc[:1], grid),
        "ts_ns holds .*string.*, such as '.*' in row 0; it must hold whole numbers": (
            bins.astype({"ts_ns": str}),
            grid,
        ),
        "bin_seq holds double, such as '7.0' in row 0; it must": (bins.astype({"bin_seq": float}), grid),
        "k is missing in row 2; it must hold": (bins, grid.assign(k=grid["k"].astype("Int32").mask(grid.index == 2))),
        "k holds double": (bins, grid.assign(k=grid["k"] / 1.0)),
        "none of its 20 bins is valid": (bins.assign(book_valid=False), grid),
        "book_valid holds int64": (bins.assign(book_valid=1), grid),
    }
    refused(tmp_path, lake, faults)
    with pytest.raises(ConfigError, match=r"source.tick_size is 0.2, but \d+ of 20 mid prices"):
        publish(lake, written(tmp_path / "tick", bins, grid), "bad", 0.2)
    dear = bins.assign(mid_price=bins["mid_price"] + 1_000_000)
    with pytest.raises(ConfigError, match=r"source.tick_size is 0.1, but 10 of 20 mid prices"):
        publish(lake, written(tmp_path / "dear", dear, grid), "bad", 0.1)
    with pytest.raises(DatasetError, match=r"has no bins\.parquet"):
        publish(lake, tmp_path, "bad", 0.25)
    assert not lake.published.exists()


def refused(tmp_path: Path, lake: Lake, faults: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    """Assert that each pair of tables is refused with the message, on one line."""
    for number, (message, (bad_bins, bad_grid)) in enumerate(faults.items()):
        with pytest.raises(DatasetError, match=message) as caught:
            publish(lake, written(tmp_path / str(number), bad_bins, bad_grid), "bad", 0.25)
        assert "\n" not in str(caught.value)


def test_prices_that_would_make_figures_absurd_are_refused(tmp_path: Path, lake: Lake) -> None:
    """Where the book is valid, the best prices stand around the mid, in 1e-9 units."""
    plain, grid = tables()
    bins = with_prices(plain)
    bid, ask = bins["best_bid_price_int"], bins["best_ask_price_int"]
    third = bins.index == 3
    faults = {
        "bin 10: best bid 100500000000 and best ask 100250000000: a valid bin needs both, bid < ask": (
            bins.assign(best_bid_price_int=bid.mask(third, ask), best_ask_price_int=ask.mask(third, bid)),
            grid,
        ),
        "bin 10: best bid 0 and": (bins.assign(best_bid_price_int=bid.mask(third, 0)), grid),
        "bin 7: mid_price is 100, but the middle of best bid and ask is 1e-07": (
            bins.assign(best_bid_price_int=bid // 10**9, best_ask_price_int=ask // 10**9 + 1),
            grid,
        ),
        "bin 10: mid_price is 100.375, but the middle of best bid and ask is 100.25": (
            bins.assign(best_bid_price_int=bid.mask(third, bid - 250_000_000)),
            grid,
        ),
        "best_ask_price_int holds double, such as '100.125' in row 0; it must hold whole": (
            bins.assign(best_ask_price_int=ask / 1e9),
            grid,
        ),
        "bin 10: book_valid is true, but mid_price is 0": (
            bins.assign(mid_price=bins["mid_price"].mask(third, 0)),
            grid,
        ),
    }
    refused(tmp_path, lake, faults)
    low = {"best_bid_price_int": bid - 101 * 10**9, "best_ask_price_int": ask - 101 * 10**9}
    below = bins.assign(mid_price=plain["mid_price"] - 101, **low)
    assert publish(lake, written(tmp_path / "below", below, grid), "below", 0.25).valid_bins == BINS
    shut = bins.assign(
        book_valid=~third, best_bid_price_int=bid.mask(third, 0), mid_price=plain["mid_price"].mask(third, 0)
    )
    assert publish(lake, written(tmp_path / "good", shut, grid), "good", 0.25).valid_bins == BINS - 1


def test_columns_of_the_grid_that_signals_cannot_read(tmp_path: Path, lake: Lake) -> None:
    """Those that the lattice knows must be numbers, states from -2 to 2; others are left alone, and it is said."""
    bins, grid = tables()
    codes = np.arange(BINS * CELLS) % 5 - 2
    faults = {
        "v_add holds .*string; it must hold numbers": (bins, grid.assign(v_add="3")),
        "perm_state5_code is 3 in row 4; it must be a whole number from -2 to 2": (
            bins,
            grid.assign(perm_state5_code=np.where(codes == 2, 3, codes)),
        ),
        "perm_state5_code is 0.5 in row 2": (bins, grid.assign(perm_state5_code=np.where(codes == 0, 0.5, codes))),
        "perm_state5_code is missing in row 3": (
            bins,
            grid.assign(perm_state5_code=pd.Series(codes, dtype="Int8").mask(codes == 1)),
        ),
    }
    refused(tmp_path, lake, faults)
    manifest = publish(
        lake, written(tmp_path / "own", bins, grid.assign(perm_state5_code=codes, note="mine")), "own", 0.25
    )
    assert manifest.columns == ["mine", "perm_state5_code"]
    assert manifest.notes[-1] == "columns that hold no numbers cannot be read by signals: note"


@pytest.mark.parametrize("fails", ["sync", "write_checksums", "make_read_only"])
def test_a_folder_whose_publishing_is_stopped_is_none_that_is_published(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The manifest comes last and at once: whenever the process is killed before, it can be published again."""
    folder = written(lake.published / "old", *tables())

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"vpharness.datasets.publish_folder.{fails}", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(lake, folder, "old", 0.25)
    if fails == "make_read_only":
        verify(find_dataset(lake, "old"))
        return
    with pytest.raises(DatasetError, match="has not been published"):
        find_dataset(lake, "old")
    publish(lake, folder, "old", 0.25)
    verify(find_dataset(lake, "old"))
    assert {path.name for path in folder.iterdir()} == {
        *("bins.parquet", "grid_clean.parquet", "manifest.json", "checksums.json")
    }


def test_a_dataset_without_checksums_is_told_what_to_do(lake: Lake) -> None:
    """Half of a dataset is none."""
    folder = written(lake.published / "old", *tables())
    publish(lake, folder, "old", 0.25)
    folder.chmod(0o755)
    (folder / "checksums.json").unlink()
    with pytest.raises(
        DatasetError, match=r"checksums\.json is missing; restore it, build .* or remove its manifest\.json"
    ):
        find_dataset(lake, "old")
