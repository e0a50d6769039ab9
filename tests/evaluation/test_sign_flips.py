"""Evidence and chance against plain loops over the same blocks and coins."""

import dataclasses
import math

import numpy as np
import pytest

from tests.evaluation.paths import hostile_dataset, hostile_score
from tests.evaluation.twins import as_pairs, outcome_net, same
from tests.naive import (
    naive_block_seconds,
    naive_p_adjusted,
    naive_p_value,
    naive_profit_t,
    naive_sums_by_block,
    naive_t,
)
from tests.naive_evaluation import Outcome
from vpharness.evaluation import (
    BlockSums,
    CandidateEvaluation,
    DatasetView,
    Draws,
    EvaluationParameters,
    Part,
    SplitParameters,
    evaluate,
    flipped_sums,
    judge,
    observed_excess,
    p_value,
    parts_of,
    pooled,
    standardised,
    studentised,
)
from vpharness.evaluation.blocks import COUNTS, TICKS, block_seconds, merged
from vpharness.evaluation.evidence import PartWalks
from vpharness.evaluation.sign_flips import coins
from vpharness.results.null_maxima import null_statistics

N_BINS = 1500
DRAWS = Draws(99, 0)
EVALUATION = EvaluationParameters(
    tp_ticks=3, sl_ticks=3, max_hold_bins=12, warmup_bins=30, cooldown_bins=5, cost_ticks=0.5, null_draws=DRAWS.n
).resolve(100.0)
COINS = "0011011010110011"


def all_walks(dataset: DatasetView, part: Part) -> dict[tuple[int, int], Outcome]:
    """Return the net outcome of a fire at every bin of a part from the warm-up on, in both directions."""
    return {
        (t, side): outcome_net(dataset, EVALUATION, (t, side), part.limit)
        for t in range(part.first_fire, part.stop)
        for side in (1, -1)
    }


def is_judged(outcome: Outcome) -> bool:
    """Whether an outcome is neither censored nor skipped."""
    return outcome["outcome"] in {"tp", "sl", "timeout"}


def length_s(outcome: Outcome) -> float:
    """Return how long a net walk lasts, from its entry on."""
    return float(outcome["time"]) / 1000


@pytest.mark.parametrize("split", [SplitParameters(), SplitParameters(kind="none")], ids=["time", "none"])
def test_evidence_equals_the_twin(split: SplitParameters) -> None:
    """The length of blocks, and in each block the net fires, their P&L and their directional excess."""
    dataset = hostile_dataset(1, N_BINS)
    candidates = evaluate(dataset, hostile_score(1, N_BINS), [0.8, 1.5, 9.0], EVALUATION, split)
    for part in parts_of(dataset, EVALUATION, split):
        outcomes = all_walks(dataset, part)
        judged = {pair: each for pair, each in outcomes.items() if is_judged(each)}
        both = [t for t in range(part.first_fire, part.stop) if (t, 1) in judged and (t, -1) in judged]
        half = {t: (judged[t, 1]["pnl"] - judged[t, -1]["pnl"]) / 2 for t in both}
        mean = sum(half.values()) / len(half)
        lengths = [length_s(each) for each in judged.values()]
        for candidate in candidates:
            fires = [pair for pair in as_pairs(candidate.fires.within(part)) if is_judged(outcomes[pair])]
            own = [length_s(judged[t, side]) for t, _ in fires for side in (1, -1) if (t, side) in judged]
            seconds = naive_block_seconds(lengths, own)
            times = [dataset.span[0] + t * 100_000_000 for t, _ in fires]
            blocks = candidate.parts[part.name].evidence.blocks
            assert blocks.seconds == seconds
            expected = {
                "n_net": [1.0 for _ in fires],
                "net_pnl": [judged[pair]["pnl"] for pair in fires],
                "excess": [side * (half[t] - mean) if t in half else 0.0 for t, side in fires],
            }
            for name, values in expected.items():
                sums = naive_sums_by_block(times, values, seconds)
                found = blocks.count(name) if name in COUNTS else blocks.tick(name)
                for block, value in zip(blocks.block.tolist(), found.tolist(), strict=True):
                    assert same(value, sums.get(block, 0.0))
                assert set(sums) <= set(blocks.block.tolist())


def test_the_walks_of_a_part_equal_the_twin() -> None:
    """How many there are, how many end at either barrier, and how long they last."""
    dataset = hostile_dataset(2, N_BINS)
    (candidate,) = evaluate(dataset, hostile_score(2, N_BINS), [1.0], EVALUATION, SplitParameters(kind="none"))
    (part,) = parts_of(dataset, EVALUATION, SplitParameters(kind="none"))
    judged = {pair: each for pair, each in all_walks(dataset, part).items() if is_judged(each)}
    tally = candidate.parts["all"].evidence.tally
    assert tally.n_walks == len(judged)
    assert tally.n_walks_tp == sum(each["outcome"] == "tp" for each in judged.values())
    assert tally.n_walks_sl == sum(each["outcome"] == "sl" for each in judged.values())


