"""What a dataset is made of, and the grid variant in the lake that was made of just that.

Looking for a dataset needs neither the lattice's compiled code nor a source's events.
"""

import dataclasses
from pathlib import Path
from typing import Any

from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import Manifest, content_id, read_manifest
from vpharness.errors import ConfigError, DatasetError
from vpharness.events.event_source import Source
from vpharness.events.times import time_text
from vpharness.lattice.lattice_parameters import LATTICE_VERSION, LatticeParameters


def find_variant(
    lake: Lake,
    source: Source,
    lattice: LatticeParameters,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Dataset | None:
    """Return the grid variant that `build` would make without an id, if the lake has it.

    Raises SourceError where the source cannot be read, and ConfigError for a span that is empty.
    """
    _, identity = content_identity(source, lattice, start_ns, end_ns)
    target = lake.variants / content_id(identity)
    manifest = existing_dataset(target, target.name)
    return None if manifest is None else Dataset(target, manifest, lake.cache, lake.models)


def content_identity(
    source: Source, lattice: LatticeParameters, start_ns: int | None, end_ns: int | None
) -> tuple[LatticeParameters, dict[str, Any]]:
    """Return the lattice parameters in force, and everything that bins and cells depend on."""
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise ConfigError(f"start is {time_text(start_ns)} and end is {time_text(end_ns)}; start must lie before end")
    lattice = lattice.with_eviction(source.default_evict_crossed_ms)
    return lattice, {
        "lattice_version": LATTICE_VERSION,
        "lattice": dataclasses.asdict(lattice),
        "source": source.identity(),
        "span": {"start_ns": start_ns, "end_ns": end_ns},
    }


def existing_dataset(target: Path, content: str) -> Manifest | None:
    """Return the manifest of a dataset that holds just what is to be built; a DatasetError where it holds others."""
    if not target.exists():
        return None
    manifest = read_manifest(target)
    if manifest.content_id != content:
        raise DatasetError(
            f"dataset {target.name} exists with other content at {target}; datasets are never overwritten: "
            "choose another dataset.id"
        )
    return manifest
