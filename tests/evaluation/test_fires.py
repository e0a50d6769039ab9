"""Fires: the rule, its twin, and its independence of how time is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.paths import hostile_score
from tests.evaluation.twins import as_pairs
from tests.examples import examples
from tests.naive import naive_fires
from vpharness.errors import ConfigError
from vpharness.evaluation import Fires, advance_fires, find_fires, start_fires

NAN = float("nan")


def test_the_rule_by_hand() -> None:
    """A crossing fires once, a flip and a return fire again, a missing score is a state of its own, cooldown holds."""
    #        0    1    2    3    4     5     6    7    8    9    10   11
    score = [0.5, 0.2, 0.5, 0.6, -0.5, -0.5, 0.5, NAN, 0.5, 0.0, 0.0, 0.5]
    (free,) = find_fires(score, [0.5], warmup_bins=1, cooldown_bins=1)
    assert as_pairs(free) == [(2, 1), (4, -1), (6, 1), (8, 1), (11, 1)]
    (cooled,) = find_fires(score, [0.5], warmup_bins=1, cooldown_bins=4)
    assert as_pairs(cooled) == [(2, 1), (6, 1), (11, 1)], "the crossings at 4 and 8 are lost, the state moves on"


def test_a_state_held_through_the_warm_up_fires_at_its_end() -> None:
    """The state before the first bin after the warm-up is 0."""
    (fires,) = find_fires([1.0, 1.0, 1.0, 1.0], [0.5], warmup_bins=2, cooldown_bins=30)
    assert as_pairs(fires) == [(2, 1)]


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    n_bins=st.integers(0, 400),
    warmup=st.integers(0, 450),
    cooldown=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 400), max_size=4),
)
def test_fires_equal_the_twin_for_any_cutting_of_time(
    seed: int, n_bins: int, warmup: int, cooldown: int, cuts: list[int]
) -> None:
    """Whole, or in chunks at random cuts, the fires are those of the plain loop."""
    score, thresholds = hostile_score(seed, n_bins), [0.1, 0.5, 1.3]
    expected = [naive_fires(score.tolist(), threshold, warmup, cooldown) for threshold in thresholds]
    whole = find_fires(score, thresholds, warmup_bins=warmup, cooldown_bins=cooldown)
    assert [as_pairs(fires) for fires in whole] == expected
    state = start_fires(thresholds)
    chunks: list[list[tuple[int, int]]] = [[], [], []]
    edges = [0, *sorted(min(cut, n_bins) for cut in cuts), n_bins]
    for start, stop in pairwise(edges):
        state, found = advance_fires(state, score[start:stop], thresholds, warmup_bins=warmup, cooldown_bins=cooldown)
        for chunk, fires in zip(chunks, found, strict=True):
            chunk.extend(as_pairs(fires))
    assert chunks == expected


def test_one_bin_at_a_time_is_the_same() -> None:
    """A live session, which sees one bin at a time, fires where the batch run does."""
    score = hostile_score(3, 300)
    state, found = start_fires([0.5]), []
    for value in score:
        state, (fires,) = advance_fires(state, [value], [0.5], warmup_bins=20, cooldown_bins=7)
        found += as_pairs(fires)
    assert found == naive_fires(score.tolist(), 0.5, 20, 7)


def test_later_scores_change_no_earlier_fire() -> None:
    """Fires up to a bin are the same whatever comes after it."""
    score = hostile_score(4, 500)
    before = find_fires(score, [0.5], warmup_bins=0, cooldown_bins=9)[0]
    score[301:] = np.random.default_rng(0).normal(size=199)
    after = find_fires(score, [0.5], warmup_bins=0, cooldown_bins=9)[0]
    early, late = before.bins <= 300, after.bins <= 300
    assert early.sum() > 10
    np.testing.assert_array_equal(before.signed()[early], after.signed()[late])


def test_the_compact_form_holds_everything() -> None:
    """Bin and direction survive, bin 0 included, and equal content has an equal digest."""
    fires = Fires(np.array([0, 5, 9]), np.array([-1, 1, -1], dtype=np.int8))
    assert fires.signed().tolist() == [-1, 6, -10]
    again = Fires.from_signed(fires.signed().astype(np.int32))
    assert as_pairs(again) == as_pairs(fires)
    assert again.digest == fires.digest
    assert again.digest != Fires.from_signed([1, 6, -10]).digest


@pytest.mark.parametrize("thresholds", [[], [0.0], [0.1, -0.2], [NAN], [float("inf")]])
def test_thresholds_must_be_finite_and_positive(thresholds: list[float]) -> None:
    """A threshold of 0 would put every bin in a state; none at all is a mistake."""
    with pytest.raises(ConfigError, match="thresholds"):
        find_fires([0.0, 1.0], thresholds, warmup_bins=0, cooldown_bins=1)
