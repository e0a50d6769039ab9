"""The datasets of a collection: which they are, how many of them train, and when each was added."""

import math

from vpharness.datasets.collection import collection_ids, find_collection
from vpharness.datasets.lake import Lake


def train_count(datasets: int, train_share: float) -> int:
    """Return how many datasets of a collection train: the share of them, half up, at least one."""
    return max(1, math.floor(train_share * datasets + 0.5))


def collection_datasets(lake: Lake, name: str | None) -> frozenset[str] | None:
    """Return the ids of the datasets of a collection; None where none is named."""
    return None if name is None else frozenset(find_collection(lake, name).dataset_ids)


def members_added_ns(lake: Lake, name: str | None) -> dict[str, int]:
    """Return when each dataset of a collection was added to it, ns since the Unix epoch, UTC.

    Without a name it is when it was first added to any collection of the lake.
    """
    found: dict[str, int] = {}
    for each in collection_ids(lake) if name is None else [name]:
        collection = find_collection(lake, each)
        for dataset_id, added_ns in zip(collection.dataset_ids, collection.added_ns, strict=True):
            found[dataset_id] = min(added_ns, found.get(dataset_id, added_ns))
    return found
