"""What a signal's compiled program contains: captured constants, and calls back into Python.

A body that closes over an array, or draws it from a file while it is traced, carries it into its program, and a call
back into Python can read anything at all. Neither shows in the scores, so the traced and the lowered program is looked
at itself.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from numpy.typing import NDArray

from vpharness.signals.core.binding import Structure
from vpharness.signals.core.compiled_body import compiled_step, step_of
from vpharness.signals.core.definition import Signal
from vpharness.signals.core.scoring import Scorer

_NUMBER_BYTES: Final = 8
_KEPT: Final = 256
_CALLS_OUT: Final = re.compile(r"callback|ffi_call|infeed|outfeed|python", re.IGNORECASE)
"""Operations that reach out of the program, in JAX's names of primitives and in those of custom calls."""
_CUSTOM_CALL: Final = re.compile(r"custom_call @([\w.\-]+)")

_Kinds = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Program:
    """The findings about a signal's program.

    Attributes:
        largest_bytes: the size of its largest constant.
        total_bytes: the size of all its constants, of the numbers among its parameters and of what its operators begin
            with. An array that is one value throughout, or counts up evenly along its axes, counts as those few
            numbers: it is computed in all but name.
        calls_out: what it calls outside of itself, by name, sorted.
    """

    largest_bytes: int
    total_bytes: int
    calls_out: tuple[str, ...]


def program_of(ready: Scorer, columns: Mapping[str, NDArray[Any]], bins: int) -> Program:
    """Return the findings about the program that scores so many bins of columns of these types; nothing is run."""
    kinds = tuple((name, str(columns[name].dtype)) for name in ready.signal.inputs)
    return _program(ready.signal, ready.structure, ready.operators, (ready.radius, ready.capacity, bins), kinds)


@functools.lru_cache(maxsize=_KEPT)
def _program(
    signal: Signal[Any],
    structure: Structure,
    operators: tuple[Any, ...],
    sizes: tuple[int, int, int],
    kinds: _Kinds,
) -> Program:
    radius, capacity, bins = sizes
    state = {slot: dict(arrays) for slot, arrays in _states(operators, capacity)}
    shapes = {name: shape for name, shape, _ in signal.shapes(bins, radius)}
    cells = {name: jax.ShapeDtypeStruct(shapes[name], np.dtype(kind)) for name, kind in kinds}  # type: ignore[no-untyped-call] # JAX has it untyped
    arguments = (structure.abstract_numbers(), np.float64(0), state, cells)
    found = _Found()
    # Traced anew: what JAX keeps for a compiled function may have turned its constants into arguments.
    found.look_into(jax.make_jaxpr(step_of(signal, structure))(*arguments))
    for _, arrays in _states(operators, capacity):
        for array in arrays.values():
            found.hold(np.asarray(array))
    targets = _CUSTOM_CALL.findall(compiled_step(signal, structure).lower(*arguments).as_text())
    calls = {name for name in [*found.primitives, *targets] if _CALLS_OUT.search(name)}
    numbers = sum(_NUMBER_BYTES * (1 if length is None else length) for _, _, length in structure.kinds)
    sizes_found = [information_bytes(array) for array in found.arrays.values()]
    return Program(
        max(sizes_found, default=0), sum(sizes_found) + found.scalars * _NUMBER_BYTES + numbers, tuple(sorted(calls))
    )


def _states(operators: tuple[Any, ...], capacity: int) -> Iterator[tuple[str, Mapping[str, NDArray[Any]]]]:
    for call, operator in enumerate(operators):
        yield f"{call:02d}_{operator.name}", operator.start(capacity)


class _Found:
    """The constants and operations found while walking through a traced program.

    Attributes:
        arrays: constants by identity, since one that several parts of a program share is one.
        scalars: how many single numbers stand in it: an unrolled table is as good as a table.
        primitives: the names of its operations.
    """

    def __init__(self) -> None:
        self.arrays: dict[int, NDArray[Any]] = {}
        self.scalars = 0
        self.primitives: set[str] = set()
        self._kept: list[Any] = []  # so that no identity is used twice
        self._seen: set[int] = set()

    def hold(self, value: Any) -> None:
        """Record a constant."""
        if isinstance(value, jax.core.Tracer):
            return  # a value of the program itself that a nested part of it closes over
        if np.ndim(value) == 0:
            self.scalars += 1
        elif id(value) not in self.arrays:
            self._kept.append(value)
            self.arrays[id(value)] = np.asarray(value)

    def look_into(self, part: Any) -> None:
        """Record the constants and operations of a part of a program, and of all that is nested in it."""
        waiting = [part]
        while waiting:
            part = waiting.pop()
            if isinstance(part, ClosedJaxpr):
                for constant in part.consts:
                    self.hold(constant)
                waiting.append(part.jaxpr)
            elif isinstance(part, Jaxpr):
                waiting += self._nested_in(part)
            elif isinstance(part, np.ndarray | jax.Array):
                self.hold(part)
            elif isinstance(part, list | tuple):
                waiting += part
            elif isinstance(part, Mapping):
                waiting += part.values()

    def _nested_in(self, part: Jaxpr) -> list[Any]:
        """Record the operations of a part, once, and return their parameters."""
        if id(part) in self._seen:
            return []
        self._seen.add(id(part))
        self._kept.append(part)
        for equation in part.eqns:
            self.primitives.add(equation.primitive.name)
            for atom in equation.invars:
                if isinstance(atom, Literal):
                    self.hold(atom.val)
        return [value for equation in part.eqns for value in equation.params.values()]


def information_bytes(array: NDArray[Any]) -> int:
    """Return the size of an array in bytes, or that of the few numbers that describe an even one."""
    if array.size == 0:
        return 0
    few = int(array.itemsize) * (array.ndim + 1)
    return min(few, array.nbytes) if _is_even(array) else int(array.nbytes)


def _is_even(array: NDArray[Any]) -> bool:
    """Whether an array is a first value plus a fixed step, which may be 0, along each axis, exactly."""
    first = array[(0,) * array.ndim]
    if np.array_equal(array, np.broadcast_to(first, array.shape), equal_nan=array.dtype.kind in "fc"):
        return True
    if array.dtype.kind not in "iuf":
        return False
    exact = array.astype(np.float64)
    even = np.full(array.shape, float(first))
    for axis, length in enumerate(array.shape):
        if length > 1:
            place = [0] * array.ndim
            place[axis] = 1
            step = exact[tuple(place)] - float(first)
            shape = [1] * array.ndim
            shape[axis] = length
            even = even + step * np.arange(length).reshape(shape)
    return bool(np.array_equal(exact, even))
