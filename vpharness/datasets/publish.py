"""Publishing: a folder of Parquet files made elsewhere, checked, becomes an immutable dataset."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from vpharness.datasets.lake import Lake, check_id, make_read_only, new_folder
from vpharness.datasets.manifest import (
    BINS_FILE,
    CHECKSUMS_FILE,
    GRID_FILE,
    MANIFEST_FILE,
    Manifest,
    content_id,
    file_sha256,
    write_checksums,
)
from vpharness.datasets.read import as_arrays, read_table
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.source import tick_size_to_price
from vpharness.lattice.types import Array

_NANOSECONDS_PER_MS = 1_000_000


def publish(lake: Lake, folder: Path, dataset_id: str, tick_size: float) -> Manifest:
    """Copy a folder's two tables into the lake as a dataset; one that lies at its place already is made whole there.

    The bins need bin_seq, ts_ns and mid_price, the grid bin_seq and k; more columns are welcome. Raises DatasetError
    where something is missing or does not fit, and ConfigError for a tick size that the mid prices do not stand on.
    """
    target = lake.published / check_id(dataset_id)
    tick_size_to_price(tick_size)
    for name in (BINS_FILE, GRID_FILE):
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} has no {name}; a folder with {BINS_FILE} and {GRID_FILE} is expected")
    if (folder / MANIFEST_FILE).exists():
        raise DatasetError(f"{folder} holds a dataset already: it has a {MANIFEST_FILE}")
    manifest, sums = _examined(folder, dataset_id, tick_size)
    if folder.resolve() == target.resolve():
        _publish_in_place(target, manifest, sums)
        return manifest
    with new_folder(target) as unfinished:
        for name in (BINS_FILE, GRID_FILE):
            shutil.copyfile(folder / name, unfinished / name)
        manifest.write(unfinished)
        write_checksums(unfinished, sums)
        if any(file_sha256(unfinished / name) != sums[name] for name in sums):
            raise DatasetError(f"{folder} changed while it was being copied; publish it when nobody writes to it")
    return manifest


def _publish_in_place(folder: Path, manifest: Manifest, sums: dict[str, str]) -> None:
    """Add what makes a dataset to a folder that lies at its place already."""
    try:
        manifest.write(folder)
        write_checksums(folder, sums)
        make_read_only(folder)
    except OSError as error:
        for name in (MANIFEST_FILE, CHECKSUMS_FILE):
            (folder / name).unlink(missing_ok=True)
        raise DatasetError(f"cannot publish {folder} in its place: {error.strerror}") from error


def _examined(folder: Path, dataset_id: str, tick_size: float) -> tuple[Manifest, dict[str, str]]:
    """Check the two tables and describe them."""
    bins, bins_ordered = _sorted_bins(folder, dataset_id)
    width_ms = _cell_width_ms(bins["ts_ns"], dataset_id)
    _check_prices(bins, tick_size, dataset_id)
    radius, ordered = _check_grid(folder, bins["bin_seq"], dataset_id)
    grid_columns = [name for name in pq.read_schema(folder / GRID_FILE).names if name not in {"bin_seq", "k"}]
    valid = bins["book_valid"] if "book_valid" in bins else bins["mid_price"] > 0
    sums = {name: file_sha256(folder / name) for name in (BINS_FILE, GRID_FILE)}
    source = {"kind": "published", "sha256": sums, "tick_size": tick_size}
    notes = ["lattice parameters are not known: this dataset can be evaluated, not promoted"]
    if not {"best_bid_price_int", "best_ask_price_int"} <= set(bins):
        notes.append("best prices are absent: there are no net figures, and its runs are not rankable")
    manifest = Manifest(
        dataset_id=dataset_id,
        content_id=content_id(source),
        instrument="unknown",
        tick_size=tick_size,
        size_unit=None,
        cell_width_ms=width_ms,
        radius=radius,
        bins=len(bins["bin_seq"]),
        valid_bins=int(np.count_nonzero(valid)),
        first_bin_start_ns=int(bins["ts_ns"][0]) - width_ms * _NANOSECONDS_PER_MS,
        last_bin_end_ns=int(bins["ts_ns"][-1]),
        source=source,
        span={"start_ns": None, "end_ns": None},
        lattice=None,
        lattice_version=None,
        columns=grid_columns,
        bin_columns=list(bins),
        rows_ordered=ordered and bins_ordered,
        events={},
        problems={},
        skipped={},
        notes=notes,
    )
    return manifest, sums


def _sorted_bins(folder: Path, dataset_id: str) -> tuple[dict[str, Array], bool]:
    """Return the bins in the order of bin_seq, and whether they stand in it."""
    names = pq.read_schema(folder / BINS_FILE).names
    absent = {"bin_seq", "ts_ns", "mid_price"} - set(names)
    if absent:
        raise DatasetError(f"dataset {dataset_id}: {BINS_FILE} lacks {', '.join(sorted(absent))}")
    bins = as_arrays(read_table(folder / BINS_FILE, names, dataset_id))
    if len(bins["bin_seq"]) < 2:
        raise DatasetError(f"dataset {dataset_id}: {BINS_FILE} has {len(bins['bin_seq'])} rows; at least 2 are needed")
    order = np.argsort(bins["bin_seq"], kind="stable")
    bins = {name: values[order] for name, values in bins.items()}
    steps = np.diff(bins["bin_seq"])
    if (steps != 1).any():
        row = int(np.flatnonzero(steps != 1)[0])
        found = f"{bins['bin_seq'][row]} is followed by {bins['bin_seq'][row + 1]}"
        raise DatasetError(f"dataset {dataset_id}: bin_seq must count up by one, but {found}")
    return bins, bool((np.diff(order) == 1).all())


def _cell_width_ms(ts_ns: Array, dataset_id: str) -> int:
    steps = np.unique(np.diff(ts_ns))
    if len(steps) != 1 or steps[0] <= 0 or steps[0] % _NANOSECONDS_PER_MS:
        shown = ", ".join(str(step) for step in steps[:5])
        raise DatasetError(
            f"dataset {dataset_id}: ts_ns must grow by one whole number of milliseconds from bin to bin; "
            f"found steps of {shown} ns"
        )
    return int(steps[0]) // _NANOSECONDS_PER_MS


def _check_prices(bins: dict[str, Array], tick_size: float, dataset_id: str) -> None:
    mids = bins["mid_price"].astype(float)
    if not np.isfinite(mids).all():
        raise DatasetError(f"dataset {dataset_id}: mid_price holds values that are no numbers")
    half_ticks = 2 * mids[mids > 0] / tick_size
    off = np.abs(half_ticks - np.round(half_ticks)) > 1e-6 * np.maximum(1, np.abs(half_ticks))
    if off.any():
        raise ConfigError(
            f"source.tick_size is {tick_size:g}, but {int(off.sum())} of {len(off)} mid prices are no multiple of half "
            f"of it, such as {mids[mids > 0][off][0]:g}"
        )


def _check_grid(folder: Path, bin_seq: Array, dataset_id: str) -> tuple[int, bool]:
    """Return the radius, and whether the rows ascend by bin and cell; every cell must be there once."""
    keys = as_arrays(read_table(folder / GRID_FILE, ["bin_seq", "k"], dataset_id))
    k = keys["k"].astype(np.int64)
    radius = int(k.max()) if len(k) else 0
    cells = 2 * radius + 1
    if len(k) != cells * len(bin_seq) or (len(k) and k.min() != -radius):
        low = int(k.min()) if len(k) else 0
        raise DatasetError(
            f"dataset {dataset_id}: {GRID_FILE} has {len(k)} rows with k from {low} to {radius} for {len(bin_seq)} "
            f"bins; one row for each bin and each k from -{radius} to {radius} is expected"
        )
    place = (keys["bin_seq"] - bin_seq[0]) * cells + k + radius
    if (np.diff(place) == 1).all() and place[0] == 0:
        return radius, True
    if not np.array_equal(np.sort(place), np.arange(len(place))):
        raise DatasetError(f"dataset {dataset_id}: {GRID_FILE} must hold each pair of bin_seq and k of its bins once")
    return radius, False
