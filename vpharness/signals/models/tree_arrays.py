"""Boosted trees as arrays, and their score in JAX.

Every library's trees become the same arrays, and these are what is judged and served: at a node, a bin goes left where
its feature is at most the threshold (float64), or where the feature is missing and `missing_left` says so. A leaf is
its own child, so that after as many steps as the deepest tree has levels every bin stands at a leaf. The raw value of a
class is its base plus the sum of its trees' leaves; classes share softmax, a regression is its raw value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.signals.models.classes import CLASSES, expected_sign

_STEPS: Final = 4
"""The number of steps is a multiple of this: at a leaf a step more goes nowhere."""


@dataclass
class TreeNodes:
    """The nodes of one tree while it is read: lists that grow together."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def leaf(self, value: float) -> int:
        """Add a leaf, and return its place."""
        place = len(self.feature)
        self._add(0, np.inf, place, place, missing_left=True, value=value)
        return place

    def split(self, feature: int, threshold: float, *, missing_left: bool) -> int:
        """Add a node whose children come later, and return its place."""
        place = len(self.feature)
        self._add(feature, threshold, place, place, missing_left=missing_left, value=0.0)
        return place

    def _add(self, feature: int, threshold: float, left: int, right: int, *, missing_left: bool, value: float) -> None:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.left.append(left)
        self.right.append(right)
        self.missing_left.append(missing_left)
        self.value.append(value)

    def levels(self) -> int:
        """Return the most steps from the root to a leaf."""
        depth, waiting = 0, [(0, 0)]
        while waiting:
            place, level = waiting.pop()
            depth = max(depth, level)
            if self.left[place] != place:
                waiting += [(self.left[place], level + 1), (self.right[place], level + 1)]
        return depth


def arrays_of(
    trees: Sequence[TreeNodes], objective: Sequence[int], base: NDArray[np.float64], kinds: NDArray[np.float64] | None
) -> dict[str, NDArray[Any]]:
    """Return trees as weights.

    Args:
        trees: the trees.
        objective: for each the raw value that it adds to.
        base: [C] what the raw values begin with.
        kinds: [C] the label that each raw value stands for; None for a regression, whose only raw value is the score.
    """
    # Sizes are rounded up, so that fits of about one size share a compiled score.
    most = 1 << (max(len(tree.feature) for tree in trees) - 1).bit_length()
    steps = -(-max(1, *(tree.levels() for tree in trees)) // _STEPS) * _STEPS

    def padded(values: Sequence[Any], kind: Any) -> NDArray[Any]:
        return np.concatenate([np.asarray(values, kind), np.zeros(most - len(values), kind)])

    found = {
        "feature": np.stack([padded(tree.feature, np.int32) for tree in trees]),
        "threshold": np.stack([padded(tree.threshold, np.float64) for tree in trees]),
        "left": np.stack([padded(tree.left, np.int32) for tree in trees]),
        "right": np.stack([padded(tree.right, np.int32) for tree in trees]),
        "missing_left": np.stack([padded(tree.missing_left, np.bool_) for tree in trees]),
        "value": np.stack([padded(tree.value, np.float64) for tree in trees]),
        "objective": np.asarray(objective, np.int32),
        "base": np.asarray(base, np.float64),
        # The number of steps is the length of an array, so that it is fixed when the score is compiled.
        "steps": np.zeros(steps, np.int8),
    }
    return found if kinds is None else {**found, CLASSES: kinds}


def raw_values(weights: Mapping[str, Array], features: Array) -> Array:
    """Return the raw values [T, C] of features [T, F]."""
    trees = jnp.arange(weights["feature"].shape[0])[None, :]
    place = jnp.zeros((features.shape[0], weights["feature"].shape[0]), jnp.int32)

    def step(_: Array, place: Array) -> Array:
        x = jnp.take_along_axis(features, weights["feature"][trees, place], axis=1)
        goes_left = (x <= weights["threshold"][trees, place]) | (jnp.isnan(x) & weights["missing_left"][trees, place])
        return jnp.where(goes_left, weights["left"][trees, place], weights["right"][trees, place])

    place = jax.lax.fori_loop(0, weights["steps"].shape[0], step, place)
    leaves = weights["value"][trees, place]
    return (
        weights["base"][None, :]
        + jax.ops.segment_sum(leaves.T, weights["objective"], num_segments=weights["base"].shape[0]).T
    )


def score(weights: Mapping[str, Array], features: Array) -> Array:
    """Return P(up) - P(down) for the label `touch`, or the predicted move in ticks: [T]."""
    raw = raw_values(weights, features)
    if CLASSES not in weights:
        return raw[:, 0]
    return expected_sign(weights[CLASSES], jax.nn.softmax(raw, axis=1))
