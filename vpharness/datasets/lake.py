"""The lake: where datasets lie, and how a folder is put there, whole and read-only or not at all."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.datasets.s3_place import S3Place
from vpharness.errors import ConfigError, DatasetError
from vpharness.storage.durable import sync
from vpharness.storage.locks import lock_if_free, locked, locked_if_free, shared

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_UNFINISHED: Final = ".unfinished-"
_BUILDING: Final = ".building"
_READ_ONLY_FILE: Final = 0o444
_READ_ONLY_FOLDER: Final = 0o555
_WRITABLE_FOLDER: Final = 0o755


DEFAULT_CACHE_GB: Final = 20.0
_GIGABYTE: Final = 10**9


@dataclass(frozen=True)
class ColumnCache:
    """Where columns of grids that were computed are kept, a folder for each dataset, and how many bytes they may take.

    Files of datasets that lie elsewhere are kept there too. All of it can be deleted: it is computed or fetched again.
    """

    folder: Path
    limit_bytes: int

    def of(self, checksum: str) -> Path:
        """Return the folder of the columns of a dataset with that checksum."""
        return self.folder / checksum

    @property
    def remote(self) -> Path:
        """Files of datasets that lie elsewhere, as far as they have been fetched."""
        return self.folder / "remote"


@dataclass(frozen=True)
class Lake:
    """The folder that holds datasets, results and promoted configurations.

    Attributes:
        root: the folder.
        cache_gb: the disk space below it that columns computed from events, and files that were fetched, may take.
        remote: where further datasets lie, which are fetched from there; None: nowhere.
    """

    root: Path
    cache_gb: float = DEFAULT_CACHE_GB
    remote: S3Place | None = None

    @property
    def cache(self) -> ColumnCache:
        """Columns that were computed from the events of datasets, and files that were fetched from elsewhere."""
        return ColumnCache(self.root / "cache", round(self.cache_gb * _GIGABYTE))

    @property
    def published(self) -> Path:
        """Datasets under a name that somebody chose."""
        return self.root / "research" / "vp_immutable"

    @property
    def variants(self) -> Path:
        """Grid variants, each named after the hash of all that made it."""
        return self.root / "research" / "vp_harness" / "generated_grids"

    @property
    def collections(self) -> Path:
        """Collections: sets of datasets that only grow, a folder each."""
        return self.root / "research" / "collections"

    @property
    def sources(self) -> Path:
        """Notes of where the events of datasets come from, each named after its dataset's content."""
        return self.root / "research" / "vp_harness" / "sources"

    @property
    def models(self) -> Path:
        """Weights of learned signals, each named after its content, and the lists of fits that they belong to."""
        return self.root / "models"

    @property
    def latencies(self) -> Path:
        """Recorded latencies of orders that runs used, each named after the digest of its content."""
        return self.root / "research" / "vp_harness" / "latencies"

    @property
    def promoted(self) -> Path:
        """What is served, a folder for each instrument."""
        return self.root / "promoted"

    def places(self, dataset_id: str) -> tuple[Path, Path]:
        """Return where a dataset of that id may lie, in the order of look-up."""
        return self.published / dataset_id, self.variants / dataset_id


class BeingWrittenError(DatasetError):
    """Another process writes the dataset at this moment."""


def check_id(dataset_id: str) -> str:
    """Return a dataset id that may be the name of a folder; a ConfigError says what an id may consist of."""
    return check_name(dataset_id, "dataset.id")


