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
_GROUP: Final = 8
"""Values of a group of `least`."""
_SORTED_PER_PLACE: Final = 16
"""Up to so many values for each place that is asked for are sorted as they are."""


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Knn") -> Fitted:
    """Return the newest training bins; the training loss is the squared error of the mean label."""
    if len(features) < p.neighbours:
        raise FitError(f"{len(features)} bins are fewer than {p.neighbours} neighbours")
    scaler = scaler_of(features)
    count = min(len(features), p.max_neighbours_kept)
    # Rounded up, so that fits of about one size share a compiled score; what stands far away is never near.
    rows = np.full((1 << (count - 1).bit_length(), features.shape[1]), _FAR)
    rows[:count] = scaled(scaler, features[-count:])
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
    z, columns = scaled(weights, features), weights["rows"].T
    count = weights["neighbours"].shape[0]

    def of_one(row: Array) -> tuple[Array, Array]:
        def add(place: Array, total: Array) -> Array:
            # Feature by feature: the sum's order, and so every tie, is the same for one bin and for many.
            return total + jnp.square(row[place] - columns[place])

        squares = jax.lax.fori_loop(0, columns.shape[0], add, jnp.zeros(columns.shape[1]))
        places = least(squares, count)
        return squares[places], places

    # Row by row: the distances of one stay in the nearest cache of a processor, those of many do not.
    nearest, places = jax.lax.map(of_one, z)
    votes = 1.0 / jnp.maximum(jnp.sqrt(nearest), _LEAST_DISTANCE)
    weighted = votes * weights["labels"][places]

    def vote(place: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        # One by one, nearest first: a sum over an axis has another order for one bin than for many.
        return sums[0] + weighted[:, place], sums[1] + votes[:, place]

    zeros = jnp.zeros(z.shape[0])
    sums: tuple[Array, Array] = jax.lax.fori_loop(0, count, vote, (zeros, zeros))
    return sums[0] / sums[1]


def least(values: Array, count: int) -> Array:
    """Return the places of the `count` least of values [N], in ascending order of value; of equal ones the first.

    They lie in the `count` groups of neighbouring values whose minima are the least, of equal ones the first groups:
    each other group has at least `count` values before all of its own. These groups are found likewise, and only their
    values are sorted, which takes most of the time.
    """
    if values.shape[0] <= _SORTED_PER_PLACE * count or values.shape[0] % _GROUP:
        return jax.lax.top_k(-values, count)[1]
    groups = jnp.sort(least(values.reshape(-1, _GROUP).min(axis=1), count))
    places = (_GROUP * groups[:, None] + jnp.arange(_GROUP)[None, :]).ravel()
    return places[jax.lax.top_k(-values[places], count)[1]]


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
