"""Walk-forward and PBO as plain loops over plain numbers, to compare the fast ones with."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.stats import t as student  # type: ignore[import-untyped]

Blocks = dict[int, tuple[float, float, int, int]]
"""Net fires, their ticks, and how many ended at take-profit and at stop-loss, by the number of the block."""


@dataclass(frozen=True)
class Day:
    """One candidate on one day: blocks of so many seconds, and the walks of the market (all, at tp, at sl)."""

    seconds: int
    blocks: Blocks
    walks: tuple[int, int, int]


def pooled_blocks(days: Sequence[Day]) -> list[tuple[float, float, int, int]]:
    """Return the blocks of several days together, as long as the longest."""
    seconds = max(day.seconds for day in days)
    found: dict[int, tuple[float, float, int, int]] = {}
    for day in days:
        for number, (n, net, tp, sl) in day.blocks.items():
            place = number // (seconds // day.seconds)
            a, b, c, d = found.get(place, (0, 0.0, 0, 0))
            found[place] = (a + n, b + net, c + tp, d + sl)
    return [each for each in found.values() if each[0] > 0]


def lower_end(days: Sequence[Day]) -> float:
    """Return the lower end of the 95 % net interval; NaN with fewer than two blocks."""
    blocks = pooled_blocks(days)
    if len(blocks) < 2:
        return math.nan
    fires = sum(n for n, *_ in blocks)
    mean = sum(net for _, net, *_ in blocks) / fires
    scatter = sum((net - mean * n) ** 2 for n, net, *_ in blocks)
    error = math.sqrt(scatter * len(blocks) / (len(blocks) - 1)) / fires
    return float(mean - student.ppf(0.975, len(blocks) - 1) * error)


def is_rankable(days: Sequence[Day]) -> bool:
    """Whether there are 30 net fires in 8 blocks, and 5 at each barrier that a hundredth of the walks end at."""
    blocks = pooled_blocks(days)
    if sum(n for n, *_ in blocks) < 30 or len(blocks) < 8:
        return False
    walks = sum(day.walks[0] for day in days)
    for barrier in (1, 2):
        ended = sum(day.walks[barrier] for day in days)
        if ended and ended >= 0.01 * walks and sum(block[1 + barrier] for block in blocks) < 5:
            return False
    return True


def chosen_at_each_step(
    candidates: Sequence[Sequence[Day | None]], train: int, step: int
) -> list[tuple[int, int, int | None, float]]:
    """Return for each step where its segments begin and end, the place of what is chosen, and its lower end."""
    n_segments = len(candidates[0])
    found: list[tuple[int, int, int | None, float]] = []
    begin = train or 1
    while begin <= n_segments:
        stop = min(begin + step, n_segments)
        window = range(begin - train if train else 0, begin)
        best, best_low = None, -math.inf
        for place, days in enumerate(candidates):
            if any(days[each] is None for each in (*window, *range(begin, stop))):
                continue
            mine = [day for day in (days[each] for each in window) if day is not None]
            if is_rankable(mine) and lower_end(mine) > best_low:
                best, best_low = place, lower_end(mine)
        found.append((begin, stop, best, best_low))
        begin += step
    return found


def overfitting_probability(
    fires: Sequence[Sequence[float]], earned: Sequence[Sequence[float]], least_fires: int
) -> tuple[float, list[float]]:
    """Return PBO and λ of each half that can be judged, from the fires and ticks of candidates in groups."""
    n_groups = len(fires[0])
    logits: list[float] = []
    for half in itertools.combinations(range(n_groups), n_groups // 2):
        other = [group for group in range(n_groups) if group not in half]
        means: dict[int, tuple[float, float]] = {}
        there: list[float] = []
        for place, (own_fires, own_earned) in enumerate(zip(fires, earned, strict=True)):
            here_n, there_n = sum(own_fires[g] for g in half), sum(own_fires[g] for g in other)
            if there_n >= least_fires:
                there.append(sum(own_earned[g] for g in other) / there_n)
                if here_n >= least_fires:
                    means[place] = (sum(own_earned[g] for g in half) / here_n, there[-1])
        if not means:
            continue
        best = max(mean for mean, _ in means.values())
        chosen = min(place for place, (mean, _) in means.items() if mean >= best - 1e-9)
        own = means[chosen][1]
        worse = sum(each < own - 1e-9 for each in there)
        equal = sum(abs(each - own) <= 1e-9 for each in there)
        omega = (worse + (equal + 1) / 2) / (len(there) + 1)
        logits.append(math.log(omega / (1 - omega)))
    return (fmean(each <= 0 for each in logits) if logits else math.nan), logits