def is_name(name: str) -> bool:
    """Whether a name may be that of a folder in the lake."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str, what: str) -> str:
    """Return a name that may be one of a folder; a ConfigError says `what` it is of, and what it may consist of."""
    if not is_name(name):
        raise ConfigError(
            f"{what} is {name!r}; it must begin with a letter or digit and consist of at most 128 letters, "
            "digits, '.', '_' and '-'"
        )
    return name


def _sweep(parent: Path) -> None:
    """Remove what killed writers left behind: unfinished folders whose lock nobody holds any more."""
    for folder in parent.glob(f"{_UNFINISHED}*"):
        descriptor = lock_if_free(folder)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def unfinished_folders(parent: Path) -> list[Path]:
    """Return the folders of datasets that are being written in a folder, or whose writers were killed."""
    return sorted(path for path in parent.glob(f"{_UNFINISHED}*") if path.is_dir())


def take_away(target: Path) -> Path:
    """Let a dataset no longer be there under its name; return the folder that it is now, which is to be deleted.

    Where that does not happen, the next writer beside it deletes it. Raises OSError where it cannot be renamed.
    """
    aside = target.parent / f"{_UNFINISHED}{target.name}"
    with locked(target.parent):
        target.rename(aside)
    return aside


@contextlib.contextmanager
def building_collection(lake: Lake) -> Iterator[None]:
    """Keep datasets from being pruned while a collection is built: until its end, nothing refers to them."""
    try:
        lake.collections.mkdir(parents=True, exist_ok=True)
        lock = lake.collections / _BUILDING
        with shared(lock):
            yield
    except OSError as error:
        raise DatasetError(f"cannot write to {lake.collections}: {error.strerror}") from error


@contextlib.contextmanager
def no_collection_is_built(lake: Lake) -> Iterator[None]:
    """Keep collections from being built while the block runs; a DatasetError says that one is being built."""
    if not lake.collections.is_dir():
        yield
        return
    lock = lake.collections / _BUILDING
    if not lock.exists():
        with contextlib.suppress(OSError):
            lock.touch()
    if not lock.exists():  # nobody can write there, so nobody builds
        yield
        return
    with locked_if_free(lock) as is_free:
        if not is_free:
            raise DatasetError(f"a collection is being built in the lake {lake.root}: prune it when that has ended")
        yield


def _begin(target: Path, what: str) -> tuple[Path, int]:
    """Make the unfinished folder of `target`, locked; a DatasetError where it exists or another writer is at it."""
    unfinished = target.parent / f"{_UNFINISHED}{target.name}"
    with locked(target.parent):
        _sweep(target.parent)
        if target.exists():
            raise _exists(target, what)
        try:
            unfinished.mkdir()
        except FileExistsError:
            raise BeingWrittenError(
                f"{what} {target.name} is being written by another process; wait for it, or choose another name"
            ) from None
        descriptor = lock_if_free(unfinished)
    if descriptor is None:
        raise DatasetError(f"{unfinished} is locked by another process")
    return unfinished, descriptor


def _exists(target: Path, what: str) -> DatasetError:
    return DatasetError(f"{what} {target.name} exists at {target}; a {what} is never overwritten")


@contextlib.contextmanager
def being_changed(target: Path) -> Iterator[Path]:
    """Keep other writers from a dataset while files of it are made anew; yield a folder beside it to write them in.

    The folder is removed when the block ends, with what has not been moved out of it. A DatasetError says that another
    process is at it, or that nothing can be written there.
    """
    aside = target.parent / f"{_UNFINISHED}{target.name}"
    try:
        with locked(target.parent):
            _sweep(target.parent)
            if aside.exists():
                raise BeingWrittenError(f"dataset {target.name} is being changed by another process; wait for it")
            aside.mkdir()
            descriptor = lock_if_free(aside)
    except OSError as error:
        raise DatasetError(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        yield aside
    except OSError as error:
        raise DatasetError(f"cannot change dataset {target.name} in {target}: {error.strerror}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Let files of a read-only folder be renamed and deleted while the block runs; then it is read-only again."""
    folder.chmod(_WRITABLE_FOLDER)
    try:
        yield
    finally:
        make_read_only(folder)


def wait_for_writer(target: Path) -> None:
    """Wait until no other process writes a dataset any more, whether that made it or failed."""
    with contextlib.suppress(FileNotFoundError), locked(target.parent / f"{_UNFINISHED}{target.name}"):
        return


def make_read_only(folder: Path) -> None:
    """Make a folder and its files read-only, and put them on the disk."""
    for path in folder.iterdir():
        path.chmod(_READ_ONLY_FILE)
        sync(path)
    sync(folder)
    folder.chmod(_READ_ONLY_FOLDER)


@contextlib.contextmanager
def new_folder(target: Path, what: str = "dataset") -> Iterator[Path]:
    """Write a folder that appears at `target` whole and read-only, or not at all.

    Yields an empty folder beside it to write into. When the block ends well it is made read-only and renamed; when it
    does not, it is removed. A DatasetError says that the target (a `what`) exists, that another process is writing it,
    or that the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished, descriptor = _begin(target, what)
    except OSError as error:
        raise DatasetError(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        yield unfinished
        for path in unfinished.iterdir():
            path.chmod(_READ_ONLY_FILE)
            sync(path)
        sync(unfinished)
        with locked(target.parent):
            if target.exists():
                raise _exists(target, what)
            unfinished.rename(target)
        target.chmod(_READ_ONLY_FOLDER)
        sync(target.parent)
    except OSError as error:
        raise DatasetError(f"cannot write {what} {target.name} below {target.parent}: {error.strerror}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(descriptor)
