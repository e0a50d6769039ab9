"""Scoring: a whole dataset, chunk by chunk, or one bin at a time, by one compiled step."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.signals.core.binding import Numbers, Structure, score_parameters, split
from vpharness.signals.core.compiled_body import (
    ScorerState,
    compiled_flat_step,
    compiled_step,
    digest,
    step_of,
    survey,
)
from vpharness.signals.core.definition import LONGEST_WINDOW_BINS, Signal, SignalParameters
from vpharness.signals.core.fits_in_force import FitsInForce, rounded
from vpharness.signals.core.flat_state import BinStep, StateLayout
from vpharness.signals.core.learned import LearnedSignal
from vpharness.signals.core.learned_step import Combination, learned_start, learned_step
from vpharness.signals.core.operators import Operator
from vpharness.signals.core.time_operators import slot_name


@dataclass(frozen=True)
class Scorer:
    """A signal with its parameters, ready to score bins of a grid.

    Made by `scorer`. The bins shown to `step` follow one another; it is for the caller to leave out those whose book is
    not valid, as `score` does.

    Attributes:
        signal: the signal.
        params: its parameters.
        cell_width_ms: the length of a bin.
        radius: the grid's cells are k = -radius..radius.
        capacity: the bins that buffers reach back. Scorers of equal capacity share one compiled form.
        operators: the operators that the signal's body calls, in order.
        structure: what the compiled form depends on.
        numbers: the traced parameters.
        fits: the weights in force of a learned signal, by the valid bin from which on they are; None for any other.
        combined: what makes scores of its model's outputs, where these are none yet.
    """

    signal: Signal[Any]
    params: SignalParameters
    cell_width_ms: float
    radius: int
    capacity: int
    operators: tuple[Operator, ...]
    structure: Structure
    numbers: Numbers
    fits: FitsInForce | None = None
    combined: "Scorer | None" = None

    @property
    def name(self) -> str:
        """The signal's name."""
        return self.signal.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The grid columns that it reads."""
        return self.signal.columns

    @property
    def series(self) -> tuple[str, ...]:
        """The series of the bins that it reads."""
        return self.signal.series

    @property
    def code_digest(self) -> str:
        """The digest of the signal's code."""
        return digest(self.signal, self.params)

    @property
    def weights_digest(self) -> str | None:
        """The digest of the weights in force of a learned signal; None for any other."""
        return None if self.fits is None else self.fits.digest

    @property
    def combination(self) -> Combination | None:
        """What makes scores of its model's outputs, where these are none yet."""
        combined = self.combined
        return None if combined is None else Combination(combined.series, combined.start, combined.step)

    @property
    def parameter_values(self) -> dict[str, Any]:
        """The parameters that scores depend on, by name."""
        return score_parameters(self.params)

    def body_start(self) -> ScorerState:
        """Return the state of the body's operators before the first bin."""
        return {
            slot_name(call, operator): {
                name: jnp.asarray(array) for name, array in operator.start(self.capacity).items()
            }
            for call, operator in enumerate(self.operators)
        }

    def start(self) -> ScorerState:
        """Return the state before the first bin."""
        state = self.body_start()
        return state if self.fits is None else learned_start(state, self.combination)

    def step(self, state: ScorerState, columns: Mapping[str, ArrayLike]) -> tuple[ScorerState, Array]:
        """Score the next T bins.

        Args:
            state: what the last step returned, or `start()`.
            columns: at least the signal's columns, each [T, 2 radius + 1], and its series, each [T]; more are not
                looked at.

        Returns: the state after them, and the scores [T]; the state given stays as it was.

        Raises ConfigError where a column is missing or has another shape.
        """
        cells, radius = checked_columns(self.signal, columns)
        if radius != self.radius:
            raise ConfigError(f"signal {self.signal.name}: the columns have the radius {radius}, not {self.radius}")
        bins = np.shape(cells[self.signal.columns[0]])[0]
        if not bins:
            return state, jnp.zeros(0)
        step = functools.partial(self._body_step if bins > 1 else self._bin_step, cells)
        return step(state) if self.fits is None else learned_step(state, step, self.fits, self.combination)

    def _body_step(self, cells: Mapping[str, ArrayLike], state: ScorerState) -> tuple[ScorerState, Array]:
        step = compiled_step(self.signal, self.structure)
        found: tuple[ScorerState, Array]
        found = step(self.numbers, np.float64(self.cell_width_ms), {slot: dict(state[slot]) for slot in state}, cells)
        return found

    @functools.cached_property
    def _bin_step(self) -> BinStep:
        compiled = functools.partial(compiled_flat_step, self.signal, self.structure)
        return BinStep(compiled, self.numbers, self.cell_width_ms, self.columns, self.series)

    def with_fits(self, fits: FitsInForce) -> "Scorer":
        """Return the scorer of a learned signal with its weights."""
        combined = combination_scorer(self.signal, self.params, self.cell_width_ms)
        return dataclasses.replace(self, fits=fits, combined=combined)


