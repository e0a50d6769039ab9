"""In what the rows of a table differ, and what they have in common, as `parameter=value`."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpharness.evaluation import EvaluationParameters, ResolvedEvaluation
from vpharness.results.ranking import Ranked
from vpharness.results.sensitivity import THRESHOLD, setting_text, settings_in_words, short_name, value_text
from vpharness.results.session_names import session_names, with_session

LatticeOf = Callable[[str], Mapping[str, Any]]
"""From a dataset's id to the parameters of its lattice; empty where the dataset is not at hand."""

MOST_NAMED: Final = 4
"""How many values of a parameter are listed for rows with identical results; of more, their number is shown."""
_DEFAULTS: Final = {
    "eval.null_draws": EvaluationParameters.null_draws,
    "eval.null_seed": EvaluationParameters.null_seed,
    **{
        f"eval.{field.name}": field.default
        for field in dataclasses.fields(ResolvedEvaluation)
        if field.default is not dataclasses.MISSING and field.name not in {"latency_ms", "max_wait_bins"}
    },
}
"""Settings that are left out of what is common to all rows where they have these values."""


@dataclass(frozen=True)
class SettingDifferences:
    """What differs between rows.

    Attributes:
        common: the settings that are equal in all rows, in words.
        varied: for each row those that are not.
    """

    common: str
    varied: tuple[str, ...]


@dataclass(frozen=True)
class RowSettings:
    """The settings of one candidate of a row.

    Attributes:
        signal: its signal.
        threshold_label: its threshold, as its run calls it.
        code: the digest of its signal's program.
        dataset_id: a dataset that it ran on, whose lattice it is of.
        values: its settings by full name, in words, thresholds and signal aside; those of a signal under a name that
            holds the signal's too.
    """

    signal: str
    threshold_label: str
    code: str
    dataset_id: str
    values: Mapping[str, str]


def row_settings(ranked: Ranked, sessions: Mapping[str, str]) -> RowSettings:
    """Return the settings of a candidate; datasets are named by their sessions, by dataset id."""
    first = ranked.candidate.first
    own = _settings(ranked, sessions)
    return RowSettings(first.signal, first.threshold_label, first.signal_digest, first.dataset_id, own)


def differences(
    rows: Sequence[Sequence[Ranked]], lattice_of: LatticeOf, sessions: Mapping[str, str] | None = None
) -> SettingDifferences:
    """Return in what the candidates of rows differ, thresholds and signals aside, which have columns of their own.

    Parameters of a signal are compared among the rows of that signal, and are common to all where there is one signal.

    Args:
        rows: for each row, the candidates that share it.
        lattice_of: from a dataset's id to the parameters of its lattice.
        sessions: the names of datasets' sessions, by id.
    """
    return differences_of([[row_settings(each, sessions or {}) for each in row] for row in rows], lattice_of)


def differences_of(rows: Sequence[Sequence[RowSettings]], lattice_of: LatticeOf) -> SettingDifferences:
    """Return what `differences` does, of candidates whose settings are known."""
    settings = [[dict(each.values) for each in row] for row in rows]
    if len({values["dataset"] for row in settings for values in row}) > 1:
        settings = [
            [{**values, **_lattice(each, lattice_of)} for values, each in zip(found, row, strict=True)]
            for found, row in zip(settings, rows, strict=True)
        ]
    found: dict[str, set[str]] = defaultdict(set)
    for row in settings:
        for values in row:
            for name, value in values.items():
                found[name].add(value)
    signals = {each.signal for row in rows for each in row}
    short = _short_names(found)
    varied_names = [name for name, values in found.items() if len(values) > 1]
    left_out = ("lattice.", *(["of "] if len(signals) > 1 else []))
    shown = [name for name in found if name not in varied_names and not name.startswith(tuple(left_out))]
    common = [
        setting_text(short[name], value)
        for name in shown
        for value in found[name]
        if value != value_text(_DEFAULTS.get(name, ""))
    ]
    return SettingDifferences(
        " ".join(common), tuple(_varied(row, varied_names, short) for row in _told_apart(rows, settings))
    )


def _settings(ranked: Ranked, sessions: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a candidate by full name; those of a signal under a name that holds the signal's too."""
    first = ranked.candidate.first
    trials = ranked.candidate.choosing or ranked.candidate.trials
    own = {name: value for name, value in settings_in_words(first).items() if name != THRESHOLD and value is not None}
    split = {name: value for name, value in dataclasses.asdict(first.split.of_candidate()).items() if value != []}
    if first.split.kind != "time" or first.split.by_dataset:
        split.pop("train_share", None)
    split["split"] = split.pop("kind")
    values = {
        "dataset": _datasets_text(list(dict.fromkeys(trial.dataset_id for trial in trials)), sessions),
        **{name: value for name, value in own.items() if not name.startswith("signal.")},
        **split,
        **{f"of {first.signal} {name}": value for name, value in own.items() if name.startswith("signal.")},
    }
    return {name: value_text(value) for name, value in values.items()}


def _datasets_text(ids: Sequence[str], sessions: Mapping[str, str]) -> str:
    """Return datasets by their sessions' names; of many the first and the last, and how many they are."""
    if len(ids) == 1:
        return with_session(ids[0], sessions)
    names = session_names(ids, sessions)
    if len(names) <= MOST_NAMED:
        return "+".join(names)
    return f"{names[0]}+…+{names[-1]} ({len(names)})"


def _lattice(candidate: RowSettings, lattice_of: LatticeOf) -> dict[str, str]:
    """Return the parameters of the lattice of a candidate's dataset, as far as that is at hand."""
    lattice = {name: value for name, value in lattice_of(candidate.dataset_id).items() if name != "cell_width_ms"}
    return {f"lattice.{name}": value_text(value) for name, value in lattice.items()}


def _short_names(names: Mapping[str, object]) -> dict[str, str]:
    """Return the names as they are shown: without what they are a parameter of, unless two would be called the same."""
    full = {name: name.split(" ")[-1] for name in names}
    kinds: dict[str, set[str]] = defaultdict(set)
    for each in full.values():
        kinds[short_name(each)].add(each)
    return {name: short_name(each) if len(kinds[short_name(each)]) == 1 else each for name, each in full.items()}


def _varied(row: Sequence[Mapping[str, str]], names: Sequence[str], short: Mapping[str, str]) -> str:
    texts = []
    for name in (*names, "code"):
        values = list(dict.fromkeys(values[name] for values in row if name in values))
        if values:
            shown = "|".join(values) if len(values) <= MOST_NAMED else f"({len(values)} values)"
            texts.append(setting_text(short.get(name, name), shown))
    return " ".join(texts)


def _told_apart(
    rows: Sequence[Sequence[RowSettings]], settings: Sequence[Sequence[dict[str, str]]]
) -> Sequence[Sequence[dict[str, str]]]:
    """Return the settings, with the code of a signal where rows have all others in common, the threshold included."""
    kinds: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, (row, found) in enumerate(zip(rows, settings, strict=True)):
        kinds[row[0].signal, row[0].threshold_label, *sorted(found[0].items())].append(place)
    told = [list(found) for found in settings]
    for places in kinds.values():
        if len({rows[place][0].code for place in places}) > 1:
            for place in places:
                digest = rows[place][0].code[:8]
                told[place] = [{**values, "code": digest} for values in told[place]]
    return told
