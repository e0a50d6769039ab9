"""What the sources of recorded messages share: their parameters, and the way from lines to events."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import input_files, many_files
from vpharness.events.event_source import EventStream, require_valid
from vpharness.events.json_lines import (
    SUFFIXES,
    UNREADABLE,
    MessageError,
    RecordedLine,
    line_error,
    recorded_lines,
)
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.order_feed import OrderFeed
from vpharness.events.size_units import size_digits, size_unit_problems
from vpharness.parameters import parameter

NO_SNAPSHOT: Final = (
    "holds no snapshot of the book for {symbol}{what}; record one with the messages, or let the book start empty with "
    "source.require_snapshot=false (orders placed before the recording stay unknown then)"
)


class MessageReader(Protocol):
    """Makes events of an exchange's messages, one after another; its `feed` holds them."""

    feed: OrderFeed

    def take(self, line: RecordedLine) -> None:
        """Read one message. Raises MessageError, or msgspec's DecodeError, where it is not as documented."""
        ...

    def finish(self) -> None:
        """Hand out what still waits for later messages."""
        ...


@dataclass(frozen=True)
class RecordedSource:
    """Messages of one exchange's feed by order, one a line, as they were received.

    Each of several files has a snapshot of its own, as a recorder writes one into every file, and begins a new book.
    """

    default_evict_crossed_ms: ClassVar[int] = 0
    kind: ClassVar[str]
    version: ClassVar[int]
    snapshot_message: ClassVar[str]
    """What a snapshot is called at this exchange, for an error."""

    path: Paths = parameter(meaning=f"file of JSON messages, one a line, plain, gzip, xz or zstd, {PATHS_MEANING}")
    tick_size: float = parameter(meaning="smallest price step", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="the product, where a file has several, as the exchange writes it")
    size_unit: float = parameter(
        1e-8,
        meaning="one unit of size: a power of ten that every size is a multiple of",
        unit="coins",
        above=0,
        maximum=1,
    )
    require_snapshot: bool = parameter(
        True, meaning="take the book for unknown until a snapshot; false: it starts empty, and after a gap again"
    )

    def relations(self) -> Iterator[str]:
        """Yield an error for a unit of size that is no power of ten."""
        yield from size_unit_problems(self.size_unit)

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        return {
            "kind": self.kind,
            "version": self.version,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "size_unit": self.size_unit,
            "require_snapshot": self.require_snapshot,
            "sha256": many_files.files_digest(self.files(), self._opened),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or several as one; without `symbol` each is read up to the first that names a product."""
        require_valid(self)
        paths = self.files()
        if self.symbol is None and len(paths) > 1:
            self._require_one_product(paths)
        with many_files.opened_in_order(paths, self._opened, is_new_book=True) as stream:
            yield stream

    def files(self) -> list[str]:
        """Return the files that `path` names."""
        return many_files.files_of(self.path, SUFFIXES)

    @contextmanager
    def _opened(self, path: str) -> Iterator[EventStream]:
        symbol = self.symbol or self._first_symbol(path)
        with input_files.opened(path) as file:
            stream = EventStream(symbol, self.size_unit, iter(()), bytes_total=file.bytes_total)
            stream.instruments += self.names_of(symbol)
            feed = OrderFeed(stream.counts, starts_empty=not self.require_snapshot)
            reader = self.reader(feed, symbol, size_digits(self.size_unit) or 0)
            stream.chunks = self._chunks(file, reader, stream)
            yield stream

    @abstractmethod
    def reader(self, feed: OrderFeed, symbol: str, digits: int) -> MessageReader:
        """Return a reader of one product's messages, sizes in units of 10**-digits."""

    @abstractmethod
    def symbol_of(self, line: RecordedLine) -> str | None:
        """Return the product that a message is about; None where it names none."""

    def names_of(self, symbol: str) -> list[str]:
        """Return all names that the exchange has for a product."""
        return [symbol]

    def _require_one_product(self, paths: list[str]) -> None:
        first = self._first_symbol(paths[0])
        for path in paths[1:]:
            if (symbol := self._first_symbol(path)) != first:
                raise SourceError(
                    f"{path}: begins with {symbol}, and {paths[0]} with {first}; name the files of one product, or "
                    "choose it with source.symbol where all have it"
                )

    def _first_symbol(self, path: str) -> str:
        with input_files.opened(path) as file:
            for line in recorded_lines(file):
                try:
                    symbol = self.symbol_of(line)
                except UNREADABLE as error:
                    raise line_error(file, line.number, error) from error
                if symbol is not None:
                    return symbol
            raise SourceError(f"{file.path}: no message names a product; expected messages of {self.kind}")

    def _chunks(
        self, file: input_files.InputFile, reader: MessageReader, stream: EventStream
    ) -> Iterator[NDArray[np.void]]:
        feed = reader.feed
        for line in recorded_lines(file):
            try:
                reader.take(line)
                if self.symbol is None and feed.counts["skipped_other_product"]:
                    raise MessageError(
                        f"is about {self.symbol_of(line) or 'another product'}, and the file began with "
                        f"{stream.instrument}; choose one with source.symbol"
                    )
            except UNREADABLE as error:
                raise line_error(file, line.number, error) from error
            stream.bytes_read = file.bytes_read
            yield from feed.chunks()
        reader.finish()
        yield from feed.chunks(at_end=True)
        if not feed.latest_ns:
            raise SourceError(f"{file.path}: holds no message about {stream.instrument}")
        if self.require_snapshot and not feed.snapshots:
            what = f" ({self.snapshot_message})"
            raise SourceError(f"{file.path}: {NO_SNAPSHOT.format(symbol=stream.instrument, what=what)}")
        stream.notes += notes(feed, requires_snapshot=self.require_snapshot)


def notes(feed: OrderFeed, *, requires_snapshot: bool) -> list[str]:
    """Return sentences on what is odd about a feed that has been read."""
    found = list(feed.notes)
    gaps = {name: count for name, count in feed.counts.items() if name.startswith("gap_") and count}
    if gaps:
        said = ", ".join(f"{count} {name.removeprefix('gap_').replace('_', ' ')}" for name, count in gaps.items())
        again = "the next snapshot" if requires_snapshot else "both sides have orders again"
        found.append(f"messages are missing ({said}): the book is not valid from each gap until {again}")
    if not requires_snapshot:
        found.append("the book started empty: orders placed before the recording are unknown")
    return found


def require_text(value: str | None, name: str) -> str:
    """Return a field that a message must have."""
    if value is None:
        raise MessageError(f"has no {name}; expected the message as the exchange sent it")
    return value
