"""Datasets that lie under an `s3://` root, as folders in the lake's cache that the rest of the code reads as any other.

A dataset is immutable, so what has been opened once is not asked for again: it can be used without a network as far as
its files are in the cache. Listing asks anew, and forgets what has been replaced. Where a dataset keeps its events, its
grid is never fetched: columns are computed.
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from vpharness.datasets.lake import Lake, is_name
from vpharness.datasets.manifest import CHECKSUMS_FILE, MANIFEST_FILE, Checksums, parsed_checksums
from vpharness.datasets.remote_files import ORIGIN_FILE, Origin, object_places, origin_of
from vpharness.datasets.s3_files import folders_in, read_small, require_bucket
from vpharness.datasets.s3_place import S3Place
from vpharness.errors import DatasetError
from vpharness.storage.durable import replace_file

_DIGITS: Final = 16
_AT_A_TIME: Final = 8
_DIGEST: Final = re.compile(f"[0-9a-f]{{{_DIGITS}}}")


def remote_folder(lake: Lake, dataset_id: str) -> Path | None:
    """Return the folder in the cache that stands for a dataset elsewhere; None where the lake's root has none.

    Nothing is asked for where it has been opened before. Raises DatasetError where the root cannot be read, and where
    what lies there is not as it was written.
    """
    if lake.remote is None:
        return None
    place = lake.remote.below(dataset_id)
    for folder in _folders_of(lake, place):
        origin = Origin(place, lake.cache.limit_bytes)
        if origin != origin_of(folder):
            with contextlib.suppress(OSError):  # a cache that can only be read keeps the limit that it has
                origin.write(folder)
        return folder
    found = _newest(lake, place)
    if found is None:
        require_bucket(lake.remote)
    return found


def remote_folders(lake: Lake) -> Iterator[Path | DatasetError]:
    """Yield the folders of all datasets under a root elsewhere, as they are now, and an error for what is none.

    Where the root cannot be read there is one error for all.
    """
    if lake.remote is None:
        return
    try:
        names = [name for name in folders_in(lake.remote) if is_name(name)]
    except DatasetError as error:
        yield error
        return
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        yield from threads.map(partial(_listed, lake), [lake.remote.below(name) for name in names])


def fetched_folders(lake: Lake) -> list[Path]:
    """Return the folders in the cache of all datasets that lie elsewhere, wherever that is."""
    return sorted(path.parent for path in lake.cache.remote.glob(f"*/*/{ORIGIN_FILE}"))


def forget(folder: Path) -> None:
    """Delete what the cache has of a dataset that lies elsewhere."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def _listed(lake: Lake, place: S3Place) -> Path | DatasetError:
    try:
        return _newest(lake, place) or DatasetError(f"{place} holds no dataset: it has no {CHECKSUMS_FILE}")
    except DatasetError as error:
        return error


def _folders_of(lake: Lake, place: S3Place) -> list[Path]:
    """Return the folders in the cache of the dataset at a place, the last one that was opened first."""
    found = []
    for path in lake.cache.remote.glob(f"*/{place.parts[-1]}/{ORIGIN_FILE}"):
        origin = origin_of(path.parent)
        if _DIGEST.fullmatch(path.parent.parent.name) and origin is not None and origin.place == place:
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime, path.parent))
    return [folder for _, folder in sorted(found, reverse=True)]


def _newest(lake: Lake, place: S3Place) -> Path | None:
    """Return the folder of what lies at a place now, made where it is not in the cache; None where nothing does."""
    if (content := read_small(place.below(CHECKSUMS_FILE))) is None:
        return None
    name = place.parts[-1]
    checksums = _checksums(content, name, place)
    text = checksums.without_grid.text
    folder = lake.cache.remote / hashlib.sha256(text.encode()).hexdigest()[:_DIGITS] / name
    known = _folders_of(lake, place)
    if folder not in known:
        _begin(folder, checksums, text, Origin(place, lake.cache.limit_bytes))
    for other in known:
        if other != folder:  # it was replaced at its place
            forget(other)
    return folder


def _checksums(content: bytes, dataset_id: str, place: S3Place) -> Checksums:
    try:
        text = content.decode()
        values = json.loads(text)
    except ValueError as error:
        raise DatasetError(f"dataset {dataset_id}: {place.below(CHECKSUMS_FILE)} cannot be read: {error}") from error
    return parsed_checksums(text, values, dataset_id, str(place.below(CHECKSUMS_FILE)))


def _begin(folder: Path, checksums: Checksums, text: str, origin: Origin) -> None:
    """Write what a dataset's folder in the cache begins with; the note of where it lies comes last."""
    manifest = _manifest(checksums.files[MANIFEST_FILE], folder.name, origin.place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / MANIFEST_FILE, manifest, durable=False)
        replace_file(folder / CHECKSUMS_FILE, text, durable=False)
        origin.write(folder)
    except OSError as error:
        raise DatasetError(
            f"dataset {folder.name} lies at {origin.place}, and cannot be kept in {folder}: {error.strerror}"
        ) from error


def _manifest(sha256: str, dataset_id: str, place: S3Place) -> str:
    """Return the manifest of a dataset, which has its checksum and is of that name."""
    for each in object_places(place, MANIFEST_FILE, sha256):
        if (content := read_small(each)) is None:
            continue
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DatasetError(f"dataset {dataset_id}: {each} differs from its checksum; publish the dataset again")
        try:
            found = json.loads(content)["dataset_id"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"dataset {dataset_id}: {each} is no manifest: {error}") from error
        if found != dataset_id:
            raise DatasetError(
                f"{place} holds dataset {found}, under another name; copy it to one that ends with its own"
            )
        return content.decode()
    raise DatasetError(f"dataset {dataset_id}: {place} does not hold {MANIFEST_FILE}; publish the dataset again")
