"""Names of a learned signal's features, such as "slope over 25 bins of v_add, v_pull", read off its function.

Nobody writes these names down: the function is run on one bin, where nothing of a feature can come from another bin
but through the operators of `Clock`. Each operator gives a constant plus a mark that is 0. What feature f is made of
follows from its derivatives: a mark that it depends on is the last operator before it, a cell that it depends on is
read without any. The same derivatives of what an operator was given say what that was made of.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from numpy.typing import NDArray

from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import LearnedSignal
from vpharness.signals.core.operators import Operator, Series
from vpharness.signals.core.time_operators import Clock

_WORDS: Final[Mapping[str, str]] = {
    "rate": "change per second of {x}",
    "lag": "{x}, {n} bins before",
    "ema": "average (alpha {n}) of {x}",
    "slope": "slope over {n} bins of {x}",
    "seen": "bins seen",
    "mean": "mean over {n} bins of {x}",
    "std": "deviation over {n} bins of {x}",
    "skew": "skewness over {n} bins of {x}",
    "median_spread": "robust z over {n} bins of {x}",
}
"""What each operator is called, of what it was given."""

_TRIES: Final = 2
"""Random bins that are looked at: a derivative that happens to be 0 on one of them is not on the next."""
_MOST_PARTS: Final = 4
_SPREAD_TICKS: Final = 1.0
_MID_TICKS: Final = 100.5

Found = NDArray[np.bool_]


def feature_names(signal: LearnedSignal[Any], params: Any, *, cell_width_ms: float, radius: int) -> list[str]:
    """Return a name for each feature, in their order; "feature 7" where nothing tells what it is made of.

    Args:
        signal: the signal.
        params: its parameters.
        cell_width_ms: length of a bin.
        radius: of the grid: cells lie at |k| <= radius.
    """
    shapes = signal.shapes(1, radius)
    clocks: list[_MarkedClock] = []

    def survey() -> list[tuple[Array, ...]]:
        clocks.append(_MarkedClock(cell_width_ms, None))
        signal.body(clocks[0], Grid({name: jnp.ones(shape) for name, shape, _ in shapes}), params)
        return clocks[0].numbers

    numbers = jax.jit(survey)()  # of all else nothing is compiled
    first = clocks[0]
    calls = list(zip(first.operators, numbers, strict=True))

    ones, as_inputs = ravel_pytree(({name: jnp.ones(shape) for name, shape, _ in shapes}, first.marks))

    def run(flat: Array) -> Array:
        columns, marks = as_inputs(flat)
        clock = _MarkedClock(cell_width_ms, marks)
        features = signal.body(clock, Grid(columns), params)
        return jnp.concatenate([features[0], *(jnp.ravel(series) for series in clock.inputs)])

    # One vector to one vector, not optimised: it is run twice, and compiling would take most of the time.
    derivatives = jax.jit(jax.jacfwd(run)).lower(ones).compile({"xla_backend_optimization_level": "0"})
    rng = np.random.default_rng(0)
    bins = [ravel_pytree((_bin(shapes, rng), first.marks))[0] for _ in range(_TRIES)]
    depends: Found = np.any([np.asarray(derivatives(each)) != 0 for each in bins], axis=0)
    places, marks = jax.tree.map(np.asarray, as_inputs(jnp.arange(len(ones), dtype=jnp.float64)))
    rows = np.cumsum([0, len(depends) - sum(first.widths), *first.widths])
    made_of = [
        (
            {name: depends[start:stop][:, column[0].astype(int)] for name, column in places.items()},
            [
                (call, depends[start:stop][:, np.ravel(leaf).astype(int)])
                for call, each in enumerate(marks)
                for leaf in jax.tree.leaves(each)
            ],
        )
        for start, stop in pairwise(rows)
    ]
    describe = _Describer(calls, made_of)
    return [describe.name(0, row) or f"feature {row}" for row in range(rows[1])]


class _MarkedClock(Clock):
    """A clock whose operators give a constant plus a mark, and that keeps what they were given.

    Attributes:
        operators, numbers: the name of each call's operator, and the numbers it was called with.
        inputs, widths: what each was given, and how many series these are.
        marks: for each call zeros of the shape of its answer.
    """

    def __init__(self, cell_width_ms: ArrayLike, marks: Sequence[Any] | None) -> None:
        super().__init__(cell_width_ms)
        self._given = marks
        self._answers: dict[tuple[Operator, tuple[int, ...]], Any] = {}
        self.operators: list[str] = []
        self.numbers: list[tuple[Array, ...]] = []
        self.inputs: list[Array] = []
        self.widths: list[int] = []
        self.marks: list[Any] = []

    def apply(self, operator: Operator, series: Array, *numbers: Array) -> Series:
        """Return a constant plus the mark of this call, whatever the operator would give."""
        key = (operator, series.shape)
        if key not in self._answers:
            self._answers[key] = jax.eval_shape(operator.apply, operator.start(1), series, *numbers)[1]
        shapes = self._answers[key]
        place = len(self.inputs)
        self.inputs.append(series)
        self.widths.append(series.size)
        if self._given is not None:
            marks = self._given[place]
        else:
            self.operators.append(operator.name)
            self.numbers.append(numbers)
            marks = jax.tree.map(lambda shape: np.zeros(shape.shape), shapes)
            self.marks.append(marks)
        answer: Series = jax.tree.map(
            lambda mark, shape: (_usual(shape.dtype) + mark).astype(shape.dtype), marks, shapes
        )
        return answer


def _usual(kind: Any) -> float:
    """Return the constant of an operator's answer: of values, or of how many there were, which are always enough."""
    return 1e6 if np.issubdtype(kind, np.integer) else 1.0