def evaluated(seed: int, threshold: float = 1.0) -> CandidateEvaluation:
    """Judge a hostile score on a hostile dataset as a whole."""
    (candidate,) = evaluate(
        hostile_dataset(seed, N_BINS),
        hostile_score(seed, N_BINS),
        [threshold],
        EVALUATION,
        SplitParameters(kind="none"),
    )
    return candidate


def blocks_of(seed: int, threshold: float = 1.0) -> BlockSums:
    """Return the block sums of a hostile score on a hostile dataset."""
    return evaluated(seed, threshold).parts["all"].evidence.blocks


def test_drawn_scores_equal_the_twin() -> None:
    """T of excess and of profit under every draw, for candidates that share some blocks and not others."""
    several = [blocks_of(1), blocks_of(1, 1.6), blocks_of(2, 0.7)]
    seconds = max(each.seconds for each in several)
    several = [each.at(seconds) for each in several]
    excess, profit = null_statistics(several, seconds, DRAWS)
    for row, blocks in enumerate(several):
        numbers = blocks.block.tolist()
        tossed = coins(seconds, blocks.block, DRAWS)
        net, counts = blocks.tick("net_pnl").tolist(), blocks.count("n_net").tolist()
        for draw in range(DRAWS.n):
            coin = dict(zip(numbers, tossed[:, draw].tolist(), strict=True)).__getitem__
            expected = naive_t(dict(zip(numbers, blocks.tick("excess").tolist(), strict=True)), coin)
            assert same(excess[row, draw], expected)
            expected = naive_profit_t(
                dict(zip(numbers, net, strict=True)), dict(zip(numbers, counts, strict=True)), coin
            )
            assert same(profit[row, draw], expected, 1e-7)


def test_coins_are_keyed_by_seed_draw_length_and_block_alone() -> None:
    """Fixed values: a change of them would put yesterday's candidates under other draws than today's."""
    blocks = np.arange(16)
    first = coins(64, blocks, Draws(5, 0))[:, 3]
    assert "".join("01"[int(coin > 0)] for coin in first) == COINS
    many = coins(64, np.array([7, 900, 3]), Draws(1000, 0))
    np.testing.assert_array_equal(many[[0, 2], :5], coins(64, blocks, Draws(5, 0))[[7, 3]])
    for other in (coins(128, blocks, Draws(99, 0)), coins(64, blocks, Draws(99, 1)), coins(64, blocks + 16, DRAWS)):
        agreeing = np.mean(other == coins(64, blocks, DRAWS))
        assert 0.4 < agreeing < 0.6


def test_coins_are_fair_and_independent() -> None:
    """Means over draws, over blocks, and of products of neighbours lie within four standard errors of 0."""
    tossed = coins(32, np.arange(50_000_000, 50_000_400), Draws(999, 5)).astype(np.float64)
    for products in (tossed, tossed[1:] * tossed[:-1], tossed[:, 1:] * tossed[:, :-1]):
        assert abs(products.mean()) < 4 / math.sqrt(products.size)
        assert np.abs(products.mean(axis=1)).max() < 5 / math.sqrt(products.shape[1])
        assert np.abs(products.mean(axis=0)).max() < 5 / math.sqrt(products.shape[0])


def test_coarser_blocks_are_sums_of_finer_ones() -> None:
    """At twice and sixteen times the length, with nothing lost; a length that does not nest is refused."""
    fine = blocks_of(3, 0.5)
    for factor in (2, 16):
        coarse = fine.at(fine.seconds * factor)
        for number, block in enumerate(coarse.block.tolist()):
            inside = fine.block // factor == block
            np.testing.assert_array_equal(coarse.counts[number], fine.counts[inside].sum(axis=0))
            np.testing.assert_allclose(coarse.ticks[number], fine.ticks[inside].sum(axis=0), atol=1e-9)
        assert coarse.counts.sum() == fine.counts.sum()
    with pytest.raises(ValueError, match="do not make up blocks"):
        fine.at(2 * fine.seconds).at(3 * fine.seconds)


def test_instruments_at_the_same_time_share_their_blocks() -> None:
    """Two datasets over the same hours are pooled block by block, at the longer of their blocks."""
    first, second = evaluated(4, 0.7).parts["all"].evidence, evaluated(5, 0.7).parts["all"].evidence
    together = pooled([first, second])
    numbers = {*first.blocks.at(together.blocks.seconds).block, *second.blocks.at(together.blocks.seconds).block}
    assert together.blocks.block.tolist() == sorted(numbers)
    assert together.tally.n_fires == first.tally.n_fires + second.tally.n_fires
    assert judge([first, second], EVALUATION).figures.n_net == int(together.blocks.count("n_net").sum())


@pytest.mark.parametrize(("mean_s", "seconds"), [(0.0, 1), (0.25, 1), (0.26, 2), (16.0, 64), (16.01, 128)])
def test_a_block_is_the_least_power_of_two_seconds_that_four_mean_walks_fit_into(mean_s: float, seconds: int) -> None:
    """The bounds themselves suffice."""
    assert block_seconds(mean_s) == seconds


