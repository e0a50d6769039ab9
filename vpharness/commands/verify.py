"""The command `verify`: compare the files of the lake with their checksums."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig

from vpharness.commands.output_files import require_new
from vpharness.commands.text.price_checks import checked_prices, price_check_facts, price_check_lines
from vpharness.commands.text.terminal import raise_each
from vpharness.config.dataset_schemas import VerifyCommand
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import check_command, instance, refuse_collection
from vpharness.datasets.collection import collection_ids, find_collection, member_dataset
from vpharness.datasets.find import Dataset, dataset_folders, find_dataset, open_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import CHECKSUMS_FILE, MANIFEST_FILE
from vpharness.datasets.read import verify
from vpharness.datasets.sources import noted_source
from vpharness.errors import ConfigError, VpharnessError
from vpharness.promotion.bundle import read_bundle
from vpharness.promotion.pointer import count_unverified, promoted, versions
from vpharness.results.store import check_store, store_in
from vpharness.wording import counted


def run_verify(config: DictConfig) -> None:
    """Compare a dataset, or all that the lake holds, with the checksums that it was written with.

    A dataset's best prices can be compared with those of another file as well.
    """
    asked = check_command(config, VerifyCommand)
    lake, choice = lake_of(config), instance(config.dataset, "dataset")
    refuse_collection(choice, "verify", f"collection.id={choice.collection}")
    chosen = choice.id
    collection = instance(config.collection, "collection").id
    if chosen is not None and collection is not None:
        raise ConfigError("dataset.id and collection.id were given; verify one of them at a time")
    if collection is not None:
        _verify_collection(lake, collection, asked)
        return
    if chosen is not None:
        require_new(asked.parquet, "parquet")
        _verify_dataset(lake, chosen, asked)
        return
    if asked.check is not None:
        raise ConfigError("check is for one dataset: dataset.id must be given with it")
    found = check_lake(lake, replay=asked.replay)
    if config.json:
        print(json.dumps({"lake": str(lake.root), "verified": not found.problems, **vars(found)}, indent=1))
    else:
        for line in (*found.problems, *found.notes):
            print(line)
        print(f"read in {lake.root}: {', '.join(f'{name} {count:,}' for name, count in found.read.items())}")
    if found.problems:
        count = len(found.problems)
        raise VpharnessError(f"{count} {'problem' if count == 1 else 'problems'} found in {lake.root}")
    if not config.json:
        print("everything matches its checksums")


@dataclass
class LakeCheck:
    """The findings of a check of a whole lake.

    Attributes:
        read: how many there were, by kind.
        problems: what is wrong, a line each.
        notes: what cannot be known, a line each.
    """

    read: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_lake(lake: Lake, *, replay: bool = False) -> LakeCheck:
    """Read every dataset, collection, note of a source, part of the results, promoted version and pointer of a lake.

    With `replay`, datasets that keep their events are made anew from them and compared.
    """
    found = LakeCheck()
    _check_datasets(lake, found, replay=replay)
    _check_collections(lake, found)
    results = check_store(store_in(lake.root))
    found.read["parts of results"] = results.parts
    found.problems += results.problems
    if results.without_checksum:
        found.notes.append(
            f"{results.without_checksum} parts of results are of an earlier version, which wrote no checksums: they "
            "can be read, and not verified"
        )
    _check_promoted(lake, found)
    return found


def _check_datasets(lake: Lake, found: LakeCheck, *, replay: bool) -> None:
    folders = dataset_folders(lake)
    found.read["datasets"] = len(folders)
    for folder in folders:
        if not (folder / MANIFEST_FILE).exists() and not (folder / CHECKSUMS_FILE).exists():
            found.notes.append(f"{folder} has not been published: it has no checksums yet")
            continue
        with _noted(found):
            dataset = open_dataset(folder)
            verify(dataset)
            if replay and dataset.keeps_events:
                _replay(dataset)
    notes = sorted(lake.sources.glob("*.json"))
    found.read["notes of sources"] = len(notes)
    for note in notes:
        with _noted(found):
            noted_source(lake, note.stem)


def _check_collections(lake: Lake, found: LakeCheck) -> None:
    """Read every version of every collection, and see that each has its datasets as they were added."""
    ids = collection_ids(lake)
    found.read["collections"] = len(ids)
    for collection_id in ids:
        with _noted(found):
            collection = find_collection(lake, collection_id)
            for member in collection.members:
                with _noted(found):
                    member_dataset(lake, collection, member)


def _check_promoted(lake: Lake, found: LakeCheck) -> None:
    """Read all promoted versions: the served one must exist, earlier ones may have been deleted."""
    found.read |= {"instruments": 0, "versions": 0}
    for folder in sorted(path for path in lake.promoted.glob("*") if path.is_dir() and not path.name.startswith(".")):
        found.read["instruments"] += 1
        with _noted(found):
            promoted(lake, folder.name)
            if count := count_unverified(lake, folder.name):
                found.notes.append(
                    f"{count} entries of {folder.name} are of an earlier version, which wrote no checksums: they can "
                    "be read, and not verified"
                )
        for version in versions(folder):
            found.read["versions"] += 1
            with _noted(found):
                read_bundle(folder / version)


@contextlib.contextmanager
def _noted(found: LakeCheck) -> Iterator[None]:
    """Note what is wrong, and go on."""
    try:
        yield
    except VpharnessError as error:
        found.problems.append(str(error))


def _replay(dataset: Dataset) -> None:
    from vpharness.datasets.replay import verify_replay  # noqa: PLC0415  # compilers are slow to import

    verify_replay(dataset)


def _verify_collection(lake: Lake, name: str, asked: VerifyCommand) -> None:
    """Compare the files of a collection and of all its datasets with their checksums; every problem is told."""
    if asked.check is not None:
        raise ConfigError("check is for one dataset: dataset.id must be given with it")
    collection, found = find_collection(lake, name), LakeCheck()
    for member in collection.members:
        with _noted(found):
            dataset = member_dataset(lake, collection, member)
            verify(dataset)
            if asked.replay:
                _replay(dataset)
    if asked.json:
        told = {"collection": collection.id, "version": collection.version, "verified": not found.problems}
        print(json.dumps({**told, "datasets": collection.dataset_ids, "problems": found.problems}, indent=1))
    elif not found.problems:
        also = ", and follow from their events bit by bit" if asked.replay else ""
        count = counted(len(collection.members), "dataset")
        print(f"collection {collection.name} is intact: its {count} match their checksums{also}")
    raise_each(found.problems)


def _verify_dataset(lake: Lake, dataset_id: str, asked: VerifyCommand) -> None:
    dataset = find_dataset(lake, dataset_id)
    sums, outcome = verify(dataset), None
    if asked.replay:
        _replay(dataset)
    if asked.check is not None:
        noted = noted_source(lake, dataset.manifest.content_id)
        outcome = checked_prices(dataset, asked.check, noted, asked.parquet)
    if asked.json:
        told: dict[str, Any] = {"dataset_id": dataset_id, "verified": True, "replayed": asked.replay, "sha256": sums}
        print(json.dumps(told if outcome is None else {**told, "check": price_check_facts(outcome)}, indent=1))
        return
    print(f"dataset {dataset_id} is intact: {', '.join(sums)} match their checksums")
    if asked.replay:
        print("its bins and the grid columns that it stores follow from its events, bit by bit")
    for line in [] if outcome is None else price_check_lines(outcome):
        print(line)
