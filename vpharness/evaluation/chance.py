"""Chance: what the same fires would have made, moved in time together or flipped in direction by blocks.

Both nulls draw from uniforms that belong to the dataset, not to the run: the same draws serve every candidate, today's
and later ones, so that candidates can be compared under each draw.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.draws import DIRECTION, TIMING, direction_coins, null_key, timing_shifts
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.outcomes import DOWN_ROW, UP_ROW, OutcomeTable
from vpharness.evaluation.parameters import ResolvedEvaluation
from vpharness.evaluation.shapes import padded_count
from vpharness.evaluation.split import Part


@dataclass(frozen=True)
class DrawnSums:
    """Sums and counts under each of D draws of one null.

    Attributes:
        sums: [D] float64, ticks.
        counts: [D] float64, fires that are neither censored nor skipped.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """Net P&L before cost of one candidate's fires, as they are and under both nulls; it adds over datasets.

    Cost shifts every draw alike and changes no comparison.

    Attributes:
        observed_sum: ticks, over the fires that are neither censored nor skipped.
        observed_count: the number of these fires.
        timing: the draws that move all fires around the circle of the part's bins.
        direction: the draws that flip the direction of whole blocks.
    """

    observed_sum: float
    observed_count: float
    timing: DrawnSums
    direction: DrawnSums

    @classmethod
    def pool(cls, several: Sequence["Chance"]) -> "Chance":
        """Add up one candidate's sums over several datasets."""
        return cls(
            sum(each.observed_sum for each in several),
            sum(each.observed_count for each in several),
            _added([each.timing for each in several]),
            _added([each.direction for each in several]),
        )


def _added(several: Sequence[DrawnSums]) -> DrawnSums:
    return DrawnSums(np.sum([each.sums for each in several], axis=0), np.sum([each.counts for each in several], axis=0))


def chance_of(dataset: DatasetView, table: OutcomeTable, part: Part, candidates: Sequence[Fires]) -> tuple[Chance, ...]:
    """Return the sums of each candidate under both nulls; equal fires are drawn once.

    Args:
        dataset: what seeds the draws.
        table: outcomes of every bin of the dataset.
        part: where the fires are moved, and within which walks must fit.
        candidates: for each candidate its fires in the part.
    """
    evaluation = table.evaluation
    shifts = timing_shifts(null_key(dataset, evaluation.null_seed, TIMING), part, evaluation.null_draws)
    coin_key = null_key(dataset, evaluation.null_seed, DIRECTION)
    pnl = _fitting(table.net_pnl, part.limit - evaluation.net_reach_bins)
    digests = [fires.digest for fires in candidates]
    known: dict[str, Chance] = {}
    for digest, fires in zip(digests, candidates, strict=True):
        if digest not in known:
            observed, timing = _timing_draws(pnl, fires, part, shifts)
            direction = _direction_draws(pnl, fires, part, coin_key, evaluation)
            known[digest] = Chance(*observed, timing, direction)
    return tuple(known[digest] for digest in digests)


@jax.jit
def _fitting(net_pnl: jax.Array, first_without_room: int) -> jax.Array:
    """Return [2, S] the net P&L of the bins from which a whole walk fits; NaN from `first_without_room` on."""
    return jnp.where(jnp.arange(net_pnl.shape[1]) < first_without_room, net_pnl, jnp.nan)


def _timing_draws(
    pnl: jax.Array, fires: Fires, part: Part, shifts: NDArray[np.int64]
) -> tuple[tuple[float, float], DrawnSums]:
    """Return sum and count of the fires as they are, and under each shift."""
    outside = pnl.size  # lies behind the last outcome, so padding reads as NaN
    rows = np.where(fires.directions > 0, UP_ROW, DOWN_ROW)
    offsets = np.zeros(padded_count(len(fires)), dtype=np.int64)
    origins = np.full_like(offsets, outside)
    offsets[: len(fires)] = fires.bins - part.first_fire
    origins[: len(fires)] = rows * pnl.shape[1] + part.first_fire
    with_observed = np.concatenate([[0], shifts])
    sums, counts = _shifted_sums(pnl.reshape(-1), origins, offsets, max(part.n_firing_bins, 1), with_observed)
    all_sums, all_counts = np.asarray(sums), np.asarray(counts)
    return (float(all_sums[0]), float(all_counts[0])), DrawnSums(all_sums[1:], all_counts[1:])


