"""The synthetic mid: a martingale given all past flow at strength 0, and led by recent flow at strength above 0."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.events.book_replay import replay
from vpharness.events.synthetic import SyntheticSource
from vpharness.events.synthetic_market import FLOW_GAIN, probability_up
from vpharness.events.synthetic_moves import MINUTE_NS, draw_minute, open_schedule
from vpharness.events.synthetic_simulation import simulate_market

TICK = 250_000_000
BIN_NS = 100_000_000
FLOW_MEMORY_SECONDS = 5.0
MINUTES = 20

# Eight regressions (two predictors, four horizons) at one per cent together: one in 800 each, two-sided.
CHANCE_T = 3.23


@dataclass(frozen=True)
class History:
    """After each exchange event: ts_ns, best prices and mid in ticks, queue imbalance at the touch, recent flow."""

    ts_ns: NDArray[np.int64]
    best: NDArray[np.int64]
    mid: NDArray[np.float64]
    imbalance: NDArray[np.float64]
    flow: NDArray[np.float64]


def history_of(events: NDArray[np.void]) -> History:
    """Replay events in the plain book; flow is what is added less pulled, bids less asks, fading over five seconds."""
    ts_ns: list[int] = []
    best, imbalance, flow = [], [], []
    fading, net_before = 0.0, 0
    for index, book in replay(events):
        now = int(events["ts_ns"][index])
        seconds = (now - ts_ns[-1]) / 1e9 if ts_ns else 0.0
        fading = fading * math.exp(-seconds / FLOW_MEMORY_SECONDS) + book.net_flow - net_before
        net_before = book.net_flow
        bid, ask = book.best()
        bids, asks = book.depth["B"][bid], book.depth["A"][ask]
        ts_ns.append(now)
        best.append((bid // TICK, ask // TICK))
        imbalance.append((bids - asks) / (bids + asks))
        flow.append(fading)
    levels = np.array(best)
    return History(np.array(ts_ns), levels, levels.sum(axis=1) / 2, np.array(imbalance), np.array(flow))


def market(strength: float) -> History:
    """Return the history of one market of each strength."""
    return history_of(
        np.concatenate(list(simulate_market(SyntheticSource(seed=21, minutes=MINUTES, strength=strength))))
    )


@pytest.fixture(scope="module")
def fair() -> History:
    """A market of strength 0."""
    return market(0.0)


def t_statistic(known: NDArray[np.float64], change: NDArray[np.float64]) -> float:
    """Return Σ x y / √Σ x²y²: about standard normal where y is a martingale's change over stretches that follow x."""
    product = known * change
    return float(product.sum() / math.sqrt((product * product).sum()))


def t_statistics(history: History) -> dict[str, float]:
    """Regress the next move, and the move over the next 1, 10 and 100 bins, on what is known before."""
    found = {}
    changes = np.diff(history.mid)
    at_move = np.flatnonzero(changes)
    start = history.ts_ns[0] // BIN_NS * BIN_NS
    ends = start + BIN_NS * np.arange(1, MINUTES * 600)
    at_end = np.searchsorted(history.ts_ns, ends, side="left") - 1
    for name, known in (("imbalance", history.imbalance), ("flow", history.flow)):
        found[f"{name}, next move"] = t_statistic(known[at_move], changes[at_move])
        for bins in (1, 10, 100):
            rows = at_end[::bins]
            found[f"{name}, {bins} bins"] = t_statistic(known[rows[:-1]], np.diff(history.mid[rows]))
    return found


def test_at_strength_zero_neither_queues_nor_flow_foretell_the_mid(fair: History) -> None:
    """Queue imbalance at the touch and recent signed flow explain no later move, beyond chance in eight looks."""
    statistics = t_statistics(fair)
    assert len(statistics) == 8
    assert {name: t for name, t in statistics.items() if abs(t) > CHANCE_T} == {}


