"""Reading the trial ledger from the store: rows of candidates, fires and evidence beside the runs they came from.

Rows stay columns, in which texts are numbers. A candidate notes which rows are its own; trials, fires and evidence
become objects where they are first looked at, which a ranking that is remembered hardly does.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.evaluation import TEST, Evidence, Fires
from vpharness.results.explored import candidates_with_explored
from vpharness.results.ledger import (
    DatasetKey,
    LaterTrials,
    LedgerCandidate,
    LedgerRun,
    LedgerRuns,
    StoredLedger,
    Trial,
)
from vpharness.results.ledger_runs import FinishedRun, finished_runs
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
    read_each_part,
)
from vpharness.results.stored_evidence import stored_evidence, stored_fires, whole_rows
from vpharness.storage.arrow import text_numbers, texts
from vpharness.storage.collection_pause import without_collection

LEDGER_TABLES: Final = (META, CANDIDATES, FIRES, EVIDENCE, CAMPAIGNS, ADAPTIVE, EXPLORED)
"""What candidates are read from; audits change nothing of how they rank."""

_ROW: Final = ("run_id", "candidate_id", "part")
"""What tells rows of candidates apart."""

_REPEATED: Final = (*_ROW, "threshold_label")


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
    runs = finished_runs(store)
    known = _Known({run.run.run_id: number for number, run in enumerate(runs)})
    fires = _Rows.read(_parts(store, FIRES, "fires_digest"), known, "fires_digest")
    labels = fires.others(_Rows.read(_parts(store, CANDIDATES, "threshold_label"), known, "threshold_label"))
    evidence = fires.others(_Rows.read(whole_rows(store, _ROW), known, "evidence_digest"))
    ids = list(known.candidate_ids)
    columns = _Columns(fires, ids, labels, evidence, stored_fires(store), stored_evidence(store))
    return _candidates(runs, known, columns)


def _candidates(runs: Sequence[FinishedRun], known: "_Known", columns: "_Columns") -> list[LedgerCandidate]:
    """Return candidates in the order of their first rows, each with its trials in the order of datasets."""
    fires = columns.rows
    rows = np.flatnonzero(fires.run < len(runs))
    written_with = np.array([known.part(run.part) for run in runs], np.int32)
    rows = rows[fires.part[rows] == written_with[fires.run[rows]]]  # its run may not have been finished when it was
    if not len(rows):
        return []
    rank = {key: place for place, key in enumerate(sorted({run.key for run in runs}))}
    order = np.lexsort((np.array([rank[run.key] for run in runs])[fires.run[rows]], fires.candidate[rows]))
    rows = rows[order]
    of_run, of_candidate = fires.run[rows], fires.candidate[rows]
    begins = np.flatnonzero(np.diff(of_candidate, prepend=-1))
    later = np.logical_and.reduceat(_made_later(runs, rows, of_run, of_candidate, columns), begins)
    ends = [*begins[1:].tolist(), len(rows)]
    shared: dict[bytes, LedgerRuns] = {}
    found: list[LedgerCandidate | None] = [None] * len(begins)
    for place, group in enumerate(np.argsort(np.minimum.reduceat(rows, begins)).tolist()):
        own = slice(int(begins[group]), ends[group])
        candidate_id, mine = columns.candidate_ids[of_candidate[own.start]], rows[own].tolist()
        if not later[group]:
            found[place] = _candidate(candidate_id, _trials(columns, runs, mine))
            continue
        key = of_run[own].tobytes()
        if key not in shared:
            shared[key] = LedgerRuns([runs[number].run for number in of_run[own].tolist()])
        found[place] = LedgerCandidate(candidate_id, LaterTrials(shared[key], mine, columns.trial, columns.evidence))
    return [each for each in found if each is not None]


def _made_later(
    runs: Sequence[FinishedRun],
    rows: NDArray[np.int64],
    of_run: NDArray[np.int32],
    of_candidate: NDArray[np.int32],
    columns: "_Columns",
) -> NDArray[np.bool_]:
    """Return [n] of which rows, sorted by candidate and dataset, trials need not be made to know what a candidate is.

    That is where each is the only one on its dataset, and has evidence by today's rules unless it is kept for the test.
    """
    numbers = {key: number for number, key in enumerate({run.run.dataset for run in runs})}
    dataset = np.array([numbers[run.run.dataset] for run in runs])[of_run]
    is_another = np.concatenate([[False], (dataset[1:] == dataset[:-1]) & (of_candidate[1:] == of_candidate[:-1])])
    is_whole = np.array([run.is_of_this_evaluation and run.run.first_bin_start_ns is not None for run in runs])
    is_test = np.array([run.run.judged_part == TEST for run in runs])
    has_evidence = np.array([digest is not None for digest in columns.evidence_digests], np.bool_)
    found: NDArray[np.bool_] = ~is_another & is_whole[of_run] & (is_test[of_run] | has_evidence[rows])
    return found


def _trials(
    columns: "_Columns", runs: Sequence[FinishedRun], rows: Sequence[int]
) -> dict[tuple[DatasetKey, str], Trial]:
    """Return trials by dataset and by what their weights were fitted on; those of several runs are joined to one."""
    found: dict[tuple[DatasetKey, str], Trial] = {}
    for row in sorted(rows):
        run = runs[columns.rows.run[row]]
        trial = columns.trial(row, run.run)
        if not run.is_of_this_evaluation:
            trial = replace(trial, evidence=None)  # its fires are judged anew
        before = found.get(run.key)
        found[run.key] = trial if before is None else before.joined(trial)
    return found


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


@dataclass(frozen=True)
class _Known:
    """The numbers of texts that tell rows apart: the same text has the same number in all tables.

    Attributes:
        run_ids: finished runs have the first numbers, in their order.
        candidate_ids: of candidates.
        parts: of the parts of tables that rows were written with.
    """

    run_ids: dict[str, int]
    candidate_ids: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)

    def part(self, name: str) -> int:
        """Return the number of a part."""
        return self.parts.setdefault(name, len(self.parts))


def _parts(store: Store, table: str, name: str) -> list[pa.Table]:
    """Return what tells rows of a table apart, and one column more, part by part."""
    names = [*_ROW, name]
    return read_each_part(store, table, names, lambda part: part, [each for each in names if each in _REPEATED])


@dataclass(frozen=True)
class _Rows:
    """Rows of candidates: the numbers [n] that tell them apart, and a text of each."""

    run: NDArray[np.int32]
    candidate: NDArray[np.int32]
    part: NDArray[np.int32]
    values: list[str]

    @classmethod
    def read(cls, parts: Iterable[pa.Table], known: _Known, name: str) -> "_Rows":
        """Return the rows of the parts of a table."""
        found: list[list[NDArray[np.int32]]] = [[np.zeros(0, np.int32)] for _ in _ROW]
        values: list[str] = []
        for part in parts:
            numbers = known.run_ids, known.candidate_ids, known.parts
            for column, key, numbered in zip(found, _ROW, numbers, strict=True):
                column.append(text_numbers(part[key], numbered))
            values += texts(part[name])
        run, candidate, with_part = (np.concatenate(column) for column in found)
        return cls(run, candidate, with_part, values)

    def others(self, of: "_Rows") -> list[str | None]:
        """Return the texts of other rows in the order of these; None for those that the others lack.

        Tables are written row by row together: where all rows are the same, nothing is looked up.
        """
        mine, theirs = ((each.run, each.candidate, each.part) for each in (self, of))
        if all(map(np.array_equal, mine, theirs)):
            return list(of.values)
        keys = zip(*(each.tolist() for each in theirs), strict=True)
        found = dict(zip(keys, of.values, strict=True))
        return [found.get(key) for key in zip(*(each.tolist() for each in mine), strict=True)]


@dataclass(frozen=True)
class _Columns:
    """What the store holds of each trial, row by row.

    Attributes:
        rows: the rows, each with the digest of its fires.
        candidate_ids: by number.
        labels: of thresholds.
        evidence_digests: None where there is no evidence with all of today's sums.
        fires_of, evidence_of: by digest.
        made: trials that were looked at, by row.
    """

    rows: _Rows
    candidate_ids: list[str]
    labels: list[str | None]
    evidence_digests: list[str | None]
    fires_of: Callable[[str], Fires]
    evidence_of: Callable[[str], Evidence]
    made: dict[int, Trial] = field(default_factory=dict)

    def trial(self, row: int, run: LedgerRun) -> Trial:
        """Return the trial of a row: the same object each time."""
        trial = self.made.get(row)
        if trial is None:
            candidate_id, label = self.candidate_ids[self.rows.candidate[row]], self.labels[row]
            fires = self.fires_of(self.rows.values[row])
            # A row without a label is one that was cut off: nothing is known of its threshold.
            trial = self.made[row] = Trial.of(run, candidate_id, label, fires, self.evidence(row))  # type: ignore[arg-type]
        return trial

    def evidence(self, row: int) -> Evidence | None:
        """Return the evidence of a row."""
        digest = self.evidence_digests[row]
        return None if digest is None else self.evidence_of(digest)
