"""The query of a client that opens the stream, parsed and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from vpharness.errors import ConfigError
from vpharness.lattice.columns import GRID_COLUMNS

QUERY_KEYS: Final = ("feed", "fields", "history", "from_seq", "stream", "threshold")
"""The keys of a query beside `signal.PARAMETER`."""

_SIGNAL: Final = "signal."
_LARGEST_SEQ: Final = 2**53


@dataclass(frozen=True)
class StreamQuery:
    """A parsed query.

    Attributes:
        fields: the grid columns of the client's binary frames; without any it is sent no frames; None for all columns.
        history: how many past bins are sent first.
        from_seq: the first bin that the client has not got, of the stream `stream`; None where it does not resume.
        stream: the id of the stream that it was connected to.
        parameters: overrides of the signal's parameters by name, as texts.
        threshold: an override of the threshold.
        feed: the name of the feed whose stream it is; None for the only one, or the first.
    """

    fields: tuple[str, ...] | None = None
    history: int = 0
    from_seq: int | None = None
    stream: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None
    feed: str | None = None


def parse_query(text: str, most_bytes: int, most_history: int) -> StreamQuery:
    """Return a query, parsed and checked.

    Of a history longer than the buffer there is as much as that has. Raises ConfigError where the query is too long,
    has a key that there is not, or one twice, or a value out of range.
    """
    if len(text) > most_bytes:
        raise ConfigError(f"the query has {len(text)} bytes; at most {most_bytes} are read")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=64, errors="strict")
    except ValueError as error:
        raise ConfigError(f"the query cannot be read: {error}") from error
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ConfigError("a key stands twice in the query; give each once")
    parameters = {key.removeprefix(_SIGNAL): values.pop(key) for key in list(values) if key.startswith(_SIGNAL)}
    unknown = [key for key in values if key not in QUERY_KEYS]
    if unknown:
        raise ConfigError(
            f"{unknown[0]!r} is not a key here; the keys are {', '.join(QUERY_KEYS)}, and signal.PARAMETER"
        )
    return StreamQuery(
        fields=_fields(values.get("fields")),
        history=min(_whole(values, "history", _LARGEST_SEQ) or 0, most_history),
        from_seq=_whole(values, "from_seq", _LARGEST_SEQ),
        stream=values.get("stream"),
        parameters=parameters,
        threshold=_threshold(values.get("threshold")),
        feed=values.get("feed"),
    )


def _fields(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names: Sequence[str] = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in GRID_COLUMNS]
    if unknown:
        raise ConfigError(f"fields names {unknown[0]!r}; the columns are {', '.join(GRID_COLUMNS)}")
    if len(set(names)) < len(names):
        raise ConfigError("fields names a column twice; name each once")
    return tuple(names)


def _whole(values: Mapping[str, str], key: str, most: int) -> int | None:
    text = values.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise ConfigError(f"{key} is {text[:40]!r}; it must be a whole number from 0 to {most}")
    return int(text)


def _threshold(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"threshold is {text[:40]!r}; it must be a number above 0")
    return value