def test_at_strength_above_zero_recent_flow_leads_the_mid() -> None:
    """The same regressions see it clearly, at half strength, over the next move and up to a second."""
    statistics = t_statistics(market(0.5))
    assert statistics["flow, next move"] > 5.0
    assert statistics["flow, 1 bins"] > 5.0
    assert statistics["flow, 10 bins"] > 5.0


def drawn_moves(source: SyntheticSource) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and changes of the mid, in ticks, of the moves a fair market draws before anything else."""
    moves_seed, _ = np.random.SeedSequence(source.seed).spawn(2)
    schedule = open_schedule(np.random.default_rng(moves_seed))
    minutes = [draw_minute(schedule, source.start_ns + minute * MINUTE_NS)[0] for minute in range(source.minutes)]
    moves = np.concatenate(minutes)
    sign = np.where(moves["sign_uniform"] < 0.5, 1.0, -1.0)
    return moves["ts_ns"], sign * np.where(moves["jump_ticks"] > 0, moves["jump_ticks"], 0.5)


@pytest.mark.parametrize("flow_seed", [None, 1, 2])
def test_at_strength_zero_the_mid_moves_as_was_drawn_whatever_the_flow(flow_seed: int | None) -> None:
    """Times and sizes of all changes of a best price are the drawn ones to the last, around any order flow."""
    source = SyntheticSource(seed=5, minutes=3)
    history = history_of(np.concatenate(list(simulate_market(source, flow_seed=flow_seed))))
    changed = np.flatnonzero((np.diff(history.best, axis=0) != 0).any(axis=1))
    times, changes = drawn_moves(source)
    assert history.ts_ns[changed + 1].tolist() == times.tolist()
    assert np.diff(history.mid)[changed].tolist() == changes.tolist()
    assert len(times) > 150


def test_another_flow_seed_gives_other_events() -> None:
    """The flow around the same moves is another one, so that the test above says something."""
    source = SyntheticSource(seed=5, minutes=1)
    one, other = (np.concatenate(list(simulate_market(source, flow_seed=seed))) for seed in (1, 2))
    assert not np.array_equal(one["size"][:1000], other["size"][:1000])


def test_signs_are_fair_and_tell_nothing_of_each_other() -> None:
    """Over ten hours of drawn moves, signs balance, do not follow the last sign, and do not go with jumps."""
    _, changes = drawn_moves(SyntheticSource(seed=8, minutes=600))
    sign = np.sign(changes)
    root = math.sqrt(len(sign))
    jumps = np.abs(changes) > 0.5
    assert abs(sign.sum() / root) < 3.0
    assert abs((sign[1:] * sign[:-1]).sum() / root) < 3.0
    assert abs(sign[jumps].sum() / math.sqrt(jumps.sum())) < 3.0
    assert jumps.sum() > 300


def test_two_minutes_move_the_mid_by_six_to_ten_ticks() -> None:
    """So a take-profit of 8 and a stop-loss of 4 ticks are mostly met within two minutes."""
    spreads = []
    for seed in range(3):
        times, changes = drawn_moves(SyntheticSource(seed=seed, minutes=600))
        path = np.cumsum(changes)
        every = np.arange(times[0], times[-1], 2 * MINUTE_NS)
        spreads.append(np.diff(path[np.searchsorted(times, every, side="right") - 1]).std())
    assert 6.0 < np.mean(spreads) < 10.0


@pytest.mark.parametrize(
    ("near_signed", "near_total", "strength", "expected"),
    [
        (0.0, 0.0, 1.0, 0.5),
        (30.0, 40.0, 0.0, 0.5),
        (30.0, 40.0, 1.0, 0.5 + 0.5 * math.tanh(0.75 * FLOW_GAIN)),
        (-30.0, 40.0, 0.5, 0.5 - 0.25 * math.tanh(0.75 * FLOW_GAIN)),
    ],
)
def test_the_chance_of_a_rise_leans_on_flow_as_far_as_strength_says(
    near_signed: float, near_total: float, strength: float, expected: float
) -> None:
    """One half without flow or strength, and otherwise the formula's value, alike for both sides."""
    assert probability_up(near_signed, near_total, strength) == pytest.approx(expected, abs=1e-15)
