"""The command `show`."""

from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.text.dataset_facts import print_dataset
from vpharness.config.typed_config import instance
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError


def run_show(config: DictConfig) -> None:
    """Print what a dataset holds."""
    choice = instance(config.dataset, "dataset")
    if choice.id is None:
        raise ConfigError("dataset.id must be given (python -m vpharness list-datasets shows what there is)")
    dataset = find_dataset(Lake(Path(config.lake)), choice.id)
    print_dataset(dataset.manifest, dataset.path, config.json, "dataset")
