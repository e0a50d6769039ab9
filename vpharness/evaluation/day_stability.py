"""Stability of a candidate over its days: what each day, hour and kind of day earned, and how fast its edge decays.

Everything is a pure function of arrays, one dataset ("day") at a time, and adds up over days:

- a *day* earned the sum of the net results of its judged fires, ticks; it is above zero where that sum is. Days without
  a judged fire are neither above nor below.
- *equity* is the running sum of net results in the order of fires; its *drawdown* is the farthest that it ever lies
  below its highest point so far, 0 at the start included: max over i <= j of E_i - E_j, ticks.
- the *hour of the session* of a fire is floor((start of its bin - start of the dataset)/1 h): a session begins where
  its dataset does, whatever the clock and daylight saving say.
- a day's *volatility* is the root mean square of the mid's moves from minute to minute, ticks; its *spread* the mean of
  best ask - best bid over bins with a valid book, ticks. Days are sorted by either into *terciles*: the day of rank r
  (from 0) among D has tercile floor(3 r/D); equal values keep the order of time.
- *alpha decay* is what the same fires would have earned, had they been entered k bins later and held for h bins:
  at the mid s (mid[t+k+h] - mid[t+k]), net from touch to touch of the same bins less the costs of a round trip, and,
  for each k, as the candidate is judged: the net result of a fire at t + k. Fires whose farthest look-up does not fit
  into their part are left out of all cells, so that the cells compare the same fires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.costs import round_trip_cost
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.outcomes import DOWN_ROW, SKIPPED, UP_ROW, FireOutcomes, OutcomeTable
from vpharness.evaluation.split import Part

FloatArray = NDArray[np.float64]

TERCILES: Final = ("low", "middle", "high")
DELAYS_BINS: Final = (0, 1, 2, 5, 10, 20, 50)
HORIZONS_BINS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_MINUTE_MS: Final = 60_000.0
_HOUR_MS: Final = 3_600_000.0


@dataclass(frozen=True)
class Day:
    """What a candidate's judged fires earned on one dataset, and what kind of day it was.

    Attributes:
        name: the dataset.
        start_ns: when its first bin begins, ns since the Unix epoch, UTC.
        hours: [n] hour of the session of each fire, from 0.
        net: [n] net result of each fire, ticks, in the order of time.
        volatility_ticks: root mean square of the mid's moves from minute to minute; NaN where there are none.
        spread_ticks: mean spread; NaN without best prices.
    """

    name: str
    start_ns: int
    hours: NDArray[np.int64]
    net: FloatArray
    volatility_ticks: float
    spread_ticks: float

    @property
    def total(self) -> float:
        """What the day earned, ticks."""
        return float(self.net.sum())


@dataclass(frozen=True)
class Cell:
    """The net results of some fires: on how many days, how many, and their sum in ticks."""

    days: int
    n: int
    total: float

    @property
    def mean(self) -> float:
        """The mean net result, ticks; NaN without fires."""
        return self.total / self.n if self.n else float("nan")


def day_of(view: DatasetView, outcomes: FireOutcomes) -> Day:
    """Return what the judged fires of a part of a dataset earned."""
    judged = outcomes.net_code < SKIPPED
    hours = np.floor(outcomes.fires.bins[judged] * (view.cell_width_ms / _HOUR_MS)).astype(np.int64)
    net = outcomes.net_pnl_ticks[judged].astype(np.float64)
    return Day(view.name, view.span[0], hours, net, volatility_ticks(view), spread_ticks(view))


def volatility_ticks(view: DatasetView) -> float:
    """Return the root mean square of the mid's moves from minute to minute, ticks; NaN where no two minutes have one.

    Minutes count from the first bin; one whose last bin has no mid makes no move.
    """
    step = max(1, round(_MINUTE_MS / view.cell_width_ms))
    mid = np.where(view.has_mid, view.mid, np.nan)[step - 1 :: step] / view.tick_size
    moves = np.diff(mid)
    moves = moves[np.isfinite(moves)]
    return float(np.sqrt(np.mean(moves**2))) if len(moves) else float("nan")


def spread_ticks(view: DatasetView) -> float:
    """Return the mean spread over bins with a valid book, ticks; NaN without best prices."""
    if view.best_bid is None or view.best_ask is None or not view.book_valid.any():
        return float("nan")
    return float(np.mean((view.best_ask - view.best_bid)[view.book_valid]) / (view.tick_size * 1e9))


def share_above_zero(days: Sequence[Day]) -> float:
    """Return the share of days above zero among those with judged fires; NaN where none has any."""
    totals = [day.total for day in days if len(day.net)]
    return sum(total > 0 for total in totals) / len(totals) if totals else float("nan")


def worst_day(days: Sequence[Day]) -> Day | None:
    """Return the day that earned least, the earlier one of equals; None where no day has judged fires."""
    return min((day for day in days if len(day.net)), key=lambda day: day.total, default=None)


def equity(days: Sequence[Day]) -> FloatArray:
    """Return [n] the running sum of net results over all days, in the order given, ticks."""
    return np.cumsum(np.concatenate([np.zeros(0), *(day.net for day in days)]))


def drawdown(curve: FloatArray) -> float:
    """Return how far equity [n] ever lies below its highest point so far, 0 at the start included, ticks."""
    if not len(curve):
        return 0.0
    peaks = np.maximum(np.maximum.accumulate(curve), 0.0)
    return float(np.max(peaks - curve))


def by_hour(days: Sequence[Day]) -> dict[int, Cell]:
    """Return what fires earned by hour of the session, for each hour that has any."""
    found = {}
    for hour in sorted({int(hour) for day in days for hour in np.unique(day.hours)}):
        chosen = [day.net[day.hours == hour] for day in days]
        found[hour] = _cell(chosen)
    return found


def terciles(values: Sequence[float]) -> list[int | None]:
    """Return the tercile of each value, 0 lowest; None for one that is missing."""
    known = [place for place, value in enumerate(values) if np.isfinite(value)]
    ranked = sorted(known, key=lambda place: values[place])
    found: list[int | None] = [None] * len(values)
    for rank, place in enumerate(ranked):
        found[place] = 3 * rank // len(ranked)
    return found


def by_tercile(days: Sequence[Day], values: Sequence[float]) -> dict[str, Cell]:
    """Return what fires earned on days by tercile of one value a day, for each tercile that has any day."""
    places = terciles(values)
    return {
        name: _cell([day.net for day, place in zip(days, places, strict=True) if place == number])
        for number, name in enumerate(TERCILES)
        if number in places
    }


def _cell(nets: Sequence[FloatArray]) -> Cell:
    some = [net for net in nets if len(net)]
    return Cell(len(some), sum(map(len, some)), float(sum(net.sum() for net in some)))


@dataclass(frozen=True)
class Decay:
    """Sums of what fires would have earned, entered later and held for fixed times; they add up over days.

    Attributes:
        delays, horizons: [K], [H] bins.
        n_fires: fires whose look-ups all fit.
        move, move_n: [K, H] sums of moves of the mid in the fire's direction, ticks, and numbers of them.
        touch, touch_n: [K, H] sums of net results from touch to touch, ticks, and numbers of them.
        judged, judged_n: [K] sums of net results as fires are judged, ticks, and numbers of them.
    """

    delays: tuple[int, ...]
    horizons: tuple[int, ...]
    n_fires: int
    move: FloatArray
    move_n: NDArray[np.int64]
    touch: FloatArray
    touch_n: NDArray[np.int64]
    judged: FloatArray
    judged_n: NDArray[np.int64]

    def __add__(self, other: "Decay") -> "Decay":
        """Add the sums of another day of the same delays and horizons."""
        if (self.delays, self.horizons) != (other.delays, other.horizons):
            raise ValueError("only the same delays and horizons add up")
        return Decay(
            self.delays,
            self.horizons,
            self.n_fires + other.n_fires,
            self.move + other.move,
            self.move_n + other.move_n,
            self.touch + other.touch,
            self.touch_n + other.touch_n,
            self.judged + other.judged,
            self.judged_n + other.judged_n,
        )

    @property
    def mean_move(self) -> FloatArray:
        """[K, H] the mean move of the mid, ticks; NaN where there is none."""
        return _means(self.move, self.move_n)

    @property
    def mean_touch(self) -> FloatArray:
        """[K, H] the mean net result from touch to touch, ticks; NaN where there is none."""
        return _means(self.touch, self.touch_n)

    @property
    def mean_judged(self) -> FloatArray:
        """[K] the mean net result as fires are judged, ticks; NaN where there is none."""
        return _means(self.judged, self.judged_n)


def horizons_within(evaluation: ResolvedEvaluation) -> tuple[int, ...]:
    """Return the horizons up to the longest hold, that one included, bins."""
    longest = evaluation.max_hold_bins
    return (*(each for each in HORIZONS_BINS if each < longest), longest)


def decay_of(
    view: DatasetView, table: OutcomeTable, part: Part, fires: Fires, delays: Sequence[int] = DELAYS_BINS
) -> Decay:
    """Return what the fires of a part would have earned, entered later and held for fixed times.

    Args:
        view: the dataset of T bins.
        table: the outcomes of its bins.
        part: the part; look-ups stay before its limit.
        fires: fires of the part alone.
        delays: k, bins from the fire to the entry, or to the fire in whose place it would be judged.
    """
    evaluation = table.evaluation
    horizons = horizons_within(evaluation)
    farthest = max(delays) + max(*horizons, evaluation.net_reach_bins)
    fits = fires.bins + farthest < part.limit
    bins, signs = fires.bins[fits], fires.directions[fits].astype(np.float64)
    rows = np.where(signs > 0, UP_ROW, DOWN_ROW)
    mid = np.where(view.has_mid, view.mid, np.nan) / view.tick_size
    enter, leave = _touches(view)
    codes, results = np.asarray(table.net_code), table.net_results
    entries = bins[:, None, None] + np.asarray(delays)[None, :, None]
    exits = entries + np.asarray(horizons)[None, None, :]
    moves = signs[:, None, None] * (mid[exits] - mid[entries])
    pick = rows[:, None, None]
    paid, taken = enter[pick, entries], leave[pick, exits]
    touched = signs[:, None, None] * (taken - paid) - round_trip_cost(evaluation, paid, taken)
    shifted = bins[:, None] + np.asarray(delays)[None, :]
    of_code = codes[rows[:, None], shifted]
    # An order that was not filled is no trade, and part of no mean.
    judged = np.where(of_code < SKIPPED, results[rows[:, None], shifted], np.nan)
    return Decay(tuple(delays), horizons, len(bins), *_summed(moves), *_summed(touched), *_summed(judged))


def _touches(view: DatasetView) -> tuple[FloatArray, FloatArray]:
    """Return [2, T] the prices at which fires up and down enter, and leave, ticks; NaN where the book is not valid."""
    if view.best_bid is None or view.best_ask is None:
        nothing = np.full((2, view.n_bins), np.nan)
        return nothing, nothing
    nano = view.tick_size * 1e9
    bid = np.where(view.book_valid, view.best_bid / nano, np.nan)
    ask = np.where(view.book_valid, view.best_ask / nano, np.nan)
    return np.stack([ask, bid]), np.stack([bid, ask])


def _summed(values: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return sums and numbers of what is finite, over the first axis."""
    finite = np.isfinite(values)
    return np.where(finite, values, 0.0).sum(axis=0), finite.sum(axis=0).astype(np.int64)


def _means(sums: FloatArray, numbers: NDArray[np.int64]) -> FloatArray:
    return np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)
