"""Slow, plain twins of everything in the evaluation room: loops nearest to the definitions, and nothing clever."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
Fire = tuple[int, int]
Outcome = dict[str, Any]
Floats = Sequence[float] | NDArray[np.float64]
Integers = Sequence[int] | NDArray[np.int64]
Flags = Sequence[bool] | NDArray[np.bool_]


def naive_fires(score: Sequence[float], threshold: float, warmup: int, cooldown: int) -> list[Fire]:
    """Return (bin, direction) of each fire."""
    found: list[Fire] = []
    before = 0
    for t in range(warmup, len(score)):
        state = 1 if score[t] >= threshold else -1 if score[t] <= -threshold else 0
        if state not in {0, before} and (not found or t - found[-1][0] >= cooldown):
            found.append((t, state))
        before = state
    return found


def _has_mid(mid: Floats, valid: Flags, t: int) -> bool:
    """Return whether there is a mid: without a valid book only what is above 0 is one."""
    return bool(mid[t] > 0 or (valid[t] and not math.isnan(mid[t])))


def _walk(
    mid: Floats, valid: Flags, tick: float, start: int, side: int, tp: float, sl: float, hold: int
) -> tuple[str, int]:
    """Return which barrier the mid touches first on the bins start+1 … start+hold-1, and the bin of exit."""
    last_valid = start
    for u in range(start + 1, min(start + hold, len(mid))):
        if not _has_mid(mid, valid, u):
            continue
        moved = side * (mid[u] - mid[start]) / tick
        if moved >= tp - TOLERANCE:
            return "tp", u
        if moved <= -sl + TOLERANCE:
            return "sl", u
        last_valid = u
    return "timeout", last_valid


def naive_mid_outcome(
    mid: Floats,
    valid: Flags,
    tick: float,
    fire: Fire,
    *,
    tp: float,
    sl: float,
    hold: int,
    limit: int,
    cell_width_ms: float,
) -> Outcome:
    """Return outcome, exit, pnl and time of a fire judged at the mid; no bin from `limit` on may be needed."""
    t, side = fire
    nothing = {"exit": t, "pnl": math.nan, "time": math.nan}
    if t + hold - 1 >= limit:
        return {"outcome": "censored", **nothing}
    if not _has_mid(mid, valid, t):
        return {"outcome": "skipped", **nothing}
    outcome, end = _walk(mid, valid, tick, t, side, tp, sl, hold)
    return {
        "outcome": outcome,
        "exit": end,
        "pnl": side * (mid[end] - mid[t]) / tick,
        "time": (end - t) * cell_width_ms,
    }


def naive_net_outcome(
    mid: Floats,
    valid: Flags,
    bid: Integers,
    ask: Integers,
    tick: float,
    fire: Fire,
    *,
    tp: float,
    sl: float,
    hold: int,
    entry_delay: int,
    exit_delay: int,
    cost: float,
    limit: int,
    cell_width_ms: float,
) -> Outcome:
    """Return outcome, exit, pnl and time of a fire that enters and leaves at the touch."""
    t, side = fire
    nothing = {"exit": t, "pnl": math.nan, "time": math.nan}
    if t + entry_delay + hold - 1 + exit_delay >= limit:
        return {"outcome": "censored", **nothing}
    entry = t + entry_delay
    if not valid[entry] or not _has_mid(mid, valid, entry):
        return {"outcome": "skipped", **nothing}
    outcome, end = _walk(mid, valid, tick, entry, side, tp, sl, hold)
    for leave in range(end + exit_delay, min(end + exit_delay + hold, len(mid))):
        if valid[leave]:
            paid = int(bid[leave]) - int(ask[entry]) if side > 0 else int(bid[entry]) - int(ask[leave])
            pnl = paid / round(tick * 1e9) - cost
            return {"outcome": outcome, "exit": end, "pnl": pnl, "time": (end - entry) * cell_width_ms}
    return {"outcome": "skipped", **nothing}


def naive_queue_outcome(
    mid: Floats,
    valid: Flags,
    bid: Integers,
    ask: Integers,
    tick: float,
    fire: Fire,
    fate: tuple[str, int, int],
    *,
    span_start: int,
    latency_ns: int,
    wait_ns: int,
    tp: float,
    sl: float,
    hold: int,
    exit_delay: int,
    cost: float,
    maker: tuple[float, float],
    taker: tuple[float, float],
    limit: int,
    cell_width_ms: float,
) -> Outcome:
    """Return the outcome of a fire that enters with a resting order and leaves at the touch.

    `fate` is what became of its order: the reason, the price in 1e-9 units, and the time of the fill, ns. Bin 0 begins
    at `span_start`, ns; `maker` and `taker` are fees in ticks and in basis points.
    """
    (t, side), (reason, price, fill_ns) = fire, fate
    width = round(cell_width_ms * 1_000_000)
    nothing = {"exit": t, "pnl": math.nan, "time": math.nan, "wait": math.nan, "markouts": [math.nan] * 4}
    arrival = span_start + (t + 1) * width + latency_ns
    last_entry = (arrival + wait_ns - span_start) // width
    if last_entry + hold - 1 + exit_delay >= limit or reason == "open":
        return {"outcome": "censored", **nothing}
    if reason == "none":
        return {"outcome": "skipped", **nothing}
    if reason not in {"through", "behind", "crossed"}:
        return {"outcome": "unfilled", **nothing}
    nothing["wait"] = (fill_ns - arrival) / 1_000_000
    nothing["markouts"] = [
        _markout(mid, valid, tick, side, price, fill_ns + after * 1_000_000, span_start, width)
        for after in (100, 1000, 5000, 10000)
    ]
    entry = (fill_ns - span_start) // width
    if not valid[entry] or not _has_mid(mid, valid, entry):
        return {"outcome": "skipped", **nothing}
    outcome, end = _walk(mid, valid, tick, entry, side, tp, sl, hold)
    for leave in range(end + exit_delay, min(end + exit_delay + hold, len(mid))):
        if valid[leave]:
            left_at = int(bid[leave] if side > 0 else ask[leave])
            nano = round(tick * 1e9)
            fees = maker[0] + taker[0] + (maker[1] * abs(price) + taker[1] * abs(left_at)) / nano / 10_000
            pnl = side * (left_at - price) / nano - cost - fees
            return {**nothing, "outcome": outcome, "exit": end, "pnl": pnl, "time": (end - entry) * cell_width_ms}
    return {"outcome": "skipped", **nothing}


def _markout(
    mid: Floats, valid: Flags, tick: float, side: int, price: int, at_ns: int, span_start: int, width: int
) -> float:
    """Return how far the mid lies on an order's good side at the first bin end with a valid book from a time on."""
    for u in range(len(mid)):
        if span_start + (u + 1) * width >= at_ns and valid[u] and _has_mid(mid, valid, u):
            return side * (mid[u] / tick - price / round(tick * 1e9))
    return math.nan


