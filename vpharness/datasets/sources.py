"""The source of a dataset's events, recorded in a file of its own, because a dataset contains no paths.

A dataset's manifest holds its source by content: parameters, and files by their SHA-256. Whoever wants its events
again must know where these files lie. That may change, so it is no part of the immutable folder.
"""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vpharness.datasets.lake import Lake
from vpharness.errors import DatasetError
from vpharness.storage.durable import replace_file

if TYPE_CHECKING:
    from vpharness.events.event_source import Source

TARGET: Final = "_target_"


def source_values(source: "Source") -> dict[str, Any] | None:
    """Return a source as configuration values: `_target_` and parameters, paths made absolute.

    None where it holds more than a configuration can say.
    """
    if not dataclasses.is_dataclass(source):
        return None
    names = [field.name for field in dataclasses.fields(source)]
    values = {name: _absolute(name, getattr(source, name)) for name in names}
    try:
        json.dumps(values)
    except TypeError:
        return None
    return {TARGET: f"{type(source).__module__}.{type(source).__qualname__}", **values}


def note_source(lake: Lake, content_id: str, source: "Source") -> None:
    """Record where the source of a dataset lies, if a configuration can express it.

    Raises DatasetError where the lake cannot be written.
    """
    values = source_values(source)
    if values is None:
        return
    text = json.dumps(values, indent=1) + "\n"
    path = lake.sources / f"{content_id}.json"
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
    except OSError as error:
        raise DatasetError(f"cannot note the source of a dataset in {path}: {error.strerror}") from error


def renew_note(lake: Lake, content_id: str, source: "Source") -> bool:
    """Record where the source of a dataset lies now; a lake that may only be read keeps what it has recorded.

    Return whether that is another place than was recorded.
    """
    before = None
    with contextlib.suppress(DatasetError):  # a damaged note is written anew
        before = noted_source(lake, content_id)
    with contextlib.suppress(DatasetError):
        note_source(lake, content_id, source)
        return before is not None and before != noted_source(lake, content_id)
    return False


def noted_source(lake: Lake, content_id: str) -> dict[str, Any] | None:
    """Return the recorded source of a dataset, `_target_` and parameters; None where there is no record.

    Raises DatasetError where the note cannot be read.
    """
    path = lake.sources / f"{content_id}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}; remove it, and give source= and its keys") from error
    if not isinstance(values, dict) or not isinstance(values.get(TARGET), str):
        raise DatasetError(f"{path} names no {TARGET}; remove it, and give source= and its keys")
    return values


def _absolute(name: str, value: Any) -> Any:
    """Return a parameter's value as it holds from any working folder."""
    if name != "path" and not name.endswith("_path"):
        return value
    if isinstance(value, list | tuple):
        return [_absolute(name, each) for each in value]
    return str(Path(value).expanduser().resolve()) if isinstance(value, str) else value
