"""Walks: outcomes of fires bin by bin, by the same rules as `fire_outcomes` looks them up in a whole dataset.

Where entries rest in the queue, a fire first waits for the fate of its order, which others follow and hand in; a walk
begins in the bin in which it was filled, and the price paid is the order's own.

The barriers of all open fires are compared with each bin's mid. What else a walk has to know, the last mid there was
and the first book that could be left at behind it, belongs to the market and is kept once for all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.costs import round_trip_cost
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.outcomes import OUTCOME_NAMES, SKIPPED, STOP_LOSS, TAKE_PROFIT, TIMEOUT, UNFILLED
from vpharness.evaluation.passage import reaches
from vpharness.evaluation.queue_fills import MARKOUT_MS
from vpharness.order_fates import NONE, OPEN, VirtualOrder
from vpharness.prices import has_mid, tick_size_to_price

_NS_PER_MS: Final = 1_000_000
_NO_MARKS: Final[tuple[float | None, ...]] = (None,) * len(MARKOUT_MS)


@dataclass(frozen=True)
class Quote:
    """The prices of a bin, as judging fires needs them.

    Attributes:
        mid: mid price in price units; 0, or NaN, where there is none.
        book_valid: whether one can enter and leave at the touch.
        touch: best bid and best ask, 1e-9 price units; None where the data have none: every net outcome is skipped.
        start_ns: when the bin begins, ns since the Unix epoch.
    """

    mid: float
    book_valid: bool
    touch: tuple[int, int] | None
    start_ns: int = 0

    @property
    def has_mid(self) -> bool:
        """Whether there is a mid."""
        return bool(has_mid(self.mid, self.book_valid))

    @classmethod
    def of_row(cls, row: NDArray[np.void], *, has_best_prices: bool = True) -> "Quote":
        """Return the quote of a bin [1], a row of `bins.parquet`."""
        values: dict[str, Any] = dict(zip(row.dtype.names or (), row[0].item(), strict=True))
        touch = (values["best_bid_price_int"], values["best_ask_price_int"]) if has_best_prices else None
        return cls(values["mid_price"], values["book_valid"], touch, values["bin_start_ns"])


@dataclass(frozen=True)
class WalkOutcome:
    """The outcome of one walk of a fire.

    Attributes:
        code: outcome code, see OUTCOME_NAMES; never censored, which live is what has not ended.
        exit_bin: bin of the barrier, or the last bin walked; the fire's own where skipped or unfilled.
        pnl_ticks: NaN where skipped or unfilled; net of the cost for the net outcome.
    """

    code: int
    exit_bin: int
    pnl_ticks: float

    @property
    def name(self) -> str:
        """The outcome in words."""
        return OUTCOME_NAMES[self.code]


@dataclass(frozen=True)
class OpenFire:
    """A fire, and what is known of its two walks so far.

    Attributes:
        bin: bin of the fire, counted from the first bin that `advance_walks` was given.
        direction: +1 or -1.
        mid_price: the mid there; NaN where there is none.
        decided_ns: when that bin ended, ns since the Unix epoch.
        at_mid: outcome at the mid; None while it is not known.
        order: its resting order, once its fate is known; None before, and where it enters at the touch.
        markout_ticks: how far the mid lay on the good side of a filled order, for each of MARKOUT_MS; None before.
        entry: the bin of entry, the mid there, and the price paid in 1e-9 price units; None before it.
        net_end: (code, bin) in which the walk from the entry has ended; None before.
        net: net outcome; None while it is not known.
    """

    bin: int
    direction: int
    mid_price: float
    decided_ns: int = 0
    at_mid: WalkOutcome | None = None
    order: VirtualOrder | None = None
    markout_ticks: tuple[float | None, ...] = _NO_MARKS
    entry: tuple[int, float, int] | None = None
    net_end: tuple[int, int] | None = None
    net: WalkOutcome | None = None

    @property
    def is_known(self) -> bool:
        """Whether both outcomes are."""
        return self.at_mid is not None and self.net is not None

    @property
    def waits_for_marks(self) -> bool:
        """Whether its order was filled, and the market has not gone on long enough to say how that turned out."""
        return self.order is not None and self.order.is_filled and None in self.markout_ticks


@dataclass(frozen=True)
class WalkState:
    """The state between two bins, as large as there are fires whose walk, or search for a book, is not over.

    Attributes:
        next_bin: number of the next bin.
        last_mid: (bin, mid) of the last bin with a mid; bin -1 before the first.
        behind: the touch of the first valid book from that bin and the exit delay on; None where none has come yet.
        fires: fires whose whole walk has not fitted in yet, or whose outcome is not known.
    """

    next_bin: int = 0
    last_mid: tuple[int, float] = (-1, math.nan)
    behind: tuple[int, int] | None = None
    fires: tuple[OpenFire, ...] = ()


@dataclass(frozen=True)
class Advance:
    """The fires whose outcome became known, or due, with a bin.

    Attributes:
        known: fires of which both outcomes are known since this bin, the earliest at which they can be.
        mid_due, net_due: fires whose whole walk, at the mid and with its delays, fits into the bins seen since this
            one. Figures are made of these: those known early alone would be too many stops and profits near by.
        orders_due: fires whose longest possible walk fits since this bin: their orders count from here on.
        marked: such fires, each with the place among MARKOUT_MS of a markout that counts from here on.
    """

    known: tuple[OpenFire, ...]
    mid_due: tuple[OpenFire, ...]
    net_due: tuple[OpenFire, ...]
    orders_due: tuple[OpenFire, ...] = ()
    marked: tuple[tuple[OpenFire, int], ...] = ()


def require_constant_latency(evaluation: ResolvedEvaluation) -> None:
    """Raise ConfigError where resting orders have recorded latencies: nobody knows them before they have happened."""
    if evaluation.latency_digest:
        raise ConfigError(
            f"orders have the recorded latencies {evaluation.latency_digest} (eval.latency_path), which end with their "
            "file: a live session needs a constant eval.latency_ms; run and promote the signal with one"
        )


def advance_walks(
    state: WalkState,
    quote: Quote,
    direction: int,
    evaluation: ResolvedEvaluation,
    tick_size: float,
    orders: Sequence[VirtualOrder] = (),
) -> tuple[WalkState, Advance]:
    """Return the state after the next bin, and the fires whose outcome it decides.

    Args:
        state: what the last call returned, or `WalkState()` before the first bin.
        quote: the bin.
        direction: +1 or -1 where it fires, 0 where it does not.
        evaluation: how fires are judged; the same in every call.
        tick_size: price units a tick.
        orders: where entries rest, the orders whose fate has become known in this bin, other models' included.
    """
    now = state.next_bin
    last_mid, behind = (now, quote.mid) if quote.has_mid else state.last_mid, state.behind
    if last_mid[0] == now:
        behind = None
    if behind is None and quote.book_valid and now >= last_mid[0] + evaluation.exit_delay_bins:
        behind = quote.touch
    end_ns = quote.start_ns + round(evaluation.cell_width_ms * _NS_PER_MS)
    fates = {(each.decided_ns, each.direction): each for each in orders if each.reason != OPEN}
    moment = _Moment(now, end_ns, quote, last_mid, behind, evaluation, tick_size, fates)
    before = state.fires
    if direction:
        before += (OpenFire(now, direction, quote.mid if quote.has_mid else math.nan, end_ns),)
    after = tuple(_walked_net(_walked_at_mid(_with_order(fire, moment), moment), moment) for fire in before)
    fires = tuple(fire for fire in after if _is_open(fire, now, evaluation))
    return WalkState(now + 1, last_mid, behind, fires), _advance(before, after, now, evaluation)


def _advance(
    before: Sequence[OpenFire], after: Sequence[OpenFire], now: int, evaluation: ResolvedEvaluation
) -> Advance:
    pairs = list(zip(before, after, strict=True))
    due_from = {fire.bin: fire.bin + evaluation.net_reach_bins for fire in after}
    return Advance(
        known=tuple(new for old, new in pairs if new.is_known and not old.is_known),
        mid_due=tuple(fire for fire in after if now == fire.bin + evaluation.mid_reach_bins),
        net_due=tuple(
            new
            for old, new in pairs
            if new.net is not None and (now == due_from[new.bin] or (now > due_from[new.bin] and old.net is None))
        ),
        orders_due=tuple(fire for fire in after if fire.order is not None and now == due_from[fire.bin]),
        marked=tuple(
            (new, place)
            for old, new in pairs
            if now >= due_from[new.bin]
            for place, mark in enumerate(new.markout_ticks)
            if mark is not None and (now == due_from[new.bin] or old.markout_ticks[place] is None)
        ),
    )


def _is_open(fire: OpenFire, now: int, evaluation: ResolvedEvaluation) -> bool:
    return fire.net is None or now < fire.bin + evaluation.net_reach_bins or fire.waits_for_marks


@dataclass(frozen=True)
class _Moment:
    """A bin as every walk sees it; `last_mid` and `behind` are those of `WalkState`, this bin included.

    `fates` are the orders whose fate has become known in it, by the time of their decision and their direction.
    """

    bin: int
    end_ns: int
    quote: Quote
    last_mid: tuple[int, float]
    behind: tuple[int, int] | None
    evaluation: ResolvedEvaluation
    tick_size: float
    fates: Mapping[tuple[int, int], VirtualOrder]

    @property
    def can_enter(self) -> bool:
        """Whether a walk can begin here."""
        return self.quote.book_valid and self.quote.has_mid

    def walk_end(self, start: int, start_mid: float, direction: int) -> tuple[int, int] | None:
        """Return the code of a walk and the bin in which it ends, where this bin ends it."""
        evaluation = self.evaluation
        if self.bin > start and self.quote.has_mid:
            moved = direction * (self.quote.mid - start_mid)
            if reaches(-moved, evaluation.sl_ticks, self.tick_size):
                return STOP_LOSS, self.bin
            if reaches(moved, evaluation.tp_ticks, self.tick_size):
                return TAKE_PROFIT, self.bin
        return (TIMEOUT, self.last_mid[0]) if self.bin == start + evaluation.max_hold_bins - 1 else None


def _walked_at_mid(fire: OpenFire, moment: _Moment) -> OpenFire:
    """Walk from the fire's own mid."""
    if fire.at_mid is not None:
        return fire
    if math.isnan(fire.mid_price):
        return replace(fire, at_mid=_skipped(fire))
    end = moment.walk_end(fire.bin, fire.mid_price, fire.direction)
    if end is None:
        return fire
    moved = fire.direction * (moment.last_mid[1] - fire.mid_price)
    return replace(fire, at_mid=WalkOutcome(*end, moved / moment.tick_size))


