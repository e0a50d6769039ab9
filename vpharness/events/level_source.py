"""What the sources by price level share: sizes, trades beside the book, and the way from messages to events."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import input_files
from vpharness.events.event_source import CHUNK_EVENTS, EventStream
from vpharness.events.json_lines import UNREADABLE, RecordedLine, recorded_lines
from vpharness.events.level_json import LevelCollector
from vpharness.events.price_levels import LevelBook, LevelMessages
from vpharness.events.trade_files import with_trades
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


def size_digits(size_unit: float) -> int | None:
    """Return the decimal digits of a unit of size that is a power of ten from 1e-12 to 1; None for another."""
    exact = Decimal(repr(size_unit))
    return next((digits for digits in range(FINEST_SIZE + 1) if exact == Decimal(1).scaleb(-digits)), None)


def unit_problems(size_unit: float) -> Iterable[str]:
    """Yield an error for a unit of size that is no power of ten."""
    if size_digits(size_unit) is None:
        yield f"size_unit is {size_unit}; it must be a power of ten from 1e-{FINEST_SIZE} to 1"


class MessageReader(Protocol):
    """Reads the messages of an exchange, one after another, into a collector."""

    collector: LevelCollector

    def take(self, line: RecordedLine) -> None:
        """Read one message. Raises MessageError, or msgspec's DecodeError, where it is not as documented."""
        ...

    def finish(self) -> None:
        """Say at the end of the file what its reader should know."""
        ...


def json_batches(
    file: input_files.InputFile,
    reader: MessageReader,
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
    batches: Iterator[LevelMessages], trades: Iterator[NDArray[np.void]] | None, stream: EventStream, nothing: str
) -> Iterator[NDArray[np.void]]:
    """Yield the events of a book by price level in chunks; `nothing` is the error where there is none."""
    book, found = LevelBook(stream.counts), False
    for batch in batches if trades is None else with_trades(batches, trades):
        events = book.events(batch)
        found = found or len(events) > 0
        yield from (events[start : start + CHUNK_EVENTS] for start in range(0, len(events), CHUNK_EVENTS))
    if not found:
        raise SourceError(nothing)
