"""Datasets by price level are marked wherever they are shown, and refused where orders are needed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import vpharness as vp
from tests.commands.test_cli import in_process
from tests.datasets.samples import MINUTE
from tests.events.level_files import agg_trade, depth, lines_of, snapshot
from tests.events.samples import write
from tests.results.pages import Page
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import CHECKSUMS_FILE, MANIFEST_FILE, read_manifest, require_orders, write_checksums
from vpharness.datasets.read import load
from vpharness.errors import DatasetError
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.level_source import WITHOUT_TRADES
from vpharness.lattice.lattice_parameters import LatticeParameters

LATTICE = LatticeParameters(radius=3)
BOOK = lines_of([
    snapshot(1, [["100", "2"], ["99", "1"]], [["101", "2"]]),
    depth(2, 2, [["99", "2"]], [], 0),
    agg_trade("100", "0.5", 120, buyer_is_maker=True),
    depth(3, 3, [["100", "1"]], [["101", "3"]], 150),
    depth(4, 4, [["100", "0"]], [["102", "1"]], 250),
    depth(5, 5, [["100", "1"]], [], 950),
])  # fmt: skip


def test_a_book_by_level_has_the_flow_of_its_levels(tmp_path: Path) -> None:
    """Best prices follow the levels; what trades explain is filled mass, and the rest of a decline pulled mass."""
    lake = Lake(tmp_path / "lake")
    source = BinanceDepthSource(write(tmp_path, "b.jsonl", BOOK), 1.0)
    built = build(lake, source, LATTICE, dataset_id="levels")
    assert built.manifest.by_level
    loaded = load(find_dataset(lake, "levels"), ["add_mass", "pull_mass", "fill_mass"])
    assert (loaded.bins["best_bid_price_int"] // 10**9).tolist() == [100, 100, 99, 99, 99, 99, 99, 99, 99, 100]
    assert (loaded.bins["best_ask_price_int"] // 10**9).tolist() == [101] * 10
    second = {name: float(values[1].sum()) for name, values in loaded.grid.items()}
    decay = np.exp(-0.05 / 30)
    # At 0.15 s: 1 is added to the ask; of the bid's decline of 1 a trade explains a half.
    assert second["fill_mass"] == pytest.approx(0.5 * decay)
    assert second["pull_mass"] == pytest.approx(0.5 * decay)
    assert second["add_mass"] == pytest.approx(1 * decay + 1 * np.exp(-0.2 / 30))


def test_what_needs_orders_refuses_it_in_a_line(tmp_path: Path) -> None:
    """A dataset by order passes."""
    lake = Lake(tmp_path / "lake")
    levels = build(lake, BinanceDepthSource(write(tmp_path, "b.jsonl", BOOK), 1.0), LATTICE, dataset_id="levels")
    with pytest.raises(DatasetError, match=r"dataset levels is by price level \(binance_depth\)") as refused:
        require_orders(levels.manifest)
    assert "\n" not in str(refused.value)
    orders = build(lake, MINUTE, LATTICE, dataset_id="orders").manifest
    assert not orders.by_level
    require_orders(orders)


def test_manifests_of_earlier_versions_are_read_and_unknown_keys_are_not(tmp_path: Path) -> None:
    """One that does not say is by order; a key that no version knows, or one that every version had, is said."""
    folder = build(Lake(tmp_path / "lake"), MINUTE, LATTICE, dataset_id="minute").path
    folder.chmod(0o755)
    known = json.loads((folder / MANIFEST_FILE).read_text())

    def rewritten(values: dict[str, object]) -> None:
        for name in (MANIFEST_FILE, CHECKSUMS_FILE):
            (folder / name).chmod(0o644)
        (folder / MANIFEST_FILE).write_text(json.dumps(values))
        write_checksums(folder, {})

    rewritten({name: value for name, value in known.items() if name != "by_level"})
    assert read_manifest(folder).by_level is False
    rewritten({**known, "by_levels": True})
    with pytest.raises(DatasetError, match="has missing or unknown keys: by_levels"):
        read_manifest(folder)
    rewritten({name: value for name, value in known.items() if name not in {"by_level", "notes"}})
    with pytest.raises(DatasetError, match="has missing or unknown keys: notes"):
        read_manifest(folder)


def test_commands_mark_it(tmp_path: Path) -> None:
    """In what is built and shown, in the list, and below a ranking of results on it."""
    steps = [snapshot(1, [["100", "2"], ["99", "1"]], [["101", "2"]])]
    steps += [depth(2 + n, 2 + n, [["100", str(1 + n % 3)]], [], 100 * n) for n in range(1500)]
    path = write(tmp_path, "b.jsonl", lines_of(steps))
    words = ("source=binance_depth", f"source.path={path}", "source.tick_size=1", "dataset.id=levels")
    said = in_process(tmp_path, "build", *words)
    assert said.returncode == 0, said.stderr
    marked = "by price level, without orders: fills are what trades explain of a level's decline"
    assert f"  book                   {marked}\n" in said.stdout
    assert "note                   no trades were given (source.trades_path): every decline" in said.stdout
    assert marked in in_process(tmp_path, "show", "dataset.id=levels").stdout
    assert "binance_depth path=b.jsonl (by level)" in " ".join(in_process(tmp_path, "list-datasets").stdout.split())
    assert json.loads(in_process(tmp_path, "show", "dataset.id=levels", "json=true").stdout)["by_level"] is True
    run = ("signal=ads", "dataset.id=levels", "eval.max_hold_bins=20", "eval.null_draws=99", "tracking=none")
    said = in_process(tmp_path, *run)
    assert said.returncode == 0, said.stderr
    assert f"levels: {marked}" in " ".join(said.stdout.split())
    assert f"levels: {marked}" in " ".join(in_process(tmp_path, "compare", "min_signals=0").stdout.split())
    (listed,) = json.loads(in_process(tmp_path, "list-datasets", "json=true").stdout)["datasets"]
    (note,) = listed["notes"]
    assert note.startswith("no trades were given (source.trades_path)")
    assert (listed["by_level"], listed["doubts"]) == (True, [note])
    asked = ("compare", "min_signals=0", "json=true", "report=page.html", "parquet=rows.parquet")
    rows = json.loads(in_process(tmp_path, *asked).stdout)
    assert {row["by_level"] for row in rows} == {True}
    assert {tuple(row["dataset_doubts"]) for row in rows} == {(f"levels: {note}",)}
    stored = pq.read_table(tmp_path / "rows.parquet", columns=["by_level", "dataset_doubts"]).to_pylist()
    assert stored == [{"by_level": True, "dataset_doubts": [f"levels: {note}"]}] * len(rows)
    page = Page((tmp_path / "page.html").read_text()).texts[""]
    assert f"levels: {marked}" in page
    assert f"levels: {note}" in page


def test_the_library_shows_notes_and_doubts(tmp_path: Path) -> None:
    """In the frame of all datasets, and in the manifest of one."""
    lake = Lake(tmp_path / "lake")
    build(lake, BinanceDepthSource(write(tmp_path, "b.jsonl", lines_of([*json_of(BOOK)[:2]])), 1.0), LATTICE)
    (row,) = vp.datasets(lake=lake.root).to_dict("records")
    manifest = vp.dataset(row["dataset_id"], lake=lake.root).manifest
    assert manifest.by_level
    assert row["by_level"]
    assert row["notes"] == manifest.notes == [WITHOUT_TRADES]
    assert row["doubts"] == manifest.doubts == [WITHOUT_TRADES]


def json_of(text: str) -> list[Any]:
    """Return the messages of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
