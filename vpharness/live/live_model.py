"""The model that a session scores with, and the scored bins that it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.live.model_memory import NOTHING_REMEMBERED, ModelMemory, Shown
from vpharness.signals import BinScorer


@dataclass(frozen=True)
class LiveModel:
    """A model that is served: a signal with its parameters, thresholds, warm-up, cooldown and memory."""

    scorer: BinScorer
    thresholds: tuple[float, ...]
    warmup_bins: int
    cooldown_bins: int
    memory: ModelMemory = NOTHING_REMEMBERED

    @property
    def bins_to_ready(self) -> int | None:
        """How many bins it must be shown before it is ready, from the beginning of a feed; None where it never is."""
        return self.bins_to_go(0, Shown())

    def bins_to_go(self, bins_taken: int, shown: Shown) -> int | None:
        """Return how many bins are missing after some until it is ready: for its warm-up, and for its memory."""
        remembered = shown.bins_to_go(self.memory, self.scorer.cell_width_ms)
        return None if remembered is None else max(0, self.warmup_bins - bins_taken, remembered)

    def facts(self) -> dict[str, Any]:
        """Return all that scores and fires depend on, as JSON values: equal facts are the same model."""
        scorer = self.scorer
        weights = {} if scorer.weights_digest is None else {"weights": scorer.weights_digest}
        return {
            "signal": scorer.name,
            "signal_digest": scorer.code_digest,
            "parameters": scorer.parameter_values,
            "cell_width_ms": float(scorer.cell_width_ms),
            "radius": scorer.radius,
            "capacity": scorer.capacity,
            "thresholds": [float(threshold) for threshold in self.thresholds],
            "warmup_bins": self.warmup_bins,
            "cooldown_bins": self.cooldown_bins,
            **weights,
        }


@dataclass(frozen=True)
class ScoredBin:
    """A finished bin with its score and fires.

    Attributes:
        row: BIN_DTYPE [1], the bin.
        grid: column name -> [K], the columns that the signal reads, or all of them where the bin came from events.
        score: the score; NaN where the book is not valid.
        fires: for each threshold +1, -1, or 0 where it does not fire.
        is_ready: whether the session had been shown enough bins before this one, for the model's warm-up and memory.
    """

    row: NDArray[np.void]
    grid: Mapping[str, NDArray[Any]]
    score: float
    fires: tuple[int, ...]
    is_ready: bool = False


def scores_of(bins: Sequence[ScoredBin]) -> NDArray[np.float64]:
    """Return the scores [T] of consecutive bins."""
    return np.array([each.score for each in bins], dtype=np.float64)
