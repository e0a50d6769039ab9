"""Confidence sequences contain the truth at every look with the stated probability, and are what their formula says."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from tests.naive_sequences import is_in_sequence, rho_squared
from vpharness.evaluation.confidence_sequences import (
    LEAST_BLOCKS,
    BlockMoments,
    contains,
    largest_deviation,
    mixture_variance,
    sequence_interval,
)
from vpharness.evaluation.intervals import ratio_of_totals

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
OUTCOMES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(0.3, 3.0, shape),
    "two points": lambda rng, shape: np.where(rng.random(shape) < 0.4, 8.0, -5.0),
    "heavy tails": lambda rng, shape: 0.3 + 2 * rng.standard_t(3, shape),
}
TRUE_MEAN = {"normal": 0.3, "two points": 0.2, "heavy tails": 0.3}


def moments_of(totals: NDArray[np.float64], counts: NDArray[np.int64]) -> BlockMoments:
    """The moments of blocks, one after the other."""
    moments = BlockMoments()
    for total, count in zip(totals, counts, strict=True):
        moments = moments.add(float(total), int(count))
    return moments


def simulated(kind: str, days: int, blocks: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sums and numbers [days, blocks] of fires that come in clusters, and share half of their variance in a block."""
    rng = np.random.default_rng(seed)
    counts = 1 + rng.geometric(0.35, (days, blocks))
    shared = OUTCOMES[kind](rng, (days, blocks))
    own = np.zeros((days, blocks))
    for number in range(int(counts.max())):
        own += np.where(number < counts, OUTCOMES[kind](rng, (days, blocks)), 0.0)
    return (own + counts * shared) / 2, counts


def excluded(
    totals: NDArray[np.float64], counts: NDArray[np.int64], mean: float, rho2: float, error: float
) -> NDArray[np.bool_]:
    """Whether a mean lies outside the sequence [days, looks], from the tenth block on."""
    deviations = totals - mean * counts
    looks = np.arange(1, totals.shape[1] + 1)
    sums, squares = np.cumsum(deviations, 1), np.cumsum(deviations**2, 1)
    outside: NDArray[np.bool_] = np.abs(sums) > largest_deviation(squares - sums**2 / looks, rho2, error)
    return outside[:, LEAST_BLOCKS - 1 :]


@given(
    blocks=st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 50)), min_size=1, max_size=30),
    mean=st.floats(-50, 50),
    error=st.sampled_from([0.05, 0.01]),
)
@examples(50)
def test_membership_is_that_of_the_plain_twin(blocks: list[tuple[float, int]], mean: float, error: float) -> None:
    """Running sums decide as the formula written out does, and so does the variance of the mixture."""
    rho2 = mixture_variance(7.0, error)
    assert rho2 == pytest.approx(rho_squared(7.0, error), rel=1e-9)
    moments = moments_of(np.array([total for total, _ in blocks]), np.array([count for _, count in blocks]))
    inside = is_in_sequence(blocks, mean, rho2, error)
    # Nearly on the edge, rounding may decide either way.
    if is_in_sequence(blocks, mean, rho2, error * 1.0001) == is_in_sequence(blocks, mean, rho2, error * 0.9999):
        assert contains(moments, mean, rho2, error) == inside


def test_the_ends_are_the_last_means_inside() -> None:
    """Just within the ends a mean is in the sequence, just beyond them it is not."""
    totals, counts = simulated("normal", 1, 60, seed=1)
    moments, rho2 = moments_of(totals[0], counts[0]), mixture_variance(40.0)
    found = sequence_interval(moments, rho2)
    assert found.low < found.mean < found.high
    for end, out in ((found.low, -1), (found.high, 1)):
        assert contains(moments, end - out * 1e-6, rho2)
        assert not contains(moments, end + out * 1e-6, rho2)


def test_it_is_wider_than_the_interval_of_one_look() -> None:
    """What holds at every look claims less at each, and not absurdly so where it is tightest."""
    totals, counts = simulated("normal", 1, 100, seed=2)
    variance = float(np.mean((totals - 0.3 * counts) ** 2))
    found = sequence_interval(moments_of(totals[0], counts[0]), mixture_variance(variance))
    once = ratio_of_totals(totals[0], counts[0]).interval()
    assert 1.2 < (found.high - found.low) / (once.high - once.low) < 2.0


def test_few_blocks_or_blocks_that_all_agree_do_not_mislead() -> None:
    """Nothing is claimed on nine blocks; of blocks without any spread the ends still leave room for some."""
    few = moments_of(np.ones(9), np.ones(9, np.int64))
    assert math.isnan(sequence_interval(few, 0.1).low)
    equal = sequence_interval(few.add(1.0, 1), mixture_variance(1.0))
    assert equal.mean == 1.0
    assert equal.low < 0.5
    assert equal.high > 1.5
    with pytest.raises(ValueError, match="must be above 0"):
        mixture_variance(0.0)


def test_the_truth_is_rarely_excluded_however_often_one_looks() -> None:
    """In 500 days of 200 looks the sequence excludes the truth in at most 6 %, the interval of one look in a third."""
    totals, counts = simulated("normal", 500, 200, seed=3)
    rho2 = mixture_variance(float(np.mean((totals - 0.3 * counts) ** 2)))
    ever = excluded(totals, counts, 0.3, rho2, 0.05).any(1).mean()
    deviations = totals - 0.3 * counts
    looks = np.arange(1, 201)
    scatter = np.cumsum(deviations**2, 1) - np.cumsum(deviations, 1) ** 2 / looks
    once = np.abs(np.cumsum(deviations, 1)) > 1.96 * np.sqrt(scatter * looks / (looks - 1).clip(1))
    assert ever <= 0.06
    assert once[:, LEAST_BLOCKS - 1 :].any(1).mean() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("kind", OUTCOMES)
@pytest.mark.parametrize("blocks", [200, 1000])
@pytest.mark.parametrize("misjudged", [0.25, 1.0, 4.0])
def test_coverage_and_delay(kind: str, blocks: int, misjudged: float) -> None:
    """2,000 days a setting, also where the variance that it is tightest for is four times too small or too large.

    Chosen for a variance far too small, the sequence is tight so early that sums of blocks are not yet normal.
    """
    mean = TRUE_MEAN[kind]
    totals, counts = simulated(kind, 2000, blocks, seed=blocks)
    variance = float(np.mean((totals - mean * counts) ** 2))
    rho2 = mixture_variance(variance * misjudged)
    ever = excluded(totals, counts, mean, rho2, 0.05).any(1).mean()
    # The promise was a tick more than the truth: how many blocks until that is excluded.
    called = excluded(totals, counts, mean + 1, rho2, 0.05)
    delay = np.where(called.any(1), called.argmax(1) + LEAST_BLOCKS, blocks + 1)
    print(f"{kind}, {blocks} blocks, V* x {misjudged}: excluded {ever:.3f}, delay median {np.median(delay):.0f}")
    assert ever <= (0.06 if misjudged >= 1 else 0.08)
    assert np.median(delay) < blocks
