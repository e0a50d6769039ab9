"""What the body of a signal compiles to: its step, its digest, and how far back and aside it looks.

A body is traced, never interpreted. It is asked for its operators once (`survey`), and made a function from a state and
a chunk of columns to the next state and scores (`step_of`), which JAX compiles.
"""

import functools
import hashlib
import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vpharness.errors import ConfigError, VpharnessError
from vpharness.signals.core.binding import Numbers, Structure, split
from vpharness.signals.core.definition import Signal, SignalParameters
from vpharness.signals.core.flat_state import Nested, StateLayout, flat_step
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import LearnedSignal
from vpharness.signals.core.operators import Operator
from vpharness.signals.core.time_operators import ChunkClock, SurveyClock, slot_name

ScorerState = Nested
"""For each call of an operator (00_rate, 01_median_spread, ...) its arrays by name, of JAX or NumPy."""
_DIGEST_BINS: Final = 4096
_DIGEST_RADIUS: Final = 50
_DIGEST_CAPACITY: Final = 512
_COMPILED_KEPT: Final = 256


def digest(signal: Signal[Any], params: SignalParameters | None = None) -> str:
    """Return the SHA-256 of what the signal compiles to: its lowered StableHLO and the names of its arguments.

    It is the same in every process and for all values of the numbers; it changes with the body, with whatever the body
    calls, with the columns and the parameters that it declares and with which of them it uses where, with the choices
    (bool, str), the lengths of lists, and with the version of JAX.
    """
    structure = split(signal.parameters() if params is None else params)[0]
    found = _digest(signal, structure)
    if isinstance(signal, LearnedSignal) and signal.combination is not None:
        return hashlib.sha256(f"{found} {_digest(signal.combination, structure)}".encode()).hexdigest()
    return found


@functools.lru_cache(maxsize=_COMPILED_KEPT)
def _digest(signal: Signal[Any], structure: Structure) -> str:
    operators, _ = survey(signal, structure, _DIGEST_RADIUS)
    state = {slot_name(i, operator): operator.start(_DIGEST_CAPACITY) for i, operator in enumerate(operators)}
    cells = {
        name: jax.ShapeDtypeStruct(shape, np.dtype(kind))  # type: ignore[no-untyped-call] # JAX has it untyped
        for name, shape, kind in signal.shapes(_DIGEST_BINS, _DIGEST_RADIUS)
    }
    # An argument is known by its place alone: only where none is left out does the place tell which one is used, and
    # only with the names beside it what stands there.
    step = jax.jit(step_of(signal, structure), keep_unused=True)
    lowered = step.lower(structure.abstract_numbers(), np.float64(0), state, cells)
    names = json.dumps([sorted(signal.inputs), sorted(structure.kinds), sorted(structure.choices)])
    return hashlib.sha256(f"{names}\n{lowered.as_text()}".encode()).hexdigest()


@functools.lru_cache(maxsize=_COMPILED_KEPT)
def compiled_step(signal: Signal[Any], structure: Structure) -> Any:
    """Return the jitted step of a signal."""
    return jax.jit(step_of(signal, structure))


@functools.lru_cache(maxsize=_COMPILED_KEPT)
def compiled_flat_step(signal: Signal[Any], structure: Structure, layout: StateLayout) -> Any:
    """Return the jitted step of a signal for one bin, with its state in flat form: see `flat_step`."""
    return flat_step(step_of(signal, structure), layout, signal.columns, signal.series)


def step_of(signal: Signal[Any], structure: Structure) -> Callable[..., tuple[ScorerState, Array]]:
    """Return the step of a signal: (numbers, cell_width_ms, state, columns) -> (state, scores)."""

    def step(
        numbers: Numbers, cell_width_ms: Array, state: ScorerState, columns: Mapping[str, Array]
    ) -> tuple[ScorerState, Array]:
        clock = ChunkClock(cell_width_ms, state)
        grid = Grid({name: column.astype(jnp.float64) for name, column in columns.items()})
        scores = signal.body(clock, grid, structure.bind(numbers))
        return clock.after, scores

    return step


@functools.lru_cache(maxsize=_COMPILED_KEPT)
def survey(
    signal: Signal[Any], structure: Structure, radius: int
) -> tuple[tuple[Operator, ...], Callable[[Numbers, np.float64], tuple[Array, Array]]]:
    """Return what a signal needs: its operators, and a function from its numbers to (bins back, |k|) that it reaches.

    The body itself is asked, so that nobody has to say it a second time.
    """
    clocks: list[SurveyClock] = []

    def measure(numbers: Numbers, cell_width_ms: Array) -> tuple[Array, Array]:
        clock = SurveyClock(cell_width_ms)
        grid = Grid({name: jnp.zeros(shape) for name, shape, _ in signal.shapes(1, radius)})
        try:
            signal.body(clock, grid, structure.bind(numbers))
        except VpharnessError:
            raise
        except Exception as error:  # the body is its author's code, and may raise anything
            raise ConfigError(f"signal {signal.name} fails: {_where(error)}") from error
        clocks.append(clock)
        return _largest(clock.reaches), _largest(grid.reaches)

    shape = jax.ShapeDtypeStruct((), np.dtype(np.float64))  # type: ignore[no-untyped-call] # JAX has it untyped
    compiled = jax.jit(measure).lower(structure.abstract_numbers(), shape).compile()
    return tuple(clocks[0].operators), compiled


def _where(error: Exception) -> str:
    """Return an error on one line, with the deepest line of a file that lies in no installed package."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    what = " ".join(str(error).split())
    return f"{type(error).__name__}: {what} ({frames[-1].filename}, line {frames[-1].lineno})"


def _largest(reaches: list[Array]) -> Array:
    return jnp.max(jnp.stack([jnp.int64(0), *reaches]))
