"""Collections of the lake, as frames and datasets."""

import dataclasses
import functools
from typing import Any

import pandas as pd

from vpharness.api.data import DatasetTables
from vpharness.api.folders import Folder, lake_in
from vpharness.datasets.collection import Collection, collection_ids, datasets_of, find_collection
from vpharness.datasets.disk_use import disk_use
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import DatasetError


@dataclasses.dataclass(frozen=True)
class CollectionTables:
    """One version of a collection of the lake: its sessions as a frame, and its datasets, in the order of time."""

    _lake: Lake
    _collection: Collection

    @property
    def id(self) -> str:
        """Its name in the lake."""
        return self._collection.id

    @property
    def version(self) -> int:
        """The number of this version, from 1."""
        return self._collection.version

    @property
    def latest(self) -> int:
        """The number of the newest version."""
        return self._collection.latest

    @functools.cached_property
    def datasets(self) -> list[DatasetTables]:
        """Its datasets, in the order of time.

        Raises DatasetError where one is missing, or holds something else than when it was added.
        """
        return [DatasetTables(found) for found in datasets_of(self._lake, self._collection)]

    @functools.cached_property
    def sessions(self) -> pd.DataFrame:
        """A row for each session, under its name: dataset_id, instrument, start, end, added, all times in UTC."""
        members = self._collection.members
        frame = pd.DataFrame(
            {
                "dataset_id": [member.dataset_id for member in members],
                "instrument": [member.instrument for member in members],
                "start": _times([member.start_ns for member in members]),
                "end": _times([member.end_ns for member in members]),
                "added": _times(self._collection.added_ns),
            },
            index=pd.Index([member.session for member in members], name="session"),
        )
        frame.attrs |= {"root": self._collection.root, "tick_size": self._collection.tick_size}
        return frame

    def __repr__(self) -> str:
        members = self._collection.members
        span = f"{members[0].session} to {members[-1].session}"
        return f"collection {self._collection.name}: {len(members):,} sessions of {self._collection.root}, {span}"


def collection(name: str, *, lake: Folder | None = None) -> CollectionTables:
    """Return a collection: `ES` is its newest version, `ES@3` its third.

    Raises DatasetError where there is no such collection or version, and where a file of it is damaged.
    """
    found = lake_in(lake)
    return CollectionTables(found, find_collection(found, name))


def collections(*, lake: Folder | None = None) -> pd.DataFrame:
    """Return the collections of the lake, a row for each: what its newest version holds, and its bytes on disk.

    A collection that cannot be read has its reason in the column `problem`, and nothing else.
    """
    found, rows = lake_in(lake), []
    for collection_id in collection_ids(found):
        try:
            rows.append(_facts(found, find_collection(found, collection_id)))
        except DatasetError as error:
            rows.append({"collection": collection_id, "problem": str(error)})
    return pd.DataFrame(rows, columns=None if rows else ["collection", "problem"])


def _facts(lake: Lake, found: Collection) -> dict[str, Any]:
    uses = [disk_use(find_dataset(lake, dataset_id)) for dataset_id in found.dataset_ids]
    return {
        "collection": found.id,
        "version": found.version,
        "sessions": len(found.members),
        "root": found.root,
        "tick_size": found.tick_size,
        "start": pd.to_datetime(found.members[0].start_ns, unit="ns", utc=True),
        "end": pd.to_datetime(found.members[-1].end_ns, unit="ns", utc=True),
        "disk_bytes": sum(use.stored for use in uses),
        "cache_bytes": sum(use.cached for use in uses),
        "problem": None,
    }


def _times(times_ns: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(list(times_ns), unit="ns", utc=True))