def _with_order(fire: OpenFire, moment: _Moment) -> OpenFire:
    """Note the fate of a fire's order, and how the market went on behind its fill."""
    if fire.order is None and (order := moment.fates.get((fire.decided_ns, fire.direction))) is not None:
        fire = replace(fire, order=order)
    if not fire.waits_for_marks or fire.order is None or not moment.can_enter:
        return fire
    price_ticks = fire.order.price / tick_size_to_price(moment.tick_size)
    mark = fire.direction * (moment.quote.mid / moment.tick_size - price_ticks)
    return replace(
        fire,
        markout_ticks=tuple(
            mark if known is None and moment.end_ns >= fire.order.fill_ns + after_ms * _NS_PER_MS else known
            for known, after_ms in zip(fire.markout_ticks, MARKOUT_MS, strict=True)
        ),
    )


def _walked_net(fire: OpenFire, moment: _Moment) -> OpenFire:
    """Enter, walk from the mid there, and leave at the touch of the first book that can be left at."""
    if fire.net is not None:
        return fire
    quote = moment.quote
    if quote.touch is None:
        return replace(fire, net=_skipped(fire))
    if fire.entry is None:
        enter = _entered_by_order if moment.evaluation.in_queue else _entered_at_touch
        fire = enter(fire, quote.touch, moment)
    if fire.entry is None or fire.net is not None:
        return fire
    start, start_mid, paid = fire.entry
    if fire.net_end is not None:
        return _left(fire, paid, fire.net_end, quote.touch if quote.book_valid else None, moment)
    end = moment.walk_end(start, start_mid, fire.direction)
    if end is None:
        return fire
    # A walk that times out ends at the last mid there was: the book to leave at may have come since.
    return _left(replace(fire, net_end=end), paid, end, moment.behind, moment)


