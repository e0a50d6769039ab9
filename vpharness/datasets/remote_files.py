"""Files of datasets that lie elsewhere, fetched into the lake's cache when they are asked for.

Such a dataset is a folder `cache/remote/<digest>/<dataset_id>`, the digest being the first 16 digits of the SHA-256 of
its `checksums.json`. It begins with its manifest, its checksums and a note of where it lies, `remote.json`; every other
file is fetched by the first process that checks it, under another name, and renamed once it has its checksum. The time
of the note's change is that of the dataset's last use.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.datasets.cache_limit import USE_IS_OLD_S, keep_within_limit
from vpharness.datasets.lake import ColumnCache
from vpharness.datasets.s3_files import download
from vpharness.datasets.s3_place import S3Place, s3_place
from vpharness.errors import ConfigError, DatasetError
from vpharness.storage.durable import replace_file, written_aside
from vpharness.storage.locks import locked

ORIGIN_FILE: Final = "remote.json"
_LOCK: Final = ".lock"


@dataclass(frozen=True)
class Origin:
    """Where a dataset lies, and how many bytes the cache that it is fetched into may take."""

    place: S3Place
    limit_bytes: int

    def write(self, folder: Path) -> None:
        """Write it beside the dataset's files; raises OSError where that cannot be done."""
        text = json.dumps({"place": str(self.place), "limit_bytes": self.limit_bytes}) + "\n"
        replace_file(folder / ORIGIN_FILE, text, durable=False)


def origin_of(folder: Path) -> Origin | None:
    """Return where the dataset of a folder lies; None for one of the lake itself, and where the note is damaged."""
    try:
        values = json.loads((folder / ORIGIN_FILE).read_text(encoding="utf-8"))
        return Origin(s3_place(values["place"], ORIGIN_FILE), int(values["limit_bytes"]))
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None


def object_places(place: S3Place, name: str, sha256: str) -> tuple[S3Place, S3Place]:
    """Return where a file of a dataset may lie: below its SHA-256, as it is published, or in a folder copied as it is.

    Below its SHA-256, what a publisher that was stopped has left is part of no other dataset.
    """
    return place.below(sha256, name), place.below(name)


def fetch_file(folder: Path, name: str, sha256: str) -> None:
    """Fetch a file of a dataset that lies elsewhere, if it is not in the cache; do nothing for one of the lake itself.

    Raises DatasetError where it cannot be fetched, or is not what its checksum says; nothing of it is kept then.
    """
    if (folder / name).is_file() and not (folder / ORIGIN_FILE).exists():
        return
    if (origin := origin_of(folder)) is None:
        return
    _mark_used(folder)
    if (folder / name).is_file():
        return
    try:
        with _alone(folder):
            if not (folder / name).is_file():  # another process may have fetched it meanwhile
                _fetch(folder, name, sha256, origin)
    except OSError as error:
        raise DatasetError(
            f"dataset {folder.name}: {name} cannot be kept in {folder}: {error.strerror or error}"
        ) from error
    keep_within_limit(ColumnCache(folder.parents[2], origin.limit_bytes))


def fetch_again(folder: Path, name: str, sha256: str) -> bool:
    """Fetch a file anew whose copy in the cache is damaged; return False for a dataset of the lake itself."""
    if origin_of(folder) is None:
        return False
    with contextlib.suppress(OSError):
        (folder / name).unlink()
    fetch_file(folder, name, sha256)
    return True


def _fetch(folder: Path, name: str, sha256: str, origin: Origin) -> None:
    for place in object_places(origin.place, name, sha256):
        with contextlib.suppress(_NotThereError), written_aside(folder / name, durable=False) as aside:
            found = download(place, aside)
            if found is None:
                raise _NotThereError
            if found != sha256:
                raise DatasetError(
                    f"dataset {folder.name}: {place} differs from its checksum; it has been damaged or replaced: "
                    f"publish the dataset again, or delete {folder} if another one is meant to be there"
                )
            return
    raise DatasetError(f"dataset {folder.name}: {origin.place} does not hold {name}; publish the dataset again")


class _NotThereError(Exception):
    """There is no such object."""


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from fetching; without locks nobody is, and two that fetch a file fetch the same."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            held.enter_context(locked(folder / _LOCK, create=True))
        yield


def _mark_used(folder: Path) -> None:
    note = folder / ORIGIN_FILE
    with contextlib.suppress(OSError):
        if time.time() - note.stat().st_mtime > USE_IS_OLD_S:
            os.utime(note)
