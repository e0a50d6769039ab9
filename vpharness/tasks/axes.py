"""An experiment's axes as Hydra's own sweep syntax."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from vpharness.errors import ConfigError


def with_axes(words: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Return a multirun's words with the axes of its experiment spelt out as `key=value,value`.

    `folders` are those of YAML files, a user's own first. An axis that the user gives stands instead of the
    experiment's. Raises ConfigError for an empty axis, and for axes of a signal that is not the one that is swept.
    """
    names = [word.removeprefix("experiment=") for word in words if word.startswith("experiment=")]
    files = [folder / "experiment" / f"{name}.yaml" for name in names for folder in folders]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        return list(words)
    experiment: Any = OmegaConf.to_container(OmegaConf.load(found))
    sweep = experiment.get("sweep") or {}
    signal = _signal_of(experiment, words)
    axes = dict(sweep.get("universal") or {})
    for name, own in (sweep.get("per_signal") or {}).items():
        if name != signal:
            raise ConfigError(f"{found.name} has axes for the signal {name}, and the signal that is swept is {signal}")
        axes |= {f"signal.{key}": values for key, values in own.items()}
    given = {word.partition("=")[0] for word in words}
    spelt = [_spelt(key, values, found) for key, values in axes.items() if key not in given]
    return [*words, *spelt, "sweep=null"]


def _signal_of(experiment: dict[str, Any], words: Sequence[str]) -> str:
    chosen = [word.removeprefix("signal=") for word in words if word.startswith("signal=")]
    choices = [choice["override /signal"] for choice in experiment.get("defaults", []) if "override /signal" in choice]
    return str((chosen or choices or [""])[-1])


def _spelt(key: str, values: Any, file: Path) -> str:
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{file.name}: the axis {key} is {values!r}; a list of at least one value is expected")
    return f"{key}={','.join(json.dumps(value, separators=(',', ':')) for value in values)}"