def _entered_at_touch(fire: OpenFire, touch: tuple[int, int], moment: _Moment) -> OpenFire:
    """Enter once the delay is over."""
    if moment.bin != fire.bin + moment.evaluation.entry_delay_bins:
        return fire
    if not moment.can_enter:
        return replace(fire, net=_skipped(fire))
    bid, ask = touch
    return replace(fire, entry=(moment.bin, moment.quote.mid, ask if fire.direction > 0 else bid))


def _entered_by_order(fire: OpenFire, _touch: tuple[int, int], moment: _Moment) -> OpenFire:
    """Enter in the bin in which the order is filled; one that was not filled is no trade."""
    if moment.bin == fire.bin and not moment.quote.book_valid:
        return replace(fire, net=_skipped(fire))  # there is no touch to place an order at
    if fire.order is None:
        return fire
    if fire.order.reason == NONE or (fire.order.is_filled and not moment.can_enter):
        return replace(fire, net=_skipped(fire))
    if not fire.order.is_filled:
        return replace(fire, net=WalkOutcome(UNFILLED, fire.bin, math.nan))
    return replace(fire, entry=(moment.bin, moment.quote.mid, fire.order.price))


def _left(
    fire: OpenFire, paid: int, ended: tuple[int, int], touch: tuple[int, int] | None, moment: _Moment
) -> OpenFire:
    """Leave a position, whose walk has ended, at a touch where there is one, or give up the search in time."""
    (code, end), evaluation = ended, moment.evaluation
    earliest = end + evaluation.exit_delay_bins
    if touch is not None and moment.bin >= earliest:
        bid, ask = touch
        received = bid if fire.direction > 0 else ask
        tick = tick_size_to_price(moment.tick_size)
        cost = round_trip_cost(evaluation, paid / tick, received / tick)
        pnl = fire.direction * (received - paid) / tick - cost
        return replace(fire, net=WalkOutcome(code, end, pnl))
    if moment.bin >= earliest + evaluation.max_hold_bins - 1:
        return replace(fire, net=_skipped(fire))
    return fire


def _skipped(fire: OpenFire) -> WalkOutcome:
    return WalkOutcome(SKIPPED, fire.bin, math.nan)
