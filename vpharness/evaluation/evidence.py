"""Evidence: the sums from which a candidate in a part of a dataset is judged, and which the ledger keeps."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import (
    COUNTS,
    TICKS,
    BlockSums,
    block_seconds,
    block_sums,
    merged,
)
from vpharness.evaluation.costs import depends_on_prices
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.fire_sums import FIRE_SUMS, order_sums
from vpharness.evaluation.outcomes import (
    CENSORED,
    DOWN_ROW,
    SKIPPED,
    STOP_LOSS,
    TAKE_PROFIT,
    UNFILLED,
    UP_ROW,
    FireOutcomes,
    OutcomeTable,
)
from vpharness.evaluation.split import Part

_MS_PER_HOUR = 3_600_000.0
_NS_PER_MS = 1_000_000
_NO_TIMES = np.zeros(0)


@dataclass(frozen=True)
class Tally:
    """Numbers that add up over datasets.

    Attributes:
        n_fires: all fires of the part.
        n_up, n_down: of those judged at the mid.
        n_censored, n_skipped, n_net_censored, n_net_skipped: fires that are not judged.
        hours: time from the warm-up on.
        net_pnl_squares: sum of the squares of the net P&L, ticks².
        n_walks: net walks from every valid bin, in both directions, that fit into the part; of resting orders those
            that are filled.
        n_walks_tp, n_walks_sl: of these, those that end at a barrier.
    """

    n_fires: int
    n_up: int
    n_down: int
    n_censored: int
    n_skipped: int
    n_net_censored: int
    n_net_skipped: int
    hours: float
    net_pnl_squares: float
    n_walks: int
    n_walks_tp: int
    n_walks_sl: int


@dataclass(frozen=True)
class Evidence:
    """One candidate in one part of a dataset, or pooled over several.

    Attributes:
        blocks: sums over blocks of time.
        tally: numbers that add up.
        mid_times_ms, net_times_ms: from the fire, or the entry, to the barrier, of those that met one.
        waits_ms: from the arrival of each resting order to its fill; None where every entry is at the touch.
    """

    blocks: BlockSums
    tally: Tally
    mid_times_ms: NDArray[np.float64]
    net_times_ms: NDArray[np.float64]
    waits_ms: NDArray[np.float64] | None = None

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the content: candidates with equal evidence are judged alike."""
        numbers = repr(tuple(getattr(self.tally, field.name) for field in fields(Tally)))
        parts = [self.blocks.digest.encode(), numbers.encode()]
        times = [self.mid_times_ms, self.net_times_ms, *([] if self.waits_ms is None else [self.waits_ms])]
        parts += [each.astype("<f8").tobytes() for each in times]
        return hashlib.sha256(b"|".join(parts)).hexdigest()

    def without_times(self) -> "Evidence":
        """Return the evidence without the lists of times and waits, of which medians alone are made."""
        return Evidence(self.blocks, self.tally, _NO_TIMES, _NO_TIMES)


@dataclass(frozen=True)
class PartWalks:
    """The outcomes of net walks from all bins of a part: what a candidate's fires are compared with.

    They are taken from the end of the warm-up on, from bins whose walk fits into the part, in both directions.

    Attributes:
        n: number of walks.
        n_tp, n_sl: of these, those that end at a barrier.
        mean_s: their mean length, from the bin of entry to the bin that they end in, seconds.
        mean_excess: ḡ, mean of (u - d)/2, ticks, u and d being the net P&L of a long and a short entered at a bin.
    """

    n: int
    n_tp: int
    n_sl: int
    mean_s: float
    mean_excess: float

    @classmethod
    def of(cls, table: OutcomeTable, part: Part) -> "PartWalks":
        """Return the walks of a part, measured."""
        evaluation = table.evaluation
        stop = max(part.first_fire, min(part.stop, part.limit - evaluation.net_reach_bins))
        inside = slice(part.first_fire, stop)
        codes = np.asarray(table.net_code)[:, inside]
        judged = codes < SKIPPED
        excess = excess_of(table)[inside]
        known = np.isfinite(excess)
        return cls(
            n=int(judged.sum()),
            n_tp=int(np.sum(codes == TAKE_PROFIT)),
            n_sl=int(np.sum(codes == STOP_LOSS)),
            mean_s=_mean_walk_s(table, np.arange(part.first_fire, stop)),
            mean_excess=float(excess[known].mean()) if known.any() else 0.0,
        )


