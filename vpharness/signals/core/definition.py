"""What a signal is: a function of time and cells, the columns it reads, and its parameters."""

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar

from jax import Array
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.parameters import parameter
from vpharness.signals.core.bin_series import BIN_SERIES, bin_series
from vpharness.signals.core.grid import Grid, shadowed
from vpharness.signals.core.time_operators import Clock

LONGEST_WINDOW_BINS: Final = 100_000
"""How far back a signal may look: nearly three hours of 100 ms.

Each operator keeps its whole window, and one bin costs the server a sort of it: some ten milliseconds at this length.
"""

WIDEST_TICKS: Final = 1_000
"""How far from spot a signal may look: no lattice is wider."""
LONGEST_MS: Final = 1_000_000_000
"""The longest time that a parameter may name: eleven days, longer than any dataset is in one piece."""


def min_periods_fit(min_periods_name: str, min_periods: int, window_name: str, window: int) -> Iterator[str]:
    """Yield a sentence where a robust z asks for more values than its window holds."""
    if min_periods > window:
        yield (
            f"{min_periods_name} is {min_periods}, above {window_name} = {window}: no score would ever differ from 0"
        )


def fixed_thresholds(*thresholds: float) -> Any:
    """Make the field `thresholds` of a signal that has an explicit list of them by default."""
    return parameter(
        list(thresholds), meaning="the |score| at which it fires; an empty list: use threshold_quantiles", above=0
    )


@dataclass(frozen=True)
class SignalParameters:
    """The base of every signal's parameters: thresholds, explicit or as quantiles.

    Fields are made with `parameter`, of plain types: int, float, bool, str, list[int], list[float]. Inside the
    signal's body numbers are traced, so that one compile serves all their values; bool, str and the lengths of lists
    are fixed when it compiles. Relations between parameters are said in a method `relations`, not in the body.
    """

    ADDED_LATER: ClassVar[frozenset[str]] = frozenset()
    """Parameters that runs of earlier versions lack: with its default, one of them is no part of what a run is."""

    thresholds: list[float] = fixed_thresholds()  # noqa: RUF009 - the list is copied for each instance
    threshold_quantiles: list[float] = parameter(
        [50.0, 70.0, 80.0, 90.0, 95.0, 99.0],
        meaning="percentiles of |score| over the training part, used as thresholds if none are given",
        unit="%",
        above=0,
        maximum=100,
    )

    @classmethod
    def outside_the_body(cls) -> frozenset[str]:
        """Return the names of the parameters that a signal's body is not given."""
        return frozenset(field.name for field in dataclasses.fields(SignalParameters))

    def relations(self) -> Iterator[str]:
        """Yield a sentence for everything that does not fit together; a signal's own relations follow these."""
        if not self.thresholds and not self.threshold_quantiles:
            yield "thresholds is empty, and so is threshold_quantiles: give one of them"
        for name in ("thresholds", "threshold_quantiles"):
            values = getattr(self, name)
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                yield f"{name} holds {', '.join(f'{value:g}' for value in twice)} more than once; give each once"


P = TypeVar("P", bound=SignalParameters)
Body = Callable[[Clock, Grid, P], Array]
"""From time, cells [T, K] and parameters to a score a bin [T]: positive is up, NaN is no score."""


@dataclass(frozen=True)
class Signal(Generic[P]):
    """A signal, as `signal` makes it.

    Attributes:
        name: its function's name.
        meaning: the first line of its docstring.
        columns: the columns of the grid that it reads.
        series: the series of the bins that it reads, of `BIN_SERIES`.
        parameters: the dataclass of its parameters; its defaults are the signal's.
        body: the function itself.
    """

    name: str
    meaning: str
    columns: tuple[str, ...]
    parameters: type[P]
    body: Body[P]
    series: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that it reads: columns of the grid [T, K] and series of the bins [T]."""
        return (*self.columns, *self.series)

    def with_series(
        self, columns: Mapping[str, NDArray[Any]], bins: Mapping[str, Any], tick_size: float
    ) -> dict[str, NDArray[Any]]:
        """Return columns of the grid with the series that it reads beside them; `bins` as `bin_series` takes them."""
        return {**columns, **bin_series(self.series, bins, tick_size)}

    def shapes(self, bins: int, radius: int) -> tuple[tuple[str, tuple[int, ...], str], ...]:
        """Return the name, shape and dtype of each input for so many bins, sorted by name."""
        columns = [(name, (bins, 2 * radius + 1), "float64") for name in self.columns]
        return tuple(sorted([*columns, *((name, (bins,), "float64") for name in self.series)]))

    def __call__(self, time: Clock, grid: Grid, p: P) -> Array:
        """Compute the scores, as a part of another signal's body."""
        return self.body(time, grid, p)


