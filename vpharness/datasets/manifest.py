"""`manifest.json` and `checksums.json`: the facts of a dataset, and the SHA-256 of its files."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from vpharness.datasets.remote_files import fetch_again, fetch_file
from vpharness.errors import DatasetError
from vpharness.storage.checksums import file_sha256, known_sha256, text_sha256
from vpharness.storage.durable import replace_file

BINS_FILE: Final = "bins.parquet"
EVENTS_FILE: Final = "events.parquet"
GRID_FILE: Final = "grid_clean.parquet"
MANIFEST_FILE: Final = "manifest.json"
CHECKSUMS_FILE: Final = "checksums.json"
FILES: Final = (BINS_FILE, EVENTS_FILE, GRID_FILE, MANIFEST_FILE)
"""The files that checksums are kept of, as far as a dataset has them: events or a grid, or both."""
MANIFEST_VERSION: Final = 1
"""Raised when what a manifest says means something else than before; keys may be added."""
_ADDED: Final = frozenset({"by_level", "instruments"})
"""Keys that manifests of earlier versions lack; their defaults are what was meant then."""

_IDENTITY: Final = "dataset"
_STORED: Final = "columns"
_THIS: Final = "checksums"
"""Names in `checksums.json` beside those of files: the dataset's checksum, its columns, and the digest of all these."""


LEAST_VALID_SHARE: Final = 0.9
"""Below this share of bins with a valid book, a dataset is doubtful."""
_NEXT_TO_NONE: Final = 0.05


