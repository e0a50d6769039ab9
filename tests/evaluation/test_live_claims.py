"""Live claims rest on the blocks of a run over the same bins, however it goes on, and close none too early."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tests.evaluation.paths import hostile_dataset, hostile_score
from tests.evaluation.test_walks import directions_of, looked_up, quotes_of
from vpharness.evaluation import DatasetView, EvaluationParameters, Fires, find_fires
from vpharness.evaluation.confidence_sequences import BlockMoments
from vpharness.evaluation.intervals import ratio_of_totals
from vpharness.evaluation.live_claims import (
    COVERS,
    COVERS_LESS,
    COVERS_MORE,
    CoverageWatch,
    DifferenceBlocks,
    NetBlocks,
    promise_of,
)
from vpharness.evaluation.live_statistics import LiveStatistics
from vpharness.evaluation.outcomes import SKIPPED
from vpharness.evaluation.running_claims import CHALLENGER_BETTER, TOO_EARLY, UNPROMISED, claim_of_promise

BLOCK_S = 4
WIDTH_NS = 100_000_000
EVALUATION = EvaluationParameters(
    tp_ticks=4, sl_ticks=3, max_hold_bins=15, warmup_bins=20, cooldown_bins=2, exit_delay_bins=3, cost_ticks=0.1
).resolve(100.0)
N_BINS = 900


def fires_of(dataset: DatasetView, seed: int = 8) -> Fires:
    """Return many fires in a dataset."""
    score = np.where(dataset.book_valid, hostile_score(seed, dataset.n_bins), np.nan)
    (fires,) = find_fires(score, [0.5], warmup_bins=20, cooldown_bins=2)
    return fires


def run_blocks(dataset: DatasetView, fires: Fires) -> list[tuple[int, float, int]]:
    """Return (block, sum, number) of the net results that a run over all bins has, block by block."""
    outcomes = looked_up(dataset, fires, EVALUATION, dataset.n_bins)
    found: dict[int, tuple[float, int]] = {}
    for bin_, code, pnl in zip(fires.bins.tolist(), outcomes.net_code, outcomes.net_pnl_ticks.tolist(), strict=True):
        if code < SKIPPED:
            block = (dataset.span[0] + bin_ * WIDTH_NS) // (BLOCK_S * 1_000_000_000)
            total, count = found.get(block, (0.0, 0))
            found[block] = (total + pnl, count + 1)
    return [(block, *found[block]) for block in sorted(found)]


def moments_of(blocks: list[tuple[int, float, int]]) -> BlockMoments:
    """Return the moments of blocks."""
    moments = BlockMoments()
    for _, total, count in blocks:
        moments = moments.add(total, count)
    return moments


def assert_moments(found: BlockMoments, wanted: BlockMoments) -> None:
    """Compare two sums of the same values, which may have been added up in another order."""
    assert (found.n_blocks, found.count) == (wanted.n_blocks, wanted.count)
    for name in ("total", "squared_totals", "products", "squared_counts"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-9, abs=1e-9), name


def live_blocks(dataset: DatasetView, fires: Fires) -> list[NetBlocks]:
    """Return the closed blocks after each bin."""
    statistics, net, found = LiveStatistics.for_model(EVALUATION, dataset.tick_size, BLOCK_S), NetBlocks(BLOCK_S), []
    for quote, direction in zip(quotes_of(dataset), directions_of(fires, dataset.n_bins), strict=True):
        statistics, _ = statistics.advance(quote, direction)
        net = net.take(statistics.judged, statistics.settled_ns)
        found.append(net)
    return found


@pytest.mark.parametrize("invalid_share", [0.02, 0.3])
def test_closed_blocks_and_the_claim_are_those_of_a_run_over_the_bins(invalid_share: float) -> None:
    """After every bin: the first blocks of the run, and as many of them as can be known."""
    dataset = hostile_dataset(8, N_BINS, invalid_share)
    fires = fires_of(dataset)
    wanted, live = run_blocks(dataset, fires), live_blocks(dataset, fires)
    promise = promise_of({"test": figures_of_blocks(wanted)})
    assert promise is not None
    assert promise.block_variance is not None
    for net in live[::37]:
        closed = moments_of(wanted[: net.blocks.closed.n_blocks])
        assert_moments(net.blocks.closed, closed)
        found = net.claim(promise)
        run = claim_of_promise(closed, promise.block_variance, (promise.low, promise.high))
        assert (found.says, found.n_blocks) == (run.says, run.n_blocks)
        np.testing.assert_allclose(
            [found.interval.mean, found.interval.low, found.interval.high],
            [run.interval.mean, run.interval.low, run.interval.high],
            rtol=1e-9,
        )
    # The last blocks are open until a walk, and the search for a book behind it, have passed.
    late = math.ceil((EVALUATION.net_reach_bins + EVALUATION.max_hold_bins) / 10 / BLOCK_S) + 1
    assert live[-1].blocks.closed.n_blocks >= len(wanted) - late
    assert live[-1].blocks.closed.n_blocks >= 10


def test_no_future_changes_a_closed_block() -> None:
    """Bins behind are replaced by other markets, with other fires: what was closed is what each of those runs has."""
    dataset = hostile_dataset(8, N_BINS)
    fires = fires_of(dataset)
    live = live_blocks(dataset, fires)
    for now in (180, 333, 470, 610, 777):
        closed = live[now].blocks.closed
        for seed in (1, 2, 3):
            other = hostile_dataset(seed, N_BINS)
            poisoned = spliced(dataset, other, now + 1)
            changed = fires_of(other, seed)
            both = Fires(
                np.concatenate([fires.bins[fires.bins <= now], changed.bins[changed.bins > now]]),
                np.concatenate([fires.directions[fires.bins <= now], changed.directions[changed.bins > now]]),
            )
            assert_moments(closed, moments_of(run_blocks(poisoned, both)[: closed.n_blocks]))


def spliced(first: DatasetView, second: DatasetView, place: int) -> DatasetView:
    """Return the bins of one dataset up to a place, and those of another from there on."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(first, name)[:place], getattr(second, name)[place:]])
        for name in ("mid", "book_valid", "best_bid", "best_ask")
    }
    return dataclasses.replace(first, **arrays)


