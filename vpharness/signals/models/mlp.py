"""A neural network with two hidden layers: P(up) - P(down) of the label `touch`, or the predicted move.

h1 = gelu(W1 z + b1), h2 = gelu(W2 h1 + b2), raw = W3 h2 + b3, with z the features in units of their deviation over the
training bins. It minimises the log loss of softmax(raw), or the squared error in deviations of the label, by AdamW
(optax) over shuffled batches; what is drawn follows from the seed.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.parameters import parameter
from vpharness.signals.core.learned import TOUCH, Fitted, LearnedParameters, Model
from vpharness.signals.models.classes import CLASSES, classes_of, expected_sign
from vpharness.signals.models.scaling import scaled, scaler_of

_LAYERS: Final = 3
_LOSS_ROWS: Final = 8_192
"""Rows whose loss is computed at once."""
_Net = dict[str, Array]
_Scaler = Mapping[str, NDArray[Any]]


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Mlp") -> Fitted:
    """Return the weights of a network; the training loss is the mean log loss, or the mean squared error."""
    scaler = scaler_of(features)
    if p.label == TOUCH:
        kinds, places = classes_of(labels)
        net, loss = _trained(features, scaler, places, len(kinds), p)
        return Fitted({**scaler, **net, CLASSES: kinds}, loss)
    centre, deviation = float(labels.mean()), float(labels.std()) or 1.0
    net, loss = _trained(features, scaler, (labels - centre) / deviation, 1, p)
    scale = {"label_mean": np.array([centre]), "label_std": np.array([deviation])}
    return Fitted({**scaler, **net, **scale}, loss * deviation**2)


def _trained(
    features: NDArray[np.float64], scaler: _Scaler, wanted: NDArray[Any], outputs: int, p: "Mlp"
) -> tuple[dict[str, Any], float]:
    """Return a network of so many outputs, and its mean loss on the rows that it was trained on.

    Rows are scaled when they are shown: an hour of a wide signal takes 150 MB, and is not held a second time.
    """
    import optax  # noqa: PLC0415  # of the extra `learn`

    rng = np.random.default_rng(p.seed)
    sizes = [features.shape[1], *p.hidden, outputs]
    net: _Net = {}
    for layer, (before, after) in enumerate(itertools.pairwise(sizes), 1):
        net[f"w{layer}"] = jnp.asarray(rng.normal(scale=(2.0 / before) ** 0.5, size=(before, after)))
        net[f"b{layer}"] = jnp.zeros(after)
    step, state = _step(p.learning_rate, p.weight_decay), optax.adamw(p.learning_rate).init(net)
    size = min(p.batch_bins, len(features))
    for _ in range(p.epochs):
        order = rng.permutation(len(features))[: len(features) // size * size].reshape(-1, size)
        for chosen in order:
            net, state = step(net, state, scaled(scaler, features[chosen]), wanted[chosen])
    return {name: np.asarray(array) for name, array in net.items()}, _mean_loss(net, features, scaler, wanted)


@functools.lru_cache(maxsize=8)
def _step(learning_rate: float, weight_decay: float) -> Callable[..., tuple[_Net, Any]]:
    """Return a compiled step on a batch; fits on any number of rows share it, since batches are of one size."""
    import optax  # noqa: PLC0415  # of the extra `learn`

    optimiser = optax.adamw(learning_rate, weight_decay=weight_decay)

    @jax.jit
    def step(net: _Net, state: Any, rows: Array, targets: Array) -> tuple[_Net, Any]:
        slopes = jax.grad(_loss)(net, rows, targets)
        change, after = optimiser.update(slopes, state, net)
        return optax.apply_updates(net, change), after

    return step


def _mean_loss(net: _Net, features: NDArray[np.float64], scaler: _Scaler, wanted: NDArray[Any]) -> float:
    """Return the mean loss over all rows, computed by blocks; the last is padded, so that few compiled forms serve."""
    losses = []
    for start in range(0, len(features), _LOSS_ROWS):
        rows, targets = features[start : start + _LOSS_ROWS], wanted[start : start + _LOSS_ROWS]
        more = (1 << (len(rows) - 1).bit_length()) - len(rows)
        shown = np.pad(scaled(scaler, rows), ((0, more), (0, 0)))
        losses.append(
            np.asarray(_losses(net, jnp.asarray(shown), jnp.asarray(np.pad(targets, (0, more)))))[: len(rows)]
        )
    return float(jnp.mean(jnp.asarray(np.concatenate(losses))))


def _raw(net: Mapping[str, Array], z: Array) -> Array:
    for layer in range(1, _LAYERS):
        z = jax.nn.gelu(z @ net[f"w{layer}"] + net[f"b{layer}"][None, :])
    return z @ net[f"w{_LAYERS}"] + net[f"b{_LAYERS}"][None, :]


def _losses(net: _Net, rows: Array, targets: Array) -> Array:
    """Return the log loss of each row, or its squared error, [N]."""
    raw = _raw(net, rows)
    if raw.shape[1] == 1:
        return jnp.square(raw[:, 0] - targets)
    return -jnp.take_along_axis(jax.nn.log_softmax(raw, axis=1), targets[:, None], axis=1)[:, 0]


_compiled_losses: Final = jax.jit(_losses)


def _loss(net: _Net, rows: Array, targets: Array) -> Array:
    return jnp.mean(_losses(net, rows, targets))


def score(weights: Mapping[str, Array], features: Array) -> Array:
    """Return P(up) - P(down), or the predicted move in ticks: [T]."""
    raw = _raw(weights, scaled(weights, features))
    if CLASSES in weights:
        return expected_sign(weights[CLASSES], jax.nn.softmax(raw, axis=1))
    return weights["label_mean"][0] + weights["label_std"][0] * raw[:, 0]


MLP: Final = Model("mlp", fit, score, ("optax",))


@dataclass(frozen=True)
class Mlp(LearnedParameters):
    """Parameters of signals with a neural network."""

    MODEL: ClassVar[Model] = MLP

    hidden: list[int] = parameter([64, 32], meaning="units of the two hidden layers", minimum=1, maximum=4_096)
    epochs: int = parameter(10, meaning="passes over the training bins", minimum=1, maximum=10_000)
    batch_bins: int = parameter(256, meaning="bins of a batch", unit="bins", minimum=1, maximum=2**20)
    learning_rate: float = parameter(1e-3, meaning="step of AdamW", above=0, maximum=1)
    weight_decay: float = parameter(1e-3, meaning="decay of the weights, per step and learning rate", minimum=0)

    def relations(self) -> Iterator[str]:
        """Yield what does not fit together."""
        yield from super().relations()
        if len(self.hidden) != _LAYERS - 1:
            yield f"hidden has {len(self.hidden)} items; there are two hidden layers"
