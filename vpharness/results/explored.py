"""Ways of entering a candidate's fires that were looked at and never run: rows of the ledger, so that they count.

Whoever sees what the same fires earn in thirty ways and runs the best one has tried thirty. So each way that is shown
is written down with its evidence before it is shown, and from then on is in the family of everything on its market
time. It wins nothing and is listed nowhere. Shown again it adds no row; once it is run, the run counts in its place.
"""

import dataclasses
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from vpharness.evaluation import EVALUATION_VERSION, Evidence, ResolvedEvaluation
from vpharness.results.ledger import DatasetKey, LedgerCandidate, Trial
from vpharness.results.store import EXPLORED, Store, TableRows, append, read
from vpharness.results.table_schemas import EXPLORED_SCHEMA, evidence_in, evidence_row

_ALIKE: Final = ("explored_id", "dataset_id", "dataset_checksum", "evaluation", "evidence_digest")
_THRESHOLDS: Final = ("thresholds", "threshold_quantiles")


def keep_explored(store: Store, ways: Mapping[str, Sequence[LedgerCandidate]]) -> None:
    """Write down that ways of entering were looked at, those that are there already left out.

    Args:
        store: the results.
        ways: by the id of the candidate whose fires they are; evidence of the rules of this version.

    Raises ResultsError where the store cannot be written: what was tried and is not counted spoils every p-value.
    """
    rows = [
        {
            "candidate_id": candidate_id,
            "explored_id": way.candidate_id,
            "dataset_id": trial.dataset_id,
            "dataset_checksum": trial.dataset_checksum,
            "evaluation": json.dumps(dataclasses.asdict(trial.evaluation), sort_keys=True),
            "evaluation_version": EVALUATION_VERSION,
            "created_ns": trial.created_ns,
            **evidence_row(trial.evidence),
        }
        for candidate_id, several in ways.items()
        for way in several
        for trial in way.choosing
        if trial.evidence is not None
    ]
    if not rows:
        return
    known = {tuple(row[name] for name in _ALIKE) for row in read(store, EXPLORED, list(_ALIKE))}
    new = [row for row in rows if tuple(row[name] for name in _ALIKE) not in known]
    if new:
        append(store, TableRows(EXPLORED, new, EXPLORED_SCHEMA))


def candidates_with_explored(store: Store, ledger: list[LedgerCandidate]) -> list[LedgerCandidate]:
    """Return candidates with the ways of entering them that were looked at, and that nobody has run since.

    Fires are those of the candidate: what was judged by the rules of another version has no evidence, as its own
    trials do then.
    """
    rows = read(store, EXPLORED)
    if not rows:
        return ledger
    known: dict[str, ResolvedEvaluation] = {text: _evaluation(text) for text in {row["evaluation"] for row in rows}}
    asked = set(known.values())
    run = {_key(trial, trial.evaluation) for trial in _trials(ledger) if trial.evaluation in asked}
    of_candidate: dict[str, dict[str, dict[DatasetKey, Trial]]] = {}
    trials = {(trial.candidate_id, trial.dataset): trial for trial in _trials(ledger)}
    for row in rows:
        dataset = row["dataset_id"], row["dataset_checksum"]
        own, evaluation = trials.get((row["candidate_id"], dataset)), known[row["evaluation"]]
        if own is None or _key(own, evaluation) in run:
            continue
        ways = of_candidate.setdefault(row["candidate_id"], {}).setdefault(row["explored_id"], {})
        # Of rows of the same way, as rules or tables may have changed, the first keeps its time and the last its sums.
        created_ns = ways[dataset].created_ns if dataset in ways else row["created_ns"]
        ways[dataset] = explored_trial(own, row["explored_id"], evaluation, _evidence(row), created_ns)
    return [
        dataclasses.replace(
            each,
            explored=tuple(
                LedgerCandidate(name, tuple(some[dataset] for dataset in sorted(some)))
                for name, some in of_candidate[each.candidate_id].items()
            ),
        )
        if each.candidate_id in of_candidate
        else each
        for each in ledger
    ]


def explored_trial(
    own: Trial, explored_id: str, evaluation: ResolvedEvaluation, evidence: Evidence | None, created_ns: int
) -> Trial:
    """Return a trial with another way of entering its fires, looked at a certain time."""
    return dataclasses.replace(
        own, candidate_id=explored_id, evaluation=evaluation, evidence=evidence, created_ns=created_ns
    )


def settings_key(trial: Trial, evaluation: ResolvedEvaluation) -> str:
    """Return all that a trial is, whatever its dataset, with one way of judging its fires in place of its own."""
    signal = {name: value for name, value in trial.parameters.items() if name not in _THRESHOLDS}
    split = dataclasses.asdict(trial.split.normalised())
    own = [trial.signal, trial.signal_digest, signal, trial.threshold_label, split, evaluation.identity()]
    return json.dumps([*own, *([trial.fitted_on] if trial.fitted_on else [])], sort_keys=True)


def _trials(ledger: Iterable[LedgerCandidate]) -> Iterable[Trial]:
    return (trial for each in ledger for trial in each.trials)


def _key(trial: Trial, evaluation: ResolvedEvaluation) -> Hashable:
    return trial.dataset, settings_key(trial, evaluation)


def _evaluation(text: str) -> ResolvedEvaluation:
    return ResolvedEvaluation(**json.loads(text))


def _evidence(row: Mapping[str, Any]) -> Evidence | None:
    return evidence_in(row) if row["evaluation_version"] == EVALUATION_VERSION else None
