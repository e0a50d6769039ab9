"""The command `online-sim`."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig

from vpharness.campaigns.campaign_plan import CollectionName, Job, job_problems
from vpharness.campaigns.collection_members import labels_of_datasets
from vpharness.campaigns.mlflow_runs import flat
from vpharness.commands.text.simulations import print_simulation
from vpharness.config.command_schemas import MAX_SPEED, OnlineSimCommand
from vpharness.config.composition import job_of
from vpharness.config.hydra_app import choice_of, given_overrides
from vpharness.config.lake_of_command import lake_of
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.collection import find_collection
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, TrackingError, VpharnessError
from vpharness.evaluation import SplitParameters, require_constant_latency
from vpharness.results.session_names import with_session
from vpharness.results.tracked_run import TrackedRun
from vpharness.results.tracking import Tracking, TrackingParameters
from vpharness.signals import resolve
from vpharness.simulation.inputs import DatasetInput, EventInput
from vpharness.simulation.simulate import SimulationReport, SimulationSettings, simulate
from vpharness.storage.durable import replace_file

_REPORT_FILE: Final = "report.json"


def run_online_sim(config: DictConfig) -> None:
    """Simulate a signal as it would be served; a difference from the run over all bins is an error."""
    asked = check_command(config, OnlineSimCommand)
    tracking: TrackingParameters = instance(config.tracking, "tracking")
    check(tracking=tracking)
    job = job_of(config, given_overrides())
    lake = lake_of(asked)
    if found := job_problems([job], lake):
        raise ConfigError("; ".join(found))
    job = _on_last_dataset(job, lake)
    replay = _replay(job, lake)
    evaluation = job.evaluation.resolve(replay.cell_width_ms)
    require_constant_latency(evaluation)
    wanted = SimulationSettings(
        budget_ms=asked.bin_budget_ms or float(replay.cell_width_ms),
        speed=None if asked.speed == MAX_SPEED else asked.factor,
        stall_s=asked.stall_s,
        fields=None if asked.fields is None else tuple(asked.fields),
    )
    signal = resolve(job.signal_target)
    report = simulate(replay, signal, job.parameters, evaluation, job.split, wanted)
    name = _name(replay)
    facts = {"signal": signal.name, "replay": name, **_facts(report)}
    if asked.json:
        print(json.dumps(facts, indent=1))
    else:
        print_simulation(report, signal.name, name, replay.cell_width_ms)
    if tracking.kind != "none":
        _track(tracking, Path(asked.outputs), job, replay, facts)
    if report.differences:
        raise VpharnessError(
            f"live scores differ from those of a run over all bins: {'; '.join(report.differences)}; "
            "python -m vpharness audit checks whether the signal breaks a rule"
        )


def _on_last_dataset(job: Job, lake: Lake) -> Job:
    """Return a job on a collection as the one on its last dataset, the whole of which is replayed; any other as it is.

    Nothing of the outcome of a dataset that is kept for the test is shown.
    """
    if not isinstance(job.data, CollectionName):
        return job
    collection = find_collection(lake, job.data.name)
    last = collection.dataset_ids[-1]
    on = with_session(last, labels_of_datasets(lake))
    print(f"vpharness: the simulation is of dataset {on}, the last of collection {collection.name}", file=sys.stderr)
    split = SplitParameters.of_whole_dataset(last, is_test=False) if job.split.kind == "time" else job.split
    return dataclasses.replace(job, data=last, split=split)


def _replay(job: Job, lake: Lake) -> EventInput | DatasetInput:
    if isinstance(job.data, str):
        return DatasetInput(find_dataset(lake, job.data))
    if isinstance(job.data, CollectionName):
        raise ValueError("a collection is replayed dataset by dataset")
    return EventInput(job.data.source, job.data.lattice, job.data.start_ns, job.data.end_ns)


def _name(replay: EventInput | DatasetInput) -> str:
    if isinstance(replay, DatasetInput):
        return f"the dataset {replay.dataset.manifest.dataset_id}"
    return f"the source {choice_of('source')}"


def _facts(report: SimulationReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        **dataclasses.asdict(report),
        "agreements": [
            {"threshold": threshold, "n_fires": report.n_fires[threshold], **dataclasses.asdict(found)}
            for threshold, found in report.agreements.items()
        ],
        "agrees": not report.differences,
    }


def _track(
    tracking: TrackingParameters,
    outputs: Path,
    job: Job,
    replay: EventInput | DatasetInput,
    facts: Mapping[str, Any],
) -> None:
    """Track a simulation; a failure is printed, and what was printed before stands."""
    moment = datetime.fromtimestamp(time.time(), UTC)
    name = f"{facts['signal']}-{moment:%Y%m%dT%H%M%S%f}"
    folder = outputs / "online_sim" / name
    chosen = {key: job.config[key] for key in ("signal", "eval", "bin_budget_ms", "speed", "stall_s")}
    dataset = None
    if isinstance(replay, DatasetInput):
        found = replay.dataset
        dataset = (found.manifest.dataset_id, found.checksum, str(found.path))
    try:
        folder.mkdir(parents=True)
        replace_file(folder / _REPORT_FILE, json.dumps(facts, indent=1) + "\n")
        run = TrackedRun(
            name=f"online-sim {name}",
            parameters={**dict(flat(chosen)), "replay": facts["replay"]},
            metrics=list(_metrics(facts)),
            tags={"kind": "online-sim", "signal": str(facts["signal"])},
            dataset=dataset,
            folder=str(folder),
            artifacts=[_REPORT_FILE],
        )
        Tracking(tracking, outputs).log(run)
    except (OSError, TrackingError) as error:
        print(f"vpharness: the simulation could not be tracked: {error}", file=sys.stderr)


def _metrics(facts: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    for stage, latency in facts["latency"].items():
        for name, value in {**latency["percentiles"], "max": latency["max_ms"]}.items():
            if value is not None:
                yield f"{stage.replace(' ', '_')}_{name}_ms", value, 0
    for name in ("deadline_misses", "peak_memory_mb", "cold_start_s", "frame_bytes"):
        if facts[name] is not None:
            yield name, float(facts[name]), 0
    yield "agrees", float(facts["agrees"]), 0
