"""Reading the trial ledger from the store: rows of runs, candidates, fires, evidence and audits become candidates."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from vpharness.evaluation import EVALUATION_VERSION, TEST, Market, MarketTime, ResolvedEvaluation, SplitParameters
from vpharness.results.audits import FITTED_ON, AuditKey, AuditRecord, audit_key, audits_of
from vpharness.results.explored import candidates_with_explored
from vpharness.results.ledger import (
    AUDIT_FAILED,
    AUDIT_PASSED,
    AUDIT_UNDECIDED,
    NOT_AUDITED,
    UNKNOWN_MARKET,
    DatasetKey,
    LedgerCandidate,
    StoredLedger,
    Trial,
)
from vpharness.results.store import (
    ADAPTIVE,
    CAMPAIGNS,
    CANDIDATES,
    EVIDENCE,
    EXPLORED,
    FIRES,
    META,
    Store,
    part_names,
    read,
    read_each_part,
)
from vpharness.results.stored_evidence import stored_evidence, stored_fires
from vpharness.results.table_schemas import DONE, market_in
from vpharness.storage.arrow import texts
from vpharness.storage.collection_pause import without_collection

_META_COLUMNS: Final = (
    *("run_id", "status", "signal", "dataset_id", "dataset_checksum", "identity", "judged_part", "created_ns", "part"),
    *("instrument", "contents", "origin_ns", "first_bin_start_ns", "bins"),
)
"""What is read of a run."""


def read_ledger(store: Store) -> StoredLedger:
    """Return every candidate of the finished runs; runs of the same trial give one.

    Fires and evidence are read where they are first looked at: those of a sweep over months take seconds.
    """
    with without_collection():
        before = part_names(store, LEDGER_TABLES)
        candidates = candidates_with_explored(store, _read_ledger(store))
        # Parts have a name once, so what was read in between is what both lists name.
        is_of_these = before is not None and before == part_names(store, LEDGER_TABLES)
        digest = hashlib.sha256("\n".join(before or ()).encode()).hexdigest() if is_of_these else None
        return StoredLedger(candidates, digest)


def _read_ledger(store: Store) -> list[LedgerCandidate]:
    runs = _finished_runs(store)
    fires = _Rows.read(store, FIRES, "dataset_id", "fires_digest")
    labels = fires.others(_Rows.read(store, CANDIDATES, "threshold_label"), "threshold_label")
    evidence, fires_of = fires.others(_stored_evidence(store), "evidence"), stored_fires(store)
    grouped: dict[str, dict[tuple[DatasetKey, str], Trial]] = {}
    times: dict[tuple[int, int, int], MarketTime] = {}
    for run_id, candidate_id, part, dataset_id, digest, label, known in zip(
        *fires.keys, *fires.columns.values(), labels, evidence, strict=True
    ):
        run = runs.get(run_id)
        if run is None or part != run.part:
            continue  # its run was not finished when it was written
        trial = Trial(
            candidate_id,
            run_id,
            dataset_id,
            threshold_label=label,
            fires=fires_of(digest),
            evidence=known if run.is_of_this_evaluation else None,
            **run.shared,
        )
        if run.judged_time is not None:
            vars(trial)["judged_time"] = run.judged_time
        elif trial.judged_part != TEST:
            # The same for all candidates of a run. Runs on the same days share it too, so that few are compared.
            time = trial.judged_time
            time = times.setdefault((id(time.market), time.start_ns, time.stop_ns), time)
            run.judged_time = vars(trial)["judged_time"] = time
        own = grouped.get(candidate_id)
        if own is None:
            own = grouped[candidate_id] = {}
        before = own.get(run.key)
        own[run.key] = trial if before is None else before.joined(trial)
    return [_candidate(candidate_id, trials) for candidate_id, trials in grouped.items()]


def _candidate(candidate_id: str, trials: Mapping[tuple[DatasetKey, str], Trial]) -> LedgerCandidate:
    """Return a candidate, given its trials by dataset and by what their weights were fitted on.

    Of those on one dataset the first that chooses stands for it. The others would otherwise be looks that nobody
    counts: the n-th of each dataset are together one more candidate that was tried.
    """
    if len(trials) == 1 or len({dataset for dataset, _ in trials}) == len(trials):
        return LedgerCandidate(candidate_id, tuple(trials[key] for key in sorted(trials)))
    of_dataset: dict[DatasetKey, list[Trial]] = defaultdict(list)
    for key in sorted(trials):
        of_dataset[key[0]].append(trials[key])
    for several in of_dataset.values():
        several.sort(key=lambda trial: (trial.judged_part == TEST, trial.created_ns, trial.fitted_on))
    turns = [
        tuple(several[turn] for several in of_dataset.values() if turn < len(several))
        for turn in range(max(map(len, of_dataset.values())))
    ]
    names = [f"{candidate_id} refitted {turn}" for turn in range(len(turns))]
    refitted = tuple(
        LedgerCandidate(name, tuple(replace(trial, candidate_id=name) for trial in some))
        for name, some in zip(names[1:], turns[1:], strict=True)
    )
    return LedgerCandidate(candidate_id, turns[0], refitted=refitted)


LEDGER_TABLES: Final = (META, CANDIDATES, FIRES, EVIDENCE, CAMPAIGNS, ADAPTIVE, EXPLORED)
"""What candidates are read from; audits change nothing of how they rank."""

_ROW: Final = ("run_id", "candidate_id", "part")
"""What tells rows of candidates apart."""

_REPEATED: Final = (*_ROW, "dataset_id", "threshold_label")


@dataclass(frozen=True)
class _Rows:
    """Rows of candidates: the columns that tell them apart, and others by name."""

    keys: tuple[list[str], list[str], list[str]]
    columns: dict[str, list[Any]]

    @classmethod
    def read(cls, store: Store, table: str, *names: str) -> "_Rows":
        """Return columns of texts of a table."""
        found: dict[str, list[Any]] = {name: [] for name in (*_ROW, *names)}
        repeated = [name for name in found if name in _REPEATED]
        for part in read_each_part(store, table, list(found), lambda part: part, repeated):
            for name in found:
                found[name] += texts(part[name])
        return cls((found["run_id"], found["candidate_id"], found["part"]), {name: found[name] for name in names})

    def others(self, of: "_Rows", name: str) -> list[Any]:
        """Return a column of other rows in the order of these; None for those that the others lack.

        Tables are written row by row together: where all rows are the same, nothing is looked up.
        """
        if self.keys == of.keys:
            return of.columns[name]
        found = dict(zip(zip(*of.keys, strict=True), of.columns[name], strict=True))
        return [found.get(key) for key in zip(*self.keys, strict=True)]


def _stored_evidence(store: Store) -> _Rows:
    """Return the evidence of candidates."""
    *keys, evidence = stored_evidence(store)
    return _Rows((keys[0], keys[1], keys[2]), {"evidence": evidence})


def _finished_runs(store: Store) -> dict[str, "_Run"]:
    campaigns: dict[str, set[str]] = defaultdict(set)
    for row in read(store, CAMPAIGNS, ["campaign", "run_ids"]):
        for run_id in row["run_ids"]:
            campaigns[run_id].add(row["campaign"])
    adaptive = {row["run_id"] for row in read(store, ADAPTIVE)}
    known, audits = _Shared(), audits_of(store)
    return {
        (run_id := row["run_id"]): _run(row, known, audits, frozenset(campaigns[run_id]), adaptive=run_id in adaptive)
        for row in read(store, META, _META_COLUMNS)
        if row["status"] == DONE
    }


@dataclass
class _Run:
    part: str
    key: tuple[DatasetKey, str]  # its dataset, and what its weights were fitted on
    is_of_this_evaluation: bool  # otherwise its fires are judged anew
    shared: dict[str, Any]  # what the trials of a run have in common
    judged_time: MarketTime | None = None  # once it has been worked out


@dataclass(frozen=True)
class _Identity:
    """What a run depends on beside its dataset."""

    evaluation_version: int
    signal_digest: str
    parameters: dict[str, Any]
    evaluation: ResolvedEvaluation
    split: SplitParameters
    audit_key: AuditKey  # on one of the datasets
    fitted_on: str  # as JSON; empty where the weights were fitted on the dataset itself


class _Shared:
    """What runs have in common, made once: those that agree in a part of what they depend on share the object."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def identity(self, row: Mapping[str, Any]) -> _Identity:
        """Return what a run depends on.

        Runs of a sweep over many datasets differ in the words for these alone, so that few texts are parsed. A text
        without the words that are expected for its dataset is known by all of itself.
        """
        text: str = row["identity"]
        dataset = json.dumps({"checksum": row["dataset_checksum"], "id": row["dataset_id"]})
        found: _Identity = self._once((_Identity, *text.split(dataset)), lambda: self._parsed(text))
        return found

    def market(self, row: Mapping[str, Any]) -> Market:
        """Return the market of a run."""
        key = Market, row.get("instrument"), tuple(row.get("contents") or ()), row.get("origin_ns")
        found: Market = self._once(key, lambda: market_in(row) or UNKNOWN_MARKET)
        return found

    def _parsed(self, text: str) -> _Identity:
        identity = json.loads(text)
        return _Identity(
            int(identity["code"]["evaluation_version"]),
            identity["code"]["signal_digest"],
            self._made(dict, identity["signal"]["parameters"]),
            self._made(ResolvedEvaluation, identity["evaluation"]),
            self._made(SplitParameters, identity["split"]),
            audit_key(identity),
            json.dumps(identity[FITTED_ON], sort_keys=True) if FITTED_ON in identity else "",
        )

    def _made(self, make: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        return self._once((make, json.dumps(values)), lambda: make(**values))

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def _outcome(audited: AuditRecord | None) -> str:
    if audited is None:
        return NOT_AUDITED
    if audited.passed:
        return AUDIT_PASSED
    return AUDIT_UNDECIDED if audited.undecided else AUDIT_FAILED


def _run(
    row: Mapping[str, Any],
    known: _Shared,
    audits: Mapping[AuditKey, AuditRecord],
    campaigns: frozenset[str],
    *,
    adaptive: bool,
) -> _Run:
    identity = known.identity(row)
    audited = audits.get(identity.audit_key._replace(dataset_checksum=row["dataset_checksum"]))
    shared = {
        "dataset_checksum": row["dataset_checksum"],
        "signal": row["signal"],
        "parameters": identity.parameters,
        "evaluation": identity.evaluation,
        "split": identity.split,
        "judged_part": row["judged_part"],
        "market": known.market(row),
        "first_bin_start_ns": row.get("first_bin_start_ns"),
        "bins": row["bins"],
        "campaigns": campaigns,
        "created_ns": row["created_ns"],
        "adaptive": adaptive,
        "signal_digest": identity.signal_digest,
        "fitted_on": identity.fitted_on,
        "audit": _outcome(audited),
        "audit_found": "" if audited is None else audited.failed,
    }
    key = (row["dataset_id"], row["dataset_checksum"]), identity.fitted_on
    return _Run(row["part"], key, identity.evaluation_version == EVALUATION_VERSION, shared)
