"""How far back a signal's scores reach, derived from its traced body alone, without data.

Operators that look at one another's answers reach back one behind the other: a robust z over 200 bins of a slope over
50 knows 248 bins before its own. What is added up is read off the traced body, along its longest way from the cells to
the score.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun

from vpharness.signals.core.binding import Structure, split
from vpharness.signals.core.body_pieces import MARK, Shapes, traced_body
from vpharness.signals.core.definition import Signal, SignalParameters
from vpharness.signals.core.learned import LearnedSignal
from vpharness.signals.core.operators import (
    EMA,
    LAG,
    MEAN,
    MEDIAN_SPREAD,
    RATE,
    SEEN,
    SKEW,
    SLOPE,
    STD,
    Operator,
)

FORGOTTEN: Final = 2.0**-53
"""The share of what it began with at which an exponential average has forgotten it: the precision of a float64.

Scores may differ by CHUNK_TOLERANCE; the seven digits between the two are room for a beginning that was larger by as
much as what is averaged now.
"""

_KEPT: Final = 256
_COMPARISONS: Final = frozenset({"ge", "gt", "le", "lt"})

_Atom = Var | Literal


@dataclass(frozen=True)
class Reach:
    """How many bins before its own a score depends on.

    Attributes:
        windows: through windows, lags and differences alone, which end where they end; exponential averages aside.
        whole: exponential averages included, each until it has FORGOTTEN; None where there is no end to it, as with a
            number of bins that is counted for ever.
    """

    windows: int
    whole: int | None


def reach_of(signal: Signal[Any], params: SignalParameters, *, cell_width_ms: float, radius: int) -> Reach:
    """Return how far back the scores of a signal with these parameters reach.

    Those of a learned one reach as far as its features, and behind these as far as what combines its model's outputs;
    what its weights were fitted on is not counted.
    """
    found = _body_reach(signal, params, cell_width_ms, radius)
    if not isinstance(signal, LearnedSignal) or signal.combination is None:
        return found
    behind = _body_reach(signal.combination, params, cell_width_ms, 0)
    whole = None if found.whole is None or behind.whole is None else found.whole + behind.whole
    return Reach(found.windows + behind.windows, whole)


def _body_reach(signal: Signal[Any], params: SignalParameters, cell_width_ms: float, radius: int) -> Reach:
    structure, numbers = split(params)
    form = _form(signal, structure, signal.shapes(1, radius))
    leaves = [*jax.tree.leaves((numbers, np.float64(cell_width_ms))), *form.no_cells]
    known = dict(zip(form.asked, (float(np.max(value)) for value in form.answer(*leaves)), strict=True))
    windows, whole = _longest_way(form, known)
    return Reach(int(windows), None if math.isinf(whole) else int(whole))


@dataclass(frozen=True)
class _Call:
    """A call of an operator: its equation, its numbers, and whether these follow from cells, so that nobody knows them.

    The numbers of a count of bins are those that it is compared with; None where something else is done with it.
    """

    operator: Operator
    numbers: tuple[_Atom, ...] | None
    varies: bool


@dataclass(frozen=True)
class _Form:
    """A traced body, and what must be asked of its numbers.

    Attributes:
        traced: the body.
        calls: by the place of an equation, the operator that it calls.
        asked: the values that its operators are called with.
        answer: from the leaves of (numbers, cell_width_ms, columns) to those values.
        no_cells: columns of zeros.
    """

    traced: ClosedJaxpr
    calls: Mapping[int, _Call]
    asked: tuple[Var, ...]
    answer: Callable[..., Sequence[Array]]
    no_cells: tuple[np.ndarray[Any, Any], ...]


@functools.lru_cache(maxsize=_KEPT)
def _form(signal: Signal[Any], structure: Structure, shapes: Shapes) -> _Form:
    traced, called = traced_body(signal, structure, shapes)
    body = traced.jaxpr
    varying = _varying(body, body.invars[-len(shapes) :])
    calls, operators = {}, iter(called)
    for place, equation in enumerate(body.eqns):
        if equation.params.get("name") == MARK:
            operator = next(operators)
            numbers = _limits(body, equation.outvars[0]) if operator is SEEN else tuple(equation.invars[1:])
            varies = any(isinstance(atom, Var) and atom in varying for atom in numbers or ())
            calls[place] = _Call(operator, numbers, varies)
    given = (atom for call in calls.values() if not call.varies for atom in call.numbers or ())
    asked = tuple(dict.fromkeys(atom for atom in given if isinstance(atom, Var)))
    part = Jaxpr(body.constvars, body.invars, list(asked), body.eqns, debug_info=body.debug_info.with_unknown_names())
    no_cells = tuple(np.zeros(shape, kind) for _, shape, kind in shapes)
    return _Form(traced, calls, asked, jax.jit(jaxpr_as_fun(ClosedJaxpr(part, traced.consts))), no_cells)


def _varying(body: Jaxpr, columns: Sequence[Var]) -> set[Var]:
    """Return the values that follow from the cells."""
    found = set(columns)
    for equation in body.eqns:
        if any(isinstance(atom, Var) and atom in found for atom in equation.invars):
            found.update(equation.outvars)
    return found


def _limits(body: Jaxpr, count: Var) -> tuple[_Atom, ...] | None:
    """Return what a count of bins is compared with; None where it is used in any other way."""
    limits: list[_Atom] = []
    for equation in _users(body, count):
        if equation.primitive.name not in _COMPARISONS:
            return None
        limits += [atom for atom in equation.invars if atom is not count]
    return None if any(atom is count for atom in body.outvars) else tuple(limits)


def _users(body: Jaxpr, var: Var) -> Iterator[JaxprEqn]:
    return (equation for equation in body.eqns if any(atom is var for atom in equation.invars))


def _longest_way(form: _Form, known: Mapping[Var, float]) -> tuple[float, float]:
    """Return the bins that the score reaches back: through windows alone, and in all."""
    body = form.traced.jaxpr
    depth: dict[Var, tuple[float, float]] = {}

    def deepest(atoms: Sequence[Any]) -> tuple[float, float]:
        found = [depth.get(atom, (0.0, 0.0)) for atom in atoms if isinstance(atom, Var)]
        return max((each[0] for each in found), default=0.0), max((each[1] for each in found), default=0.0)

    for place, equation in enumerate(body.eqns):
        windows, whole = deepest(equation.invars)
        if place in form.calls:
            own, counts = _bins_back(form.calls[place], known), form.calls[place].operator is SEEN
            # A count is of bins, whatever they hold.
            windows, whole = own if counts else (windows + own[0], whole + own[1])
        depth.update(dict.fromkeys(equation.outvars, (windows, whole)))
    return deepest(body.outvars)


def _bins_back(call: _Call, known: Mapping[Var, float]) -> tuple[float, float]:
    """Return how many bins before its own an operator's answer depends on: if it is a window's, and in any case."""
    if call.varies or call.numbers is None:
        return 0.0, math.inf
    numbers = [float(np.max(atom.val)) if isinstance(atom, Literal) else known[atom] for atom in call.numbers]
    largest, name = max(numbers, default=0.0), call.operator.name
    if name == EMA.name:
        return 0.0, _bins_until_forgotten(largest)
    windows = {
        RATE.name: 1.0,
        LAG.name: largest,
        SLOPE.name: largest - 1,
        MEDIAN_SPREAD.name: largest - 1,
        **dict.fromkeys((MEAN.name, STD.name, SKEW.name), largest - 1),
        SEEN.name: largest,
    }
    back = windows.get(name, math.inf)
    return back, back


def _bins_until_forgotten(alpha: float) -> float:
    if alpha >= 1:
        return 0.0
    return math.ceil(math.log(FORGOTTEN) / math.log1p(-alpha)) if alpha > 0 else math.inf
