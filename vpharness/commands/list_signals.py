"""The command `list-signals`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vpharness.config.search_path import conf_folder
from vpharness.parameters import rules_of
from vpharness.signals import Signal, resolve


def signals_in(folder: Path) -> list[tuple[str, Signal[Any]]]:
    """Return the signals that a folder's YAML files name, with the names of the files."""
    files = sorted(folder.glob("*.yaml"))
    return [(file.stem, resolve(str(OmegaConf.select(OmegaConf.load(file), "_target_")))) for file in files]


def run_list_signals(config: DictConfig) -> None:
    """List the signals with their columns, parameters, defaults and units."""
    rows = [_row(name, signal) for name, signal in signals_in(conf_folder() / "signal")]
    if config.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['name']}: {row['meaning']}\n  columns: {', '.join(row['columns'])}")
        for parameter in row["parameters"]:
            unit = f" ({parameter['unit']})" if parameter["unit"] else ""
            print(f"  {parameter['name']} = {parameter['default']}{unit}: {parameter['meaning']}")
        print()


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
