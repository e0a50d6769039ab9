"""What a dataset holds, as text for people and as JSON values."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import Manifest
from vpharness.events.times import time_text


def dataset_facts(manifest: Manifest, path: Path) -> dict[str, Any]:
    """Return what the manifest says of a dataset, and where the dataset lies, as JSON values."""
    return {**dataclasses.asdict(manifest), "path": str(path)}


def print_dataset(manifest: Manifest, path: Path, as_json: bool, result: str) -> None:
    """Print what a dataset holds, headed by what was done with it (`result`, such as "built")."""
    m = manifest
    if as_json:
        print(json.dumps({**dataset_facts(m, path), "result": result}, indent=1))
        return
    hours = (m.last_bin_end_ns - m.first_bin_start_ns) / 3600e9
    rows = [
        ("path", str(path)),
        ("instrument", f"{m.instrument}, tick {m.tick_size:g}"),
        ("span", f"{time_text(m.first_bin_start_ns)} to {time_text(m.last_bin_end_ns)} ({hours:.2f} hours)"),
        ("bins", f"{m.bins:,} of {m.cell_width_ms} ms, {m.valid_bins / m.bins:.1%} with a valid book"),
        ("cells", f"{m.cells} a bin, {len(m.columns)} columns"),
        ("events", _counts(m.events)),
        ("not as they should be", _counts(m.problems)),
        ("skipped", _counts(m.skipped)),
        *(("note", note) for note in dict.fromkeys((*m.doubts, *m.notes))),
    ]
    print(f"{result} {m.dataset_id}")
    _print_rows(rows)


def print_doubts(datasets: Iterable[Dataset]) -> None:
    """Print on standard error what is odd about the datasets that results are of, a line each."""
    for dataset_id, manifest in {dataset.manifest.dataset_id: dataset.manifest for dataset in datasets}.items():
        doubts = manifest.doubts
        more = f" (and {len(doubts) - 1} more: show dataset.id={dataset_id})" if len(doubts) > 1 else ""
        if doubts:
            print(f"vpharness: dataset {dataset_id}: {doubts[0]}{more}", file=sys.stderr)


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"
