"""The datasets of a collection: which they are, their sessions' names, how many train, and when each was added."""

import contextlib
import math
from collections.abc import Callable, Sequence

from vpharness.datasets.collection import Member, collection_ids, find_collection
from vpharness.datasets.lake import Lake
from vpharness.errors import DatasetError


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


def sessions_of_datasets(lake: Lake | None) -> dict[str, str]:
    """Return the name of the session of each dataset that a collection of a lake holds, by the dataset's id.

    Where two collections name one dataset differently, both names stand, with a slash between. A collection that cannot
    be read names nothing: names are only shown, and whoever uses the collection is told what is wrong with it.
    """
    return sessions_and_labels(lake)[0]


def labels_of_datasets(lake: Lake | None) -> dict[str, str]:
    """Return the instrument and the session of each dataset that a collection of a lake holds, by the dataset's id.

    Such as "ESH4 2024-03-11", for places that show a dataset alone, where a session does not say of what it is.
    """
    return sessions_and_labels(lake)[1]


def sessions_and_labels(lake: Lake | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return both, read once: what `sessions_of_datasets` returns, and what `labels_of_datasets` does."""
    members = list[Member]()
    if lake is None:
        return {}, {}
    for collection_id in collection_ids(lake):
        with contextlib.suppress(DatasetError):
            members += find_collection(lake, collection_id).members
    return _names(members, lambda member: member.session), _names(members, _label)


def _label(member: Member) -> str:
    is_alone = not member.instrument or member.instrument in member.session
    return member.session if is_alone else f"{member.instrument} {member.session}"


def _names(members: Sequence[Member], name: Callable[[Member], str]) -> dict[str, str]:
    names: dict[str, dict[str, None]] = {}
    for member in members:
        names.setdefault(member.dataset_id, {})[name(member)] = None
    return {dataset_id: "/".join(own) for dataset_id, own in names.items()}
