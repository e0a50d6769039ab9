"""Outcomes: first-passage tables and lookups in them, against a walk bin by bin."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.paths import dataset_of, hostile_dataset
from tests.evaluation.twins import as_pairs, names, outcome_at_mid, outcome_net
from tests.examples import examples
from vpharness.errors import ConfigError
from vpharness.evaluation import (
    OUTCOME_NAMES,
    DatasetView,
    EvaluationParameters,
    FireOutcomes,
    Fires,
    Part,
    ResolvedEvaluation,
    SplitParameters,
    fire_outcomes,
    first_passage_tables,
    outcome_table,
    parts_of,
)
from vpharness.evaluation.split import WHOLE


def every_fire(n_bins: int) -> Fires:
    """Return a fire at every bin in both directions."""
    return Fires(np.repeat(np.arange(n_bins), 2), np.tile(np.array([1, -1], dtype=np.int8), n_bins))


def whole(dataset: DatasetView, limit: int | None = None) -> Part:
    """Return the whole dataset as one part."""
    n_bins = dataset.n_bins
    return Part(WHOLE, 0, n_bins, n_bins if limit is None else limit, 0)


def judged(dataset: DatasetView, evaluation: ResolvedEvaluation, limit: int | None = None) -> FireOutcomes:
    """Judge every fire of a dataset."""
    tables = first_passage_tables(dataset, [evaluation.tp_ticks, evaluation.sl_ticks], evaluation.max_hold_bins)
    return fire_outcomes(outcome_table(tables, evaluation), every_fire(dataset.n_bins), whole(dataset, limit))


def assert_equals_twin(
    found: FireOutcomes, dataset: DatasetView, evaluation: ResolvedEvaluation, limit: int | None = None
) -> None:
    """Compare code, exit, P&L and time of every fire with the walk bin by bin."""
    stop = dataset.n_bins if limit is None else limit
    pairs = as_pairs(found.fires)
    for kind, twin in (("mid", outcome_at_mid), ("net", outcome_net)):
        expected = [twin(dataset, evaluation, pair, stop) for pair in pairs]
        assert names(getattr(found, f"{kind}_code")) == [each["outcome"] for each in expected]
        assert getattr(found, f"{kind}_exit").tolist() == [each["exit"] for each in expected]
        pnl, time = getattr(found, f"{kind}_pnl_ticks"), getattr(found, f"{kind}_time_ms")
        np.testing.assert_allclose(pnl, [each["pnl"] for each in expected], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(time, [each["time"] for each in expected])


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    n_bins=st.integers(1, 260),
    barriers=st.tuples(st.sampled_from([0.5, 1.0, 3.0, 8.0]), st.sampled_from([0.5, 2.0, 4.0])),
    hold=st.integers(1, 90),
    delays=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    invalid_share=st.sampled_from([0.0, 0.1, 0.7]),
    around=st.sampled_from([20_000, 0, -500]),
)
def test_every_outcome_equals_the_walk_bin_by_bin(
    seed: int,
    n_bins: int,
    barriers: tuple[float, float],
    hold: int,
    delays: tuple[int, int],
    invalid_share: float,
    around: int,
) -> None:
    """Every bin and direction, with books that come and go, prices below 0, and data shorter than a walk."""
    dataset = hostile_dataset(seed, n_bins, invalid_share, around)
    evaluation = EvaluationParameters(
        tp_ticks=barriers[0],
        sl_ticks=barriers[1],
        max_hold_bins=hold,
        entry_delay_bins=delays[0],
        exit_delay_bins=delays[1],
        cost_ticks=0.3,
    ).resolve(100.0)
    assert_equals_twin(judged(dataset, evaluation), dataset, evaluation)


@pytest.mark.parametrize("around", [0, -1, -20_000])
def test_outcomes_do_not_depend_on_where_zero_is(around: int) -> None:
    """Prices that are all some ticks lower, about zero or below it, come to the same outcomes, to the last bit."""
    evaluation = EvaluationParameters(tp_ticks=3, sl_ticks=2, max_hold_bins=40).resolve(100.0)
    found = judged(hostile_dataset(3, 400, 0.1, around), evaluation)
    wanted = judged(hostile_dataset(3, 400, 0.1), evaluation)
    for name in ("mid_code", "mid_exit", "mid_pnl_ticks", "net_code", "net_exit", "net_pnl_ticks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


def test_a_limit_before_the_end_censors_but_the_search_for_a_book_may_pass_it() -> None:
    """Walks must fit before the part's limit; the exit may be found behind it."""
    dataset = hostile_dataset(5, 200, 0.5)
    evaluation = EvaluationParameters(max_hold_bins=20, exit_delay_bins=4).resolve(100.0)
    found = judged(dataset, evaluation, limit=120)
    assert_equals_twin(found, dataset, evaluation, limit=120)
    assert (found.net_code[found.fires.bins >= 120 - 24] == OUTCOME_NAMES.index("censored")).all()


