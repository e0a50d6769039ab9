"""Rows of plain CSV files, in chunks, as exact integers.

Market data in CSV is simple (no separators inside of values) and must be exact: a price that passes through a float
can land on another tick. So fields stay bytes until `decimals` turns them into integers of a given unit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.compiled import Array, int64, kernel
from vpharness.errors import SourceError
from vpharness.events.input_files import InputFile

BLOCK_BYTES: Final = 1 << 20
"""How much text is parsed at once; no line may be longer."""

_COMMA: Final = ord(",")
_NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")
_QUOTE: Final = ord('"')
_POINT: Final = ord(".")
_ZERO: Final = ord("0")
_NINE: Final = ord("9")

_SAFE_DIGITS: Final = 19
"""Every integer with so many digits fits into 64 bits without a sign."""
_WIDEST_PLAIN: Final = 40
_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_WHOLE_NUMBER: Final = re.compile(rb"-?[0-9]+((\.[0-9]*)?[eE][+-]?[0-9]{1,3})?")
_SPACES: Final = re.compile(rb"[ \t]*([,\r\n])[ \t]*")
_FEWEST_NAMES: Final = 4
_EXACT: Final = Context(prec=400, rounding=ROUND_HALF_UP)
_SMALLEST: Final = int(np.iinfo(np.int64).min)
_LARGEST: Final = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class CsvRows:
    """Consecutive rows of a file: where each field lies in `text`.

    text: [bytes] uint8; starts, ends: [rows, fields] int64, the field without its quotes; first_line: line number of
    the first row, from 1; lines: [rows] int64, how many lines after it each row stands, where some were left out.
    """

    path: Path
    text: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    first_line: int
    lines: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def field(self, row: int, column: int) -> bytes:
        """Return one field as it stands in the file."""
        return self.text[self.starts[row, column] : self.ends[row, column]].tobytes()

    def has_digit(self, rows: NDArray[np.int64], column: int) -> NDArray[np.bool_]:
        """Return which of some rows' fields hold a digit other than 0, [rows] bool."""
        starts, lengths = self.starts[rows, column], self.ends[rows, column] - self.starts[rows, column]
        letters = _letters(self.text, starts, lengths, int(lengths.max(initial=0)))
        return np.any((letters > _ZERO) & (letters <= _NINE), axis=1)

    def error(self, row: int, reason: str) -> SourceError:
        """Return the error that names a row by its line."""
        line = self.first_line + (row if self.lines is None else int(self.lines[row]))
        return SourceError(f"{self.path}: line {line}: {reason}")

    def refuse(self, wrong: NDArray[np.bool_], column: int, name: str, expected: str) -> None:
        """Raise a SourceError that names the first row where `wrong` holds, if there is one."""
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self.error(row, f"{name} is {_shown(self.field(row, column))}; expected {expected}")

    def decimals(self, column: int, name: str, digits: int, low: int, high: int) -> NDArray[np.int64]:
        """Return decimal numbers, [rows] int64, in units of 10**-digits, exactly.

        What lies beyond the unit is rounded half up, but a whole number (digits 0) must be one, without a point: one in
        another unit does not pass. A SourceError names the line of a value that is no number or lies outside of
        low..high (in the same units).
        """
        unit = Decimal(1).scaleb(-digits)
        kind = "number" if digits else "whole number"
        expected = f"a {kind} from {low * unit:f} to {high * unit:f}"
        starts, lengths = self.starts[:, column], self.ends[:, column] - self.starts[:, column]
        values, plain = _plain_decimals(self.text, starts, lengths, digits)
        for row in np.flatnonzero(~plain).tolist():
            value = _any_decimal(self.field(row, column), digits)
            if value is None:
                raise self.error(row, f"{name} is {_shown(self.field(row, column))}; expected {expected}")
            values[row] = value
        self.refuse((values < low) | (values > high), column, name, expected)
        return values

    def choices(self, column: int, name: str, words: tuple[bytes, ...]) -> NDArray[np.int64]:
        """Return which of the words each field is, [rows] int64; a SourceError names the line of any other."""
        starts, lengths = self.starts[:, column], self.ends[:, column] - self.starts[:, column]
        letters = _letters(self.text, starts, lengths, max(map(len, words)))
        found = np.full(len(self), -1)
        for index, word in enumerate(words):
            same = (letters[:, : len(word)] == np.frombuffer(word, np.uint8)).all(axis=1)
            found[same & (lengths == len(word))] = index
        self.refuse(found < 0, column, name, " or ".join(word.decode() for word in words))
        return found


def read_header(file: InputFile, lines: Iterator[bytes]) -> tuple[list[str], bytes]:
    """Take the first line off `lines` (blocks as of `whole_lines`); return its names and the rest of that block."""
    block = next(lines)
    header, _, rest = block.partition(b"\n")
    try:
        names = header.decode("ascii").removesuffix("\r").split(",")
    except UnicodeDecodeError:
        raise SourceError(f"{file.path}: line 1: {_shown(header)} is no CSV header") from None
    return [name[1:-1] if re.fullmatch('".*"', name) else name for name in names], rest


def whole_lines(file: InputFile) -> Iterator[bytes]:
    """Yield the text of a file in blocks that end with a newline."""
    kept = b""
    for block in file.blocks(BLOCK_BYTES):
        text = kept + block
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end]
        elif len(text) > BLOCK_BYTES:
            raise SourceError(f"{file.path}: holds a line of more than {BLOCK_BYTES} bytes; expected CSV text")
        kept = text[end:]
    if kept:
        yield kept + b"\n"


