"""The uniforms of the nulls: they belong to a dataset, a span and a seed, and never to the run that uses them."""

import functools
import hashlib
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation.dataset import DatasetView
from vpharness.evaluation.split import Part

TIMING: Final = "timing"
DIRECTION: Final = "direction"


def null_key(dataset: DatasetView, null_seed: int, null: str) -> jax.Array:
    """Return the key of a null's draws: the first 8 bytes of the SHA-256 of checksum, span, seed and null."""
    text = f"{dataset.checksum}|{dataset.span[0]}|{dataset.span[1]}|{null_seed}|{null}"
    words = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype=">u4").astype(np.uint32)
    key: jax.Array = jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32")
    return key


@functools.partial(jax.jit, static_argnames="n_draws")
def timing_uniforms(key: jax.Array, n_draws: int) -> jax.Array:
    """Return [D] float64 in [0, 1): draw d is keyed by d alone, so more draws leave the first ones as they are."""

    def uniform(draw: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(key, draw), dtype=jnp.float64)

    return jax.vmap(uniform)(jnp.arange(n_draws))


def timing_shifts(key: jax.Array, part: Part, n_draws: int) -> NDArray[np.int64]:
    """Return [D] how far each draw moves the fires around the part's circle, bins; near zero included."""
    bins = part.n_firing_bins
    shifts = np.floor(np.asarray(timing_uniforms(key, n_draws)) * bins).astype(np.int64)
    clipped: NDArray[np.int64] = np.minimum(shifts, max(bins - 1, 0))
    return clipped


@jax.jit
def direction_coins(key: jax.Array, draw: jax.Array, blocks: jax.Array) -> jax.Array:
    """Return [B] bool, whether a draw flips the blocks of the numbers `blocks`: keyed by (draw, block) alone."""
    drawn = jax.random.fold_in(key, draw)

    def flips(block: jax.Array) -> jax.Array:
        return jax.random.bits(jax.random.fold_in(drawn, block), dtype=jnp.uint8) % 2 == 1

    return jax.vmap(flips)(blocks)
