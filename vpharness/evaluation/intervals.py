"""Confidence intervals of means over fires that overlap: fires are summed over blocks, which are independent."""

import functools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its interval; NaN where there is no value, or fewer than two blocks."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RatioOfTotals:
    """A mean of values that are clustered in blocks, with what its interval is made of.

    With P_b the sum and n_b the number of the values in block b, over the B blocks that hold any: m = ΣP/Σn and
    se = √(B/(B-1) Σ(P_b - m n_b)²)/Σn. This is the linearised variance of a ratio of totals (Cochran, Sampling
    Techniques, 1977, chapter 6).

    Attributes:
        mean: m; NaN where there is no value.
        standard_error: se; NaN with fewer than two blocks.
        n_blocks: B.
    """

    mean: float
    standard_error: float
    n_blocks: int

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return m ± t_{B-1} se, with Student's quantile for few blocks."""
        half = half_width(self.standard_error, self.n_blocks, confidence)
        return Interval(self.mean, self.mean - half, self.mean + half)

    def lower_end(self, error: float) -> float:
        """Return the end that the true mean lies below with a probability of `error` at most: one-sided."""
        return self.mean - half_width(self.standard_error, self.n_blocks, 1 - 2 * error)

    def rate_interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the interval of a share, made on the logit scale so that it stays between 0 and 1.

        Where every value is the same the logit has no spread. The ends are then those that B independent values, one a
        block, would have by Clopper and Pearson (1934): 1 - (error/2)^(1/B) away from 0, or from 1.
        """
        rate = self.mean
        if self.n_blocks < 2 or math.isnan(rate):
            return Interval(rate, math.nan, math.nan)
        if rate in {0.0, 1.0}:
            away = 1 - ((1 - confidence) / 2) ** (1 / self.n_blocks)
            return Interval(rate, 0.0, away) if rate == 0 else Interval(rate, 1 - away, 1.0)
        half = half_width(self.standard_error / (rate * (1 - rate)), self.n_blocks, confidence)
        logit = math.log(rate / (1 - rate))
        # Going to the logit and back may round past the rate itself.
        return Interval(rate, min(rate, _share(logit - half)), max(rate, _share(logit + half)))


def ratio_of_totals(totals: NDArray[Any], counts: NDArray[Any]) -> RatioOfTotals:
    """Return the mean of values with sums [B] and numbers [B] in each block; blocks without any are left out."""
    return ratios_of_totals(totals[None], counts[None])[0]


def ratios_of_totals(totals: NDArray[Any], counts: NDArray[Any]) -> list[RatioOfTotals]:
    """Return m means of values with sums [m, B] and numbers [m, B] in each block; blocks without any are left out."""
    numbers = counts.astype(np.float64, copy=False)
    held = numbers > 0
    sums = np.where(held, totals, 0.0)
    n_blocks, n_values = np.count_nonzero(held, axis=1), numbers.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where there is no value, or one block
        means = sums.sum(axis=1) / n_values
        scatter = np.square(sums - means[:, None] * numbers).sum(axis=1)
        errors = np.sqrt(scatter * n_blocks / (n_blocks - 1)) / n_values
    errors[n_blocks < 2] = np.nan
    return [RatioOfTotals(*each) for each in zip(means.tolist(), errors.tolist(), n_blocks.tolist(), strict=True)]


def half_width(standard_error: float, n_blocks: int, confidence: float = CONFIDENCE) -> float:
    """Return t_{B-1} se; NaN with fewer than two blocks."""
    return math.nan if n_blocks < 2 else _quantile(n_blocks - 1, 0.5 + confidence / 2) * standard_error


@functools.lru_cache(maxsize=4096)
def _quantile(degrees: int, probability: float) -> float:
    """Return Student's quantile."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # noqa: PLC0415  # untyped, and slow to load

    return float(stdtrit(degrees, probability))


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


@dataclass(frozen=True)
class RunningMean:
    """One mean with its interval, brought up to date value by value in memory of a fixed size.

    The scatter Σ(P_b - m n_b)² is ΣP_b² - 2m Σn_b P_b + m² Σn_b², sums that a new value changes by what its own block
    held before. So only the blocks that may still grow are kept apart.

    Attributes:
        count: values so far, Σn.
        total: their sum, ΣP.
        n_blocks: blocks that hold any.
        squared_totals, products, squared_counts: ΣP_b², Σn_b P_b and Σn_b².
        growing: (block, n_b, P_b) of the last blocks that hold any, at most `most_growing` of them.
        most_growing: how many blocks a value may come too late for, the newest one included.
    """

    count: int = 0
    total: float = 0.0
    n_blocks: int = 0
    squared_totals: float = 0.0
    products: float = 0.0
    squared_counts: int = 0
    growing: tuple[tuple[int, int, float], ...] = ()
    most_growing: int = 2

    def add(self, value: float, block: int) -> "RunningMean":
        """Take in a value; its block must be one of the last `most_growing`, or a new one."""
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
            growing=tuple(sorted((*others, (block, n + 1, p + value))))[-self.most_growing :],
            most_growing=self.most_growing,
        )

    def ratio(self) -> RatioOfTotals:
        """Return the mean and its standard error so far."""
        if not self.count:
            return RatioOfTotals(math.nan, math.nan, 0)
        mean = self.total / self.count
        if self.n_blocks < 2:
            return RatioOfTotals(mean, math.nan, self.n_blocks)
        scatter = self.squared_totals - 2 * mean * self.products + mean**2 * self.squared_counts
        # Where all blocks agree the sums cancel, and rounding may leave less than nothing.
        variance = max(scatter, 0.0) * self.n_blocks / (self.n_blocks - 1)
        return RatioOfTotals(mean, math.sqrt(variance) / self.count, self.n_blocks)
