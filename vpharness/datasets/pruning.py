"""Deleting what nothing refers to: grid variants, what the cache has of others, and what killed writers have left.

What refers to a dataset is said by the caller: this room knows of collections, and of nothing above it. Datasets under
a name that somebody chose are never among what is deleted.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.datasets.collection import collection_ids, find_collection
from vpharness.datasets.disk_use import folder_bytes
from vpharness.datasets.find import all_datasets, open_dataset
from vpharness.datasets.lake import Lake, take_away, unfinished_folders
from vpharness.datasets.remote import fetched_folders, forget
from vpharness.datasets.remote_files import ORIGIN_FILE
from vpharness.errors import DatasetError
from vpharness.storage.locks import lock_if_free

VARIANT: Final = "dataset"
CACHE: Final = "cache"
NOTE: Final = "note of a source"
LEFTOVER: Final = "leftover"
FETCHED: Final = "fetched dataset"
WEIGHTS: Final = "weights"
_NAMED: Final = "somebody gave it its name"
_HEX: Final = frozenset("0123456789abcdef")
_SHA256_DIGITS: Final = 64


@dataclass(frozen=True)
class Prunable:
    """What can be deleted: its kind, where it lies, what it takes on disk, and why nothing is lost."""

    kind: str
    path: Path
    size: int
    reason: str


@dataclass(frozen=True)
class Kept:
    """What is not deleted, and why."""

    kind: str
    path: Path
    reason: str


@dataclass(frozen=True)
class Pruning:
    """What can be deleted, and what is kept."""

    found: list[Prunable]
    kept: list[Kept]


def members_of_collections(lake: Lake) -> set[str]:
    """Return the ids of all datasets that a version of a collection refers to.

    Raises DatasetError where one cannot be read: then nobody knows what it refers to.
    """
    return {name for each in collection_ids(lake) for name in find_collection(lake, each).dataset_ids}


def prunable(
    lake: Lake,
    reasons: Mapping[str, str],
    older_than_s: float = 0.0,
    weights: Callable[[Container[str]], Iterable[tuple[Path, str]]] = lambda _: (),
) -> Pruning:
    """Return what nothing refers to, and what something does.

    Nothing is asked of a server: of datasets elsewhere it is what the cache has.

    Args:
        lake: where all of it lies.
        reasons: by checksum, what refers to a dataset, beside collections.
        older_than_s: seconds since a dataset was built, or used last, before which it is kept: a run may be about to
            use it.
        weights: returns the files and folders of weights that belong to none of the datasets whose checksums it is
            given, and why nothing is lost.

    Raises DatasetError where a collection or a dataset cannot be read.
    """
    members = members_of_collections(lake)
    found, kept, checksums, contents = list[Prunable](), list[Kept](), set[str](), set[str]()
    for dataset in all_datasets(lake):
        if isinstance(dataset, DatasetError):
            raise DatasetError(f"nothing is pruned while a dataset cannot be read: {dataset}")
        name = dataset.path.name
        is_young = time.time() - dataset.path.stat().st_mtime < older_than_s
        why = (
            _NAMED
            if dataset.path.parent == lake.published
            else _why(name, dataset.checksum, members, reasons, is_young)
        )
        if why:
            checksums.add(dataset.checksum)
            contents.add(dataset.manifest.content_id)
            kept.append(Kept(VARIANT, dataset.path, why))
        else:
            reason = f"{dataset.manifest.instrument}, {dataset.manifest.bins:,} bins, and nothing refers to it"
            found.append(Prunable(VARIANT, dataset.path, dataset.disk_bytes, reason))
    for each in _fetched(lake, reasons, members, older_than_s, checksums):
        if isinstance(each, Kept):
            kept.append(each)
        else:
            found.append(each)
    found += _caches(lake, checksums)
    found += [
        Prunable(WEIGHTS, path, folder_bytes(path) if path.is_dir() else path.stat().st_size, reason)
        for path, reason in weights(checksums)
    ]
    found += [
        Prunable(NOTE, path, path.stat().st_size, "its dataset is gone, or goes now")
        for path in sorted(lake.sources.glob("*.json"))
        if path.stem not in contents
    ]
    return Pruning([*found, *_leftovers(lake)], kept)


def _why(
    name: str,
    checksum: str,
    members: Container[str],
    reasons: Mapping[str, str],
    is_young: bool,
) -> str:
    """Return what refers to a dataset, or that it is young; an empty text where it is neither."""
    if name in members:
        return "a collection holds it"
    return reasons.get(checksum, "it is younger than older_than_hours" if is_young else "")


def _fetched(
    lake: Lake, reasons: Mapping[str, str], members: Container[str], older_than_s: float, checksums: set[str]
) -> Iterator[Prunable | Kept]:
    """Yield what the cache has of datasets elsewhere; add the checksums of those that something refers to."""
    for folder in fetched_folders(lake):
        try:
            dataset = open_dataset(folder)
            checksum = dataset.checksum
        except DatasetError:
            yield Prunable(FETCHED, folder, folder_bytes(folder), "it is damaged, and can be fetched again")
            continue
        is_young = time.time() - (folder / ORIGIN_FILE).stat().st_mtime < older_than_s
        if why := _why(folder.name, checksum, members, reasons, is_young):
            checksums.add(checksum)
            yield Kept(FETCHED, folder, why)
        else:
            reason = f"nothing refers to it, and {dataset.origin} has it"
            yield Prunable(FETCHED, folder, folder_bytes(folder), reason)


def _caches(lake: Lake, checksums: Container[str]) -> Iterator[Prunable]:
    for folder in sorted(path for path in lake.cache.folder.glob("*") if path.is_dir()):
        is_of_dataset = len(folder.name) == _SHA256_DIGITS and _HEX.issuperset(folder.name)
        if is_of_dataset and folder.name not in checksums:
            yield Prunable(CACHE, folder, folder_bytes(folder), "its dataset is gone, or goes now")


def _leftovers(lake: Lake) -> Iterator[Prunable]:
    """Yield what killed writers left behind: unfinished datasets, and collections that never got a dataset."""
    for parent in (lake.published, lake.variants):
        for folder in unfinished_folders(parent):
            descriptor = None
            with contextlib.suppress(OSError):
                descriptor = lock_if_free(folder)
            if descriptor is not None:
                os.close(descriptor)
                yield Prunable(LEFTOVER, folder, folder_bytes(folder), "its writer was killed")
    known = set(collection_ids(lake))
    for folder in sorted(lake.collections.glob("*")):
        if folder.is_dir() and folder.name not in known:
            yield Prunable(LEFTOVER, folder, folder_bytes(folder), "a collection that never got a dataset")


def delete(found: Prunable) -> bool:
    """Delete what can be deleted; return False where it has been meanwhile. Raises DatasetError where it cannot be."""
    try:
        if found.path.is_file():
            found.path.unlink()
        elif found.kind == FETCHED:
            forget(found.path)
        elif found.kind == VARIANT:
            _delete_tree(take_away(found.path))
        else:
            _delete_tree(found.path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DatasetError(f"cannot delete {found.path}: {error.strerror}") from error
    return True


def _delete_tree(folder: Path) -> None:
    for path in (folder, *(each for each in folder.rglob("*") if each.is_dir() and not each.is_symlink())):
        path.chmod(0o755)
    shutil.rmtree(folder)
