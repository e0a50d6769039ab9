"""Price paths to evaluate: hostile ones for the twins, and martingales for calibration."""

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import DatasetView

TICK = 0.25
_TICK_NANO = 250_000_000
SPAN = (1_700_000_000_000_000_000, 1_700_000_900_000_000_001)


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


def hostile_dataset(seed: int, n_bins: int, invalid_share: float = 0.1) -> DatasetView:
    """Return a lively walk with wide spreads, single invalid bins and stretches without a book."""
    rng = np.random.default_rng(seed)
    bid = 20_000 + np.cumsum(rng.integers(-2, 3, n_bins))
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


def martingale(
    seed: int,
    n_bins: int,
    edge: float = 0.0,
    leader: NDArray[np.int64] | None = None,
    activity: tuple[float, float] = (0.05, 0.3),
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

    Returns:
        The dataset, and [n_bins] "spread" (ticks), "busy" (1 or 0), "lean" (what moves lean on) and "noise".
    """
    rng = np.random.default_rng(seed)
    busy = np.cumsum(rng.random(n_bins) < 1 / 600) % 2
    lean = np.where(np.cumsum(rng.random(n_bins) < 1 / 400) % 2 == 0, 1, -1)
    lean = lean if leader is None else leader
    moves = rng.random(n_bins) < np.where(busy, activity[1], activity[0])
    up = rng.random(n_bins) < 0.5 + edge * np.concatenate([[0], lean[:-1]]) / 2
    wishes_narrow = rng.random(n_bins) < 0.75
    narrows = _narrowing(wishes_narrow[moves])
    steps = np.where(up[moves], 1, -1)
    bid_step, ask_step = np.zeros(n_bins, dtype=np.int64), np.zeros(n_bins, dtype=np.int64)
    bid_step[moves] = np.where(narrows == up[moves], steps, 0)
    ask_step[moves] = np.where(narrows == up[moves], 0, steps)
    bid, ask = 20_000 + np.cumsum(bid_step), 20_001 + np.cumsum(ask_step)
    seen = {
        "spread": (ask - bid).astype(np.float64),
        "busy": busy.astype(np.float64),
        "lean": lean.astype(np.float64),
        "noise": rng.normal(size=n_bins),
    }
    return dataset_of(bid, ask, np.ones(n_bins, dtype=bool), f"martingale {seed}"), seen


def _narrowing(wishes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether each move narrows the spread, which begins at one tick: where it wishes to and there is room."""
    spread, narrows = 1, []
    for wish in wishes.tolist():
        narrows.append(wish and spread > 1)
        spread += -1 if narrows[-1] else 1
    return np.array(narrows, dtype=bool)
