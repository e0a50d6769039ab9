"""The model served before anything is promoted: `runtime/defaults.yaml` over the defaults of dataclasses."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from vpharness.errors import ConfigError
from vpharness.evaluation import EVALUATION_VERSION, EvaluationParameters
from vpharness.lattice.lattice_parameters import LATTICE_VERSION, LatticeParameters
from vpharness.parameters import problems
from vpharness.promotion.projection import Projection
from vpharness.promotion.promoted_record import PromotedRecord
from vpharness.signals import resolve

DEFAULTS_VERSION: Final = "defaults"
_TARGET: Final = "_target_"
_KEYS: Final = ("signal", "threshold", "evaluation", "lattice", "projection")


def defaults(path: Path) -> PromotedRecord:
    """Return the record that is served where nothing has been promoted.

    The file holds `signal` (its _target_, and parameters that differ), `threshold`, and where they are wanted
    `evaluation` and `lattice` (parameters that differ) and `projection`. It is of no instrument and fits any feed.

    Raises ConfigError where the file cannot be read, or a key or value of it is not known.
    """
    values = _read(path)
    signal_values = _mapping(values, "signal", path)
    target = str(signal_values.get(_TARGET))
    given = {name: value for name, value in signal_values.items() if name != _TARGET}
    parameters = _over_defaults(resolve(target).parameters, given, f"{path}: signal")
    lattice = _over_defaults(LatticeParameters, _mapping(values, "lattice", path), f"{path}: lattice")
    evaluation = _over_defaults(EvaluationParameters, _mapping(values, "evaluation", path), f"{path}: evaluation")
    threshold, projection = _threshold(values, path), values.get("projection")
    return PromotedRecord(
        instrument=None,
        version=DEFAULTS_VERSION,
        signal_target=target,
        signal_digest=None,
        parameters=dataclasses.asdict(parameters),
        threshold=threshold,
        threshold_label=f"{threshold:g}",
        evaluation=evaluation.resolve(lattice.cell_width_ms).identity(),
        lattice=dataclasses.asdict(lattice),
        lattice_version=LATTICE_VERSION,
        evaluation_version=EVALUATION_VERSION,
        tick_size=None,
        size_unit=None,
        projection=None if projection is None else Projection.from_values(projection),
        run_id=None,
        candidate_id=None,
        dataset_id=None,
        dataset_checksum=None,
        packages={},
        created_ns=0,
        evidence={},
        forced=None,
    )


def _threshold(values: Mapping[str, Any], path: Path) -> float:
    threshold: Any = values.get("threshold")
    if not _is_number(threshold) or not 0 < threshold < float("inf"):
        raise ConfigError(f"{path}: threshold is {threshold!r}; it must be a number above 0")
    return float(threshold)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict) or not set(values) <= set(_KEYS):
        found = sorted(map(str, values)) if isinstance(values, dict) else type(values).__name__
        raise ConfigError(f"{path}: the keys are {found}; there may be {', '.join(_KEYS)}")
    return values


def _mapping(values: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    found = values.get(key) or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {key} is {found!r}; it must hold keys and values")
    return found


def _over_defaults(kind: type[Any], given: Mapping[str, Any], where: str) -> Any:
    """Return a dataclass of parameters with some of its values given; a ConfigError says what does not fit."""
    names = sorted(field.name for field in dataclasses.fields(kind))
    if odd := sorted(set(given) - set(names)):
        raise ConfigError(f"{where}.{odd[0]} is not a key here; the keys are {', '.join(names)}")
    made, own = kind(**given), kind()
    for name, value in given.items():
        if not _fits(value, getattr(own, name)):
            raise ConfigError(f"{where}.{name} is {value!r}; it must be of the type of {getattr(own, name)!r}")
    if found := problems(made, f"{where}."):
        raise ConfigError("; ".join(found))
    return made


def _fits(value: Any, default: Any) -> bool:
    """Whether a value has the type of a default; of one that is None nothing is known but that numbers are wanted."""
    if default is None:
        return value is None or _is_number(value)
    if isinstance(default, list):
        return isinstance(value, list) and all(map(_is_number, value))
    if isinstance(default, float):
        return _is_number(value)
    return type(value) is type(default)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
