"""The times at which files hold events, found by reading each to its end once, and remembered by its content.

Which session a file belongs to cannot be told from its name or its first event: a day's file may end early, and a
week's pauses between days. So a file is read to its end, without the lattice. What was found is kept in the lake's
cache under the hash of all that the file's events depend on; where it is deleted or damaged, the file is read again.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from vpharness.compiled import Array
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import content_id
from vpharness.errors import SourceError
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import FLAG_SNAPSHOT
from vpharness.events.times import LATEST_NS, SECOND_NS
from vpharness.storage.checksums import text_sha256
from vpharness.storage.durable import replace_file

SILENCE_NS: Final = 600 * SECOND_NS
"""Events further apart belong to two stretches."""


class _UnusableTimesError(Exception):
    """The events of a file cannot be put into sessions."""


_FORMAT: Final = 1
_MOST_STRETCHES: Final = 100_000


@dataclass(frozen=True)
class FileSpan:
    """When a file holds events.

    Attributes:
        path: the file; None for a source that is no file.
        stretches: [first, last] instants of events without a longer silence between them than SILENCE_NS, in the order
            of time, ns since the epoch; snapshots, whose orders may be old, are left out.
    """

    path: str | None
    stretches: tuple[tuple[int, int], ...]

    @property
    def start_ns(self) -> int:
        """The time of the first event."""
        return self.stretches[0][0]

    @property
    def end_ns(self) -> int:
        """The time of the last event."""
        return self.stretches[-1][1]

    def within(self, open_ns: int, close_ns: int) -> tuple[int, int] | None:
        """Return the first and last instant of [open_ns, close_ns) at which there is activity; None without any."""
        found = [
            (max(first, open_ns), min(last, close_ns))
            for first, last in self.stretches
            if first < close_ns and last >= open_ns
        ]
        return (found[0][0], found[-1][1]) if found else None


def span_of_file(lake: Lake, source: Source, path: str | None) -> FileSpan:
    """Return when a source of one file holds events, having read it to its end unless its content is known.

    Raises SourceError where it cannot be read to its end, or holds no event.
    """
    kept = lake.cache.folder / "file_spans" / f"{content_id({'source': source.identity()})}.json"
    known = _kept(kept)
    if known is not None:
        return FileSpan(path, known)
    with source.open() as stream:
        try:
            stretches = _stretches(stream.chunks)
        except _UnusableTimesError as error:
            raise SourceError(f"{path or 'the source'}: {error}") from error
    if not stretches:
        raise SourceError(f"{path or 'the source'}: holds no events outside of snapshots")
    values = {"format": _FORMAT, "stretches": [list(each) for each in stretches]}
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, json.dumps({**values, "sha256": _digest(values)}) + "\n", durable=False)
    return FileSpan(path, stretches)


def _stretches(chunks: Iterator[Array]) -> tuple[tuple[int, int], ...]:
    found: list[list[int]] = []
    for chunk in chunks:
        times = chunk["ts_ns"][(chunk["flags"] & FLAG_SNAPSHOT) == 0]
        if not len(times):
            continue
        if times.min() < 0 or times.max() > LATEST_NS:
            raise _UnusableTimesError("the times of its events are not those of 1970 to 2200")
        latest = found[-1][1] if found else int(times[0])
        times = np.maximum.accumulate(np.maximum(times, latest))  # time never runs backwards
        cuts = np.flatnonzero(np.diff(times, prepend=latest) > SILENCE_NS)
        if not found:
            found.append([latest, latest])
        for cut in cuts.tolist():
            found[-1][1] = int(times[cut - 1]) if cut else latest
            found.append([int(times[cut])] * 2)
        found[-1][1] = int(times[-1])
        if len(found) > _MOST_STRETCHES:
            raise _UnusableTimesError(
                f"the events lie in more than {_MOST_STRETCHES:,} stretches {SILENCE_NS // SECOND_NS} s and more "
                "apart, as no session has them"
            )
    return tuple((first, last) for first, last in found)


def _kept(path: Path) -> tuple[tuple[int, int], ...] | None:
    """Return the stretches that were kept in a file; None where there is none, or it is not as it was written."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        digest = values.pop("sha256")
        if values["format"] != _FORMAT or digest != _digest(values):
            return None
        return tuple((int(first), int(last)) for first, last in values["stretches"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _digest(values: dict[str, Any]) -> str:
    return text_sha256(json.dumps(values))
