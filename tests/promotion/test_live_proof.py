"""The pieces of the live proof: events by bin, the slice that is recorded, and what counts as agreement."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vpharness.errors import PromotionError
from vpharness.events.schema import EVENT_DTYPE
from vpharness.promotion.agreement import Said, agreement
from vpharness.promotion.live_proof import by_bin, choose_slice

WIDTH = 10


def at(*times: int) -> NDArray[np.void]:
    """Return events at some times."""
    events = np.zeros(len(times), EVENT_DTYPE)
    events["ts_ns"] = times
    return events


def pieces(*chunks: NDArray[np.void]) -> list[tuple[list[int], int, int]]:
    """Return what `by_bin` makes of chunks, with the times of the events."""
    return [(events["ts_ns"].tolist(), end, silent) for events, end, silent in by_bin(iter(chunks), WIDTH)]


def test_events_come_bin_by_bin_with_the_silence_behind_them() -> None:
    """However they are cut into chunks; one whose time runs backwards belongs to the bin that is open."""
    wanted = [([3, 9], 10, 10), ([10, 12, 7], 20, 40), ([40], 50, 50)]
    assert pieces(at(3, 9, 10, 12, 7, 40)) == wanted
    assert pieces(at(3), at(9, 10), at(), at(12, 7), at(40)) == wanted
    assert pieces() == []


@settings(max_examples=50, deadline=None)
@given(times=st.lists(st.integers(0, 200), min_size=1, max_size=40), cut=st.integers(0, 40))
def test_no_event_is_lost_and_each_lies_in_its_bin(times: list[int], cut: int) -> None:
    """All events come in their order; bins ascend, and the silence behind one ends where the next begins."""
    found = pieces(at(*times[:cut]), at(*times[cut:]))
    assert [time for events, _, _ in found for time in events] == times
    latest = np.maximum.accumulate(times)
    assert [end for events, end, _ in found for _ in events] == ((latest // WIDTH + 1) * WIDTH).tolist()
    assert [silent for _, _, silent in found[:-1]] == [end - WIDTH for _, end, _ in found[1:]]


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


def said(scores: list[float], fires: list[int], prices: list[int] | None = None) -> Said:
    """Return what was said of some bins."""
    rows = np.zeros(len(scores), [("bin_seq", np.int64), ("best_bid_price_int", np.int64)])
    rows["bin_seq"] = 100 + np.arange(len(scores))
    rows["best_bid_price_int"] = prices or 5
    return Said(rows, np.array(scores), np.array(fires, np.int8))


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
    result = agreement(found, said([0.0, np.nan, 0.5], [0, 0, 1]), 0.4)
    assert result.worst == pytest.approx(worst, rel=1e-6)
    assert len(result.differences) == len(differences)
    for told, wanted in zip(result.differences, differences, strict=True):
        assert told.startswith(wanted)


def test_from_a_tie_on_fires_may_differ_and_before_it_not() -> None:
    """A score within 1e-9 of the threshold may fall on either side, and the cooldown behind it too."""
    wanted = said([0.1, 0.4 - 5e-10, 0.5], [0, 0, 1])
    behind = agreement(said([0.1, 0.4, 0.5], [0, 1, 0]), wanted, 0.4)
    assert (behind.ties, behind.differences) == (1, ())
    before = agreement(said([0.1, 0.4, 0.5], [1, 0, 1]), wanted, 0.4)
    assert before.differences == ("bin 100 fires +1, not +0; 1 differ",)
