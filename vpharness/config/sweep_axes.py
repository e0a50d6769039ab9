"""Expand the overrides of a multirun and the axes of an experiment into the overrides of each job."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from vpharness.config.override_grammar import override_value, quoting_hint

MOST_JOBS: Final = 1_000_000
SIGNAL: Final = "signal"
OF_THE_CAMPAIGN: Final = frozenset(
    {
        "adaptive",
        "lake",
        "outputs",
        "json",
        "save_series",
        "on_error",
        "memory_mb",
        "campaign",
        "tracking",
        "experiment",
        "sweep",
    }
)
"""Keys of which a campaign has one value."""


@dataclass(frozen=True)
class ExpandedSweep:
    """The overrides of every job, and everything that is wrong with the axes."""

    jobs: list[tuple[str, ...]]
    problems: list[str]


@dataclass
class Axes:
    """Words by key, one or more for each, while they are being gathered."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, key: str, texts: Sequence[str]) -> None:
        """Add an axis, or say what is wrong with it."""
        if key in self.texts:
            self.problems.append(f"{key} is given twice; give all of its values at once: {key}=VALUE,VALUE")
        elif not texts:
            self.problems.append(f"the axis {key} has no value; give at least one")
        elif len(texts) > 1 and key.split(".", maxsplit=1)[0].split("/", maxsplit=1)[0] in OF_THE_CAMPAIGN:
            self.problems.append(
                f"{key} has {len(texts)} values, and a campaign has one: start a campaign for each; or, where the "
                f"commas belong to one text, {quoting_hint(key, ','.join(text.partition('=')[2] for text in texts))}"
            )
        else:
            self.texts[key] = list(texts)


def expand(overrides: Sequence[Override], universal: Mapping[str, Any], per_signal: Mapping[str, Any]) -> ExpandedSweep:
    """Return the overrides of every job of a multirun.

    The last axis varies fastest. An axis that is given stands instead of the experiment's. Where no signal is given,
    an experiment's axes for some signals say which ones are swept.

    Args:
        overrides: those given, parsed.
        universal: the experiment's axes for every signal: key and values.
        per_signal: its axes for one signal alone: signal, its parameter, and values.
    """
    axes = given_axes(overrides)
    for key, values in universal.items():
        if key not in axes.texts:
            axes.add(key, spelt_axis(key, values, axes.problems))
    given = axes.texts.pop(SIGNAL, [])
    families = given or [f"{SIGNAL}={name}" for name in per_signal] or [""]
    names = [family.removeprefix(f"{SIGNAL}=") for family in families]
    axes.problems += [
        f"the experiment has axes for the signal {name}, which is not among those swept: {', '.join(names)}"
        for name in per_signal
        if name not in names
    ]
    jobs: list[tuple[str, ...]] = []
    for family, name in zip(families, names, strict=True):
        own = _own(axes, name, per_signal.get(name) or {})
        size = math.prod(map(len, own.values()))
        if len(jobs) + size > MOST_JOBS:
            axes.problems.append(f"the axes make {size:,} runs of {name}; a campaign has {MOST_JOBS:,} at most")
            continue
        jobs += [(family, *rest) if family else rest for rest in itertools.product(*own.values())]
    return ExpandedSweep(jobs, axes.problems)


def given_axes(overrides: Sequence[Override]) -> Axes:
    """Return the overrides given by their keys: those with several values are axes."""
    axes = Axes()
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            value = "" if override.is_delete() else override.get_value_element_as_str()
            if not (value or override.is_delete()):
                axes.problems.append(f"{key} has no value; give at least one")
            else:
                axes.add(key, [key if override.is_delete() else f"{key}={value}"])
        elif override.is_discrete_sweep():
            axes.add(key, [f"{key}={value}" for value in _values(override, axes.problems)])
        else:
            axes.problems.append(f"{key} is an interval; a grid needs values: range(START,STOP,STEP) or a list")
    return axes


def _values(override: Override, problems: list[str]) -> Iterator[str]:
    try:
        yield from override.sweep_string_iterator()
    except HydraException as error:
        problems.append(f"{override.input_line}: {error}")


def _own(axes: Axes, name: str, own: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return all axes of one signal: those that every signal has, and its own."""
    merged = Axes(dict(axes.texts), axes.problems)
    for parameter, values in own.items():
        key = f"{SIGNAL}.{parameter}"
        if key not in axes.texts:
            merged.add(key, spelt_axis(f"{key} of {name}", values, axes.problems))
    return merged.texts


def spelt_axis(key: str, values: Any, problems: list[str]) -> list[str]:
    """Return the overrides of an experiment's axis."""
    if not isinstance(values, list):
        problems.append(f"the axis {key} is {values!r}; a list of values is expected")
        return ["_"]  # stands for it, so that it is not called empty as well
    bare = key.partition(" ")[0]
    return [f"{bare}={override_value(value)}" for value in values]
