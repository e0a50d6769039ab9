"""The market that a dataset is evidence of, identified from its manifest."""

import hashlib
import json
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import BINS_FILE, Manifest, read_checksums
from vpharness.evaluation import Market

UNKNOWN: Final = "unknown"
"""What the manifest of a published folder has for an instrument."""

_SYNTHETIC: Final = "synthetic"
_EXCHANGE: Final = ZoneInfo("America/New_York")  # where the times of LOBSTER's files count from midnight
_FILE_DIGEST: Final = "sha256"
_NOT_CONTENT: Final = frozenset({"tick_size", "version", "instrument"})
"""Fields of a source that may differ between two readings of the same events."""


def market_of(dataset: Dataset) -> Market:
    """Return the market that a dataset is evidence of.

    Real markets are known by their instrument, and by what they were made of: the same file under another name of the
    instrument, or the same bins under another name of the dataset, are the same market. A simulated market is known by
    its seed alone, from which all its moves are drawn; prices, ticks, flow and opening time do not make another one.
    """
    manifest = dataset.manifest
    if manifest.source.get("source") == _SYNTHETIC:
        seed, start_ns = manifest.source.get("seed"), manifest.source.get("start_ns")
        name = f"simulated, seed {seed}"
        return Market(name, frozenset({name}), origin_ns=int(start_ns or 0))
    contents = {f"bins {read_checksums(dataset.path)[BINS_FILE]}"}
    contents |= _source_contents(manifest)
    return Market(_instrument(manifest), frozenset(contents), _origin_ns(manifest))


def _origin_ns(manifest: Manifest) -> int:
    """Return midnight of the day that a user gave a file whose own times have no date; 0 for all others."""
    date = manifest.source.get("date")
    date = date[0] if isinstance(date, list) else date
    if not isinstance(date, str):
        return 0
    return int(datetime.fromisoformat(date).replace(tzinfo=_EXCHANGE).timestamp()) * 1_000_000_000


def _instrument(manifest: Manifest) -> str | None:
    """Return the instrument, or None where the data do not name it: a published folder, or a bare number in a file."""
    name = manifest.instrument
    return None if name == UNKNOWN or name.isdigit() else name


def _source_contents(manifest: Manifest) -> set[str]:
    """Return a digest of each thing that the events were read from; none of a file that may hold many instruments."""
    source: dict[str, Any] = manifest.source
    if not source or "symbol" in source or "instrument_id" in source or manifest.instrument == UNKNOWN:
        return set()
    if _FILE_DIGEST in source:
        digests = source[_FILE_DIGEST]
        return {f"file {digest}" for digest in (digests if isinstance(digests, list) else [digests])}
    kept = {name: value for name, value in source.items() if name not in _NOT_CONTENT}
    return {f"source {hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()}"}
