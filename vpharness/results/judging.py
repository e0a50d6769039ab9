"""Judging candidates of the ledger in one part of their data, those that fire alike once."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from vpharness.evaluation import (
    DatasetView,
    Judgement,
    PartEvaluation,
    evaluate_fires,
    first_passage_tables,
    judge,
    outcome_table,
    parts_of,
)
from vpharness.results.ledger import LedgerCandidate, Trial

ViewOf = Callable[[str, str], DatasetView]
"""From a dataset's id and checksum to what evaluation sees of it."""

_JUDGED_AT_ONCE: Final = 2000
"""The draws of so many candidates are held at a time: 32 kB each, on each of their datasets."""


def judge_part(
    candidates: Sequence[LedgerCandidate], view_of: ViewOf, part_of: Callable[[Trial], str]
) -> dict[str, Judgement]:
    """Judge candidates in one part, by candidate id; those without any trial in that part are left out.

    Candidates of a sweep often fire alike: those that do in all their trials are judged once, and share the judgement.
    """
    alike: dict[tuple[Hashable, ...], list[LedgerCandidate]] = defaultdict(list)
    for candidate in candidates:
        alike[tuple((_table_key(trial), part_of(trial), trial.fires.digest) for trial in candidate.trials)].append(
            candidate
        )
    judged: dict[str, Judgement] = {}
    members = list(alike.values())
    for start in range(0, len(members), _JUDGED_AT_ONCE):
        batch = members[start : start + _JUDGED_AT_ONCE]
        found = _judged([first for first, *_ in batch], view_of, part_of)
        judged |= {
            candidate.candidate_id: found[same[0].candidate_id]
            for same in batch
            for candidate in same
            if same[0].candidate_id in found
        }
    return judged


def _judged(
    candidates: Sequence[LedgerCandidate], view_of: ViewOf, part_of: Callable[[Trial], str]
) -> dict[str, Judgement]:
    evaluated: dict[str, list[PartEvaluation]] = defaultdict(list)
    for trials in _that_share_a_table(candidates).values():
        first = trials[0]
        view = view_of(first.dataset_id, first.dataset_checksum)
        table = outcome_table(
            first_passage_tables(
                view, (first.evaluation.tp_ticks, first.evaluation.sl_ticks), first.evaluation.max_hold_bins
            ),
            first.evaluation,
        )
        parts = {part.name: part for part in parts_of(view, first.evaluation, first.split)}
        here = [trial for trial in trials if part_of(trial) in parts]
        for name in {part_of(trial) for trial in here}:
            chosen = [trial for trial in here if part_of(trial) == name]
            found = evaluate_fires(view, table, parts[name], [trial.fires for trial in chosen])
            for trial, evaluation in zip(chosen, found, strict=True):
                evaluated[trial.candidate_id].append(evaluation)
    return {candidate_id: judge(evaluations) for candidate_id, evaluations in evaluated.items()}


def _that_share_a_table(candidates: Sequence[LedgerCandidate]) -> dict[tuple[Hashable, ...], list[Trial]]:
    shared: dict[tuple[Hashable, ...], list[Trial]] = defaultdict(list)
    for candidate in candidates:
        for trial in candidate.trials:
            shared[_table_key(trial)].append(trial)
    return shared


def _table_key(trial: Trial) -> tuple[Hashable, ...]:
    """Return what the outcomes of a trial's fires depend on, beside the fires."""
    split = (trial.split.kind, trial.split.train_share, tuple(trial.split.test_datasets))
    # The cooldown has had its say in what fires there are.
    return trial.dataset_id, trial.dataset_checksum, dataclasses.replace(trial.evaluation, cooldown_bins=0), split
