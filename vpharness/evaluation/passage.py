"""First-passage tables: for every bin, direction and barrier, in how many bins the mid first gets there.

The tables belong to the dataset alone. Every run, threshold, pair of barriers and draw of a null looks its outcomes
up in them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.dataset_view import DatasetView, padded_bins
from vpharness.prices import tick_size_to_price

if TYPE_CHECKING:
    import jax

TICK_TOLERANCE: Final = 1e-9
"""Distances in ticks are compared with this tolerance: a float mid never misses a barrier that it stands on."""

Value = TypeVar("Value", bound=np.generic)
Number = TypeVar("Number", float, "jax.Array")


def reaches(distance: Number, barrier: float, tick_size: float) -> Any:
    """Return whether a distance in price units is at least the barrier, which is in ticks."""
    return distance / tick_size >= barrier - TICK_TOLERANCE


@dataclass(frozen=True)
class PassageTables:
    """The first-passage tables for T bins padded to S.

    Attributes:
        barriers: the distances of the tables in ticks, ascending.
        horizon_bins: walks of up to this many bins can be looked up.
        rises: for each barrier [S] int32, bins until the mid first stands at least the barrier above where it is at
            the bin; `horizon_bins` where it does not within the horizon or the data.
        falls: the same below.
        mid: [S] float64, mid in price units, NaN where there is none.
        last_mid: [S] int32, the last bin at or before each bin that has a mid; -1 where there is none.
        next_book: [S] int32, the first bin at or after each bin whose book is valid; S where there is none.
        best_bid: [S] int64, 1e-9 price units, or None.
        best_ask: [S] int64, 1e-9 price units, or None.
        tick_size: price units a tick.
    """

    barriers: tuple[float, ...]
    horizon_bins: int
    rises: "tuple[jax.Array, ...]"
    falls: "tuple[jax.Array, ...]"
    mid: "jax.Array"
    last_mid: "jax.Array"
    next_book: "jax.Array"
    best_bid: "jax.Array | None"
    best_ask: "jax.Array | None"
    tick_size: float

    @property
    def tick_size_nano(self) -> int:
        """A tick in 1e-9 price units."""
        return tick_size_to_price(self.tick_size)


def first_passage_tables(dataset: DatasetView, barriers: Iterable[float], max_hold_bins: int) -> PassageTables:
    """Compute the tables of a dataset for a set of distances in ticks and walks of up to `max_hold_bins`.

    Work: O(S log max_hold) for each barrier, by binary descent in a table of maxima over 1, 2, 4, … bins.
    """
    import jax.numpy as jnp  # noqa: PLC0415  # JAX, which takes a second to load

    from vpharness.evaluation import compiled_loops  # noqa: PLC0415  # compiled by JAX

    ascending = tuple(sorted({float(barrier) for barrier in barriers}))
    size = padded_bins(dataset.n_bins)
    levels = max(max_hold_bins - 1, 1).bit_length()
    has_mid = _padded(dataset.has_mid, size, fill=False)
    mid = jnp.asarray(np.where(has_mid, _padded(dataset.mid, size, 0), np.nan))
    highest = compiled_loops.highest_ahead(jnp.where(has_mid, mid, -jnp.inf), levels)
    lowest = -compiled_loops.highest_ahead(jnp.where(has_mid, -mid, -jnp.inf), levels)
    passages = [compiled_loops.first_passage(mid, highest, lowest, barrier, dataset.tick_size) for barrier in ascending]
    return PassageTables(
        barriers=ascending,
        horizon_bins=2**levels,
        rises=tuple(rise for rise, _ in passages),
        falls=tuple(fall for _, fall in passages),
        mid=mid,
        last_mid=jnp.asarray(_last_with(has_mid)),
        next_book=jnp.asarray(_next_with(_padded(dataset.book_valid, size, fill=False))),
        best_bid=None if dataset.best_bid is None else jnp.asarray(_padded(dataset.best_bid, size, 0)),
        best_ask=None if dataset.best_ask is None else jnp.asarray(_padded(dataset.best_ask, size, 0)),
        tick_size=dataset.tick_size,
    )


def _padded(values: NDArray[Value], size: int, fill: float) -> NDArray[Value]:
    whole = np.full(size, fill, dtype=values.dtype)
    whole[: values.shape[0]] = values
    return whole


def _last_with(present: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return [S] int32 the last bin at or before each bin that is present; -1 where there is none."""
    index = np.arange(len(present), dtype=np.int32)
    return np.maximum.accumulate(np.where(present, index, np.int32(-1)))


def _next_with(present: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return [S] int32 the first bin at or after each bin that is present; S where there is none."""
    index = np.arange(len(present), dtype=np.int32)
    return np.minimum.accumulate(np.where(present, index, np.int32(len(present)))[::-1])[::-1]
