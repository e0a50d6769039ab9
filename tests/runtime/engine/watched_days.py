"""Whole simulated days of a served model, judged bin by bin as the server judges it, and looked at after every block.

The mid is a martingale and the direction of a fire owes nothing to what follows, so that the mean net result of a fire
is known exactly: two rebates less the spread. Fires come in bursts of one direction, and those of a burst share most of
the mid's moves while they are held: they are far from independent.

    python -m tests.runtime.engine.watched_days 2000 normal 0     # or heavy, and 1: see tests/benchmarks/RESULTS.md
"""

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runtime.engine.live_evaluation import LiveEvaluator
from runtime.engine.models import ServedModel, served_model
from tests.runtime.records import record_of
from vpharness.evaluation import EvaluationParameters
from vpharness.evaluation.confidence_sequences import ERROR, LEAST_BLOCKS, contains, mixture_variance
from vpharness.evaluation.running_claims import WORSE
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.live import ScoredBin
from vpharness.prices import PRICE_SCALE

BINS: Final = 480
WIDTH_MS: Final = 30_000
BLOCK_S: Final = 120
TICK: Final = 0.25
SPREAD_TICKS: Final = 1.0
PROMISED: Final = 2.0
HALF_WIDTH: Final = 0.3
"""The promise: two ticks a fire, more or less so much."""
_HOLD_BINS: Final = 2
_STEP_TICKS: Final = 1.0
_BURST_BEGINS: Final = 0.2
_BURST_ENDS: Final = 0.2
_FIRES: Final = 0.6
_BEGIN_NS: Final = 1_700_000_040_000_000_000  # a block's edge


@dataclass(frozen=True)
class Watched:
    """What somebody saw who looked after every block of a day.

    Attributes:
        sequence_excluded: whether the confidence sequence ever excluded the true mean.
        interval_excluded: whether the 95 % interval of the statistics ever did.
        worse_after: closed blocks after which it was called worse than promised; None where it never was.
        n_blocks, n_fires: closed blocks and fires of the day.
        says: the last claim.
    """

    sequence_excluded: bool
    interval_excluded: bool
    worse_after: int | None
    n_blocks: int
    n_fires: int
    says: str


def model_with(mean_ticks: float, block_variance: float) -> ServedModel:
    """Return a model whose fires earn a mean, promised PROMISED on blocks that vary by `block_variance`."""
    evaluation = EvaluationParameters(
        warmup_bins=0,
        cooldown_bins=0,
        max_hold_bins=_HOLD_BINS,
        tp_ticks=1000.0,
        sl_ticks=1000.0,
        taker_fee_ticks=-(mean_ticks + SPREAD_TICKS) / 2,
    ).resolve(WIDTH_MS)
    blocks, n = 10_000, 40_000
    half = HALF_WIDTH
    promised = {
        "net_pnl_ticks": PROMISED,
        "net_pnl_ticks_low": PROMISED - half,
        "net_pnl_ticks_high": PROMISED + half,
        "n_net": n,
        "n_net_blocks": blocks,
        "block_s": BLOCK_S,
    }
    record = record_of(
        evaluation=dataclasses.asdict(evaluation), projection=None, evidence={"promised": {"train": promised}}
    )
    model = served_model(record)
    # The promise's interval stands as it is, and says of blocks what is given.
    evaluator = LiveEvaluator(model, TICK, has_best_prices=True)
    assert evaluator.promise is not None
    known = evaluator.promise.block_variance
    assert known is not None
    promised["n_net"] = round(n * (block_variance / known) ** 0.5)
    return served_model(dataclasses.replace(record, evidence={"promised": {"train": promised}}))


