"""Nearest neighbours: the mean label of the k training bins whose features are nearest, weighted by 1/distance.

Distances are Euclidean between features in units of their deviation over the training bins. Of equal distances the
older bin counts. For the label `touch` the score is P(up) - P(down) by these votes, for `move` a weighted mean move.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import FitError, Fitted, LearnedParameters, Model
from vpharness.signals.models.scaling import scaled, scaler_of

_FAR: Final = 1e100
"""Every feature of a row that stands for none: whatever is scored is nearer to every other."""
_LEAST_DISTANCE: Final = 1e-9
"""What a distance counts as at least: equal features are as good as very near ones."""


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Knn") -> Fitted:
    """Return the newest training bins; the training loss is the squared error of the mean label."""
    if len(features) < p.neighbours:
        raise FitError(f"{len(features)} bins are fewer than {p.neighbours} neighbours")
    scaler = scaler_of(features)
    count = min(len(features), p.max_neighbours_kept)
    # Rounded up, so that fits of about one size share a compiled score; what stands far away is never near.
    rows = np.full((1 << (count - 1).bit_length(), features.shape[1]), _FAR)
    rows[:count] = scaled(scaler, features)[-count:]
    weights = {
        **scaler,
        "rows": rows,
        "labels": np.concatenate([labels[-count:], np.zeros(len(rows) - count)]),
        # Their number is the length of an array, so that it is fixed when the score is compiled.
        "neighbours": np.zeros(p.neighbours, np.int8),
    }
    return Fitted(weights, float(labels.var()))


def score(weights: Mapping[str, Array], features: Array) -> Array:
    """Return the weighted mean label of the nearest training bins, [T]."""
    z, rows = scaled(weights, features), weights["rows"]

    def add(place: Array, total: Array) -> Array:
        # Feature by feature: the sum's order, and so every tie, is the same for one bin and for many.
        return total + jnp.square(z[:, place][:, None] - rows[:, place][None, :])

    squares = jax.lax.fori_loop(0, rows.shape[1], add, jnp.zeros((z.shape[0], rows.shape[0])))
    nearest, places = jax.lax.top_k(-squares, weights["neighbours"].shape[0])
    votes = 1.0 / jnp.maximum(jnp.sqrt(-nearest), _LEAST_DISTANCE)
    return (votes * weights["labels"][places]).sum(axis=1) / votes.sum(axis=1)


KNN: Final = Model("knn", fit, score)


@dataclass(frozen=True)
class Knn(LearnedParameters):
    """Parameters of signals of nearest neighbours."""

    MODEL: ClassVar[Model] = KNN

    neighbours: int = parameter(11, meaning="neighbours that vote", minimum=1, maximum=1_000)
    max_neighbours_kept: int = parameter(
        5_000, meaning="training bins that are kept, the newest", unit="bins", minimum=1, maximum=1_000_000
    )

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        if self.neighbours > self.max_neighbours_kept:
            yield f"neighbours is {self.neighbours}, above max_neighbours_kept = {self.max_neighbours_kept}"
