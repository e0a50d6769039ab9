"""Multinomial logistic regression with an L2 penalty: P(up) - P(down) of the label `touch`.

With z the features in units of their deviation over the training bins, P(c) = softmax_c(a_c + b_c · z); a and b
minimise the mean log loss + l2/2 Σ b². The optimum is found by L-BFGS (scikit-learn).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import TOUCH, Fitted, LearnedParameters, Model
from vpharness.signals.models.classes import CLASSES, classes_of, expected_sign, log_loss
from vpharness.signals.models.scaling import scaled, scaler_of


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Logistic") -> Fitted:
    """Return the weights of a logistic regression; the training loss is the mean log loss."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # of the extra `learn`

    scaler, (kinds, places) = scaler_of(features), classes_of(labels)
    z = scaled(scaler, features)
    found = LogisticRegression(C=1.0 / (p.l2 * len(z)), tol=1e-6, max_iter=1_000).fit(z, places)
    coefficients, intercepts = found.coef_, found.intercept_
    if len(kinds) == 2:  # scikit-learn gives the log odds of the second one alone
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([[0.0], intercepts])
    weights = {**scaler, CLASSES: kinds, "coefficients": coefficients, "intercepts": intercepts}
    return Fitted(weights, log_loss(found.predict_proba(z), places))


def score(weights: Mapping[str, Array], features: Array) -> Array:
    """Return P(up) - P(down), [T]."""
    z = scaled(weights, features)
    logits = (z[:, None, :] * weights["coefficients"][None, :, :]).sum(axis=2) + weights["intercepts"][None, :]
    return expected_sign(weights[CLASSES], jax.nn.softmax(logits, axis=1))


LOGISTIC: Final = Model("logistic", fit, score, ("sklearn",), labels=(TOUCH,))


@dataclass(frozen=True)
class Logistic(LearnedParameters):
    """Parameters of signals with a logistic regression."""

    MODEL: ClassVar[Model] = LOGISTIC

    l2: float = parameter(0.01, meaning="penalty of the squared coefficients, of features with deviation 1", above=0)