def market(rng: np.random.Generator, *, heavy: bool) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Return the bins [BINS] of a day, and the direction of the fire at each, or 0."""
    steps = rng.standard_t(3, BINS) / np.sqrt(3) if heavy else rng.normal(0, 1, BINS)
    mid = 5000 + TICK * _STEP_TICKS * np.cumsum(steps)
    rows = np.zeros(BINS, BIN_DTYPE)
    begins = _BEGIN_NS + np.arange(BINS) * WIDTH_MS * 1_000_000
    rows["bin_seq"], rows["bin_start_ns"], rows["bin_end_ns"] = np.arange(BINS), begins, begins + WIDTH_MS * 1_000_000
    rows["book_valid"], rows["mid_price"] = True, mid
    half = TICK * SPREAD_TICKS / 2
    rows["best_bid_price_int"] = np.rint((mid - half) * PRICE_SCALE)
    rows["best_ask_price_int"] = np.rint((mid + half) * PRICE_SCALE)
    draws, directions = rng.random((2, BINS)), np.zeros(BINS, np.int64)
    direction = 0
    for place in range(BINS):
        if direction:
            direction = 0 if draws[0, place] < _BURST_ENDS else direction
        elif draws[0, place] < _BURST_BEGINS:
            direction = 1 if draws[1, place] < 0.5 else -1
        if direction and draws[1, place] % 0.1 < 0.1 * _FIRES:
            directions[place] = direction
    return rows, directions


def judged(evaluator: LiveEvaluator, rows: NDArray[np.void], directions: NDArray[np.int64]) -> Iterator[Any]:
    """Yield the moments of the closed blocks whenever another one has been closed."""
    closed = 0
    for place, direction in enumerate(directions.tolist()):
        score = float(direction)
        evaluator.take(place, ScoredBin(rows[place : place + 1], {}, score, (direction,), is_ready=True))
        moments = evaluator._net.blocks.closed
        if moments.n_blocks > closed:
            closed = moments.n_blocks
            yield moments


def block_variance(days: int, *, heavy: bool) -> float:
    """Return what blocks vary by, as a promotion on so many days would find it."""
    rng, squares, blocks = np.random.default_rng(99), 0.0, 0
    model = model_with(PROMISED, 1.0)
    for _ in range(days):
        *_, last = judged(LiveEvaluator(model, TICK, has_best_prices=True), *market(rng, heavy=heavy))
        deviation, variance = last.deviation(PROMISED)
        squares, blocks = squares + variance + deviation**2 / last.n_blocks, blocks + last.n_blocks
    return squares / blocks


def watched(model: ServedModel, mean_ticks: float, rng: np.random.Generator, *, heavy: bool) -> Watched:
    """Return what is seen of a day, looking after every block from the tenth on."""
    evaluator = LiveEvaluator(model, TICK, has_best_prices=True)
    promise = evaluator.promise
    assert promise is not None
    variance = promise.variance_of(BLOCK_S)
    assert variance is not None
    rho2 = mixture_variance(variance, ERROR)
    sequence = interval = False
    worse_after, blocks = None, 0
    for moments in judged(evaluator, *market(rng, heavy=heavy)):
        blocks = moments.n_blocks
        if blocks < LEAST_BLOCKS:
            continue
        sequence |= not contains(moments, mean_ticks, rho2)
        once = evaluator._statistics.net.ratio().interval()
        interval |= not once.low <= mean_ticks <= once.high
        if worse_after is None and moments.mean < promise.low and not contains(moments, promise.low, rho2):
            worse_after = blocks
            assert evaluator.claim_facts()["says"] == WORSE
    claim = evaluator.claim_facts()
    assert (not claim["low"] <= mean_ticks <= claim["high"]) == (not contains(moments, mean_ticks, rho2))
    return Watched(sequence, interval, worse_after, blocks, evaluator.statistics()["n_fires"], claim["says"])


def summary(days: int, seed: int, *, heavy: bool, drop_ticks: float) -> dict[str, Any]:
    """Return the figures of some days on which the model earns so much less than was promised."""
    rng, mean = np.random.default_rng(seed), PROMISED - drop_ticks
    model = model_with(mean, block_variance(20, heavy=heavy))
    return figures_of([watched(model, mean, rng, heavy=heavy) for _ in range(days)], heavy=heavy, drop_ticks=drop_ticks)


def figures_of(found: list[Watched], *, heavy: bool, drop_ticks: float) -> dict[str, Any]:
    """Return the figures of days that were watched."""
    called = np.array([each.n_blocks + 1 if each.worse_after is None else each.worse_after for each in found])
    return {
        "heavy": heavy,
        "drop_ticks": drop_ticks,
        "days": len(found),
        "sequence_excluded": float(np.mean([each.sequence_excluded for each in found])),
        "interval_excluded": float(np.mean([each.interval_excluded for each in found])),
        "called_worse": float(np.mean([each.worse_after is not None for each in found])),
        "median_blocks_until_called": float(np.median(called)),
        "blocks": float(np.mean([each.n_blocks for each in found])),
        "fires": float(np.mean([each.n_fires for each in found])),
    }


def main(days: int, *, heavy: bool, drop_ticks: float) -> None:
    """Print the figures after every hundred days."""
    rng, mean = np.random.default_rng(7), PROMISED - drop_ticks
    model, found = model_with(mean, block_variance(20, heavy=heavy)), list[Watched]()
    for day in range(1, days + 1):
        found.append(watched(model, mean, rng, heavy=heavy))
        if day % 100 == 0 or day == days:
            print(figures_of(found, heavy=heavy, drop_ticks=drop_ticks), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), heavy=sys.argv[2] == "heavy", drop_ticks=float(sys.argv[3]))
