"""What candidates come to at each value of a parameter, and at each pair of barriers."""

import dataclasses
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpharness.errors import ConfigError
from vpharness.evaluation.evaluation_parameters import OF_THE_QUEUE
from vpharness.results.ledger import Trial
from vpharness.results.ranking import Ranked, rank_order
from vpharness.wording import did_you_mean

THRESHOLD: Final = "threshold"
_THRESHOLDS: Final = ("thresholds", "threshold_quantiles")
"""What a signal's parameters say of thresholds: a candidate has one of them, its own."""

_SIGNAL: Final = "signal."
_EVAL: Final = "eval."
_LATENCY: Final = "eval.latency_ms"
_FILE: Final = "file "
"""What the text of latencies from a file begins with."""


@dataclass(frozen=True)
class AtValue:
    """The candidates at one value of a parameter.

    Attributes:
        parameter: its full name, such as "signal.zscore_window" or "eval.tp_ticks".
        value: its value.
        n_candidates: candidates with this value.
        n_rankable: those of them with enough data to be ranked; everything below is over these.
        median_net_pnl_ticks: median of their net means; None where there is none.
        best: the one that ranks first.
        median_p_value: median of their p-values by themselves.
        share_low_above_0: share whose net interval lies above 0.
    """

    parameter: str
    value: Any
    n_candidates: int
    n_rankable: int
    median_net_pnl_ticks: float | None
    best: Ranked | None
    median_p_value: float | None
    share_low_above_0: float | None


@dataclass(frozen=True)
class AtBarriers:
    """The candidates at one pair of barriers, in ticks, and the one of them that ranks first."""

    tp_ticks: float
    sl_ticks: float
    n_candidates: int
    n_rankable: int
    best: Ranked | None


def settings_of(trial: Trial) -> dict[str, Any]:
    """Return everything that candidates can differ in, by full name: threshold, `signal.NAME`, `eval.NAME`."""
    signal = {name: value for name, value in trial.parameters.items() if name not in _THRESHOLDS}
    evaluation = dataclasses.asdict(trial.evaluation)
    if not trial.evaluation.in_queue:
        evaluation |= dict.fromkeys(OF_THE_QUEUE)  # nothing comes of them
    evaluation["latency_digest"] = evaluation["latency_digest"] or None
    return {
        THRESHOLD: trial.threshold_label,
        **{f"{_SIGNAL}{name}": value for name, value in signal.items()},
        **{f"{_EVAL}{name}": value for name, value in evaluation.items()},
    }


def settings_in_words(trial: Trial) -> dict[str, Any]:
    """Return `settings_of` as people read them: latencies from a file are that file, and not the longest of them."""
    settings, evaluation = settings_of(trial), trial.evaluation
    if evaluation.in_queue and evaluation.latency_digest:
        longest = f"{evaluation.latency_ms:.0f}" if evaluation.latency_ms >= 10 else f"{evaluation.latency_ms:.2g}"
        settings[_LATENCY] = f"{_FILE}{evaluation.latency_digest[:8]} (longest {longest} ms)"
        settings[f"{_EVAL}latency_digest"] = None
    return settings


def setting_text(name: str, value: str, between: str = "=") -> str:
    """Return a setting as `name=value`, and latencies from a file as `latency file …`."""
    if name in {_LATENCY, short_name(_LATENCY)} and value.startswith(_FILE):
        return f"latency {value}"
    return f"{name}{between}{value}"


def _derived_settings(trial: Trial) -> dict[str, Any]:
    """Return other names of the same: items of lists, and durations as times."""
    settings = settings_of(trial)
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, list):
            found |= {f"{name}.{index}": item for index, item in enumerate(value)}
        elif name.startswith(_EVAL) and name.endswith("_bins") and value is not None:
            found[f"{name.removesuffix('_bins')}_ms"] = value * trial.evaluation.cell_width_ms
    return found


