"""What a signal is: a function of time and cells, the columns it reads, and its parameters."""

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from jax import Array

from vpharness.errors import ConfigError
from vpharness.parameters import parameter
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

    thresholds: list[float] = fixed_thresholds()  # noqa: RUF009 - the list is copied for each instance
    threshold_quantiles: list[float] = parameter(
        [50.0, 70.0, 80.0, 90.0, 95.0, 99.0],
        meaning="percentiles of |score| over the training part, used as thresholds if none are given",
        unit="%",
        above=0,
        maximum=100,
    )

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
        parameters: the dataclass of its parameters; its defaults are the signal's.
        body: the function itself.
    """

    name: str
    meaning: str
    columns: tuple[str, ...]
    parameters: type[P]
    body: Body[P]

    def __call__(self, time: Clock, grid: Grid, p: P) -> Array:
        """Compute the scores, as a part of another signal's body."""
        return self.body(time, grid, p)


def traced(kind: type[P], **numbers: Any) -> P:
    """Return the parameters of a signal that is used as a part of another, with traced numbers in them."""
    return kind(**numbers)


def signal(*, columns: Sequence[str]) -> Callable[[Body[P]], Signal[P]]:
    """Make a signal of a function `(time: Clock, grid: Grid, p: Parameters) -> [T]`.

    Args:
        columns: the columns of the grid that the function reads; `grid` has these and no others.

    Raises ConfigError where the third argument is not annotated with a frozen dataclass of SignalParameters, and where
    a column could not be read by its name.
    """

    def define(body: Body[P]) -> Signal[P]:
        arguments = list(inspect.signature(body).parameters)
        kind = typing.get_type_hints(body).get(arguments[2]) if len(arguments) > 2 else None
        if not (isinstance(kind, type) and issubclass(kind, SignalParameters) and dataclasses.is_dataclass(kind)):
            raise ConfigError(
                f"signal {body.__name__}: its arguments must be (time: Clock, grid: Grid, p: PARAMETERS), with "
                f"PARAMETERS a frozen dataclass derived from SignalParameters; found {kind!r} for the third"
            )
        if hidden := shadowed(columns):
            raise ConfigError(
                f"signal {body.__name__}: {', '.join(hidden)} cannot be the name of a column that it reads, since "
                "every grid has something else under that name; rename the column in the dataset"
            )
        meaning = (body.__doc__ or "").strip().splitlines()
        return Signal(body.__name__, meaning[0] if meaning else "", tuple(columns), typing.cast("type[P]", kind), body)

    return define


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
