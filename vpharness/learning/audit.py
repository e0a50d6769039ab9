"""The audit of a learned signal: garbage from a fit's bin on must change nothing of its weights, nor any score before.

One fit of the run is done again, with features and labels computed anew from columns and a mid that are garbage from
the fit's bin on. Its weights must be the same bit by bit: whatever a label, a scaler or a feature had taken from there
would show in them.
"""

import dataclasses
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.audit import AuditReport
from vpharness.audit.audit_report import Check, MeasuredMemory
from vpharness.audit.probes import compare, inconclusive_reason, poisoned, program_footprint
from vpharness.learning.fitting import FitAt, fit_at
from vpharness.learning.labels import labels_of
from vpharness.learning.learned_run import LearnedRun, with_garbage
from vpharness.signals import Weights, body_scorer, features, reach_of

AUDITED_FITS: Final = 3
"""How many fits of a learned signal a full audit does again."""


def audit_fits(
    run: LearnedRun, inputs: dict[str, NDArray[Any]], scores: NDArray[np.float64], *, seed: int = 0, most: int = 1
) -> AuditReport:
    """Return the audit of a learned run, whose scores [T] these are, by doing up to `most` of its fits again.

    `inputs` are the columns [T, K] and series [T] that it reads. Its memory is that of its features, derived from
    their body: what was fitted before it began is not counted.
    """
    signal, params, view = run.signal, run.params, run.view
    radius = inputs[signal.columns[0]].shape[1] // 2
    ready = body_scorer(signal, params, cell_width_ms=view.cell_width_ms, radius=radius)
    valid = view.book_valid
    shown = {name: np.asarray(inputs[name])[valid] for name in signal.inputs}
    bins = int(np.count_nonzero(valid))
    program = program_footprint(ready, shown, max(bins, 1))
    if reason := inconclusive_reason(scores[valid]):
        return AuditReport((), None, bins, reason, program)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(run.fits), min(most, len(run.fits)), replace=False).tolist())
    checks = [check for place in chosen for check in _checks(run, run.fits[place], inputs, scores, rng)]
    reach = reach_of(signal, params, cell_width_ms=view.cell_width_ms, radius=radius).whole
    return AuditReport(tuple(checks), MeasuredMemory(reach, reach or bins, 1), bins, None, program)


def _checks(
    run: LearnedRun,
    fit: FitAt,
    inputs: dict[str, NDArray[Any]],
    scores: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Check, Check]:
    signal, params, valid = run.signal, run.params, run.view.book_valid
    changed = poisoned(inputs, fit.bin, rng)
    view = with_garbage(run.view, fit.bin, int(rng.integers(2**31)))
    found = features(signal, params, changed, cell_width_ms=view.cell_width_ms, valid=valid)
    again = fit_at(signal.model, params, found, labels_of(view, params), fit.bin)
    where = f"with garbage from bin {fit.bin} on"
    worst = np.inf if again is None else _difference(again.fitted.weights, fit.fitted.weights)
    weights = Check(where, worst, None if worst == 0 else fit.bin, "weights")
    before = dataclasses.replace(run, features=found).scores()[: fit.bin]
    known = valid[: fit.bin]
    return weights, compare(where, before[known], scores[: fit.bin][known], np.arange(int(known.sum())))


def _difference(found: Weights, wanted: Weights) -> float:
    """Return the largest difference between weights: 0 where every bit is the same, infinite where shapes differ."""
    if found.keys() != wanted.keys() or any(found[name].shape != wanted[name].shape for name in wanted):
        return np.inf
    if all(found[name].tobytes() == wanted[name].tobytes() for name in wanted):
        return 0.0
    gaps = [np.max(np.abs(np.asarray(found[name], np.float64) - wanted[name]), initial=0.0) for name in wanted]
    return float(max(gaps)) or np.inf
