"""The pieces of the live proof: events by bin, the slice that is recorded, and what counts as agreement."""

from typing import Any

import numpy as np
import pytest

from vpharness.errors import PromotionError
from vpharness.promotion.agreement import BinOutputs, compare_outputs
from vpharness.promotion.live_proof import choose_slice


def sliced(valid: list[int], fires: list[int], start: int, stop: int, length: int) -> int:
    """Return where a slice begins."""
    return choose_slice(np.array(valid, bool), np.array(fires, np.int8), start, stop, length)


def test_the_slice_has_the_most_fires_then_the_most_valid_books() -> None:
    """The earliest of those that are alike; within the part alone, and no longer than it is."""
    valid = [1, 1, 1, 0, 1, 1, 1, 1]
    assert sliced(valid, [0, 0, 0, 0, 0, 0, 0, 1], 0, 8, 2) == 6
    assert sliced(valid, [1, 0, 0, 0, 1, -1, 0, 0], 0, 8, 3) == 4
    assert sliced(valid, [0] * 8, 0, 8, 3) == 0
    assert sliced(valid, [0] * 8, 1, 8, 3) == 4
    assert sliced(valid, [9, 0, 0, 0, 0, 0, 0, 0], 5, 8, 99) == 5
    with pytest.raises(PromotionError, match="no bin from 3 to 3 has a valid book: there are no events to record"):
        sliced(valid, [0] * 8, 3, 4, 1)


def said(scores: list[float], fires: list[int], prices: list[int] | None = None) -> BinOutputs:
    """Return what was said of some bins."""
    rows = np.zeros(len(scores), [("bin_seq", np.int64), ("best_bid_price_int", np.int64)])
    rows["bin_seq"] = 100 + np.arange(len(scores))
    rows["best_bid_price_int"] = prices or 5
    return BinOutputs(rows, np.array(scores), np.array(fires, np.int8))


@pytest.mark.parametrize(
    ("found", "worst", "differences"),
    [
        (said([0.0, np.nan, 0.5], [0, 0, 1]), 0.0, []),
        (said([0.0, np.nan, 0.5 + 9e-10], [0, 0, 1]), 9e-10, []),
        (said([0.0, np.nan, 0.6], [0, 0, 1]), 0.1, ["the score of bin 102 is 0.6, not 0.5; 1 differ, by 0.1 at the"]),
        (said([0.0, 0.0, 0.5], [0, 0, 1]), np.inf, ["the score of bin 101 is 0, not nan; 1 differ, by inf at the"]),
        (said([0.0, np.nan, 0.5], [0, -1, 1]), 0.0, ["bin 101 fires -1, not +0; 1 differ"]),
        (said([0.0, np.nan, 0.5], [0, 0, 1], [5, 6, 7]), 0.0, ["best_bid_price_int of bin 101 is 6, not 5; 2 differ"]),
        (said([0.0, np.nan], [0, 0]), np.inf, ["2 bins came, not 3"]),
    ],
)
def test_bins_and_fires_agree_exactly_and_scores_within_rounding(found: Any, worst: float, differences: Any) -> None:
    """What differs is named with its first bin, both values, and how many differ."""
    result = compare_outputs(found, said([0.0, np.nan, 0.5], [0, 0, 1]), 0.4)
    assert result.worst == pytest.approx(worst, rel=1e-6)
    assert len(result.differences) == len(differences)
    for told, wanted in zip(result.differences, differences, strict=True):
        assert told.startswith(wanted)


def test_from_a_tie_on_fires_may_differ_and_before_it_not() -> None:
    """A score within 1e-9 of the threshold may fall on either side, and the cooldown behind it too."""
    wanted = said([0.1, 0.4 - 5e-10, 0.5], [0, 0, 1])
    behind = compare_outputs(said([0.1, 0.4, 0.5], [0, 1, 0]), wanted, 0.4)
    assert (behind.ties, behind.differences) == (1, ())
    before = compare_outputs(said([0.1, 0.4, 0.5], [1, 0, 1]), wanted, 0.4)
    assert before.differences == ("bin 100 fires +1, not +0; 1 differ",)
