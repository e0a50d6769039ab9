"""The figures of a served model's fires so far, brought up to date bin by bin, with the intervals that a run's have."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from vpharness.evaluation.blocks import NS_PER_SECOND, ORDERS, block_seconds
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.evidence import hours_of
from vpharness.evaluation.figure_registry import LIVE, Figure
from vpharness.evaluation.figures import HEADLINE, all_figures, figure_named
from vpharness.evaluation.fire_sums import FIRE_SUMS, order_sums
from vpharness.evaluation.intervals import RunningMean
from vpharness.evaluation.outcomes import SKIPPED, STOP_LOSS, TAKE_PROFIT, TIMEOUT, FireOrders
from vpharness.evaluation.queue_fills import MARKOUT_MS
from vpharness.evaluation.walks import OpenFire, Quote, WalkOutcome, WalkState, advance_walks
from vpharness.order_fates import NONE, REASONS, VirtualOrder

_NS_PER_MS = 1_000_000

WAIT_STEPS: Final = 10_000
"""Waits are counted in so many steps of the longest one: the median is as fine as a step, in memory of a fixed size."""


@dataclass(frozen=True)
class LiveStatistics:
    """The figures of one model since its first bin; equal to `figures_of` the bins seen so far, at every bin.

    A fire enters the figures when its whole walk fits into the bins that have been seen, as in a run, though its
    outcome may have been known before. Until then it is open. Memory does not grow with the bins.

    Attributes:
        evaluation: how fires are judged.
        tick_size: price units a tick.
        walks: the walks under way.
        block_s: length of a block of fires that share their fate, seconds, by the clock; see `for_model`.
        first_start_ns: when the first bin began, ns since the Unix epoch; None before it.
        n_fires: all fires.
        at_mid: fires by their outcome code at the mid.
        means: the means among the figures that are shown live, by name.
        by_reason: resting orders by what became of them, places among `order_fates.REASONS`.
        waits: how many orders were filled after a wait of so many steps of the longest one.
    """

    evaluation: ResolvedEvaluation
    tick_size: float
    block_s: int
    means: Mapping[str, RunningMean]
    walks: WalkState = field(default_factory=WalkState)
    first_start_ns: int | None = None
    n_fires: int = 0
    at_mid: tuple[int, ...] = (0,) * (SKIPPED + 1)
    by_reason: tuple[int, ...] = (0,) * len(REASONS)
    waits: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def for_model(
        cls, evaluation: ResolvedEvaluation, tick_size: float, block_s: int | None = None
    ) -> "LiveStatistics":
        """Return the statistics before the first bin.

        `block_s` is that of the run, which measured how long its walks last; where it is not known, blocks are long
        enough for walks that all last as long as they may.
        """
        width_s = evaluation.cell_width_ms / 1000
        block_s = block_seconds(evaluation.max_hold_bins * width_s) if block_s is None else block_s
        # A fire is due when its whole walk, and the search for a book behind it, have passed: others may come first.
        late_s = (evaluation.net_reach_bins + evaluation.max_hold_bins) * width_s
        if evaluation.in_queue:
            late_s += MARKOUT_MS[-1] / 1000
        mean = RunningMean(most_growing=2 + math.ceil(late_s / block_s))
        shown = (each.name for each in _shown(evaluation) if each.mean is not None)
        return cls(evaluation, tick_size, block_s, dict.fromkeys(shown, mean))

    @property
    def hours(self) -> float:
        """How long fires have been possible, from the warm-up on."""
        bins = self.walks.next_bin - self.evaluation.warmup_bins
        return hours_of(max(bins, 0), self.evaluation.cell_width_ms)

    @property
    def net(self) -> RunningMean:
        """The mean net P&L of the fires judged net, ticks."""
        return self.means[HEADLINE.name]

    @property
    def n_orders(self) -> int:
        """How many resting orders there were, those still waiting left out."""
        return sum(self.by_reason)

    @property
    def median_wait_ms(self) -> float | None:
        """The median time from an order's arrival to its fill, ms, to a step; None without one."""
        count = sum(self.waits.values())
        if not count:
            return None
        return (
            (float(np.mean(_middle(self.waits, count))) + 0.5) * self.evaluation.max_wait_ns / WAIT_STEPS / _NS_PER_MS
        )

    def advance(
        self, quote: Quote, direction: int, orders: Sequence[VirtualOrder] = ()
    ) -> tuple["LiveStatistics", tuple[OpenFire, ...]]:
        """Take in the next bin, the direction of the fire at it or 0, and orders whose fate has become known in it.

        Returns the statistics after it, and the fires of which both outcomes have become known in this bin.
        """
        walks, advance = advance_walks(self.walks, quote, direction, self.evaluation, self.tick_size, orders)
        first_ns = quote.start_ns if self.first_start_ns is None else self.first_start_ns
        after = replace(self, walks=walks, first_start_ns=first_ns, n_fires=self.n_fires + (direction != 0))
        for fire in advance.mid_due:
            after = after._with_mid(fire)
        for fire in advance.net_due:
            after = after._with_net(fire)
        for fire in advance.orders_due:
            after = after._with_order(fire)
        for fire, place in advance.marked:
            after = after._with_markout(fire, place)
        return after, advance.known

    def facts(self) -> dict[str, Any]:
        """Return the figures as JSON values, a missing one as None; counts and shares are those at the mid.

        `n_open` are the fires whose walk at the mid is not over, so that with n_skipped all counts add up to n_fires.
        """
        counts = {
            "bins": self.walks.next_bin,
            "hours": self.hours,
            "n_fires": self.n_fires,
            "n_open": self.n_fires - sum(self.at_mid),
            "n_tp": self.at_mid[TAKE_PROFIT],
            "n_sl": self.at_mid[STOP_LOSS],
            "n_timeout": self.at_mid[TIMEOUT],
            "n_skipped": self.at_mid[SKIPPED],
        }
        if self.evaluation.in_queue:
            counts["n_waiting"] = sum(fire.order is None and fire.net is None for fire in self.walks.fires)
        found: dict[str, float | None] = {}
        for name, mean in self.means.items():
            found |= figure_named(name).interval_values(mean.ratio())
        found |= {each.name: each.live(self) for each in _shown(self.evaluation) if each.live is not None}
        return counts | {
            name: value if value is None or math.isfinite(value) else None for name, value in found.items()
        }

    def _block(self, fire: OpenFire) -> int:
        start_ns = (self.first_start_ns or 0) + round(fire.bin * self.evaluation.cell_width_ms * _NS_PER_MS)
        return start_ns // (self.block_s * NS_PER_SECOND)

    def _with_mid(self, fire: OpenFire) -> "LiveStatistics":
        assert fire.at_mid is not None  # noqa: S101 - a walk that is over has an outcome
        at_mid = tuple(count + (fire.at_mid.code == code) for code, count in enumerate(self.at_mid))
        return replace(self, at_mid=at_mid, means=self._with_outcome(fire, fire.at_mid, is_net=False))

    def _with_net(self, fire: OpenFire) -> "LiveStatistics":
        assert fire.net is not None  # noqa: S101 - see _with_mid
        return replace(self, means=self._with_outcome(fire, fire.net, is_net=True))

    def _with_outcome(self, fire: OpenFire, outcome: WalkOutcome, *, is_net: bool) -> dict[str, RunningMean]:
        """Return the means with one more outcome in those that are over outcomes of its kind."""
        means = dict(self.means)
        for name, mean in self.means.items():
            sums = figure_named(name).mean
            assert sums is not None  # noqa: S101 - only means are kept here
            if sums.count not in FIRE_SUMS:
                continue
            total, count = FIRE_SUMS[sums.total], FIRE_SUMS[sums.count]
            if count.is_net == is_net and count.value(outcome.code, outcome.pnl_ticks):
                value = float(total.value(outcome.code, outcome.pnl_ticks))
                means[name] = mean.add(value, self._block(fire))
        return means

    def _with_order(self, fire: OpenFire) -> "LiveStatistics":
        """Return the statistics with an order whose fate, and longest possible walk, lie behind."""
        order = fire.order
        if order is None or order.reason == NONE:
            return self
        by_reason = tuple(count + (order.reason == reason) for reason, count in enumerate(self.by_reason))
        wait_ns, waits = order.fill_ns - order.decided_ns - self.evaluation.latency_ns, dict(self.waits)
        if order.is_filled:
            step = wait_ns * WAIT_STEPS // self.evaluation.max_wait_ns
            waits[step] = waits.get(step, 0) + 1
        unmarked = np.full((len(MARKOUT_MS), 1), np.nan)
        one = FireOrders(np.array([order.reason], np.int8), np.array([True]), np.array([float(wait_ns)]), unmarked)
        means = self._with_sums(fire, dict(zip(ORDERS, order_sums(one)[0].tolist(), strict=True)))
        return replace(self, by_reason=by_reason, waits=waits, means=means)

    def _with_markout(self, fire: OpenFire, place: int) -> "LiveStatistics":
        name, mark = f"{MARKOUT_MS[place]}ms", fire.markout_ticks[place]
        assert mark is not None  # noqa: S101 - it has just become known
        return replace(self, means=self._with_sums(fire, {f"markout_{name}": mark, f"marked_{name}": 1.0}))

    def _with_sums(self, fire: OpenFire, sums: Mapping[str, float]) -> dict[str, RunningMean]:
        """Return the means with what an order adds to its sums."""
        means = dict(self.means)
        for name, mean in self.means.items():
            of = figure_named(name).mean
            if of is not None and sums.get(of.count):
                means[name] = mean.add(sums[of.total], self._block(fire))
        return means


def _shown(evaluation: ResolvedEvaluation) -> list[Figure]:
    """Return the figures that are shown live: those of resting orders only where entries are such."""
    return [each for each in all_figures() if LIVE in each.shown and (evaluation.in_queue or not each.of_orders)]


def _middle(waits: Mapping[int, int], count: int) -> list[int]:
    """Return the one or two steps in the middle of all waits."""
    found, seen, wanted = [], 0, {(count - 1) // 2, count // 2}
    for step in sorted(waits):
        found += [step for place in wanted if seen <= place < seen + waits[step]]
        seen += waits[step]
    return found