def evidence_of(
    view: DatasetView,
    table: OutcomeTable,
    part: Part,
    walks: PartWalks,
    excess_of_bins: NDArray[np.float64],
    outcomes: FireOutcomes,
) -> Evidence:
    """Return the evidence of one candidate in one part of a dataset.

    Args:
        view: the dataset.
        table: outcomes of its bins.
        part: the part.
        walks: `PartWalks.of(table, part)`, which all candidates share.
        excess_of_bins: [S] `excess_of(table)`, which they share too.
        outcomes: the candidate's fires in the part, with their outcomes.
    """
    fires, mid, net = outcomes.fires, outcomes.mid_code, outcomes.net_code
    judged, net_judged = mid < SKIPPED, net < SKIPPED
    pnl = np.where(net_judged, outcomes.net_pnl_ticks, 0.0)
    excess = fires.directions * (excess_of_bins[fires.bins] - walks.mean_excess)
    codes, results = (mid, net), (np.where(judged, outcomes.mid_pnl_ticks, 0.0), pnl)
    sums = {name: each.value(codes[each.is_net], results[each.is_net]) for name, each in FIRE_SUMS.items()}
    entered = net_judged | (net == UNFILLED)
    sums["excess"] = np.where(entered & np.isfinite(excess), excess, 0.0)
    own_walk_s = _mean_walk_s(table, fires.bins[net_judged if net_judged.any() else judged])
    width_ns = round(view.cell_width_ms * _NS_PER_MS)
    orders = outcomes.orders
    shown = judged | entered
    blocks = block_sums(
        block_seconds(max(walks.mean_s, own_walk_s)),
        view.span[0] + fires.bins[shown] * width_ns,
        np.column_stack([sums[name] for name in COUNTS]).astype(np.int32)[shown],
        np.column_stack([sums[name] for name in TICKS])[shown],
        None if orders is None else order_sums(orders)[shown],
    )
    tally = Tally(
        n_fires=len(fires),
        n_up=int(np.sum(judged & (fires.directions > 0))),
        n_down=int(np.sum(judged & (fires.directions < 0))),
        n_censored=int(np.sum(mid == CENSORED)),
        n_skipped=int(np.sum(mid == SKIPPED)),
        n_net_censored=int(np.sum(net == CENSORED)),
        n_net_skipped=int(np.sum(net == SKIPPED)),
        hours=hours_of(part.n_firing_bins, view.cell_width_ms),
        net_pnl_squares=float(np.sum(pnl**2)),
        n_walks=walks.n,
        n_walks_tp=walks.n_tp,
        n_walks_sl=walks.n_sl,
    )
    times = outcomes.mid_time_ms[_met_barrier(mid)], outcomes.net_time_ms[_met_barrier(net)]
    return Evidence(blocks, tally, *times, None if orders is None else orders.wait_ms[orders.filled])


def empty_evidence() -> Evidence:
    """Return the evidence of a candidate that was judged nowhere."""
    nothing = np.zeros(0)
    blocks = BlockSums(1, np.zeros(0, np.int64), np.zeros((0, len(COUNTS)), np.int32), np.zeros((0, len(TICKS))))
    return Evidence(blocks, Tally(0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0, 0), nothing, nothing)


def pooled(several: Sequence[Evidence]) -> Evidence:
    """Return the evidence of one candidate over several datasets that do not overlap in market time."""
    if len(several) == 1:
        return several[0]
    return Evidence(
        merged([each.blocks for each in several]),
        _added([each.tally for each in several]),
        np.concatenate([each.mid_times_ms for each in several]),
        np.concatenate([each.net_times_ms for each in several]),
        _joined_waits(several),
    )


