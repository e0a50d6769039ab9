"""Other values for a served signal's parameters: checked as any configuration is, wherever they come from."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vpharness.config.override_errors import one_line
from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.promotion.serving import PromotedRecord
from vpharness.signals import resolve

Values = TypeVar("Values")


def overridden(record: PromotedRecord, values: Mapping[str, Any], threshold: float | None = None) -> PromotedRecord:
    """Return a record with other values of its signal's parameters, and perhaps another threshold.

    Its projection was fitted to other scores, so it has none.

    Raises ConfigError naming the keys that there are, or what is out of range.
    """
    kind = resolve(record.signal_target).parameters
    thresholds = [record.threshold if threshold is None else threshold]
    fixed = sorted({"thresholds", "threshold_quantiles"} & values.keys())
    if fixed:
        raise ConfigError(f"signal.{fixed[0]} is not for the server, which fires at one threshold: give threshold=")
    parameters = typed(kind, {**record.parameters, "thresholds": thresholds, **values}, "signal")
    found = problems(parameters, "signal.")
    if found:
        raise ConfigError("; ".join(found))
    return dataclasses.replace(
        record,
        parameters=dataclasses.asdict(parameters),
        threshold=thresholds[0],
        threshold_label=f"{thresholds[0]:g}",
        projection=None,
        signal_digest=None,
        memory_bins=None if values else record.memory_bins,  # it was measured with the values of before
    )


def from_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that texts of a query stand for: JSON where they are JSON, and themselves elsewhere.

    Raises ConfigError where one refers to something else, as a configuration's values may and a client's may not.
    """
    values = {}
    for name, text in texts.items():
        try:
            values[name] = value = _value(text)
            # Looked at once it is read: JSON can write any character in another way.
            refers = any("${" in each or "???" in each for each in _texts_in(value))
        except RecursionError:
            raise ConfigError(f"signal.{name} is nested too deeply; it must be a value") from None
        if refers:
            raise ConfigError(f"signal.{name} is {text[:40]!r}; it must be a value")
    return values


def _texts_in(value: Any) -> Iterator[str]:
    """Yield every text that a value of JSON holds, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        yield from (text for each in value for text in _texts_in(each))
        if isinstance(value, dict):
            yield from (text for each in value.values() for text in _texts_in(each))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def typed(kind: type[Values], values: Mapping[str, Any], name: str) -> Values:
    """Return a dataclass of parameters from values that are given, in its own types.

    Raises ConfigError, naming the keys that there are, where one is not among them or has a value of another type.
    """
    try:
        config = OmegaConf.structured(kind)
        OmegaConf.set_readonly(config, False)
        merged: Any = OmegaConf.to_container(OmegaConf.merge(config, dict(values)))
    except (OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"{name}: {one_line(error)}") from error
    return kind(**merged)