def flat(n_bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return bid and ask in ticks, one tick apart and still, and a valid book throughout."""
    bid = np.full(n_bins, 100)
    return bid, bid + 1, np.ones(n_bins, dtype=bool)


def test_net_outcome_by_hand() -> None:
    """Buy at the ask one bin late, walk from the mid there, sell at the bid two bins after the barrier, minus cost."""
    bid, ask, valid = flat(30)
    bid[5:] += 2  # the mid rises by 2 ticks at bin 5
    ask[5:] += 2
    ask[7:] += 1  # and the spread opens at bin 7
    evaluation = EvaluationParameters(
        tp_ticks=2, sl_ticks=2, max_hold_bins=10, entry_delay_bins=1, exit_delay_bins=2, cost_ticks=0.25
    ).resolve(100.0)
    dataset = dataset_of(bid, ask, valid)
    found = judged(dataset, evaluation)
    up, down = 2 * 2, 2 * 2 + 1  # the two fires at bin 2
    assert names(found.net_code[[up, down]]) == ["tp", "sl"]
    assert found.net_exit[[up, down]].tolist() == [5, 5]
    assert found.net_pnl_ticks[up] == (102 - 101) - 0.25
    assert found.net_pnl_ticks[down] == (100 - 104) - 0.25
    assert found.net_time_ms[up] == 200.0
    assert found.mid_time_ms[up] == 300.0
    assert found.mid_pnl_ticks[[up, down]].tolist() == [2.0, -2.0]


def test_a_mid_that_stands_on_a_barrier_touches_it() -> None:
    """Rounding of a float mid by less than 1e-9 ticks misses no barrier."""
    mid = np.full(40, 0.1 + 0.2)  # 0.30000000000000004
    mid[10:] = 0.7 - 0.1  # 0.6, the least bit short of 0.3 above
    dataset = DatasetView("x", "x", (0, 1), 0.1, 100.0, mid, np.ones(40, dtype=bool))
    evaluation = EvaluationParameters(tp_ticks=3, sl_ticks=3, max_hold_bins=20).resolve(100.0)
    assert (mid[10] - mid[0]) / 0.1 < 3
    assert names(judged(dataset, evaluation).mid_code[:2]) == ["tp", "sl"]


def test_without_best_prices_there_is_no_net_outcome() -> None:
    """The mid is judged all the same."""
    priced = hostile_dataset(6, 150)
    bare = dataclasses.replace(priced, best_bid=None, best_ask=None)
    evaluation = EvaluationParameters(max_hold_bins=20).resolve(100.0)
    found, expected = judged(bare, evaluation), judged(priced, evaluation)
    np.testing.assert_array_equal(found.mid_pnl_ticks, expected.mid_pnl_ticks)
    assert set(names(found.net_code)) == {"skipped", "censored"}
    assert np.isnan(found.net_pnl_ticks).all()


def test_one_set_of_tables_serves_every_pair_of_barriers_and_shorter_walks() -> None:
    """A sweep over barriers and holding times computes its tables once."""
    dataset = hostile_dataset(7, 180)
    tables = first_passage_tables(dataset, [1, 2, 3, 4], 64)
    for tp, sl, hold in ((1, 2, 64), (3, 3, 40), (4, 1, 7)):
        evaluation = EvaluationParameters(tp_ticks=tp, sl_ticks=sl, max_hold_bins=hold).resolve(100.0)
        found = fire_outcomes(outcome_table(tables, evaluation), every_fire(180), whole(dataset))
        assert_equals_twin(found, dataset, evaluation)


@pytest.mark.parametrize(("tp", "hold"), [(5, 64), (1, 65)])
def test_tables_for_something_else_are_refused(tp: float, hold: int) -> None:
    """A missing barrier or a longer walk is named, not answered."""
    tables = first_passage_tables(hostile_dataset(8, 50), [1, 2], 64)
    evaluation = EvaluationParameters(tp_ticks=tp, sl_ticks=2, max_hold_bins=hold).resolve(100.0)
    with pytest.raises(ConfigError, match="make them anew"):
        outcome_table(tables, evaluation)


def test_later_bins_change_only_the_outcomes_that_see_them() -> None:
    """An outcome depends on the bins up to its last exit and on nothing behind it."""
    evaluation = EvaluationParameters(tp_ticks=3, sl_ticks=3, max_hold_bins=15, exit_delay_bins=2).resolve(100.0)
    dataset = hostile_dataset(9, 400)
    cut = 250
    other = hostile_dataset(10, 400)
    assert dataset.best_bid is not None
    assert dataset.best_ask is not None
    assert other.best_bid is not None
    assert other.best_ask is not None
    perturbed = dataclasses.replace(
        dataset,
        mid=np.concatenate([dataset.mid[:cut], other.mid[cut:]]),
        book_valid=np.concatenate([dataset.book_valid[:cut], other.book_valid[cut:]]),
        best_bid=np.concatenate([dataset.best_bid[:cut], other.best_bid[cut:]]),
        best_ask=np.concatenate([dataset.best_ask[:cut], other.best_ask[cut:]]),
    )
    before, after = judged(dataset, evaluation), judged(perturbed, evaluation)
    settled_mid = before.mid_exit < cut
    settled_mid &= (before.mid_code != OUTCOME_NAMES.index("timeout")) | (before.fires.bins + 14 < cut)
    np.testing.assert_array_equal(before.mid_pnl_ticks[settled_mid], after.mid_pnl_ticks[settled_mid])
    unseen = before.fires.bins + evaluation.net_reach_bins + evaluation.max_hold_bins < cut
    np.testing.assert_array_equal(before.net_pnl_ticks[unseen], after.net_pnl_ticks[unseen])
    assert not np.array_equal(before.net_pnl_ticks[~unseen], after.net_pnl_ticks[~unseen], equal_nan=True)


def test_no_walk_of_the_training_part_is_cut_short_by_the_embargo() -> None:
    """The embargo is as long as a whole walk with its delays, and the test part begins behind it."""
    dataset = hostile_dataset(11, 400, 0.0)
    evaluation = EvaluationParameters(max_hold_bins=20, warmup_bins=10, entry_delay_bins=2).resolve(100.0)
    train, test = parts_of(dataset, evaluation, SplitParameters())
    assert (train.start, train.stop, train.limit, train.first_fire) == (0, 240, 264, 10)
    assert (test.start, test.stop, test.limit, test.first_fire) == (264, 400, 400, 264)
    tables = first_passage_tables(dataset, [8, 4], 20)
    table = outcome_table(tables, evaluation)
    in_train = fire_outcomes(table, every_fire(400).within(train), train)
    assert not (in_train.net_code == OUTCOME_NAMES.index("censored")).any()
    in_test = fire_outcomes(table, every_fire(400).within(test), test)
    assert (in_test.net_code == OUTCOME_NAMES.index("censored")).sum() == 2 * evaluation.net_reach_bins
