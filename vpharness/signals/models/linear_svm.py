"""Linear support vector machines, with margins turned into probabilities: P(up) - P(down) of the label `touch`.

For each of up and down, against the rest: f = a + b · z minimises l2/2 (b² + a²) + mean max(0, 1 - y f) over the
training bins, with z the features in units of their deviation and y = ±1 (liblinear's dual coordinate descent, in the
order that the seed draws). P = 1/(1 + exp(-(c f + d))), with c and d fitted to the training bins by their likelihood
(Platt 1999).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import TOUCH, Fitted, LearnedParameters, Model
from vpharness.signals.models.classes import classes_of
from vpharness.signals.models.scaling import scaled, scaler_of

_SIGNS: Final = (1.0, -1.0)
_NEVER: Final = -745.0
"""The log odds of what was never seen: its probability is 0."""


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "LinearSvm") -> Fitted:
    """Return the weights of the two machines; the training loss is the mean hinge loss of both."""
    classes_of(labels)
    scaler = scaler_of(features)
    z = scaled(scaler, features)
    machines = [_machine(z, labels == sign, p) for sign in _SIGNS]
    coefficients, intercepts, slopes, offsets, losses = (np.array(each) for each in zip(*machines, strict=True))
    weights = {
        **scaler,
        "coefficients": coefficients,
        "intercepts": intercepts,
        "platt_slopes": slopes,
        "platt_offsets": offsets,
    }
    return Fitted(weights, float(losses.mean()))


def _machine(
    z: NDArray[np.float64], wanted: NDArray[np.bool_], p: "LinearSvm"
) -> tuple[NDArray[np.float64], float, float, float, float]:
    """Return the coefficients and intercept of one machine, the slope and offset of its odds, and its loss."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415  # of the extra `learn`
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    if not wanted.any() or wanted.all():
        return np.zeros(z.shape[1]), 0.0, 0.0, -_NEVER if wanted.all() else _NEVER, 0.0
    machine = LinearSVC(loss="hinge", C=1.0 / (p.l2 * len(z)), max_iter=p.max_iterations, random_state=p.seed, tol=1e-4)
    with warnings.catch_warnings():
        # Stopping after max_iterations is a part of the model: the same steps give the same weights.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(z, wanted)
    margins = machine.decision_function(z)
    odds = LogisticRegression(C=1e6, tol=1e-8, max_iter=1_000).fit(margins[:, None], wanted)
    loss = np.mean(np.maximum(0.0, 1.0 - np.where(wanted, 1.0, -1.0) * margins))
    return machine.coef_[0], float(machine.intercept_[0]), float(odds.coef_[0, 0]), float(odds.intercept_[0]), loss


def score(weights: Mapping[str, Array], features: Array) -> Array:
    """Return P(up) - P(down), [T]."""
    z = scaled(weights, features)
    margins = (z[:, None, :] * weights["coefficients"][None, :, :]).sum(axis=2) + weights["intercepts"][None, :]
    odds = margins * weights["platt_slopes"][None, :] + weights["platt_offsets"][None, :]
    probabilities = jax.nn.sigmoid(odds)
    return probabilities[:, 0] - probabilities[:, 1]


LINEAR_SVM: Final = Model("linear_svm", fit, score, ("sklearn",), labels=(TOUCH,))


@dataclass(frozen=True)
class LinearSvm(LearnedParameters):
    """Parameters of signals with linear support vector machines."""

    MODEL: ClassVar[Model] = LINEAR_SVM

    l2: float = parameter(0.01, meaning="penalty of the squared coefficients, of features with deviation 1", above=0)
    max_iterations: int = parameter(1_000, meaning="passes over the training bins, at most", minimum=1, maximum=100_000)
