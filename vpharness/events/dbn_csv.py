"""The CSV of Databento's schema mbo, as downloads, `DBNStore.to_csv` and data frames write it.

The first line names the columns, in any order and with others among them. Without it they are those of a download, in
its order. Where files stand end to end, the line of names may come again.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from vpharness.errors import SourceError, require_memory
from vpharness.events import csv_rows
from vpharness.events.dbn_columns import READ, MboColumns
from vpharness.events.dbn_events import DbnEvents
from vpharness.events.dbn_records import MBO
from vpharness.events.input_files import InputFile

COLUMNS: Final = (
    "ts_recv",
    "ts_event",
    "rtype",
    "publisher_id",
    "instrument_id",
    "action",
    "side",
    "price",
    "size",
    "channel_id",
    "order_id",
    "flags",
    "ts_in_delta",
    "sequence",
    "symbol",
)
"""The columns of a download, in their order; the last one may be absent."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_TYPE_PLACE: Final = COLUMNS.index("rtype")


def begins_csv(head: bytes) -> bool:
    """Return whether the first bytes of a file may be such a CSV: by its names, or by a row without them."""
    line = head.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n").partition(b"\n")[0]
    fields = [field.strip(b'" \r') for field in line.split(b",")]
    return b"ts_event" in fields or fields[_TYPE_PLACE : _TYPE_PLACE + 1] == [str(MBO).encode()]


def csv_events(file: InputFile, events: DbnEvents) -> Iterator[NDArray[np.void]]:
    """Yield the instrument's events block by block. Raises SourceError with the line of what is wrong."""
    columns = MboColumns(file.path)
    names: list[str] = []
    header, line = b"", 1
    for block in csv_rows.whole_lines(file):
        text = block
        if line == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
            stripped = text.lstrip(b"\r\n")
            line += text[: len(text) - len(stripped)].count(b"\n")
            header, _, rest = stripped.partition(b"\n")
            names = _names(header)
            columns.require(names)
            if "ts_event" in header.decode():
                text, line = rest, line + 1
            else:
                text, header = stripped, b""
        for part, skipped in _parts(text, header):
            rows = _table(file.path, part, names, line)
            if len(rows):
                place = _LineName(part, line)
                found = {name: rows[name].combine_chunks() for name in rows.column_names}
                yield events.of_mbo(*columns.mbo(found, place), place)
            line += part.count(b"\n") + skipped


class _LineName:
    """From a row's place in a block to the line that an error calls it by; blank lines are no rows."""

    def __init__(self, block: bytes, first_line: int) -> None:
        self._block, self._first = block, first_line

    def __call__(self, row: int) -> str:
        filled = (number for number, line in enumerate(self._block.split(b"\n")) if line.strip(b"\r"))
        return f"line {self._first + next(number for index, number in enumerate(filled) if index == row)}"


def _names(header: bytes) -> list[str]:
    text = header.rstrip(b"\r").decode("ascii", "replace")
    if not (text.isascii() and text.isprintable()):
        return []
    names = [name.strip().strip('"') for name in text.split(",")]
    if "ts_event" in names:
        return names
    return list(COLUMNS[: len(names)]) if len(COLUMNS) - 1 <= len(names) <= len(COLUMNS) else names


def _parts(text: bytes, header: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield what lies between repetitions of the line of names, and how many lines were left out behind it."""
    if not header or header not in text:
        yield text, 0
        return
    begun = place = 0
    while (place := text.find(header + b"\n", place)) >= 0:
        if place == 0 or text[place - 1 : place] == b"\n":
            yield text[begun:place], 1
            begun = place + len(header) + 1
        place += len(header)
    yield text[begun:], 0


def _table(path: Path, block: bytes, names: list[str], first_line: int) -> Any:
    """Return the columns that are read, as text, one row a line."""
    complaint: Exception | str = "hold quotation marks that do not close"
    try:
        rows = _parsed(block, names)
        # A quotation mark that nothing closes would take the lines behind it for one field.
        if len(rows) == block.count(b"\n") or len(rows) == _filled_lines(block):
            return rows
    except pa.ArrowException as error:
        require_memory(error)
        complaint = error
    for number, line in enumerate(block.split(b"\n")):
        if line.count(b'"') % 2:
            shown = repr(line[:57].decode("ascii", "backslashreplace"))
            raise SourceError(
                f"{path}: line {first_line + number}: holds a quotation mark that does not close: {shown}"
            )
        try:
            _parsed(line + b"\n", names)
        except pa.ArrowException as error:
            require_memory(error)
            count, shown = line.count(b",") + 1, repr(line[:57].decode("ascii", "backslashreplace"))
            raise SourceError(
                f"{path}: line {first_line + number}: has {count} fields: {shown}; expected {len(names)} of text"
            ) from error
    last_line = first_line + block.count(b"\n")
    raise SourceError(f"{path}: lines {first_line} to {last_line}: {complaint}")


def _filled_lines(block: bytes) -> int:
    return sum(1 for line in block.split(b"\n") if line.strip(b"\r"))


def _parsed(block: bytes, names: list[str]) -> Any:
    wanted = [name for name in names if name in READ]
    if not block.strip(b"\r\n"):
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    # What is not read is renamed, so that it may repeat: data frames add columns of their own.
    unique = [name if name in READ else f"{place}:{name}" for place, name in enumerate(names)]
    return pyarrow.csv.read_csv(
        io.BytesIO(block),
        read_options=pyarrow.csv.ReadOptions(column_names=unique, use_threads=False, block_size=len(block) + 1),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted, strings_can_be_null=False
        ),
    )
