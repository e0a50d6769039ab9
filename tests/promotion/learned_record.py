"""The record of a learned signal with weights that were fitted to noise: what serving needs, without a run."""

import dataclasses
from typing import Any, Final

import numpy as np

from tests.runtime.market import LATTICE
from tests.runtime.records import record_of
from vpharness.promotion.serving import PromotedRecord
from vpharness.signals import Weights, body_parameters, digest, resolve, score_parameters

RADIUS: Final = 30
TARGET: Final = "vpharness.signals.ridge_flow.ridge_flow"
FEATURES: Final = 13


def weights_of(seed: int = 0) -> Weights:
    """Return weights that a ridge regression of as many features was given by noise."""
    rng, params = np.random.default_rng(seed), resolve(TARGET).parameters()
    fitted = params.MODEL.fit(rng.normal(size=(400, FEATURES)), rng.normal(size=400), params)
    weights: Weights = fitted.weights
    return weights


def learned_record(seed: int = 0, **values: Any) -> PromotedRecord:
    """Return the record of ridge_flow with such weights; `values` are fields of the record."""
    signal = resolve(TARGET)
    params = dataclasses.replace(signal.parameters(), thresholds=[0.3])
    card = {
        "signal": "ridge_flow",
        "model": "ridge",
        "features": {"digest": digest(signal, params), "parameters": body_parameters(params)},
        "dataset": {"name": "noise", "checksum": "c"},
        "parameters": {
            name: value for name, value in score_parameters(params).items() if name in params.outside_the_body()
        },
        "fit": {"bin": 400, "time_ns": 40_000_000_000, "training_bins": 400, "training_loss": 0.5},
        "packages": {"numpy": "2"},
    }
    lattice = dataclasses.asdict(dataclasses.replace(LATTICE, radius=RADIUS))
    fit = {"weights": f"digest of {seed}", "card": card, "cell_width_ms": LATTICE.cell_width_ms, "radius": RADIUS}
    fields = {"lattice": lattice, "fit": fit, "weights": weights_of(seed), **values}
    return record_of("ridge_flow", **fields)
