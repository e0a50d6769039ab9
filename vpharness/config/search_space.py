"""The space of a search, from the overrides of a multirun and the axes of an experiment."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hydra.core.override_parser.types import IntervalSweep, Override

from vpharness.campaigns.adaptive_search import (
    QMC,
    Axis,
    ListedAxis,
    NumberAxis,
    SearchFamily,
    SearchSettings,
    SearchSpace,
)
from vpharness.config.sweep_axes import SIGNAL, Axes, given_axes, spelt_axis

_OF_DATA: Final = frozenset({"source", "lattice", "dataset", "start", "end", "split"})
"""Keys with which runs would not be comparable: a search would choose the data on which any signal looks best."""
_LOG: Final = "log"


def search_space(
    overrides: Sequence[Override], universal: Mapping[str, Any], per_signal: Mapping[str, Any], settings: SearchSettings
) -> tuple[SearchSpace, list[str]]:
    """Return the space that is searched, and everything that is wrong with it.

    Args:
        overrides: those given, parsed.
        universal: the experiment's axes for every signal: key and values.
        per_signal: its axes for one signal alone: signal, its parameter, and values.
        settings: of the search.
    """
    continuous = [each for each in overrides if each.is_sweep_override() and not each.is_discrete_sweep()]
    given = given_axes([each for each in overrides if each not in continuous])
    problems = given.problems
    intervals = {}
    for override in continuous:
        key = override.get_key_element()
        if key in given.texts or key in intervals:
            problems.append(f"{key} is given twice; give all of its values at once")
        if (interval := _interval(key, override, problems)) is not None:
            intervals[key] = interval
    for key, values in universal.items():
        if key not in given.texts and key not in intervals:
            given.add(key, spelt_axis(key, values, problems))
    signals = given.texts.pop(SIGNAL, []) or [f"{SIGNAL}={name}" for name in per_signal] or [""]
    families = [_family(signal, given, intervals, per_signal, problems) for signal in signals]
    if not any(family.axes for family in families) and len(families) == 1:
        problems.append("there is nothing to search: give an axis, such as 'signal.lag_bins=range(1,9)'")
    if settings.sampler == QMC and len(families) > 1:
        problems.append(f"sampler is {QMC}, which cannot choose among signals; search each alone, or take tpe")
    varying = {axis.key for family in families for axis in family.axes}
    problems += [
        f"{key} has several values; runs on different data cannot be compared by one figure: start a search for each"
        for key in sorted(varying)
        if key.split(".", maxsplit=1)[0] in _OF_DATA
    ]
    fixed = tuple(texts[0] for texts in given.texts.values() if len(texts) == 1)
    return SearchSpace(fixed, tuple(families)), list(dict.fromkeys(problems))


def _family(
    signal: str,
    given: Axes,
    intervals: Mapping[str, NumberAxis],
    per_signal: Mapping[str, Any],
    problems: list[str],
) -> SearchFamily:
    """Return a signal with the axes that all signals have, and its own."""
    name = signal.partition("=")[2]
    axes: dict[str, Axis] = {key: _listed(key, texts) for key, texts in given.texts.items() if len(texts) > 1}
    axes |= intervals
    own = {}
    for parameter, values in (per_signal.get(name) or {}).items():
        key = f"{SIGNAL}.{parameter}"
        if key not in given.texts and key not in intervals:
            own[key] = _listed(key, spelt_axis(f"{key} of {name}", values, problems))
    return SearchFamily(signal, (*axes.values(), *own.values()), frozenset(own))


def _listed(key: str, texts: Sequence[str]) -> ListedAxis:
    values = [text.partition("=")[2] for text in texts]
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return ListedAxis(key, tuple(texts), ordered=False)
    ascending = sorted(set(numbers))
    return ListedAxis(key, tuple(texts), ordered=numbers in (ascending, ascending[::-1]))


def _interval(key: str, override: Override, problems: list[str]) -> NumberAxis | None:
    sweep = override.value()
    if not isinstance(sweep, IntervalSweep) or sweep.start is None or sweep.end is None:
        problems.append(
            f"{key} is a sweep of an unknown kind; give a list, range(START,STOP,STEP) or interval(LOW,HIGH)"
        )
        return None
    log, unknown = _LOG in sweep.tags, sorted(map(str, sweep.tags - {_LOG}))
    if unknown:
        problems.append(f"{key} has the tag {unknown[0]}; the only one is log: {key}=tag(log,interval(LOW,HIGH))")
    if not sweep.start < sweep.end:
        problems.append(
            f"{key} is the interval from {sweep.start} to {sweep.end}; its low end must be below its high end"
        )
    elif log and sweep.start <= 0:
        problems.append(f"{key} is an interval on a logarithmic scale from {sweep.start}; it must begin above 0")
    elif key.partition(".")[0] not in {SIGNAL, "eval"}:
        problems.append(f"{key} is an interval; a search takes intervals of keys of signal and eval")
    else:
        return NumberAxis(key, sweep.start, sweep.end, log)
    return None