def traced(kind: type[P], **numbers: Any) -> P:
    """Return the parameters of a signal that is used as a part of another, with traced numbers in them."""
    return kind(**numbers)


def signal(*, columns: Sequence[str], series: Sequence[str] = ()) -> Callable[[Body[P]], Signal[P]]:
    """Make a signal of a function `(time: Clock, grid: Grid, p: Parameters) -> [T]`.

    Args:
        columns: the columns of the grid that the function reads, one at least; `grid` has these and no others.
        series: the series of the bins that it reads beside them, of `BIN_SERIES`: each an attribute of `grid`, [T].

    Raises ConfigError where the third argument is not annotated with a frozen dataclass of SignalParameters, and where
    a column or series could not be read by its name.
    """

    def define(body: Body[P]) -> Signal[P]:
        return defined(body, columns, series)

    return define


def defined(body: Body[P], columns: Sequence[str], series: Sequence[str]) -> Signal[P]:
    """Return the signal of a function, after checking its arguments and what it reads; raises as `signal` says."""
    check_inputs(body.__name__, columns, series)
    arguments = list(inspect.signature(body).parameters)
    kind = typing.get_type_hints(body).get(arguments[2]) if len(arguments) > 2 else None
    if not (isinstance(kind, type) and issubclass(kind, SignalParameters) and dataclasses.is_dataclass(kind)):
        raise ConfigError(
            f"signal {body.__name__}: its arguments must be (time: Clock, grid: Grid, p: PARAMETERS), with "
            f"PARAMETERS a frozen dataclass derived from SignalParameters; found {kind!r} for the third"
        )
    meaning = (body.__doc__ or "").strip().splitlines()
    meant = meaning[0] if meaning else ""
    return Signal(body.__name__, meant, tuple(columns), typing.cast("type[P]", kind), body, tuple(series))


def check_inputs(name: str, columns: Sequence[str], series: Sequence[str]) -> None:
    """Raise ConfigError where a signal of that name could not read what it declares."""
    if hidden := shadowed(columns):
        raise ConfigError(
            f"signal {name}: {', '.join(hidden)} cannot be the name of a column that it reads, since "
            "every grid has something else under that name; rename the column in the dataset"
        )
    if not columns:
        raise ConfigError(f"signal {name} declares no column; it must read one of the grid at least")
    if unknown := [each for each in series if each not in BIN_SERIES]:
        raise ConfigError(
            f"signal {name} reads the series {', '.join(unknown)}, which there is not; there are "
            f"{', '.join(BIN_SERIES)}"
        )
    if twice := [each for each in columns if each in series]:
        raise ConfigError(f"signal {name}: {', '.join(twice)} is a series of the bins, not a column; declare it once")


def resolve(target: str) -> Signal[Any]:
    """Return the signal that "module.attribute" names, wherever on the Python path the module lies.

    Raises ConfigError where there is no such module or attribute, or where it is not a signal.
    """
    module_name, _, attribute = target.rpartition(".")
    if not module_name:
        raise ConfigError(f"the signal's target is {target!r}; it must be MODULE.NAME")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise ConfigError(
            f"the signal's target is {target!r}; there is no module {error.name!r}: check its name"
        ) from None
    found = getattr(module, attribute, None)
    if not isinstance(found, Signal):
        what = "nothing of that name" if found is None else f"a {type(found).__name__}"
        raise ConfigError(
            f"the signal's target is {target!r}; {module_name} has {what} there, not a function under @signal"
        )
    return found
