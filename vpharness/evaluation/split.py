"""Training and test parts of a dataset: which fires belong to a part, and how far their walks may look."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import DatasetError
from vpharness.evaluation.dataset_view import DatasetView
from vpharness.evaluation.evaluation_parameters import ResolvedEvaluation, SplitParameters

TRAIN: Final = "train"
TEST: Final = "test"
WHOLE: Final = "all"


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

    def part(part_name: str, start: int, stop: int, limit: int) -> Part:
        first_fire = min(max(start, evaluation.warmup_bins), stop)
        return Part(part_name, start, stop, min(limit, n_bins), first_fire)

    if split.by_dataset:
        parts: tuple[Part, ...] = (part(TEST if name in split.test_datasets else TRAIN, 0, n_bins, n_bins),)
    elif split.kind == "none":
        parts = (part(WHOLE, 0, n_bins, n_bins),)
    else:
        train_stop = math.floor(split.train_share * n_bins + 0.5)
        test_start = min(train_stop + evaluation.embargo_bins, n_bins)
        parts = (part(TRAIN, 0, train_stop, test_start), part(TEST, test_start, n_bins, n_bins))
    for each in parts:
        _require_room(name, n_bins, each, evaluation)
    return parts


def _require_room(name: str, n_bins: int, part: Part, evaluation: ResolvedEvaluation) -> None:
    room = part.limit - part.first_fire if part.n_firing_bins else 0
    if room > evaluation.net_reach_bins:
        return
    raise DatasetError(
        f"dataset {name} has {n_bins} bins: after a warm-up of {evaluation.warmup_bins} "
        f"the {part.name} part leaves {room} bins for a whole walk, which takes {evaluation.net_reach_bins + 1}; "
        "use a longer dataset, a shorter warmup or max_hold, or split=none"
    )
