"""The sums over the fires of a block: one definition for batch and live evaluation.

Each definition takes the outcome code of a fire (see `OUTCOME_NAMES`) and its P&L in ticks, as numbers or as arrays of
equal length, and returns what the fire adds to the sum. Those over resting orders take the orders of all fires.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.blocks import ORDERS
from vpharness.evaluation.outcomes import SKIPPED, STOP_LOSS, TAKE_PROFIT, TIMEOUT, FireOrders
from vpharness.evaluation.passage import TICK_TOLERANCE
from vpharness.evaluation.queue_fills import MARKOUT_MS
from vpharness.order_fates import BEHIND, CLEARED, CROSSED, REJECTED, THROUGH, WITHDRAWN


@dataclass(frozen=True)
class FireSum:
    """One sum over fires.

    Attributes:
        is_net: whether it is over the net outcomes, entered and left at the touch; over those at the mid otherwise.
        value: from a fire's outcome code and P&L, ticks, to what it adds; a truth value counts as 1 or 0.
    """

    is_net: bool
    value: Callable[[Any, Any], Any]


def _judged(code: Any, _pnl: Any) -> Any:
    return code < SKIPPED


def _ended(outcome: int) -> Callable[[Any, Any], Any]:
    return lambda code, _pnl: code == outcome


def _pnl(_code: Any, pnl: Any) -> Any:
    return pnl


def _above_zero(code: Any, pnl: Any) -> Any:
    return (code < SKIPPED) & (pnl > TICK_TOLERANCE)


FIRE_SUMS: Final[Mapping[str, FireSum]] = {
    "n_mid": FireSum(is_net=False, value=_judged),
    "mid_tp": FireSum(is_net=False, value=_ended(TAKE_PROFIT)),
    "mid_sl": FireSum(is_net=False, value=_ended(STOP_LOSS)),
    "mid_timeout": FireSum(is_net=False, value=_ended(TIMEOUT)),
    "n_net": FireSum(is_net=True, value=_judged),
    "net_tp": FireSum(is_net=True, value=_ended(TAKE_PROFIT)),
    "net_sl": FireSum(is_net=True, value=_ended(STOP_LOSS)),
    "net_win": FireSum(is_net=True, value=_above_zero),
    "mid_pnl": FireSum(is_net=False, value=_pnl),
    "net_pnl": FireSum(is_net=True, value=_pnl),
}
"""By the name under which the store keeps them. The sum `excess` is missing: it compares a fire with the market."""

_REASON_SUMS: Final = {
    "filled_through": THROUGH,
    "filled_behind": BEHIND,
    "filled_crossed": CROSSED,
    "orders_rejected": REJECTED,
    "orders_withdrawn": WITHDRAWN,
    "orders_cleared": CLEARED,
}


def order_sums(orders: FireOrders) -> NDArray[np.float64]:
    """Return [n, len(ORDERS)] what the resting orders of n fires add to the sums ORDERS of their blocks."""
    placed, filled = orders.placed, orders.filled
    sums = np.zeros((len(ORDERS), len(placed)))
    of = dict(zip(ORDERS, sums, strict=True))
    of["orders"][:], of["orders_filled"][:] = placed, filled
    for name, reason in _REASON_SUMS.items():
        of[name][:] = placed & (orders.reason == reason)
    for after_ms, markouts in zip(MARKOUT_MS, orders.markout_ticks, strict=True):
        marked = filled & np.isfinite(markouts)
        of[f"marked_{after_ms}ms"][:] = marked
        np.copyto(of[f"markout_{after_ms}ms"], markouts, where=marked)
    return np.ascontiguousarray(sums.T)