def without_header(lines: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield blocks of whole lines as people's tools write them, each with the number of its first line.

    A byte-order mark, a first line of names and the spaces around separators are left out.
    """
    line = 1
    for number, whole in enumerate(lines):
        block = whole
        if number == 0:
            block = block.removeprefix(b"\xef\xbb\xbf")
            first, _, rest = block.partition(b"\n")
            if _is_header(first):
                block, line = rest, 2
        count = block.count(b"\n")
        if b" " in block or b"\t" in block:
            block = _SPACES.sub(rb"\1", block).lstrip(b" \t")
        if block:
            yield block, line
        line += count


def _is_header(line: bytes) -> bool:
    """Whether a line holds names: a letter in its first field, and a number in none."""
    fields = [field.strip(b' \t\r"') for field in line.split(b",")]
    return (
        len(fields) >= _FEWEST_NAMES
        and fields[0][:1].isalpha()
        and not any(_NUMBER.fullmatch(field) for field in fields)
    )


def split_rows(
    path: Path,
    block: bytes,
    fields: int,
    first_line: int,
    lines: NDArray[np.int64] | None = None,
    *,
    may_be_blank: bool = False,
) -> CsvRows:
    """Find the fields of a block of whole lines; a SourceError names the first line with another number of them.

    `lines` says how many lines after `first_line` each row stands, where they do not follow one another. With
    `may_be_blank`, lines without anything are left out.
    """
    if may_be_blank and (block.startswith((b"\n", b"\r")) or b"\n\n" in block or b"\n\r" in block):
        texts = block.split(b"\n")[:-1]
        lines = np.array([place for place, text in enumerate(texts) if text.strip(b"\r")], np.int64)
        block = b"".join(texts[place] + b"\n" for place in lines)
    text = np.frombuffer(block, np.uint8)
    marks = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    newlines = np.flatnonzero(text[marks] == _NEWLINE)
    found = np.diff(newlines, prepend=-1)
    if (found != fields).any():
        row = int(np.argmax(found != fields))
        end = marks[newlines[row]]
        start = marks[newlines[row - 1]] + 1 if row else 0
        line = first_line + (row if lines is None else int(lines[row]))
        raise SourceError(
            f"{path}: line {line}: has {found[row]} fields: {_shown(block[start:end])}; expected {fields}"
        )
    ends = marks.reshape(-1, fields)
    starts = np.concatenate(([0], marks[:-1] + 1)).reshape(-1, fields)
    returns = (ends[:, -1] > starts[:, -1]) & (text[ends[:, -1] - 1] == _RETURN)
    ends[:, -1] -= returns
    quoted = (ends - starts >= 2) & (text[starts] == _QUOTE) & (text[ends - 1] == _QUOTE)
    return CsvRows(path, text, starts + quoted, ends - quoted, first_line, lines)


def _letters(
    text: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], width: int
) -> NDArray[np.uint8]:
    """Return the fields as bytes, [rows, width] uint8, padded with zeros behind their ends."""
    places = starts[:, None] + np.arange(width)
    inside = np.arange(width) < lengths[:, None]
    return np.where(inside, text[np.minimum(places, len(text) - 1)], np.uint8(0))


def _plain_decimals(
    text: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], digits: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the values of fields of the form 123 or 123.456, and which fields have that form and surely fit."""
    values, plain = np.zeros(len(starts), np.uint64), np.zeros(len(starts), np.bool_)
    _read_decimals(text, starts, lengths, int64(digits), values, plain)
    return np.where(plain, values, 0).astype(np.int64), plain


@kernel
def _read_decimals(text: Array, starts: Array, lengths: Array, digits: int, values: Array, plain: Array) -> None:
    """Fill in values in units of 10**-digits, and whether each field has the plain form and surely fits."""
    ten = np.uint64(10)
    for row in range(len(starts)):
        if lengths[row] == 0 or lengths[row] > _WIDEST_PLAIN:
            continue
        value = np.uint64(0)
        wholes, decimals, is_plain = 0, -1, True  # decimals: -1 before the point
        for place in range(starts[row], starts[row] + lengths[row]):
            letter = text[place]
            if _ZERO <= letter <= _NINE:
                digit = np.uint64(letter - _ZERO)
                if decimals < digits:
                    value = value * ten + digit
                elif decimals == digits and digit >= np.uint64(5):
                    # Of the digits beyond the unit only the first one decides on rounding half up.
                    value += np.uint64(1)
                wholes += decimals < 0
                decimals += decimals >= 0
            elif letter == _POINT and decimals < 0 and wholes > 0:
                decimals = 0
            else:
                is_plain = False
                break
        for _ in range(max(decimals, 0), digits):
            value = value * ten
        is_plain = is_plain and (decimals < 0 or digits > 0) and wholes + digits <= _SAFE_DIGITS
        values[row] = value
        plain[row] = is_plain and value <= np.uint64(_LARGEST)


def _any_decimal(field: bytes, digits: int) -> int | None:
    """Return the value of a decimal number in any notation; None where it is no number, too large or not whole."""
    if not (_NUMBER if digits else _WHOLE_NUMBER).fullmatch(field):
        return None
    try:
        scaled = Decimal(field.decode()).scaleb(digits, _EXACT)
        value = int(scaled.quantize(Decimal(1), context=_EXACT))
    except InvalidOperation:
        return None
    if digits == 0 and value != scaled:
        return None
    return value if _SMALLEST <= value <= _LARGEST else None


def _shown(field: bytes) -> str:
    text = field.decode("ascii", "backslashreplace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
