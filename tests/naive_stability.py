"""What `vpharness.evaluation.day_stability` computes, spelled out fire by fire: slow and plain."""

import itertools
import math
from collections.abc import Sequence
from typing import Any


def drawdown(results: Sequence[float]) -> float:
    """Return the greatest fall of the running sum from any earlier height, the start at 0 included."""
    heights = [0.0]
    for result in results:
        heights.append(heights[-1] + result)
    return max(high - low for place, high in enumerate(heights) for low in heights[place:])


def terciles(values: Sequence[float]) -> list[int | None]:
    """Return for each value how many thirds of the values lie below its rank."""
    known = [value for value in values if not math.isnan(value)]
    found: list[int | None] = []
    for place, value in enumerate(values):
        if math.isnan(value):
            found.append(None)
            continue
        below = sum(other < value for other in known)
        rank = below + sum(values[before] == value for before in range(place))
        found.append(0 if 3 * rank < len(known) else 1 if 3 * rank < 2 * len(known) else 2)
    return found


def volatility(mid: Sequence[float], tick: float, bins_a_minute: int) -> float:
    """Return the root mean square of the moves between the last mids of minutes that follow one another."""
    ends = [mid[place] for place in range(bins_a_minute - 1, len(mid), bins_a_minute)]
    moves = [(after - before) / tick for before, after in itertools.pairwise(ends)]
    moves = [move for move in moves if not math.isnan(move)]
    return math.sqrt(sum(move**2 for move in moves) / len(moves)) if moves else math.nan


def decay_cell(market: dict[str, Any], fires: Sequence[tuple[int, int]], delay: int, horizon: int) -> dict[str, float]:
    """Return the mean move of the mid and the mean net result from touch to touch of fires (bin, direction).

    `market` has lists `mid`, `bid`, `ask` in ticks, NaN where the book is not valid, and `cost` in ticks.
    """
    moves, nets = [], []
    for fired, direction in fires:
        start, stop = fired + delay, fired + delay + horizon
        moves.append(direction * (market["mid"][stop] - market["mid"][start]))
        if direction > 0:
            nets.append(market["bid"][stop] - market["ask"][start] - market["cost"])
        else:
            nets.append(market["bid"][start] - market["ask"][stop] - market["cost"])
    return {"move": _mean(moves), "net": _mean(nets)}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
