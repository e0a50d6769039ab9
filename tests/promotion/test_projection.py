"""The projection: its bands, its fit, and what it covers."""

import dataclasses
import math
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from vpharness.errors import ConfigError, PromotionError
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.projection import Projection
from vpharness.promotion.projection_fit import FIT_SHARE, BinRange, coverage, fit_projection

LIMITS: Final = PromotionParameters()
SMALL: Final = Projection(
    horizons_bins=(1, 4),
    quantiles=(0.25, 0.5, 0.75),
    scale=2.0,
    down=((-3.0, -2.0, 0.0), (-6.0, -4.0, 0.0)),
    up=((-1.0, 2.0, 4.0), (0.0, 4.0, 8.0)),
)
WIDE: Final = 30_000
TRAIN: Final = BinRange(300, WIDE // 2, WIDE // 2 + 100)
TEST: Final = BinRange(WIDE // 2 + 100, WIDE, WIDE)

Series = NDArray[np.float64]


def martingale(seed: int, edge: float = 0.0) -> tuple[Series, Series]:
    """Return a score [T] and a mid [T] in half ticks, whose next move follows the score by `edge` ticks on average."""
    rng = np.random.default_rng(seed)
    score = np.empty(WIDE)
    score[0] = 0.0
    noise = rng.normal(size=WIDE)
    for t in range(1, WIDE):
        score[t] = 0.95 * score[t - 1] + 0.3 * noise[t]
    moves = np.round(rng.standard_t(4, size=WIDE) + 2 * edge * np.tanh(score)) / 2
    return score, np.concatenate([[0.0], np.cumsum(moves)[:-1]])


def fitted(score: Series, mid: Series, train: BinRange = TRAIN) -> Projection:
    """Fit a projection with the default horizons and quantiles."""
    return fit_projection(score, mid, train, LIMITS.horizons_bins, LIMITS.quantiles)


def test_a_band_is_a_mixture_of_its_two_ends() -> None:
    """In the middle it is their mean; far out it is one of them; between, tanh says how much of each."""
    np.testing.assert_allclose(SMALL.bands(0.0), [[-2.0, 0.0, 2.0], [-3.0, 0.0, 4.0]])
    np.testing.assert_allclose(SMALL.bands(1e6), SMALL.up)
    np.testing.assert_allclose(SMALL.bands(-math.inf), SMALL.down)
    u = math.tanh(0.5)
    assert SMALL.bands(1.0)[1, 2] == pytest.approx((1 + u) / 2 * 8.0)


def test_no_score_has_no_bands() -> None:
    """They are NaN, in the shape of all others; many scores give what each gives alone."""
    scores = [0.3, math.nan, -5.0]
    many = SMALL.bands_many(scores)
    assert many.shape == (3, 2, 3)
    assert np.isnan(many[1]).all()
    for score, bands in zip(scores, many, strict=True):
        np.testing.assert_array_equal(SMALL.bands(score), bands)


def test_central_intervals_are_named_after_what_they_should_cover() -> None:
    """The inner one comes first."""
    assert SMALL.intervals() == {"50": (0, 2)}
    wide = dataclasses.replace(SMALL, quantiles=(0.05, 0.5, 0.95))
    assert wide.intervals() == {"90": (0, 2)}


def test_values_give_the_projection_back() -> None:
    """As JSON has them: lists in the place of tuples."""
    values: dict[str, Any] = SMALL.values()
    values |= {name: [list(row) for row in values[name]] for name in ("down", "up")}
    assert Projection.from_values(values) == SMALL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"up": ((2.0, -1.0, 4.0), (0.0, 4.0, 8.0))}, "up at the horizon 1 .* quantiles would cross"),
        ({"up": ((-4.0, 2.0, 4.0), (0.0, 4.0, 8.0))}, "at the horizon 1 up is .*, below down"),
        ({"up": ((-1.0, math.nan, 4.0), (0.0, 4.0, 8.0))}, "must be finite and ascend"),
        ({"down": ((-3.0, -2.0, 0.0),)}, "down must have 2 rows of 3 numbers"),
        ({"scale": 0.0}, "scale is 0.0; it must be a finite number above 0"),
        ({"horizons_bins": (4, 1)}, r"horizons_bins is \[4, 1\]; it must hold whole numbers from 1 on, ascending"),
        (
            {"quantiles": (0.2, 0.5, 0.75)},
            r"quantiles is \[0.2, 0.5, 0.75\]; it must ascend between 0 and 1, each q",
        ),
        ({"odd": 1}, "the keys are .*odd.*; expected horizons_bins, quantiles, scale, down, up"),
        ({"scale": "wide"}, "could not convert string to float"),
        ({"horizons_bins": (1, 1.5)}, "1.5 is no whole number"),
    ],
)
def test_what_is_no_projection_is_refused(changes: dict[str, Any], message: str) -> None:
    """Quantiles that cross, that descend with the score, that are not numbers, or of the wrong shape."""
    with pytest.raises(ConfigError, match=message):
        Projection.from_values(SMALL.values() | changes)


def test_a_planted_relation_is_found() -> None:
    """Where moves follow the score by half a tick a bin, four bins ahead the median is two ticks apart on either side.

    Within a score's persistence (0.95 a bin) four moves lean on nearly the same score.
    """
    score, mid = martingale(1, edge=0.5)
    strong = fitted(score, mid).bands_many([-1.5, 1.5])[:, 2, 2]
    expected = 0.5 * sum(0.95**bins for bins in range(4)) * math.tanh(1.5)
    np.testing.assert_allclose(strong, [-expected, expected], atol=0.35)


