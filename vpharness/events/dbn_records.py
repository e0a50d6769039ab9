"""The records of a DBN file's body, found by the lengths in their headers, without an object per record.

The layout is Databento's: every record begins with a 16-byte header (length in units of 4 bytes, record type,
publisher, instrument, ts_event), and records of all types may follow one another. Runs of records of one type and
length, which is nearly all of a file, are viewed as one array. Files may stand end to end: where the next one's
metadata begins, no record can be, since 66, the second letter of "DBN", is no record type.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from databento_dbn import RType
from numpy.typing import NDArray

from vpharness.errors import SourceError

_RECORD_TYPES: Final[Any] = RType  # its members are made at run time
MBO: Final = int(_RECORD_TYPES.MBO.value)
SYMBOL_MAPPING: Final = int(_RECORD_TYPES.SYMBOL_MAPPING.value)
ERROR: Final = int(_RECORD_TYPES.ERROR.value)
SYSTEM: Final = int(_RECORD_TYPES.SYSTEM.value)
METADATA: Final = -1
"""Stands for the metadata with which a file begins, among the types of records."""
KNOWN_TYPES: Final = frozenset(int(kind.value) for kind in _RECORD_TYPES.variants())

HEADER_BYTES: Final = 16
TS_OUT_BYTES: Final = 8
"""What a record of a live capture is longer by, when its time of sending is appended."""
LENGTH_UNIT: Final = 4
MAGIC: Final = b"DBN"
PRELUDE_BYTES: Final = 8
"""The magic, the version, and the length of the rest of the metadata."""

_LONGEST_METADATA: Final = 1 << 28

_FEWEST_AHEAD: Final = 64
_MOST_AHEAD: Final = 1 << 16

MBO_RECORD_DTYPE: Final = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("size", "<u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),
        ("side", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)
"""The layout of a DBN `MBOMsg`, record header included: files and live captures are read, and files written, by it."""
MBO_BYTES: Final = MBO_RECORD_DTYPE.itemsize


def mbo_dtype(record_bytes: int) -> np.dtype[np.void]:
    """Return the layout of an MBO record that takes `record_bytes`, which may append fields to those that are known."""
    names = MBO_RECORD_DTYPE.names or ()
    fields = [MBO_RECORD_DTYPE.fields[name] for name in names] if MBO_RECORD_DTYPE.fields is not None else []
    return np.dtype(
        {
            "names": names,
            "formats": [field[0] for field in fields],
            "offsets": [field[1] for field in fields],
            "itemsize": record_bytes,
        }
    )


@dataclass(frozen=True)
class Records:
    """Consecutive records of one type and length, or the metadata of a file as the only one of the kind METADATA.

    data: [records, record bytes] uint8; first: number of the first record in the file, from 1.
    """

    kind: int
    data: NDArray[np.uint8]
    first: int


def records(path: Path | str, rest: bytes, blocks: Iterator[bytes]) -> Iterator[list[Records]]:
    """Yield metadata and records of a file, in order; `rest` is what of it lies before `blocks`.

    What lies in one block is one list, cut behind metadata.

    Raises SourceError where a record cannot be one, or the file ends inside of a record.
    """
    kept = [b""]
    waiting = needed = 0
    number = 1
    for block in chain([rest], blocks):
        kept.append(block)
        waiting += len(block)
        if waiting < needed:
            yield []
            continue
        text = np.frombuffer(b"".join(kept), np.uint8)
        found = []
        place = needed = 0
        ahead = _FEWEST_AHEAD
        while len(text) - place >= HEADER_BYTES:
            if text[place : place + len(MAGIC)].tobytes() == MAGIC:
                length, kind, count = _metadata_bytes(path, text[place : place + PRELUDE_BYTES]), METADATA, 1
                if len(text) - place < length:
                    needed = length
                    break
            else:
                length, kind = int(text[place]) * LENGTH_UNIT, int(text[place + 1])
                _check_header(path, number, length, kind)
                count = _alike(text[place:], length, ahead)
                ahead = min(_MOST_AHEAD, ahead * 4) if count == ahead else _FEWEST_AHEAD
            if not count:
                break
            data = text[place : place + count * length].reshape(count, length)
            found.append(Records(kind, data, number))
            place += count * length
            if kind == METADATA:  # looked at before the records that it describes are
                yield found
                found = []
            else:
                number += count
        yield found
        kept = [text[place:].tobytes()]
        waiting = len(kept[0])
    if not waiting:
        return
    if b"".join(kept).startswith(MAGIC):
        raise SourceError(f"{path}: truncated: the file ends inside of its metadata")
    raise SourceError(f"{path}: truncated: the file ends {waiting} bytes into record {number}")


def _metadata_bytes(path: Path | str, prelude: NDArray[np.uint8]) -> int:
    length = PRELUDE_BYTES + int.from_bytes(prelude[4:].tobytes(), "little")
    if length > _LONGEST_METADATA:
        raise SourceError(f"{path}: says its metadata is {length} bytes long; at most {_LONGEST_METADATA} expected")
    return length


def _check_header(path: Path | str, number: int, length: int, kind: int) -> None:
    if length < HEADER_BYTES:
        raise SourceError(f"{path}: record {number} says it is {length} bytes long; at least {HEADER_BYTES} expected")
    if kind not in KNOWN_TYPES:
        raise SourceError(f"{path}: record {number} has the unknown type {kind}; is the file damaged, or newer?")


def _alike(text: NDArray[np.uint8], length: int, most: int) -> int:
    """Return how many whole records from here on have the same length and type, at most `most`."""
    count = min(len(text) // length, most)
    heads = text[: count * length].reshape(count, length)
    if not count:
        return 0
    other = (heads[:, 0] != heads[0, 0]) | (heads[:, 1] != heads[0, 1])
    return int(np.argmax(other)) if other.any() else count
