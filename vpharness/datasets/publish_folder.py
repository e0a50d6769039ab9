"""Publishing a folder of Parquet files that were made elsewhere: checked, it becomes an immutable dataset."""

import shutil
from pathlib import Path

from vpharness.datasets.lake import Lake, check_id, make_read_only, new_folder
from vpharness.datasets.manifest import (
    BINS_FILE,
    CHECKSUMS_FILE,
    GRID_FILE,
    MANIFEST_FILE,
    Manifest,
    write_checksums,
)
from vpharness.datasets.table_checks import examined
from vpharness.errors import DatasetError
from vpharness.prices import tick_size_to_price
from vpharness.storage.checksums import file_sha256
from vpharness.storage.durable import sync


def publish(lake: Lake, folder: Path, dataset_id: str, tick_size: float) -> Manifest:
    """Copy a folder's two tables into the lake as a dataset; a folder at its final place is completed there.

    The bins need bin_seq, ts_ns and mid_price, the grid bin_seq and k; more columns are welcome. Raises DatasetError
    where something is missing or does not fit (see `examine`), and ConfigError for a tick size that the mid prices do
    not stand on.
    """
    target = lake.published / check_id(dataset_id)
    tick_size_to_price(tick_size)
    for name in (BINS_FILE, GRID_FILE):
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} has no {name}; a folder with {BINS_FILE} and {GRID_FILE} is expected")
    if (folder / MANIFEST_FILE).exists():
        raise DatasetError(f"{folder} holds a dataset already: it has a {MANIFEST_FILE}")
    manifest, sums = examined(folder, dataset_id, tick_size)
    if folder.resolve() == target.resolve():
        _publish_in_place(target, manifest, sums)
        return manifest
    with new_folder(target) as unfinished:
        for name in (BINS_FILE, GRID_FILE):
            shutil.copyfile(folder / name, unfinished / name)
        manifest.write(unfinished)
        write_checksums(unfinished, sums)
        if any(file_sha256(unfinished / name) != sums[name] for name in sums):
            raise DatasetError(f"{folder} changed while it was being copied; publish it when nobody writes to it")
    return manifest


def _publish_in_place(folder: Path, manifest: Manifest, sums: dict[str, str]) -> None:
    """Make a dataset of a folder that is already in its final place: its manifest is written last.

    Until its name is there the folder is one that has not been published, whatever stops this.
    """
    unfinished = folder / f".{MANIFEST_FILE}.unfinished"
    try:
        manifest.write(folder, unfinished.name)
        write_checksums(folder, {**sums, MANIFEST_FILE: file_sha256(unfinished)})
        for path in (unfinished, folder / CHECKSUMS_FILE, folder / BINS_FILE, folder / GRID_FILE):
            sync(path)
        sync(folder)
        unfinished.rename(folder / MANIFEST_FILE)
        make_read_only(folder)
    except OSError as error:
        for name in (MANIFEST_FILE, unfinished.name, CHECKSUMS_FILE):
            (folder / name).unlink(missing_ok=True)
        raise DatasetError(f"cannot publish {folder} in its place: {error.strerror}") from error