def naive_clustered_interval(
    values: Sequence[float], blocks: Sequence[int], quantile: float
) -> tuple[float, float, int]:
    """Return mean, half width and number of blocks; `quantile` is Student's for one block fewer. NaN is no value."""
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    for value, block in zip(values, blocks, strict=True):
        if not math.isnan(value):
            sums[block] = sums.get(block, 0.0) + value
            counts[block] = counts.get(block, 0) + 1
    n_blocks, n = len(counts), sum(counts.values())
    if n == 0:
        return math.nan, math.nan, 0
    mean = sum(sums.values()) / n
    if n_blocks < 2:
        return mean, math.nan, n_blocks
    scatter = sum((sums[block] - mean * counts[block]) ** 2 for block in counts)
    return mean, quantile * math.sqrt(n_blocks / (n_blocks - 1) * scatter) / n, n_blocks


def naive_figures(
    mid: Sequence[Outcome], net: Sequence[Outcome], sides: Sequence[int], hours: float
) -> dict[str, float]:
    """Return the figures of fires, given their outcomes at the mid and net."""
    at_mid = [(each, side) for each, side in zip(mid, sides, strict=True) if each["outcome"] in {"tp", "sl", "timeout"}]
    at_touch = [each for each in net if each["outcome"] in {"tp", "sl", "timeout"}]

    def share(of: Sequence[Outcome], outcome: str) -> float:
        return sum(each["outcome"] == outcome for each in of) / len(of) if of else math.nan

    def median_time(of: Sequence[Outcome]) -> float:
        times: list[float] = sorted(each["time"] for each in of if each["outcome"] in {"tp", "sl"})
        middle = len(times) // 2
        if not times:
            return math.nan
        return times[middle] if len(times) % 2 else (times[middle - 1] + times[middle]) / 2

    pnl = [each["pnl"] for each in at_touch]
    mean_net = sum(pnl) / len(pnl) if pnl else math.nan
    judged = [each for each, _ in at_mid]
    return {
        "n_fires": len(mid),
        "events_per_hour": len(mid) / hours,
        "n_signals": len(at_mid),
        "n_up": sum(side > 0 for _, side in at_mid),
        "n_down": sum(side < 0 for _, side in at_mid),
        "n_censored": sum(each["outcome"] == "censored" for each in mid),
        "n_skipped": sum(each["outcome"] == "skipped" for each in mid),
        "tp_rate": share(judged, "tp"),
        "sl_rate": share(judged, "sl"),
        "timeout_rate": share(judged, "timeout"),
        "mean_pnl_ticks": sum(each["pnl"] for each in judged) / len(judged) if judged else math.nan,
        "median_time_to_outcome_ms": median_time(judged),
        "n_net": len(at_touch),
        "n_net_censored": sum(each["outcome"] == "censored" for each in net),
        "n_net_skipped": sum(each["outcome"] == "skipped" for each in net),
        "net_tp_rate": share(at_touch, "tp"),
        "net_win_rate": sum(x > TOLERANCE for x in pnl) / len(pnl) if pnl else math.nan,
        "net_pnl_ticks": mean_net,
        "net_pnl_sd_ticks": math.sqrt(sum((x - mean_net) ** 2 for x in pnl) / (len(pnl) - 1))
        if len(pnl) > 1
        else math.nan,
        "median_net_time_to_outcome_ms": median_time(at_touch),
    }


