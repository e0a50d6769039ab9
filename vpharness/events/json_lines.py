"""Recorded messages: one JSON message a line, as an exchange sent it, with exact numbers and times.

A line is the message itself, or an envelope around it that says when it was received and, where the message does not
say so itself, which product it is about:

    {"received_ns": 1700000000123456789, "symbol": "BTC-USD", "message": {…}}

`symbol` may be absent. Numbers never become floats: prices and sizes stay text until `in_units` turns them into
integers.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from vpharness.errors import SourceError
from vpharness.events.input_files import COMPRESSED, InputFile
from vpharness.events.mbo_event import MAX_PRICE
from vpharness.events.times import LATEST_NS, SECOND_NS

SUFFIXES: Final = tuple(
    f".{name}{compression}" for name in ("jsonl", "ndjson", "json", "data") for compression in COMPRESSED
)
"""What the names of files end in that are taken from a folder."""

LONGEST_LINE_BYTES: Final = 1 << 26
"""The longest line: a snapshot of every order of a product has some 30 MB. What is made of a line is many times its
length, and a compressed file of a few kilobytes may hold one as long as this."""

_BLOCK_BYTES: Final = 1 << 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_RECEIVED: Final = b'"received_ns"'
_REMEMBERED: Final = 1 << 16
_PRICE_DIGITS: Final = 9
_LONGEST_NUMBER: Final = 60
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,18}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EXACT: Final = Context(prec=400)
_LARGEST: Final = (1 << 63) - 1


class MessageError(ValueError):
    """A message is not what its exchange documents; the reader adds the file and the line."""


NO_DATA: Final = msgspec.Raw(b"")
"""Stands for a part of a message, kept as it is, that the message does not have."""


UNREADABLE: Final = (MessageError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a message raises where it is no JSON text in UTF-8, or not what its exchange documents."""


class _Envelope(msgspec.Struct, frozen=True):
    received_ns: int
    message: msgspec.Raw
    symbol: str | None = None


class RecordedLine(NamedTuple):
    """A message with its line's number, from 1, and what its envelope says of it."""

    number: int
    message: bytes | msgspec.Raw
    received_ns: int | None = None
    symbol: str | None = None


_ENVELOPE_DECODER: Final = msgspec.json.Decoder(_Envelope)


def recorded_lines(file: InputFile) -> Iterator[RecordedLine]:
    """Yield the messages of a file in their order; blank lines are passed over, and a byte-order mark is.

    Raises SourceError where a line is too long, or its envelope is not what it should be.
    """
    for number, line in enumerate(_lines(file), 1):
        if not line:
            continue
        if _RECEIVED not in line:
            yield RecordedLine(number, line)
            continue
        try:
            envelope = _ENVELOPE_DECODER.decode(line)
        except UNREADABLE as error:
            raise line_error(file, number, error) from error
        if not 0 <= envelope.received_ns <= LATEST_NS:
            raise SourceError(
                f"{file.path}: line {number}: received_ns is {envelope.received_ns}; expected ns since 1970, to 2200"
            )
        yield RecordedLine(number, envelope.message, envelope.received_ns, envelope.symbol)


def line_error(file: InputFile, number: int, error: Exception) -> SourceError:
    """Return the error for a line that cannot be decoded, or is not what its exchange documents."""
    what = " ".join(str(error).split())
    if not isinstance(error, MessageError | msgspec.ValidationError):
        what = f"is no JSON message: {what}; expected one whole message a line (remove a line that was cut off)"
    return SourceError(f"{file.path}: line {number}: {what}")


def _lines(file: InputFile) -> Iterator[bytes]:
    """Yield the lines of a file without their ends."""
    kept: list[bytes] = []
    length, number = 0, 1
    for index, block in enumerate(file.blocks(_BLOCK_BYTES)):
        first, *rest = (block.removeprefix(_BYTE_ORDER_MARK) if index == 0 else block).split(b"\n")
        kept.append(first)
        length += len(first)
        if rest:
            yield b"".join(kept).strip()
            for line in rest[:-1]:
                yield line.strip()
            number += len(rest)
            kept, length = [rest[-1]], len(rest[-1])
        if length > LONGEST_LINE_BYTES:
            raise SourceError(
                f"{file.path}: line {number}: is longer than {LONGEST_LINE_BYTES >> 20} MB; expected one JSON message "
                "a line (one value for the whole file is another format)"
            )
    if length:
        yield b"".join(kept).strip()


@lru_cache(_REMEMBERED)
def in_units(number: str | int, digits: int, name: str) -> int:
    """Return a decimal number as an integer of units of 10**-digits, exactly.

    Raises MessageError where it is no number, is finer than the unit, or does not fit into 64 bits.
    """
    value = _exact(str(number), digits, name)
    if not -_LARGEST <= value <= _LARGEST:
        raise MessageError(f"{name} is {number}; expected a number below {_LARGEST / 10**digits:g}")
    return value


def size_of(number: str | int, digits: int, name: str) -> int:
    """Return a quantity as an integer of units of 10**-digits, exactly; MessageError where it is below 0, too."""
    size = in_units(number, digits, name)
    if size < 0:
        raise MessageError(f"{name} is {number}; expected a number of at least 0")
    return size


@lru_cache(_REMEMBERED)
def price_of(number: str | int, name: str) -> int:
    """Return a price in units of 1e-9, exactly; one that no order may have comes back just beyond MAX_PRICE.

    Exchanges write market orders with such prices; whoever lets orders rest counts them.
    """
    value = _exact(str(number), _PRICE_DIGITS, name)
    return max(-MAX_PRICE - 1, min(MAX_PRICE + 1, value))


def _exact(text: str, digits: int, name: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise MessageError(
            f"{name} is {text[:_LONGEST_NUMBER]!r}…; expected a number of at most {_LONGEST_NUMBER} digits"
        )
    whole, point, decimals = text.partition(".")
    if point and whole.isdecimal() and decimals.isdecimal() and text.isascii() and len(decimals) <= digits:
        return int(whole + decimals) * 10 ** (digits - len(decimals))
    return _any_number(text, digits, name)


def _any_number(text: str, digits: int, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise MessageError(f"{name} is {text[:_LONGEST_NUMBER]!r}; expected a decimal number")
    try:
        scaled = Decimal(text).scaleb(digits, _EXACT)
        value = int(scaled)
    except (InvalidOperation, OverflowError):
        raise MessageError(f"{name} is {text!r}; expected a decimal number") from None
    if value != scaled:
        way_out = "; give a smaller source.size_unit" if "size" in name or "amount" in name else ""
        raise MessageError(f"{name} is {text}; expected a multiple of 1e-{digits}{way_out}")
    return value


def time_ns(text: str, name: str) -> int:
    """Return an RFC 3339 time in ns since the epoch, exactly; digits beyond the ns must be zeros."""
    match = _TIME.fullmatch(text)
    if match:
        date, clock, fraction, zone = match.groups()
        fraction = fraction or ""
        seconds = _seconds(f"{date}T{clock}{'+00:00' if zone in 'zZ' else zone}")
        if seconds is not None and not fraction[9:].strip("0"):
            return seconds * SECOND_NS + int(fraction[:9].ljust(9, "0"))
    raise MessageError(f"{name} is {text[:_LONGEST_NUMBER]!r}; expected a time such as 2024-05-01T12:00:00.123456Z")


@lru_cache(1024)
def _seconds(text: str) -> int | None:
    """Return a time of whole seconds in seconds since the epoch; None where there is no such time."""
    try:
        seconds = int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds * SECOND_NS <= LATEST_NS else None
