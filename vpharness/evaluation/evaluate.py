"""One score on one dataset, judged: the small functions of this room put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import DatasetError
from vpharness.evaluation.chance import Chance, chance_of
from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.figures import Figures, PartSample, figures_of
from vpharness.evaluation.fires import Fires, find_fires
from vpharness.evaluation.outcomes import OutcomeTable, fire_outcomes, outcome_table
from vpharness.evaluation.parameters import ResolvedEvaluation, SplitParameters
from vpharness.evaluation.passage import first_passage_tables
from vpharness.evaluation.significance import StandardScores, lacking, p_value, standard_scores
from vpharness.evaluation.split import Part, parts_of


@dataclass(frozen=True)
class PartEvaluation:
    """One candidate in one part of one dataset: what pools over datasets (`sample`, `chance`)."""

    sample: PartSample
    chance: Chance


@dataclass(frozen=True)
class CandidateEvaluation:
    """One threshold on one dataset.

    Attributes:
        threshold: the threshold.
        fires: all fires of the dataset, those in no part included.
        parts: the candidate in each part, by the part's name.
    """

    threshold: float
    fires: Fires
    parts: dict[str, PartEvaluation]


@dataclass(frozen=True)
class Judgement:
    """What one candidate came to in one part, over all datasets it ran on.

    Attributes:
        figures: its figures.
        scores: its T under both nulls, for `family_maxima` and `p_adjusted`.
        p_value: its p-value by itself.
        lacks: what it lacks to be rankable; empty where it is.
    """

    figures: Figures
    scores: StandardScores
    p_value: float
    lacks: tuple[str, ...]


def evaluate(
    dataset: DatasetView,
    score: NDArray[np.float64],
    thresholds: Sequence[float],
    evaluation: ResolvedEvaluation,
    split: SplitParameters,
) -> tuple[CandidateEvaluation, ...]:
    """Judge a score [T] on its dataset, for each threshold.

    Raises:
        DatasetError: the score does not fit the dataset, or the dataset is too short for the evaluation.
    """
    parts = parts_of(dataset, evaluation, split)
    tables = first_passage_tables(dataset, (evaluation.tp_ticks, evaluation.sl_ticks), evaluation.max_hold_bins)
    return evaluate_with(dataset, outcome_table(tables, evaluation), parts, score, thresholds)


def evaluate_with(
    dataset: DatasetView,
    table: OutcomeTable,
    parts: Sequence[Part],
    score: NDArray[np.float64],
    thresholds: Sequence[float],
) -> tuple[CandidateEvaluation, ...]:
    """Judge a score as `evaluate` does, with a table and parts that several scores share."""
    if score.shape != (dataset.n_bins,):
        raise DatasetError(f"dataset {dataset.name} has {dataset.n_bins} bins, the score has shape {score.shape}")
    evaluation = table.evaluation
    found = find_fires(score, thresholds, warmup_bins=evaluation.warmup_bins, cooldown_bins=evaluation.cooldown_bins)
    by_part = {part.name: evaluate_fires(dataset, table, part, found) for part in parts}
    return tuple(
        CandidateEvaluation(float(threshold), fires, {name: several[index] for name, several in by_part.items()})
        for index, (threshold, fires) in enumerate(zip(thresholds, found, strict=True))
    )


def evaluate_fires(
    dataset: DatasetView, table: OutcomeTable, part: Part, candidates: Sequence[Fires]
) -> list[PartEvaluation]:
    """Evaluate the fires of each candidate that lie in a part: what they came to, and what chance makes of them."""
    inside = [fires.within(part) for fires in candidates]
    chances = chance_of(dataset, table, part, inside)
    samples = [PartSample(part, table.evaluation, fire_outcomes(table, fires, part)) for fires in inside]
    return [PartEvaluation(*pair) for pair in zip(samples, chances, strict=True)]


def judge(datasets: Sequence[PartEvaluation]) -> Judgement:
    """Judge one candidate in one part over all the datasets it ran on together.

    Sums and counts pool; blocks, shifts and walks never cross a dataset.
    """
    figures = figures_of([each.sample for each in datasets])
    scores = standard_scores(Chance.pool([each.chance for each in datasets]))
    return Judgement(figures, scores, p_value(scores), lacking(figures))
