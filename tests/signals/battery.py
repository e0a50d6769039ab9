"""Every signal of the package, grids for them, and ways of cutting time: what the battery of tests runs over."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jax import Array
from numpy.typing import NDArray

from vpharness.signals import Clock, Grid, LearnedSignal, Scorer, Signal, resolve

_FILES: Final = sorted((Path(__file__).parents[2] / "conf" / "signal").glob("*.yaml"))

TRACES: Final[Counter[tuple[str, int]]] = Counter()
"""How often the body of a signal, by its name, was traced for a number of bins."""


def _counted(signal: Signal[Any]) -> Signal[Any]:
    def body(time: Clock, grid: Grid, p: Any) -> Array:
        found: Array = signal.body(time, grid, p)
        TRACES[signal.name, len(found)] += 1
        return found

    return dataclasses.replace(signal, body=body)


_SHIPPED: Final = {file.stem: resolve(f"vpharness.signals.{file.stem}.{file.stem}") for file in _FILES}
SIGNALS: Final[dict[str, Signal[Any]]] = {
    name: _counted(each) for name, each in _SHIPPED.items() if not isinstance(each, LearnedSignal)
}
"""Those that are not fitted, by the names of their files in conf/signal. All tests share what has been compiled."""
LEARNED: Final[dict[str, LearnedSignal[Any]]] = {
    name: each for name, each in _SHIPPED.items() if isinstance(each, LearnedSignal)
}
"""The learned ones."""
CAPACITY: Final = 512
"""One capacity for all tests, so that they share what has been compiled."""

Columns = Mapping[str, NDArray[Any]]


def made_up_columns(names: Sequence[str], bins: int, radius: int, seed: int) -> dict[str, NDArray[Any]]:
    """Make columns [bins, 2 radius + 1] of the kinds that a grid has, with calm stretches in which nothing moves."""
    rng = np.random.default_rng(seed)
    calm = np.repeat(rng.random(bins // 8 + 1) < 0.3, 8)[:bins]
    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        shape = (bins, 2 * radius + 1)
        if name == "perm_state5_code":
            column: NDArray[Any] = rng.integers(-2, 3, shape).astype(np.int8)
        elif name == "spectrum_state_code":
            column = rng.integers(-1, 2, shape).astype(np.int8)
        elif name.startswith("v_") or name.endswith("_variant"):
            column = rng.exponential(20.0, shape) * (rng.random(shape) < 0.7)
        else:
            column = rng.normal(0.0, 20.0, shape)
        for t in np.flatnonzero(calm):
            column[t] = column[t - 1] if t else 0
        columns[name] = column
    return columns


def rows(columns: Columns, start: int, stop: int) -> dict[str, NDArray[Any]]:
    """Return bins start..stop - 1 of the columns."""
    return {name: column[start:stop] for name, column in columns.items()}


def score_in_chunks(scorer: Scorer, columns: Columns, sizes: Sequence[int]) -> NDArray[np.float64]:
    """Score chunks of the given sizes one after another."""
    state, start, found = scorer.start(), 0, []
    for size in sizes:
        state, scores = scorer.step(state, rows(columns, start, start + size))
        found.append(np.asarray(scores))
        start += size
    return np.concatenate(found)


def random_sizes(rng: np.random.Generator, bins: int, choices: Sequence[int]) -> list[int]:
    """Cut a number of bins into chunks whose sizes are drawn from `choices`, of which one is 1.

    Few different sizes mean few compiled forms: the cuts still fall anywhere.
    """
    sizes: list[int] = []
    while (left := bins - sum(sizes)) > 0:
        sizes.append(int(rng.choice([size for size in choices if size <= left])))
    return sizes
