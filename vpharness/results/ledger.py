"""Reading the trial ledger: every candidate ever evaluated, with its fires and the runs it came from."""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from vpharness.evaluation import Fires, ResolvedEvaluation, SplitParameters
from vpharness.results.records import DONE
from vpharness.results.store import CANDIDATES, FIRES, META, Store, read


@dataclass(frozen=True)
class Trial:
    """One candidate on one dataset."""

    candidate_id: str
    run_id: str
    dataset_id: str
    dataset_checksum: str
    signal: str
    parameters: dict[str, Any]
    threshold_label: str
    evaluation: ResolvedEvaluation
    split: SplitParameters
    judged_part: str
    fires: Fires


@dataclass(frozen=True)
class LedgerCandidate:
    """One candidate with all the datasets it ran on."""

    candidate_id: str
    trials: tuple[Trial, ...]  # in the order of dataset ids

    @property
    def first(self) -> Trial:
        """Any of its trials: what does not depend on the dataset is the same in all."""
        return self.trials[0]

    @property
    def dataset_ids(self) -> tuple[str, ...]:
        """The datasets it ran on."""
        return tuple(trial.dataset_id for trial in self.trials)

    @property
    def family(self) -> tuple[Any, ...]:
        """What candidates must share to be compared with one another by chance: datasets, split, and draws."""
        split, evaluation = self.first.split, self.first.evaluation
        datasets = tuple((trial.dataset_id, trial.dataset_checksum) for trial in self.trials)
        test = tuple(sorted(split.test_datasets))
        return datasets, split.kind, split.train_share, test, evaluation.null_draws, evaluation.null_seed


def read_ledger(store: Store) -> list[LedgerCandidate]:
    """Return every candidate of the finished runs; of a run that is there twice, the later one."""
    runs = {row["run_id"]: row for row in read(store, META) if row["status"] == DONE}
    named = read(store, CANDIDATES, ["run_id", "candidate_id", "threshold_label"])
    labels = {(row["run_id"], row["candidate_id"]): row["threshold_label"] for row in named}
    grouped: dict[str, dict[str, Trial]] = defaultdict(dict)
    for row in read(store, FIRES):
        run = runs.get(row["run_id"])
        if run is None:
            continue  # its run was not finished when it was written
        trial = _trial(row, run, labels[row["run_id"], row["candidate_id"]])
        grouped[trial.candidate_id][trial.dataset_id] = trial
    return [
        LedgerCandidate(candidate_id, tuple(trials[dataset_id] for dataset_id in sorted(trials)))
        for candidate_id, trials in grouped.items()
    ]


def _trial(row: dict[str, Any], run: dict[str, Any], threshold_label: str) -> Trial:
    identity = json.loads(run["identity"])
    return Trial(
        candidate_id=row["candidate_id"],
        run_id=row["run_id"],
        dataset_id=row["dataset_id"],
        dataset_checksum=run["dataset_checksum"],
        signal=run["signal"],
        parameters=identity["signal"]["parameters"],
        threshold_label=threshold_label,
        evaluation=ResolvedEvaluation(**identity["evaluation"]),
        split=SplitParameters(**identity["split"]),
        judged_part=run["judged_part"],
        fires=Fires.from_signed(np.array(row["fires"], np.int64)),
    )
