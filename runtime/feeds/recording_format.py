"""The steps of a feed as a table in an Arrow IPC stream: one row a step, its events in a list.

A stream is written batch by batch, and what is there of it can be read at any time, by any reader of Arrow, up to the
last whole batch. The facts of the feed stand as JSON in the schema's metadata.

Facts and batches have checksums, each of all that comes before it too, and behind the stream stands how it ended, as a
line of JSON with a checksum of the whole. Recordings of version 1 have neither, and events have a publisher since
version 3: before, all are publisher 0's.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.feeds.feed import FeedFacts, FeedStep, State
from vpharness.errors import FeedError
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.storage.arrow import arrow_array

RECORDING_VERSION: Final = 3
"""Raised when older code could no longer read what is written."""

_WITHOUT_CHECKSUMS: Final = 1
_WITHOUT_PUBLISHERS: Final = 2
_FACTS_KEY: Final = b"vpharness.feed"
_FACTS_CHECKSUM_KEY: Final = b"vpharness.feed.sha256"
CHECKSUM_KEY: Final = b"sha256"
"""The key of a batch's checksum in its metadata."""
LONGEST_END_BYTES: Final = 1024
"""The line behind a stream is no longer."""

_FIELDS: Final = EVENT_DTYPE.names or ()


def _schema(fields: Sequence[str]) -> pa.Schema:
    event = pa.struct([pa.field(name, pa.from_numpy_dtype(EVENT_DTYPE[name]), nullable=False) for name in fields])
    return pa.schema(
        [
            pa.field("at_ns", pa.int64(), nullable=False),  # when it was handed out, since the recording began
            pa.field("complete_to_ns", pa.int64()),
            pa.field("state", pa.uint8(), nullable=False),  # its place among the states
            pa.field("events", pa.list_(pa.field("event", event, nullable=False)), nullable=False),
        ]
    )


_SCHEMA: Final = _schema(_FIELDS)
_EARLIER_SCHEMA: Final = _schema([name for name in _FIELDS if name != "publisher"])
_SCHEMAS: Final = {
    _WITHOUT_CHECKSUMS: _EARLIER_SCHEMA,
    _WITHOUT_PUBLISHERS: _EARLIER_SCHEMA,
    RECORDING_VERSION: _SCHEMA,
}
"""What is read, by version."""
_STATES: Final[tuple[State, ...]] = get_args(State)

TimedStep = tuple[int, FeedStep]
"""A step, and when it was handed out, in ns since the recording began."""


def recording_schema(facts: FeedFacts) -> pa.Schema:
    """Return the schema of a recording."""
    text = json.dumps({"version": RECORDING_VERSION, "states": _STATES, "facts": dataclasses.asdict(facts)}).encode()
    return _SCHEMA.with_metadata({_FACTS_KEY: text, _FACTS_CHECKSUM_KEY: hashlib.sha256(text).hexdigest()})


def recorded_facts(schema: pa.Schema, where: str) -> FeedFacts:
    """Return the facts of the feed that was recorded; a FeedError says why a schema is none of a recording."""
    metadata = schema.metadata or {}
    try:
        said: dict[str, Any] = json.loads(metadata[_FACTS_KEY])
        version, states, facts = said["version"], said["states"], said["facts"]
    except (KeyError, ValueError, TypeError) as error:
        raise FeedError(f"{where}: is an Arrow stream, but no recording of a feed") from error
    if version in _SCHEMAS:
        wanted = None if version == _WITHOUT_CHECKSUMS else hashlib.sha256(metadata[_FACTS_KEY]).hexdigest().encode()
        if metadata.get(_FACTS_CHECKSUM_KEY) != wanted:
            raise FeedError(f"{where}: is damaged: the facts of the feed do not have their checksum")
    known = ([*_STATES], {field.name for field in dataclasses.fields(FeedFacts)})
    is_known = version in _SCHEMAS and (states, set(facts)) == known
    if not is_known or not schema.equals(_SCHEMAS[version]):
        raise FeedError(
            f"{where}: is a recording of version {version}, this vpharness reads {RECORDING_VERSION}; use the "
            "vpharness that wrote it"
        )
    return FeedFacts(**facts)


