"""Judging fires again on their datasets: test parts that are opened, and rows that an earlier version has written."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from vpharness.evaluation import (
    TEST,
    DatasetView,
    Evidence,
    Market,
    evaluate_fires,
    outcomes_of_bins,
    parts_of,
)
from vpharness.results.ledger import DatasetKey, LaterTrials, LedgerCandidate, Trial, with_explored

ViewOf = Callable[[str, str], DatasetView]
"""From a dataset's id and checksum to what evaluation sees of it."""

MarketOf = Callable[[str, str], Market]
"""From a dataset's id and checksum to its market."""


def reevaluate(
    trials: Iterable[Trial], view_of: ViewOf, part_of: Callable[[Trial], str]
) -> dict[tuple[str, DatasetKey], Evidence]:
    """Return the evidence of trials in one part of their datasets, by candidate id and dataset.

    Those without that part are left out. What a dataset's outcomes are looked up in is made once for all trials that
    need the same.
    """
    shared: dict[tuple[Hashable, ...], list[Trial]] = defaultdict(list)
    for trial in trials:
        shared[_table_key(trial)].append(trial)
    found: dict[tuple[str, DatasetKey], Evidence] = {}
    # Dataset by dataset, so that a few of them in memory are enough however many there are.
    for together in sorted(shared.values(), key=lambda some: some[0].dataset):
        first = together[0]
        view, evaluation = view_of(*first.dataset), first.evaluation
        table = outcomes_of_bins(view, evaluation)
        for part in parts_of(view, evaluation, first.split):
            chosen = [trial for trial in together if part_of(trial) == part.name]
            evaluated = evaluate_fires(view, table, part, [trial.fires for trial in chosen]) if chosen else []
            for trial, each in zip(chosen, evaluated, strict=True):
                found[trial.candidate_id, trial.dataset] = each.evidence
    return found


def with_missing_evidence(
    candidates: Sequence[LedgerCandidate], view_of: ViewOf, market_of: MarketOf
) -> list[LedgerCandidate]:
    """Return candidates with what rows of an earlier version lack, worked out from their fires and datasets."""
    poor = trials_without_evidence(candidates)
    if not poor:
        return list(candidates)
    evidence = reevaluate(poor, view_of, lambda trial: trial.judged_part)

    def whole(trial: Trial) -> Trial:
        if not needs_dataset(trial):
            return trial
        return dataclasses.replace(
            trial,
            market=market_of(*trial.dataset),
            first_bin_start_ns=view_of(*trial.dataset).span[0],
            evidence=evidence.get((trial.candidate_id, trial.dataset)),
        )

    def whole_candidate(each: LedgerCandidate) -> LedgerCandidate:
        explored, refitted = (tuple(map(whole_candidate, several)) for several in (each.explored, each.refitted))
        return LedgerCandidate(each.candidate_id, tuple(map(whole, each.trials)), explored, refitted)

    return list(map(whole_candidate, candidates))


def trials_without_evidence(candidates: Sequence[LedgerCandidate]) -> list[Trial]:
    """Return the trials that can be judged only where their datasets are at hand."""
    return [
        trial
        for each in with_explored(candidates)
        if not isinstance(each.trials, LaterTrials)  # which have all that they need
        for trial in each.trials
        if needs_dataset(trial)
    ]


def needs_dataset(trial: Trial) -> bool:
    """Whether a trial can be judged only where its dataset is at hand: an earlier version has written it."""
    return trial.first_bin_start_ns is None or (trial.evidence is None and trial.judged_part != TEST)


def _table_key(trial: Trial) -> tuple[Hashable, ...]:
    """Return the key of everything the outcomes of a trial's fires depend on except the fires."""
    split = (trial.split.kind, trial.split.train_share, tuple(trial.split.test_datasets))
    # The cooldown has had its say in what fires there are.
    return trial.dataset_id, trial.dataset_checksum, dataclasses.replace(trial.evaluation, cooldown_bins=0), split
