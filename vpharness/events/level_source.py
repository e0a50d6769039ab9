"""What the sources by price level share: sizes, trades beside the book, and the way from messages to events."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import input_files
from vpharness.events.event_source import CHUNK_EVENTS, EventStream
from vpharness.events.json_lines import UNREADABLE, RecordedLine, recorded_lines
from vpharness.events.level_json import LevelCollector
from vpharness.events.price_levels import LevelBook, LevelMessages
from vpharness.events.size_units import size_digits, size_unit_problems
from vpharness.events.trade_files import SortedTrades, with_trades
from vpharness.parameters import parameter

FINEST_SIZE: Final = 12

WITHOUT_TRADES: Final = (
    "no trades were given (source.trades_path): every decline of a level counts as a pull, and none as a fill"
)


def size_unit_parameter() -> Any:
    """Make the parameter `size_unit` of a source by price level."""
    return parameter(
        1e-8, meaning="one unit of size: a power of ten, finer than every size", unit="coins", above=0, maximum=1
    )


def unit_problems(size_unit: float) -> Iterable[str]:
    """Yield an error for a unit of size that is no power of ten."""
    yield from size_unit_problems(size_unit, FINEST_SIZE)


class LevelMessageReader(Protocol):
    """Reads the messages of an exchange, one after another, into a collector, and file after file.

    `collector` and `stream` are those of the file being read; `symbol` is the product, once a message has named it.
    """

    collector: LevelCollector
    stream: EventStream
    symbol: str | None

    def take(self, line: RecordedLine) -> None:
        """Read one message. Raises MessageError, or msgspec's DecodeError, where it is not as documented."""
        ...

    def finish(self) -> None:
        """Add the notes that can only be made at the end of the file."""
        ...


@dataclass
class LevelBooks:
    """The book that goes on from file to file, with the trades beside all of them.

    Attributes:
        files_left: how many files are still to be opened; whether there is any event is known after the last one.
        trades: those of files of their own; None where no such file is given.
        found: whether there has been an event.
    """

    files_left: int = 1
    trades: SortedTrades | None = None
    book: LevelBook = field(default_factory=lambda: LevelBook(Counter()))
    found: bool = False


@contextmanager
def opened_messages(
    path: str,
    size_unit: float,
    reader: LevelMessageReader,
    books: LevelBooks,
    refused: Callable[[input_files.InputFile, RecordedLine, Exception], SourceError],
    nothing: str,
) -> Iterator[EventStream]:
    """Open a file of messages and read up to the first ones; `nothing` is the error where no file has any event."""
    with input_files.opened(path) as file:
        stream = EventStream("", size_unit, iter(()), by_level=True, bytes_total=file.bytes_total)
        reader.collector, reader.stream = LevelCollector(file.path, size_digits(size_unit) or 0), stream
        batches = _json_batches(file, reader, stream, refused)
        first = next(batches)  # names the instrument
        stream.instrument = reader.symbol or ""
        stream.instruments += [reader.symbol] if reader.symbol else []
        error = f"{file.path}: " + nothing.format(symbol=stream.instrument or "a product")
        stream.chunks = level_chunks(chain([first], batches), books, stream, error)
        yield stream


def _json_batches(
    file: input_files.InputFile,
    reader: LevelMessageReader,
    stream: EventStream,
    refused: Callable[[input_files.InputFile, RecordedLine, Exception], SourceError],
) -> Iterator[LevelMessages]:
    """Yield the messages of a file, at least one batch of them, if an empty one; `refused` makes a line's error."""
    for line in recorded_lines(file):
        stream.bytes_read = file.bytes_read
        try:
            reader.take(line)
        except UNREADABLE as error:
            raise refused(file, line, error) from error
        if reader.collector.is_full:
            yield reader.collector.take()
    reader.finish()
    yield reader.collector.take()


def level_chunks(
    batches: Iterator[LevelMessages], books: LevelBooks, stream: EventStream, nothing: str
) -> Iterator[NDArray[np.void]]:
    """Yield the events of a book by price level in chunks; `nothing` is the error where no file has any."""
    books.files_left -= 1
    books.book.counts = stream.counts
    for batch in batches if books.trades is None else with_trades(batches, books.trades):
        events = books.book.events(batch)
        books.found = books.found or len(events) > 0
        yield from (events[start : start + CHUNK_EVENTS] for start in range(0, len(events), CHUNK_EVENTS))
    if not books.found and books.files_left <= 0:
        raise SourceError(nothing)
