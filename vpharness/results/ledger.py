"""Reading the trial ledger: every candidate ever evaluated, with its evidence, its fires and the runs it came from."""

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from vpharness.evaluation import (
    EVALUATION_VERSION,
    TEST,
    BlockSums,
    Evidence,
    Fires,
    Market,
    MarketTime,
    ResolvedEvaluation,
    SplitParameters,
    Tally,
    counted_once,
    parts_within,
)
from vpharness.evaluation.blocks import COUNTS, TICKS
from vpharness.results.audits import Audited, AuditKey, audit_key, audits_of
from vpharness.results.records import DONE, TIMES, market_in
from vpharness.results.store import ADAPTIVE, CAMPAIGNS, CANDIDATES, EVIDENCE, FIRES, META, Store, read, read_table

AUDIT_PASSED: Final = "passed"
NOT_AUDITED: Final = "none"
AUDIT_FAILED: Final = "FAILED"

UNKNOWN_MARKET: Final = Market(None)

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
    first_bin_start_ns: int | None  # None in rows of an earlier version, until it is read off the dataset
    bins: int
    market: Market = UNKNOWN_MARKET
    evidence: Evidence | None = None  # of the part that was judged; None in rows of an earlier version, and of a test
    campaigns: frozenset[str] = frozenset()  # every campaign that its run was part of
    created_ns: int = 0  # when its run was stored, since the Unix epoch, UTC
    adaptive: bool = False  # whether its values were chosen by looking at what earlier runs came to
    audit: str = NOT_AUDITED  # what the audit of its scores on this dataset came to
    signal_digest: str = ""  # of the signal's program: equal for a copy under another name
    other_run_ids: tuple[str, ...] = ()  # later runs that came to the same trial, with other thresholds beside its own

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run that came to it, the first one first."""
        return self.run_id, *self.other_run_ids

    def joined(self, other: "Trial") -> "Trial":
        """Return this trial and the same one of another run as one: nothing of what is known of either is forgotten."""
        first, later = sorted((self, other), key=lambda trial: trial.created_ns)
        return replace(
            first,
            other_run_ids=(*first.other_run_ids, *later.run_ids),
            campaigns=first.campaigns | later.campaigns,
            adaptive=first.adaptive or later.adaptive,
            evidence=later.evidence if first.evidence is None else first.evidence,
        )

    @property
    def dataset(self) -> DatasetKey:
        """Its dataset: one that was made anew under the same id is another."""
        return self.dataset_id, self.dataset_checksum

    @functools.cached_property
    def judged_time(self) -> MarketTime:
        """The market time of the part that chooses, or of a dataset kept for the test."""
        return self._time(self.judged_part)

    @functools.cached_property
    def test_time(self) -> MarketTime | None:
        """The market time of its test part; None where there is none."""
        names = [part.name for part in _parts(self.dataset_id, self.bins, self.evaluation, self.split)]
        return self._time(TEST) if TEST in names else None

    def _time(self, name: str) -> MarketTime:
        parts = _parts(self.dataset_id, self.bins, self.evaluation, self.split)
        (part,) = [each for each in parts if each.name == name]
        start_ns, width_ns = self.first_bin_start_ns or 0, round(self.evaluation.cell_width_ms * 1_000_000)
        return MarketTime(self.market, start_ns + part.start * width_ns, start_ns + part.stop * width_ns)


def _parts(dataset_id: str, bins: int, evaluation: ResolvedEvaluation, split: SplitParameters) -> tuple[Any, ...]:
    return _known_parts(dataset_id, bins, evaluation, split.kind, split.train_share, tuple(split.test_datasets))


@functools.lru_cache(maxsize=4096)
def _known_parts(
    dataset_id: str, bins: int, evaluation: ResolvedEvaluation, kind: str, train_share: float, kept: tuple[str, ...]
) -> tuple[Any, ...]:
    return parts_within(dataset_id, bins, evaluation, SplitParameters(kind, train_share, list(kept)))


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
    def run_ids(self) -> tuple[str, ...]:
        """Every run that came to it."""
        return tuple(run_id for trial in self.trials for run_id in trial.run_ids)

    @property
    def adaptive(self) -> bool:
        """Whether an adaptive search chose it: such a search is no family, and only the test part can judge it."""
        return any(trial.adaptive for trial in self.trials)

    @property
    def audit(self) -> str:
        """What the audits of its scores came to, the worst of all datasets: "passed", "none" or "FAILED"."""
        found = {trial.audit for trial in self.trials}
        return next(each for each in (AUDIT_FAILED, NOT_AUDITED, AUDIT_PASSED) if each in found)

    @functools.cached_property
    def choosing(self) -> tuple[Trial, ...]:
        """Its trials on the datasets that choose, in the order of running; not those that are kept for the test."""
        return in_order([trial for trial in self.trials if trial.judged_part != TEST])

    @functools.cached_property
    def counted(self) -> tuple[Trial, ...]:
        """Those of them that count: of trials that overlap in market time the longest alone."""
        return counted_trials(self.choosing)

    @property
    def overlapping(self) -> tuple[Trial, ...]:
        """Those of them that count nowhere, since a longer one covers their market time."""
        counted = set(map(id, self.counted))
        return tuple(trial for trial in self.choosing if id(trial) not in counted)

    @functools.cached_property
    def market_times(self) -> tuple[MarketTime, ...]:
        """All market time that it was judged on, whether that counts or not."""
        return tuple(trial.judged_time for trial in self.choosing)

    def on(self, keep: Callable[[Trial], bool]) -> "LedgerCandidate | None":
        """Return the candidate as it is on some of its trials alone; None where that leaves none."""
        kept = tuple(trial for trial in self.trials if keep(trial))
        if len(kept) == len(self.trials):
            return self
        return LedgerCandidate(self.candidate_id, kept) if kept else None


def in_order(trials: Collection[Trial]) -> tuple[Trial, ...]:
    """Return trials in the order in which they were run."""
    return tuple(sorted(trials, key=lambda trial: (trial.created_ns, trial.dataset)))


def counted_trials(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return those of some trials that count: of those that overlap in market time the longest alone."""
    if len(trials) == 1:
        return tuple(trials)
    return tuple(trials[place] for place in counted_once([trial.judged_time for trial in trials]))


