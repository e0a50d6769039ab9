"""What a dataset holds, as text for people and as JSON values."""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vpharness.commands.text.price_checks import price_check_facts, price_check_lines
from vpharness.commands.text.terminal import span_text
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import Manifest
from vpharness.errors import DatasetError
from vpharness.events.times import time_text
from vpharness.results.session_names import with_session

if TYPE_CHECKING:
    from vpharness.datasets.price_check import PriceCheck


BY_LEVEL: Final = "by price level, without orders: fills are what trades explain of a level's decline"


def dataset_facts(manifest: Manifest, path: Path) -> dict[str, Any]:
    """Return what the manifest says of a dataset, where it lies, and what it stores, as JSON values."""
    dataset = Dataset(path, manifest)
    stored: dict[str, Any] = {"columns_stored": list(dataset.stored_columns), "disk_bytes": dataset.disk_bytes}
    if dataset.origin is not None:
        stored["origin"] = str(dataset.origin)
    return {**dataclasses.asdict(manifest), "doubts": manifest.doubts, "path": str(path), **stored}


def size_text(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _columns_text(dataset: Dataset) -> str:
    columns, stored = len(dataset.manifest.columns), len(dataset.stored_columns)
    if stored == columns:
        return f"{columns} columns"
    return f"{columns} columns, {stored} stored and {columns - stored} computed from its events when they are read"


def print_dataset(
    manifest: Manifest, path: Path, as_json: bool, result: str, check: "PriceCheck | None" = None
) -> None:
    """Print what a dataset holds, headed by what was done with it (`result`, such as "built").

    Below it stands how its best prices compare with those of another file, where they were compared.
    """
    m = manifest
    if as_json:
        facts = {**dataset_facts(m, path), "result": result}
        print(json.dumps(facts if check is None else {**facts, "check": price_check_facts(check)}, indent=1))
        return
    dataset = Dataset(path, manifest)
    span = span_text(m.last_bin_end_ns - m.first_bin_start_ns)
    rows = [
        *([("lies at", str(dataset.origin))] if dataset.origin is not None else []),
        ("path", str(path)),
        ("instrument", f"{m.instrument}, tick {m.tick_size:g}"),
        ("span", f"{time_text(m.first_bin_start_ns)} to {time_text(m.last_bin_end_ns)} ({span})"),
        ("bins", f"{m.bins:,} of {m.cell_width_ms} ms, {m.valid_bins / m.bins:.1%} with a valid book"),
        ("cells", f"{m.cells} a bin, {_columns_text(dataset)}"),
        ("on disk" if dataset.origin is None else "in the cache", size_text(dataset.disk_bytes)),
        *([("book", BY_LEVEL)] if m.by_level else []),
        ("events", _counts(m.events)),
        ("not as they should be", _counts(m.problems)),
        ("skipped", _counts(m.skipped)),
        *(("note", note) for note in dict.fromkeys((*m.doubts, *m.notes))),
    ]
    print(f"{result} {m.dataset_id}")
    _print_rows(rows)
    for line in [] if check is None else price_check_lines(check):
        print(line)


def print_doubts(datasets: Iterable[Dataset]) -> None:
    """Print on standard error what is odd about the datasets that results are of, a line each."""
    for dataset_id, manifest in {dataset.manifest.dataset_id: dataset.manifest for dataset in datasets}.items():
        doubts = manifest.doubts
        more = f" (and {len(doubts) - 1} more: show dataset.id={dataset_id})" if len(doubts) > 1 else ""
        if doubts:
            print(f"vpharness: dataset {dataset_id}: {doubts[0]}{more}", file=sys.stderr)


class DatasetRemarks:
    """Warnings about results on datasets of a lake; each manifest is read once."""

    def __init__(self, lake: Lake) -> None:
        """Start without having read any."""
        self._lake = lake
        self._known: dict[str, Manifest | None] = {}

    def of(self, dataset_ids: Iterable[str]) -> dict[str, Any]:
        """Return the columns of a candidate's row: doubts about its datasets, and whether one is by price level.

        `by_level` is None where none of the datasets is at hand any more.
        """
        found = [manifest for each in dataset_ids if (manifest := self._manifest(each)) is not None]
        return {
            "dataset_doubts": list(self._doubts(found)),
            "by_level": any(manifest.by_level for manifest in found) if found else None,
        }

    def sentences(self, dataset_ids: Iterable[str]) -> list[str]:
        """Return sentences, each of which begins with its dataset: doubts, and that it is by price level."""
        found = [manifest for each in dataset_ids if (manifest := self._manifest(each)) is not None]
        by_level = [f"{manifest.dataset_id}: {BY_LEVEL}" for manifest in found if manifest.by_level]
        return [*by_level, *self._doubts(found)]

    @staticmethod
    def _doubts(manifests: Iterable[Manifest]) -> Iterator[str]:
        return (f"{manifest.dataset_id}: {doubt}" for manifest in manifests for doubt in manifest.doubts)

    def _manifest(self, dataset_id: str) -> Manifest | None:
        if dataset_id not in self._known:
            self._known[dataset_id] = None
            with contextlib.suppress(DatasetError):  # results outlive their datasets
                self._known[dataset_id] = find_dataset(self._lake, dataset_id).manifest
        return self._known[dataset_id]


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def by_level_lines(
    lake: Lake | None, dataset_ids: Iterable[str], labels: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a line that names the datasets by price level among some, if there are any in the lake."""
    if lake is None:
        return
    found = []
    for dataset_id in sorted(set(dataset_ids)):
        with contextlib.suppress(DatasetError):  # results outlive their datasets
            if find_dataset(lake, dataset_id).manifest.by_level:
                found.append(with_session(dataset_id, labels or {}))
    if found:
        yield f"{', '.join(found)}: {BY_LEVEL}"
