"""Ridge regression: the move that a linear combination of the features predicts.

With z the features in units of their deviation over the N training bins (mean 0) and y the labels, the coefficients are
the closed form b = (zᵀz / N + l2 I)⁻¹ zᵀ(y - mean y) / N, and the score is mean y + z · b: in ticks for the label
`move`, an expected sign for `touch`. Hoerl and Kennard (1970); the penalty does not touch the intercept.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import Fitted, LearnedParameters, Model
from vpharness.signals.models.scaling import linear, scaled, scaler_of


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Ridge") -> Fitted:
    """Return the weights of a ridge regression; the training loss is the mean squared error."""
    scaler = scaler_of(features)
    z, centre = scaled(scaler, features), labels.mean()
    # Sums by einsum, not by a library's threads, whose number may change the order of additions.
    gram = np.einsum("ni,nj->ij", z, z, optimize=False) / len(z)
    moment = np.einsum("ni,n->i", z, labels - centre, optimize=False) / len(z)
    coefficients = np.linalg.solve(gram + p.l2 * np.eye(len(moment)), moment)
    errors = labels - centre - z @ coefficients
    weights = {**scaler, "coefficients": coefficients, "intercept": np.array([centre])}
    return Fitted(weights, float(np.mean(errors**2)))


RIDGE: Final = Model("ridge", fit, linear)


@dataclass(frozen=True)
class Ridge(LearnedParameters):
    """Parameters of signals with a ridge regression."""

    MODEL: ClassVar[Model] = RIDGE

    l2: float = parameter(0.01, meaning="penalty of the squared coefficients, of features with deviation 1", above=0)
