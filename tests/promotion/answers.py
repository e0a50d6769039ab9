"""A signal that holds the answers: what the mid does next, in a table that it reads by counting bins."""

from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.signals import Clock, Grid, SignalParameters, fixed_thresholds, signal

ANSWERS: Final[list[NDArray[np.float64]]] = []
"""The table, which a test puts there before the signal is compiled."""


@dataclass(frozen=True)
class Answers(SignalParameters):
    """Parameters of answers."""

    thresholds: list[float] = fixed_thresholds(0.5)  # noqa: RUF009 - the list is copied for each instance


@signal(columns=("v_add",))
def answers(time: Clock, grid: Grid, p: Answers) -> Array:
    """What the table says of the bin."""
    del p
    return jnp.asarray(ANSWERS[0])[time.seen(grid.v_add[:, 0]) - 1]