def _added(several: Sequence[Tally]) -> Tally:
    values: dict[str, Any] = {field.name: sum(getattr(each, field.name) for each in several) for field in fields(Tally)}
    return Tally(**values)


def _joined_waits(several: Sequence[Evidence]) -> NDArray[np.float64] | None:
    """Return the waits of all; None where one of them has none."""
    waits = [each.waits_ms for each in several]
    known = [each for each in waits if each is not None]
    return np.concatenate(known) if len(known) == len(waits) else None


class PooledLater(Evidence):
    """`pooled` evidence whose sums are added up where they are first looked at, and its lists each time that they are.

    Lists of times take a hundred times as much memory as sums: those of all candidates are never there at once.
    """

    def __init__(self, several: Callable[[], Sequence[Evidence]]) -> None:
        """Note how to find what is pooled."""
        vars(self).update(_several=several)

    def __getattr__(self, name: str) -> Any:
        """Add the sums up: they are attributes from then on."""
        if name not in {"blocks", "tally"}:
            raise AttributeError(name)
        several = vars(self)["_several"]()
        found = merged([each.blocks for each in several]) if name == "blocks" else _added([e.tally for e in several])
        vars(self)[name] = found
        return found

    @property
    def mid_times_ms(self) -> NDArray[np.float64]:
        """As `Evidence` has it."""
        return np.concatenate([each.mid_times_ms for each in vars(self)["_several"]()])

    @property
    def net_times_ms(self) -> NDArray[np.float64]:
        """As `Evidence` has it."""
        return np.concatenate([each.net_times_ms for each in vars(self)["_several"]()])

    @property
    def waits_ms(self) -> NDArray[np.float64] | None:
        """As `Evidence` has it."""
        return _joined_waits(vars(self)["_several"]())

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process with what is pooled."""
        return PooledLater, (functools.partial(tuple, vars(self)["_several"]()),)


def hours_of(bins: int, cell_width_ms: float) -> float:
    """Return the length of some bins in hours."""
    return bins * cell_width_ms / _MS_PER_HOUR


def excess_of(table: OutcomeTable) -> NDArray[np.float64]:
    """Return [S] (u - d)/2 of every bin, ticks; NaN where either does not exist.

    A cost that all round trips share falls out of it where every fire makes one.
    """
    evaluation = table.evaluation
    share_cost = not evaluation.in_queue and not depends_on_prices(evaluation)
    pnl = np.asarray(table.net_pnl) if share_cost else table.net_results
    half: NDArray[np.float64] = (pnl[UP_ROW] - pnl[DOWN_ROW]) / 2
    return half


def _lengths_s(table: OutcomeTable, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lengths of the net walks of fires at some bins, in both directions, that were not skipped."""
    evaluation = table.evaluation
    codes, ends = np.asarray(table.net_code)[:, bins], np.asarray(table.net_exit)[:, bins]
    lengths = (ends - table.net_start[:, bins].astype(np.int64))[codes < SKIPPED]
    seconds: NDArray[np.float64] = lengths.astype(np.float64) * (evaluation.cell_width_ms / 1000)
    return seconds


def _mean_walk_s(table: OutcomeTable, bins: NDArray[np.int64]) -> float:
    """Return how long the net walks from some bins last on average; those at the mid where no net one was judged."""
    lengths = _lengths_s(table, bins)
    if not len(lengths):
        codes, ends = np.asarray(table.mid_code)[:, bins], np.asarray(table.mid_exit)[:, bins]
        lengths = (ends - bins)[codes < SKIPPED].astype(np.float64) * (table.evaluation.cell_width_ms / 1000)
    return float(lengths.mean()) if len(lengths) else 0.0


def _met_barrier(code: NDArray[np.int8]) -> NDArray[np.bool_]:
    met: NDArray[np.bool_] = (code == TAKE_PROFIT) | (code == STOP_LOSS)
    return met