def naive_block_seconds(walks_s: Sequence[float], own_walks_s: Sequence[float]) -> int:
    """Return the least power of two seconds that is at least four mean walks, of all bins and of a candidate's own."""
    means = [sum(lengths) / len(lengths) if lengths else 0.0 for lengths in (walks_s, own_walks_s)]
    seconds = 1
    while seconds < 4 * max(means):
        seconds *= 2
    return seconds


def naive_sums_by_block(
    times: Sequence[int], values: Sequence[float], length: int, unit: int = 1_000_000_000
) -> dict[int, float]:
    """Return the sum of the values in each block of time: of seconds, for times in ns."""
    found: dict[int, float] = {}
    for time, value in zip(times, values, strict=True):
        block = time // (length * unit)
        found[block] = found.get(block, 0.0) + value
    return found


def naive_t(sums: Mapping[int, float], coin: Callable[[int], int] = lambda _: 1) -> float:
    """Return the sum over blocks, each with the sign of its coin, over the root of the sum of their squares."""
    scale = math.sqrt(sum(value**2 for value in sums.values()))
    return sum(coin(block) * value for block, value in sums.items()) / scale if scale > 0 else 0.0


def naive_profit_t(net: Mapping[int, float], counts: Mapping[int, float], coin: Callable[[int], int]) -> float:
    """Return the studentised T of profit under one draw of coins, over the blocks with net fires."""
    held = [block for block in net if counts[block]]
    mean = sum(net[block] for block in held) / sum(counts[block] for block in held)
    residuals = {block: net[block] - mean * counts[block] for block in held}
    tau, n_blocks = naive_t(residuals, coin), len(held)
    room = n_blocks - tau**2
    return math.copysign(math.inf, tau) if room <= 1e-12 * n_blocks else tau * math.sqrt((n_blocks - 1) / room)


def naive_p_value(observed: float, drawn: Sequence[float]) -> float:
    """Return (1 + #{draws with T >= observed T - 1e-12}) / (1 + draws)."""
    return (1 + sum(each >= observed - 1e-12 for each in drawn)) / (1 + len(drawn))


def naive_p_adjusted(observed: float, family: Sequence[Sequence[float]]) -> float:
    """Return the same against the maximum over the family [candidates][draws] under each draw."""
    return naive_p_value(observed, [max(scores[draw] for scores in family) for draw in range(len(family[0]))])


def naive_quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile of the finite values, linear between the two nearest order statistics."""
    ordered = sorted(value for value in values if np.isfinite(value))
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
