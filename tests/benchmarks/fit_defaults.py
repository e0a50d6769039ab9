"""Make `runtime/defaults.yaml` anew: `python -m tests.benchmarks.fit_defaults > runtime/defaults.yaml`.

The projection is fitted on the training part of the embedded market, the one that a fresh clone serves.
"""

from typing import Any, Final

import numpy as np
import yaml

from tests.evaluation.synthetic_market import EVALUATION, market
from vpharness.evaluation import SplitParameters, parts_of
from vpharness.events.synthetic import SyntheticSource
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.projection import Projection
from vpharness.promotion.projection_fit import BinRange, fit_projection
from vpharness.signals import resolve, score

TARGET: Final = "vpharness.signals.perm_derivative.perm_derivative"
THRESHOLD: Final = 0.2
DIGITS: Final = 4

COMMENT: Final = """\
# What a fresh clone serves before anything has been promoted, on any feed: a signal with those parameters that differ
# from its own defaults, its threshold, and where the mid goes given the score on the embedded market.
# Made by: python -m tests.benchmarks.fit_defaults > runtime/defaults.yaml
"""


def fitted() -> Projection:
    """Fit the projection of the defaults on the training part of an hour of the embedded market."""
    source, signal, limits = SyntheticSource(), resolve(TARGET), PromotionParameters()
    made = market(source, signal.columns)
    scores = score(signal, None, made.grid, cell_width_ms=made.view.cell_width_ms, valid=made.view.book_valid)
    mid_ticks = np.where(made.view.book_valid, made.view.mid, np.nan) / source.tick_size
    train = parts_of(made.view, EVALUATION, SplitParameters())[0]
    return fit_projection(
        scores, mid_ticks, BinRange(train.first_fire, train.stop, train.limit), limits.horizons_bins, limits.quantiles
    )


def defaults_values() -> dict[str, Any]:
    """Return what the file holds; numbers are rounded, which neither lets quantiles cross nor descend."""
    projection = fitted()
    tables = {
        name: [[round(number, DIGITS) for number in row] for row in table]
        for name, table in (("down", projection.down), ("up", projection.up))
    }
    fixed = {"horizons_bins": list(projection.horizons_bins), "quantiles": list(projection.quantiles)}
    scale = round(projection.scale, DIGITS)
    return {
        "signal": {"_target_": TARGET},
        "threshold": THRESHOLD,
        "projection": {**fixed, "scale": scale, **tables},
    }


if __name__ == "__main__":
    print(COMMENT + yaml.safe_dump(defaults_values(), sort_keys=False, default_flow_style=None, width=100), end="")
