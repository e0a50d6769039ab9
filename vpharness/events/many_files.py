"""Many files as one source: which files `source.path` names, and their events one file after another in time.

A batch download comes as one file a day, so the path of a source may be one file, a list, a glob or a folder. Files
are ordered by the time of their first event outside of a snapshot, which holds the time of an order that may be days
old; what they are called, and how a folder lists them, changes nothing.
"""

import glob
import shlex
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError
from vpharness.events import input_files
from vpharness.events.event_source import EventStream
from vpharness.events.mbo_event import (
    CLEAR,
    EVENT_DTYPE,
    FLAG_FEED_GAP,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    HALT,
    NO_SIDE,
    NONE,
    RESUME,
)
from vpharness.events.times import SECOND_NS, time_text

if TYPE_CHECKING:
    Paths: TypeAlias = str | Sequence[str]
else:
    Paths = Any  # OmegaConf, which the parameters of a source pass through, knows no union with a list

PATHS_MEANING: Final = "or a list of files, a glob or a folder, read in the order of time"
LONGEST_SILENCE_NS: Final = 3600 * SECOND_NS
"""A time without a file is a note where it is longer."""

OpenOne: TypeAlias = Callable[[str], AbstractContextManager[EventStream]]
"""Opens the file at a path as a stream of its own."""

_MOST_SENTENCES: Final = 5
_DOUBTED: Final = ": the book is not valid from there until a snapshot or a clear restates it"
_ORDER_ID: Final = (EVENT_DTYPE.names or ()).index("order_id")
_MOST_ENDINGS: Final = 4
_LONGEST_FILE_NS: Final = 366 * 86_400 * SECOND_NS
"""Files of two instruments whose beginnings lie further apart are not two parts of one feed."""


