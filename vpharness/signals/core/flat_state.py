"""The state of a scorer as one array for each type of number, and the step of one bin that takes it so.

Handing an array to a compiled step, or taking one from it, costs microseconds, and the operators of a signal keep up to
fifty: for a single bin this is most of the time. The step is the same computation; compiled with its state packed, the
last bits of its scores may differ from those of other cuttings of time, as the chunk law permits.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

Nested = Mapping[str, Mapping[str, Any]]
"""Arrays of JAX or NumPy by slot (a call of an operator) and name."""


@dataclass(frozen=True)
class StateLayout:
    """Where the arrays of a state lie in its flat form.

    Attributes:
        fields: slot, name, shape and type of each array, in order.
    """

    fields: tuple[tuple[str, str, tuple[int, ...], str], ...]

    @classmethod
    def of(cls, state: Nested) -> "StateLayout":
        """Return the layout of a state: one and the same in whatever order its arrays are named."""
        return cls(
            tuple(
                (slot, name, tuple(np.shape(array)), np.dtype(array.dtype).name)
                for slot, arrays in sorted(state.items())
                for name, array in sorted(arrays.items())
            )
        )

    def flat(self, state: Nested, concatenate: Callable[[list[Any]], Any]) -> dict[str, Any]:
        """Return the arrays of a state behind one another, by type."""
        parts: dict[str, list[Any]] = {}
        for slot, name, _, kind in self.fields:
            parts.setdefault(kind, []).append(state[slot][name].reshape(-1))
        return {kind: concatenate(arrays) for kind, arrays in parts.items()}

    def nested(self, flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the arrays by slot and name: parts of the flat ones."""
        state: dict[str, dict[str, Any]] = {}
        start = dict.fromkeys(flat, 0)
        for slot, name, shape, kind in self.fields:
            stop = start[kind] + math.prod(shape)
            state.setdefault(slot, {})[name] = flat[kind][start[kind] : stop].reshape(shape)
            start[kind] = stop
        return state


class KeptState(Mapping[str, Mapping[str, Any]]):
    """A state in a form of its own, which reads as any other state does: it is put in order when it is read."""

    @functools.cached_property
    def slots(self) -> Nested:
        """The arrays by slot and name."""
        raise NotImplementedError

    def __getitem__(self, slot: str) -> Mapping[str, Any]:
        """Return the arrays of a slot by name."""
        return self.slots[slot]

    def __iter__(self) -> Iterator[str]:
        """Yield the slots."""
        return iter(self.slots)

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.slots)


class FlatState(KeptState):
    """A state in its flat form."""

    def __init__(self, layout: StateLayout, flat: Mapping[str, Any]) -> None:
        """Take the arrays that `StateLayout.flat` gave."""
        self.layout, self.flat = layout, flat

    @classmethod
    def of(cls, state: Nested) -> "FlatState":
        """Return a state in its flat form."""
        if isinstance(state, FlatState):
            return state
        arrays = {slot: {name: np.asarray(array) for name, array in each.items()} for slot, each in state.items()}
        layout = StateLayout.of(arrays)
        return cls(layout, layout.flat(arrays, np.concatenate))

    @functools.cached_property
    def slots(self) -> Nested:
        """The arrays by slot and name."""
        return self.layout.nested({kind: np.asarray(array) for kind, array in self.flat.items()})


Step = Callable[..., tuple[Any, Any]]
"""From numbers, the length of a bin in ms, a state and columns to the next state and scores."""


def flat_step(step: Step, layout: StateLayout, columns: tuple[str, ...], series: tuple[str, ...]) -> Step:
    """Return the step of one bin: (numbers, width in ms, flat state, cells [C, K], values [S]) -> (flat state, scores).

    It is jitted.

    Args:
        step: the step with a nested state and its inputs by name.
        layout: that of its state.
        columns: the names of the rows of `cells`.
        series: the names of the `values`.
    """

    def flat(
        numbers: Any, width_ms: Any, state: Mapping[str, Any], cells: Any, values: Any
    ) -> tuple[dict[str, Any], Any]:
        shown = {name: cells[place][None] for place, name in enumerate(columns)}
        shown |= {name: values[place][None] for place, name in enumerate(series)}
        after, scores = step(numbers, width_ms, layout.nested(state), shown)
        return layout.flat(after, jnp.concatenate), scores

    return jax.jit(flat)


@dataclass(frozen=True)
class BinStep:
    """The step of one bin, whatever its state comes as.

    Attributes:
        compiled: gives of a state's layout what `flat_step` returns.
        numbers: the traced parameters.
        cell_width_ms: the length of a bin.
        columns: the columns that the step reads.
        series: the series of the bins that it reads.
    """

    compiled: Callable[[StateLayout], Step]
    numbers: Any
    cell_width_ms: float
    columns: tuple[str, ...]
    series: tuple[str, ...]

    def __call__(self, shown: Mapping[str, ArrayLike], state: Nested) -> tuple[FlatState, Any]:
        """Return the state after a bin, and its scores [1], given its columns, each [1, K], and series, each [1]."""
        before = FlatState.of(state)
        cells = np.empty((len(self.columns), np.shape(shown[self.columns[0]])[1]))
        for place, name in enumerate(self.columns):
            cells[place] = shown[name]
        values = np.array([np.asarray(shown[name])[0] for name in self.series], np.float64)
        step = self.compiled(before.layout)
        after, scores = step(self.numbers, np.float64(self.cell_width_ms), before.flat, cells, values)
        return FlatState(before.layout, after), scores
