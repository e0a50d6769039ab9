"""Scoring features with the weights in force: at each bin those of the newest fit at or before it."""

import functools
import hashlib
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.signals.core.learned import Model, Weights

_BLOCK: Final = 1_024
"""The most bins that are scored at once. Fewer are padded to a power of two, so that few compiled forms serve."""
_KEPT: Final = 32


@dataclass(frozen=True, eq=False)
class FitsInForce:
    """The fits of a learned signal, in the order of time.

    Attributes:
        model: the model.
        firsts: for each fit the number of valid bins before the first one that it scores, ascending.
        weights: the weights of each.
    """

    model: Model
    firsts: tuple[int, ...]
    weights: tuple[Weights, ...]

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of the weights, and of the bins from which on they are in force."""
        found = hashlib.sha256(repr(self.firsts).encode())
        for weights in self.weights:
            for name in sorted(weights):
                found.update(f"{name} {weights[name].dtype.str} {weights[name].shape};".encode())
                found.update(np.ascontiguousarray(weights[name]).tobytes())
        return found.hexdigest()

    @classmethod
    def always(cls, model: Model, weights: Weights) -> "FitsInForce":
        """Return weights that are in force from the first bin on, as those that are served."""
        return cls(model, (0,), (weights,))

    def scores(self, features: ArrayLike, shown: int) -> NDArray[np.float64]:
        """Return the scores [T] of features [T, F], or the model's outputs [T, M].

        They are NaN before the first fit, and where the model has no answer.

        `shown` valid bins came before these.
        """
        rows = rounded(features)
        found = np.full((len(rows), *((len(self.model.outputs),) if self.model.outputs else ())), np.nan)
        stops = [*self.firsts[1:], shown + len(rows)]
        for place, (first, stop) in enumerate(zip(self.firsts, stops, strict=True)):
            start, end = max(first - shown, 0), min(stop - shown, len(rows))
            if start < end:
                found[start:end] = _scored(self.model, self._ready(place), rows[start:end])
        return found

    def _ready(self, place: int) -> Mapping[str, jax.Array]:
        """Return the weights of a fit as the model takes them: a bin takes longer to convert than to score."""
        kept = _LAST_USED.get(self)
        if kept is None or kept[0] != place:
            kept = place, {name: jnp.asarray(array) for name, array in self.weights[place].items()}
            _LAST_USED[self] = kept
        return kept[1]


_LAST_USED: Final[weakref.WeakKeyDictionary[FitsInForce, tuple[int, Mapping[str, jax.Array]]]] = (
    weakref.WeakKeyDictionary()
)
"""The weights that were used last, with the number of their fit: those of one fit at a time."""


def rounded(features: ArrayLike) -> NDArray[np.float64]:
    """Return features in single precision, as float64."""
    return np.asarray(features).astype(np.float32).astype(np.float64)


def _scored(model: Model, weights: Mapping[str, jax.Array], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    compiled = _compiled(model)
    parts: Sequence[NDArray[np.float64]] = [
        _block(compiled, weights, rows[start : start + _BLOCK]) for start in range(0, len(rows), _BLOCK)
    ]
    found = np.concatenate(parts)
    if not model.takes_missing:
        found[~np.isfinite(rows).all(axis=1)] = np.nan
    return found


def _block(compiled: Any, weights: Mapping[str, jax.Array], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    size = 1 << (len(rows) - 1).bit_length()
    padded = np.zeros((size, rows.shape[1]))
    padded[: len(rows)] = rows
    return np.asarray(compiled(weights, padded))[: len(rows)]


@functools.lru_cache(maxsize=_KEPT)
def _compiled(model: Model) -> Any:
    return jax.jit(model.score)
