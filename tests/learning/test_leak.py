"""What it is worth to let labels take part that are only known after the fit: on noise, an edge that is not there."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from vpharness.evaluation import DatasetView
from vpharness.evaluation.information import InformationCoefficient, information_coefficient, moves_ahead
from vpharness.learning import labels_of
from vpharness.learning.fitting import fit_at
from vpharness.signals import FitsInForce
from vpharness.signals.models import Knn, Ridge, Trees

BINS: Final = 2_000
FITS: Final = (800, 1_000, 1_200, 1_400, 1_600, 1_800)
REACH: Final = 50
FEATURES: Final = 5
PERSISTENCE: Final = 0.97
"""What is left of a feature after a bin: neighbouring bins look alike, as those of decaying flow do."""
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
    mid = TICK * (100_000 + np.cumsum(rng.integers(-1, 2, BINS)))
    shocks = rng.normal(size=(BINS, FEATURES))
    features = np.zeros_like(shocks)
    for t in range(BINS):
        features[t] = PERSISTENCE * features[t - 1] + shocks[t] if t else shocks[t]
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


def behind_fits(found: Noise, params: Any, *, leaks: bool) -> NDArray[np.float64]:
    """Return scores [T] of the REACH bins from each fit on, NaN elsewhere.

    With a leak every bin before the fit takes part, those included whose label is only known after it.
    """
    model, labels, scores = params.MODEL, labels_of(found.view, params), np.full(BINS, np.nan)
    for place in FITS:
        if leaks:
            fitted = model.fit(found.features[:place], labels[:place], params)
        else:
            fit = fit_at(model, params, found.features, labels, place)
            assert fit is not None
            assert fit.last + REACH < place
            fitted = fit.fitted
        force = FitsInForce.always(model, fitted.weights)
        scores[place : place + REACH] = force.scores(found.features[place : place + REACH], 0)
    return scores


def coefficient(params: Any, seeds: range, *, leaks: bool) -> InformationCoefficient:
    """Return the information coefficient for the move over the label's reach; a block is a seed."""
    scores, moves, blocks = [], [], []
    for seed in seeds:
        found = noise(seed)
        scores.append(behind_fits(found, params, leaks=leaks))
        moves.append(moves_ahead(found.mid_ticks, REACH))
        blocks.append(np.full(BINS, seed))
    return information_coefficient(np.concatenate(scores), np.concatenate(moves), np.concatenate(blocks))


def params_of(kind: type[Any]) -> Any:
    """Return parameters with the label of the comparison."""
    quick = {"rounds": 30} if kind is Trees else {}
    return kind(label="touch", label_ticks=4.0, label_bins=REACH, **quick)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Knn, Trees])
def test_labels_that_reach_past_the_fit_show_an_edge_on_noise_and_purged_ones_none(kind: type[Any]) -> None:
    """The features are noise: what the leaking fit seems to know is the answer that it was told."""
    params, seeds = params_of(kind), range(200)
    leaking, purged = (coefficient(params, seeds, leaks=leaks) for leaks in (True, False))
    print(f"{params.MODEL.name}: leaking {leaking}, purged {purged}")
    assert leaking.interval.low > 0.05
    assert purged.interval.low < 0 < purged.interval.high
    assert abs(purged.interval.mean) < 0.03


def test_the_leak_shows_with_few_seeds_already() -> None:
    """With the nearest neighbours, which remember single bins."""
    params, seeds = params_of(Knn), range(6)
    leaking, purged = (coefficient(params, seeds, leaks=leaks) for leaks in (True, False))
    assert leaking.interval.mean > 0.1
    assert leaking.interval.mean > purged.interval.mean + 0.1


@pytest.mark.slow
def test_ranks_within_a_seed_alone_would_seem_to_show_the_contrary() -> None:
    """A purged ridge follows the mean of earlier moves; centred on a seed's own moves that looks like foresight."""
    params = Ridge(label="move", horizon_bins=REACH)
    pooled = coefficient(params, range(200), leaks=False)
    own = [coefficient(params, range(seed, seed + 1), leaks=False).interval.mean for seed in range(200)]
    error = np.std(own) / np.sqrt(len(own))
    print(f"ridge, purged: pooled {pooled}, mean of each seed's own {np.mean(own):+.3f} with an error of {error:.3f}")
    assert pooled.interval.low < 0 < pooled.interval.high
    assert np.mean(own) < pooled.interval.mean
