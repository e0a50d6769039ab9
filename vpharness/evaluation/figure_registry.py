"""Figures of a candidate, each described once: the store, the tables, MLflow and the live page read it from here.

A figure is one of two kinds:

- a mean over fires, Σ`total` / Σ`count` of two sums over blocks of time (see `fire_sums`), which has a 95 % interval:
  its ends are two more numbers, NAME_low and NAME_high. A share's interval is made on the logit scale and stays between
  0 and 1, any other one is m ± t·se (see `RatioOfTotals`);
- a number that is computed from the whole evidence.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from vpharness.evaluation.blocks import ORDERS
from vpharness.evaluation.evidence import Evidence
from vpharness.evaluation.fire_sums import FIRE_SUMS
from vpharness.evaluation.intervals import Interval, RatioOfTotals, ratios_of_totals

if TYPE_CHECKING:
    from vpharness.evaluation.live_statistics import LiveStatistics

TABLE: Final = "table"
"""The ranking that `compare` and `run` print."""
REPORT: Final = "report"
"""The ranking on the HTML page."""
MLFLOW: Final = "mlflow"
"""Curves over the thresholds in MLflow."""
LIVE: Final = "live"
"""The statistics of a served model, as the stream sends them."""
PROMISED: Final = "promised"
"""What a promotion promises beside what came live: the server's page, and `promote show`."""
PLACES: Final = (TABLE, REPORT, MLFLOW, LIVE, PROMISED)

MISSING: Final = "\N{EN DASH}"
"""Stands where there is no number."""
ENDS: Final = ("low", "high")
SHARE: Final = "share"
"""The unit of a number between 0 and 1, which is shown in percent."""


class Barriers(NamedTuple):
    """The distances of take-profit and stop-loss, ticks."""

    tp_ticks: float
    sl_ticks: float


@dataclass(frozen=True)
class Mean:
    """A mean over fires: the names of the two block sums that it is the ratio of."""

    total: str
    count: str


@dataclass(frozen=True)
class Figure:
    """The definition of one figure.

    Attributes:
        name: the column of the store, the key in JSON, and the metric in MLflow.
        unit: its unit; "share" is shown in percent.
        meaning: what it is, in one sentence.
        mean: the block sums whose ratio it is; None for another figure.
        compute: how another figure is computed from evidence and barriers; None for a mean.
        is_whole: whether it is a whole number.
        heading: what stands above its column.
        label: what it is called where it stands alone.
        form: the format of one value, as `format` takes it.
        shown: the places where it is shown, of PLACES; the store and JSON hold every figure.
        bare: the places of these where a mean stands without its interval.
        order: columns stand in ascending order of it.
        below: it is shown only where its value is below this.
        of_orders: whether it is about resting orders: it is shown only where entries are such.
        live: for a figure that is shown live and is no mean: how it is read off the statistics of a served model.
        since: the first version of the store whose rows have it.
    """

    name: str
    unit: str
    meaning: str
    mean: Mean | None = None
    compute: Callable[[Evidence, Barriers], float] | None = None
    is_whole: bool = False
    heading: str = ""
    label: str = ""
    form: str = ""
    shown: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    order: float = math.inf
    below: float = math.inf
    of_orders: bool = False
    live: "Callable[[LiveStatistics], float | None] | None" = None
    since: int = 1

    def __post_init__(self) -> None:
        if (self.mean is None) == (self.compute is None):
            raise ValueError(f"figure {self.name}: give either mean= or compute=")
        if unknown := set(self.shown) - set(PLACES):
            raise ValueError(f"figure {self.name} is shown in {', '.join(sorted(unknown))}; there are {PLACES}")
        if LIVE in self.shown and self.mean is None and self.live is None:
            raise ValueError(f"figure {self.name} is shown live: say with live= how it is read off the statistics")
        if LIVE in self.shown and self.mean is not None:
            self._require_live_sums(self.mean)

    def _require_live_sums(self, mean: Mean) -> None:
        """Raise ValueError unless a mean is of sums that a served model counts: those that need no market beside it."""
        for name in (mean.total, mean.count):
            if name not in FIRE_SUMS and name not in ORDERS:
                raise ValueError(
                    f"figure {self.name} is shown live, and {name!r} is not summed there; the mean must be of two of "
                    f"{', '.join((*FIRE_SUMS, *ORDERS))}, or leave {LIVE!r} out of shown="
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, and for a mean those of the ends of its interval: columns of the store."""
        return (self.name,) if self.mean is None else (self.name, *(f"{self.name}_{end}" for end in ENDS))

    def applies_to(self, evidence: Evidence) -> bool:
        """Whether there can be a value: a figure of resting orders has none where every entry is at the touch."""
        return not self.of_orders or evidence.blocks.orders is not None

    def interval_values(self, ratio: RatioOfTotals) -> dict[str, float]:
        """Return a mean and the ends of its interval, by name."""
        found: Interval = ratio.rate_interval() if self.unit == SHARE else ratio.interval()
        return dict(zip(self.names, (found.mean, found.low, found.high), strict=True))

    def is_shown(self, values: Mapping[str, float]) -> bool:
        """Whether a value is one that is shown."""
        if self.of_orders and math.isnan(values[self.name]):
            return False
        return math.isinf(self.below) or values[self.name] < self.below

    def text(self, values: Mapping[str, float], place: str = TABLE) -> str:
        """Return the value in words, with its interval in brackets where that is shown.

        Args:
            values: of a candidate's figures, by name; NaN is shown as a dash.
            place: where it is shown.
        """
        value = self.number_text(values[self.name])
        if self.mean is None or place in self.bare:
            return value
        low, high = (self.number_text(values[name]) for name in self.names[1:])
        return f"{value} [{low}, {high}]"

    def number_text(self, value: float | None) -> str:
        """Return one number in the figure's format; a dash where there is none."""
        if value is None or math.isnan(value):
            return MISSING
        return format(100 * value if self.unit == SHARE else value, self.form)

    def title(self, place: str = TABLE) -> str:
        """Return its heading, which says where values stand with their intervals."""
        return self.heading if self.mean is None or place in self.bare else f"{self.heading} [95 %]"

    def named(self, name: str) -> "Figure":
        """Return the same figure under a name."""
        return replace(self, name=name)


def values_of(figures: Sequence[Figure], evidence: Evidence, barriers: Barriers) -> dict[str, float]:
    """Return the values of figures, and for means the ends of their intervals, by name; NaN where there is none.

    Args:
        figures: the figures; names come in their order.
        evidence: what they are computed from.
        barriers: of the candidate.
    """
    means = {each.name: each.mean for each in figures if each.mean is not None and each.applies_to(evidence)}
    names = [*(mean.total for mean in means.values()), *(mean.count for mean in means.values())]
    totals, counts = np.split(evidence.blocks.rows(names), 2)
    ratios = dict(zip(means, ratios_of_totals(totals, counts), strict=True))
    values: dict[str, float] = {}
    for each in figures:
        if not each.applies_to(evidence):
            values |= dict.fromkeys(each.names, math.nan)
        elif each.compute is not None:
            values[each.name] = each.compute(evidence, barriers)
        else:
            values |= each.interval_values(ratios[each.name])
    return values


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row with None for a number that there is not."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def json_values(value: Any) -> Any:
    """Return plain values that JSON can express: NaN and infinity become None, in mappings and lists too."""
    if isinstance(value, Mapping):
        return {name: json_values(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