def test_a_score_that_knows_nothing_has_level_bands() -> None:
    """The medians stay where they are, and the bands of a move grow with the horizon."""
    bands = fitted(*martingale(2)).bands_many([-1.5, 1.5])
    np.testing.assert_allclose(bands[:, :, 2], 0.0, atol=1.0)
    assert (np.diff(bands[0, :, 4] - bands[0, :, 0]) > 0).all()


def test_a_score_that_is_wrong_moves_nothing() -> None:
    """No quantile descends with the score, so those of a contrary one are level."""
    score, mid = martingale(3, edge=0.5)
    contrary = fitted(-score, mid)
    np.testing.assert_array_equal(np.array(contrary.up)[2:, 2], np.array(contrary.down)[2:, 2])


@examples(25)
@given(seed=st.integers(0, 10_000), edge=st.floats(-1, 1), jumps=st.integers(0, 3))
def test_quantiles_never_cross_and_never_descend(seed: int, edge: float, jumps: int) -> None:
    """Whatever the data: few bins, ties, heavy tails, jumps."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=4_000), 1)
    mid = np.cumsum(np.round(rng.standard_t(2, size=4_000) + edge * score, 0))
    mid[rng.integers(0, 4_000, jumps)] += 1e6
    bands = fit_projection(score, mid, BinRange(0, 4_000, 4_000), [1, 7], [0.05, 0.25, 0.5, 0.75, 0.95]).bands_many(
        np.linspace(-4, 4, 33)
    )
    assert (np.diff(bands, axis=2) >= 0).all()
    assert (np.diff(bands, axis=0) >= -1e-9).all()


def test_nothing_behind_the_training_part_is_looked_at() -> None:
    """With garbage from its limit on, the projection is the same."""
    score, mid = martingale(4, edge=0.2)
    later_score, later_mid = score.copy(), mid.copy()
    later_score[TRAIN.stop :] = 1e9
    later_mid[TRAIN.limit :] = -1e9
    assert fitted(later_score, later_mid) == fitted(score, mid)


def test_the_last_fifth_only_widens() -> None:
    """With other moves there, quantiles are shifted outwards as a whole, and lean on the score as before."""
    score, mid = martingale(5, edge=0.2)
    middle = TRAIN.start + math.floor(FIT_SHARE * (TRAIN.stop - TRAIN.start))
    wild = mid.copy()
    wild[middle:] += np.cumsum(np.random.default_rng(0).normal(scale=3, size=WIDE - middle))
    calm, wide = fitted(score, mid), fitted(score, wild)
    for low, high in zip(_tables(calm), _tables(wide), strict=True):
        np.testing.assert_allclose(low[1] - low[0], high[1] - high[0], atol=1e-9)
        assert (high[0][:2] < low[0][:2]).all()
        assert (high[0][3:] > low[0][3:]).all()
        assert high[0][2] == low[0][2]


def _tables(projection: Projection) -> list[tuple[Series, Series]]:
    """Return the two ends of each horizon."""
    return [(np.array(down), np.array(up)) for down, up in zip(projection.down, projection.up, strict=True)]


@pytest.mark.parametrize("edge", [0.0, 0.3])
def test_what_is_claimed_is_covered(edge: float) -> None:
    """On bins that nothing was fitted on at least 50 % and 90 %, and not much more where moves are not tied."""
    shares: dict[str, list[float]] = {"coverage_50": [], "coverage_90": []}
    for seed in range(4):
        score, mid = martingale(10 + seed, edge)
        found = coverage(fitted(score, mid), score, mid, TEST)
        for name, kept in shares.items():
            kept.append(float(np.mean(found[name][3:])))
    assert 0.48 <= np.mean(shares["coverage_50"]) <= 0.62
    assert 0.88 <= np.mean(shares["coverage_90"]) <= 0.97


def test_bins_without_book_or_score_are_left_out() -> None:
    """A move begins and ends at a valid book, and begins with a score: nothing else counts."""
    score = np.array([0.0, np.nan, 0.0, 0.0, 0.0, 0.0])
    mid = np.array([0.0, 1.0, np.nan, -2.0, 5.0, 5.0])
    found = coverage(SMALL, score, mid, BinRange(0, 5, 6))
    # One bin ahead: 0 to 1, 3 to 4 (7 ticks), 4 to 5 (0); four ahead: 0 to 4 alone (5 ticks).
    assert found["n"] == [3, 1]
    assert found["coverage_50"] == [pytest.approx(2 / 3), 0.0]
    # Of the one move of 5 ticks against -3, 0 and 4: (0.25 * 8 + 0.5 * 5 + 0.75 * 1) / 3.
    assert found["pinball"][1] == pytest.approx(5.25 / 3)


def test_no_moves_have_no_coverage() -> None:
    """It is None, as JSON has it."""
    assert coverage(SMALL, np.full(9, np.nan), np.zeros(9), BinRange(0, 9, 9))["coverage_50"] == [None, None]


def test_too_short_a_training_part_is_refused() -> None:
    """With the bins, the horizon, and what can be done."""
    score, mid = martingale(6)
    with pytest.raises(PromotionError, match=r"hold 239 with a score and a mid 1 bins later; .* at least 500"):
        fitted(score, mid, BinRange(0, 301, 301))
