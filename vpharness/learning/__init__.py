"""Fits of learned signals: labels, the bins that a fit may use, weights, and the files that they are kept in.

A fit at bin b is a pure function of the features and labels of bins t with t + reach + embargo < b, where the reach is
that of the label (`LearnedParameters.reach_bins`): every label that takes part was known before the fit's own bin. The
weights are in force from bin b on, until the next fit.

- `labels_of(view, params)` gives the label of each bin; `fit_bins`, `training_bins` say when is fitted, and on what.
- `fits_of(signal, params, features, labels, ...)` fits all of a run.
- `LearnedRun.of(...)` does so for a dataset, or reads what was fitted before (`weights_store`).
- `audit_fits(...)` shows whether features, scores or weights depend on what comes later.
"""

from vpharness.learning.fits_audit import AUDITED_FITS, audit_fits
from vpharness.learning.fitting import FitAt, fits_of, in_force, missing_packages
from vpharness.learning.labels import labels_of
from vpharness.learning.learned_run import FitRecord, LearnedRun, model_identity
from vpharness.learning.schedule import fit_bins, training_bins

__all__ = [
    "AUDITED_FITS",
    "FitAt",
    "FitRecord",
    "LearnedRun",
    "audit_fits",
    "fit_bins",
    "fits_of",
    "in_force",
    "labels_of",
    "missing_packages",
    "model_identity",
    "training_bins",
]
