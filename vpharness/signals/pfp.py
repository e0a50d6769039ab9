"""pfp: how far the inner zone leads the outer one, in building and in pulling."""

from dataclasses import dataclass

from jax import Array

from vpharness.parameters import parameter
from vpharness.signals.core.clock import Clock
from vpharness.signals.core.definition import SignalParameters, signal
from vpharness.signals.core.grid import Grid

INNER_ZONE = (1, 3)
OUTER_ZONE = (5, 12)
"""The first and last distance of a zone, in ticks."""


@dataclass(frozen=True)
class Pfp(SignalParameters):
    """Parameters of pfp."""

    lag_bins: int = parameter(5, meaning="how long ago the outer zone is looked at", unit="bins", minimum=1)
    ema_alpha: float = parameter(0.1, meaning="weight of the newest product in its average", above=0, maximum=1)
    add_weight: float = parameter(0.6, meaning="weight of the lead in building")
    pull_weight: float = parameter(0.4, meaning="weight of the lead in pulling")
    eps: float = parameter(1e-12, meaning="keeps the ratio finite where nothing happens", above=0)


@signal(columns=("v_add", "v_fill", "v_pull"))
def pfp(time: Clock, grid: Grid, p: Pfp) -> Array:
    """Inner zone's activity times the outer zone's earlier one, against the same without delay, bid less ask."""

    def zone_means(column: Array, zone: tuple[int, int]) -> tuple[Array, Array]:
        first, last = zone
        return grid.sides(column, grid.band(first, last) / (last - first + 1))

    def lead(inner: Array, outer: Array) -> Array:
        delayed = time.ema(inner * time.lag(outer, p.lag_bins), p.ema_alpha)
        return delayed / (time.ema(inner * outer, p.ema_alpha) + p.eps)

    def bid_less_ask(column: Array) -> Array:
        (inner_bid, inner_ask), (outer_bid, outer_ask) = zone_means(column, INNER_ZONE), zone_means(column, OUTER_ZONE)
        return lead(inner_bid, outer_bid) - lead(inner_ask, outer_ask)

    return p.add_weight * bid_less_ask(grid.v_add + grid.v_fill) - p.pull_weight * bid_less_ask(grid.v_pull)
