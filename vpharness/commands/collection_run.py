"""The main job on a collection: one run for each of its datasets, and one candidate a threshold over all of them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness.campaigns.campaign_plan import PlannedRun
from vpharness.campaigns.run_folder import folder_of
from vpharness.campaigns.runner import RunnerSettings
from vpharness.commands.compare import informer
from vpharness.commands.run import carried_out, finish, print_audit, print_tracking, refuse_silence, tidy
from vpharness.commands.text.dataset_facts import print_doubts
from vpharness.commands.text.rankings import print_candidates
from vpharness.config.hydra_app import given_overrides
from vpharness.config.typed_config import instance
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.results.table_schemas import rows_of_runs
from vpharness.wording import counted


@dataclass(frozen=True)
class CollectionRuns:
    """The runs of one candidate a threshold on the datasets of a collection: the run, and the rows of its candidates.

    Attributes:
        runs: those that train, in the order of time, then those that are kept for the test.
        rows: for each run that trains, the rows of its candidates.
        settings: where they were put.
        lake: where their datasets are.
        done_before: how many of them the store had before.
    """

    runs: Sequence[PlannedRun]
    rows: Mapping[str, Sequence[dict[str, Any]]]
    settings: RunnerSettings
    lake: Lake
    done_before: int

    @property
    def training(self) -> list[PlannedRun]:
        """Those whose datasets train."""
        return [run for run in self.runs if not run.spec.is_test]


def run_on_collection(config: DictConfig) -> None:
    """Run a signal over the datasets of a collection, judge its fires over all that train, and print the results."""
    found = collection_runs(config, given_overrides())
    ids, store = [run.spec.run_id for run in found.runs], found.settings.store
    name = next(str(run.job.config["dataset"]["collection"]) for run in found.runs)
    tests = len(found.runs) - len(found.training)
    told = f"{len(found.training)} train and {tests} are kept for the test" if tests else "all of them train"
    print(
        f"collection {name}: {counted(len(ids), 'run')}, {found.done_before} of them in the store before; {told}",
        file=sys.stderr,
    )
    print_doubts(run.spec.dataset for run in found.runs)
    if not found.training:
        print("the fires of its runs are stored, and compare show_test=true judges them")
        return
    folder = folder_of(found.settings.outputs, found.training[-1].spec.run_id)
    informed = informer(found.lake) if config.information else None
    print_candidates(store, found.lake, ids, as_json=bool(config.json), folder=folder, information_of=informed)
    if not config.json:
        print_tracking(instance(config.tracking, "tracking"), Path(config.outputs))
    tidy(store)


def collection_runs(config: DictConfig, words: Sequence[str]) -> CollectionRuns:
    """Carry out the runs of a composed configuration on the datasets of a collection, but for those the store has.

    All are tracked; the picture is drawn of the last one that trains.

    Raises VpharnessError where one of them is not possible or has failed, or none of them ever fires.
    """
    carried = carried_out(config, words)
    runs, settings = sorted(carried.plan.runs, key=lambda run: run.spec.is_test), carried.settings
    if carried.progress.failures:
        told = "; ".join(f"{run_id}: {error}" for run_id, _, error in carried.progress.failures)
        raise ConfigError(f"{len(carried.progress.failures)} of {len(runs)} runs failed: {told}")
    rows = rows_of_runs(settings.store, [run.spec.run_id for run in runs if not run.spec.is_test])
    found = CollectionRuns(runs, rows, settings, carried.lake, carried.was_done)
    if not found.training:
        return found
    last = found.training[-1]
    for run in found.training:
        finish(run, settings, carried.tracking, rows[run.spec.run_id], draws=run is last)
    folder = folder_of(settings.outputs, last.spec.run_id)
    refuse_silence(found.training, [row for each in rows.values() for row in each], folder)
    print_audit(last, settings.store, folder)
    return found
