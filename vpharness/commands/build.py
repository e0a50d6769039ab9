"""The command `build`."""

from pathlib import Path

from omegaconf import DictConfig

from vpharness.commands.text.dataset_facts import print_dataset
from vpharness.commands.text.progress_display import build_progress, span_of
from vpharness.config.time_parsing import parse_time_ns
from vpharness.config.typed_config import check, instance
from vpharness.datasets.build import build
from vpharness.datasets.grid_columns import chosen_columns
from vpharness.datasets.lake import Lake, check_id


def run_build(config: DictConfig) -> None:
    """Build a dataset and print what it holds."""
    source, lattice = instance(config.source, "source"), instance(config.lattice, "lattice")
    choice = instance(config.dataset, "dataset")
    check(source=source, lattice=lattice)
    if choice.id is not None:
        check_id(choice.id)  # before the source's files are read
    columns = chosen_columns(choice.columns)
    start_ns, end_ns = parse_time_ns(config.start, "start"), parse_time_ns(config.end, "end")
    with build_progress(span_of(source, start_ns, end_ns)) as report:
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
    print_dataset(built.manifest, built.path, config.json, "exists" if built.existed else "built")
