"""Fires: the bins at which a score crosses a threshold, found once over a whole dataset or as the bins come."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.errors import ConfigError
from vpharness.evaluation.dataset_view import padded_bins
from vpharness.evaluation.split import TRAIN, Part


@dataclass(frozen=True)
class Fires:
    """Fires in the order of time.

    Attributes:
        bins: [n] int64, bin of each fire, counted from the start of the dataset.
        directions: [n] int8, +1 (up) or -1 (down).
    """

    bins: NDArray[np.int64]
    directions: NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.bins.shape[0])

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the content: equal for equal fires, whatever run they come from."""
        return hashlib.sha256(self.signed().astype("<i8").tobytes()).hexdigest()

    def signed(self) -> NDArray[np.int64]:
        """Return [n] the compact form that a ledger keeps: direction * (bin + 1)."""
        return self.directions * (self.bins + 1)

    @classmethod
    def from_signed(cls, signed: ArrayLike) -> "Fires":
        """Return the fires whose compact form is `signed`: [n] integers, none of them 0."""
        values = np.asarray(signed, dtype=np.int64)
        return cls(np.abs(values) - 1, np.sign(values).astype(np.int8))

    def within(self, part: Part) -> "Fires":
        """Return the fires whose bin lies in the part."""
        inside = part.contains(self.bins)
        return Fires(self.bins[inside], self.directions[inside])


@dataclass(frozen=True)
class FireState:
    """The state carried from one bin to the next, for n thresholds at once.

    Attributes:
        next_bin: number of the next bin, counted from the start of the dataset.
        state: [n] int8, state of the last bin: +1, -1 or 0.
        wait: [n] int64, bins for which the cooldown still forbids a fire; no more than 0 where it forbids none.
    """

    next_bin: int
    state: NDArray[np.int8]
    wait: NDArray[np.int64]


def start_fires(thresholds: Sequence[float]) -> FireState:
    """Return the state before the first bin of a dataset.

    Raises:
        ConfigError: a threshold is not a finite number above 0.
    """
    wrong = [threshold for threshold in thresholds if not 0 < threshold < float("inf")]
    if wrong or not thresholds:
        raise ConfigError(f"thresholds are {list(thresholds)}; at least one is needed, and each must be above 0")
    n = len(thresholds)
    return FireState(0, np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int64))


def advance_fires(
    state: FireState, scores: ArrayLike, thresholds: Sequence[float], *, warmup_bins: int, cooldown_bins: int
) -> tuple[FireState, tuple[Fires, ...]]:
    """Find the fires of the next bins, for each threshold.

    A bin's state is +1 where score >= threshold, -1 where score <= -threshold, and 0 else, for a NaN, and during the
    warm-up. A bin fires where its state is not 0, differs from the state of the bin before, and the last fire is at
    least `cooldown_bins` away. The answer does not depend on how the scores are cut.

    Args:
        state: what `start_fires` or the last call returned.
        scores: [T] the score of each bin from `state.next_bin` on.
        thresholds: [n] the same thresholds in every call.
        warmup_bins: first bin of the dataset that can fire.
        cooldown_bins: minimum distance between two fires.
    """
    from vpharness.evaluation import compiled_loops  # noqa: PLC0415  # JAX, which takes a second to load

    series = np.asarray(scores, dtype=np.float64)
    n_bins = series.shape[0]
    if n_bins == 0:
        return state, tuple(Fires.from_signed([]) for _ in thresholds)
    padding = padded_bins(n_bins) if n_bins > 1 else n_bins
    padded = np.full(padding, np.nan)
    padded[:n_bins] = series
    directions, (last, wait) = compiled_loops.find(
        padded,
        np.asarray(thresholds, dtype=np.float64),
        np.int64(warmup_bins - state.next_bin),
        np.int64(cooldown_bins),
        np.int64(n_bins),
        (state.state, state.wait),
    )
    found = np.asarray(directions)
    bins, columns = np.divmod(np.flatnonzero(found != 0), len(thresholds))
    of_threshold = [bins[columns == column] for column in range(len(thresholds))]
    fires = [Fires(own + state.next_bin, found[own, column]) for column, own in enumerate(of_threshold)]
    following = FireState(state.next_bin + n_bins, np.asarray(last), np.asarray(wait))
    return following, tuple(fires)


def find_fires(
    score: ArrayLike, thresholds: Sequence[float], *, warmup_bins: int, cooldown_bins: int
) -> tuple[Fires, ...]:
    """Find the fires of a whole dataset's `score`: [T], for each threshold; see `advance_fires`."""
    start = start_fires(thresholds)
    return advance_fires(start, score, thresholds, warmup_bins=warmup_bins, cooldown_bins=cooldown_bins)[1]


def quantile_thresholds(
    scores: Sequence[NDArray[np.float64]], parts: Sequence[Part], quantiles: Sequence[float]
) -> tuple[float, ...]:
    """Return the quantiles of |score| over the training bins, one for each of `quantiles`.

    Args:
        scores: [T] a score for each dataset; NaN is left out.
        parts: a training part for each dataset.
        quantiles: shares between 0 and 1.

    Raises:
        ConfigError: a part is not for training, or a quantile is 0 or missing and would make every bin fire.
    """
    if any(part.name != TRAIN for part in parts):
        raise ConfigError(
            "quantile thresholds are chosen on the training part, and there is none; split the data or give thresholds"
        )
    pairs = zip(scores, parts, strict=True)
    magnitudes = np.abs(np.concatenate([score[part.start : part.stop] for score, part in pairs]))
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    chosen = tuple(np.quantile(magnitudes, list(quantiles)).tolist()) if len(magnitudes) else ()
    useless = [f"{100 * share:g} %" for share, value in zip(quantiles, chosen, strict=False) if value <= 0]
    if useless or not chosen:
        found = f"are 0 at {', '.join(useless)}" if useless else "do not exist: every score is missing"
        raise ConfigError(
            f"the quantiles of |score| over the training part {found}; give other quantiles or thresholds"
        )
    return chosen
