"""The command `publish`."""

from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.text.dataset_facts import print_dataset
from vpharness.config.command_schemas import TickSize
from vpharness.config.typed_config import check, instance
from vpharness.datasets.lake import Lake
from vpharness.datasets.publish_folder import publish
from vpharness.errors import ConfigError


def run_publish(config: DictConfig) -> None:
    """Publish a folder and print what the dataset holds."""
    source, choice = TickSize(config.source.tick_size), instance(config.dataset, "dataset")
    needed = {"PATH": config.path, "dataset.id": choice.id, "source.tick_size": source.tick_size}
    absent = [name for name, value in needed.items() if value is None]
    if absent:
        raise ConfigError(
            f"publish needs {' and '.join(absent)}: "
            "python -m vpharness publish PATH dataset.id=ID source.tick_size=TICK_SIZE"
        )
    check(source=source)
    lake = Lake(Path(config.lake))
    manifest = publish(lake, Path(config.path), choice.id, config.source.tick_size)
    print_dataset(manifest, lake.published / choice.id, config.json, "published")
