"""Finding datasets in the lake: by id, or all of them."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vpharness.datasets.lake import ColumnCache, Lake, check_id
from vpharness.datasets.manifest import (
    BINS_FILE,
    CHECKSUMS_FILE,
    EVENTS_FILE,
    GRID_FILE,
    MANIFEST_FILE,
    Manifest,
    checksums_of,
    read_checksums,
    read_manifest,
)
from vpharness.datasets.remote import forget, remote_folder, remote_folders
from vpharness.datasets.remote_files import origin_of
from vpharness.datasets.s3_place import S3Place
from vpharness.errors import DatasetError
from vpharness.wording import did_you_mean


@dataclass(frozen=True)
class Dataset:
    """A dataset in the lake: its folder and its manifest.

    Attributes:
        path: the folder.
        manifest: what is known of it.
        cache: where columns that are computed from its events are kept; None where they are not.
        models: where weights that are fitted to it are kept; None where they are not.
    """

    path: Path
    manifest: Manifest
    cache: ColumnCache | None = None
    models: Path | None = None

    @property
    def latencies(self) -> Path | None:
        """The folder of recorded latencies in the lake whose cache it has; None without a lake."""
        return None if self.cache is None else Lake(self.cache.folder.parent).latencies

    @property
    def bins_path(self) -> Path:
        """The table of bins."""
        return self.path / BINS_FILE

    @property
    def grid_path(self) -> Path:
        """The table of cells."""
        return self.path / GRID_FILE

    @property
    def events_path(self) -> Path:
        """The table of events."""
        return self.path / EVENTS_FILE

    @cached_property
    def checksum(self) -> str:
        """The SHA-256 that stands for all that it holds, whichever columns of its grid are stored."""
        return checksums_of(self.path).identity

    @property
    def keeps_events(self) -> bool:
        """Whether it has its events: then columns that are not stored can be computed."""
        return checksums_of(self.path).stored is not None

    @property
    def stored_columns(self) -> tuple[str, ...]:
        """The columns that its grid holds now; all others that it has are computed from its events."""
        stored = checksums_of(self.path).stored
        return tuple(self.manifest.columns) if stored is None else stored

    @property
    def origin(self) -> S3Place | None:
        """Where it lies, if that is elsewhere and its folder one of the cache; None for one of the lake itself."""
        found = origin_of(self.path)
        return None if found is None else found.place

    @property
    def disk_bytes(self) -> int:
        """What its files take on disk."""
        return sum(path.stat().st_size for path in self.path.iterdir())


def find_dataset(lake: Lake, dataset_id: str) -> Dataset:
    """Return the dataset of an id: a published one, a grid variant, or one under the lake's root elsewhere.

    Raises DatasetError where there is none (naming those of similar names), where it has not been published yet
    (naming the command), and where a file of it is missing.
    """
    check_id(dataset_id)
    for path in lake.places(dataset_id):
        if path.is_dir():
            return open_dataset(path, lake.cache, lake.models)
    if (folder := remote_folder(lake, dataset_id)) is not None:
        return _opened_elsewhere(lake, folder)
    known = [path.name for path in dataset_folders(lake)]
    found = did_you_mean(dataset_id, known).strip()
    if not found and known:
        found = f"there are {', '.join(known[:3])}"
    told = f"{found} (python -m vpharness list-datasets)" if known else "python -m vpharness build makes the first one"
    places = f"in the lake {lake.root}" + ("" if lake.remote is None else f" or under {lake.remote}")
    raise DatasetError(f"no dataset {dataset_id} {places}; {told}")


def _opened_elsewhere(lake: Lake, folder: Path) -> Dataset:
    """Return the dataset of a folder in the cache; a manifest or checksums that are damaged are fetched anew."""
    try:
        return open_dataset(folder, lake.cache, lake.models)
    except DatasetError:
        forget(folder)
        again = remote_folder(lake, folder.name)
        if again is None:
            raise
        return open_dataset(again, lake.cache, lake.models)


def dataset_folders(lake: Lake) -> list[Path]:
    """Return the folders of all datasets, published ones first; unpublished ones are among them."""
    folders = []
    for parent in (lake.published, lake.variants):
        if parent.is_dir():
            folders += sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    return folders


def all_datasets(lake: Lake) -> Iterator[Dataset | DatasetError]:
    """Yield every dataset of the lake, and an error for each folder that is none.

    Those under its root elsewhere follow, without those whose ids the lake itself has.
    """
    folders = dataset_folders(lake)
    for path in folders:
        try:
            yield open_dataset(path, lake.cache, lake.models)
        except DatasetError as error:
            yield error
    held = {path.name for path in folders}
    for found in remote_folders(lake):
        if isinstance(found, DatasetError):
            yield found
        elif found.name not in held:
            try:
                yield _opened_elsewhere(lake, found)
            except DatasetError as error:
                yield error


def open_dataset(path: Path, cache: ColumnCache | None = None, models: Path | None = None) -> Dataset:
    """Return the dataset in a folder, its manifest verified; a DatasetError says what is wrong with it."""
    if not (path / MANIFEST_FILE).exists():
        raise DatasetError(
            f"{path} has not been published; python -m vpharness publish {shlex.quote(str(path))} "
            f"dataset.id={path.name} source.tick_size=TICK_SIZE checks it and makes it a dataset"
        )
    if not (path / CHECKSUMS_FILE).is_file():
        raise DatasetError(
            f"dataset {path.name}: {path / CHECKSUMS_FILE} is missing; restore it, build the dataset again, or remove "
            f"its {MANIFEST_FILE} and publish it again"
        )
    lies_here = origin_of(path) is None
    for name in read_checksums(path):
        if lies_here and not (path / name).is_file():
            raise DatasetError(f"dataset {path.name}: {path / name} is missing; restore it, or build the dataset again")
    return Dataset(path, read_manifest(path), cache, models)
