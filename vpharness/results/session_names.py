"""How datasets are shown: by the names of their sessions, such as 2024-03-11, where a collection gives them one.

The names are found by `campaigns.collection_members.sessions_of_datasets`, and with the instrument in front by
`labels_of_datasets`; ids stand where there is no name.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_DATASET: Final = re.compile(r"[\w.-]+")


def with_session(dataset_id: str, sessions: Mapping[str, str]) -> str:
    """Return the name of a dataset's session with the dataset's id behind it; the id alone where it has no session."""
    session = sessions.get(dataset_id, dataset_id)
    return dataset_id if session == dataset_id else f"{session} ({dataset_id})"


def session_names(dataset_ids: Iterable[str], sessions: Mapping[str, str]) -> list[str]:
    """Return the names of datasets' sessions, or the ids of all where two of them would be called the same."""
    ids = list(dataset_ids)
    names = [sessions.get(each, each) for each in ids]
    return names if len(set(names)) == len(set(ids)) else ids


def segment_text(name: str, sessions: Mapping[str, str]) -> str:
    """Return the name of a segment, which is made of datasets' ids, with their sessions' names in place of these."""
    return _DATASET.sub(lambda found: sessions.get(found[0], found[0]), name)
