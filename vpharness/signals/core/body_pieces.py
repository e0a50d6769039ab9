"""Cutting a signal's body into its operators and the stretches between them, each compiled on its own.

The body is traced once, with operators left as marked calls. An operator compiled on its own serves every signal.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, DebugInfo, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jax.typing import ArrayLike

from vpharness.signals.core.binding import Numbers, Structure
from vpharness.signals.core.definition import Signal
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.operators import Operator, Series
from vpharness.signals.core.time_operators import Clock

Shapes = tuple[tuple[str, tuple[int, ...], str], ...]
"""Name, shape and dtype of each column."""
MARK: Final = "vpharness_operator"
"""What the call of an operator is named in a traced body."""
_KEPT: Final = 256
_UNNAMED: Final = DebugInfo("jit", "piece of a signal", arg_names=None, result_paths=None)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a signal's body, or an operator: a compiled function from the values of `inputs` to `outputs`."""

    run: Callable[..., Sequence[Array]]
    inputs: tuple[Var, ...]
    outputs: tuple[Var, ...]


@dataclass(frozen=True)
class ScoringPlan:
    """A signal's body in pieces, in an order in which they can run.

    Attributes:
        inputs: the leaves of (numbers, cell_width_ms, columns).
        pieces: what to run.
        scores: the result.
    """

    inputs: tuple[Var, ...]
    pieces: tuple[Piece, ...]
    scores: Var


class _MarkingClock(Clock):
    """A clock that leaves a marked call in the traced body wherever an operator is called."""

    def __init__(self, cell_width_ms: ArrayLike) -> None:
        super().__init__(cell_width_ms)
        self.operators: list[Operator] = []

    def apply(self, operator: Operator, series: Array, *numbers: Array) -> Series:
        """Leave a marked call, and return values of the answer's shape that have no meaning."""

        def stand_in(*arguments: Array) -> Series:
            _, shapes = jax.eval_shape(operator.apply, operator.start(1), *arguments)
            return jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

        stand_in.__name__ = MARK
        self.operators.append(operator)
        return jax.jit(stand_in)(series, *numbers)


def traced_body(signal: Signal[Any], structure: Structure, shapes: Shapes) -> tuple[ClosedJaxpr, tuple[Operator, ...]]:
    """Return the body of a signal, traced for columns of these shapes with its operators left as marked calls.

    Returns: the body, whose inputs are the leaves of (numbers, cell_width_ms, columns), and the operators called.
    """
    clocks: list[_MarkingClock] = []

    def body(numbers: Numbers, cell_width_ms: Array, columns: dict[str, Array]) -> Array:
        clocks.append(_MarkingClock(cell_width_ms))
        grid = Grid({name: column.astype(jnp.float64) for name, column in columns.items()})
        # A copy, so that the scores are a value of their own even where a body hands on what it was given.
        return jnp.array(signal.body(clocks[-1], grid, structure.bind(numbers)))

    width = jax.ShapeDtypeStruct((), np.dtype(np.float64))  # type: ignore[no-untyped-call] # JAX has it untyped
    columns = {name: jax.ShapeDtypeStruct(shape, np.dtype(kind)) for name, shape, kind in shapes}  # type: ignore[no-untyped-call] # as above
    traced = jax.make_jaxpr(body)(structure.abstract_numbers(), width, columns)
    return traced, tuple(clocks[-1].operators)


@functools.lru_cache(maxsize=_KEPT)
def plan_of(signal: Signal[Any], structure: Structure, capacity: int, shapes: Shapes) -> ScoringPlan:
    """Cut the body of a signal into pieces, for columns of these shapes and windows up to `capacity`."""
    traced, called = traced_body(signal, structure, shapes)
    cut = _Cut(traced)
    operators = iter(called)
    for equation in traced.jaxpr.eqns:
        if equation.params.get("name") == MARK:
            # One piece for each argument: a series does not depend on the window that it is then seen through.
            for argument in equation.invars:
                cut.take_ancestors(argument)
            cut.take_operator(equation, next(operators), capacity)
    (scores,) = traced.jaxpr.outvars
    cut.take_ancestors(scores)
    return ScoringPlan(tuple(traced.jaxpr.invars), tuple(cut.pieces), scores)


class _Cut:
    """A traced body while it is being cut.

    Attributes:
        pieces: what has been taken so far, in an order in which it can run.
    """

    def __init__(self, traced: ClosedJaxpr) -> None:
        self.pieces: list[Piece] = []
        self._constants = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
        self._equations = traced.jaxpr.eqns
        self._maker = {var: i for i, equation in enumerate(self._equations) for var in equation.outvars}
        self._results = traced.jaxpr.outvars
        self._taken: set[int] = set()

    def take_ancestors(self, target: Var | Literal) -> None:
        """Make a piece of the equations that a value depends on and that are in no piece yet."""
        found: set[int] = set()
        waiting = [target]
        while waiting:
            var = waiting.pop()
            if isinstance(var, Literal) or var not in self._maker:
                continue
            i = self._maker[var]
            if i not in found and i not in self._taken:
                found.add(i)
                waiting += self._equations[i].invars
        if found:
            self._taken |= found
            self._take([self._equations[i] for i in sorted(found)])

    def _take(self, equations: list[JaxprEqn]) -> None:
        made = [var for equation in equations for var in equation.outvars]
        used = dict.fromkeys(v for equation in equations for v in equation.invars if not isinstance(v, Literal))
        constants = [var for var in used if var in self._constants]
        inputs = [var for var in used if var not in self._constants and var not in made]
        inside = set(map(id, equations))
        wanted = {
            var
            for equation in self._equations
            if id(equation) not in inside
            for var in equation.invars
            if not isinstance(var, Literal)
        } | set(self._results)
        outputs = [var for var in made if var in wanted]
        part = Jaxpr(constants, inputs, outputs, equations, debug_info=_UNNAMED)
        closed = ClosedJaxpr(part, [self._constants[var] for var in constants])
        self.pieces.append(Piece(jax.jit(jaxpr_as_fun(closed)), tuple(inputs), tuple(outputs)))

    def take_operator(self, equation: JaxprEqn, operator: Operator, capacity: int) -> None:
        """Make a piece of a marked call."""
        self._taken.add(self._equations.index(equation))
        compiled = _whole_run(operator, capacity)
        atoms = equation.invars
        inputs = tuple(dict.fromkeys(atom for atom in atoms if not isinstance(atom, Literal)))

        def run(*values: Array) -> Sequence[Array]:
            given = dict(zip(inputs, values, strict=True))
            arguments = [np.asarray(atom.val) if isinstance(atom, Literal) else given[atom] for atom in atoms]
            found: Sequence[Array] = compiled(*arguments)
            return found

        self.pieces.append(Piece(run, inputs, tuple(equation.outvars)))


@functools.lru_cache(maxsize=_KEPT)
def _whole_run(operator: Operator, capacity: int) -> Callable[..., Sequence[Array]]:
    """Return the compiled operator over a whole run, from the state before the first bin."""

    def run(series: Array, *numbers: Array) -> Sequence[Array]:
        _, found = operator.apply(operator.start(capacity), series, *numbers)
        return jax.tree.leaves(found)

    return jax.jit(run)
