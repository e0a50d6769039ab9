"""The commands on datasets: build, publish, list, show. Config in, text or JSON out."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from vpharness.datasets.build import build
from vpharness.datasets.find import Dataset, all_datasets, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import Manifest
from vpharness.datasets.publish_folder import publish
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.times import time_text
from vpharness.tasks.commands import TickSize
from vpharness.tasks.progress import shown
from vpharness.tasks.schema import check, instance
from vpharness.tasks.spans import parse_time_ns

_WIDTH = 100


def run_build(config: DictConfig) -> None:
    """Build a dataset and say what it holds."""
    source, lattice = instance(config.source, "source"), instance(config.lattice, "lattice")
    choice = instance(config.dataset, "dataset")
    check(source=source, lattice=lattice)
    with shown() as report:
        built = build(
            _lake(config),
            source,
            lattice,
            dataset_id=choice.id,
            start_ns=parse_time_ns(config.start, "start"),
            end_ns=parse_time_ns(config.end, "end"),
            report=report,
        )
    _print_dataset(built.manifest, built.path, config.json, "exists" if built.existed else "built")


def run_publish(config: DictConfig) -> None:
    """Publish a folder and say what it holds."""
    source, choice = TickSize(config.source.tick_size), instance(config.dataset, "dataset")
    needed = {"PATH": config.path, "dataset.id": choice.id, "source.tick_size": source.tick_size}
    absent = [name for name, value in needed.items() if value is None]
    if absent:
        raise ConfigError(
            f"publish needs {' and '.join(absent)}: "
            "python -m vpharness publish PATH dataset.id=ID source.tick_size=TICK_SIZE"
        )
    check(source=source)
    manifest = publish(_lake(config), Path(config.path), choice.id, config.source.tick_size)
    _print_dataset(manifest, _lake(config).published / choice.id, config.json, "published")


def run_list(config: DictConfig) -> None:
    """List the datasets of the lake."""
    found = list(all_datasets(_lake(config)))
    good = [item for item in found if isinstance(item, Dataset)]
    bad = [str(item) for item in found if isinstance(item, DatasetError)]
    if config.json:
        _print_json({"datasets": [_facts(item.manifest, item.path) for item in good], "problems": bad})
        return
    table = Table("id", "instrument", "from (UTC)", "hours", "bins", "ms", "valid", box=None, pad_edge=False)
    for item in good:
        m = item.manifest
        hours = (m.last_bin_end_ns - m.first_bin_start_ns) / 3600e9
        start = time_text(m.first_bin_start_ns)[:19]
        share = f"{m.valid_bins / m.bins:.1%}"
        table.add_row(m.dataset_id, m.instrument, start, f"{hours:.2f}", f"{m.bins:,}", str(m.cell_width_ms), share)
    console = Console(width=_WIDTH)
    if good:
        console.print(table)
    else:
        console.print(f"no datasets in the lake {config.lake}", highlight=False)
    for problem in bad:
        console.print(problem, highlight=False, soft_wrap=True)


def run_show(config: DictConfig) -> None:
    """Say what a dataset holds."""
    dataset = _chosen(config)
    _print_dataset(dataset.manifest, dataset.path, config.json, "dataset")


def _lake(config: DictConfig) -> Lake:
    return Lake(Path(config.lake))


def _chosen(config: DictConfig) -> Dataset:
    choice = instance(config.dataset, "dataset")
    if choice.id is None:
        raise ConfigError("dataset.id must be given (python -m vpharness list-datasets shows what there is)")
    return find_dataset(_lake(config), choice.id)


def _facts(manifest: Manifest, path: Path) -> dict[str, Any]:
    return {**dataclasses.asdict(manifest), "path": str(path)}


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))


def _print_dataset(manifest: Manifest, path: Path, as_json: bool, what: str) -> None:
    m = manifest
    if as_json:
        _print_json({**_facts(m, path), "result": what})
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
        *(("note", note) for note in m.notes),
    ]
    print(f"{what} {m.dataset_id}")
    _print_rows(rows)


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"
