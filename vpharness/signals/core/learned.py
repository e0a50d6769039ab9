"""What a learned signal is: features that are written like a score, a model, a label, and a schedule of fits.

The features of a bin follow from this bin and those before it, through the same operators as any score. A fit gives
weights, plain arrays; the model's score is a JAX function of weights and features. So a learned signal is causal as far
as its weights are, and these come from bins whose label was known before the fit's own bin (`vpharness.learning`).

Features are rounded to single precision before a model sees them. Sums over a chunk and over single bins may differ in
their last bits, and a tree, or a nearest neighbour, would turn that into another answer.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.parameters import parameter, rules_of
from vpharness.signals.core.definition import Body, Signal, SignalParameters, defined

Weights = Mapping[str, NDArray[Any]]
"""The arrays of a fitted model by name, each of one dimension at least."""
MOVE: Final = "move"
TOUCH: Final = "touch"
NONE: Final = "none"
BINS: Final = "bins"
DATASET: Final = "dataset"
NO_CELLS: Final = "no_cells"
"""The column of zeros [T, 1] that the grid of a combination has: it reads the outputs of a model alone."""
_LONGEST_BINS: Final = 10_000_000


@dataclass(frozen=True)
class Fitted:
    """The result of a fit: its weights, and the loss on the bins that it was fitted on."""

    weights: Weights
    training_loss: float


class FitError(Exception):
    """Labels or features that a model cannot be fitted to, such as labels of one kind only; there is no fit then."""


@dataclass(frozen=True)
class Model:
    """A kind of model.

    Attributes:
        name: what it is called.
        fit: from features [N, F] and labels [N], both float64, and the parameters to weights: a pure function.
            Raises FitError where these rows cannot be fitted to.
        score: from weights and features [T, F] to scores [T], or to `outputs` side by side, in JAX, row by row.
        packages: what its fit needs beside NumPy, of the extra `learn`: the names that are imported.
        takes_missing: whether rows with a missing feature are fitted to and scored.
        labels: the labels that it can be fitted to.
        outputs: the names of what it gives where that is no score yet: a signal combines them, [T] each.
        version: raised by hand where the same rows would give other weights or other scores than before.
    """

    name: str
    fit: Callable[[NDArray[np.float64], NDArray[np.float64], Any], Fitted]
    score: Callable[[Mapping[str, Array], Array], Array]
    packages: tuple[str, ...] = ()
    takes_missing: bool = False
    version: int = 1
    labels: tuple[str, ...] = (MOVE, TOUCH)
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class LearnedParameters(SignalParameters):
    """The base of every learned signal's parameters: its label and its schedule.

    The parameters of a model derive from it, and name the model in `MODEL`; a signal's own derive from these. What
    stands here and in the model's parameters is not given to the features; what a signal adds is.
    """

    MODEL: ClassVar[Model]
    ADDED_LATER: ClassVar[frozenset[str]] = frozenset({"refit_every"})

    thresholds: list[float] = parameter(
        [], meaning="the |score| at which it fires; an empty list: use threshold_quantiles", above=0
    )
    label: str = parameter(
        TOUCH,
        meaning="what is predicted: move, the move of the mid over horizon_bins; touch, whether the mid first rises "
        "(1) or falls (-1) by label_ticks within label_bins, or does neither (0); none, for models without labels",
        choices=(MOVE, TOUCH, NONE),
    )
    horizon_bins: int = parameter(
        20, meaning="how far ahead the label move looks", unit="bins", minimum=1, maximum=_LONGEST_BINS
    )
    label_ticks: float = parameter(2.0, meaning="distance of the label touch from the mid", unit="ticks", above=0)
    label_bins: int = parameter(
        100, meaning="how far ahead the label touch looks", unit="bins", minimum=1, maximum=_LONGEST_BINS
    )
    first_fit_bins: int = parameter(
        2400, meaning="bins before the first fit", unit="bins", minimum=1, maximum=_LONGEST_BINS
    )
    refit_every_bins: int = parameter(
        6000, meaning="bins from one fit to the next", unit="bins", minimum=1, maximum=_LONGEST_BINS
    )
    refit_every_ms: float | None = parameter(
        None, meaning="the same as a duration, rounded to whole bins; in place of refit_every_bins", unit="ms", above=0
    )
    refit_every: str = parameter(
        BINS,
        meaning="when it is fitted: bins, from first_fit_bins on every refit_every_bins of each dataset anew; dataset, "
        "once at the beginning of each dataset of a collection, on those before",
        choices=(BINS, DATASET),
    )
    train_window_bins: int | None = parameter(
        None,
        meaning="how far back a fit looks (default: to the beginning)",
        unit="bins",
        minimum=1,
        maximum=_LONGEST_BINS,
    )
    embargo_bins: int = parameter(
        0,
        meaning="bins left out before a fit, besides those whose label reaches it",
        unit="bins",
        minimum=0,
        maximum=_LONGEST_BINS,
    )
    min_train_bins: int = parameter(
        300,
        meaning="labelled bins that a fit needs; with fewer there is none",
        unit="bins",
        minimum=2,
        maximum=_LONGEST_BINS,
    )
    seed: int = parameter(0, meaning="seed of what a fit draws", minimum=0, maximum=2**31 - 1)

    @classmethod
    def outside_the_body(cls) -> frozenset[str]:
        """Return the names of the parameters that the features are not given."""
        base = next(each for each in cls.__mro__ if "MODEL" in each.__dict__)
        return frozenset(field.name for field in dataclasses.fields(base))

    @property
    def reach_bins(self) -> int:
        """How many bins after its own a label may depend on."""
        return {MOVE: self.horizon_bins, TOUCH: self.label_bins, NONE: 0}[self.label]

    def every_bins(self, cell_width_ms: float) -> int:
        """Return the bins from one fit to the next."""
        if self.refit_every_ms is None:
            return self.refit_every_bins
        return max(1, int(self.refit_every_ms / cell_width_ms + 0.5))

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        if self.label not in self.MODEL.labels:
            yield f"label is {self.label}; the model {self.MODEL.name} takes {', '.join(self.MODEL.labels)}"
        window, least = self.train_window_bins, self.min_train_bins
        if window is not None and window - self.reach_bins - self.embargo_bins < least:
            yield (
                f"train_window_bins is {window}; of these the last {self.reach_bins + self.embargo_bins} are left out, "
                f"since their label or the embargo reaches the fit, and min_train_bins = {least} cannot be met"
            )


L = TypeVar("L", bound=LearnedParameters)


@dataclass(frozen=True)
class LearnedSignal(Signal[L]):
    """A learned signal, as `learned` makes it: its body gives features [T, F], of which its model makes a score.

    Attributes:
        combination: a signal of the model's outputs that gives the score; None where the model does itself.
    """

    combination: Signal[L] | None = None

    @property
    def model(self) -> Model:
        """The model, which its parameters name."""
        return self.parameters.MODEL


def learned(
    *, columns: Sequence[str], series: Sequence[str] = (), combine: Body[L] | None = None
) -> Callable[[Body[L]], LearnedSignal[L]]:
    """Make a learned signal of a function `(time: Clock, grid: Grid, p: Parameters) -> features [T, F]`.

    Args:
        columns: as `signal` takes them.
        series: likewise.
        combine: for a model with `outputs` a function `(time, outputs, p) -> scores [T]`, written like a score; each
            output is an attribute of `outputs`, [T].

    Raises ConfigError as `signal` does, and where the parameters do not derive from those of a model.
    """

    def define(body: Body[L]) -> LearnedSignal[L]:
        made = defined(body, columns, series)
        if not (issubclass(made.parameters, LearnedParameters) and hasattr(made.parameters, "MODEL")):
            raise ConfigError(
                f"signal {made.name}: its parameters must derive from those of a model, such as Ridge or Trees; found "
                f"{made.parameters.__name__}"
            )
        kind = made.parameters
        outputs, combination = kind.MODEL.outputs, None
        if bool(outputs) != (combine is not None):
            given = f"outputs ({', '.join(outputs)})" if outputs else "the score itself"
            advice = (
                "give a function `combine` that makes scores of these" if outputs else "there is nothing to combine"
            )
            raise ConfigError(f"signal {made.name}: the model {kind.MODEL.name} gives {given}; {advice}")
        if combine is not None:
            combination = Signal(f"{made.name}: combination", "", (NO_CELLS,), kind, combine, outputs)
        return LearnedSignal(made.name, made.meaning, made.columns, kind, body, made.series, combination)

    return define


def with_default(kind: type[LearnedParameters], name: str, default: Any) -> Any:
    """Make a dataclass field like that of a model's parameters, with another default."""
    (field,) = [field for field in dataclasses.fields(kind) if field.name == name]
    return parameter(default, **dataclasses.asdict(rules_of(field)))
