"""A collection that grows as files appear: a folder or glob is looked at again and again.

A file is taken once its size and time of change were the same at two looks, `poll_s` apart, and once it can be read to
its end. One that cannot, such as a download that pauses, is tried again when it has changed.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vpharness.datasets.collection_build import CollectionBuilt, CollectionRequest, KnownFiles, Report, build_files
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, SourceError
from vpharness.events.file_parts import FileSource, files_in

Looks = tuple[int, int]
"""The size of a file in bytes, and when it was changed, ns since the epoch."""


@dataclass
class Watched:
    """What a watcher knows of its files.

    Attributes:
        looks: of each file at the last look.
        taken: of each file when it was built, or failed.
        known: what has been found out about them.
    """

    looks: dict[str, Looks] = field(default_factory=dict)
    taken: dict[str, Looks] = field(default_factory=dict)
    known: KnownFiles = field(default_factory=KnownFiles)


def watch_collection(
    lake: Lake,
    request: CollectionRequest,
    poll_s: float,
    report: Report,
    *,
    watched: Watched | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[CollectionBuilt]:
    """Yield what was done each time that files have appeared or changed and were built, without an end.

    Args:
        lake: where the collection lies.
        request: what is to be built, of a source that reads files.
        poll_s: seconds between two looks at the files.
        report: called as a build goes on.
        watched: what is known of the files, which changes as time goes on.
        wait: waits for some seconds.

    Raises ConfigError for a source that reads no files, and what `build_collection` raises.
    """
    require_files(request)
    state = watched if watched is not None else Watched()
    while True:
        settled = look(request, state)
        if any(state.taken.get(path) != state.looks[path] for path in settled):
            yield _take(lake, request, state, settled, report)
        wait(poll_s)


def require_files(request: CollectionRequest) -> None:
    """Raise ConfigError for a source that reads no files."""
    if not isinstance(request.source, FileSource):
        raise ConfigError("watch is for a source of files, such as source=dbn; this one reads none")


def look(request: CollectionRequest, state: Watched) -> list[str]:
    """Look at the files, and return those that are as they were at the look before."""
    try:
        files = files_in(request.source) or []
    except SourceError:
        files = []  # none has come yet
    now = {path: found for path in files if (found := _looks(path)) is not None}
    settled = [path for path in files if path in now and state.looks.get(path) == now[path]]
    state.looks = now
    return settled


def _looks(path: str) -> Looks | None:
    try:
        found = Path(path).expanduser().stat()
    except OSError:
        return None  # removed since it was listed
    return found.st_size, found.st_mtime_ns


def _take(
    lake: Lake, request: CollectionRequest, state: Watched, settled: list[str], report: Report
) -> CollectionBuilt:
    """Build what files have made possible; of files that are sessions those alone that are new."""
    new = [path for path in settled if state.taken.get(path) != state.looks[path]]
    for path in new:
        state.known.spans.pop(path, None)
        state.taken[path] = state.looks[path]
    # Those that could not be read are tried again once they have changed.
    files = new if request.session.by_file else [path for path in settled if path in new or path in state.known.spans]
    return build_files(lake, request, files, report, known=state.known)
