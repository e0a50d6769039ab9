"""The step of a learned signal: features of its body, outputs of its weights in force, and what combines these.

It is one and the same whether body, weights and combination are made of the signal's source or were exported. The
state has, beside what the body's operators keep, the bins shown so far and what the operators of a combination keep.
Between the three compiled parts everything stays with NumPy: an operation of JAX on one number takes longer than some
models take to score a bin.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from vpharness.signals.core.fits_in_force import FitsInForce
from vpharness.signals.core.flat_state import KeptState, Nested
from vpharness.signals.core.learned import NO_CELLS

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
    start: Callable[[], Nested]
    step: Callable[[Nested, Mapping[str, ArrayLike]], tuple[Nested, Array]]


class LearnedState(KeptState):
    """The state of a learned signal, which keeps its parts as their steps left them.

    Attributes:
        body: what the operators of the signal's body keep.
        bins_shown: the bins that it has been shown.
        behind: what the operators of a combination keep.
    """

    def __init__(self, body: Nested, bins_shown: int, behind: Nested) -> None:
        """Take the parts."""
        self.body, self.bins_shown, self.behind = body, bins_shown, behind

    @classmethod
    def of(cls, state: Nested) -> "LearnedState":
        """Return the parts of a state that was saved."""
        if isinstance(state, LearnedState):
            return state
        behind = {slot.removeprefix(_BEHIND): state[slot] for slot in state if slot.startswith(_BEHIND)}
        return cls(state_of_body(state), int(state[BINS_SHOWN]["bins"]), behind)

    @functools.cached_property
    def slots(self) -> Nested:
        """The arrays by slot and name."""
        shown = {BINS_SHOWN: {"bins": np.array(self.bins_shown, np.int64)}}
        return {**self.body, **shown, **{_BEHIND + slot: each for slot, each in self.behind.items()}}


def learned_start(body: Nested, combination: Combination | None) -> Nested:
    """Return the state of a learned signal before its first bin, given that of its body."""
    return LearnedState(body, 0, {} if combination is None else combination.start())


def learned_step(
    state: Nested,
    body: Callable[[Nested], tuple[Nested, Array]],
    fits: FitsInForce,
    combination: Combination | None,
) -> tuple[Nested, Any]:
    """Return the state after the next T bins, and their scores [T], an array of NumPy.

    Args:
        state: what `learned_start` or the step before gave.
        body: gives of its own state the one after these bins, and their features [T, F].
        fits: the weights in force.
        combination: what makes scores of the model's outputs, where these are none yet.
    """
    before = LearnedState.of(state)
    after, features = body(before.body)
    outputs = fits.scores(features, before.bins_shown)
    shown = before.bins_shown + len(features)
    if combination is None:
        return LearnedState(after, shown, {}), outputs
    behind, scores = combination.step(before.behind, outputs_as_columns(combination.series, outputs))
    return LearnedState(after, shown, behind), np.where(np.isnan(outputs).any(axis=1), np.nan, scores)


def state_of_body(state: Nested) -> Nested:
    """Return what the operators of a learned signal's body keep, of its whole state."""
    return {slot: each for slot, each in state.items() if slot != BINS_SHOWN and not slot.startswith(_BEHIND)}


def outputs_as_columns(names: tuple[str, ...], outputs: NDArray[np.float64]) -> dict[str, ArrayLike]:
    """Return a model's outputs [T, M] as what a combination reads."""
    series = {name: outputs[:, place] for place, name in enumerate(names)}
    return {NO_CELLS: np.zeros((len(outputs), 1)), **series}
