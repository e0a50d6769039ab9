"""The live session: events in, scored bins out, one bin at a time.

It is what online simulation replays and what the server serves: the same lattice, the same signal and the same rule for
fires as a run over a whole dataset, driven bin by bin. So what is simulated is what is served.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.fires import FireState, advance_fires, start_fires
from vpharness.events.schema import EVENT_DTYPE
from vpharness.lattice import states as lattice_states
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.engine import FinishedBins, advance
from vpharness.lattice.layout import LatticeState
from vpharness.signals import Scorer, ScorerState, restore_state, save_state

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)

LIVE_BLOCK_BINS: Final = 16
"""Bins that the lattice hands out at once: a feed closes one or two, and room for more has to be cleared each time."""


@dataclass(frozen=True)
class LiveModel:
    """What is served: a signal with its parameters, its thresholds, and when they may fire, in bins."""

    scorer: Scorer
    thresholds: tuple[float, ...]
    warmup_bins: int
    cooldown_bins: int


@dataclass(frozen=True)
class ScoredBin:
    """A finished bin with what the model says of it.

    Attributes:
        row: BIN_DTYPE [1], the bin.
        grid: column name -> [K], the columns that the signal reads, or all of them where the bin came from events.
        score: the score; NaN where the book is not valid.
        fires: for each threshold +1, -1, or 0 where it does not fire.
    """

    row: NDArray[np.void]
    grid: Mapping[str, NDArray[Any]]
    score: float
    fires: tuple[int, ...]


class LiveSession:
    """A feed and a model, as far as they have come.

    The one thing here that has state of its own: a feed is a sequence of calls, each of which goes on where the last
    one stopped. `save` gives the state as plain arrays, and `restore` a session that goes on from it bit for bit.
    """

    def __init__(self, model: LiveModel, lattice: LatticeState) -> None:
        """Begin before the first event, with the lattice's state then (`vpharness.lattice.layout.new_state`)."""
        self._model = model
        self._lattice = lattice
        self._scorer_state: ScorerState = model.scorer.start()
        self._fire_state: FireState = start_fires(model.thresholds)

    def take(self, events: NDArray[np.void], complete_to_ns: int | None = None) -> list[ScoredBin]:
        """Take in events, in the order of the feed, and return the bins that they finish; see `engine.advance`."""
        self._lattice, blocks = advance(self._lattice, events, complete_to_ns, LIVE_BLOCK_BINS)
        return [scored for block in blocks for scored in self._score_block(block)]

    def advance_to(self, complete_to_ns: int) -> list[ScoredBin]:
        """Close the bins that end by a time up to which the feed is known to be complete, events or not."""
        return self.take(_NO_EVENTS, complete_to_ns)

    def take_bin(self, row: NDArray[np.void], grid: Mapping[str, NDArray[Any]]) -> ScoredBin:
        """Take in a finished bin [1] from elsewhere, such as a dataset, with the signal's columns, each [K]."""
        model, score = self._model, float("nan")
        if row["book_valid"][0]:
            shown = {name: grid[name][None, :] for name in model.scorer.signal.columns}
            self._scorer_state, scores = model.scorer.step(self._scorer_state, shown)
            score = float(scores[0])
        self._fire_state, fires = advance_fires(
            self._fire_state,
            [score],
            model.thresholds,
            warmup_bins=model.warmup_bins,
            cooldown_bins=model.cooldown_bins,
        )
        return ScoredBin(row, grid, score, tuple(int(each.directions[0]) if len(each) else 0 for each in fires))

    def save(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays by name, as `numpy.savez` takes them."""
        fires = {"next_bin": np.array(self._fire_state.next_bin), "state": self._fire_state.state}
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "lattice": {name: np.copy(array) for name, array in lattice_states.save_state(self._lattice).items()},
            "scorer": save_state(self._scorer_state),
            "fires": {**fires, "wait": self._fire_state.wait},
        }
        return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    @classmethod
    def restore(cls, model: LiveModel, saved: Mapping[str, NDArray[Any]]) -> "LiveSession":
        """Return a session that goes on where `save` was called.

        Raises ConfigError where the arrays are not those of this model or of this lattice.
        """
        fires = _part(saved, "fires")
        if set(fires) != {"next_bin", "state", "wait"} or len(fires["state"]) != len(model.thresholds):
            raise ConfigError(f"the saved state is not one of a session with {len(model.thresholds)} thresholds")
        lattice = {name: np.copy(array) for name, array in _part(saved, "lattice").items()}
        session = cls(model, lattice_states.restore_state(lattice))
        session._scorer_state = restore_state(model.scorer, _part(saved, "scorer"))
        session._fire_state = FireState(int(fires["next_bin"]), fires["state"], fires["wait"])
        return session

    def _score_block(self, block: FinishedBins) -> Iterator[ScoredBin]:
        for index in range(len(block.bins)):
            grid = {name: block.column(name)[index] for name in GRID_COLUMNS}
            yield self.take_bin(block.bins[index : index + 1], grid)


def scores_of(bins: Sequence[ScoredBin]) -> NDArray[np.float64]:
    """Return the scores [T] of consecutive bins."""
    return np.array([each.score for each in bins], dtype=np.float64)


def _part(saved: Mapping[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): saved[name] for name in saved if name.startswith(prefix)}