def read_ledger(store: Store) -> list[LedgerCandidate]:
    """Return every candidate of the finished runs; of runs that came to the same trial, one trial."""
    finished = [row for row in read(store, META) if row["status"] == DONE]
    campaigns: dict[str, set[str]] = defaultdict(set)
    for row in read(store, CAMPAIGNS):
        for run_id in row["run_ids"]:
            campaigns[run_id].add(row["campaign"])
    adaptive = {row["run_id"] for row in read(store, ADAPTIVE)}
    identities, audits = _Identities(), audits_of(store)
    runs = {
        row["run_id"]: _run(
            row, identities, audits, frozenset(campaigns[row["run_id"]]), adaptive=row["run_id"] in adaptive
        )
        for row in finished
    }
    named = read(store, CANDIDATES, ["run_id", "candidate_id", "threshold_label", "part"])
    labels = {(row["run_id"], row["candidate_id"], row["part"]): row["threshold_label"] for row in named}
    known = _evidence(store)
    grouped: dict[str, dict[DatasetKey, Trial]] = defaultdict(dict)
    for row, fires in _fires(store):
        run = runs.get(row["run_id"])
        if run is None or row["part"] != run.part:
            continue  # its run was not finished when it was written
        key = row["run_id"], row["candidate_id"], row["part"]
        trial = Trial(
            row["candidate_id"],
            row["run_id"],
            row["dataset_id"],
            threshold_label=labels[key],
            fires=fires,
            evidence=known.get(key) if run.is_of_this_evaluation else None,
            **run.shared,
        )
        own = grouped[row["candidate_id"]]
        own[trial.dataset] = own[trial.dataset].joined(trial) if trial.dataset in own else trial
    return [
        LedgerCandidate(candidate_id, tuple(trials[dataset] for dataset in sorted(trials)))
        for candidate_id, trials in grouped.items()
    ]


