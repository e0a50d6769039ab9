"""The command `publish`."""

import json
from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.text.dataset_facts import print_dataset
from vpharness.config.command_schemas import DatasetChoice
from vpharness.config.dataset_schemas import PublishCommand, TickSize
from vpharness.config.typed_config import check, check_command, instance, refuse_collection
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.publish_folder import publish
from vpharness.datasets.s3_place import s3_place
from vpharness.errors import ConfigError


def run_publish(config: DictConfig) -> None:
    """Publish a folder in the lake, or a dataset of the lake elsewhere, and print what the dataset holds."""
    asked = check_command(config, PublishCommand)
    source, choice = TickSize(config.source.tick_size), instance(config.dataset, "dataset")
    refuse_collection(choice, "publish", "dataset.id=ID")
    if asked.to is not None:
        _publish_elsewhere(asked, choice, asked.to, source)
        return
    needed = {"PATH": asked.path, "dataset.id": choice.id, "source.tick_size": source.tick_size}
    absent = [name for name, value in needed.items() if value is None]
    if asked.path is None or choice.id is None or source.tick_size is None:
        raise ConfigError(
            f"publish needs {' and '.join(absent)}: "
            "python -m vpharness publish PATH dataset.id=ID source.tick_size=TICK_SIZE"
        )
    check(source=source)
    lake = Lake(Path(asked.lake))
    manifest = publish(lake, Path(asked.path), choice.id, source.tick_size)
    print_dataset(manifest, lake.published / choice.id, asked.json, "published")


def _publish_elsewhere(asked: PublishCommand, choice: DatasetChoice, to: str, source: TickSize) -> None:
    """Publish a dataset of the lake below the place `to`."""
    root, lake = s3_place(to, "to"), Lake(Path(asked.lake))
    if asked.path is not None or source.tick_size is not None:
        raise ConfigError(
            f"to={to} publishes a dataset of the lake; publish the folder in the lake first, without to=, and then "
            "its dataset.id"
        )
    if choice.id is None:
        raise ConfigError(f"publish needs dataset.id: python -m vpharness publish to={to} dataset.id=ID")
    from vpharness.datasets.remote_publish import publish_to  # noqa: PLC0415  # where it is needed

    is_new = publish_to(find_dataset(lake, choice.id), root)
    place = root.below(choice.id)
    if asked.json:
        result = "published" if is_new else "exists"
        print(json.dumps({"dataset_id": choice.id, "place": str(place), "result": result}, indent=1))
    elif is_new:
        print(f"published {choice.id} at {place}; lake.datasets={root} reads it")
    else:
        print(f"{choice.id} exists at {place} already, the same")
