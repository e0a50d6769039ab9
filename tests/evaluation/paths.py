"""Price paths to evaluate: hostile ones for the twins, and martingales for calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import DatasetView

TICK = 0.25
_TICK_NANO = 250_000_000
SPAN = (1_700_000_000_000_000_000, 1_700_000_900_000_000_001)
_TURNING_BINS = 6000


def dataset_of(
    bid_ticks: NDArray[np.int64], ask_ticks: NDArray[np.int64], valid: NDArray[np.bool_], name: str = "made"
) -> DatasetView:
    """Return the view of a book whose best prices are given in ticks: [T] each."""
    mid = np.where(valid, (bid_ticks + ask_ticks) / 2 * TICK, 0.0)
    return DatasetView(
        name=name,
        checksum=f"checksum of {name}",
        span=SPAN,
        tick_size=TICK,
        cell_width_ms=100.0,
        mid=mid,
        book_valid=valid,
        best_bid=bid_ticks * _TICK_NANO,
        best_ask=ask_ticks * _TICK_NANO,
    )


def hostile_dataset(seed: int, n_bins: int, invalid_share: float = 0.1, around: int = 20_000) -> DatasetView:
    """Return a lively walk around a tick with wide spreads, single invalid bins and stretches without a book."""
    rng = np.random.default_rng(seed)
    bid = around + np.cumsum(rng.integers(-2, 3, n_bins))
    ask = bid + rng.integers(1, 4, n_bins)
    valid = rng.random(n_bins) >= invalid_share
    for start in rng.integers(0, max(n_bins, 1), 1 + n_bins // 100):
        valid[start : start + int(rng.integers(1, 30))] &= rng.random() < 0.5
    return dataset_of(bid, ask, valid, f"hostile {seed}")


def hostile_score(seed: int, n_bins: int) -> NDArray[np.float64]:
    """Return a score on a coarse lattice, so that it stands on thresholds, with missing values."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=n_bins), 1)
    score[rng.random(n_bins) < 0.05] = np.nan
    return score


@dataclass(frozen=True)
class Calm:
    """Rare spells in which hardly anything moves.

    Attributes:
        share: of all bins.
        mean_bins: mean length of a spell.
        activity: chance of a move in one of its bins.
    """

    share: float
    mean_bins: float
    activity: float


def martingale(
    seed: int,
    n_bins: int,
    edge: float = 0.0,
    leader: NDArray[np.int64] | None = None,
    activity: tuple[float, float] = (0.05, 0.3),
    calm: Calm | None = None,
) -> tuple[DatasetView, dict[str, NDArray[np.float64]]]:
    """Return a book whose mid is a martingale given everything before, and what can be seen of it at each bin.

    The mid moves by half a tick up or down with equal chance, often in busy times and rarely in quiet ones. The spread
    widens or narrows as the moving side demands. `edge` > 0 makes moves lean on a slow signal that can be seen, or on
    `leader`: a move is upwards with the probability (1 + edge * lean one bin before) / 2, all else being the same.

    Args:
        seed: what everything is drawn from.
        n_bins: how many bins.
        edge: how far moves lean, 0 to 1.
        leader: [n_bins] +1, -1 or 0, what they lean on instead.
        activity: chance of a move in a bin, in quiet and in busy times.
        calm: spells that are quieter than both, if any.

    Returns:
        The dataset, and [n_bins] "spread" (ticks), "busy" and "calm" (1 or 0), "lean" (what moves lean on), "moved"
        (where the mid went in the bin: +1, -1 or 0), "turning" (a direction that nothing follows, +1 or -1, which turns
        every ten minutes or so) and "noise".
    """
    rng = np.random.default_rng(seed)
    busy = np.cumsum(rng.random(n_bins) < 1 / 600) % 2
    lean = np.where(np.cumsum(rng.random(n_bins) < 1 / 400) % 2 == 0, 1, -1)
    lean = lean if leader is None else leader
    # What came later has a generator of its own, so that a seed's market stays what it was.
    aside = np.random.default_rng([seed, 1])
    turning = np.where(np.cumsum(aside.random(n_bins) < 1 / _TURNING_BINS) % 2 == 0, 1, -1)
    is_calm = np.zeros(n_bins, dtype=bool) if calm is None else _spells(aside, n_bins, calm)
    chance = np.where(is_calm, 0.0 if calm is None else calm.activity, np.where(busy, activity[1], activity[0]))
    moves = rng.random(n_bins) < chance
    up = rng.random(n_bins) < 0.5 + edge * np.concatenate([[0], lean[:-1]]) / 2
    wishes_narrow = rng.random(n_bins) < 0.75
    bid, ask = _book(moves, up, wishes_narrow)
    seen = {
        "spread": (ask - bid).astype(np.float64),
        "busy": busy.astype(np.float64),
        "calm": is_calm.astype(np.float64),
        "lean": lean.astype(np.float64),
        "moved": np.where(moves, np.where(up, 1.0, -1.0), 0.0),
        "turning": turning.astype(np.float64),
        "noise": rng.normal(size=n_bins),
    }
    return dataset_of(bid, ask, np.ones(n_bins, dtype=bool), f"martingale {seed}"), seen