def has_checksums(schema: pa.Schema) -> bool:
    """Return whether the batches of a recording have checksums."""
    return _FACTS_CHECKSUM_KEY in (schema.metadata or {})


class Checksum:
    """The checksum of a recording up to some batch: of its facts, and of all steps in their order."""

    def __init__(self, schema: pa.Schema) -> None:
        """Begin with the facts."""
        self._digest = hashlib.sha256(schema.metadata[_FACTS_KEY])
        self.batches = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Go on behind another batch."""
        lists = batch.column("events")
        self._digest.update(repr(batch.column("complete_to_ns").to_pylist()).encode())
        struct = lists.values
        arrays = (
            batch.column("at_ns"),
            batch.column("state"),
            lists.offsets,
            *(struct.field(place) for place in range(struct.type.num_fields)),
        )
        for array in arrays:
            self._digest.update(np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).tobytes())
        self.batches += 1

    def hexdigest(self) -> str:
        """Return it, in hexadecimal digits."""
        return self._digest.hexdigest()


@dataclass(frozen=True)
class End:
    """The end of a recording: the line after its Arrow stream.

    Attributes:
        stopped: why it stopped before the feed did; None where it goes to the feed's end.
        batches: how many there are.
        checksum: of all of them.
    """

    stopped: str | None
    batches: int
    checksum: str

    def line(self) -> bytes:
        """Return the line, with a checksum of its own."""
        values = dataclasses.asdict(self)
        return b"\n" + json.dumps({"end": values, "sha256": _sum_of(values)}).encode() + b"\n"


def end_in(tail: bytes) -> End | None:
    """Return the end that the last bytes of a file hold; None where they hold none that is whole."""
    try:
        said = json.loads(tail[:-1].rpartition(b"\n")[2])
        values = said["end"]
        return End(**values) if said["sha256"] == _sum_of(values) and tail.endswith(b"\n") else None
    except (ValueError, TypeError, KeyError):
        return None


def _sum_of(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def encoded(steps: Sequence[TimedStep]) -> pa.RecordBatch:
    """Return steps as one batch."""
    events = np.concatenate([step.events for _, step in steps])
    offsets = np.cumsum([0, *(len(step.events) for _, step in steps)], dtype=np.int32)
    struct = pa.StructArray.from_arrays(
        [arrow_array(events[name]) for name in _FIELDS], fields=list(_SCHEMA.field("events").type.value_type)
    )
    completed = [step.complete_to_ns for _, step in steps]
    columns = [
        arrow_array(np.array([at_ns for at_ns, _ in steps], np.int64)),
        _nullable(completed),
        arrow_array(np.array([_STATES.index(step.state) for _, step in steps], np.uint8)),
        pa.ListArray.from_arrays(arrow_array(offsets), struct, type=_SCHEMA.field("events").type),
    ]
    return pa.record_batch(columns, schema=_SCHEMA)


def _nullable(values: Sequence[int | None]) -> pa.Array:
    known = np.packbits([value is not None for value in values], bitorder="little")
    numbers = np.array([value or 0 for value in values], np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [pa.py_buffer(known), pa.py_buffer(numbers)])


def decoded_steps(batch: pa.RecordBatch) -> Iterator[TimedStep]:
    """Yield the steps of a batch."""
    lists = batch.column("events")
    events, offsets = _events(lists.values), lists.offsets.to_numpy()
    times, completed = batch.column("at_ns").to_numpy(), batch.column("complete_to_ns").to_pylist()
    states = batch.column("state").to_numpy()
    for row in range(batch.num_rows):
        step = FeedStep(events[offsets[row] : offsets[row + 1]], completed[row], _STATES[states[row]])
        yield int(times[row]), step


def _events(struct: pa.StructArray) -> NDArray[np.void]:
    events = np.zeros(len(struct), EVENT_DTYPE)
    for field in struct.type:
        events[field.name] = struct.field(field.name).to_numpy()
    return events
