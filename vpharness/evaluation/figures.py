"""The figures of a candidate: counts, shares and means over its fires on all its datasets, with their intervals.

The fields of `Figures` are the registry: each says all there is to know of its figure (see `Figure`), and everything
that shows, stores or tracks figures goes through `all_figures`. `docs/how-to/add-an-evaluation-figure.md` adds one.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.evidence import Evidence
from vpharness.evaluation.figure_registry import (
    LIVE,
    MLFLOW,
    PROMISED,
    REPORT,
    SHARE,
    TABLE,
    Barriers,
    Figure,
    Mean,
    values_of,
)
from vpharness.order_fates import CLEARED, REJECTED, WITHDRAWN

FEW_BLOCKS: Final = 50
"""Below this many blocks an interval is rough, and their number is shown."""

_EVERYWHERE: Final = (TABLE, REPORT, MLFLOW, LIVE, PROMISED)
_FIGURE: Final = "figure"


def _field(figure: Figure) -> Any:
    return dataclasses.field(metadata={_FIGURE: figure})


def _count(unit: str, meaning: str, compute: Callable[[Evidence, Barriers], int], **more: Any) -> Any:
    return _field(Figure("", unit, meaning, compute=compute, is_whole=True, **{"form": ",", **more}))


def _number(unit: str, meaning: str, compute: Callable[[Evidence, Barriers], float], **more: Any) -> Any:
    return _field(Figure("", unit, meaning, compute=compute, **more))


def _mean(unit: str, meaning: str, total: str, count: str, **more: Any) -> Any:
    return _field(Figure("", unit, meaning, mean=Mean(total, count), **{"form": "+.2f", **more}))


def _share(meaning: str, total: str, count: str, **more: Any) -> Any:
    return _mean(SHARE, meaning, total, count, **{"form": ".0f", **more})


def _total(name: str) -> Callable[[Evidence, Barriers], int]:
    return lambda evidence, _: int(evidence.blocks.count(name).sum())


def _tallied(name: str) -> Callable[[Evidence, Barriers], int]:
    return lambda evidence, _: int(getattr(evidence.tally, name))


def _blocks_with(name: str) -> Callable[[Evidence, Barriers], int]:
    return lambda evidence, _: int(np.count_nonzero(evidence.blocks.count(name)))


def _order_field(kind: Any, *place: Any, **more: Any) -> Any:
    """Return a field for a figure of resting orders, made by one of the functions above."""
    shown = (TABLE, REPORT, MLFLOW, LIVE)
    return kind(*place, of_orders=True, since=4, **{"shown": shown, **more})


_MARKOUT_IN_TABLES: Final = "1000ms"


def _markout(after: str, name: str, order: float) -> Any:
    meaning = f"how far the mid lies on the good side of a filled order {after} after its fill"
    total, count = f"markout_{name}", f"marked_{name}"
    more = {"heading": f"markout {after}, ticks", "bare": (TABLE,), "order": order}
    # One delay is enough in a ranking that fits on a screen; reports, JSON and `compare execution=` have all of them.
    shown = (TABLE, REPORT, MLFLOW, LIVE) if name == _MARKOUT_IN_TABLES else (REPORT, MLFLOW, LIVE)
    return _order_field(_mean, "ticks", meaning, total, count, shown=shown, **more)


def _filled_by(reason: str, meaning: str, order: float) -> Any:
    total = f"filled_{reason}"
    shown = (REPORT, MLFLOW, LIVE)
    more = {"heading": f"{reason} % of fills", "bare": (TABLE, REPORT), "order": order, "shown": shown}
    return _order_field(_share, meaning, total, "orders_filled", **more)


def _orders(name: str) -> Callable[[Evidence, Barriers], float]:
    return lambda evidence, _: float(evidence.blocks.order(name).sum())


def _order_count(name: str, meaning: str, live: Callable[[Any], float]) -> Any:
    return _number("orders", meaning, _orders(name), form=",.0f", of_orders=True, since=4, shown=(LIVE,), live=live)


def _median_wait(evidence: Evidence, _barriers: Barriers) -> float:
    return math.nan if evidence.waits_ms is None else _median(evidence.waits_ms)


def _per_hour(evidence: Evidence, _barriers: Barriers) -> float:
    return evidence.tally.n_fires / evidence.tally.hours if evidence.tally.hours else math.nan


def _decided(evidence: Evidence, _barriers: Barriers) -> float:
    tp, sl = (int(evidence.blocks.count(name).sum()) for name in ("mid_tp", "mid_sl"))
    return tp / (tp + sl) if tp + sl else math.nan


def _break_even(_evidence: Evidence, barriers: Barriers) -> float:
    return barriers.sl_ticks / (barriers.tp_ticks + barriers.sl_ticks)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _standard_deviation(evidence: Evidence, _barriers: Barriers) -> float:
    n, total = int(evidence.blocks.count("n_net").sum()), float(evidence.blocks.tick("net_pnl").sum())
    if n < 2:
        return math.nan
    return math.sqrt(max(evidence.tally.net_pnl_squares - total**2 / n, 0.0) / (n - 1))


_Declared = TypeVar("_Declared")


def _with_ends(declared: type[_Declared]) -> type[_Declared]:
    """Return a class of figures in which each mean is followed by fields for the ends of its interval."""
    fields = dict[str, Any]()
    for name, kind in declared.__annotations__.items():
        fields[name] = kind
        for end in vars(declared)[name].metadata[_FIGURE].named(name).names[1:]:
            fields[end] = float
            setattr(declared, end, dataclasses.field())
    declared.__annotations__ = fields
    return declared


@dataclass(frozen=True)
@_with_ends
class Figures:
    """Figures over the fires of a part that are neither censored nor skipped; NaN where there is nothing to average.

    Beside each mean NAME stand NAME_low and NAME_high, the ends of its 95 % interval; NaN with fewer than two blocks.
    """

    if TYPE_CHECKING:

        def __getattr__(self, end: str) -> float: ...

    n_fires: int = _count(
        "fires", "all fires of the part", _tallied("n_fires"), shown=(LIVE,), live=lambda s: s.n_fires
    )
    events_per_hour: float = _number(
        "1/h",
        "all fires, divided by the hours from the warm-up on",
        _per_hour,
        heading="fires per hour",
        label="Fires per hour",
        form=".0f",
        shown=_EVERYWHERE,
        order=60,
        live=lambda s: s.n_fires / s.hours if s.hours else None,
    )
    n_signals: int = _count("fires", "fires judged at the mid", _total("n_mid"), shown=(MLFLOW,))
    n_up: int = _count("fires", "of these upwards", _tallied("n_up"))
    n_down: int = _count("fires", "of these downwards", _tallied("n_down"))
    n_censored: int = _count(
        "fires", "fires censored: walk at the mid does not fit into the data", _tallied("n_censored")
    )
    n_skipped: int = _count("fires", "fires skipped: no mid", _tallied("n_skipped"))
    block_s: int = _count(
        "s", "length of a block: at least four mean walks", lambda evidence, _: evidence.blocks.seconds, since=3
    )
    n_blocks: int = _count("blocks", "blocks with a fire judged at the mid", _blocks_with("n_mid"))
    tp_rate: float = _share(
        "take-profit touched first",
        "mid_tp",
        "n_mid",
        heading="take-profit %",
        label="Take-profit",
        shown=_EVERYWHERE,
        order=20,
    )
    sl_rate: float = _share(
        "stop-loss touched first",
        "mid_sl",
        "n_mid",
        heading="stop-loss %",
        shown=(TABLE, REPORT, MLFLOW),
        bare=(TABLE,),
        order=30,
    )
    timeout_rate: float = _share(
        "neither touched",
        "mid_timeout",
        "n_mid",
        heading="timeout %",
        shown=(TABLE, REPORT, MLFLOW),
        bare=(TABLE,),
        order=40,
    )
    decided_tp_share: float = _number(SHARE, "tp / (tp + sl) at the mid", _decided, form=".0f")
    break_even_tp_share: float = _number(
        SHARE,
        "sl_ticks / (tp_ticks + sl_ticks): a guide only",
        _break_even,
        heading="break-even %",
        form=".0f",
        shown=(TABLE, REPORT, MLFLOW),
        order=25,
    )
    mean_pnl_ticks: float = _mean("ticks", "mean P&L at the mid", "mid_pnl", "n_mid", shown=(MLFLOW,))
    median_time_to_outcome_ms: float = _number(
        "ms", "from the fire to the barrier, tp and sl only", lambda evidence, _: _median(evidence.mid_times_ms)
    )
    n_net: int = _count(
        "fires",
        "fires judged net",
        _total("n_net"),
        heading="fires",
        label="Fires judged",
        shown=_EVERYWHERE,
        order=50,
        live=lambda s: s.net.count,
    )
    n_net_censored: int = _count(
        "fires", "fires censored: walk with its delays does not fit into the data", _tallied("n_net_censored")
    )
    n_net_skipped: int = _count("fires", "fires skipped: no valid book to enter or exit at", _tallied("n_net_skipped"))
    n_net_blocks: int = _count(
        "blocks",
        "blocks with a fire judged net",
        _blocks_with("n_net"),
        heading="blocks",
        shown=(TABLE, REPORT, LIVE),
        order=70,
        below=FEW_BLOCKS,
        live=lambda s: s.net.n_blocks,
    )
    net_pnl_ticks: float = _mean(
        "ticks",
        "mean net P&L",
        "net_pnl",
        "n_net",
        heading="net per fire, ticks",
        label="Net per fire",
        shown=_EVERYWHERE,
        order=22,
    )
    net_pnl_sd_ticks: float = _number(
        "ticks", "standard deviation of the net P&L over fires (n - 1)", _standard_deviation
    )
    net_tp_rate: float = _share("take-profit touched first, of the fires judged net", "net_tp", "n_net")
    net_win_rate: float = _share("net P&L above 0", "net_win", "n_net")
    median_net_time_to_outcome_ms: float = _number(
        "ms", "from the entry to the barrier, tp and sl only", lambda evidence, _: _median(evidence.net_times_ms)
    )
    n_orders: float = _order_count(
        "orders", "resting orders placed for fires, those rejected included", lambda s: s.n_orders
    )
    n_orders_rejected: float = _order_count(
        "orders_rejected", "of these, rejected: they would have traded on arrival", lambda s: s.by_reason[REJECTED]
    )
    n_orders_withdrawn: float = _order_count(
        "orders_withdrawn", "of these, withdrawn after the longest wait", lambda s: s.by_reason[WITHDRAWN]
    )
    n_orders_cleared: float = _order_count(
        "orders_cleared", "of these, ended because the book was restated", lambda s: s.by_reason[CLEARED]
    )
    fill_rate: float = _order_field(
        _share,
        "orders filled, of those placed",
        "orders_filled",
        "orders",
        heading="filled % of orders",
        label="Orders filled",
        shown=_EVERYWHERE,
        bare=(TABLE,),
        order=51,
    )
    median_wait_ms: float = _order_field(
        _number,
        "ms",
        "median time from an order's arrival to its fill",
        _median_wait,
        heading="wait, ms",
        label="Wait for a fill",
        form=",.0f",
        shown=_EVERYWHERE,
        order=52,
        live=lambda s: s.median_wait_ms,
    )
    through_share: float = _filled_by("through", "fills because an order at a worse price was executed", 53)
    behind_share: float = _filled_by("behind", "fills because an order behind in the queue was executed", 54)
    crossed_share: float = _filled_by("crossed", "fills because the other side came to rest at the price", 55)
    markout_100ms_ticks: float = _markout("0.1 s", "100ms", 56)
    markout_1s_ticks: float = _markout("1 s", "1000ms", 57)
    markout_5s_ticks: float = _markout("5 s", "5000ms", 58)
    markout_10s_ticks: float = _markout("10 s", "10000ms", 59)


_FIGURES: Final[dict[str, Figure]] = {
    field.name: field.metadata[_FIGURE].named(field.name)
    for field in dataclasses.fields(Figures)
    if _FIGURE in field.metadata
}
"""Every figure, by name, in the order of the store's columns."""

