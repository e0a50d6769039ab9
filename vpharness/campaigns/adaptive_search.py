"""A search that learns: parameter values are proposed in batches, by the results of the batches before.

The sampler (of Optuna) is asked for a batch of trials, all of them are carried out together, and it is told what each
came to. Nothing of it is kept on disk: with the same seed and batch size, and told the same results, which are in the
store, it proposes the same trials again. So a search that was interrupted goes on where it stopped.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from vpharness.parameters import parameter

NET_LOW: Final = "net_low"
NET_MEAN: Final = "net_mean"
QMC: Final = "qmc"
_DIGITS: Final = 6
"""Significant digits of a number that is drawn from an interval: runs should have values that people can write."""


@dataclass(frozen=True)
class SearchSettings:
    """How a search proposes runs, and what it maximizes."""

    needs: ClassVar[str] = "optuna"

    n_trials: int = parameter(
        100,
        meaning="proposals in all",
        minimum=1,
        maximum=100_000,
    )
    batch_size: int = parameter(
        16, meaning="proposals that are carried out together, before the next ones are made", minimum=1, maximum=10_000
    )
    sampler: str = parameter(
        "tpe", meaning="tpe learns from results; random and qmc (evenly spread) do not", choices=("tpe", "random", QMC)
    )
    startup_trials: int = parameter(
        16, meaning="proposals that tpe makes at random at first", minimum=1, maximum=100_000
    )
    seed: int = parameter(0, meaning="seed of all proposals", minimum=0, maximum=2**32 - 1)
    objective: str = parameter(
        NET_LOW,
        meaning="maximized over a run's thresholds: lower end of the net interval, or net mean",
        choices=(NET_LOW, NET_MEAN),
    )
    unrankable_ticks: float = parameter(
        -1000.0, meaning="what a run counts that cannot be ranked, has failed or is refused", unit="ticks", maximum=0
    )

    def value_of(self, rows: Iterable[Mapping[str, Any]]) -> float:
        """Return the result of a run, ticks, from the stored rows of its candidates."""
        best = self.best_of(rows)
        return self.unrankable_ticks if best is None else float(best[self._column])

    def best_of(self, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the row of a run's best candidate that can be ranked; None where none can."""
        column = self._column
        rankable = [row for row in rows if not row["lacks"] and row[column] is not None and not math.isnan(row[column])]
        return max(rankable, key=lambda row: float(row[column]), default=None)

    @property
    def _column(self) -> str:
        return "net_pnl_ticks_low" if self.objective == NET_LOW else "net_pnl_ticks"


class Proposal(Protocol):
    """What chooses values for one trial: a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """Return one of some texts, among which there is no order."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return a whole number from `low` to `high`."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number from `low` to `high`."""


@dataclass(frozen=True)
class ListedAxis:
    """An axis of values that are listed.

    Attributes:
        key: what they are values of.
        texts: the override of each.
        ordered: whether they are numbers that ascend or descend, so that neighbours are alike.
    """

    key: str
    texts: tuple[str, ...]
    ordered: bool

    def override(self, proposal: Proposal, name: str) -> str:
        """Return the override with a proposed value."""
        if self.ordered:
            return self.texts[proposal.suggest_int(name, 0, len(self.texts) - 1)]
        return proposal.suggest_categorical(name, self.texts)

    @property
    def ends(self) -> tuple[str, ...]:
        """Overrides with every value."""
        return self.texts


@dataclass(frozen=True)
class NumberAxis:
    """An axis of all numbers from `low` to `high`: whole ones where both are, and on a logarithmic scale or not."""

    key: str
    low: float
    high: float
    log: bool = False

    def override(self, proposal: Proposal, name: str) -> str:
        """Return the override with a proposed value."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return f"{self.key}={proposal.suggest_int(name, self.low, self.high, log=self.log)}"
        value = proposal.suggest_float(name, self.low, self.high, log=self.log)
        return f"{self.key}={min(max(float(f'{value:.{_DIGITS}g}'), self.low), self.high)!r}"

    @property
    def ends(self) -> tuple[str, ...]:
        """Overrides with its two ends."""
        return f"{self.key}={self.low!r}", f"{self.key}={self.high!r}"


Axis = ListedAxis | NumberAxis


@dataclass(frozen=True)
class SearchFamily:
    """A choice of the signal, and the axes that it is searched over: those of all signals, and its own."""

    override: str
    axes: tuple[Axis, ...]
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SearchSpace:
    """What is searched: overrides that stay as they are, and one or more families."""

    fixed: tuple[str, ...]
    families: tuple[SearchFamily, ...]

    def job(self, proposal: Proposal) -> tuple[str, ...]:
        """Return the overrides of a proposed run."""
        by_override = {family.override: family for family in self.families}
        names = tuple(by_override)
        family = by_override[names[0] if len(names) == 1 else proposal.suggest_categorical("signal", names)]
        chosen = [
            axis.override(proposal, f"{family.override} {axis.key}" if axis.key in family.own else axis.key)
            for axis in family.axes
        ]
        return tuple(filter(None, (family.override, *self.fixed, *chosen)))

    def samples(self) -> list[tuple[str, ...]]:
        """Return runs that together have every listed value and both ends of every interval, for a check beforehand."""
        found = []
        for family in self.families:
            ends = [axis.ends for axis in family.axes]
            for number in range(max(map(len, ends), default=1)):
                chosen = [each[min(number, len(each) - 1)] for each in ends]
                found.append(tuple(filter(None, (family.override, *self.fixed, *chosen))))
        return found


@dataclass(frozen=True)
class ProposedRun:
    """A proposed run and its result, ticks."""

    overrides: tuple[str, ...]
    value: float


Evaluate = Callable[[Sequence[tuple[str, ...]]], Sequence[float]]
"""Carries out a batch of runs together, and returns the result of each."""


def search(space: SearchSpace, settings: SearchSettings, evaluate: Evaluate) -> list[ProposedRun]:
    """Propose runs, batch by batch, and return all of them in their order."""
    import optuna  # noqa: PLC0415  # an extra, and slow to load

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials: list[ProposedRun] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(direction="maximize", sampler=_sampler(settings))
            while len(trials) < settings.n_trials:
                asked = [study.ask() for _ in range(min(settings.batch_size, settings.n_trials - len(trials)))]
                jobs = [space.job(each) for each in asked]
                values = evaluate(jobs)
                for each, job, value in zip(asked, jobs, values, strict=True):
                    study.tell(each, value)
                    trials.append(ProposedRun(job, value))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return trials


def _sampler(settings: SearchSettings) -> Any:
    from optuna import samplers  # noqa: PLC0415  # an extra

    if settings.sampler == "random":
        return samplers.RandomSampler(seed=settings.seed)
    if settings.sampler == QMC:
        return samplers.QMCSampler(seed=settings.seed, scramble=True)
    return samplers.TPESampler(
        seed=settings.seed,
        n_startup_trials=settings.startup_trials,
        multivariate=True,  # parameters of a signal act together
        group=True,  # and those of another signal apart from them
        constant_liar=True,  # the proposals of a batch keep apart, though none of them has a result yet
    )
