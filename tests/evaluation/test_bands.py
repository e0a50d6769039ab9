"""Bands are judged by where the mid went, each horizon by the bins that it counts."""

import math

import numpy as np
import pytest

from vpharness.evaluation.bands import BandScores, is_covered, pinball_loss

HORIZONS, QUANTILES = (1, 2, 4), (0.05, 0.25, 0.5, 0.75, 0.95)
INTERVALS = {"50": (1, 3), "90": (0, 4)}


def test_bands_by_hand() -> None:
    """A move by 1 tick in one bin: within -2..2, outside of -0.5..0.5, and 1 tick over the median of 0."""
    scores = BandScores.start([1], QUANTILES, INTERVALS)
    scores = scores.advance(100.0, np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]]))
    assert scores.facts() == {"coverage_50": [None], "coverage_90": [None], "pinball": [None], "n": [0]}
    scores = scores.advance(101.0, None)
    losses = [0.05 * 3.0, 0.25 * 1.5, 0.5 * 1.0, 0.75 * 0.5, (0.95 - 1) * (1 - 2.0)]
    facts = scores.facts()
    assert (facts["coverage_50"], facts["coverage_90"], facts["n"]) == ([0.0], [1.0], [1])
    assert facts["pinball"] == pytest.approx([sum(losses) / 5])
    assert scores.advance(105.0, None).facts()["n"] == [1]  # nothing was projected at the bin before


def test_a_move_onto_the_edge_of_a_band_is_covered() -> None:
    """Mids stand on half ticks, and so may the ends of bands."""
    assert is_covered([0.5, -0.5, 0.500001], -0.5, 0.5).tolist() == [True, True, False]
    assert pinball_loss([1.0, -1.0], 0.0, 0.25).tolist() == [0.25, 0.75]


@pytest.mark.parametrize("seed", range(4))
def test_running_scores_equal_those_of_the_whole_series(seed: int) -> None:
    """With missing mids and bands: for each horizon over all pairs of bins that far apart, invalid ones in between."""
    rng = np.random.default_rng(seed)
    mids = 20_000 + np.cumsum(rng.integers(-3, 4, 300)) / 2
    mids[rng.random(300) < 0.15] = np.nan
    bands = np.sort(rng.normal(scale=3.0, size=(300, len(HORIZONS), len(QUANTILES))), axis=2)
    bands[rng.random(300) < 0.1] = np.nan
    scores = BandScores.start(HORIZONS, QUANTILES, INTERVALS)
    for mid, issued in zip(mids.tolist(), bands, strict=True):
        scores = scores.advance(mid, issued)
    facts = scores.facts()
    for index, horizon in enumerate(HORIZONS):
        pairs = [(mids[t + horizon] - mids[t], bands[t, index]) for t in range(300 - horizon)]
        kept = [(move, band) for move, band in pairs if not (math.isnan(move) or math.isnan(band[0]))]
        assert facts["n"][index] == len(kept)
        assert facts["coverage_50"][index] == np.mean([band[1] <= move <= band[3] for move, band in kept])
        assert facts["coverage_90"][index] == np.mean([band[0] <= move <= band[4] for move, band in kept])
        losses = [
            max(q * (move - b), (q - 1) * (move - b))
            for move, band in kept
            for q, b in zip(QUANTILES, band, strict=True)
        ]
        assert facts["pinball"][index] == pytest.approx(np.mean(losses), rel=1e-12)
