"""What a round trip costs beyond the spread: fees of the exchange and the broker, and a flat cost, in ticks.

Whoever enters with a resting order is a maker there and a taker at the exit; whoever enters at the touch is a taker at
both. A fee is a number of ticks and a share of the price, in basis points (1e-4); below 0 it is a rebate.
"""

from typing import Any, Final

from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation

_BASIS_POINT: Final = 1e-4


def fees_of_entry(evaluation: ResolvedEvaluation) -> tuple[float, float]:
    """Return the fee of entering, ticks and basis points."""
    if evaluation.in_queue:
        return evaluation.maker_fee_ticks, evaluation.maker_fee_bps
    return evaluation.taker_fee_ticks, evaluation.taker_fee_bps


def cost_key(evaluation: ResolvedEvaluation) -> tuple[float, ...]:
    """Return all that costs depend on except prices."""
    ticks, bps = fees_of_entry(evaluation)
    return evaluation.cost_ticks, ticks, bps, evaluation.taker_fee_ticks, evaluation.taker_fee_bps


def is_free(evaluation: ResolvedEvaluation) -> bool:
    """Whether nothing is paid beyond the spread."""
    return not any(cost_key(evaluation))


def has_fees(evaluation: ResolvedEvaluation) -> bool:
    """Whether a fee or a rebate is part of the cost."""
    return any(cost_key(evaluation)[1:])


def depends_on_prices(evaluation: ResolvedEvaluation) -> bool:
    """Whether the cost of a round trip differs from one to the other."""
    return bool(fees_of_entry(evaluation)[1] or evaluation.taker_fee_bps)


def round_trip_cost(evaluation: ResolvedEvaluation, entry_ticks: Any, exit_ticks: Any) -> Any:
    """Return the cost of round trips, ticks, given the prices of entry and exit in ticks, as numbers or arrays."""
    entry_fee, entry_bps = fees_of_entry(evaluation)
    flat = evaluation.cost_ticks + entry_fee + evaluation.taker_fee_ticks
    if not depends_on_prices(evaluation):
        return flat
    return flat + _BASIS_POINT * (entry_bps * abs(entry_ticks) + evaluation.taker_fee_bps * abs(exit_ticks))
