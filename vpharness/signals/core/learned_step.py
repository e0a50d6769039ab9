"""The step of a learned signal: features of its body, outputs of its weights in force, and what combines these.

It is one and the same whether body, weights and combination are made of the signal's source or were exported. The
state has, beside what the body's operators keep, the bins shown so far and what the operators of a combination keep.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from vpharness.signals.core.fits_in_force import FitsInForce
from vpharness.signals.core.learned import NO_CELLS

State = Mapping[str, Mapping[str, Array]]
BINS_SHOWN: Final = "bins_shown"
"""Where the state counts the bins that the signal has been shown."""
_BEHIND: Final = "behind_"
"""What the states of a combination's operators begin with."""


@dataclass(frozen=True)
class Combination:
    """What makes scores [T] of a model's outputs.

    Attributes:
        series: the names of the outputs, in order.
        start: gives the state before the first bin.
        step: (state, columns) -> (state, scores).
    """

    series: tuple[str, ...]
    start: Callable[[], State]
    step: Callable[[State, Mapping[str, ArrayLike]], tuple[State, Array]]


def learned_start(body: State, combination: Combination | None) -> State:
    """Return the state of a learned signal before its first bin, given that of its body."""
    behind = {} if combination is None else combination.start()
    return {**body, BINS_SHOWN: {"bins": jnp.int64(0)}, **{_BEHIND + slot: each for slot, each in behind.items()}}


def learned_step(
    state: State,
    body: Callable[[State], tuple[State, Array]],
    fits: FitsInForce,
    combination: Combination | None,
) -> tuple[State, Array]:
    """Return the state after the next T bins, and their scores [T].

    Args:
        state: what `learned_start` or the step before gave.
        body: gives of its own state the one after these bins, and their features [T, F].
        fits: the weights in force.
        combination: what makes scores of the model's outputs, where these are none yet.
    """
    after, features = body(state_of_body(state))
    shown = int(state[BINS_SHOWN]["bins"])
    counted = {**after, BINS_SHOWN: {"bins": jnp.int64(shown + len(features))}}
    outputs = fits.scores(features, shown)
    if combination is None:
        return counted, jnp.asarray(outputs)
    behind = {slot.removeprefix(_BEHIND): each for slot, each in state.items() if slot.startswith(_BEHIND)}
    moved, scores = combination.step(behind, outputs_as_columns(combination.series, outputs))
    counted |= {_BEHIND + slot: each for slot, each in moved.items()}
    return counted, jnp.where(jnp.asarray(np.isnan(outputs).any(axis=1)), jnp.nan, scores)


def state_of_body(state: State) -> State:
    """Return what the operators of a learned signal's body keep, of its whole state."""
    return {slot: each for slot, each in state.items() if slot != BINS_SHOWN and not slot.startswith(_BEHIND)}


def outputs_as_columns(names: tuple[str, ...], outputs: NDArray[np.float64]) -> dict[str, ArrayLike]:
    """Return a model's outputs [T, M] as what a combination reads."""
    series = {name: outputs[:, place] for place, name in enumerate(names)}
    return {NO_CELLS: np.zeros((len(outputs), 1)), **series}
