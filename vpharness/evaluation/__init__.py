"""Evaluation: fires, outcomes, figures and chance, as pure functions on arrays.

The way through this room, each step callable by itself:

1. `EvaluationParameters.resolve(cell_width_ms)` -> `ResolvedEvaluation`, everything in bins.
2. `parts_of(dataset, evaluation, split)` -> the training and test `Part`s of a `DatasetView`.
3. `first_passage_tables(dataset, barriers, max_hold_bins)` once a dataset and set of barriers;
   `outcome_table(tables, evaluation)` once a pair of barriers and set of durations; where entries are resting orders,
   with `queue_fills(dataset, fates, latency_ns)`, once a latency and longest wait. `outcomes_of_bins` does all of it.
4. `find_fires(score, thresholds, ...)` once a score and cooldown (`advance_fires` bin by bin);
   `quantile_thresholds` chooses thresholds on the training part.
5. `evaluate_fires(dataset, table, part, candidates)` -> outcomes of the fires and `Evidence`: sums over blocks of time,
   which pool over datasets and are all that judging looks at.
6. `judge(evidence of one candidate, one a dataset)` -> `Judgement`: figures with intervals, T, p-value, and what is
   lacking to be rankable.
7. `flipped_sums` with the coins of `Draws`, `standardised` and `studentised`: what chance makes of many candidates
   under the same draws; `p_value` and `critical_value` against the greatest of them; `is_winner`.

`evaluate` does 2 to 5 for one score, `evaluate_with` 4 and 5 with a table that several scores share. `MarketTime` says
which evidence is the same, whatever it is called.

Live, bin by bin: `advance_walks` gives the outcomes of fires, equal to those of `fire_outcomes`; `LiveStatistics` are
the figures of a model so far, and `BandScores` the coverage and loss of projected bands.
"""

from vpharness.evaluation.bands import BandScores, is_covered, pinball_loss
from vpharness.evaluation.blocks import BlockSums
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluate import (
    CandidateEvaluation,
    Judgement,
    PartEvaluation,
    evaluate,
    evaluate_fires,
    evaluate_with,
    judge,
    judge_many,
)
from vpharness.evaluation.evaluation_parameters import (
    EVALUATION_VERSION,
    EvaluationParameters,
    ResolvedEvaluation,
    SplitParameters,
)
from vpharness.evaluation.evidence import Evidence, PartWalks, Tally, pooled
from vpharness.evaluation.figure_registry import Figure
from vpharness.evaluation.figures import Figures, all_figures, figure_named, figures_of, shown_figures
from vpharness.evaluation.fires import Fires, FireState, advance_fires, find_fires, quantile_thresholds, start_fires
from vpharness.evaluation.live_statistics import LiveStatistics
from vpharness.evaluation.market_time import (
    Market,
    MarketTime,
    any_overlap,
    counted_once,
    name_content,
    origin_content,
)
from vpharness.evaluation.outcomes import (
    OUTCOME_NAMES,
    FireOrders,
    FireOutcomes,
    OutcomeTable,
    fire_outcomes,
    outcome_table,
    outcomes_of_bins,
)
from vpharness.evaluation.passage import PassageTables, first_passage_tables
from vpharness.evaluation.queue_fills import MARKOUT_MS, QueueFills, fills_needed, queue_fills
from vpharness.evaluation.sign_flips import Draws, flipped_sums, observed_excess, standardised, studentised
from vpharness.evaluation.significance import Lack, critical_value, is_winner, lacking, opening_error, p_value
from vpharness.evaluation.split import TEST, TRAIN, Part, parts_of, parts_within
from vpharness.evaluation.walks import (
    Advance,
    OpenFire,
    Quote,
    WalkOutcome,
    WalkState,
    advance_walks,
    require_constant_latency,
)

__all__ = [
    "EVALUATION_VERSION",
    "MARKOUT_MS",
    "OUTCOME_NAMES",
    "TEST",
    "TRAIN",
    "Advance",
    "BandScores",
    "BlockSums",
    "CandidateEvaluation",
    "DatasetView",
    "Draws",
    "EvaluationParameters",
    "Evidence",
    "Figure",
    "Figures",
    "FireOrders",
    "FireOutcomes",
    "FireState",
    "Fires",
    "Judgement",
    "Lack",
    "LiveStatistics",
    "Market",
    "MarketTime",
    "OpenFire",
    "OutcomeTable",
    "Part",
    "PartEvaluation",
    "PartWalks",
    "PassageTables",
    "QueueFills",
    "Quote",
    "ResolvedEvaluation",
    "SplitParameters",
    "Tally",
    "WalkOutcome",
    "WalkState",
    "advance_fires",
    "advance_walks",
    "all_figures",
    "any_overlap",
    "counted_once",
    "critical_value",
    "evaluate",
    "evaluate_fires",
    "evaluate_with",
    "figure_named",
    "figures_of",
    "fills_needed",
    "find_fires",
    "fire_outcomes",
    "first_passage_tables",
    "flipped_sums",
    "is_covered",
    "is_winner",
    "judge",
    "judge_many",
    "lacking",
    "name_content",
    "observed_excess",
    "opening_error",
    "origin_content",
    "outcome_table",
    "outcomes_of_bins",
    "p_value",
    "parts_of",
    "parts_within",
    "pinball_loss",
    "pooled",
    "quantile_thresholds",
    "queue_fills",
    "require_constant_latency",
    "shown_figures",
    "standardised",
    "start_fires",
    "studentised",
]
