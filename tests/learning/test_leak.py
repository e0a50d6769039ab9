"""What it is worth to let labels take part that are only known after the fit: on noise, an edge that is not there."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter  # type: ignore[import-untyped]  # SciPy has no types

from vpharness.evaluation import DatasetView
from vpharness.evaluation.information_coefficient import InformationCoefficient, information_coefficient, moves_ahead
from vpharness.learning import labels_of
from vpharness.learning.fitting import fit_at
from vpharness.signals import FitsInForce
from vpharness.signals.models import Knn, Trees

BINS: Final = 2_000
FITS: Final = tuple(range(800, 1_950, 100))
REACH: Final = 50
JUDGED: Final = 25
"""The bins from a fit on that are judged: at least half of the reach of their labels was told to a fit that leaks."""
FEATURES: Final = 5
PERSISTENCE: Final = 0.995
"""What is left of a feature after a bin: neighbouring bins look alike, as those of decaying flow do."""
SEEDS: Final = range(60)
TICK: Final = 0.25


@dataclass(frozen=True)
class Noise:
    """A mid that is a random walk, and features that know nothing of it."""

    view: DatasetView
    features: NDArray[np.float64]

    @property
    def mid_ticks(self) -> NDArray[np.float64]:
        """[T] the mid, ticks."""
        return self.view.mid / TICK


def noise(seed: int) -> Noise:
    """Return simulated noise."""
    rng = np.random.default_rng(seed)
    mid = (TICK * (100_000 + np.cumsum(rng.integers(-1, 2, BINS)))).astype(np.float64)
    features = lfilter([1.0], [1.0, -PERSISTENCE], rng.normal(size=(BINS, FEATURES)), axis=0)
    price, valid = np.round(mid * 1e9).astype(np.int64), np.ones(BINS, bool)
    view = DatasetView(
        name="noise",
        checksum=str(seed),
        span=(0, BINS * 100_000_000),
        tick_size=TICK,
        cell_width_ms=100,
        mid=mid,
        book_valid=valid,
        best_bid=price,
        best_ask=price,
    )
    return Noise(view, features.astype(np.float32).astype(np.float64))


def behind_fits(found: Noise, params: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores [T] of the JUDGED bins from each fit on, NaN elsewhere: of leaking fits, and of purged ones.

    With a leak every bin before the fit takes part, those included whose label is only known after it.
    """
    model, labels = params.MODEL, labels_of(found.view, params)
    leaking, purged = np.full(BINS, np.nan), np.full(BINS, np.nan)
    for place in FITS:
        fit = fit_at(model, params, found.features, labels, place)
        assert fit is not None
        assert fit.last + REACH < place
        told = model.fit(found.features[:place], labels[:place], params)
        judged = slice(place, place + JUDGED)
        for scores, weights in ((leaking, told.weights), (purged, fit.fitted.weights)):
            scores[judged] = FitsInForce.always(model, weights).scores(found.features[judged], 0)
    return leaking, purged


def coefficients(params: Any, seeds: range) -> tuple[InformationCoefficient, InformationCoefficient]:
    """Return the information coefficients, with the leak and purged, for the move over the label's reach.

    A block is a seed.
    """
    found = [noise(seed) for seed in seeds]
    scores = [behind_fits(each, params) for each in found]
    moves = np.concatenate([moves_ahead(each.mid_ticks, REACH) for each in found])
    blocks = np.repeat(np.array(seeds), BINS)
    leaking, purged = (np.concatenate([each[place] for each in scores]) for place in (0, 1))
    return information_coefficient(leaking, moves, blocks), information_coefficient(purged, moves, blocks)


MODELS: Final = {
    "knn": Knn(label="touch", label_ticks=4.0, label_bins=REACH),
    "trees": Trees(label="touch", label_ticks=4.0, label_bins=REACH, min_leaf_bins=10),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_labels_that_reach_past_the_fit_show_an_edge_on_noise_and_purged_ones_none(name: str) -> None:
    """The features are noise: what the leaking fit seems to know is the answer that it was told."""
    params = MODELS[name]
    leaking, purged = coefficients(params, SEEDS)
    print(f"{params.MODEL.name}: leaking {leaking}, purged {purged}")
    assert leaking.interval.low > 0.05
    assert purged.interval.low < 0 < purged.interval.high
    assert leaking.interval.low > purged.interval.high


@pytest.mark.slow
def test_ranks_within_a_seed_alone_would_seem_to_show_the_contrary() -> None:
    """A score that follows the mean of earlier moves; centred on those of its seed it seems to bet against them."""
    pooled_scores, pooled_moves, own = [], [], []
    for seed in range(1_000):
        moves = moves_ahead(noise(seed).mid_ticks, REACH)
        scores = np.full(BINS, np.nan)
        for place in FITS:
            scores[place : place + JUDGED] = moves[: place - REACH].mean()
        own.append(information_coefficient(scores, moves, np.full(BINS, seed)).interval.mean)
        pooled_scores.append(scores)
        pooled_moves.append(moves)
    blocks = np.repeat(np.arange(1_000), BINS)
    pooled = information_coefficient(np.concatenate(pooled_scores), np.concatenate(pooled_moves), blocks)
    error = np.std(own) / np.sqrt(len(own))
    print(f"pooled {pooled}, mean of each seed's own {np.mean(own):+.4f} with an error of {error:.4f}")
    assert pooled.interval.low < 0 < pooled.interval.high
    assert np.mean(own) < -3 * error
