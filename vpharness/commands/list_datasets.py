"""The command `list-datasets`."""

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness.commands.text.collection_facts import collection_summary
from vpharness.commands.text.dataset_facts import dataset_facts, size_text
from vpharness.commands.text.terminal import console, print_table
from vpharness.config.lake_of_command import lake_of
from vpharness.datasets.collection import Collection, collection_ids, find_collection
from vpharness.datasets.disk_use import DiskUse, disk_use
from vpharness.datasets.find import Dataset, all_datasets
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import Manifest
from vpharness.datasets.sources import TARGET, noted_source
from vpharness.errors import DatasetError
from vpharness.events.times import time_text
from vpharness.wording import counted

_DESCRIBING = ("seed", "strength", "path", "symbol")
"""The parameters of a source by which a dataset is known, as far as its source has them."""
_TEXTS = ("id", "collection", "instrument", "lies in", "source", "from (UTC)", "to (UTC)")


def run_list_datasets(config: DictConfig) -> None:
    """List the datasets and collections of the lake, and what they take on disk."""
    lake = lake_of(config)
    found = list(all_datasets(lake))
    good = [item for item in found if isinstance(item, Dataset)]
    bad = [str(item) for item in found if isinstance(item, DatasetError)]
    collections, damaged = _collections(lake)
    bad += damaged
    uses: dict[str, DiskUse] = {}
    for item in good:  # a published one comes before a variant of the same name, as in a look-up
        uses.setdefault(item.path.name, disk_use(item))
    if config.json:
        facts = [
            {
                **dataset_facts(item.manifest, item.path),
                "cache_bytes": uses[item.path.name].cached,
                "noted_source": _noted(lake, item.manifest),
            }
            for item in good
        ]
        told = {"datasets": facts, "collections": [collection_summary(each, uses) for each in collections]}
        print(json.dumps({**told, "problems": bad}, indent=1))
        return
    if collections:
        print_table(_collection_table(collections, uses), texts=_TEXTS, key="collection")
        console().print()
    # The days of a collection are listed by show: a table of a thousand of them would hide the others.
    held = {member.dataset_id for each in collections for member in each.members}
    rows = [_row(lake, item, uses[item.path.name]) for item in good if item.manifest.dataset_id not in held]
    if rows:
        print_table({name: [row[name] for row in rows] for name in rows[0]}, texts=_TEXTS, key="id")
    elif not collections:
        elsewhere = "" if lake.remote is None else f" or under {lake.remote}"
        console().print(f"no datasets in the lake {config.lake}{elsewhere}")
    if good:
        console().print(_disk_text(list(uses.values()), held))
    if any(item.manifest.doubts for item in good):
        console().print("! something is odd: python -m vpharness show dataset.id=ID says what")
    for problem in bad:
        console().print(problem)


def _row(lake: Lake, dataset: Dataset, use: DiskUse) -> dict[str, str]:
    """Return the cells of a dataset, by their headings."""
    m = dataset.manifest
    span_ns = m.last_bin_end_ns - m.first_bin_start_ns
    return {
        "id": m.dataset_id,
        "instrument": m.instrument,
        **({} if lake.remote is None else {"lies in": "the lake" if dataset.origin is None else "s3"}),
        "source": " ".join(filter(None, (source_text(_noted(lake, m), m.source), "(by level)" if m.by_level else ""))),
        "from (UTC)": time_text(m.first_bin_start_ns)[:19],
        "minutes": _minutes_text(span_ns),
        "bins": f"{m.bins:,}",
        "ms per bin": str(m.cell_width_ms),
        "valid book": f"{m.valid_bins / m.bins:.1%}" + (" !" if m.doubts else ""),
        "stored": f"{len(dataset.stored_columns)} of {len(m.columns)}",
        "on disk": size_text(use.stored),
        "cache": size_text(use.cached),
    }


def _collections(lake: Lake) -> tuple[list[Collection], list[str]]:
    """Return the newest versions of all collections, and what is wrong with the others."""
    found, problems = [], []
    for collection_id in collection_ids(lake):
        try:
            found.append(find_collection(lake, collection_id))
        except DatasetError as error:
            problems.append(str(error))
    return found, problems


def _collection_table(collections: Sequence[Collection], uses: Mapping[str, DiskUse]) -> dict[str, list[str]]:
    """Return the cells of a table of collections, by their headings."""
    facts = [collection_summary(each, uses) for each in collections]
    return {
        "collection": [each.id for each in collections],
        "version": [str(each.version) for each in collections],
        "sessions": [f"{len(each.members):,}" for each in collections],
        "instrument": [each.root for each in collections],
        "from (UTC)": [time_text(each.members[0].start_ns)[:19] for each in collections],
        "to (UTC)": [time_text(each.members[-1].end_ns)[:19] for each in collections],
        "on disk": [size_text(each["disk_bytes"]) for each in facts],
        "cache": [size_text(each["cache_bytes"]) for each in facts],
    }


def _disk_text(uses: Sequence[DiskUse], held: Container[str]) -> str:
    """Return what all datasets take on disk, and where those of collections are listed."""
    stored, cached = sum(use.stored for use in uses), sum(use.cached for use in uses)
    total = f"{counted(len(uses), 'dataset')}: {size_text(stored)} on disk, {size_text(cached)} in the cache"
    return f"{total}; show collection.id=NAME lists those of a collection" if held else total


def _minutes_text(span_ns: int) -> str:
    minutes = span_ns / 60e9
    return f"{minutes:.2g}" if minutes < 0.1 else f"{minutes:,.1f}".removesuffix(".0")


def _noted(lake: Lake, manifest: Manifest) -> dict[str, Any] | None:
    """Return the source of a dataset as it was noted when it was built; None where that is not known."""
    try:
        return noted_source(lake, manifest.content_id)
    except DatasetError:
        return None


def source_text(noted: dict[str, Any] | None, identity: Mapping[str, Any] | None = None) -> str:
    """Return a source in words, such as "synthetic seed=3 strength=1"; empty where it is not known.

    One of the user's own goes by the kind in its `identity`: the module that it lies in says nothing.
    """
    if noted is None:
        return ""
    target = str(noted[TARGET])
    name = target.split(".")[-2]
    if not target.startswith("vpharness."):
        name = str((identity or {}).get("kind") or name)
    values = {key: noted[key] for key in _DESCRIBING if noted.get(key) not in (None, "")}  # a list has no hash
    values |= {key: _file_names(value) for key, value in values.items() if key == "path"}
    return " ".join(
        [name, *(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items())]
    )


def _file_names(path: Any) -> str:
    """Return the name of a file, a folder or a glob, or the first of a list with how many follow."""
    if not isinstance(path, list):
        return Path(str(path)).name
    more = f" and {len(path) - 1} more" if len(path) > 1 else ""
    return Path(str(path[0])).name + more
