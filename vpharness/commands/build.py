"""The command `build`."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.build_collection import (
    chosen_engine,
    refuse_what_is_for_collections,
    refuse_what_is_for_one,
    run_build_collection,
)
from vpharness.commands.output_files import require_new
from vpharness.commands.text.dataset_facts import print_dataset
from vpharness.commands.text.price_checks import checked_prices
from vpharness.commands.text.progress_display import build_progress, expected_span_ns
from vpharness.config.dataset_schemas import BuildCommand
from vpharness.config.time_parsing import parse_time_ns
from vpharness.config.typed_config import check, check_command, instance, refuse_collection
from vpharness.datasets.collection_build import CollectionRequest
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset
from vpharness.datasets.grid_columns import chosen_columns
from vpharness.datasets.lake import Lake, check_id, check_name
from vpharness.datasets.price_check import key_choice, require_best_prices
from vpharness.datasets.sources import source_values
from vpharness.errors import ConfigError
from vpharness.events.input_files import checked_path


def run_build(config: DictConfig) -> None:
    """Build a dataset and print what it holds, and how its best prices compare with those of another file."""
    asked = check_command(config, BuildCommand)
    source, lattice = instance(config.source, "source"), instance(config.lattice, "lattice")
    choice = instance(config.dataset, "dataset")
    refuse_collection(choice, "build", f"collection.id={choice.collection}")
    check(source=source, lattice=lattice)
    if choice.id is not None:
        check_id(choice.id)  # before the source's files are read
    session, collection_id = instance(config.session, "session"), instance(config.collection, "collection").id
    check(session=session)
    start_ns, end_ns = parse_time_ns(config.start, "start"), parse_time_ns(config.end, "end")
    if collection_id is not None:
        check_name(collection_id, "collection.id")
        refuse_what_is_for_one(asked, choice.id)
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise ConfigError(f"start is {config.start} and end is {config.end}; start must lie before end")
        columns = chosen_columns(choice.columns, ())
        request = CollectionRequest(
            *(collection_id, source, lattice, session, columns, start_ns, end_ns),
            processes=asked.processes,
            engine=chosen_engine(asked),
        )
        run_build_collection(asked, request)
        return
    refuse_what_is_for_collections(asked, by_file=session.by_file)
    columns = chosen_columns(choice.columns)
    require_new(asked.parquet, "parquet")
    if asked.check is not None:
        # Before the build's work.
        require_best_prices(str(checked_path(asked.check, "check")), key_choice(source_values(source) or {}))
    with build_progress(expected_span_ns(source, start_ns, end_ns)) as report:
        built = build(
            Lake(Path(config.lake)),
            source,
            lattice,
            dataset_id=choice.id,
            start_ns=start_ns,
            end_ns=end_ns,
            columns=columns,
            report=report,
        )
    if built.moved:
        values = source_values(source) or {}
        place = values.get("path", "the source that is given")
        print(f"vpharness: same content; its events are now read from {place}", file=sys.stderr)
    outcome = None
    if asked.check is not None:
        dataset = Dataset(built.path, built.manifest)
        outcome = checked_prices(dataset, asked.check, source_values(source), asked.parquet)
    print_dataset(built.manifest, built.path, config.json, "exists" if built.existed else "built", outcome)
