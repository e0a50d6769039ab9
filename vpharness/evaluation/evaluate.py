"""One score on one dataset, judged: the small functions of this room put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import DatasetError
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation, SplitParameters
from vpharness.evaluation.evidence import Evidence, PartWalks, evidence_of, excess_of, pooled
from vpharness.evaluation.figures import Figures, figures_of
from vpharness.evaluation.fires import Fires, find_fires
from vpharness.evaluation.outcomes import FireOutcomes, OutcomeTable, fire_outcomes, outcomes_of_bins
from vpharness.evaluation.sign_flips import Draws, flipped_sums, observed_excess, standardised
from vpharness.evaluation.significance import Lack, lacking, p_value
from vpharness.evaluation.split import Part, parts_of


@dataclass(frozen=True)
class PartEvaluation:
    """One candidate in one part of one dataset: the outcomes of its fires, and its evidence, which can be pooled."""

    outcomes: FireOutcomes
    evidence: Evidence


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
    """The results of one candidate in one part, over all datasets it ran on.

    Attributes:
        evidence: what it rests on, pooled.
        figures: its figures.
        t: how far its directional excess lies above a toss of coins, see `observed_excess`.
        p_value: its p-value by itself.
        lacks: what it lacks to be rankable; empty where it is.
    """

    evidence: Evidence
    figures: Figures
    t: float
    p_value: float
    lacks: tuple[Lack, ...]


def evaluate(
    dataset: DatasetView,
    score: NDArray[np.float64],
    thresholds: Sequence[float],
    evaluation: ResolvedEvaluation,
    split: SplitParameters,
) -> tuple[CandidateEvaluation, ...]:
    """Judge a score [T] on its dataset, for each threshold.

    Raises:
        DatasetError: the score does not fit the dataset, or the dataset is too short for the evaluation, or has no
            queues for orders to rest in.
    """
    parts = parts_of(dataset, evaluation, split)
    return evaluate_with(dataset, outcomes_of_bins(dataset, evaluation), parts, score, thresholds)


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
    dataset: DatasetView,
    table: OutcomeTable,
    part: Part,
    candidates: Sequence[Fires],
    walks: PartWalks | None = None,
) -> list[PartEvaluation]:
    """Evaluate the fires of each candidate that lie in a part.

    `walks` are those of the table in the part, where they are known already.
    """
    walks = PartWalks.of(table, part) if walks is None else walks
    found, excess = [], excess_of(table)
    for fires in candidates:
        outcomes = fire_outcomes(table, fires.within(part), part)
        found.append(PartEvaluation(outcomes, evidence_of(dataset, table, part, walks, excess, outcomes)))
    return found


def judge(evidence: Sequence[Evidence], evaluation: ResolvedEvaluation) -> Judgement:
    """Judge one candidate in one part over all the datasets it ran on together, one piece of evidence a dataset."""
    (judgement,) = judge_many([pooled(evidence)], evaluation)
    return judgement


def judge_many(candidates: Sequence[Evidence], evaluation: ResolvedEvaluation) -> list[Judgement]:
    """Judge candidates of one evaluation, given the pooled evidence of each; many take less time each than one."""
    draws = Draws(evaluation.null_draws, evaluation.null_seed)
    p_values = p_values_alone(candidates, draws)
    return [
        Judgement(
            evidence,
            figures_of(evidence, evaluation.tp_ticks, evaluation.sl_ticks),
            observed_excess(evidence.blocks),
            p,
            lacking(evidence),
        )
        for evidence, p in zip(candidates, p_values, strict=True)
    ]


def p_values_alone(candidates: Sequence[Evidence], draws: Draws) -> list[float]:
    """Return the p-value of each candidate by itself, given its pooled evidence."""
    found = [1.0] * len(candidates)
    by_length: dict[int, list[int]] = {}
    for place, evidence in enumerate(candidates):
        by_length.setdefault(evidence.blocks.seconds, []).append(place)
    for seconds, places in by_length.items():
        blocks = [candidates[place].blocks for place in places]
        sums = [each.tick("excess") for each in blocks]
        drawn = flipped_sums(seconds, [each.block for each in blocks], sums, draws)
        scores = standardised(drawn, np.array([float(np.sum(each**2)) for each in sums]))
        for place, each, own in zip(places, blocks, scores, strict=True):
            found[place] = p_value(observed_excess(each), own)
    return found