def _bin(shapes: Sequence[tuple[str, tuple[int, ...], str]], rng: np.random.Generator) -> dict[str, Array]:
    """Return a bin of random cells, with best prices one tick apart."""
    fixed = {"mid_ticks": _MID_TICKS, "spread_ticks": _SPREAD_TICKS}
    return {
        name: jnp.full(shape, fixed[name]) if name in fixed else jnp.asarray(rng.uniform(0.5, 1.5, shape))
        for name, shape, _ in shapes
    }


class _Describer:
    """Puts into words what rows are made of: features, or what an operator was given."""

    def __init__(
        self,
        calls: Sequence[tuple[str, tuple[Array, ...]]],
        made_of: Sequence[tuple[Mapping[str, Found], Sequence[tuple[int, Found]]]],
    ) -> None:
        self._calls, self._made_of = calls, made_of

    def name(self, place: int, row: int) -> str:
        """Return what a row is made of; `place` 0 are the features, n the input of the n-th call."""
        cells, marks = self._made_of[place]
        parts: dict[str, None] = {}
        for call, found in marks:
            # An operator of several series at once has a mark for each of them.
            for component in np.flatnonzero(found[row]):
                operator, numbers = self._calls[call]
                of = self.name(call + 1, int(component))
                n = f"{float(numbers[0]):g}" if numbers else ""
                parts[_WORDS.get(operator, operator + " of {x}").format(x=of or "what is constant", n=n)] = None
        own = _columns_text({name: found[row] for name, found in cells.items()})
        if own and not any(part.endswith(f" of {own}") for part in parts):
            parts[own] = None
        names = list(parts)
        more = f" and {len(names) - _MOST_PARTS} more" if len(names) > _MOST_PARTS else ""
        return ", ".join(names[:_MOST_PARTS]) + more


def _columns_text(found: Mapping[str, Found]) -> str:
    """Return the columns that are read, with their cells where these are not all of them; those alike together."""
    by_cells: dict[str, list[str]] = {}
    for name, cells in found.items():
        if cells.any():
            by_cells.setdefault(_cells_text(cells), []).append(name)
    return ", ".join(f"{', '.join(names)}{where}" for where, names in by_cells.items())


def _cells_text(cells: Found) -> str:
    """Return at which ticks from spot something is read; nothing for a series, and for cells up to both ends."""
    if cells.ndim == 0:
        return ""
    radius = len(cells) // 2
    k = np.flatnonzero(cells) - radius
    first, last = int(k[0]), int(k[-1])
    if first == last:
        return f" at k {_signed(first)}"
    if first == -radius and last == radius:
        return ""
    if first == -last:
        least = int(np.abs(k).min())
        return f" at |k| {last}" if least == last else f" at |k| {least} to {last}"
    return f" at k {_signed(first)} to {_signed(last)}"


def _signed(k: int) -> str:
    return f"{k:+d}" if k else "0"