def scorer(
    signal: Signal[Any],
    params: SignalParameters | None = None,
    *,
    cell_width_ms: float,
    radius: int,
    capacity: int | None = None,
    fits: FitsInForce | None = None,
) -> Scorer:
    """Make a scorer, after checking the parameters and that the grid is wide enough.

    Args:
        signal: the signal.
        params: its parameters (default: its defaults).
        cell_width_ms: the length of a bin.
        radius: the grid's cells are k = -radius..radius.
        capacity: the bins that buffers reach back; default: what these parameters need, rounded up. Several scorers
            that are given the largest of their capacities share one compiled form.
        fits: the weights of a learned signal.

    Raises ConfigError where parameters are out of range, the grid is too narrow, a window too long or the capacity too
    small, and for a learned signal without weights.
    """
    if isinstance(signal, LearnedSignal) and fits is None:
        raise ConfigError(
            f"signal {signal.name} is learned: it has no score without weights; a run fits them "
            "(python -m vpharness signal=...)"
        )
    ready = body_scorer(signal, params, cell_width_ms=cell_width_ms, radius=radius, capacity=capacity)
    return ready if fits is None else ready.with_fits(fits)


def combination_scorer(signal: Signal[Any], params: SignalParameters, cell_width_ms: float) -> Scorer | None:
    """Return what makes scores of the outputs of a learned signal's model; None where the model gives the score."""
    combination = signal.combination if isinstance(signal, LearnedSignal) else None
    return None if combination is None else body_scorer(combination, params, cell_width_ms=cell_width_ms, radius=0)


def body_scorer(
    signal: Signal[Any],
    params: SignalParameters | None = None,
    *,
    cell_width_ms: float,
    radius: int,
    capacity: int | None = None,
) -> Scorer:
    """Make a scorer as `scorer` does, which gives the features [T, F] of a learned signal in place of scores."""
    params = signal.parameters() if params is None else params
    if found := problems(params, f"{signal.name}."):
        raise ConfigError("; ".join(found))
    structure, numbers = split(params)
    operators, measure = survey(signal, structure, radius)
    window, distance = (int(largest) for largest in measure(numbers, np.float64(cell_width_ms)))
    if distance > radius:
        raise ConfigError(
            f"signal {signal.name} reads cells up to |k| = {distance}, but the grid's radius is {radius}: "
            f"choose a wider grid or a narrower signal"
        )
    if window > LONGEST_WINDOW_BINS:
        raise ConfigError(
            f"signal {signal.name} looks {window} bins back; at most {LONGEST_WINDOW_BINS} are possible: shorten its "
            "windows, or widen the bins"
        )
    capacity = capacity_for(window) if capacity is None else capacity
    if window > capacity:
        raise ConfigError(f"signal {signal.name} looks {window} bins back, but the capacity given is {capacity}")
    return Scorer(
        signal, params, cell_width_ms, radius, capacity, operators, structure, numbers=jax.device_put(numbers)
    )


def forget_compiled(ready: Scorer) -> None:
    """Free the machine code of a scorer and of all that share its signal and structure; it is made again on use."""
    compiled_step(ready.signal, ready.structure).clear_cache()
    compiled_flat_step(ready.signal, ready.structure, StateLayout.of(ready.body_start())).clear_cache()


def score(
    signal: Signal[Any],
    params: SignalParameters | None,
    columns: Mapping[str, NDArray[Any]],
    *,
    cell_width_ms: float,
    valid: NDArray[np.bool_] | None = None,
    capacity: int | None = None,
    fits: FitsInForce | None = None,
) -> NDArray[np.float64]:
    """Score a whole run of bins.

    Args:
        signal: the signal.
        params: its parameters (None: its defaults).
        columns: at least the signal's columns, each [T, K] with k = -radius..radius, and its series, each [T].
        cell_width_ms: the length of a bin.
        valid: [T] whether the book is valid at a bin's end. Other bins are not shown to the signal: their score is NaN.
        capacity: as for `scorer`.
        fits: likewise.

    Returns: the scores [T].

    Raises ConfigError as `scorer` and `Scorer.step` do.
    """
    shown, radius = checked_columns(signal, columns, valid)
    ready = scorer(signal, params, cell_width_ms=cell_width_ms, radius=radius, capacity=capacity, fits=fits)
    return with_gaps(ready.step(ready.start(), shown)[1], valid)


