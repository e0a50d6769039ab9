"""The command `show`."""

import json

from omegaconf import DictConfig

from vpharness.commands.text.collection_facts import collection_facts, collection_lines, member_table
from vpharness.commands.text.dataset_facts import print_dataset
from vpharness.commands.text.terminal import print_table
from vpharness.config.dataset_schemas import ShowCommand
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import check_command, instance, refuse_collection
from vpharness.datasets.collection import find_collection
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError


def run_show(config: DictConfig) -> None:
    """Print what a dataset or a collection holds."""
    asked = check_command(config, ShowCommand)
    choice, collection = instance(config.dataset, "dataset"), instance(config.collection, "collection")
    refuse_collection(choice, "show", f"collection.id={choice.collection}")
    if (choice.id is None) == (collection.id is None):
        raise ConfigError(
            "dataset.id or collection.id must be given, one of them (python -m vpharness list-datasets shows what "
            "there is)"
        )
    lake = lake_of(asked)
    if collection.id is not None:
        _show_collection(lake, collection.id, asked)
        return
    if asked.calendar is not None:
        raise ConfigError("calendar is for a collection: collection.id must be given with it")
    dataset = find_dataset(lake, choice.id)
    print_dataset(dataset.manifest, dataset.path, asked.json, "dataset")


def _show_collection(lake: Lake, name: str, asked: ShowCommand) -> None:
    found = find_collection(lake, name)
    if asked.json:
        print(json.dumps(collection_facts(lake, found, calendar=asked.calendar), indent=1))
        return
    for line in collection_lines(lake, found, asked.calendar):
        print(line)
    print()
    print_table(member_table(lake, found), texts=("session", "dataset", "instrument"), key="session")
