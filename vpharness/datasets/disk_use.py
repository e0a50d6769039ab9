"""What datasets take on disk: their own files, and the columns that were computed from their events."""

from dataclasses import dataclass
from pathlib import Path

from vpharness.datasets.find import Dataset


@dataclass(frozen=True)
class DiskUse:
    """Bytes on disk: of a dataset's own files, and of what the cache has of it, which can be deleted.

    The cache has its computed columns, and all files of one that lies elsewhere.
    """

    stored: int
    cached: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.stored + self.cached


def disk_use(dataset: Dataset) -> DiskUse:
    """Return what a dataset takes on disk."""
    cached = 0 if dataset.cache is None else folder_bytes(dataset.cache.of(dataset.checksum))
    own = dataset.disk_bytes
    return DiskUse(own, cached) if dataset.origin is None else DiskUse(0, cached + own)


def folder_bytes(folder: Path) -> int:
    """Return what the files below a folder take; those that are deleted meanwhile count for nothing."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
