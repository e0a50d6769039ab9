"""The bins of a run in pieces: in random chunks, in chunks that end in garbage, and one by one from the state alone.

What is scored may give a number a bin, [T], or several, [T, M]: the features of a learned signal beside its score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.audit.probes import Columns, poisoned
from vpharness.signals import ScorerState

BURST_BINS: Final = 20
"""Bins of a burst."""

CHUNK_LENGTHS: Final = (7, 45, 250)
"""Random chunks are of these lengths: the signal is compiled anew for each."""


class Steps(Protocol):
    """What goes through bins chunk by chunk, as a scorer does."""

    def start(self) -> ScorerState:
        """Return the state before the first bin."""

    def step(self, state: ScorerState, columns: Mapping[str, ArrayLike], /) -> tuple[ScorerState, Any]:
        """Return the state after the next T bins, and what they gave, [T] or [T, M]."""


@dataclass(frozen=True)
class Pieces:
    """The bins of a run as they were scored in pieces.

    Attributes:
        name: in which pieces.
        found: [n] or [n, M], what they gave.
        bins: [n] their numbers.
    """

    name: str
    found: NDArray[Any]
    bins: NDArray[np.int64]


def between(columns: Columns, start: int, stop: int) -> Columns:
    """Return the bins from a first to before a last one."""
    return {name: cells[start:stop] for name, cells in columns.items()}


def scored_in_pieces(
    ready: Steps, columns: Columns, bins: int, rng: np.random.Generator, single_bins: int
) -> tuple[Pieces, Pieces, Pieces]:
    """Score the run in random chunks, each with and without garbage in the place of its end, and one by one.

    Args:
        ready: what scores.
        columns: its columns [T, K] and series [T].
        bins: T, at least 1.
        rng: what chunks and garbage are drawn from.
        single_bins: the most bins that are scored one by one: all of a shorter run, or bursts.
    """
    chunks: list[NDArray[Any]] = []
    before_garbage: list[tuple[int, NDArray[Any]]] = []
    states: dict[int, ScorerState] = {}
    state, start = ready.start(), 0
    while start < bins:
        fitting = [length for length in CHUNK_LENGTHS if start + length <= bins]
        stop = start + int(rng.choice(fitting or [1]))
        cells, states[start] = between(columns, start, stop), state
        if stop - start > 1:
            cut = int(rng.integers(1, stop - start))
            found = np.asarray(ready.step(state, poisoned(cells, cut, rng))[1])
            before_garbage.append((start, found[:cut]))
        state, scores = ready.step(state, cells)
        chunks.append(np.asarray(scores))
        start = stop
    seen = np.concatenate([np.arange(start, start + len(scores)) for start, scores in before_garbage])
    garbled = np.concatenate([scores for _, scores in before_garbage])
    return (
        Pieces(f"in {len(chunks)} random chunks", np.concatenate(chunks), np.arange(bins)),
        Pieces(f"in {len(before_garbage)} chunks that end in garbage", garbled, seen),
        _one_by_one(ready, columns, bins, states, rng, single_bins),
    )


def _one_by_one(
    ready: Steps,
    columns: Columns,
    bins: int,
    states: Mapping[int, ScorerState],
    rng: np.random.Generator,
    single_bins: int,
) -> Pieces:
    """Score all bins one by one, or bursts of them from some of the states, by the first bin behind each."""
    starts, burst = [0], bins
    if bins > single_bins:
        burst, most = BURST_BINS, min(single_bins // BURST_BINS, len(states))
        starts = sorted(rng.choice(list(states), most, replace=False).tolist())
    found: list[Any] = []
    places: list[int] = []
    for start in starts:
        state = states[start]
        for index in range(start, min(start + burst, bins)):
            state, scores = ready.step(state, between(columns, index, index + 1))
            found.append(scores)
            places.append(index)
    return Pieces(f"{len(places)} bins one by one", np.concatenate(found), np.array(places))
