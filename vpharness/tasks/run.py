"""The main job: one signal on one dataset, judged, stored and shown."""

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness.campaigns.execute import RunOutcome, execute
from vpharness.campaigns.saving import save_failure, save_outcome
from vpharness.campaigns.spec import RunSpec, spec_problems
from vpharness.datasets.build import build
from vpharness.datasets.find import Dataset, find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, TrackingError, VpharnessError
from vpharness.parameters import problems
from vpharness.results.records import Labels, finished_runs
from vpharness.results.store import Store, check_version, store_in
from vpharness.results.tracking import TrackingParameters, track
from vpharness.tasks.progress import shown
from vpharness.tasks.run_folder import tracked_run, write_run_folder
from vpharness.tasks.schema import instance
from vpharness.tasks.spans import parse_time_ns
from vpharness.tasks.tables import print_candidates


def run_run(config: DictConfig) -> None:
    """Run a signal over a dataset, and say what its fires came to."""
    lake = Lake(Path(config.lake))
    store = store_in(lake.root)
    check_version(store)
    _refuse_axes(config)
    spec = _spec(config, lake)
    tracking = instance(config.tracking, "tracking")
    folder = Path(config.outputs) / "runs" / spec.run_id
    if spec.run_id in finished_runs(store) and folder.is_dir():
        print(f"run {spec.run_id} is in the store already; its candidates:", file=sys.stderr)
    else:
        outcome = _carry_out(spec, store, Labels(tracking.experiment_name, tags=dict(tracking.tags)))
        write_run_folder(outcome, config, folder)
        _track(outcome, config, tracking, folder)
    print_candidates(store, lake, [spec.run_id], as_json=config.json, folder=folder)


def _refuse_axes(config: DictConfig) -> None:
    if config.sweep is None:
        return
    if config.sweep.universal or any(config.sweep.per_signal.values()):
        name = config.tracking.experiment_name
        raise ConfigError(
            f"experiment {name} has axes to sweep; one run has one value of each: "
            f"python -m vpharness -m experiment={name}"
        )


def _spec(config: DictConfig, lake: Lake) -> RunSpec:
    """Check everything that can be checked before work, then find or build the dataset."""
    source, lattice = instance(config.source, "source"), instance(config.lattice, "lattice")
    parts = {"signal": instance(config.signal, "signal"), "eval": instance(config.eval, "eval")}
    parts |= {"split": instance(config.split, "split"), "tracking": instance(config.tracking, "tracking")}
    choice = instance(config.dataset, "dataset")
    checked = parts if choice.id is not None else {**parts, "source": source, "lattice": lattice}
    wrong = [sentence for name, part in checked.items() for sentence in problems(part, f"{name}.")]
    if wrong:
        raise ConfigError("; ".join(wrong))
    dataset = find_dataset(lake, choice.id) if choice.id is not None else _built(config, lake, source, lattice)
    spec = RunSpec(dataset, str(config.signal["_target_"]), parts["signal"], parts["eval"], parts["split"])
    wrong = list(spec_problems(spec))
    if wrong:
        raise ConfigError("; ".join(wrong))
    return spec


def _built(config: DictConfig, lake: Lake, source: Any, lattice: Any) -> Dataset:
    start_ns, end_ns = parse_time_ns(config.start, "start"), parse_time_ns(config.end, "end")
    with shown() as report:
        built = build(lake, source, lattice, start_ns=start_ns, end_ns=end_ns, report=report)
    return Dataset(built.path, built.manifest)


def _carry_out(spec: RunSpec, store: Store, labels: Labels) -> RunOutcome:
    try:
        outcome = execute(spec)
    except VpharnessError as error:
        save_failure(store, spec, labels, str(error))
        raise
    save_outcome(store, [outcome], labels)
    return outcome


def _track(outcome: RunOutcome, config: DictConfig, tracking: TrackingParameters, folder: Path) -> None:
    """Track a run that is in the store already: where that fails it is said, and nothing is lost."""
    try:
        track(tracking, tracked_run(outcome, config, folder), Path(config.outputs))
    except TrackingError as error:
        print(f"vpharness: {error}", file=sys.stderr)