def files_of(value: Paths, suffixes: Sequence[str], key: str = "source.path") -> list[str]:
    """Return the files that a value of `source.path`, or of another parameter `key`, names, each once.

    A folder stands for its files that end in one of `suffixes`, a glob for the files that match it. Raises ConfigError
    for a value that is neither a path nor a list of them, and SourceError where there is no such file.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values or not all(isinstance(item, str) and item for item in values):
        raise ConfigError(f"{key} is {value!r}; expected a file, a list of files, a glob or a folder")
    found = [path for item in values for path in _files_of_one(item, suffixes, key)]
    seen = Counter(Path(path).resolve() for path in found)
    twice = [str(path) for path, times in seen.items() if times > 1]
    if twice:
        raise SourceError(f"{twice[0]}: is named twice by {key}; name each file once")
    return found


def _files_of_one(item: str, suffixes: Sequence[str], key: str) -> list[str]:
    """Return the files of one path, which a file of that very name precedes a glob."""
    try:
        path = Path(item).expanduser()
        if path.is_dir():
            there = [each for each in sorted(path.iterdir()) if not each.name.startswith(".") and each.is_file()]
            inside = [each for each in there if each.name.endswith(tuple(suffixes))]
            if not inside:
                raise SourceError(_nothing_inside(path, item, suffixes))
            return [str(each) for each in inside]
        if glob.has_magic(item) and not path.exists():
            matching = [each for each in sorted(glob.glob(str(path), recursive=True)) if Path(each).is_file()]  # noqa: PTH207  # a pattern may be absolute
            if not matching:
                raise SourceError(f"{item!r}: no file matches it; {key} must name a file, a glob or a folder")
            return matching
    except (OSError, ValueError) as error:
        raise SourceError(f"{item!r}: is no usable path: {error}") from error
    input_files.checked_path(item, key)
    return [item]


def _nothing_inside(folder: Path, item: str, suffixes: Sequence[str]) -> str:
    rest = len(suffixes) - _MOST_ENDINGS
    listed = [*suffixes[:_MOST_ENDINGS], *([f"{rest} other endings"] if rest > 0 else [])]
    sentence = f"{item!r}: the folder holds no file that ends in {' or '.join(listed)}"
    archives = {f".{name}": command for name, command in input_files.ARCHIVES.values()}
    for each in sorted(folder.iterdir()):
        if each.suffix in archives:
            return f"{sentence}; unpack its archives first ({archives[each.suffix]} {shlex.quote(each.name)})"
    return sentence


def files_digest(paths: Sequence[str], open_one: OpenOne) -> str | list[str]:
    """Return the SHA-256 of one file, or those of several in the order of time."""
    if len(paths) == 1:
        return input_files.sha256(paths[0])
    return [input_files.sha256(path) for path in paths_in_order(paths, open_one)]


def paths_in_order(paths: Sequence[str], open_one: OpenOne) -> list[str]:
    """Return paths in the order of time of their first events."""
    return list(paths) if len(paths) == 1 else [file.path for file in _in_order(paths, open_one)]


@contextmanager
def opened_in_order(
    paths: Sequence[str],
    open_one: OpenOne,
    *,
    is_new_book: bool = False,
    restates: bool = False,
    begin_one: OpenOne | None = None,
) -> Iterator[EventStream]:
    """Open files as one stream, in the order of time, one of them at a time; a single file is its own stream.

    Notes tell of files that overlap, of long times without a file, and of instruments that change. The book is
    emptied where the instrument changes, and with `is_new_book` (no order of a file outlives it) at every file; with
    `restates` (files begin with a snapshot or a clear, or go on at once) it is in doubt after a long time without a
    file. All of that holds from a second after the end of the file before, so that no book outlives its day.
    Files are put in order by their beginnings, read with `begin_one` where `open_one` goes on from the file before.
    """
    if len(paths) == 1:
        with open_one(paths[0]) as single:
            yield single
        return
    files = _in_order(paths, begin_one or open_one)
    first = files[0]
    stream = EventStream(
        first.instrument,
        first.size_unit,
        iter(()),
        by_level=first.by_level,
        bytes_total=sum(Path(file.path).expanduser().stat().st_size for file in files),
    )
    with closing(_chunks(files, open_one, stream, is_new_book, restates)) as chunks:
        stream.chunks = chunks
        yield stream


@dataclass(frozen=True)
class _File:
    """A file as its beginning shows it: `first_event` is the first one outside of a snapshot, `start_ns` its time."""

    path: str
    start_ns: int
    instrument: str
    size_unit: float
    by_level: bool
    first_event: tuple[int, ...] | None

    @property
    def name(self) -> str:
        return Path(self.path).name


def _in_order(paths: Sequence[str], open_one: OpenOne) -> list[_File]:
    files = [_peeked_of_many(path, open_one) for path in paths]
    tied = Counter(file.start_ns for file in files)
    digests = {file.path: input_files.sha256(file.path) for file in files if tied[file.start_ns] > 1}
    files.sort(key=lambda file: (file.start_ns, digests.get(file.path, "")))
    for before, after in pairwise(files):
        if before.path in digests and digests[before.path] == digests.get(after.path):
            raise SourceError(f"{after.path}: is the same file as {before.path}; name it once")
        if after.instrument != before.instrument and after.start_ns - before.start_ns > _LONGEST_FILE_NS:
            raise SourceError(
                f"{before.name} is of {before.instrument} and begins at {time_text(before.start_ns)}, {after.name} of "
                f"{after.instrument} and at {time_text(after.start_ns)}: make a dataset of each"
            )
        if after.size_unit != before.size_unit:
            raise SourceError(
                f"{after.path}: counts sizes in units of {after.size_unit:g}, and {before.path} of "
                f"{before.size_unit:g}; make a dataset of each"
            )
    _refuse_same_beginnings(files)
    return files


def _refuse_same_beginnings(files: Sequence[_File]) -> None:
    """Raise SourceError where two files begin with the same event.

    A folder may hold one day in several formats, or plain and compressed: read one after another, each order would
    stand in the book twice. Of an event without an order, such as an R at midnight, the instrument must be the same
    too; an order is one of its instrument alone, whatever each format calls that.
    """
    seen: dict[tuple[object, ...], _File] = {}
    for file in files:
        if file.first_event is None:
            continue
        is_of_order = file.first_event[_ORDER_ID] and not file.by_level
        other = seen.setdefault((None if is_of_order else file.instrument, *file.first_event), file)
        if other is not file:
            raise SourceError(
                f"{file.path}: begins with the same event as {other.path}, at {time_text(file.start_ns)}: the same "
                "data in two formats, or a part of them; name one of the two"
            )


def _peeked_of_many(path: str, open_one: OpenOne) -> _File:
    try:
        return _peeked(path, open_one)
    except SourceError as error:
        raise SourceError(
            f"{error}; if it does not belong to the others, name those with a glob, such as "
            f"{shlex.quote(f'{Path(path).parent}/NAME*')}"
        ) from error


def _peeked(path: str, open_one: OpenOne) -> _File:
    with open_one(path) as stream:
        start_ns, latest_ns, first_event = None, 0, None
        for chunk in stream.chunks:
            own = chunk[(chunk["flags"] & FLAG_SNAPSHOT) == 0]
            if len(own):
                start_ns, first_event = int(own["ts_ns"][0]), own[0].item()
                break
            latest_ns = max(latest_ns, int(chunk["ts_ns"].max(initial=0)))
        return _File(
            path,
            latest_ns if start_ns is None else start_ns,
            stream.instrument,
            stream.size_unit,
            stream.by_level,
            first_event,
        )


@dataclass
class _Joins:
    """What was found where one file follows another, and the state that decides what to do there."""

    latest_ns: int | None = None
    is_halted: bool = False
    publishers: set[int] = field(default_factory=set)
    overlaps: list[str] = field(default_factory=list)
    gaps: list[tuple[int, str]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def take_in(self, chunk: NDArray[np.void]) -> None:
        """Note what a chunk leaves behind."""
        own = chunk["ts_ns"][(chunk["flags"] & FLAG_SNAPSHOT) == 0]
        if len(own):
            latest_ns = int(own.max())
            self.latest_ns = latest_ns if self.latest_ns is None else max(self.latest_ns, latest_ns)
        self.publishers.update(np.unique(chunk["publisher"]).tolist())
        trading = np.flatnonzero((chunk["action"] == HALT) | (chunk["action"] == RESUME))
        if len(trading):
            self.is_halted = bool(chunk["action"][trading[-1]] == HALT)

    def meet(self, before: _File, after: _File, *, leaves_doubt: bool) -> None:
        """Compare the end of a file with the beginning of the next."""
        if after.instrument != before.instrument:
            self.changes.append(
                f"the instrument changes from {before.instrument} to {after.instrument} at "
                f"{time_text(after.start_ns)} ({after.name}): the book is emptied there"
            )
        if self.latest_ns is None:
            return
        ends, begins = time_text(self.latest_ns), time_text(after.start_ns)
        if after.start_ns < self.latest_ns:
            self.overlaps.append(
                f"{after.name} begins at {begins}, before {before.name} ends at {ends}: the files overlap; events "
                f"earlier than {ends} were moved to that time (clamped_ts)"
            )
        elif self.is_long_until(after):
            hours = (after.start_ns - self.latest_ns) / LONGEST_SILENCE_NS
            sentence = f"no file holds the {hours:.1f} hours from {ends} to {begins}"
            self.gaps.append((after.start_ns - self.latest_ns, sentence + _DOUBTED * leaves_doubt))

    def is_long_until(self, after: _File) -> bool:
        """Whether no file holds a long time before another one begins."""
        return self.latest_ns is not None and after.start_ns - self.latest_ns > LONGEST_SILENCE_NS

    def doubted(self) -> NDArray[np.void]:
        """Return the events that leave the book in doubt from a second after the latest time, until it is restated."""
        events = np.zeros(len(self.publishers), EVENT_DTYPE)
        events["ts_ns"] = (self.latest_ns or 0) + SECOND_NS
        events["side"], events["flags"] = NO_SIDE, FLAG_FEED_GAP | FLAG_LAST
        events["action"], events["publisher"] = NONE, sorted(self.publishers)
        return events

    def emptied(self, first_ns: int, start_ns: int) -> NDArray[np.void]:
        """Return the events that empty the book without a trace, and let trading begin anew.

        They have the time of the next file's first event, or of its first one outside of a snapshot where that one is
        older than what has been read; but no book outlives the last event of its file by more than a second.
        """
        time_ns = first_ns if self.latest_ns is None or first_ns >= self.latest_ns else start_ns
        time_ns = time_ns if self.latest_ns is None else min(time_ns, self.latest_ns + SECOND_NS)
        events = np.zeros(self.is_halted + len(self.publishers), EVENT_DTYPE)
        events["ts_ns"], events["side"], events["flags"] = time_ns, NO_SIDE, FLAG_SNAPSHOT | FLAG_LAST
        events["action"] = CLEAR
        events["action"][: self.is_halted] = RESUME
        events["publisher"][self.is_halted :] = sorted(self.publishers)
        self.is_halted = False
        return events

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each thing found, or one for all where there are many."""
        yield from _few(self.changes, "changes of the instrument")
        yield from _few(self.overlaps, "files that begin before the one before them ends")
        longest = [sentence for _, sentence in sorted(self.gaps, reverse=True)]
        in_time = [sentence for _, sentence in self.gaps]
        yield from _few(in_time if len(in_time) <= _MOST_SENTENCES else longest, "times without a file, the longest")


