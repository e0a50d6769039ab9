"""Principal components: where a bin lies along the first one, and how unusual it is.

With z the features in units of their deviation over the N training bins, the components v_i are the eigenvectors of
zᵀz/N with the C largest eigenvalues λ_i, and s_i = v_i · z. Outputs: pc1 = s_1; error, the root mean square of
z - Σ s_i v_i over the features; mahalanobis = sqrt(Σ s_i²/λ_i). The sign of v_1 is the one with which the first half of
its loadings sums to more than the second: of cells in the order of their price, the side below spot. The last feature
takes no part and is handed on as `beside`. No label is needed, so that nothing later is known to a fit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import NONE, FitError, Fitted, LearnedParameters, Model
from vpharness.signals.models.scaling import scaled, scaler_of


def fit(features: NDArray[np.float64], _labels: NDArray[np.float64], p: "Pca") -> Fitted:
    """Return the components; the training loss is the mean square of what they leave over."""
    cells = features[:, :-1]
    if cells.shape[1] <= p.components:
        raise FitError(f"{cells.shape[1]} features have no {p.components} components")
    scaler = scaler_of(cells)
    z = scaled(scaler, cells)
    values, vectors = np.linalg.eigh(np.einsum("ni,nj->ij", z, z, optimize=False) / len(z))
    variances, components = values[::-1][: p.components], vectors[:, ::-1][:, : p.components].T.copy()
    if variances[-1] <= 0:
        raise FitError(f"the features vary along fewer than {p.components} directions")
    half = cells.shape[1] // 2
    if components[0, :half].sum() < components[0, -half:].sum():
        components[0] = -components[0]
    left_over = z - z @ components.T @ components
    return Fitted({**scaler, "components": components, "variances": variances}, float(np.mean(left_over**2)))


def score(weights: Mapping[str, Array], features: Array) -> Array:
    """Return pc1, error, mahalanobis and beside, [T, 4]."""
    z = scaled(weights, features[:, :-1])
    components = weights["components"]
    s = (z[:, None, :] * components[None, :, :]).sum(axis=2)
    left_over = z - (s[:, :, None] * components[None, :, :]).sum(axis=1)
    error = jnp.sqrt(jnp.mean(jnp.square(left_over), axis=1))
    mahalanobis = jnp.sqrt((jnp.square(s) / weights["variances"][None, :]).sum(axis=1))
    return jnp.stack([s[:, 0], error, mahalanobis, features[:, -1]], axis=1)


PCA: Final = Model("pca", fit, score, labels=(NONE,), outputs=("pc1", "error", "mahalanobis", "beside"))


@dataclass(frozen=True)
class Pca(LearnedParameters):
    """Parameters of signals of principal components."""

    MODEL: ClassVar[Model] = PCA

    label: str = parameter(NONE, meaning="none: the components need no label", choices=(NONE,))
    components: int = parameter(10, meaning="components that are kept", minimum=1, maximum=1_000)

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        if self.components >= self.min_train_bins:
            yield f"components is {self.components}; min_train_bins must be larger, and is {self.min_train_bins}"
