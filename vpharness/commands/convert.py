"""The command `convert`."""

import dataclasses
import json
from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.noted_sources import source_of
from vpharness.commands.text.dataset_facts import size_text
from vpharness.commands.text.progress_display import build_progress
from vpharness.config.search_path import permitted_modules
from vpharness.config.typed_config import check, instance, refuse_collection
from vpharness.datasets.dataset_conversion import convert
from vpharness.datasets.find import find_dataset
from vpharness.datasets.grid_columns import chosen_columns
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError


def run_convert(config: DictConfig) -> None:
    """Change what a dataset stores, and print what that changed."""
    choice, lake = instance(config.dataset, "dataset"), Lake(Path(config.lake))
    refuse_collection(choice, "convert", "dataset.id=ID, one of its datasets at a time,")
    if choice.id is None:
        raise ConfigError("dataset.id must be given (python -m vpharness list-datasets shows what there is)")
    columns = chosen_columns(choice.columns, default=())
    given = None if config.source is None else instance(config.source, "source")
    check(**({} if given is None else {"source": given}))
    dataset = find_dataset(lake, choice.id)
    with build_progress() as report:
        done = convert(
            dataset,
            columns,
            lambda: given or source_of(dataset, lake, permitted_modules(lake.root, [], "signal_modules")),
            report,
        )
    if config.json:
        facts = {"dataset_id": choice.id, "checksum": dataset.checksum, **dataclasses.asdict(done)}
        print(json.dumps(facts, indent=1))
        return
    kinds = "events and bins" if not done.after else f"events, bins and {len(done.after)} of its columns"
    if done.before == done.after and not done.events_added:
        print(f"dataset {choice.id} stores {kinds} already, {size_text(done.bytes_after)}")
        return
    print(
        f"dataset {choice.id} stores {kinds}: {size_text(done.bytes_after)}, before {size_text(done.bytes_before)}; "
        f"all that it held follows from its events, and its checksum is still {dataset.checksum[:16]}"
    )