def _few(sentences: list[str], what: str) -> Iterable[str]:
    if len(sentences) <= _MOST_SENTENCES:
        return sentences
    return [f"{len(sentences)} {what}: {sentences[0]}"]


def _chunks(
    files: list[_File], open_one: OpenOne, stream: EventStream, is_new_book: bool, restates: bool
) -> Generator[NDArray[np.void]]:
    """Yield the events of files one after another; the facts of `stream` grow with those of the file being read."""
    joins = _Joins()
    counts: Counter[str] = Counter()
    notes: list[str] = []
    instruments: list[str] = []
    bytes_read = 0
    for place, file in enumerate(files):
        before = files[place - 1] if place else None
        with open_one(file.path) as own:
            must_empty = before is not None and (is_new_book or file.instrument != before.instrument)
            must_doubt = before is not None and restates and not must_empty and joins.is_long_until(file)
            if before is not None:
                joins.meet(before, file, leaves_doubt=must_doubt)
            for chunk in own.chunks:
                if must_empty and len(chunk):
                    yield joins.emptied(int(chunk["ts_ns"][0]), file.start_ns)
                    must_empty = False
                elif must_doubt and len(chunk):
                    yield joins.doubted()
                    must_doubt = False
                joins.take_in(chunk)
                _renew(
                    stream, _sum(counts, own.counts), [*joins.notes(), *notes, *own.notes], bytes_read + own.bytes_read
                )
                stream.by_level |= own.by_level
                stream.instruments[:] = dict.fromkeys((*instruments, *(own.instruments or [own.instrument])))
                yield chunk
            bytes_read += own.bytes_total or 0
            counts, notes, instruments = _sum(counts, own.counts), [*notes, *own.notes], list(stream.instruments)
            _renew(stream, counts, [*joins.notes(), *notes], bytes_read)


def _sum(first: Counter[str], second: Counter[str]) -> Counter[str]:
    """Return the sums of counts, those that are 0 too."""
    return Counter({name: first[name] + second[name] for name in (*first, *second)})


def _renew(stream: EventStream, counts: Counter[str], notes: list[str], bytes_read: int) -> None:
    stream.counts.update({name: count - stream.counts[name] for name, count in counts.items()})
    stream.notes[:] = dict.fromkeys(notes)
    stream.bytes_read = bytes_read
