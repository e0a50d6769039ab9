"""The difference of two candidates' net means, with an interval over shared blocks."""

import math

import numpy as np
import pytest

from tests.results.walk_forward_ledgers import evidence_of_blocks
from vpharness.evaluation.intervals import half_width
from vpharness.results.paired_difference import paired_difference


def drawn(seed: int, blocks: list[int], shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return block numbers, numbers of fires and net sums, at random."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 5, len(blocks))
    return np.array(blocks), n, n * (rng.normal(size=len(blocks)) + shift)


def test_it_is_the_ratio_estimators_difference_with_its_linearised_error() -> None:
    """Block by block, as the formula says, with blocks that only one of them fires in."""
    first, second = drawn(1, list(range(30)), 0.5), drawn(2, list(range(10, 45)))
    found = paired_difference(evidence_of_blocks(*first), evidence_of_blocks(*second))
    means = [each[2].sum() / each[1].sum() for each in (first, second)]
    influence = []
    for block in range(45):
        parts = []
        for (blocks, n, net), mean in zip((first, second), means, strict=True):
            own = blocks == block
            parts.append((net[own].sum() - mean * n[own].sum()) / n.sum())
        influence.append(parts[0] - parts[1])
    error = math.sqrt(sum(each**2 for each in influence) * 45 / 44)
    assert found.net.mean == pytest.approx(means[0] - means[1])
    assert found.net.low == pytest.approx(found.net.mean - half_width(error, 45))
    assert (found.n_blocks, found.n_shared) == (45, 20)


def test_a_candidate_does_not_differ_from_itself() -> None:
    """All blocks cancel: the interval is a point at 0."""
    own = evidence_of_blocks(*drawn(3, list(range(12))))
    found = paired_difference(own, own)
    assert (found.net.mean, found.net.low, found.net.high) == (0.0, 0.0, 0.0)


def test_blocks_of_different_lengths_meet_at_the_longer_one() -> None:
    """A finer candidate's blocks are summed to the coarser one's."""
    fine = evidence_of_blocks(*drawn(4, list(range(16))), seconds=16)
    coarse = evidence_of_blocks(*drawn(5, list(range(4))), seconds=64)
    found = paired_difference(fine, coarse)
    assert found.block_s == 64
    assert (found.n_blocks, found.n_shared) == (4, 4)


def test_without_fires_there_is_no_difference() -> None:
    """And with one block there is no interval."""
    nothing = evidence_of_blocks(np.array([0]), np.array([0]), np.array([0.0]))
    one = evidence_of_blocks(np.array([0]), np.array([3]), np.array([6.0]))
    assert math.isnan(paired_difference(one, nothing).net.mean)
    alone = paired_difference(one, one)
    assert alone.net.mean == 0.0
    assert math.isnan(alone.net.low)


def test_the_interval_covers_the_true_difference_of_two_that_share_their_fate() -> None:
    """Over 400 pairs that share three quarters of their variance, in 93 to 97 of a hundred."""
    rng, held = np.random.default_rng(8), 0
    for _ in range(400):
        common = rng.normal(size=60) * math.sqrt(3)
        pair = []
        for shift in (0.4, 0.1):
            n = rng.integers(1, 4, 60)
            pair.append(evidence_of_blocks(np.arange(60), n, n * (shift + common + rng.normal(size=60))))
        net = paired_difference(*pair).net
        held += net.low <= 0.3 <= net.high
    assert 0.925 <= held / 400 <= 0.975
