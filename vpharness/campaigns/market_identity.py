"""The market that a dataset is evidence of, identified from its manifest."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import BINS_FILE, Manifest, read_checksums
from vpharness.evaluation import Market, name_content, origin_content

UNKNOWN: Final = "unknown"
"""What the manifest of a published folder has for an instrument."""

_SYNTHETIC: Final = "synthetic"
_EXCHANGE: Final = ZoneInfo("America/New_York")  # where the times of LOBSTER's files count from midnight
_FILE_DIGESTS: Final = ("sha256", "orderbook_sha256", "snapshot_sha256", "trades_sha256")
_CHOOSES: Final = frozenset({"symbol", "instrument_id"})
"""Parameters of sources whose files may hold many instruments."""
_DBN: Final = "dbn"
_NOT_CONTENT: Final = frozenset({"tick_size", "version", "instrument"})
"""Fields of a source that may differ between two readings of the same events."""


def market_of(dataset: Dataset) -> Market:
    """Return the market that a dataset is evidence of.

    Real markets are known by their instruments, of which one in common will do, and by what they were made of: the same
    file under another name of the instrument, or the same bins under another name of the dataset, are the same market.
    A simulated market is known by its seed alone, from which all its moves are drawn; prices, ticks, flow and opening
    time do not make another one.
    """
    manifest = dataset.manifest
    if manifest.source.get("source") == _SYNTHETIC:
        seed, start_ns = manifest.source.get("seed"), manifest.source.get("start_ns")
        name = f"simulated, seed {seed}"
        return Market(name, frozenset({name}), origin_ns=int(start_ns or 0))
    contents = {f"bins {read_checksums(dataset.path)[BINS_FILE]}", *map(name_content, manifest.instruments)}
    for content, date in _source_contents(manifest).items():
        contents |= {content} if date is None else {content, origin_content(content, _midnight_ns(date))}
    return Market(_instrument(manifest), frozenset(contents), _origin_ns(manifest))


def _origin_ns(manifest: Manifest) -> int:
    """Return midnight of the (first) day that a user gave files whose own times have no date; 0 for all others."""
    date = manifest.source.get("date")
    date = date[0] if isinstance(date, list) else date
    return _midnight_ns(date) if isinstance(date, str) else 0


def _midnight_ns(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=_EXCHANGE).timestamp()) * 1_000_000_000


def _instrument(manifest: Manifest) -> str | None:
    """Return the instrument, or None where the data do not name it: a published folder, or a bare number in a file."""
    name = manifest.instrument
    return None if name == UNKNOWN or name.isdigit() else name


def _source_contents(manifest: Manifest) -> dict[str, str | None]:
    """Return a digest of each thing that the events were read from, with its day where files of several have one.

    Of a file that may hold many instruments it is that of the file and of the instrument, by each name that the data
    have for it: a name that only the user has does not make another one.
    """
    source: dict[str, Any] = manifest.source
    if not source or manifest.instrument == UNKNOWN:
        return {}
    files = [(digest, date) for name in _FILE_DIGESTS for digest, date in _dated(source.get(name), source.get("date"))]
    names = [""]
    found: dict[str, str | None] = {}
    if not source.keys().isdisjoint(_CHOOSES):
        names = [f" {name.casefold()}" for name in _data_names(manifest)] or names
    elif _FILE_DIGESTS[0] not in source:
        kept = {name: value for name, value in source.items() if name not in _NOT_CONTENT}
        found[f"source {hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()}"] = None
    return {**found, **{f"file {digest}{name}": date for digest, date in files for name in names}}


def _data_names(manifest: Manifest) -> list[str]:
    """Return what the data call the instrument, which manifests of earlier versions do not tell apart."""
    earlier = [manifest.instrument] if manifest.source.get("kind") == _DBN else []
    return manifest.instruments or earlier


def _dated(digests: Any, dates: Any) -> Iterator[tuple[str, str | None]]:
    """Yield the digests of a source's files, each with its day where there are several days."""
    listed = digests if isinstance(digests, list) else [digests]
    days = dates if isinstance(dates, list) and len(dates) == len(listed) else [None] * len(listed)
    yield from ((digest, day) for digest, day in zip(listed, days, strict=True) if isinstance(digest, str))
