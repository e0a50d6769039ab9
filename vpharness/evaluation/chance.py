"""Chance: what the same fires would have made, moved in time together or flipped in direction by blocks.

Both nulls draw from uniforms that belong to the dataset, not to the run: the same draws serve every candidate, today's
and later ones, so that candidates can be compared under each draw.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.fires import Fires
from vpharness.evaluation.outcomes import DOWN_ROW, UP_ROW, OutcomeTable
from vpharness.evaluation.shapes import padded_blocks, padded_fires
from vpharness.evaluation.split import Part

_TIMING_STREAM: Final = 0
_DIRECTION_STREAM: Final = 1


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


def null_key(dataset: DatasetView, null_seed: int) -> jax.Array:
    """Return the key of a dataset's draws: the first 8 bytes of the SHA-256 of checksum, span and seed."""
    text = f"{dataset.checksum}|{dataset.span[0]}|{dataset.span[1]}|{null_seed}"
    words = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype=">u4").astype(np.uint32)
    key: jax.Array = jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32")
    return key


@functools.partial(jax.jit, static_argnames="n_draws")
def timing_uniforms(key: jax.Array, n_draws: int) -> jax.Array:
    """Return [D] float64 in [0, 1): draw d is keyed by d alone, so more draws leave the first ones as they are."""
    stream = jax.random.fold_in(key, _TIMING_STREAM)

    def uniform(draw: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(stream, draw), dtype=jnp.float64)

    return jax.vmap(uniform)(jnp.arange(n_draws))


@functools.partial(jax.jit, static_argnames="n_draws")
def direction_coins(key: jax.Array, blocks: jax.Array, n_draws: int) -> jax.Array:
    """Return [D, B] bool, whether each draw flips each block of the numbers `blocks`: keyed by (draw, block) alone."""
    stream = jax.random.fold_in(key, _DIRECTION_STREAM)

    def flips(draw: jax.Array, block: jax.Array) -> jax.Array:
        coin = jax.random.fold_in(jax.random.fold_in(stream, draw), block)
        return jax.random.bernoulli(coin)

    by_block = jax.vmap(flips, in_axes=(None, 0))
    return jax.vmap(by_block, in_axes=(0, None))(jnp.arange(n_draws), blocks)


def timing_shifts(key: jax.Array, part: Part, n_draws: int) -> NDArray[np.int64]:
    """Return [D] how far each draw moves the fires around the part's circle, bins; near zero included."""
    bins = part.n_firing_bins
    shifts = np.floor(np.asarray(timing_uniforms(key, n_draws)) * bins).astype(np.int64)
    clipped: NDArray[np.int64] = np.minimum(shifts, max(bins - 1, 0))
    return clipped


def chance_of(dataset: DatasetView, table: OutcomeTable, part: Part, candidates: Sequence[Fires]) -> tuple[Chance, ...]:
    """Return the sums of each candidate under both nulls; equal fires are drawn once.

    Args:
        dataset: what seeds the draws.
        table: outcomes of every bin of the dataset.
        part: where the fires are moved, and within which walks must fit.
        candidates: for each candidate its fires in the part.
    """
    evaluation = table.evaluation
    key = null_key(dataset, evaluation.null_seed)
    shifts = timing_shifts(key, part, evaluation.null_draws)
    pnl = _fitting(table.net_pnl, part.limit - evaluation.net_reach_bins)
    digests = [fires.digest for fires in candidates]
    known: dict[str, Chance] = {}
    for digest, fires in zip(digests, candidates, strict=True):
        if digest not in known:
            observed, timing = _timing_draws(pnl, fires, part, shifts)
            direction = _direction_draws(pnl, fires, part, key, table)
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
    offsets = np.zeros(padded_fires(len(fires)), dtype=np.int64)
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


def _direction_draws(pnl: jax.Array, fires: Fires, part: Part, key: jax.Array, table: OutcomeTable) -> DrawnSums:
    """Return sums and counts under each draw of coins, one coin a block that has fires."""
    evaluation = table.evaluation
    numbers, block = np.unique((fires.bins - part.start) // evaluation.block_bins, return_inverse=True)
    n_blocks, n_fires = padded_blocks(len(numbers)), padded_fires(len(fires))
    rows = np.where(fires.directions > 0, UP_ROW, DOWN_ROW)
    at = np.full((2, n_fires), pnl.size)
    at[0, : len(fires)] = rows * pnl.shape[1] + fires.bins
    at[1, : len(fires)] = (1 - rows) * pnl.shape[1] + fires.bins
    blocks = np.zeros(n_fires, dtype=np.int64)
    blocks[: len(fires)] = block
    padded_numbers = np.zeros(n_blocks, dtype=np.int64)
    padded_numbers[: len(numbers)] = numbers
    coins = direction_coins(key, padded_numbers, evaluation.null_draws)
    sums, counts = _flipped_sums(pnl.reshape(-1), at, blocks, coins)
    return DrawnSums(np.asarray(sums), np.asarray(counts))


@jax.jit
def _flipped_sums(pnl: jax.Array, at: jax.Array, blocks: jax.Array, coins: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return [D] sums and counts of `pnl`: of the fires at[0], or at[1] in flipped blocks."""
    values = pnl.at[at].get(mode="fill", fill_value=jnp.nan)
    counted = ~jnp.isnan(values)
    own_sum, other_sum = _by_block(jnp.where(counted, values, 0.0), blocks, coins.shape[1])
    own_count, other_count = _by_block(counted.astype(values.dtype), blocks, coins.shape[1])
    sums = jnp.sum(jnp.where(coins, other_sum, own_sum), axis=1)
    counts = jnp.sum(jnp.where(coins, other_count, own_count), axis=1)
    return sums, counts


def _by_block(values: jax.Array, blocks: jax.Array, n_blocks: int) -> jax.Array:
    return jax.vmap(lambda row: jax.ops.segment_sum(row, blocks, n_blocks))(values)