def moving_together(
    seed: int, n_bins: int, n_instruments: int, correlation: float, activity: tuple[float, float] = (0.05, 0.3)
) -> list[tuple[DatasetView, dict[str, NDArray[np.float64]]]]:
    """Return martingales over the same time whose moves are correlated, and so is what can be seen of them.

    Each takes a bin's move from a common market with the probability √correlation, and makes its own otherwise; "noise"
    has the same correlation, and "turning" is the same for all.
    """
    common, share = np.random.default_rng([seed, 2]), np.sqrt(correlation)
    busy = np.cumsum(common.random(n_bins) < 1 / 600) % 2
    turning = np.where(np.cumsum(common.random(n_bins) < 1 / _TURNING_BINS) % 2 == 0, 1, -1)
    chance = np.where(busy, activity[1], activity[0])
    shared_draws, shared_noise = common.random((2, n_bins)), common.normal(size=n_bins)
    found = []
    for number in range(n_instruments):
        own = np.random.default_rng([seed, 3, number])
        draws = np.where(own.random(n_bins) < share, shared_draws, own.random((2, n_bins)))
        moves, up = draws[0] < chance, draws[1] < 0.5
        bid, ask = _book(moves, up, own.random(n_bins) < 0.75)
        seen = {
            "spread": (ask - bid).astype(np.float64),
            "busy": busy.astype(np.float64),
            "moved": np.where(moves, np.where(up, 1.0, -1.0), 0.0),
            "turning": turning.astype(np.float64),
            "noise": share * shared_noise + np.sqrt(1 - correlation) * own.normal(size=n_bins),
        }
        found.append((dataset_of(bid, ask, np.ones(n_bins, dtype=bool), f"together {seed}, {number}"), seen))
    return found


def _spells(rng: np.random.Generator, n_bins: int, calm: Calm) -> NDArray[np.bool_]:
    """Return [n_bins] whether it is calm: spells and what lies between them last geometric times."""
    between = calm.mean_bins * (1 - calm.share) / calm.share
    n = 8 + int(2 * n_bins / (calm.mean_bins + between))
    lengths = np.column_stack([rng.geometric(1 / between, n), rng.geometric(1 / calm.mean_bins, n)]).ravel()
    whole = np.repeat(np.arange(2 * n) % 2 == 1, lengths)
    found: NDArray[np.bool_] = np.concatenate([whole, np.zeros(max(n_bins - len(whole), 0), dtype=bool)])[:n_bins]
    return found


def _book(
    moves: NDArray[np.bool_], up: NDArray[np.bool_], wishes_narrow: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return [T] best bid and ask in ticks, given where the mid moves, whether upwards, and by narrowing if it can."""
    narrows = _narrowing(wishes_narrow[moves])
    steps = np.where(up[moves], 1, -1)
    bid_step, ask_step = np.zeros(len(moves), dtype=np.int64), np.zeros(len(moves), dtype=np.int64)
    bid_step[moves] = np.where(narrows == up[moves], steps, 0)
    ask_step[moves] = np.where(narrows == up[moves], 0, steps)
    return 20_000 + np.cumsum(bid_step), 20_001 + np.cumsum(ask_step)


def _narrowing(wishes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether each move narrows the spread, which begins at one tick: where it wishes to and there is room.

    Beyond one tick the spread is a free walk, pushed up by two at each move that finds no room. So it has been pushed
    as often as it takes for the free walk never to have been below.
    """
    free = np.cumsum(np.where(wishes, -1, 1))
    pushed = (np.maximum.accumulate(np.maximum(-free, 0)) + 1) // 2
    beyond = np.concatenate([[0], (free + 2 * pushed)[:-1]]) if len(wishes) else free
    found: NDArray[np.bool_] = wishes & (beyond > 0)
    return found
