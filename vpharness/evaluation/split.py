"""Training and test parts of a dataset: which fires belong to a part, and how far their walks may look."""

import bisect
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import DatasetError
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation, SplitParameters

TRAIN: Final = "train"
TEST: Final = "test"
WHOLE: Final = "all"
_LONG_NAMES: Final = {TRAIN: "training part", TEST: "test part"}
_LEAST_SHARE: Final = 0.1
"""A warm-up or a hold of less than this share of what it is, is not advised: it would make another experiment."""


@dataclass(frozen=True)
class Part:
    """Bins start <= t < stop whose fires are judged together; walks must end before the bin `limit`.

    `first_fire` is the first bin that may fire: the start, or the end of the warm-up where that is later.
    """

    name: str
    start: int
    stop: int
    limit: int
    first_fire: int

    @property
    def n_firing_bins(self) -> int:
        """Bins from the warm-up on, in which a fire can lie."""
        return max(self.stop - self.first_fire, 0)

    def contains(self, bins: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each bin of `bins`: [n] whether it lies in the part."""
        return (bins >= self.start) & (bins < self.stop)


def parts_of(dataset: DatasetView, evaluation: ResolvedEvaluation, split: SplitParameters) -> tuple[Part, ...]:
    """Cut a dataset into its parts, as `parts_within` does."""
    return parts_within(dataset.name, dataset.n_bins, evaluation, split)


def parts_within(name: str, n_bins: int, evaluation: ResolvedEvaluation, split: SplitParameters) -> tuple[Part, ...]:
    """Cut the `n_bins` bins of the dataset `name` into its training and test part, one of them, or the whole of it.

    By time the training part is the first `train_share` of the bins (whole bins, half up), then come
    `embargo_bins` that belong to no part, and the rest is the test part.

    Raises:
        DatasetError: the dataset has not room for the warm-up and one whole walk in each part.
    """
    parts = _cut(name, n_bins, evaluation, split)
    for each in parts:
        if not _has_room(each, evaluation):
            raise DatasetError(_too_short(name, n_bins, each, evaluation, split))
    return parts


def _cut(name: str, n_bins: int, evaluation: ResolvedEvaluation, split: SplitParameters) -> tuple[Part, ...]:
    """Cut a dataset into its parts, however short they are."""

    def part(part_name: str, start: int, stop: int, limit: int) -> Part:
        first_fire = min(max(start, evaluation.warmup_bins), stop)
        return Part(part_name, start, stop, min(limit, n_bins), first_fire)

    if split.by_dataset:
        return (part(TEST if name in split.test_datasets else TRAIN, 0, n_bins, n_bins),)
    if split.kind == "none":
        return (part(WHOLE, 0, n_bins, n_bins),)
    train_stop = math.floor(split.train_share * n_bins + 0.5)
    test_start = min(train_stop + evaluation.embargo_bins, n_bins)
    return part(TRAIN, 0, train_stop, test_start), part(TEST, test_start, n_bins, n_bins)


def _has_room(part: Part, evaluation: ResolvedEvaluation) -> bool:
    return bool(part.n_firing_bins) and part.limit - part.first_fire > evaluation.net_reach_bins


def _too_short(name: str, n_bins: int, part: Part, evaluation: ResolvedEvaluation, split: SplitParameters) -> str:
    """Return what a dataset lacks for a run, and what would help."""

    def fits(other: ResolvedEvaluation, split: SplitParameters = split) -> bool:
        return all(_has_room(each, other) for each in _cut(name, n_bins, other, split))

    def largest(key: str, stop: int) -> int:
        """Return the largest value below `stop` that fits, where all smaller ones do; -1 where none does."""
        changed = partial(replace, evaluation)
        return bisect.bisect_left(range(stop), 1, key=lambda value: int(not fits(changed(**{key: value})))) - 1

    walk = f"{evaluation.net_reach_bins + 1:,} (eval.max_hold_bins and delays)"
    warm = f"{evaluation.warmup_bins:,} (eval.warmup_bins) + " if part.start < evaluation.warmup_bins else ""
    where = f" in the {_LONG_NAMES[part.name]}, which has {part.stop - part.start:,}" if part.name != WHOLE else ""
    ways = ["use a longer dataset"]
    for key in ("warmup_bins", "max_hold_bins"):
        value = getattr(evaluation, key)
        most = largest(key, value)
        if most >= max(1, value * _LEAST_SHARE):
            ways.append(f"eval.{key}={most} or less")
    if split.kind != "none" and fits(evaluation, SplitParameters(kind="none")):
        ways.append("split=none")
    return f"dataset {name} has {n_bins:,} bins; a run needs {warm}{walk}{where}: {', or '.join(ways)}"