_OWN: Final = frozenset(_FIGURES)

HEADLINE: Final = _FIGURES["net_pnl_ticks"]
"""What candidates are ranked by."""


def all_figures() -> tuple[Figure, ...]:
    """Return every figure, in the order of the store's columns."""
    return tuple(_FIGURES.values())


def figure_named(name: str) -> Figure:
    """Return one figure. Raises KeyError where there is none of that name."""
    return _FIGURES[name]


def shown_figures(place: str) -> list[Figure]:
    """Return the figures that are shown in a place, from left to right."""
    return sorted((each for each in all_figures() if place in each.shown), key=lambda each: each.order)


@contextmanager
def registered(figure: Figure) -> Iterator[Figure]:
    """Register one more figure, as long as the context lasts.

    Raises ValueError where one of its names is taken.
    """
    taken = {name for each in all_figures() for name in each.names}
    if clash := taken.intersection(figure.names):
        raise ValueError(f"there is a figure {', '.join(sorted(clash))} already")
    _FIGURES[figure.name] = figure
    try:
        yield figure
    finally:
        del _FIGURES[figure.name]


def figures_of(evidence: Evidence, tp_ticks: float, sl_ticks: float) -> Figures:
    """Return the figures of one candidate from its evidence, pooled over its datasets, and its barriers."""
    return figures_from(values_of(all_figures(), evidence, Barriers(tp_ticks, sl_ticks)))


def figures_from(values: Mapping[str, Any]) -> Figures:
    """Return figures with these values: one for each name of each figure."""
    return _type_of(tuple(each for each in all_figures() if each.name not in _OWN))(**values)


@functools.lru_cache(maxsize=16)
def _type_of(more: tuple[Figure, ...]) -> type[Figures]:
    """Return `Figures`, with a field for each name of the figures that are registered beside its own."""
    if not more:
        return Figures
    fields = [(name, int if each.is_whole else float, dataclasses.field()) for each in more for name in each.names]
    made: type[Figures] = dataclasses.make_dataclass("Figures", fields, bases=(Figures,), frozen=True)
    return made
