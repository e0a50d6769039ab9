"""Reading the trial ledger: every candidate ever evaluated, with its fires and the runs it came from."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from vpharness.evaluation import TEST, Fires, ResolvedEvaluation, SplitParameters
from vpharness.results.records import DONE
from vpharness.results.store import ADAPTIVE, CAMPAIGNS, CANDIDATES, FIRES, META, Store, read, read_table

_META_COLUMNS: Final = [
    *("run_id", "status", "signal", "identity", "dataset_checksum", "judged_part", "created_ns", "part"),
]

DatasetKey = tuple[str, str]
"""A dataset's id and checksum."""


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
    campaigns: frozenset[str] = frozenset()  # every campaign that its run was part of
    created_ns: int = 0  # when its run was stored, since the Unix epoch, UTC
    adaptive: bool = False  # whether its values were chosen by looking at what earlier runs came to

    @property
    def dataset(self) -> DatasetKey:
        """Its dataset: one that was made anew under the same id is another."""
        return self.dataset_id, self.dataset_checksum


@dataclass(frozen=True)
class LedgerCandidate:
    """One candidate with all the datasets it ran on."""

    candidate_id: str
    trials: tuple[Trial, ...]  # in the order of datasets

    @property
    def first(self) -> Trial:
        """Any of its trials: what does not depend on the dataset is the same in all."""
        return self.trials[0]

    @property
    def dataset_ids(self) -> tuple[str, ...]:
        """The datasets it ran on."""
        return tuple(trial.dataset_id for trial in self.trials)

    @property
    def adaptive(self) -> bool:
        """Whether an adaptive search chose it: such a search is no family, and only the test part can judge it."""
        return any(trial.adaptive for trial in self.trials)

    @property
    def choosing(self) -> tuple[Trial, ...]:
        """Its trials on the datasets that choose: those that are kept for the test are not among them."""
        return tuple(trial for trial in self.trials if trial.judged_part != TEST)

    @property
    def datasets(self) -> frozenset[DatasetKey]:
        """The datasets that choose."""
        return frozenset(trial.dataset for trial in self.choosing)

    @property
    def splitting(self) -> Hashable:
        """How its datasets are split: candidates whose datasets are split otherwise saw other data."""
        split = self.first.split
        return split.kind, split.train_share, tuple(split.test_datasets)

    def on(self, datasets: Collection[DatasetKey]) -> "LedgerCandidate":
        """Return the candidate as it is on some datasets alone; it must have run on one of them."""
        return LedgerCandidate(self.candidate_id, tuple(each for each in self.trials if each.dataset in datasets))


def read_ledger(store: Store) -> list[LedgerCandidate]:
    """Return every candidate of the finished runs; of a run that is there twice, the later one."""
    finished = [row for row in read(store, META, _META_COLUMNS) if row["status"] == DONE]
    campaigns: dict[str, set[str]] = defaultdict(set)
    for row in read(store, CAMPAIGNS):
        for run_id in row["run_ids"]:
            campaigns[run_id].add(row["campaign"])
    adaptive = {row["run_id"] for row in read(store, ADAPTIVE)}
    identities = _Identities()
    runs = {
        row["run_id"]: _run(row, identities, frozenset(campaigns[row["run_id"]]), adaptive=row["run_id"] in adaptive)
        for row in finished
    }
    named = read(store, CANDIDATES, ["run_id", "candidate_id", "threshold_label", "part"])
    labels = {(row["run_id"], row["candidate_id"], row["part"]): row["threshold_label"] for row in named}
    grouped: dict[str, dict[DatasetKey, Trial]] = defaultdict(dict)
    for row, fires in _fires(store):
        run = runs.get(row["run_id"])
        if run is None or row["part"] != run.part:
            continue  # its run was not finished when it was written
        label = labels[row["run_id"], row["candidate_id"], row["part"]]
        trial = Trial(
            row["candidate_id"], row["run_id"], row["dataset_id"], threshold_label=label, fires=fires, **run.shared
        )
        grouped[row["candidate_id"]][trial.dataset] = trial
    return [
        LedgerCandidate(candidate_id, tuple(trials[dataset] for dataset in sorted(trials)))
        for candidate_id, trials in grouped.items()
    ]


@dataclass(frozen=True)
class _Run:
    part: str
    shared: dict[str, Any]  # what the trials of a run have in common


class _Identities:
    """What runs depend on, read from their rows: those that agree in a part of it share the part."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def read(self, text: str) -> tuple[dict[str, Any], ResolvedEvaluation, SplitParameters]:
        """Return the parameters of a run's signal, its evaluation and its split."""
        identity = json.loads(text)
        return (
            self._once(identity["signal"]["parameters"], dict),
            self._once(identity["evaluation"], ResolvedEvaluation),
            self._once(identity["split"], SplitParameters),
        )

    def _once(self, values: dict[str, Any], make: Callable[..., Any]) -> Any:
        key = f"{make.__name__} {json.dumps(values)}"
        if key not in self._known:
            self._known[key] = make(**values)
        return self._known[key]


def _run(row: dict[str, Any], identities: _Identities, campaigns: frozenset[str], *, adaptive: bool) -> _Run:
    parameters, evaluation, split = identities.read(row["identity"])
    shared = {
        "dataset_checksum": row["dataset_checksum"],
        "signal": row["signal"],
        "parameters": parameters,
        "evaluation": evaluation,
        "split": split,
        "judged_part": row["judged_part"],
        "campaigns": campaigns,
        "created_ns": row["created_ns"],
        "adaptive": adaptive,
    }
    return _Run(row["part"], shared)


def _fires(store: Store) -> Iterator[tuple[dict[str, Any], Fires]]:
    """Yield the rows of fires with the fires themselves; equal ones, of which a sweep has many, are one object."""
    table = read_table(store, FIRES)
    if table is None:
        return
    keys = table.drop_columns(["fires"]).to_pylist()
    lists = table["fires"].combine_chunks()
    values, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
    known: dict[str, Fires] = {}
    for row, start, stop in zip(keys, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        if row["fires_digest"] not in known:
            known[row["fires_digest"]] = Fires.from_signed(values[start:stop])
        yield row, known[row["fires_digest"]]