@dataclass(frozen=True)
class _Run:
    part: str
    is_of_this_evaluation: bool  # otherwise its fires are judged anew
    shared: dict[str, Any]  # what the trials of a run have in common


class _Identities:
    """What runs depend on, read from their rows: those that agree in a part of it share the part."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def read(self, identity: Mapping[str, Any]) -> tuple[int, dict[str, Any], ResolvedEvaluation, SplitParameters]:
        """Return the version that judged a run, the parameters of its signal, its evaluation and its split."""
        return (
            int(identity["code"]["evaluation_version"]),
            self._once(identity["signal"]["parameters"], dict),
            self._once(identity["evaluation"], ResolvedEvaluation),
            self._once(identity["split"], SplitParameters),
        )

    def _once(self, values: dict[str, Any], make: Callable[..., Any]) -> Any:
        key = f"{make.__name__} {json.dumps(values)}"
        if key not in self._known:
            self._known[key] = make(**values)
        return self._known[key]


def _run(
    row: dict[str, Any],
    identities: _Identities,
    audits: Mapping[AuditKey, Audited],
    campaigns: frozenset[str],
    *,
    adaptive: bool,
) -> _Run:
    identity = json.loads(row["identity"])
    audited = audits.get(audit_key(identity))
    version, parameters, evaluation, split = identities.read(identity)
    shared = {
        "dataset_checksum": row["dataset_checksum"],
        "signal": row["signal"],
        "parameters": parameters,
        "evaluation": evaluation,
        "split": split,
        "judged_part": row["judged_part"],
        "market": market_in(row) or UNKNOWN_MARKET,
        "first_bin_start_ns": row.get("first_bin_start_ns"),
        "bins": row["bins"],
        "campaigns": campaigns,
        "created_ns": row["created_ns"],
        "adaptive": adaptive,
        "signal_digest": identity["code"]["signal_digest"],
        "audit": NOT_AUDITED if audited is None else AUDIT_PASSED if audited.passed else AUDIT_FAILED,
    }
    return _Run(row["part"], version == EVALUATION_VERSION, shared)


def _fires(store: Store) -> Iterator[tuple[dict[str, Any], Fires]]:
    """Yield the rows of fires with the fires themselves; equal ones, of which a sweep has many, are one object."""
    table = read_table(store, FIRES, ["run_id", "candidate_id", "dataset_id", "fires_digest", "fires", "part"])
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


def _evidence(store: Store) -> dict[tuple[str, str, str], Evidence]:
    """Return the evidence by run, candidate and part of the table; equal evidence is one object."""
    table = read_table(store, EVIDENCE)
    if table is None:
        return {}
    keys = zip(*(table[name].to_pylist() for name in ("run_id", "candidate_id", "part")), strict=True)
    digests, seconds = table["evidence_digest"].to_pylist(), table["block_s"].to_pylist()
    tallies = table.select(list(Tally.__dataclass_fields__)).to_pylist()
    block, of_block = _flat(table["block"])
    counts = np.column_stack([_flat(table[name])[0] for name in COUNTS]).astype(np.int32, copy=False)
    ticks = np.column_stack([_flat(table[name])[0] for name in TICKS])
    times = [_flat(table[name]) for name in TIMES]
    known: dict[str, Evidence] = {}
    found = {}
    for row, (key, digest) in enumerate(zip(keys, digests, strict=True)):
        if digest not in known:
            own = slice(of_block[row], of_block[row + 1])
            sums = BlockSums(seconds[row], block[own], counts[own], ticks[own])
            lists = [values[offsets[row] : offsets[row + 1]] for values, offsets in times]
            known[digest] = Evidence(sums, Tally(**tallies[row]), *lists)
        found[key] = known[digest]
    return found


def _flat(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """Return the values of a column of lists one after the other, and where each list begins, and the last ends."""
    lists = column.combine_chunks()
    return lists.values.to_numpy(), lists.offsets.to_numpy()
