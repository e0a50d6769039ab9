"""A signal of a user's own that knows nothing: noise into which it hashes what it sees of each bin."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.lax import bitcast_convert_type
from jax.scipy.special import ndtri

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, fixed_thresholds, signal


@dataclass(frozen=True)
class HashedNoise(SignalParameters):
    """Parameters of hashed_noise."""

    thresholds: list[float] = fixed_thresholds(1.0, 1.5, 2.0, 2.5, 3.0)  # noqa: RUF009 - the list is copied for each instance
    seed: int = parameter(0, meaning="which noise", minimum=0)
    weight: float = parameter(0.05, meaning="weight of a bin's own noise in the score", above=0, maximum=1)


@signal(columns=("v_add", "v_pull"))
def hashed_noise(time: Clock, grid: Grid, p: HashedNoise) -> Array:
    """Normal noise that depends on every bit of a bin's cells and on the seed, smoothed, of variance 1."""
    cells = jnp.concatenate([grid.v_add, grid.v_pull], axis=1)
    places = _mixed(jnp.arange(cells.shape[1], dtype=jnp.uint64) + _mixed(jnp.asarray(p.seed).astype(jnp.uint64)))
    # Integers wrap around, so their sum does not depend on its order.
    of_bin = _mixed(jnp.sum(_mixed(bitcast_convert_type(cells, jnp.uint64) ^ places), axis=1))
    uniform = ((of_bin >> 12).astype(jnp.float64) + 0.5) / 2.0**52
    return time.ema(ndtri(uniform), p.weight) * jnp.sqrt(2.0 / p.weight - 1.0)


def _mixed(bits: Array) -> Array:
    """Return what SplitMix64 makes of a state (Steele, Lea and Flood, 2014): each bit depends on all."""
    bits = bits + jnp.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> 30)) * jnp.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> 27)) * jnp.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> 31)
