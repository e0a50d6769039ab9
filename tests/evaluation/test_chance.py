"""Both nulls against plain loops over the same draws, their seeds, and what they add up to."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from tests.evaluation.paths import hostile_dataset, hostile_score
from tests.evaluation.twins import as_pairs, net_pnl_lookup, same
from tests.naive import (
    naive_direction_draw,
    naive_p_adjusted,
    naive_p_value,
    naive_standard_scores,
    naive_timing_draw,
)
from vpharness.evaluation import (
    Chance,
    EvaluationParameters,
    Fires,
    SplitParameters,
    chance_of,
    evaluate,
    family_maxima,
    find_fires,
    first_passage_tables,
    outcome_table,
    p_adjusted,
    p_value,
    parts_of,
    standard_scores,
)
from vpharness.evaluation.draws import DIRECTION, TIMING, direction_coins, null_key, timing_shifts, timing_uniforms
from vpharness.evaluation.significance import StandardScores

N_BINS = 700
DRAWS = 99
UNIFORMS = [0.7223432620228094, 0.6966817301719797, 0.7900112557433432, 0.8230518406963059, 0.35944008978060027]
COINS = "101100011000"
EVALUATION = EvaluationParameters(
    tp_ticks=3, sl_ticks=3, max_hold_bins=12, warmup_bins=30, cooldown_bins=5, cost_ticks=0.5, null_draws=DRAWS
).resolve(100.0)


@pytest.mark.parametrize("split", [SplitParameters(), SplitParameters(kind="none")], ids=["time", "none"])
def test_both_nulls_equal_the_twin(split: SplitParameters) -> None:
    """Sums, counts, T and p of every candidate in every part, draw by draw."""
    dataset = hostile_dataset(1, N_BINS)
    candidates = evaluate(dataset, hostile_score(1, N_BINS), [0.8, 1.5, 9.0], EVALUATION, split)
    for part in parts_of(dataset, EVALUATION, split):
        pnl = net_pnl_lookup(dataset, dataclasses.replace(EVALUATION, cost_ticks=0.0), part.limit)
        shifts = timing_shifts(null_key(dataset, 0, TIMING), part, DRAWS).tolist()
        coin_key = null_key(dataset, 0, DIRECTION)
        coins = [np.asarray(direction_coins(coin_key, jnp.asarray(d), jnp.arange(40))) for d in range(DRAWS)]
        for candidate in candidates:
            fires = as_pairs(candidate.fires.within(part))
            observed = naive_timing_draw(pnl, fires, part.first_fire, part.stop, 0)
            moved = [naive_timing_draw(pnl, fires, part.first_fire, part.stop, shift) for shift in shifts]
            flipped = [naive_direction_draw(pnl, fires, part.start, 24, coins[d].__getitem__) for d in range(DRAWS)]
            chance = candidate.parts[part.name].chance
            assert (chance.observed_sum, chance.observed_count) == observed
            assert list(zip(chance.timing.sums, chance.timing.counts, strict=True)) == moved
            assert list(zip(chance.direction.sums, chance.direction.counts, strict=True)) == flipped
            scores = standard_scores(chance)
            expected = naive_standard_scores(observed, moved), naive_standard_scores(observed, flipped)
            assert same(scores.observed_timing, expected[0][0])
            assert same(scores.observed_direction, expected[1][0])
            np.testing.assert_allclose(scores.timing, expected[0][1], atol=1e-9)
            np.testing.assert_allclose(scores.direction, expected[1][1], atol=1e-9)
            assert p_value(scores) == max(naive_p_value(*each) for each in expected)


def test_the_mean_of_the_null_is_the_net_mean_of_the_figures() -> None:
    """Both judge the same fires: only the cost lies between them."""
    dataset = hostile_dataset(2, N_BINS)
    (candidate,) = evaluate(dataset, hostile_score(2, N_BINS), [1.0], EVALUATION, SplitParameters(kind="none"))
    judged = candidate.parts["all"]
    net = judged.sample.outcomes.net_pnl_ticks
    assert judged.chance.observed_count == np.isfinite(net).sum() > 20
    assert math.isclose(judged.chance.observed_sum / judged.chance.observed_count - 0.5, np.nanmean(net))


def test_draws_belong_to_dataset_span_seed_and_number_alone() -> None:
    """Fixed values: a change of them would put yesterday's candidates under other draws than today's."""
    dataset = hostile_dataset(1, N_BINS)
    uniforms = np.asarray(timing_uniforms(null_key(dataset, 0, TIMING), 5))
    np.testing.assert_allclose(uniforms, UNIFORMS, rtol=0, atol=1e-15)
    coins = direction_coins(null_key(dataset, 0, DIRECTION), jnp.asarray(3), jnp.arange(12))
    assert "".join("01"[int(coin)] for coin in np.asarray(coins)) == COINS
    for other in (
        null_key(dataclasses.replace(dataset, checksum="other"), 0, TIMING),
        null_key(dataclasses.replace(dataset, span=(0, 1)), 0, TIMING),
        null_key(dataset, 1, TIMING),
        null_key(dataset, 0, DIRECTION),
    ):
        assert not np.isin(np.asarray(timing_uniforms(other, 5)), uniforms).any()


def test_more_draws_and_more_blocks_leave_the_first_ones_as_they_are() -> None:
    """A draw is keyed by its number, a coin by draw and block."""
    key = null_key(hostile_dataset(1, 10), 0, TIMING)
    np.testing.assert_array_equal(timing_uniforms(key, 5), timing_uniforms(key, 50)[:5])
    few = direction_coins(key, jnp.asarray(2), jnp.asarray([7, 3]))
    many = direction_coins(key, jnp.asarray(2), jnp.arange(20))
    assert np.asarray(few).tolist() == np.asarray(many)[[7, 3]].tolist()


def test_uniforms_and_coins_are_fair() -> None:
    """Means of 4,000 draws lie within four standard errors of a half."""
    key = null_key(hostile_dataset(1, 10), 0, TIMING)
    uniforms = np.asarray(timing_uniforms(key, 4000))
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    assert abs(uniforms.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 4000)
    coins = np.asarray(direction_coins(key, jnp.asarray(0), jnp.arange(4000)))
    assert abs(coins.mean() - 0.5) < 4 * math.sqrt(1 / 4 / 4000)


def test_equal_fires_are_drawn_once_and_answered_for_each() -> None:
    """A sweep's candidates that fire alike get the same object."""
    dataset = hostile_dataset(3, N_BINS)
    table = outcome_table(first_passage_tables(dataset, [3], 12), EVALUATION)
    (part,) = parts_of(dataset, EVALUATION, SplitParameters(kind="none"))
    first, second = Fires.from_signed([50, -90]), Fires.from_signed([50, 90])
    found = chance_of(dataset, table, part, [first, second, Fires.from_signed([50, -90])])
    assert found[0] is found[2]
    assert found[0].observed_sum != found[1].observed_sum


