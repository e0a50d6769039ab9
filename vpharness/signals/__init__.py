"""Signals: the time operators, and one file a signal.

A signal is written once, as a function of time, cells and parameters, and serves a run over a whole dataset, chunks of
one too large for memory, and one bin at a time in the live server::

    @dataclass(frozen=True)
    class Imbalance(SignalParameters):
        window: int = parameter(50, meaning="window of the robust z", unit="bins", minimum=2)

    @signal(columns=("bid_depth", "ask_depth"))
    def imbalance(time: Clock, grid: Grid, p: Imbalance) -> Array:
        \"\"\"Resting depth below spot less that above it.\"\"\"
        near = grid.band(1, 5)
        x = grid.sides(grid.bid_depth, near)[0] - grid.sides(grid.ask_depth, near)[1]
        return time.robust_z(x, p.window, min_periods=30)

All that looks across bins goes through `time`; the rest is ordinary `jax.numpy` on arrays [T, K] and [T]. A signal of
one's own is such a function in any module on the Python path and a YAML whose `_target_` is MODULE.FUNCTION.

What the rest of the project uses:

- `resolve("module.name")` gives the `Signal`: its name, meaning, columns, and the dataclass of its parameters, whose
  fields hold the defaults, meanings, units and ranges. `score_parameters(params)` are those that change its scores.
- `score(signal, params, columns, cell_width_ms=..., valid=...)` scores a whole run of bins. `columns` holds the series
  of the bins (`BIN_SERIES`) too where the signal reads some: `signal.with_series(columns, bins, tick_size)` adds them.
- `score_many(signal, [params, ...], columns, ...)` does so for many parameter sets, computing what they share once.
- `scorer(signal, params, cell_width_ms=..., radius=...)` is the same for chunks or single bins: `start()` gives the
  first state, `step(state, columns)` the next one and the scores. `save_state` and `restore_state` turn a state into
  plain arrays and back, bit for bit.
- `reach_of(signal, params, cell_width_ms=..., radius=...)` says how many bins before its own a score depends on.
- `@learned` makes a signal whose last step is fitted: its function gives features [T, F], its parameters derive from
  those of a model (`vpharness.signals.models`). `features(...)` gives them over a whole run, `feature_names(...)` what
  each is made of; `scorer` and `score` take the weights in force as `fits`. `vpharness.learning` fits them.
- `digest(signal, params)` is what a result depends on besides parameters and data: the SHA-256 of the compiled form
  and of the names of what it is called with.

The chunk law: for any cutting of time into chunks, single bins included, scores agree within CHUNK_TOLERANCE.
"""

from typing import Final

from vpharness.signals.core.bin_series import BIN_SERIES, SPREAD_TICKS, bin_series
from vpharness.signals.core.binding import body_parameters, identifying_parameters, score_parameters
from vpharness.signals.core.compiled_body import ScorerState, digest
from vpharness.signals.core.definition import Signal, SignalParameters, fixed_thresholds, resolve, signal
from vpharness.signals.core.exported_scorer import (
    BinScorer,
    export_scorer,
    exported_weights,
    load_scorer,
    require_exportable,
)
from vpharness.signals.core.feature_names import feature_names
from vpharness.signals.core.fits_in_force import FitsInForce
from vpharness.signals.core.grid import Grid
from vpharness.signals.core.learned import (
    FitError,
    Fitted,
    LearnedParameters,
    LearnedSignal,
    Model,
    Weights,
    learned,
    with_default,
)
from vpharness.signals.core.learned_step import outputs_as_columns
from vpharness.signals.core.program import Program, program_of
from vpharness.signals.core.reach import Reach, reach_of
from vpharness.signals.core.scorer_state import restore_state, save_state
from vpharness.signals.core.scoring import (
    Scorer,
    body_scorer,
    capacity_for,
    combination_scorer,
    features,
    forget_compiled,
    number_of_features,
    score,
    scorer,
)
from vpharness.signals.core.shared import Memo, score_many, score_ready
from vpharness.signals.core.time_operators import Clock

CHUNK_TOLERANCE: Final = 1e-9
"""The most by which a score may depend on how time is cut. Scores as near as this to a threshold are ties."""

__all__ = [
    "BIN_SERIES",
    "CHUNK_TOLERANCE",
    "SPREAD_TICKS",
    "BinScorer",
    "Clock",
    "FitError",
    "FitsInForce",
    "Fitted",
    "Grid",
    "LearnedParameters",
    "LearnedSignal",
    "Memo",
    "Model",
    "Program",
    "Reach",
    "Scorer",
    "ScorerState",
    "Signal",
    "SignalParameters",
    "Weights",
    "bin_series",
    "body_parameters",
    "body_scorer",
    "capacity_for",
    "combination_scorer",
    "digest",
    "export_scorer",
    "exported_weights",
    "feature_names",
    "features",
    "fixed_thresholds",
    "forget_compiled",
    "identifying_parameters",
    "learned",
    "load_scorer",
    "number_of_features",
    "outputs_as_columns",
    "program_of",
    "reach_of",
    "require_exportable",
    "resolve",
    "restore_state",
    "save_state",
    "score",
    "score_many",
    "score_parameters",
    "score_ready",
    "scorer",
    "signal",
    "with_default",
]