@dataclass(frozen=True)
class Manifest:
    """The facts of a dataset. Times are ns since the epoch, UTC; prices are in price units."""

    dataset_id: str
    content_id: str  # hash of all that the bins and cells depend on
    instrument: str
    tick_size: float
    size_unit: float | None
    cell_width_ms: int
    radius: int
    bins: int
    valid_bins: int
    first_bin_start_ns: int
    last_bin_end_ns: int
    source: dict[str, Any]  # kind, parameters and SHA-256 of files; of a published folder: where it came from
    span: dict[str, int | None]  # start_ns and end_ns as asked for
    lattice: dict[str, Any] | None  # every parameter in force; None where they are not known
    lattice_version: int | None
    columns: list[str]  # of the grid, beside bin_seq and k: those that can be read, stored or computed
    bin_columns: list[str]
    rows_ordered: bool  # the grid's rows ascend by (bin_seq, k), and the bins' by bin_seq
    events: dict[str, int]  # by action
    problems: dict[str, int]  # events that were not as they should be, by kind
    skipped: dict[str, int]  # what the source left out, by reason
    notes: list[str]  # what a user should know: absent columns, doubts about the tick size
    by_level: bool = False  # of price levels: what are orders to the lattice are levels, and there is no queue
    instruments: list[str] = dataclasses.field(default_factory=list)  # as the data call them, where files hold several
    vpharness_version: str = dataclasses.field(default_factory=lambda: version("vpharness"))
    manifest_version: int = MANIFEST_VERSION

    @property
    def cells(self) -> int:
        """Cells of a bin."""
        return 2 * self.radius + 1

    @property
    def has_best_prices(self) -> bool:
        """Whether the best prices are known: without them there are no net figures."""
        return {"best_bid_price_int", "best_ask_price_int"} <= set(self.bin_columns)

    @property
    def doubts(self) -> list[str]:
        """What may spoil results on it: the notes of a dataset that was built, and that few of its bins are valid."""
        notes = list(self.notes) if self.lattice is not None else []
        share = valid_share_text(self.valid_bins, self.bins)
        if self.valid_bins < LEAST_VALID_SHARE * self.bins and not any(note.startswith(share) for note in notes):
            notes.insert(0, share)
        return notes

    def write(self, folder: Path, name: str = MANIFEST_FILE) -> None:
        """Write `manifest.json`, or the same under another name."""
        text = json.dumps(dataclasses.asdict(self), indent=1) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def valid_share_text(valid: int, bins: int) -> str:
    """Return a sentence on the share of bins that have a valid book."""
    share = valid / bins
    if share < _NEXT_TO_NONE:
        return f"next to no bin has a valid book ({share:.1%}), and no result on this dataset means anything"
    return f"only {share:.1%} of the bins have a valid book"


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`, which must have its checksum; a DatasetError says what is wrong with it."""
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
        values = json.loads(content)
    except (OSError, ValueError) as error:
        raise DatasetError(f"dataset {folder.name}: {path} cannot be read: {error}") from error
    if not isinstance(values, dict) or values.get("manifest_version") != MANIFEST_VERSION:
        found = values.get("manifest_version") if isinstance(values, dict) else None
        raise DatasetError(
            f"dataset {folder.name}: manifest_version is {found}, this vpharness reads {MANIFEST_VERSION}; "
            f"use the vpharness that wrote {path}, or build it again"
        )
    if hashlib.sha256(content).hexdigest() != read_checksums(folder)[MANIFEST_FILE]:
        raise _differs(folder, [MANIFEST_FILE])
    names = {field.name for field in dataclasses.fields(Manifest)}
    odd = sorted((set(values) ^ names) - (_ADDED - set(values)))
    if odd:
        raise DatasetError(f"dataset {folder.name}: {path} has missing or unknown keys: {', '.join(odd)}")
    return Manifest(**values)


def require_orders(manifest: Manifest) -> None:
    """Raise DatasetError where a dataset is of price levels, for whatever needs orders and their place in the queue."""
    if manifest.by_level:
        source = manifest.source.get("kind", "its source")
        raise DatasetError(
            f"dataset {manifest.dataset_id} is by price level ({source}), and this needs single orders: a level does "
            "not say who is ahead in its queue; build a dataset from market-by-order data instead"
        )


@dataclass(frozen=True)
class Checksums:
    """What `checksums.json` says of a dataset.

    Attributes:
        files: SHA-256 by file name.
        identity: the SHA-256 that stands for the dataset: for its facts, and for its bins and events. Which columns of
            the grid are stored does not matter, since they follow from the events. Where there are no events it stands
            for the grid in their place; a dataset that was made without its events, and has got them since, keeps the
            one that it had.
        stored: the columns of its grid that are stored; None where it keeps no events, and so stores all it has.
    """

    files: dict[str, str]
    identity: str
    stored: tuple[str, ...] | None

    @property
    def without_grid(self) -> "Checksums":
        """The same dataset with no column of its grid stored, where all of them follow from its events."""
        if self.stored is None:
            return self
        return Checksums({name: each for name, each in self.files.items() if name != GRID_FILE}, self.identity, ())

    @property
    def text(self) -> str:
        """The text of the file. An identity, which nothing else would prove, comes with a digest of all before it."""
        values: dict[str, Any] = {name: self.files[name] for name in FILES if name in self.files}
        if self.stored is not None:
            values |= {_IDENTITY: self.identity, _STORED: list(self.stored)}
            values[_THIS] = text_sha256(json.dumps(values))
        return json.dumps(values, indent=1) + "\n"


def write_checksums(folder: Path, known: dict[str, str], stored: Sequence[str] = ()) -> None:
    """Write `checksums.json` of a new dataset; digests that are known, by file name, are not computed again.

    `stored` are the columns that the grid of a dataset with events holds.
    """
    names = [name for name in FILES if name in known or (folder / name).exists()]
    sums = {name: known.get(name) or file_sha256(folder / name) for name in names}
    if EVENTS_FILE in sums:
        identity = text_sha256(json.dumps({name: sums[name] for name in FILES if name != GRID_FILE}))
        checksums = Checksums(sums, identity, tuple(stored))
    else:
        checksums = Checksums(sums, "", None)
    (folder / CHECKSUMS_FILE).write_text(checksums.text, encoding="utf-8")


def replace_checksums(folder: Path, checksums: Checksums) -> None:
    """Replace `checksums.json` at once; files that it does not name are no longer the dataset's."""
    replace_file(folder / CHECKSUMS_FILE, checksums.text)


def read_checksums(folder: Path) -> dict[str, str]:
    """Read `checksums.json`: SHA-256 by file name."""
    return checksums_of(folder).files


def checksums_of(folder: Path) -> Checksums:
    """Read `checksums.json`; a DatasetError where it is not as it was written."""
    path = folder / CHECKSUMS_FILE
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text)
    except (OSError, ValueError) as error:
        raise DatasetError(f"dataset {folder.name}: {path} cannot be read: {error}") from error
    return parsed_checksums(text, values, folder.name, str(path))


def parsed_checksums(text: str, values: object, dataset_id: str, where: str) -> Checksums:
    """Return what `checksums.json` says of a dataset; a DatasetError where it is not as it was written.

    Args:
        text: the whole file.
        values: the same as JSON values.
        dataset_id: the dataset.
        where: where the file lies.
    """
    found = values if isinstance(values, dict) else {}
    sums = {name: found[name] for name in FILES if isinstance(found.get(name), str)}
    keeps_events = EVENTS_FILE in sums
    expected = {BINS_FILE, MANIFEST_FILE} | ({EVENTS_FILE} if keeps_events else {GRID_FILE})
    others = {_IDENTITY, _STORED, _THIS} if keeps_events else set()
    if not expected <= set(sums) or not others <= set(found) <= {*sums, *others}:
        raise DatasetError(f"dataset {dataset_id}: {where} must hold the SHA-256 of {', '.join(sorted(expected))}")
    identity = found[_IDENTITY] if keeps_events else text_sha256(text)
    checksums = Checksums(sums, identity, tuple(found[_STORED]) if keeps_events else None)
    if text != checksums.text:
        raise DatasetError(f"dataset {dataset_id}: {where} is not as it was written; restore it")
    return checksums


def checksum_of(folder: Path) -> str:
    """Return the SHA-256 that stands for a dataset."""
    return checksums_of(folder).identity


def check_file(folder: Path, name: str) -> None:
    """Raise DatasetError where a file does not have its checksum; a file is read for that once in a process.

    Of a dataset that lies elsewhere it is fetched first, where it is not in the cache, or is damaged there.
    """
    known = read_checksums(folder).get(name)
    if known is None:
        raise DatasetError(f"dataset {folder.name} does not store {name}; if it was converted just now, try again")
    fetch_file(folder, name, known)
    try:
        found = known_sha256(folder / name)
    except OSError as error:
        raise DatasetError(f"dataset {folder.name}: {folder / name} cannot be read: {error.strerror}") from error
    if found != known and not fetch_again(folder, name, known):
        raise _differs(folder, [name])


def check_all(folder: Path) -> dict[str, str]:
    """Return the checksums of all files of a dataset, read anew; a DatasetError names every file that differs."""
    sums = read_checksums(folder)
    for name, known in sums.items():
        fetch_file(folder, name, known)
    try:
        changed = [name for name, known in sums.items() if file_sha256(folder / name) != known]
    except OSError as error:
        raise DatasetError(f"dataset {folder.name}: {error.filename} cannot be read: {error.strerror}") from error
    if changed:
        raise _differs(folder, changed)
    return sums


def _differs(folder: Path, names: list[str]) -> DatasetError:
    return DatasetError(
        f"dataset {folder.name}: {', '.join(names)} in {folder} differs from its checksum in {CHECKSUMS_FILE}; "
        "the dataset has been damaged or changed: restore it, or remove the folder and build or publish it again"
    )


def content_id(parts: dict[str, Any]) -> str:
    """Return the hash that stands for everything a dataset's bins and cells depend on."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return text_sha256(text)[:16]
