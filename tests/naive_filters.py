"""The plain twin's memory of one tick: decaying masses, the filter bank and the forces (SPEC section 2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.naive_book import CHANNELS, DEPTHS, FLOWS
from tests.naive_settings import NS_PER_S, Settings


@dataclass
class Tick:
    """What one tick remembers, as of `ts_ns`: mass by flow, (velocity, acceleration, jerk) by channel."""

    ts_ns: int
    last_event_id: int = 0
    mass: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FLOWS, 0.0))
    filters: dict[str, list[float]] = field(default_factory=lambda: {name: [0.0, 0.0, 0.0] for name in CHANNELS})


def add_impulse(at: Tick, s: Settings, channel: str, q: float) -> None:
    """Add an impulse of size q to a tick that stands at the impulse's time."""
    if channel in FLOWS:
        at.mass[channel] += q
    rate_v, rate_a, rate_j = (1.0 / tau for tau in s.taus)
    v, a, j = at.filters[channel]
    at.filters[channel] = [v + q * rate_v, a + q * rate_v * rate_a, j + q * rate_v * rate_a * rate_j]


def advance(at: Tick, s: Settings, ts_ns: int) -> None:
    """Let a tick's masses and filters decay until `ts_ns`."""
    dt_s = (ts_ns - at.ts_ns) / NS_PER_S
    if dt_s == 0:
        return
    for flow in FLOWS:
        at.mass[flow] *= math.exp(-dt_s / s.tau_mass)
    for name in CHANNELS:
        if any(at.filters[name]):
            at.filters[name] = naive_expm_step(at.filters[name], dt_s, s.taus)
    at.ts_ns = ts_ns


def look_at(at: Tick, s: Settings) -> dict[str, Any]:
    """Return a tick's masses, filters, forces and last_event_id under their column names."""
    cell: dict[str, Any] = {f"{flow}_mass": at.mass[flow] for flow in FLOWS}
    for i, letter in enumerate("vaj"):
        for name in CHANNELS:
            cell[f"{letter}_{name}"] = at.filters[name][i]
        cell[f"{letter}_rest_depth"] = sum(cell[f"{letter}_{name}"] for name in DEPTHS.values())
    cell["pressure_variant"] = (
        s.c1_v_add * cell["v_add"]
        + s.c2_v_rest_pos * max(cell["v_rest_depth"], 0.0)
        + s.c3_a_add * max(cell["a_add"], 0.0)
    )
    cell["vacuum_variant"] = (
        s.c4_v_pull * cell["v_pull"]
        + s.c5_v_fill * cell["v_fill"]
        + s.c6_v_rest_neg * max(-cell["v_rest_depth"], 0.0)
        + s.c7_a_pull * max(cell["a_pull"], 0.0)
    )
    cell["last_event_id"] = at.last_event_id
    return cell


def naive_expm_step(state3: Sequence[float], dt_s: float, taus: Sequence[float]) -> list[float]:
    """Move (velocity, acceleration, jerk) through `dt_s` seconds without an impulse: expm(A dt) times the state."""
    return [sum(row[i] * state3[i] for i in range(3)) for row in _expm(dt_s, tuple(taus))]


@lru_cache(maxsize=100_000)
def _expm(dt_s: float, taus: tuple[float, float, float]) -> list[list[float]]:
    """Return expm(A dt) by its Taylor series over a time so short that it converges at once, squared back up."""
    lv, la, lj = (1.0 / tau for tau in taus)
    a = [[-lv, 0.0, 0.0], [-lv * la, -la, 0.0], [-lv * la * lj, -la * lj, -lj]]
    norm = dt_s * max(abs(x) for row in a for x in row)
    halvings = max(0, math.ceil(math.log2(norm)) + 3) if norm > 0 else 0
    step = [[x * dt_s / 2**halvings for x in row] for row in a]
    total = term = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    for n in range(1, 25):
        term = [[x / n for x in row] for row in _product(term, step)]
        total = [[x + y for x, y in zip(*rows, strict=True)] for rows in zip(total, term, strict=True)]
    for _ in range(halvings):
        total = _product(total, total)
    return total


def _product(left: list[list[float]], right: list[list[float]]) -> list[list[float]]:
    return [[sum(row[i] * right[i][column] for i in range(3)) for column in range(3)] for row in left]
