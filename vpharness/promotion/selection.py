"""Selection of the one candidate to promote, from the run or candidate id that a user names."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vpharness.errors import PromotionError
from vpharness.evaluation import TEST, Market
from vpharness.promotion.promoted_record import parameters_of
from vpharness.results.ledger import LedgerCandidate, LedgerRun, Trial
from vpharness.results.ranking import Ranked, rank, restricted
from vpharness.results.store import META, Store, read
from vpharness.results.table_schemas import DONE, rows_of_runs
from vpharness.results.walk_forward.judged import WalkForward
from vpharness.signals import Signal, SignalParameters, resolve

_MOST_NAMED = 5


@dataclass(frozen=True)
class SelectedCandidate:
    """A candidate with the run that it is promoted from.

    Attributes:
        run_id: the run.
        signal_target: its signal, "module.name".
        identity: everything that the run's results depend on, as the store has it.
        trial: the candidate on the run's dataset.
        threshold: the |score| at which it fires.
        ranked: its rank and judgement.
        procedure: the procedure that chose it, where that is promoted: its out-of-sample record is the evidence.
        newest: the candidate on the last dataset that is kept for the test, where whole datasets of a collection are;
            None otherwise: then the run's dataset holds all parts.
        collection: the collection whose datasets its evidence is pooled over; None where it is an instrument's.
    """

    run_id: str
    signal_target: str
    identity: Mapping[str, Any]
    trial: Trial
    threshold: float
    ranked: Ranked
    procedure: WalkForward | None = None
    newest: Trial | None = None
    collection: str | None = None

    @property
    def signal(self) -> Signal[Any]:
        """The signal. Raises ConfigError where there is none any more."""
        return resolve(self.signal_target)

    @property
    def params(self) -> SignalParameters:
        """The parameters of the run. Raises PromotionError where the signal has others now."""
        where = f"run {self.run_id}: {self.signal_target}"
        params: SignalParameters = parameters_of(self.signal.parameters, self.trial.parameters, where)
        return params


@dataclass(frozen=True)
class PooledDatasets:
    """The datasets of a collection, by its name: what the evidence of a candidate is pooled over."""

    collection: str
    dataset_ids: frozenset[str]


def select_candidate(
    store: Store,
    ledger: Sequence[LedgerCandidate],
    name: str,
    threshold: str | None,
    pool: PooledDatasets | None = None,
) -> SelectedCandidate:
    """Return the candidate that a name and threshold select, judged on the instrument of its run alone.

    Its results on other instruments are no evidence for the one that it is to be served on. With a collection it is
    judged on the datasets of that alone, whose instruments share their root, and the run is that on the last one of
    them that it was trained on.

    Args:
        store: the results.
        ledger: every candidate of the ledger.
        name: the id of a run, or of a candidate, or the beginning of one that begins no other.
        threshold: the label of the threshold, or its number; None for the run's best, as it ranks.
        pool: the datasets of a collection, where the evidence is pooled over these.

    Raises PromotionError where nothing or more than one is meant, and for a run on a dataset that is kept for the test.
    """
    runs = {row["run_id"]: row for row in read(store, META) if row["status"] == DONE}
    run_id, candidate_id = _named(name, runs, ledger, pool)
    run_id = run_id if pool is None else _last_trained(run_id, candidate_id, ledger, pool)
    row = runs[run_id]
    if row["judged_part"] == TEST:
        raise PromotionError(
            f"run {run_id} is on dataset {row['dataset_id']}, which is kept for the test; name a run of the same "
            "candidate on a dataset that it was trained on"
        )
    own = {each["candidate_id"]: each for each in rows_of_runs(store, [run_id])[run_id]}
    market = next((trial.market for each in ledger for trial in each.trials if run_id in trial.run_ids), None)
    if any(run_id in refitted.run_ids for each in ledger for refitted in each.refitted):
        raise PromotionError(
            f"run {run_id} was fitted on other datasets than the first run of the same candidate on "
            f"{row['dataset_id']}, and the evidence is that of the first; promote that one"
        )
    if market is None:
        raise PromotionError(f"run {run_id} cannot be judged: its dataset {row['dataset_id']} has changed")
    mine = [
        each
        for each in rank(ledger, restricted(ledger, lambda run: _is_evidence(run, market, pool)))
        if each.candidate.candidate_id in own
    ]
    chosen = mine[0]
    if candidate_id is not None or threshold is not None:
        fitting = [each for each in mine if candidate_id in {None, each.candidate.candidate_id}]
        fitting = [each for each in fitting if threshold is None or _is_meant(threshold, own, each)]
        if len(fitting) != 1:
            labels = ", ".join(each["threshold_label"] for each in own.values())
            raise PromotionError(f"threshold is {threshold}; run {run_id} has the thresholds {labels}")
        (chosen,) = fitting
    dataset = (row["dataset_id"], row["dataset_checksum"])
    (trial,) = [each for each in chosen.candidate.choosing if each.dataset == dataset]
    if all(trial is not each for each in chosen.candidate.counted):
        counts = next(each for each in chosen.candidate.counted if each.judged_time.overlaps(trial.judged_time))
        raise PromotionError(
            f"run {run_id} is on market time that run {counts.run_id} on {counts.dataset_id} covers too, and only "
            f"the longer of the two counts: promote run_id={counts.run_id}"
        )
    number = float(own[chosen.candidate.candidate_id]["threshold"])
    identity = json.loads(row["identity"])
    collection = None if pool is None else pool.collection
    newest = _last_kept(chosen.candidate)
    return SelectedCandidate(
        run_id, row["signal_target"], identity, trial, number, chosen, newest=newest, collection=collection
    )


def _last_trained(
    run_id: str, candidate_id: str | None, ledger: Sequence[LedgerCandidate], pool: PooledDatasets
) -> str:
    """Return the run of the same candidates on the last dataset of a collection that they were trained on."""
    trials = [
        trial
        for each in ledger
        if run_id in each.run_ids and candidate_id in {None, each.candidate_id}
        for trial in each.choosing
        if trial.dataset_id in pool.dataset_ids
    ]
    if not trials:
        raise PromotionError(f"run {run_id} was trained on no dataset of collection {pool.collection}")
    return max(trials, key=_begins).run_id


def _last_kept(candidate: LedgerCandidate) -> Trial | None:
    """Return a candidate's trial on the last whole dataset that is kept for the test."""
    return max((trial for trial in candidate.trials if trial.judged_part == TEST), key=_begins, default=None)


