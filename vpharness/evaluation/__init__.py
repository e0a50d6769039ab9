"""Evaluation: fires, outcomes, figures and chance, as pure functions on arrays.

The way through this room, each step callable by itself:

1. `EvaluationParameters.resolve(cell_width_ms)` -> `ResolvedEvaluation`, everything in bins.
2. `parts_of(dataset, evaluation, split)` -> the training and test `Part`s of a `DatasetView`.
3. `first_passage_tables(dataset, barriers, max_hold_bins)` once a dataset and set of barriers;
   `outcome_table(tables, evaluation)` once a pair of barriers and set of durations.
4. `find_fires(score, thresholds, ...)` once a score and cooldown (`advance_fires` bin by bin);
   `quantile_thresholds` chooses thresholds on the training part.
5. `fire_outcomes(table, fires, part)` and `chance_of(dataset, table, part, candidates)`: lookups.
6. `judge(evaluations of one candidate, one a dataset)` -> `Judgement`: figures with intervals, T under both nulls,
   p-value, and what is lacking to be rankable.
7. `family_maxima(scores of every rankable candidate)`, `p_adjusted(scores, maxima)`, `is_winner`.

`evaluate` does 2 to 5 for one score, `evaluate_with` 4 and 5 with a table that several scores share, `evaluate_fires` 5
for fires that are known.

Live, bin by bin: `advance_walks` judges fires as they come to what `fire_outcomes` says of them, `LiveStatistics` are
the figures of a model so far, and `BandScores` how projected bands compare with where the mid went.
"""

import vpharness.precision  # noqa: F401 - switches JAX to float64 before anything here is compiled
from vpharness.evaluation.bands import BandScores, is_covered, pinball_loss
from vpharness.evaluation.chance import Chance, DrawnSums, chance_of
from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.evaluate import (
    CandidateEvaluation,
    Judgement,
    PartEvaluation,
    evaluate,
    evaluate_fires,
    evaluate_with,
    judge,
)
from vpharness.evaluation.figures import Figures, PartSample, figures_of
from vpharness.evaluation.fires import Fires, FireState, advance_fires, find_fires, start_fires
from vpharness.evaluation.live_statistics import LiveStatistics
from vpharness.evaluation.outcomes import OUTCOME_NAMES, FireOutcomes, OutcomeTable, fire_outcomes, outcome_table
from vpharness.evaluation.parameters import (
    EVALUATION_VERSION,
    EvaluationParameters,
    ResolvedEvaluation,
    SplitParameters,
)
from vpharness.evaluation.passage import PassageTables, first_passage_tables
from vpharness.evaluation.significance import (
    FamilyMaxima,
    StandardScores,
    family_maxima,
    is_winner,
    lacking,
    p_adjusted,
    p_value,
    standard_scores,
)
from vpharness.evaluation.split import TEST, TRAIN, Part, parts_of, parts_within
from vpharness.evaluation.thresholds import quantile_thresholds
from vpharness.evaluation.walks import Advance, OpenFire, Quote, WalkOutcome, WalkState, advance_walks

__all__ = [
    "EVALUATION_VERSION",
    "OUTCOME_NAMES",
    "TEST",
    "TRAIN",
    "Advance",
    "BandScores",
    "CandidateEvaluation",
    "Chance",
    "DatasetView",
    "DrawnSums",
    "EvaluationParameters",
    "FamilyMaxima",
    "Figures",
    "FireOutcomes",
    "FireState",
    "Fires",
    "Judgement",
    "LiveStatistics",
    "OpenFire",
    "OutcomeTable",
    "Part",
    "PartEvaluation",
    "PartSample",
    "PassageTables",
    "Quote",
    "ResolvedEvaluation",
    "SplitParameters",
    "StandardScores",
    "WalkOutcome",
    "WalkState",
    "advance_fires",
    "advance_walks",
    "chance_of",
    "evaluate",
    "evaluate_fires",
    "evaluate_with",
    "family_maxima",
    "figures_of",
    "find_fires",
    "fire_outcomes",
    "first_passage_tables",
    "is_covered",
    "is_winner",
    "judge",
    "lacking",
    "outcome_table",
    "p_adjusted",
    "p_value",
    "parts_of",
    "parts_within",
    "pinball_loss",
    "quantile_thresholds",
    "standard_scores",
    "start_fires",
]
