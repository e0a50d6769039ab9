"""Intervals of means over fires that overlap: fires are clustered in blocks, and blocks are what is independent."""

import math
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # type: ignore[import-untyped]  # scipy ships no types

from vpharness.evaluation.shapes import padded_count

CONFIDENCE: Final = 0.95

_GROWING_BLOCKS: Final = 2
"""Blocks that a value may still belong to: outcomes are due within half a block of one another's order."""


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
    half = _half_width(standard_error, counts)
    return ClusteredMeans(mean, mean - half, mean + half, counts)


@dataclass(frozen=True)
class RunningMean:
    """One mean with the interval of `clustered_means`, brought up to date value by value in memory of a fixed size.

    The scatter Σ(P_b - m n_b)² is ΣP_b² - 2m Σn_b P_b + m² Σn_b², sums that a new value changes by what its own block
    held before. So only the blocks that may still grow are kept apart.

    Attributes:
        count: values so far, Σn.
        total: their sum, ΣP.
        n_blocks: blocks that hold any.
        squared_totals, products, squared_counts: ΣP_b², Σn_b P_b and Σn_b².
        growing: (block, n_b, P_b) of the last two blocks that hold any.
    """

    count: int = 0
    total: float = 0.0
    n_blocks: int = 0
    squared_totals: float = 0.0
    products: float = 0.0
    squared_counts: int = 0
    growing: tuple[tuple[int, int, float], ...] = ()

    def add(self, value: float, block: int) -> "RunningMean":
        """Take in a value; its block must be the last one, the one before it, or a new one behind both."""
        held = next((each for each in self.growing if each[0] == block), None)
        _, n, p = (block, 0, 0.0) if held is None else held
        others = tuple(each for each in self.growing if each is not held)
        return RunningMean(
            count=self.count + 1,
            total=self.total + value,
            n_blocks=self.n_blocks + (held is None),
            squared_totals=self.squared_totals + (p + value) ** 2 - p**2,
            products=self.products + (n + 1) * (p + value) - n * p,
            squared_counts=self.squared_counts + 2 * n + 1,
            growing=tuple(sorted((*others, (block, n + 1, p + value))))[-_GROWING_BLOCKS:],
        )

    def interval(self) -> tuple[float, float, float]:
        """Return the mean and the ends of its 95 % interval; NaN where there is no value, or fewer than two blocks."""
        if not self.count:
            return math.nan, math.nan, math.nan
        mean = self.total / self.count
        if self.n_blocks < 2:
            return mean, math.nan, math.nan
        scatter = self.squared_totals - 2 * mean * self.products + mean**2 * self.squared_counts
        # Where all blocks agree the sums cancel, and rounding may leave less than nothing.
        standard_error = math.sqrt(_variance(max(scatter, 0.0), self.n_blocks)) / self.count
        half = float(_half_width(standard_error, self.n_blocks))
        return mean, mean - half, mean + half


def _variance(scatter: Any, n_blocks: Any) -> Any:
    """Return the variance of a total, B/(B-1) Σ(P_b - m n_b)²."""
    return scatter * n_blocks / (n_blocks - 1)


def _half_width(standard_error: Any, n_blocks: Any) -> NDArray[np.float64]:
    """Return t_{B-1} se; NaN with fewer than two blocks."""
    with np.errstate(invalid="ignore"):
        quantile = np.where(n_blocks > 1, stdtrit(np.maximum(n_blocks - 1, 1), 0.5 + CONFIDENCE / 2), np.nan)
        half: NDArray[np.float64] = quantile * standard_error
    return half


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
    return mean, jnp.sqrt(_variance(scatter, n_blocks)) / total, n_blocks
