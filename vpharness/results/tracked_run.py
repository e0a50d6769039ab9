"""What is tracked of a run, and the note in its folder that says where it is tracked."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpharness.results.tracking_file import file_of_uri
from vpharness.storage.durable import replace_file

TRACKED_FILE: Final = "tracked.json"
"""Written into the folder of a run once it is tracked: where, and under which id."""

DESCRIPTION: Final = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run, in Markdown."""

_PASSWORD: Final = re.compile(r"(//[^/@:]*):[^/@]*@")


def without_password(uri: str) -> str:
    """Return a URI as it may be written down and shown."""
    return _PASSWORD.sub(r"\1:***@", uri)


@dataclass(frozen=True)
class TrackedRun:
    """What is tracked of a run.

    Attributes:
        name: what it is listed as.
        parameters: flat, with dots.
        metrics: name, value and step: thresholds are the steps of a curve.
        tags: beside those that the user gave.
        dataset: its id, digest and place; None where there are several.
        folder: the run folder.
        artifacts: the names of those files in it that are kept with the run.
    """

    name: str
    parameters: Mapping[str, Any]
    metrics: Sequence[tuple[str, float, int]]
    tags: Mapping[str, str]
    dataset: tuple[str, str, str] | None
    folder: str
    artifacts: Sequence[str]


def is_tracked(folder: Path, uri: str) -> bool:
    """Whether the run of a folder is in the tracking store `uri` already."""
    try:
        found = json.loads((folder / TRACKED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(found, dict):
        return False
    return found.get("uri") == without_password(uri) or _moved_along(found, folder, file_of_uri(uri))


def _moved_along(noted: Mapping[str, Any], folder: Path, file: Path | None) -> bool:
    """Whether what was noted in a run's folder is a tracking store that has been moved together with that folder."""
    if file is None or folder.resolve().parents[1] != file.resolve().parent:
        return False
    if "file_in_outputs" in noted:
        return bool(noted["file_in_outputs"] == file.name)
    # Notes of earlier versions have the absolute address alone.
    before = file_of_uri(str(noted.get("uri")))
    return before is not None and before.name == file.name and not before.exists()


def note_tracked(folder: Path, uri: str, mlflow_run_id: str) -> None:
    """Write into a run's folder that it is tracked."""
    noted = {"uri": without_password(uri), "mlflow_run_id": mlflow_run_id}
    file = file_of_uri(uri)
    if file is not None and folder.resolve().parents[1] == file.resolve().parent:
        noted["file_in_outputs"] = file.name
    replace_file(folder / TRACKED_FILE, json.dumps(noted) + "\n", durable=False)  # one that is lost is noted again


def mlflow_run_id(folder: Path) -> str:
    """Return under which id the run of a folder is tracked. Raises OSError where it is not."""
    return str(json.loads((folder / TRACKED_FILE).read_text(encoding="utf-8"))["mlflow_run_id"])