def test_a_p_value_is_the_share_of_draws_that_reach_the_observed_t() -> None:
    """By itself, and against the greatest of a family; ties within 1e-12 count."""
    rng = np.random.default_rng(0)
    drawn = np.round(rng.normal(size=(12, DRAWS.n)), 1)
    for observed in (0.0, 1.3, 2.0, 9.0):
        assert p_value(observed + 5e-13, drawn[0]) == naive_p_value(observed, drawn[0].tolist())
        assert p_value(observed, drawn.max(axis=0)) == naive_p_adjusted(observed, drawn.tolist())


def test_the_p_value_of_a_judgement_is_that_of_its_blocks() -> None:
    """The draws that families use are those that judge a candidate alone."""
    candidate = evaluated(1, 0.6).parts["all"].evidence
    judgement = judge([candidate], EVALUATION)
    drawn, _ = null_statistics([candidate.blocks], candidate.blocks.seconds, DRAWS)
    assert judgement.t == observed_excess(candidate.blocks)
    assert judgement.p_value == p_value(judgement.t, drawn[0])


def test_t_cannot_exceed_the_root_of_the_number_of_blocks() -> None:
    """It is reached where all blocks earned alike."""
    same_sums = BlockSums(4, np.arange(9), np.ones((9, len(COUNTS)), np.int32), np.full((9, len(TICKS)), 2.5))
    assert observed_excess(same_sums) == pytest.approx(3.0)
    assert observed_excess(blocks_of(1)) < math.sqrt(len(blocks_of(1).block))


def test_a_drawn_profit_of_equal_blocks_is_infinite_where_all_coins_agree() -> None:
    """τ² = B leaves no scatter to divide by."""
    tau = np.array([[2.0, -2.0, 1.0]])
    np.testing.assert_allclose(studentised(tau, np.array([4])), [[np.inf, -np.inf, 1.0]])
    assert studentised(tau, np.array([1])).tolist() == [[0.0, 0.0, 0.0]]


def test_no_fires_and_no_spread_are_no_evidence() -> None:
    """T = 0 for all: the p-value is 1."""
    judgement = judge([evaluated(6, 50.0).parts["all"].evidence], EVALUATION)
    assert (judgement.t, judgement.p_value, judgement.figures.n_net_blocks) == (0.0, 1.0, 0)
    assert flipped_sums(4, [], [], DRAWS).shape == (0, DRAWS.n)
    assert not standardised(np.ones((1, 3)), np.zeros(1)).any()


def test_the_cost_of_a_trade_does_not_change_its_p_value() -> None:
    """A cost is paid in either direction: it falls out of directional excess."""
    dataset, score = hostile_dataset(1, N_BINS), hostile_score(1, N_BINS)
    judgements = []
    for cost in (0.0, 7.0):
        evaluation = dataclasses.replace(EVALUATION, cost_ticks=cost)
        (candidate,) = evaluate(dataset, score, [1.0], evaluation, SplitParameters(kind="none"))
        judgements.append(judge([candidate.parts["all"].evidence], evaluation))
    free, dear = judgements
    assert free.p_value == dear.p_value
    assert free.figures.net_pnl_ticks == pytest.approx(dear.figures.net_pnl_ticks + 7.0)


def test_the_future_of_a_part_changes_nothing_of_its_evidence() -> None:
    """Prices behind the embargo are another market, and the training part's evidence stays as it was."""
    dataset = hostile_dataset(7, N_BINS)
    part = parts_of(dataset, EVALUATION, SplitParameters())[0]
    later = np.arange(N_BINS) >= part.limit
    poisoned = dataclasses.replace(
        dataset,
        mid=np.where(later, 3 * dataset.mid, dataset.mid),
        book_valid=np.where(later, ~dataset.book_valid, dataset.book_valid),
    )
    # The search for a book to leave at may run past the part's end, so the last bins of the part are left out.
    score = np.where(np.arange(N_BINS) < part.limit - 3 * EVALUATION.max_hold_bins, hostile_score(7, N_BINS), 0.0)
    before, after = (
        evaluate(each, score, [1.0], EVALUATION, SplitParameters())[0].parts["train"].outcomes
        for each in (dataset, poisoned)
    )
    np.testing.assert_array_equal(before.net_pnl_ticks, after.net_pnl_ticks)
    np.testing.assert_array_equal(before.mid_code, after.mid_code)


def test_merging_is_the_same_in_any_order() -> None:
    """Blocks of three lengths end at the longest."""
    several = [blocks_of(seed, threshold).at(4 * 2**seed) for seed, threshold in ((1, 0.5), (2, 0.9), (3, 1.4))]
    forward, backward = merged(several), merged(several[::-1])
    assert forward.seconds == backward.seconds == 32
    np.testing.assert_array_equal(forward.counts, backward.counts)
    np.testing.assert_allclose(forward.ticks, backward.ticks, atol=1e-9)


def test_walks_from_no_bin_last_no_time() -> None:
    """A part without room for a walk has none."""
    walks = PartWalks(0, 0, 0, 0.0, 0.0)
    assert block_seconds(walks.mean_s) == 1
