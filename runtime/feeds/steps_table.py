"""The steps of a feed as a table in an Arrow IPC stream: one row a step, its events in a list.

A stream is written batch by batch, and what is there of it can be read at any time, by any reader of Arrow, up to the
last whole batch. The facts of the feed stand as JSON in the schema's metadata.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.feeds.feed import FeedFacts, FeedStep, State
from vpharness.arrow import arrow_array
from vpharness.errors import FeedError
from vpharness.events.schema import EVENT_DTYPE

RECORDING_VERSION: Final = 1
"""Raised when older code could no longer read what is written."""

_FACTS_KEY: Final = b"vpharness.feed"
_FIELDS: Final = EVENT_DTYPE.names or ()
_EVENT: Final = pa.struct([pa.field(name, pa.from_numpy_dtype(EVENT_DTYPE[name]), nullable=False) for name in _FIELDS])
_SCHEMA: Final = pa.schema(
    [
        pa.field("at_ns", pa.int64(), nullable=False),  # when it was handed out, since the recording began
        pa.field("complete_to_ns", pa.int64()),
        pa.field("state", pa.uint8(), nullable=False),  # its place among the states
        pa.field("events", pa.list_(pa.field("event", _EVENT, nullable=False)), nullable=False),
    ]
)
_STATES: Final[tuple[State, ...]] = get_args(State)

TimedStep = tuple[int, FeedStep]
"""A step, and when it was handed out, in ns since the recording began."""


def schema_of(facts: FeedFacts) -> pa.Schema:
    """Return the schema of a recording."""
    text = json.dumps({"version": RECORDING_VERSION, "states": _STATES, "facts": dataclasses.asdict(facts)})
    return _SCHEMA.with_metadata({_FACTS_KEY: text.encode()})


def facts_of(schema: pa.Schema, where: str) -> FeedFacts:
    """Return the facts of the feed that was recorded; a FeedError says why a schema is none of a recording."""
    try:
        said: dict[str, Any] = json.loads((schema.metadata or {})[_FACTS_KEY])
        version, states, facts = said["version"], said["states"], said["facts"]
    except (KeyError, ValueError, TypeError) as error:
        raise FeedError(f"{where}: is an Arrow stream, but no recording of a feed") from error
    known = (RECORDING_VERSION, [*_STATES], {field.name for field in dataclasses.fields(FeedFacts)})
    if (version, states, set(facts)) != known or not schema.equals(_SCHEMA):
        raise FeedError(
            f"{where}: is a recording of version {version}, this vpharness reads {RECORDING_VERSION}; use the "
            "vpharness that wrote it"
        )
    return FeedFacts(**facts)


def encoded(steps: Sequence[TimedStep]) -> pa.RecordBatch:
    """Return steps as one batch."""
    events = np.concatenate([step.events for _, step in steps])
    offsets = np.cumsum([0, *(len(step.events) for _, step in steps)], dtype=np.int32)
    struct = pa.StructArray.from_arrays([arrow_array(events[name]) for name in _FIELDS], fields=list(_EVENT))
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


def decoded(batch: pa.RecordBatch) -> Iterator[TimedStep]:
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
    for name in _FIELDS:
        events[name] = struct.field(name).to_numpy()
    return events
