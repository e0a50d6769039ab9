"""Which instrument ids stand for which symbols, and when: from DBN metadata, or from a download's symbology.json."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

import databento_dbn
import msgspec
from databento_dbn import SType

from vpharness.errors import SourceError
from vpharness.events.input_files import checked_path

ALWAYS: Final = (0, (1 << 64) - 1)

Interval = tuple[int, int, int]
"""An instrument id, and the ns since the epoch from which and up to which it stands for a symbol."""


def metadata_mappings(metadata: databento_dbn.Metadata) -> Iterator[tuple[str, Interval]]:
    """Yield the raw symbols of the metadata with the ids they stand for."""
    for key, intervals in metadata.mappings.items():
        for interval in intervals:
            known: dict[str, Any] = dict(interval)
            name, number = key, str(known["symbol"])
            if str(metadata.stype_out) != str(SType.INSTRUMENT_ID):
                name, number = number, name
            if number.isascii() and number.isdigit() and int(number) < 1 << 32:
                yield name, (int(number), _day_ns(known["start_date"]), _day_ns(known["end_date"]))


def read_symbology(path: str) -> list[tuple[str, Interval]]:
    """Return the mappings of a download's `symbology.json`: raw symbols, and the ids they stand for day by day."""
    found = checked_path(path)
    expected = "expected the symbology.json of a Databento download, with result: {symbol: [{d0, d1, s}]}"
    try:
        said = msgspec.json.decode(found.read_bytes(), type=_Symbology)
    except OSError as error:
        raise SourceError(f"{found}: cannot be read: {error.strerror}; {expected}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SourceError(f"{found}: {error}; {expected}") from error
    mappings = []
    for key, spans in said.result.items():
        for span in spans:
            name, number = (span.s, key) if said.stype_in == "instrument_id" else (key, span.s)
            if not (number.isascii() and number.isdigit() and int(number) < 1 << 32):
                raise SourceError(f"{found}: {name} stands for {number!r}; expected an instrument id: {expected}")
            mappings.append((name, (int(number), _day_ns(span.d0), _day_ns(span.d1))))
    return mappings


class _Span(msgspec.Struct):
    """A symbol, and the days from which and up to which it holds."""

    d0: date
    d1: date
    s: str


class _Symbology(msgspec.Struct):
    """What of a download's symbology is read."""

    result: dict[str, list[_Span]]
    stype_in: str = "raw_symbol"


def _day_ns(day: date) -> int:
    """Return when a day begins, UTC, in ns since the epoch, as far as 64 bits go."""
    seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return min(max(seconds * 1_000_000_000, ALWAYS[0]), ALWAYS[1])
