"""The JSON lines of Databento's schema mbo: one record a line, with its header in `hd`.

Integers of 64 bits are strings there, since readers of JSON may hold no more than 53. Undefined prices and times are
null.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import csv_rows
from vpharness.events.dbn_columns import MboColumns
from vpharness.events.dbn_events import DbnEvents
from vpharness.events.dbn_records import KNOWN_TYPES, MBO, SYMBOL_MAPPING
from vpharness.events.dbn_schemas import other_schema, schemas_of_types
from vpharness.events.input_files import InputFile

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_Bits8 = Annotated[int, Meta(ge=0, lt=1 << 8)]
_Bits16 = Annotated[int, Meta(ge=0, lt=1 << 16)]
_Bits32 = Annotated[int, Meta(ge=0, lt=1 << 32)]
_Bits64 = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | str


class _Header(msgspec.Struct, gc=False):
    """What every record begins with."""

    ts_event: _Bits64 | None
    rtype: _Bits8
    publisher_id: _Bits16
    instrument_id: _Bits32


class _Record(msgspec.Struct):
    """A record of any type, as far as it is needed."""

    hd: _Header
    stype_in_symbol: str = ""
    stype_out_symbol: str = ""


class _Mbo(msgspec.Struct, gc=False):  # these form no cycles, and looking for some takes longer than decoding
    """A record of the schema mbo."""

    hd: _Header
    action: str
    side: str
    price: int | str | None
    size: _Bits32
    order_id: _Bits64
    flags: _Bits8
    ts_recv: _Bits64 | None = None
    symbol: str | None = None


_MBO_DECODER: Final = msgspec.json.Decoder(_Mbo)
_RECORD_DECODER: Final = msgspec.json.Decoder(_Record)


def json_events(file: InputFile, events: DbnEvents) -> Iterator[NDArray[np.void]]:
    """Yield the instrument's events block by block. Raises SourceError with the line of what is wrong."""
    columns = MboColumns(file.path)
    line = 1
    has_mbo = False
    for block in csv_rows.whole_lines(file):
        text = block.removeprefix(_BYTE_ORDER_MARK) if line == 1 else block
        for records, numbers in _runs(file.path, text, line, events):
            has_mbo = True
            place = _name(numbers)
            yield events.of_mbo(*columns.mbo(_columns(records), place), place)
        if not has_mbo and (schemas := schemas_of_types(events.kinds)):
            raise other_schema(file.path, ", ".join(schemas))
        line += block.count(b"\n")


def _name(numbers: "range | list[int]") -> Any:
    return lambda row: f"line {numbers[row]}"


def _runs(
    path: Path, text: bytes, first_line: int, events: DbnEvents
) -> Iterator[tuple[list[_Mbo], "range | list[int]"]]:
    """Yield the MBO records between those of other types, which are counted and learnt from, with their lines."""
    try:
        records = _MBO_DECODER.decode_lines(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        records = []
    if len(records) == text.count(b"\n") and all(record.hd.rtype == MBO for record in records):
        yield records, range(first_line, first_line + len(records))
        return
    run: list[_Mbo] = []
    numbers: list[int] = []
    for number, line in enumerate(text.split(b"\n"), first_line):
        if not line.strip():
            continue
        record = _decoded(path, line, number)
        if isinstance(record, _Mbo):
            run.append(record)
            numbers.append(number)
            continue
        if run:
            yield run, numbers
            run, numbers = [], []
        if record.hd.rtype not in KNOWN_TYPES:
            raise SourceError(f"{path}: line {number}: has the unknown rtype {record.hd.rtype}; expected {MBO}")
        if record.hd.rtype == SYMBOL_MAPPING and (symbol := record.stype_out_symbol or record.stype_in_symbol):
            events.choice.learn(record.hd.instrument_id, symbol)
        events.skip_others(record.hd.rtype, 1)
    if run:
        yield run, numbers


def _decoded(path: Path, line: bytes, number: int) -> _Mbo | _Record:
    try:
        record = _RECORD_DECODER.decode(line)
        if record.hd.rtype != MBO:
            return record
        return _MBO_DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        complaint = " ".join(str(error).split())
        expected = "expected a record of Databento's schema mbo as JSON"
        raise SourceError(f"{path}: line {number}: {complaint}; {expected}") from error


def _columns(records: list[_Mbo]) -> dict[str, Any]:
    """Return records as Arrow columns."""
    heads = [record.hd for record in records]
    found = {
        "ts_event": _texts([head.ts_event for head in heads]),
        "ts_recv": _texts([record.ts_recv for record in records]),
        "publisher_id": pa.array([head.publisher_id for head in heads], pa.int64()),
        "instrument_id": pa.array([head.instrument_id for head in heads], pa.int64()),
        "action": pa.array([record.action for record in records], pa.string()),
        "side": pa.array([record.side for record in records], pa.string()),
        "price": _texts([record.price for record in records]),
        "size": pa.array([record.size for record in records], pa.int64()),
        "order_id": _texts([record.order_id for record in records]),
        "flags": pa.array([record.flags for record in records], pa.int64()),
    }
    symbols = [record.symbol for record in records]
    if any(symbols):
        found["symbol"] = pa.array(symbols, pa.string())
    return found


def _texts(values: "list[int | str | None]") -> Any:
    """Return values as text; numbers may stand among them."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([value if value is None else str(value) for value in values], pa.string())