def figures_of_blocks(blocks: list[tuple[int, float, int]]) -> dict[str, float]:
    """Return what the evidence of a promotion says of blocks."""
    totals, counts = (np.array([each[place] for each in blocks]) for place in (1, 2))
    interval = ratio_of_totals(totals, counts).interval()
    return {
        "net_pnl_ticks": interval.mean,
        "net_pnl_ticks_low": interval.low,
        "net_pnl_ticks_high": interval.high,
        "n_net": int(counts.sum()),
        "n_net_blocks": len(blocks),
        "block_s": BLOCK_S,
    }


def test_what_a_block_varies_by_follows_from_the_promised_interval() -> None:
    """The mean of the squares of its sum less its share of the mean, exactly; longer blocks vary by more."""
    blocks = [(0, 3.0, 2), (1, -1.0, 1), (2, 2.5, 4), (3, 0.0, 1)]
    promise = promise_of({"train": figures_of_blocks(blocks), "test": None})
    assert promise is not None
    mean = 4.5 / 8
    assert promise.part == "train"
    assert promise.block_variance == pytest.approx(np.mean([(total - mean * n) ** 2 for _, total, n in blocks]))
    assert promise.variance_of(12) == pytest.approx(3 * (promise.block_variance or 0))


@pytest.mark.parametrize(
    "promised",
    [
        None,
        {},
        {"test": {"tp_rate": 0.4}},
        {"test": {"net_pnl_ticks": 1.0, "block_s": 4, "n_net": 3, "n_net_blocks": 1}},
    ],
)
def test_nothing_is_claimed_where_no_promise_says_what_a_block_varies_by(promised: dict[str, dict[str, float]]) -> None:
    """Of bundles of earlier versions, and of the defaults of a fresh clone."""
    net = NetBlocks(BLOCK_S)
    for block in range(30):
        net = net.take([(block * BLOCK_S * 10**9, 1.0)], (block + 1) * BLOCK_S * 10**9)
    claim = net.claim(promise_of(promised))
    assert (claim.says, claim.n_blocks, claim.interval.mean) == (UNPROMISED, 30, 1.0)
    assert math.isnan(claim.interval.low)


def test_a_challenger_is_compared_over_the_blocks_in_which_either_fired() -> None:
    """In the longer blocks of the two, from when both were ready, and only what is closed."""
    known = promise_of({"test": figures_of_blocks([(0, 1.0, 1), (1, 2.0, 1), (2, 4.0, 1)])})
    blocks = DifferenceBlocks.between((BLOCK_S, known), (2 * BLOCK_S, None))
    assert blocks.block_s == 2 * BLOCK_S
    assert known is not None
    assert blocks.block_variance == pytest.approx(2 * (known.variance_of(2 * BLOCK_S) or 0))
    second = 10**9
    blocks = blocks.take([(3 * second, 9.0), (9 * second, 1.0)], [(10 * second, 4.0)], 5 * second, 12 * second)
    blocks = blocks.take([(17 * second, -2.0)], [], 5 * second, 33 * second)
    blocks = blocks.take([], [(34 * second, 100.0)], 5 * second, 39 * second)
    assert_moments(blocks.blocks.closed, BlockMoments().add(3.0, 1).add(2.0, 1))
    assert blocks.claim(1).says == TOO_EARLY
    for block in range(5, 400):
        at = block * 8 * second
        blocks = blocks.take([(at, 1.0)], [(at, 3.0 + block % 2)], 0, at + 8 * second)
    assert blocks.claim(2).says == CHALLENGER_BETTER
    assert DifferenceBlocks.between((BLOCK_S, None), (BLOCK_S, None)).claim(1).says == UNPROMISED


@pytest.mark.parametrize(("share", "says"), [(0.5, COVERS), (0.2, COVERS_LESS), (0.9, COVERS_MORE)])
def test_coverage_is_claimed_by_horizon_on_blocks_as_long(share: float, says: str) -> None:
    """With moves that overlap for as long as the horizon; one that is too short to tell says so."""
    rng, horizons = np.random.default_rng(4), (1, 20)
    watch = CoverageWatch(horizons, [0.5])
    inside = {1: rng.random(4000) < share, 20: np.repeat(rng.random(200) < share, 20)}
    counts, covered = np.zeros(2, np.int64), np.zeros((2, 1), np.int64)
    for now in range(4000):
        counts = counts + np.array([1, now >= 3800])
        covered = covered + np.array([[inside[1][now]], [now >= 3800 and inside[20][now]]])
        watch.take(counts, covered)
    ((short, long),) = watch.claims()
    assert (short.says, short.n_blocks) == (says, 4000)
    assert short.interval.mean == pytest.approx(share, abs=0.03)
    assert long.n_blocks == 10
    early = CoverageWatch([20], [0.9])
    early.take(np.array([1]), np.array([[1]]))
    assert early.claims()[0][0].says == TOO_EARLY
