"""The signals that YAML files name, as rows: what each means, its columns and its parameters."""

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from vpharness.config.search_path import conf_folder
from vpharness.parameters import rules_of
from vpharness.signals import Signal, resolve


def signal_rows() -> list[dict[str, Any]]:
    """Return a row of JSON values for each signal, in the order of their names."""
    return [_row(name, signal) for name, signal in signals_in(conf_folder() / "signal")]


def signals_in(folder: Path) -> list[tuple[str, Signal[Any]]]:
    """Return the signals that a folder's YAML files name, with the names of the files."""
    files = sorted(folder.glob("*.yaml"))
    return [(file.stem, resolve(str(yaml.safe_load(file.read_text(encoding="utf-8"))["_target_"]))) for file in files]


def _row(name: str, signal: Signal[Any]) -> dict[str, Any]:
    defaults = signal.parameters()
    parameters = [
        {
            "name": field.name,
            "default": getattr(defaults, field.name),
            "unit": rules_of(field).unit,
            "meaning": rules_of(field).meaning,
        }
        for field in dataclasses.fields(signal.parameters)
    ]
    return {"name": name, "meaning": signal.meaning, "columns": list(signal.columns), "parameters": parameters}