def _begins(trial: Trial) -> int:
    return trial.first_bin_start_ns or 0


def trials_named(name: str, ledger: Sequence[LedgerCandidate]) -> list[Trial]:
    """Return the trials of the candidates whose own id, or that of one of their runs, begins with a name."""
    return [
        trial
        for each in ledger
        if any(found.startswith(name) for found in (each.candidate_id, *each.run_ids))
        for trial in each.trials
    ]


def _named(
    name: str, runs: Collection[str], candidates: Sequence[LedgerCandidate], pool: PooledDatasets | None
) -> tuple[str, str | None]:
    """Return the run that a name begins, and the candidate where it begins that one's id."""
    of_runs = [run_id for run_id in runs if run_id.startswith(name)]
    of_candidates = [each for each in candidates if each.candidate_id.startswith(name)]
    if name and len(of_runs) == 1 and not of_candidates:
        return of_runs[0], None
    if name and len(of_candidates) == 1 and not of_runs:
        found = {
            trial.run_id: trial
            for trial in of_candidates[0].choosing
            if pool is None or trial.dataset_id in pool.dataset_ids
        }
        if len(found) == 1 or (found and pool is not None):
            return next(iter(found)), of_candidates[0].candidate_id
        if pool is not None:
            raise PromotionError(
                f"candidate {of_candidates[0].candidate_id} was trained on no dataset of collection {pool.collection}"
            )
        listed = ", ".join(
            f"{run_id} on {trial.dataset_id} of {trial.market.instrument or 'an unnamed market'}"
            for run_id, trial in sorted(found.items())
        )
        raise PromotionError(
            f"candidate {of_candidates[0].candidate_id} ran {len(found)} times: {listed}; name the run on the "
            "instrument that is to be served, and the threshold, or pool the runs over a collection that holds these "
            "datasets, with dataset.collection="
        )
    ids = [*of_runs, *(each.candidate_id for each in of_candidates)]
    found_text = (
        f"matches {len(ids)} ids: {', '.join(ids[:_MOST_NAMED])}" if ids else "is neither a run nor a candidate"
    )
    raise PromotionError(f"run_id is {name!r}, which {found_text}; python -m vpharness compare shows what there is")


def _is_evidence(run: LedgerRun, market: Market, pool: PooledDatasets | None) -> bool:
    return _is_of(run, market) if pool is None else run.dataset_id in pool.dataset_ids


def _is_of(run: LedgerRun, market: Market) -> bool:
    """Return whether a run is on an instrument; a market without a name equals itself alone."""
    return run.market == market if market.instrument is None else run.market.instrument == market.instrument


def _is_meant(threshold: str, own: Mapping[str, Mapping[str, Any]], ranked: Ranked) -> bool:
    row = own[ranked.candidate.candidate_id]
    if row["threshold_label"] == threshold:
        return True
    try:
        return float(threshold) == float(row["threshold"])
    except ValueError:
        return False
