"""Weights that lie in the store and are read when they are used, so that a run of a thousand fits fits into memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.learning.weights_store import read_weights

KEPT_BYTES: Final = 2**27
"""Of weights that were read last, in a process: one fit of a nearest-neighbour model has megabytes."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class StoredWeights(Mapping[str, NDArray[Any]]):
    """The weights of one fit, by name, read from the store on use and kept while there is room.

    Attributes:
        models: the folder of weights.
        digest: their name there.
    """

    models: Path
    digest: str

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def _arrays(self) -> Arrays:
        return RECENT.get(self.models, self.digest)


class RecentWeights:
    """Weights that were used last, up to `KEPT_BYTES` of them and one fit at least."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Path, str], Arrays] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """How much is kept."""
        return self._used

    def get(self, models: Path, digest: str) -> Arrays:
        """Return the weights of a digest. Raises DatasetError where they cannot be read, or are damaged."""
        with self._lock:
            if (found := self._kept.get((models, digest))) is not None:
                self._kept.move_to_end((models, digest))
                return found
        return self.put(models, digest, read_weights(models, digest)[0])

    def put(self, models: Path, digest: str, weights: Arrays) -> Arrays:
        """Keep weights that have just been read or fitted, and return them."""
        with self._lock:
            if (models, digest) not in self._kept:
                self._kept[models, digest] = weights
                self._used += _bytes(weights)
            while self._used > self.most_bytes and len(self._kept) > 1:
                self._used -= _bytes(self._kept.popitem(last=False)[1])
        return weights


def _bytes(weights: Arrays) -> int:
    return sum(np.asarray(each).nbytes for each in weights.values())


RECENT: Final = RecentWeights()
"""Those of this process."""
