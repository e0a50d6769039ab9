"""Checks of tables that were made elsewhere: everything that a run would fail at is refused before publication."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vpharness.compiled import Array
from vpharness.datasets.manifest import BINS_FILE, GRID_FILE, Manifest, content_id
from vpharness.datasets.read import as_arrays, read_table
from vpharness.errors import ConfigError, DatasetError, require_memory
from vpharness.lattice.columns import BEAR_VACUUM, BULL_VACUUM, GRID_COLUMNS
from vpharness.prices import PRICE_SCALE, has_mid
from vpharness.storage.checksums import file_sha256

_NANOSECONDS_PER_MS: Final = 1_000_000
_BEST_PRICES: Final = ("best_bid_price_int", "best_ask_price_int")
_KEYS: Final = ("bin_seq", "k")
_STATE5: Final = "perm_state5_code"
_TICK_TOLERANCE: Final = 1e-6
_ROUNDING: Final = 1e-12
"""What a mid price may be off by, in ticks and as a share of it: the rounding of a float."""

_BIN_TYPES: Final[dict[str, tuple[Callable[[pa.DataType], bool], str]]] = {
    **dict.fromkeys(("bin_seq", "ts_ns", *_BEST_PRICES), (pa.types.is_signed_integer, "whole numbers (int64)")),
    "mid_price": (lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind), "numbers (float64)"),
    "book_valid": (pa.types.is_boolean, "truth values (bool)"),
}


def examined(folder: Path, dataset_id: str, tick_size: float) -> tuple[Manifest, dict[str, str]]:
    """Check a folder's two tables and return their manifest and the SHA-256 of each file.

    Raises DatasetError, naming the first bin or row that does not fit, and ConfigError for a tick size that the mid
    prices do not stand on.
    """
    bins, bins_ordered = _sorted_bins(folder, dataset_id)
    width_ms = _cell_width_ms(bins["ts_ns"], dataset_id)
    valid = _check_prices(bins, tick_size, dataset_id)
    columns, odd_columns = _check_columns(folder, dataset_id)
    radius, ordered = _check_cells(folder, bins["bin_seq"], dataset_id)
    sums = {name: file_sha256(folder / name) for name in (BINS_FILE, GRID_FILE)}
    source = {"kind": "published", "sha256": sums, "tick_size": tick_size}
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
        columns=columns,
        bin_columns=list(bins),
        rows_ordered=ordered and bins_ordered,
        events={},
        problems={},
        skipped={},
        notes=_notes(bins, odd_columns),
    )
    return manifest, sums


def _notes(bins: dict[str, Array], odd_columns: list[str]) -> list[str]:
    notes = ["lattice parameters are not known: this dataset can be evaluated, not promoted"]
    if not set(_BEST_PRICES) <= set(bins):
        notes.append("best prices are absent: there are no net figures, and its runs are not rankable")
    if odd_columns:
        notes.append(f"columns that hold no numbers cannot be read by signals: {', '.join(odd_columns)}")
    return notes


def _sorted_bins(folder: Path, dataset_id: str) -> tuple[dict[str, Array], bool]:
    """Return the bins in the order of bin_seq, and whether the file has them in that order."""
    names = _schema(folder / BINS_FILE, dataset_id).names
    absent = {"bin_seq", "ts_ns", "mid_price"} - set(names)
    if absent:
        raise DatasetError(f"dataset {dataset_id}: {BINS_FILE} lacks {', '.join(sorted(absent))}")
    table = read_table(folder / BINS_FILE, names, dataset_id)
    for name in [name for name in _BIN_TYPES if name in names]:
        fits, wanted = _BIN_TYPES[name]
        _check_column(table, name, fits, wanted, f"dataset {dataset_id}: {BINS_FILE}")
    bins = as_arrays(table)
    if len(bins["bin_seq"]) < 2:
        raise DatasetError(f"dataset {dataset_id}: {BINS_FILE} has {len(bins['bin_seq'])} rows; at least 2 are needed")
    order = np.argsort(bins["bin_seq"], kind="stable")
    bins = {name: values[order] for name, values in bins.items()}
    bins["bin_seq"] = bins["bin_seq"].astype(np.int64)
    steps = np.diff(bins["bin_seq"])
    if (steps != 1).any():
        row = int(np.flatnonzero(steps != 1)[0])
        found = f"{bins['bin_seq'][row]} is followed by {bins['bin_seq'][row + 1]}"
        raise DatasetError(f"dataset {dataset_id}: bin_seq must count up by one, but {found}")
    return bins, bool((np.diff(order) == 1).all())


def _schema(path: Path, dataset_id: str) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        require_memory(error)
        raise DatasetError(f"dataset {dataset_id}: {path} cannot be read as Parquet: {error}") from error


def _check_column(table: pa.Table, name: str, fits: Callable[[pa.DataType], bool], wanted: str, where: str) -> None:
    """Raise DatasetError where a column is of another type, or lacks a value."""
    column = table[name]
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DatasetError(f"{where}: {name} is missing in row {row}; it must hold {wanted} in every row")
    if not fits(column.type):
        first = f", such as {str(column[0])[:40]!r} in row 0" if len(column) else ""
        raise DatasetError(f"{where}: {name} holds {column.type}{first}; it must hold {wanted}")


def _cell_width_ms(ts_ns: Array, dataset_id: str) -> int:
    steps = np.unique(np.diff(ts_ns))
    if len(steps) != 1 or steps[0] <= 0 or steps[0] % _NANOSECONDS_PER_MS:
        shown = ", ".join(str(step) for step in steps[:5])
        raise DatasetError(
            f"dataset {dataset_id}: ts_ns must grow by one whole number of milliseconds from bin to bin; "
            f"found steps of {shown} ns"
        )
    return int(steps[0]) // _NANOSECONDS_PER_MS


def _check_prices(bins: dict[str, Array], tick_size: float, dataset_id: str) -> NDArray[np.bool_]:
    """Check the prices of the bins; return which bins are valid."""
    mids = bins["mid_price"].astype(float)

    def refuse(wrong: Array, complaint: Callable[[int], str]) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DatasetError(f"dataset {dataset_id}: bin {bins['bin_seq'][row]}: {complaint(row)}")

    refuse(~np.isfinite(mids), lambda row: f"mid_price is {mids[row]}, which is no number")
    valid: NDArray[np.bool_] = bins.get("book_valid", mids > 0)
    priced = mids[has_mid(mids, valid)]
    half_ticks = 2 * priced / tick_size
    off = np.abs(half_ticks - np.round(half_ticks)) > _TICK_TOLERANCE + _ROUNDING * np.abs(half_ticks)
    if off.any():
        raise ConfigError(
            f"source.tick_size is {tick_size:g}, but {int(off.sum())} of {len(off)} mid prices are no multiple of half "
            f"of it, such as {priced[off][0]:g}"
        )
    if not valid.any():
        raise DatasetError(f"dataset {dataset_id}: none of its {len(mids)} bins is valid; there is nothing to score")
    bid, ask = (bins[name].astype(np.int64) if name in bins else None for name in _BEST_PRICES)
    is_middle = np.zeros(len(mids), np.bool_)
    if bid is not None and ask is not None:
        middle = (bid.astype(float) + ask.astype(float)) / 2 / PRICE_SCALE
        is_middle = np.abs(mids - middle) <= _TICK_TOLERANCE * tick_size + _ROUNDING * np.abs(middle)
    # A price of 0 is one only where all three say so: it also stands for none.
    refuse(valid & (mids == 0) & ~is_middle, lambda _: "book_valid is true, but mid_price is 0; expected a price")
    if bid is not None and ask is not None:
        refuse(
            valid & ((bid >= ask) | ((bid == 0) | (ask == 0)) & ~is_middle),
            lambda row: (
                f"best bid {bid[row]} and best ask {ask[row]}: a valid bin needs both, bid < ask, in 1e-9 units"
            ),
        )
        refuse(
            valid & ~is_middle,
            lambda row: f"mid_price is {mids[row]:.12g}, but the middle of best bid and ask is {middle[row]:.12g}",
        )
    return valid


def _check_columns(folder: Path, dataset_id: str) -> tuple[list[str], list[str]]:
    """Return the grid's columns that signals can read, and the others; those that the lattice knows must be numbers."""
    schema, where = _schema(folder / GRID_FILE, dataset_id), f"dataset {dataset_id}: {GRID_FILE}"
    numbers, others = list[str](), list[str]()
    for field in [field for field in schema if field.name not in _KEYS]:
        is_number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        (numbers if is_number or pa.types.is_boolean(field.type) else others).append(field.name)
        if field.name in others and field.name in GRID_COLUMNS:
            raise DatasetError(f"{where}: {field.name} holds {field.type}; it must hold numbers")
    if _STATE5 in numbers:
        table = read_table(folder / GRID_FILE, [_STATE5], dataset_id)
        _check_column(table, _STATE5, lambda _: True, "whole numbers (int8)", where)
        codes = as_arrays(table)[_STATE5].astype(float)
        wrong = np.flatnonzero(~((codes >= BEAR_VACUUM) & (codes <= BULL_VACUUM)) | (codes != np.round(codes)))
        if len(wrong):
            raise DatasetError(
                f"{where}: {_STATE5} is {codes[wrong[0]]:g} in row {wrong[0]}; it must be a whole number from "
                f"{BEAR_VACUUM} to {BULL_VACUUM}"
            )
    return numbers, others


def _check_cells(folder: Path, bin_seq: Array, dataset_id: str) -> tuple[int, bool]:
    """Return the radius, and whether the rows ascend by bin and cell; every cell must be there once."""
    table = read_table(folder / GRID_FILE, list(_KEYS), dataset_id)
    for name in _KEYS:
        _check_column(table, name, pa.types.is_signed_integer, "whole numbers", f"dataset {dataset_id}: {GRID_FILE}")
    keys = {name: values.astype(np.int64) for name, values in as_arrays(table).items()}
    k = keys["k"]
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
