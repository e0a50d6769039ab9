"""The projection: quantiles of the mid's move over some horizons, given the score.

Each quantile is a line in u = tanh(score / scale), between what it is at the most negative score (u = -1) and at the
most positive one (u = 1)::

    band[h, q](score) = ((1 - u) * down[h, q] + (1 + u) * up[h, q]) / 2

So two tables and one scale are all there is to it. Where both tables ascend along q, so does every mixture of them:
quantiles never cross; and where `up` is nowhere below `down`, every quantile ascends with the score. Both are checked.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.errors import ConfigError

Table = tuple[tuple[float, ...], ...]
"""[H][Q]: a row a horizon, a column a quantile; ticks."""

_SAME: Final = 1e-9


@dataclass(frozen=True)
class Projection:
    """Quantiles of the mid's move, in ticks, given the score.

    Attributes:
        horizons_bins: [H] how many bins ahead, ascending.
        quantiles: [Q] which quantiles, ascending, between 0 and 1 and symmetric around 0.5.
        scale: the score at which u = tanh(1).
        down: [H][Q] the quantiles at the most negative score, ticks.
        up: [H][Q] the quantiles at the most positive score, ticks.
    """

    horizons_bins: tuple[int, ...]
    quantiles: tuple[float, ...]
    scale: float
    down: Table
    up: Table

    def __post_init__(self) -> None:
        """Check that quantiles neither cross nor descend with the score; a ConfigError says where they do."""
        if wrong := [*horizons_problems(self.horizons_bins), *quantiles_problems(self.quantiles)]:
            raise ConfigError(f"projection: {'; '.join(wrong)}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(f"projection: scale is {self.scale}; it must be a finite number above 0")
        shape = (len(self.horizons_bins), len(self.quantiles))
        for name in ("down", "up"):
            rows = getattr(self, name)
            if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
                raise ConfigError(f"projection: {name} must have {shape[0]} rows of {shape[1]} numbers, in ticks")
            for row, horizon in zip(rows, self.horizons_bins, strict=True):
                if not all(map(math.isfinite, row)) or any(high < low for low, high in pairwise(row)):
                    raise ConfigError(
                        f"projection: {name} at the horizon {horizon} is {list(row)}; it must be finite and ascend, or "
                        "quantiles would cross"
                    )
        for low, high, horizon in zip(self.down, self.up, self.horizons_bins, strict=True):
            if any(b < a for a, b in zip(low, high, strict=True)):
                raise ConfigError(
                    f"projection: at the horizon {horizon} up is {list(high)}, below down, {list(low)}; no quantile "
                    "may descend as the score rises"
                )

    def bands(self, score: float) -> NDArray[np.float64]:
        """Return [H, Q] the quantiles of the mid's move from this bin on, in ticks; NaN where the score is NaN."""
        bands: NDArray[np.float64] = self.bands_many([score])[0]
        return bands

    def bands_many(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return [T, H, Q] the same for the scores [T] of many bins."""
        u = np.tanh(np.asarray(scores, np.float64) / self.scale)[:, None, None]
        mixed: NDArray[np.float64] = ((1 - u) * np.asarray(self.down) + (1 + u) * np.asarray(self.up)) / 2
        return mixed

    def intervals(self) -> dict[str, tuple[int, int]]:
        """Return the central intervals as the columns of their ends, by the percentage that they should cover.

        From 5, 25, 50, 75 and 95 % these are "50": (1, 3) and "90": (0, 4).
        """
        last = len(self.quantiles) - 1
        return {
            f"{100 * (self.quantiles[last - low] - self.quantiles[low]):.6g}": (low, last - low)
            for low in reversed(range(len(self.quantiles) // 2))
        }

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Projection":
        """Return the projection that `values` gave; a ConfigError says what is wrong with them."""
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or sorted(values) != sorted(names):
            found = sorted(values) if isinstance(values, Mapping) else type(values).__name__
            raise ConfigError(f"projection: the keys are {found}; expected {', '.join(names)}")
        try:
            down, up = (tuple(tuple(map(float, row)) for row in values[name]) for name in ("down", "up"))
            quantiles = tuple(map(float, values["quantiles"]))
            return cls(tuple(map(_whole, values["horizons_bins"])), quantiles, float(values["scale"]), down, up)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"projection: {error}; expected numbers") from error


def horizons_problems(horizons_bins: "tuple[int, ...] | list[int]") -> list[str]:
    """Yield an error for each invalid horizon."""
    if not horizons_bins or min(horizons_bins) < 1 or any(b <= a for a, b in pairwise(horizons_bins)):
        return [f"horizons_bins is {list(horizons_bins)}; it must hold whole numbers from 1 on, ascending"]
    return []


def quantiles_problems(quantiles: "tuple[float, ...] | list[float]") -> list[str]:
    """Yield an error for each invalid quantile."""
    inside = quantiles and all(0 < q < 1 for q in quantiles) and all(b > a for a, b in pairwise(quantiles))
    if not inside or any(abs(a + b - 1) > _SAME for a, b in zip(quantiles, reversed(quantiles), strict=True)):
        return [f"quantiles is {list(quantiles)}; it must ascend between 0 and 1, each q with its 1 - q"]
    return []


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} is no whole number")
    return int(value)
