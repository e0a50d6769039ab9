"""The cells that a signal reads: columns around spot, and sums over their two sides."""

from collections.abc import Iterable, Mapping

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


class Grid:
    """The cells of T bins: each column that the signal declares is an attribute, [T, K] float64, k = -radius..radius.

    So is each series of the bins that it declares: [T] float64.

    Attributes:
        k: [K] ticks from spot: below it negative, above it positive.
        distance: [radius] the distances of each side's cells from spot, 1..radius, in ticks.
        reaches: the distances up to which cells were asked for (see `reach`).
    """

    # Said here, so that the class knows of each: a column of such a name could not be read.
    __slots__ = ("_columns", "distance", "k", "reaches")

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self._columns = columns
        radius = next(column.shape[1] // 2 for column in columns.values() if column.ndim > 1)
        self.k = jnp.arange(-radius, radius + 1, dtype=jnp.float64)
        self.distance = jnp.arange(1, radius + 1, dtype=jnp.float64)
        self.reaches: list[Array] = []

    def __getattr__(self, name: str) -> Array:
        """Return the column of that name."""
        try:
            return self._columns[name]
        except KeyError:
            declared = ", ".join(self._columns)
            raise AttributeError(f"the signal reads column {name!r} but declares {declared}: add it there") from None

    def reach(self, distance: ArrayLike) -> None:
        """Declare that cells up to |k| = `distance` are needed: a smaller grid is refused before anything runs."""
        self.reaches.append(jnp.asarray(distance, dtype=jnp.int64))

    def band(self, first: ArrayLike, last: ArrayLike) -> Array:
        """Return 1 at the distances first..last and 0 elsewhere: [radius]."""
        self.reach(last)
        inside = (self.distance >= jnp.asarray(first, jnp.float64)) & (self.distance <= jnp.asarray(last, jnp.float64))
        return inside.astype(jnp.float64)

    def sides(self, column: Array, weights: Array) -> tuple[Array, Array]:
        """Return the weighted sums over the cells below and above spot, each [T].

        `weights` [radius] are by distance and mirrored: the bid's side is negative k. Several of them at once, as
        [M, radius], read the column once and give sums [M, T].
        """
        none = jnp.zeros((*weights.shape[:-1], len(self.distance) + 1))
        bid = jnp.concatenate([weights[..., ::-1], none], axis=-1)
        ask = jnp.concatenate([none, weights], axis=-1)
        below, above = jnp.tensordot(jnp.stack([bid, ask]), column, axes=(-1, -1))
        return below, above

    def bid_less_ask(self, column: Array, weights: Array) -> Array:
        """Return the weighted sum over the cells below spot less that over the cells above it: [T]."""
        bid, ask = self.sides(column, weights)
        return bid - ask


def normalised(weights: Array) -> Array:
    """Return the weights scaled to the sum 1."""
    return weights / jnp.sum(weights)


def shadowed(columns: Iterable[str]) -> list[str]:
    """Return those column names that a signal could not read, since a grid has an attribute of that name."""
    return [name for name in columns if name in dir(Grid)]
