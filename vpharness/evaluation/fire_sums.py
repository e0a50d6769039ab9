"""The sums over the fires of a block: one definition for batch and live evaluation.

Each definition takes the outcome code of a fire (see `OUTCOME_NAMES`) and its P&L in ticks, as numbers or as arrays of
equal length, and returns what the fire adds to the sum.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpharness.evaluation.outcomes import SKIPPED, STOP_LOSS, TAKE_PROFIT, TIMEOUT
from vpharness.evaluation.passage import TICK_TOLERANCE


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
