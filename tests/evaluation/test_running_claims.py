"""What is claimed of a served model rests on closed blocks alone, and is said in the right words."""

import math

import numpy as np
import pytest

from vpharness.evaluation.confidence_sequences import BlockMoments
from vpharness.evaluation.running_claims import (
    AS_PROMISED,
    BETTER,
    CHALLENGER_BETTER,
    CHALLENGER_WORSE,
    TOO_EARLY,
    UNDECIDED,
    UNPROMISED,
    WORSE,
    WORTH_NOTHING,
    ClosingBlocks,
    claim_of_challenger,
    claim_of_promise,
)


def closed(mean: float, blocks: int, seed: int = 1) -> BlockMoments:
    """Blocks of two values with that mean in all and a standard deviation of one."""
    noise = np.random.default_rng(seed).normal(0, 1, (blocks, 2))
    found = BlockMoments()
    for pair in mean + noise - noise.mean():
        found = found.add(float(pair.sum()), 2)
    return found


def test_a_block_counts_once_it_is_closed() -> None:
    """Values may come late and out of order; only blocks before the given one are closed, with all their values."""
    blocks = ClosingBlocks()
    for block, value in [(7, 1.0), (9, 5.0), (7, 2.0), (8, -1.0)]:
        blocks = blocks.add(block, value)
    assert blocks.close_before(7) == blocks
    after = blocks.close_before(9)
    assert (after.closed.n_blocks, after.closed.total, after.closed.count) == (2, 2.0, 3.0)
    assert after.closed.squared_totals == 3.0**2 + 1.0
    assert after.growing == ((9, 5.0, 1),)
    assert blocks.close_before(9, as_one=True).closed.count == 2.0


@pytest.mark.parametrize(
    ("mean", "blocks", "promised", "says"),
    [
        (1.0, 9, (0.5, 1.5), TOO_EARLY),
        (1.0, 400, (0.5, 1.5), AS_PROMISED),
        (0.4, 400, (1.0, 1.5), WORSE),
        (2.5, 400, (0.5, 1.5), BETTER),
        (-0.6, 400, (0.5, 1.5), WORTH_NOTHING),
        (1.0, 400, None, UNPROMISED),
        (1.0, 400, (math.nan, math.nan), UNPROMISED),
    ],
)
def test_a_promise_is_compared_with_the_sequence(
    mean: float, blocks: int, promised: tuple[float, float] | None, says: str
) -> None:
    """Overlapping ends are as promised; what lies wholly to one side is said so, and below 0 is worth nothing."""
    claim = claim_of_promise(closed(mean, blocks), 2.0, promised)
    assert (claim.says, claim.n_blocks) == (says, blocks)
    assert claim.interval.mean == pytest.approx(mean)


@pytest.mark.parametrize(("mean", "says"), [(0.5, CHALLENGER_BETTER), (-0.5, CHALLENGER_WORSE), (0.05, UNDECIDED)])
def test_challengers_share_the_error(mean: float, says: str) -> None:
    """A difference away from 0 is claimed, and with more challengers each sequence is wider."""
    one, five = (claim_of_challenger(closed(mean, 400), 2.0, number) for number in (1, 5))
    assert one.says == says
    assert five.interval.low < one.interval.low < one.interval.high < five.interval.high
    assert claim_of_challenger(closed(mean, 9), 2.0, 1).says == TOO_EARLY
