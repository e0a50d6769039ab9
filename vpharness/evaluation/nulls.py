"""The draws of both nulls, for many candidates at a time: what is drawn once serves them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.draws import direction_coins
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.outcomes import DOWN_ROW, UP_ROW
from vpharness.evaluation.shapes import padded_count
from vpharness.evaluation.split import Part

_ROW_FIRES: Final = 64
_DRAWS_AT_ONCE: Final = 64


@dataclass(frozen=True)
class FireRows:
    """The fires of C candidates in R rows of equal length; each candidate begins a row, empty places fill its last one.

    Attributes:
        bins: [R, row] int64, 0 at empty places.
        directions: [R, row] int8, +1 or -1, 0 at empty places.
        first_rows: [C] int64, where each candidate begins; the rows behind the last candidate's are empty.
    """

    bins: NDArray[np.int64]
    directions: NDArray[np.int8]
    first_rows: NDArray[np.int64]

    @classmethod
    def pack(cls, candidates: Sequence[Fires]) -> "FireRows":
        """Lay out the fires of some candidates, in a number of rows that few sizes are padded to."""
        ends = np.cumsum([n_rows(fires) for fires in candidates])
        first_rows = np.concatenate([[0], ends[:-1]])
        bins = np.zeros(padded_count(int(ends[-1]) * _ROW_FIRES), dtype=np.int64)
        directions = np.zeros(len(bins), dtype=np.int8)
        for fires, first in zip(candidates, first_rows * _ROW_FIRES, strict=True):
            bins[first : first + len(fires)] = fires.bins
            directions[first : first + len(fires)] = fires.directions
        shape = (-1, _ROW_FIRES)
        return cls(bins.reshape(shape), directions.reshape(shape), first_rows)

    @property
    def n_candidates(self) -> int:
        """The number of candidates C."""
        return len(self.first_rows)

    @property
    def table_rows(self) -> NDArray[np.int64]:
        """[R, row] the row of an outcome table for each fire's own direction."""
        return np.where(self.directions > 0, UP_ROW, DOWN_ROW)


def n_rows(fires: Fires) -> int:
    """Return how many rows a candidate takes."""
    return max(-(-len(fires) // _ROW_FIRES), 1)


def timing_draws(
    pnl: jax.Array, rows: FireRows, part: Part, shifts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return [C, D] sums and counts of each candidate's fires, moved by each shift around the circle of the part.

    Args:
        pnl: [2, S] net P&L of a fire at each bin, by direction; NaN where it does not count.
        rows: the candidates.
        part: its bins from the first that may fire on are the circle.
        shifts: [D] bins.
    """
    empty = rows.directions == 0
    offsets = np.where(empty, 0, rows.bins - part.first_fire)
    # What lies behind the last outcome reads as NaN.
    origins = np.where(empty, pnl.size, rows.table_rows * pnl.shape[1] + part.first_fire)
    of_rows = _shifted_sums(
        pnl.reshape(-1),
        origins.astype(np.int32),
        offsets.astype(np.int32),
        np.int32(max(part.n_firing_bins, 1)),
        shifts.astype(np.int32),
    )
    sums, counts = (np.add.reduceat(np.asarray(each), rows.first_rows, axis=0) for each in of_rows)
    return sums, counts


@jax.jit
def _shifted_sums(
    pnl: jax.Array, origins: jax.Array, offsets: jax.Array, n_circle: jax.Array, shifts: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return [R, D] sums and counts of `pnl` at origin + (offset + shift) mod n_circle, over each row of fires."""

    def of_row(row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        origin, offset = row
        moved = offset[:, None] + shifts
        moved = jnp.where(moved >= n_circle, moved - n_circle, moved)
        values = pnl.at[origin[:, None] + moved].get(mode="fill", fill_value=jnp.nan)
        counted = ~jnp.isnan(values)
        return jnp.sum(jnp.where(counted, values, 0.0), axis=0), jnp.sum(counted, axis=0, dtype=values.dtype)

    # One row after the other: all at once would hold draws x fires values in memory, and is slower for it.
    sums, counts = jax.lax.map(of_row, (origins, offsets))
    return sums, counts


def direction_draws(
    pnl: jax.Array, rows: FireRows, blocks: NDArray[np.int64], key: jax.Array, n_draws: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return [C, D] sums and counts of each candidate's fires, under each draw of coins, one coin a block.

    Args:
        pnl: [2, S] net P&L of a fire at each bin, by direction; NaN where it does not count.
        rows: the candidates.
        blocks: [R, row] block of each fire, whatever at empty places.
        key: what the coins are drawn from.
        n_draws: D.
    """
    filled = rows.directions != 0
    numbers, block = np.unique(blocks[filled], return_inverse=True)
    row_owners = np.repeat(np.arange(rows.n_candidates), np.diff(rows.first_rows, append=len(rows.bins)))
    owners = np.broadcast_to(row_owners[:, None], filled.shape)[filled]
    shape = padded_count(len(numbers)), padded_count(rows.n_candidates)
    bins, own_rows, cells = rows.bins[filled], rows.table_rows[filled], block * shape[1] + owners
    outcomes = np.asarray(pnl)
    own = _block_sums(outcomes[own_rows, bins], cells, shape)
    other = _block_sums(outcomes[UP_ROW + DOWN_ROW - own_rows, bins], cells, shape)
    padded_numbers = np.zeros(shape[0], dtype=np.int64)
    padded_numbers[: len(numbers)] = numbers
    drawn = [
        np.asarray(_flipped_sums(_coins(key, numbers_of_draws, padded_numbers), own, other))
        for numbers_of_draws in np.arange(-(-n_draws // _DRAWS_AT_ONCE) * _DRAWS_AT_ONCE).reshape(-1, _DRAWS_AT_ONCE)
    ]
    sums, counts = np.split(np.concatenate(drawn)[:n_draws].T, 2)
    return sums[: rows.n_candidates], counts[: rows.n_candidates]


def _block_sums(values: NDArray[np.float64], cells: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return [B, 2C] the sums, then the counts, of each candidate in each block; values [n] that are NaN are none."""
    counted = ~np.isnan(values)
    size = shape[0] * shape[1]
    sums = np.bincount(cells, np.where(counted, values, 0.0), size)
    counts = np.bincount(cells, counted, size)
    return np.concatenate([sums.reshape(shape), counts.reshape(shape)], axis=1)


@jax.jit
def _coins(key: jax.Array, draws: jax.Array, blocks: jax.Array) -> jax.Array:
    """Return [D, B] bool, whether each draw flips each block."""
    coins: jax.Array = jax.vmap(direction_coins, in_axes=(None, 0, None))(key, draws, blocks)
    return coins


@jax.jit
def _flipped_sums(coins: jax.Array, own: jax.Array, other: jax.Array) -> jax.Array:
    """Return [D, Q] the sums over the blocks of `own` [B, Q], or `other` in those that the draw flips."""
    flipped = coins.astype(own.dtype)
    return flipped @ other + (1.0 - flipped) @ own