def features(
    signal: LearnedSignal[Any],
    params: SignalParameters,
    columns: Mapping[str, NDArray[Any]],
    *,
    cell_width_ms: float,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the features [T, F] of a learned signal over a whole run of bins, in single precision.

    Arguments as for `score`. Raises ConfigError as `scorer` does, and where the body gives no features [T, F].
    """
    shown, radius = checked_columns(signal, columns, valid)
    ready = body_scorer(signal, params, cell_width_ms=cell_width_ms, radius=radius)
    number_of_features(ready)
    return with_gaps(rounded(ready.step(ready.start(), shown)[1]), valid)


def number_of_features(ready: Scorer) -> int:
    """Return the number of features that a learned signal's body gives; nothing is run.

    Raises ConfigError where it does not give features [T, F].
    """
    signal = ready.signal
    cells = {
        name: jax.ShapeDtypeStruct(shape, np.dtype(kind))  # type: ignore[no-untyped-call] # JAX has it untyped
        for name, shape, kind in signal.shapes(2, ready.radius)
    }
    step = step_of(signal, ready.structure)
    _, found = jax.eval_shape(step, ready.structure.abstract_numbers(), np.float64(0), ready.body_start(), cells)
    shape = tuple(found.shape)
    if len(shape) != 2 or shape[0] != 2 or shape[1] == 0:
        raise ConfigError(
            f"signal {signal.name} is learned: its function must return features [T, F], one row a bin; for 2 bins it "
            f"returned the shape {shape}"
        )
    return int(shape[1])


def checked_columns(
    signal: Signal[Any], columns: Mapping[str, ArrayLike], valid: NDArray[np.bool_] | None = None
) -> tuple[dict[str, ArrayLike], int]:
    """Return the signal's columns at the valid bins, each [T, 2 radius + 1], its series [T], and the radius.

    Raises ConfigError where a column or series is missing or has another shape.
    """
    shown, radius = checked_shapes(
        signal.name, signal.columns, columns, None if valid is None else len(valid), signal.series
    )
    if valid is not None and not valid.all():
        shown = {name: np.asarray(column)[valid] for name, column in shown.items()}
    return shown, radius


def checked_shapes(
    signal: str,
    names: Sequence[str],
    columns: Mapping[str, ArrayLike],
    bins: int | None = None,
    series: Sequence[str] = (),
) -> tuple[dict[str, ArrayLike], int]:
    """Return the columns that a signal reads, each [T, 2 radius + 1], with its series [T], and the radius.

    `bins` is T, where it is known. Raises ConfigError where a column is missing or has another shape.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        raise ConfigError(f"signal {signal} reads columns that the grid lacks: {', '.join(missing)}")
    if missing := [name for name in series if name not in columns]:
        raise ConfigError(
            f"signal {signal} reads {', '.join(missing)}, which is not there: give it beside the columns "
            "(Signal.with_series adds it)"
        )
    first = np.shape(columns[names[0]])
    bins = first[0] if bins is None else bins
    cells = first[-1] // 2 * 2 + 1
    for name in names:
        if np.shape(columns[name]) != (bins, cells):
            raise ConfigError(
                f"signal {signal}: column {name} has the shape {np.shape(columns[name])}; "
                f"it must be {(bins, cells)}, one row a bin and one cell for each k"
            )
    for name in series:
        if np.shape(columns[name]) != (bins,):
            raise ConfigError(
                f"signal {signal}: the series {name} has the shape {np.shape(columns[name])}; it must be {(bins,)}"
            )
    return {name: columns[name] for name in (*names, *series)}, cells // 2


def with_gaps(scores: ArrayLike, valid: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return the scores [T], or features [T, F], of all bins from those of the valid ones: NaN at the others."""
    if valid is None:
        return np.array(scores)
    spread = np.full((len(valid), *np.shape(scores)[1:]), np.nan)
    spread[valid] = scores
    return spread


def capacity_for(window: int) -> int:
    """Return the capacity for windows up to `window`: 2^n or 3 * 2^n, so that few compiled forms serve."""
    power = 1 << max(0, window - 1).bit_length()
    return 3 * power // 4 if power >= 4 and window <= 3 * power // 4 else power