def parameter_named(name: str, ranked: Sequence[Ranked]) -> str:
    """Return the full name of a parameter of some candidates.

    Raises ConfigError where none of them has it, where a signal and the evaluation both do, or where it is a signal's
    and the candidates are of several signals.
    """
    trials = [each.candidate.first for each in ranked]
    own = {full for trial in trials for full in settings_of(trial)}
    known = own | {full for trial in trials for full in _derived_settings(trial)}
    matching = [name] if name in known else sorted(full for full in known if name == short_name(full))
    if not matching:
        names = sorted({short_name(full) for full in own})
        hint = did_you_mean(name, names).strip() or f"there are {', '.join(names) or 'no candidates'}"
        raise ConfigError(f"sensitivity is {name!r}, which no candidate here has; {hint}")
    if len(matching) > 1:
        raise ConfigError(f"sensitivity={name} may be {' or '.join(matching)}; write which")
    (full,) = matching
    signals = sorted({trial.signal for trial in trials})
    if full.startswith(_SIGNAL) and len(signals) > 1:
        raise ConfigError(
            f"sensitivity={name} is a parameter of one signal, the candidates are of {', '.join(signals)}; "
            "choose one with signal="
        )
    return full


def short_name(full: str) -> str:
    """Return a parameter's name without the prefix `signal.` or `eval.`."""
    return full.removeprefix(_SIGNAL).removeprefix(_EVAL)


def varied_parameters(ranked: Iterable[Ranked]) -> list[str]:
    """Return the full names of the parameters that candidates have different values of, thresholds aside."""
    values: dict[str, set[str]] = defaultdict(set)
    for each in ranked:
        for name, value in settings_of(each.candidate.first).items():
            values[name].add(_key(value))
    return [name for name, found in values.items() if len(found) > 1 and name != THRESHOLD]


def sensitivity(ranked: Sequence[Ranked], parameter: str) -> list[AtValue]:
    """Return what candidates come to at each value of a parameter, given by its full name, in the order of values."""
    groups: dict[str, list[Ranked]] = defaultdict(list)
    values: dict[str, Any] = {}
    for each in ranked:
        trial = each.candidate.first
        settings = {**settings_of(trial), **_derived_settings(trial)}
        if (value := settings.get(parameter)) is not None:
            groups[_key(value)].append(each)
            values[_key(value)] = value
    return [
        _at_value(parameter, values[key], groups[key]) for key in sorted(groups, key=lambda key: _order(values[key]))
    ]


def _at_value(parameter: str, value: Any, members: Sequence[Ranked]) -> AtValue:
    rankable = [each for each in members if each.p_adjusted is not None]
    figures = [each.judgement.figures for each in rankable]
    if not rankable:
        return AtValue(parameter, value, len(members), 0, None, None, None, None)
    return AtValue(
        parameter=parameter,
        value=value,
        n_candidates=len(members),
        n_rankable=len(rankable),
        median_net_pnl_ticks=statistics.median(f.net_pnl_ticks for f in figures),
        best=min(rankable, key=rank_order),
        median_p_value=statistics.median(each.judgement.p_value for each in rankable),
        share_low_above_0=statistics.fmean(f.net_pnl_ticks_low > 0 for f in figures),
    )


def surface(ranked: Sequence[Ranked]) -> list[AtBarriers]:
    """Return what candidates come to at each pair of take-profit and stop-loss, in the order of the pairs."""
    groups: dict[tuple[float, float], list[Ranked]] = defaultdict(list)
    for each in ranked:
        evaluation = each.candidate.first.evaluation
        groups[evaluation.tp_ticks, evaluation.sl_ticks].append(each)
    found = []
    for (tp_ticks, sl_ticks), members in sorted(groups.items()):
        rankable = [each for each in members if each.p_adjusted is not None]
        best = min(rankable, key=rank_order) if rankable else None
        found.append(AtBarriers(tp_ticks, sl_ticks, len(members), len(rankable), best))
    return found


def value_text(value: Any) -> str:
    """Return a parameter's value as a user would write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, separators=(",", ":"))


def _key(value: Any) -> str:
    """Return the same text for equal values: a whole number may have been given with or without its point."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def threshold_order(label: str) -> tuple[bool, float, str]:
    """Return the key that orders thresholds: those given by their size, then quantiles by theirs."""
    try:
        return label.startswith("q"), float(label.removeprefix("q")), label
    except ValueError:
        return True, 0.0, label


def _order(value: Any) -> tuple[Any, ...]:
    """Return a key that orders numbers by size, lists by their items, thresholds by theirs, and the rest as text."""
    if isinstance(value, list):
        return (1, [_order(item) for item in value])
    if isinstance(value, int | float):
        return (0, float(value))
    return (2, threshold_order(str(value)))
