"""Ranking: what each candidate came to over all its datasets, against chance and against all that was ever tried.

Everything is worked out from the ledger's fires, by the same functions that judge a single run, so figures of several
datasets pool and nothing depends on when a candidate was tried.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpharness.evaluation import (
    DatasetView,
    FamilyMaxima,
    Judgement,
    PartEvaluation,
    evaluate_fires,
    family_maxima,
    first_passage_tables,
    is_winner,
    judge,
    outcome_table,
    p_adjusted,
    parts_of,
)
from vpharness.results.ledger import LedgerCandidate, Trial

ViewOf = Callable[[str, str], DatasetView]
"""From a dataset's id and checksum to what evaluation sees of it."""

TEST: Final = "test"


@dataclass(frozen=True)
class Ranked:
    """A candidate with what it came to.

    Attributes:
        candidate: the candidate and its trials.
        judgement: figures and p-value of the part that chooses.
        p_adjusted: against its family; None where it is not rankable.
        family_size: rankable candidates in the family.
        winner: beats chance in its family, with the net interval above 0.
        test: the judgement of the test part, where it was asked for and there is one.
        test_openings: how often the test part has been opened, this time included.
    """

    candidate: LedgerCandidate
    judgement: Judgement
    p_adjusted: float | None
    family_size: int
    winner: bool
    test: Judgement | None = None
    test_openings: int = 0


def rank(candidates: Sequence[LedgerCandidate], view_of: ViewOf) -> list[Ranked]:
    """Judge candidates, and each family of them together: winners first, then by the lower end of the net interval.

    Give all candidates of the ledger: leaving some out makes families smaller than the search was.
    """
    judged = judge_part(candidates, view_of, lambda trial: trial.judged_part)
    families: dict[tuple[Any, ...], list[Judgement]] = defaultdict(list)
    for candidate in candidates:
        judgement = judged[candidate.candidate_id]
        if not judgement.lacks:
            families[candidate.family].append(judgement)
    maxima = {family: family_maxima(judgement.scores for judgement in members) for family, members in families.items()}
    found = [
        _ranked(candidate, judged[candidate.candidate_id], maxima.get(candidate.family)) for candidate in candidates
    ]
    return sorted(found, key=_order)


def _ranked(candidate: LedgerCandidate, judgement: Judgement, family: FamilyMaxima | None) -> Ranked:
    if family is None or judgement.lacks:
        return Ranked(candidate, judgement, None, family.n_candidates if family else 0, winner=False)
    adjusted = p_adjusted(judgement.scores, family)
    return Ranked(candidate, judgement, adjusted, family.n_candidates, is_winner(judgement.figures, adjusted))


def _order(ranked: Ranked) -> tuple[bool, bool, float, str]:
    low = ranked.judgement.figures.net_pnl_ticks_low
    last = ranked.p_adjusted is None or math.isnan(low)
    # The id makes the order of equals the same every time.
    return last, not ranked.winner, 0.0 if last else -low, ranked.candidate.candidate_id


def judge_part(
    candidates: Sequence[LedgerCandidate], view_of: ViewOf, part_of: Callable[[Trial], str]
) -> dict[str, Judgement]:
    """Judge candidates in one part, by candidate id; those without any trial in that part are left out."""
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


def _that_share_a_table(candidates: Sequence[LedgerCandidate]) -> dict[tuple[Any, ...], list[Trial]]:
    shared: dict[tuple[Any, ...], list[Trial]] = defaultdict(list)
    for candidate in candidates:
        for trial in candidate.trials:
            split = (trial.split.kind, trial.split.train_share, tuple(trial.split.test_datasets))
            shared[trial.dataset_id, trial.dataset_checksum, trial.evaluation, split].append(trial)
    return shared
