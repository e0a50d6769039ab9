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
_Net = dict[str, Array]


def fit(features: NDArray[np.float64], labels: NDArray[np.float64], p: "Mlp") -> Fitted:
    """Return the weights of a network; the training loss is the mean log loss, or the mean squared error."""
    scaler = scaler_of(features)
    z = scaled(scaler, features)
    if p.label == TOUCH:
        kinds, places = classes_of(labels)
        net, loss = _trained(z, places, len(kinds), p)
        return Fitted({**scaler, **net, CLASSES: kinds}, loss)
    centre, deviation = float(labels.mean()), float(labels.std()) or 1.0
    net, loss = _trained(z, (labels - centre) / deviation, 1, p)
    scale = {"label_mean": np.array([centre]), "label_std": np.array([deviation])}
    return Fitted({**scaler, **net, **scale}, loss * deviation**2)


def _trained(z: NDArray[np.float64], wanted: NDArray[Any], outputs: int, p: "Mlp") -> tuple[dict[str, Any], float]:
    import optax  # noqa: PLC0415  # of the extra `learn`

    rng = np.random.default_rng(p.seed)
    sizes = [z.shape[1], *p.hidden, outputs]
    net: _Net = {}
    for layer, (before, after) in enumerate(itertools.pairwise(sizes), 1):
        net[f"w{layer}"] = jnp.asarray(rng.normal(scale=(2.0 / before) ** 0.5, size=(before, after)))
        net[f"b{layer}"] = jnp.zeros(after)
    epoch, state = _epoch(p.learning_rate, p.weight_decay), optax.adamw(p.learning_rate).init(net)
    rows, targets, size = jnp.asarray(z), jnp.asarray(wanted), min(p.batch_bins, len(z))
    for _ in range(p.epochs):
        order = rng.permutation(len(z))[: len(z) // size * size].reshape(-1, size)
        net, state = epoch(net, state, rows, targets, jnp.asarray(order))
    return {name: np.asarray(array) for name, array in net.items()}, float(_loss(net, rows, targets))


@functools.lru_cache(maxsize=8)
def _epoch(learning_rate: float, weight_decay: float) -> Callable[..., tuple[_Net, Any]]:
    """Return a compiled pass over the rows [N, F] in batches of the given order [batches, size]."""
    import optax  # noqa: PLC0415  # of the extra `learn`

    optimiser = optax.adamw(learning_rate, weight_decay=weight_decay)

    @jax.jit
    def epoch(net: _Net, state: Any, rows: Array, targets: Array, order: Array) -> tuple[_Net, Any]:
        def step(carry: tuple[_Net, Any], chosen: Array) -> tuple[tuple[_Net, Any], None]:
            now, before = carry
            slopes = jax.grad(_loss)(now, rows[chosen], targets[chosen])
            change, after = optimiser.update(slopes, before, now)
            return (optax.apply_updates(now, change), after), None

        carry, _ = jax.lax.scan(step, (net, state), order)
        return carry

    return epoch


def _raw(net: Mapping[str, Array], z: Array) -> Array:
    for layer in range(1, _LAYERS):
        z = jax.nn.gelu(z @ net[f"w{layer}"] + net[f"b{layer}"][None, :])
    return z @ net[f"w{_LAYERS}"] + net[f"b{_LAYERS}"][None, :]


def _loss(net: _Net, rows: Array, targets: Array) -> Array:
    raw = _raw(net, rows)
    if raw.shape[1] == 1:
        return jnp.mean(jnp.square(raw[:, 0] - targets))
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(raw, axis=1), targets[:, None], axis=1))


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
