"""A noise tournament with learned candidates: fits on noise compete with formulas, and the test must keep its size.

Each campaign is a martingale and autoregressive series that know nothing of it. Formulas are single series; learned
candidates are fitted on subsets of them, with the shipped models, labels, purge and schedule. All of them at all
thresholds are one family. On noise a p adj. of 0.05 or less is to come up in about 5 of 100 campaigns, a winner rarely.

python -m tests.benchmarks.noise_learned [CAMPAIGNS [FIRST]]
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from tests.benchmarks.noise_campaign import Rules, market_of, ranked, score_of, table_of
from vpharness.evaluation import TRAIN, DatasetView, EvaluationParameters, Fires, find_fires, parts_within
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL
from vpharness.learning import fits_of, in_force, labels_of
from vpharness.signals import LearnedParameters
from vpharness.signals.models import Knn, Logistic, Ridge, Trees

RULES: Final = Rules(
    n_bins=36_000,
    n_scores=12,
    memory_bins=(30.0, 600.0),
    thresholds=(0.5, 1.0, 1.5, 2.0),
    leading_score=3,
    evaluation=EvaluationParameters(tp_ticks=4, sl_ticks=4, max_hold_bins=200).resolve(100.0),
)
_SCHEDULE: Final[dict[str, Any]] = {"first_fit_bins": 2_400, "refit_every_bins": 6_000, "train_window_bins": 9_000}
MODELS: Final[dict[str, LearnedParameters]] = {
    "ridge": Ridge(label="move", horizon_bins=20, **_SCHEDULE),
    "logistic": Logistic(**_SCHEDULE),
    "trees": Trees(rounds=20, **_SCHEDULE),
    "knn": Knn(max_neighbours_kept=1_000, **_SCHEDULE),
}
SUBSETS: Final = ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11))
"""The series that a learned candidate sees."""
CAMPAIGNS: Final = 20


def entrants(campaign: int, market: DatasetView) -> dict[str, Fires]:
    """Return the fires of formulas and of learned candidates in the training part, at every threshold."""
    (train,) = (part for part in parts_within("c", RULES.n_bins, RULES.evaluation, RULES.split) if part.name == TRAIN)
    series = np.column_stack([score_of(campaign, number, RULES) for number in range(RULES.n_scores)])
    scores = {f"series {number:02d}": series[:, number] for number in range(RULES.n_scores)}
    for name, params in MODELS.items():
        labels = labels_of(market, params)
        for place, subset in enumerate(SUBSETS):
            features = series[:, subset].astype(np.float32).astype(np.float64)
            fits = tuple(fits_of(params.MODEL, params, features, labels, 100.0))
            found = in_force(params.MODEL, fits, market.book_valid).scores(features, 0)
            scores[f"{name} {place}"] = found / np.nanstd(found[: train.stop])
    evaluation, found_fires = RULES.evaluation, dict[str, Fires]()
    for name, each in scores.items():
        fires = find_fires(
            each[: train.stop],
            RULES.thresholds,
            warmup_bins=evaluation.warmup_bins,
            cooldown_bins=evaluation.cooldown_bins,
        )
        found_fires |= {f"{name} at {theta:g}": one for theta, one in zip(RULES.thresholds, fires, strict=True)}
    return found_fires


def campaign(number: int) -> dict[str, Any]:
    """Return what one campaign on noise comes to."""
    market = market_of(number, 0.0, RULES)
    found = ranked(market, table_of(market, RULES), entrants(number, market), RULES)
    rankable = [each for each in found if each.p_adjusted is not None]
    of_fits = [each for each in rankable if not each.candidate.candidate_id.startswith("series")]
    return {
        "campaign": number,
        "candidates": len(found),
        "rankable": len(rankable),
        "rankable_learned": len(of_fits),
        "least_p_value_learned": min((each.judgement.p_value for each in of_fits), default=1.0),
        "least_p_adjusted": min(each.p_adjusted for each in rankable if each.p_adjusted is not None),
        "least_p_adjusted_learned": min(
            (each.p_adjusted for each in of_fits if each.p_adjusted is not None), default=1.0
        ),
        "winners": [each.candidate.candidate_id for each in rankable if each.winner],
    }


def tournament(campaigns: range) -> Iterator[dict[str, Any]]:
    """Yield campaigns one after the other, with the seconds of the processor that each took."""
    for number in campaigns:
        begun = time.process_time()
        yield campaign(number) | {"processor_seconds": time.process_time() - begun}


def main() -> None:
    """Carry out campaigns and print what they come to, after each."""
    numbers = [int(word) for word in sys.argv[1:]]
    count, first = (*numbers, CAMPAIGNS, 0)[:2] if len(numbers) != 1 else (numbers[0], 0)
    done: list[dict[str, Any]] = []
    for each in tournament(range(first, first + count)):
        done.append(each)
        print(json.dumps(each), flush=True)
    level = SIGNIFICANCE_LEVEL
    print(
        f"{len(done)} campaigns: p value <= {level} of a learned candidate in "
        f"{sum(each['least_p_value_learned'] <= level for each in done)}, p adj. in "
        f"{sum(each['least_p_adjusted'] <= level for each in done)}, of a learned one in "
        f"{sum(each['least_p_adjusted_learned'] <= level for each in done)}, a winner in "
        f"{sum(bool(each['winners']) for each in done)}"
    )


if __name__ == "__main__":
    main()
