"""The signals that YAML files name, as rows: what each means, its columns and its parameters."""

import dataclasses
from pathlib import Path
from typing import Any, Final

import yaml

from vpharness.config.search_path import conf_folder
from vpharness.parameters import rules_of
from vpharness.signals import LearnedSignal, Signal, body_scorer, number_of_features, resolve
from vpharness.signals.core.learned import MOVE, NONE, TOUCH

_USUAL_WIDTH_MS: Final = 100
_USUAL_RADIUS: Final = 50
"""Of the grids that the number of features is told for: those of a build without other parameters."""


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
    facts = {"name": name, "meaning": signal.meaning, "columns": list(signal.inputs), "parameters": parameters}
    return {**facts, "learned": _learned_facts(signal) if isinstance(signal, LearnedSignal) else None}


def _learned_facts(signal: LearnedSignal[Any]) -> dict[str, Any]:
    """Return what a learned signal is fitted with, to and when, with its default parameters."""
    p = signal.parameters()
    ready = body_scorer(signal, p, cell_width_ms=_USUAL_WIDTH_MS, radius=_USUAL_RADIUS)
    label = NONE
    if p.label == MOVE:
        label = f"move of the mid over {p.horizon_bins} bins"
    elif p.label == TOUCH:
        label = f"touch of {p.label_ticks:g} ticks within {p.label_bins} bins"
    every = f"{p.refit_every_bins} bins" if p.refit_every_ms is None else f"{p.refit_every_ms:g} ms"
    return {
        "model": signal.model.name,
        "label": label,
        "schedule": f"every {every} from bin {p.first_fit_bins}",
        "features": number_of_features(ready),
    }
