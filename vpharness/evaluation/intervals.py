"""Intervals of means over fires that overlap: fires are clustered in blocks, and blocks are what is independent."""

from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # type: ignore[import-untyped]  # scipy ships no types

from vpharness.evaluation.shapes import padded_count

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class ClusteredMeans:
    """Means of Q quantities with their intervals.

    Attributes:
        mean: [Q] float64, NaN where there is no value.
        low, high: [Q] float64, ends of the 95 % interval; NaN with fewer than two blocks.
        n_blocks: [Q] int64, blocks that hold a value.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_blocks: NDArray[np.int64]


def clustered_means(values: NDArray[np.float64], blocks: NDArray[np.int64]) -> ClusteredMeans:
    """Return means and cluster-robust 95 % intervals.

    With P_b the sum and n_b the number of the values in block b, over the B blocks that hold any:
    m = ΣP/Σn, se = √(B/(B-1) Σ(P_b - m n_b)²)/Σn, and the interval is m ± t_{B-1} se. This is the linearised variance
    of a ratio of totals (Cochran, Sampling Techniques, 1977, chapter 6), with Student's quantile for few blocks.

    Args:
        values: [n, Q] one row a fire; NaN is no value.
        blocks: [n] block of each fire; blocks of different datasets have different numbers.
    """
    n_fires, n_quantities = values.shape
    size = padded_count(n_fires)
    rows = np.full((size, n_quantities), np.nan)
    rows[:n_fires] = values
    dense = np.zeros(size, dtype=np.int64)
    dense[:n_fires] = np.unique(blocks, return_inverse=True)[1]
    mean, standard_error, counts = (np.asarray(each) for each in _ratio_of_totals(rows, dense))
    with np.errstate(invalid="ignore"):
        quantile = np.where(counts > 1, stdtrit(np.maximum(counts - 1, 1), 0.5 + CONFIDENCE / 2), np.nan)
        half = quantile * standard_error
    return ClusteredMeans(mean, mean - half, mean + half, counts)


@jax.jit
def _ratio_of_totals(values: jax.Array, blocks: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return [Q] mean, standard error and number of blocks, from values [n, Q] and blocks [n] in 0..n-1."""
    size = values.shape[0]
    present = ~jnp.isnan(values)
    sums = jax.ops.segment_sum(jnp.where(present, values, 0.0), blocks, size)
    counts = jax.ops.segment_sum(present.astype(values.dtype), blocks, size)
    total = jnp.sum(counts, axis=0)
    mean = jnp.sum(sums, axis=0) / total
    n_blocks = jnp.sum(counts > 0, axis=0)
    scatter = jnp.sum((sums - mean * counts) ** 2, axis=0)
    variance = scatter * n_blocks / (n_blocks - 1)
    return mean, jnp.sqrt(variance) / total, n_blocks
