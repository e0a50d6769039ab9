"""A dataset replayed gives its bins and cells as they were written, whatever order its rows stand in."""

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.feeds.dataset_feed import DatasetFeed, DatasetReplayParameters
from runtime.feeds.feed import FeedContext, FinishedBin
from tests.datasets.samples import Fixed, book
from tests.runtime.feeds.fake_clock import LATTICE, WIDTH_NS, FakeClock, taken
from vpharness.datasets import bin_by_bin
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import write_checksums
from vpharness.datasets.publish_folder import publish
from vpharness.datasets.read import load
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.columns import GRID_COLUMNS

MINUTE = SyntheticSource(seed=3, minutes=1)
AT_MAX = DatasetReplayParameters(speed="max", loop=False)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a minute of market, and the same made elsewhere, with fewer columns and in another order."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    built = build(lake, MINUTE, LATTICE, dataset_id="minute")
    build(lake, Fixed(book(600.05)), LATTICE, dataset_id="quiet")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    order = np.random.default_rng(0).permutation(built.manifest.bins * built.manifest.cells)
    grid = pq.read_table(built.path / "grid_clean.parquet", columns=["bin_seq", "k", "v_add", "last_event_id"])
    extra = pa.array(np.arange(len(grid), dtype=np.float32))
    pq.write_table(grid.append_column("own", extra).take(order), elsewhere / "grid_clean.parquet")
    bins = pq.read_table(built.path / "bins.parquet", columns=["bin_seq", "ts_ns", "mid_price"])
    pq.write_table(bins, elsewhere / "bins.parquet")
    publish(lake, elsewhere, "elsewhere", 0.25)
    return lake


def around(lake: Lake, dataset_id: str | None, clock: FakeClock | None = None) -> FeedContext:
    """Return what a feed of a dataset is opened with."""
    return FeedContext(LATTICE.cell_width_ms, lake=lake, dataset_id=dataset_id, clock=clock or FakeClock())


def bins_of(feed: DatasetFeed) -> list[FinishedBin]:
    """Return all bins of a feed."""
    return [each for step in taken(feed) for each in step.bins]


@pytest.mark.parametrize("block_bins", [7, 256])
@pytest.mark.parametrize(("dataset_id", "columns"), [("minute", [*GRID_COLUMNS]), ("elsewhere", ["v_add", "own"])])
def test_bins_and_cells_are_those_of_the_dataset(
    lake: Lake, dataset_id: str, columns: list[str], block_bins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every column of every bin, in order, in the lattice's own types, and what a user's dataset has beyond."""
    monkeypatch.setattr(bin_by_bin, "BLOCK_BINS", block_bins)
    wanted = load(find_dataset(lake, dataset_id), columns)
    with AT_MAX.open(around(lake, dataset_id)) as feed:
        assert feed.facts.bins is not None
        assert set(columns) <= set(feed.facts.bins.columns)
        bins = bins_of(feed)
    rows = np.concatenate([row for row, _ in bins])
    for name, column in wanted.bins.items():
        np.testing.assert_array_equal(rows[name], column, err_msg=name)
    for name in columns:
        np.testing.assert_array_equal(np.array([grid[name] for _, grid in bins]), wanted.grid[name], err_msg=name)


def test_what_bins_made_elsewhere_lack_is_derived(lake: Lake) -> None:
    """Start, end and spot are those of the dataset that was built; best prices are 0."""
    built, elsewhere = (bin_by_bin.read_rows(find_dataset(lake, name)) for name in ("minute", "elsewhere"))
    for name in ("bin_start_ns", "bin_end_ns", "spot_ref_price_int", "book_valid"):
        np.testing.assert_array_equal(elsewhere[name], built[name], err_msg=name)
    assert not elsewhere["best_bid_price_int"].any()


def test_a_span_is_the_bins_that_lie_in_it(lake: Lake) -> None:
    """From the bin that holds the start to the last that begins before the end, read from the middle of the file."""
    span = DatasetReplayParameters(
        speed="max", loop=False, start="2024-01-02T14:30:40.07Z", end="2024-01-02T14:30:41.01Z", history_s=0
    )
    dataset = find_dataset(lake, "minute")
    with span.open(around(lake, "minute")) as feed:
        bins = bins_of(feed)
    wanted = load(dataset, ["j_add"])
    places = np.flatnonzero(np.isin(wanted.bins["bin_start_ns"], [int(row["bin_start_ns"][0]) for row, _ in bins]))
    assert len(places) == 11
    assert int(bins[0][0]["bin_start_ns"][0]) == 1_704_205_840_000_000_000
    np.testing.assert_array_equal(np.array([grid["j_add"] for _, grid in bins]), wanted.grid["j_add"][places])


def test_bins_are_handed_out_when_they_end(lake: Lake) -> None:
    """The eleventh bin of a replay at speed 1 after 1.1 s; the rest of a silence at once."""
    clock = FakeClock()
    begun_ns = clock.now_ns()
    with DatasetReplayParameters(loop=False, longest_wait_s=2).open(around(lake, "quiet", clock)) as feed:
        passed = {}
        for step in feed.steps(threading.Event()):
            for row, _ in step.bins:
                passed[int(row["bin_seq"][0])] = clock.now_ns() - begun_ns
    assert len(passed) == 6001
    assert passed[10] == pytest.approx(11 * WIDTH_NS, abs=1e6)
    assert passed[6000] == pytest.approx(2.1e9, abs=0.11e9)


def test_a_loop_begins_anew(lake: Lake) -> None:
    """The first bin comes again behind a step with the state restarted."""
    with DatasetReplayParameters(speed="max").open(around(lake, "minute")) as feed:
        steps = taken(feed, 60)
    at = [step.state for step in steps].index("restarted")
    np.testing.assert_array_equal(steps[at + 1].bins[0][0], steps[0].bins[0][0])


def test_what_cannot_be_replayed_is_refused_at_once(lake: Lake) -> None:
    """No dataset, none of that name, no bin in the span, and a grid that does not fit."""
    late = DatasetReplayParameters(start="2030-01-01T00:00Z")
    for feed, dataset_id, error, message in (
        (AT_MAX, None, ConfigError, "feed=dataset needs dataset.id"),
        (AT_MAX, "minutes", DatasetError, "no dataset minutes in the lake"),
        (late, "minute", ConfigError, "no bin of it lies between"),
    ):
        with pytest.raises(error, match=message), feed.open(around(lake, dataset_id)):
            pass


def test_a_damaged_grid_is_refused_at_once(lake: Lake, tmp_path: Path) -> None:
    """A file that is not as it was written; and with a checksum that fits, no Parquet, and one that lacks rows."""
    whole, own = find_dataset(lake, "minute"), Lake(tmp_path)
    folder = own.published / "minute"
    folder.mkdir(parents=True)
    for name in ("bins.parquet", "events.parquet", "manifest.json", "checksums.json"):
        (folder / name).write_bytes((whole.path / name).read_bytes())
    grid = folder / "grid_clean.parquet"
    for write, message in (
        (lambda: grid.write_bytes(b"no grid"), r"dataset minute: .* cannot be read as Parquet"),
        (lambda: pq.write_table(pa.table({"k": [1]}), grid), r"grid_clean.parquet has 1 rows, its manifest says"),
    ):
        (folder / "checksums.json").write_bytes((whole.path / "checksums.json").read_bytes())
        write()
        for expected in (r"grid_clean\.parquet in .* differs from its checksum", message):
            with pytest.raises(DatasetError, match=expected), AT_MAX.open(around(own, "minute")):
                pass
            write_checksums(folder, {}, list(GRID_COLUMNS))