@pytest.mark.parametrize(("rows", "block_sums"), [(1024, 2**20), (3, 2**20), (1024, 1)])
def test_candidates_in_any_batches_are_drawn_as_each_alone(
    monkeypatch: pytest.MonkeyPatch, rows: int, block_sums: int
) -> None:
    """Dense, sparse and silent candidates, of several rows of fires and of one, whichever stand together."""
    monkeypatch.setattr("vpharness.evaluation.chance._BATCH_ROWS", rows)
    monkeypatch.setattr("vpharness.evaluation.chance._BATCH_BLOCK_SUMS", block_sums)
    dataset = hostile_dataset(7, N_BINS)
    table = outcome_table(first_passage_tables(dataset, [3], 12), EVALUATION)
    (part,) = parts_of(dataset, EVALUATION, SplitParameters(kind="none"))
    thresholds = [0.1, 0.4, 0.9, 1.6, 2.2, 9.0]
    fires = find_fires(hostile_score(7, N_BINS), thresholds, warmup_bins=30, cooldown_bins=1)
    assert len(fires[0]) > 128
    together = chance_of(dataset, table, part, fires)
    for each, found in zip(fires, together, strict=True):
        (alone,) = chance_of(dataset, table, part, [each])
        assert (found.observed_sum, found.observed_count) == (alone.observed_sum, alone.observed_count)
        for drawn, expected in ((found.timing, alone.timing), (found.direction, alone.direction)):
            np.testing.assert_array_equal(drawn.sums, expected.sums)
            np.testing.assert_array_equal(drawn.counts, expected.counts)


def test_sums_pool_over_datasets() -> None:
    """Sums and counts add draw by draw."""
    parts = []
    for seed in (4, 5):
        candidates = evaluate(
            hostile_dataset(seed, N_BINS), hostile_score(seed, N_BINS), [1.0], EVALUATION, SplitParameters(kind="none")
        )
        parts.append(candidates[0].parts["all"].chance)
    pooled = Chance.pool(parts)
    assert pooled.observed_sum == parts[0].observed_sum + parts[1].observed_sum
    assert pooled.observed_count == parts[0].observed_count + parts[1].observed_count
    np.testing.assert_array_equal(pooled.timing.sums, parts[0].timing.sums + parts[1].timing.sums)
    np.testing.assert_array_equal(pooled.direction.counts, parts[0].direction.counts + parts[1].direction.counts)


def random_scores(seed: int) -> StandardScores:
    """Return T of a made-up candidate, on a coarse lattice so that ties occur."""
    rng = np.random.default_rng(seed)
    timing, direction = np.round(rng.normal(size=(2, DRAWS)), 1)
    return StandardScores(float(np.round(rng.normal() + 1, 1)), float(np.round(rng.normal() + 1, 1)), timing, direction)


def test_p_adjusted_equals_the_twin_and_is_never_below_p() -> None:
    """The maximum over the family under each draw, the larger of the two nulls."""
    family = [random_scores(seed) for seed in range(12)]
    maxima = family_maxima(iter(family))
    assert maxima.n_candidates == 12
    for scores in family:
        expected = max(
            naive_p_adjusted(scores.observed_timing, [each.timing.tolist() for each in family]),
            naive_p_adjusted(scores.observed_direction, [each.direction.tolist() for each in family]),
        )
        assert p_adjusted(scores, maxima) == expected
        assert p_adjusted(scores, maxima) >= p_value(scores)


def test_a_family_needs_a_candidate_and_one_set_of_draws() -> None:
    """Mixing numbers of draws would compare what cannot be compared."""
    with pytest.raises(ValueError, match="needs a candidate"):
        family_maxima([])
    short = StandardScores(0.0, 0.0, np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="shares its draws"):
        family_maxima([random_scores(0), short])


def test_no_fires_and_no_spread_are_no_evidence() -> None:
    """T = 0 for all: the p-value is 1."""
    dataset = hostile_dataset(6, N_BINS)
    (silent,) = evaluate(dataset, np.zeros(N_BINS), [1.0], EVALUATION, SplitParameters(kind="none"))
    scores = standard_scores(silent.parts["all"].chance)
    assert not scores.timing.any()
    assert not scores.direction.any()
    assert p_value(scores) == 1.0
