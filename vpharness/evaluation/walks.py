"""Walks: outcomes of fires bin by bin, by the same rules as `fire_outcomes` looks them up in a whole dataset.

The barriers of all open fires are compared with each bin's mid. What else a walk has to know, the last mid there was
and the first book that could be left at behind it, belongs to the market and is kept once for all of them.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.costs import round_trip_cost
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation
from vpharness.evaluation.outcomes import OUTCOME_NAMES, SKIPPED, STOP_LOSS, TAKE_PROFIT, TIMEOUT
from vpharness.evaluation.passage import reaches
from vpharness.prices import has_mid, tick_size_to_price


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
        exit_bin: bin of the barrier, or the last bin walked; the fire's own where skipped.
        pnl_ticks: NaN where skipped; net of the cost for the net outcome.
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
        at_mid: outcome at the mid; None while it is not known.
        entry: (mid, touch in 1e-9 price units) at the bin of entry; None before it.
        net_end: (code, bin) in which the walk from the entry has ended; None before.
        net: net outcome; None while it is not known.
    """

    bin: int
    direction: int
    mid_price: float
    at_mid: WalkOutcome | None = None
    entry: tuple[float, int] | None = None
    net_end: tuple[int, int] | None = None
    net: WalkOutcome | None = None

    @property
    def is_known(self) -> bool:
        """Whether both outcomes are."""
        return self.at_mid is not None and self.net is not None


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
    """

    known: tuple[OpenFire, ...]
    mid_due: tuple[OpenFire, ...]
    net_due: tuple[OpenFire, ...]


def require_touch(evaluation: ResolvedEvaluation) -> None:
    """Raise ConfigError where fires are not entered at the touch: bin by bin, nothing else is followed."""
    if evaluation.in_queue:
        raise ConfigError(
            f"entries rest in a queue (eval.fill={evaluation.fill}), and live fires are entered at the touch alone; "
            "judge and promote the signal with eval.fill=touch"
        )


def advance_walks(
    state: WalkState, quote: Quote, direction: int, evaluation: ResolvedEvaluation, tick_size: float
) -> tuple[WalkState, Advance]:
    """Return the state after the next bin, and the fires whose outcome it decides.

    Args:
        state: what the last call returned, or `WalkState()` before the first bin.
        quote: the bin.
        direction: +1 or -1 where it fires, 0 where it does not.
        evaluation: how fires are judged; the same in every call.
        tick_size: price units a tick.
    """
    now = state.next_bin
    last_mid, behind = (now, quote.mid) if quote.has_mid else state.last_mid, state.behind
    if last_mid[0] == now:
        behind = None
    if behind is None and quote.book_valid and now >= last_mid[0] + evaluation.exit_delay_bins:
        behind = quote.touch
    moment = _Moment(now, quote, last_mid, behind, evaluation, tick_size)
    before = state.fires + ((OpenFire(now, direction, quote.mid if quote.has_mid else math.nan),) if direction else ())
    after = tuple(_walked_net(_walked_at_mid(fire, moment), moment) for fire in before)
    due = [fire.net is not None and now >= fire.bin + evaluation.net_reach_bins for fire in after]
    advance = Advance(
        known=tuple(new for old, new in zip(before, after, strict=True) if new.is_known and not old.is_known),
        mid_due=tuple(fire for fire in after if now == fire.bin + evaluation.mid_reach_bins),
        net_due=tuple(fire for fire, is_due in zip(after, due, strict=True) if is_due),
    )
    fires = tuple(fire for fire, is_due in zip(after, due, strict=True) if not is_due)
    return WalkState(now + 1, last_mid, behind, fires), advance


@dataclass(frozen=True)
class _Moment:
    """A bin as every walk sees it; `last_mid` and `behind` are those of `WalkState`, this bin included."""

    bin: int
    quote: Quote
    last_mid: tuple[int, float]
    behind: tuple[int, int] | None
    evaluation: ResolvedEvaluation
    tick_size: float

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


def _walked_net(fire: OpenFire, moment: _Moment) -> OpenFire:
    """Enter at the touch, walk from the mid there, and leave at the touch of the first book that can be left at."""
    if fire.net is not None:
        return fire
    quote, start = moment.quote, fire.bin + moment.evaluation.entry_delay_bins
    can_enter = quote.book_valid and quote.has_mid
    if quote.touch is None or (moment.bin == start and not can_enter):
        return replace(fire, net=_skipped(fire))
    if moment.bin == start:
        bid, ask = quote.touch
        fire = replace(fire, entry=(quote.mid, ask if fire.direction > 0 else bid))
    if fire.entry is None:
        return fire
    if fire.net_end is not None:
        return _left(fire, fire.entry[1], fire.net_end, quote.touch if quote.book_valid else None, moment)
    end = moment.walk_end(start, fire.entry[0], fire.direction)
    if end is None:
        return fire
    # A walk that times out ends at the last mid there was: the book to leave at may have come since.
    return _left(replace(fire, net_end=end), fire.entry[1], end, moment.behind, moment)


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
