"""What the lake's cache holds, and which of it goes when it is full: what was used least recently, whole.

It holds columns that were computed, a file each, and files of datasets that were fetched from elsewhere, which go
together. A dataset that was fetched and used a moment ago stays: another process may be about to open its files.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.datasets.lake import ColumnCache

COLUMN_SUFFIX: Final = ".npy"
USE_IS_OLD_S: Final = 60
"""How exactly the time of a last use is known: it is set again where it is older, seconds."""
_FETCHED: Final = ".parquet"
_NOTE: Final = "remote.json"


@dataclass(frozen=True)
class Kept:
    """What is deleted together: when it was used last (since the epoch, s), its bytes, and its files."""

    used_s: float
    size: int
    paths: tuple[Path, ...]


def keep_within_limit(cache: ColumnCache) -> None:
    """Delete what was used least recently, of whatever dataset, until the rest fits; what is in use stays mapped."""
    found = [*_columns(cache), *_fetched(cache)]
    total = sum(each.size for each in found)
    for each in sorted(found, key=lambda kept: kept.used_s):
        if total <= cache.limit_bytes:
            return
        if each.paths[0].suffix == _FETCHED and time.time() - each.used_s < 2 * USE_IS_OLD_S:
            continue
        for path in each.paths:
            with contextlib.suppress(OSError):
                path.unlink()
        total -= each.size


def _columns(cache: ColumnCache) -> Iterator[Kept]:
    for path in cache.folder.glob(f"*/*{COLUMN_SUFFIX}"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            stat = path.stat()
            yield Kept(stat.st_mtime, stat.st_size, (path,))


def _fetched(cache: ColumnCache) -> Iterator[Kept]:
    for note in cache.remote.glob(f"*/*/{_NOTE}"):
        with contextlib.suppress(OSError):
            paths = tuple(sorted(note.parent.glob(f"[!.]*{_FETCHED}")))
            if paths:
                yield Kept(note.stat().st_mtime, sum(path.stat().st_size for path in paths), paths)