@jax.jit
def _shifted_sums(
    pnl: jax.Array, origins: jax.Array, offsets: jax.Array, n_circle: int, shifts: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return [D] sums and counts of `pnl` at origin + (offset + shift) mod n_circle, over the fires [n]."""

    def draw(shift: jax.Array) -> tuple[jax.Array, jax.Array]:
        moved = offsets + shift
        moved = jnp.where(moved >= n_circle, moved - n_circle, moved)
        values = pnl.at[origins + moved].get(mode="fill", fill_value=jnp.nan)
        counted = ~jnp.isnan(values)
        return jnp.sum(jnp.where(counted, values, 0.0)), jnp.sum(counted.astype(values.dtype))

    # One draw after the other: all at once would hold draws x fires values in memory, and is slower for it.
    sums, counts = jax.lax.map(draw, shifts)
    return sums, counts


def _direction_draws(
    pnl: jax.Array, fires: Fires, part: Part, key: jax.Array, evaluation: ResolvedEvaluation
) -> DrawnSums:
    """Return sums and counts under each draw of coins, one coin a block that has fires."""
    numbers, block = np.unique((fires.bins - part.start) // evaluation.block_bins, return_inverse=True)
    n_blocks, n_fires = padded_count(len(numbers)), padded_count(len(fires))
    rows = np.where(fires.directions > 0, UP_ROW, DOWN_ROW)
    at = np.full((2, n_fires), pnl.size)
    at[0, : len(fires)] = rows * pnl.shape[1] + fires.bins
    at[1, : len(fires)] = (1 - rows) * pnl.shape[1] + fires.bins
    blocks = np.zeros(n_fires, dtype=np.int64)
    blocks[: len(fires)] = block
    padded_numbers = np.zeros(n_blocks, dtype=np.int64)
    padded_numbers[: len(numbers)] = numbers
    sums, counts = _flipped_sums(pnl.reshape(-1), at, blocks, padded_numbers, key, evaluation.null_draws)
    return DrawnSums(np.asarray(sums), np.asarray(counts))


@functools.partial(jax.jit, static_argnames="n_draws")
def _flipped_sums(
    pnl: jax.Array, at: jax.Array, blocks: jax.Array, numbers: jax.Array, key: jax.Array, n_draws: int
) -> tuple[jax.Array, jax.Array]:
    """Return [D] sums and counts of `pnl`: of the fires at[0], or at[1] in blocks that the draw flips."""
    values = pnl.at[at].get(mode="fill", fill_value=jnp.nan)
    counted = ~jnp.isnan(values)
    own_sum, other_sum = _by_block(jnp.where(counted, values, 0.0), blocks, len(numbers))
    own_count, other_count = _by_block(counted.astype(values.dtype), blocks, len(numbers))

    def draw(number: jax.Array) -> tuple[jax.Array, jax.Array]:
        flipped = direction_coins(key, number, numbers)
        total = jnp.sum(jnp.where(flipped, other_sum, own_sum))
        return total, jnp.sum(jnp.where(flipped, other_count, own_count))

    sums, counts = jax.lax.map(draw, jnp.arange(n_draws))
    return sums, counts


def _by_block(values: jax.Array, blocks: jax.Array, n_blocks: int) -> jax.Array:
    return jax.vmap(lambda row: jax.ops.segment_sum(row, blocks, n_blocks))(values)
