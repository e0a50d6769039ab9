"""What the store keeps of a run: a row for it, a row for each candidate, and the candidates' fires."""

import dataclasses
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import pyarrow as pa

from vpharness.evaluation import Figures
from vpharness.results.store import ADAPTIVE, CANDIDATES, META, Rows, Store, append, read

DONE: Final = "done"
FAILED: Final = "failed"

# `part` names the part that a row was written with: rows of a run that was cut off while its parts were being put in
# place, or that was carried out twice, are told apart by it.
META_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "status", "error", "signal", "signal_target", "dataset_id")),
        *((name, pa.string()) for name in ("dataset_checksum", "identity", "judged_part", "experiment", "campaign")),
        ("tags", pa.string()),
        ("vpharness_version", pa.string()),
        ("created_ns", pa.int64()),
        ("bins", pa.int64()),
        ("cell_width_ms", pa.int64()),
        ("seconds", pa.float64()),
        ("part", pa.string()),
    ]
)
_FIGURE_TYPES: Final = {int: pa.int64(), float: pa.float64()}
CANDIDATE_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "signal", "dataset_id", "threshold_label")),
        ("threshold", pa.float64()),
        ("p_value", pa.float64()),
        ("lacks", pa.string()),
        ("part", pa.string()),
        *((field.name, _FIGURE_TYPES[field.type]) for field in dataclasses.fields(Figures)),  # type: ignore[index]  # int or float
    ]
)
"""Figures are those of the part that was judged; the test part's are worked out only when they are asked for."""

FIRES_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "dataset_id", "fires_digest")),
        ("fires", pa.list_(pa.int64())),  # direction * (bin + 1), the whole span
        ("part", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True)
class Labels:
    """What a user calls a run."""

    experiment: str = ""
    campaign: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


def finished_runs(store: Store) -> set[str]:
    """Return the ids of the runs that need not be carried out again."""
    return {row["run_id"] for row in read(store, META, ["run_id", "status"]) if row["status"] == DONE}


def rows_of_runs(store: Store, run_ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the candidates of finished runs, by run, in the order of their thresholds' places."""
    wanted = set(run_ids)
    parts = {
        row["run_id"]: row["part"] for row in read(store, META, ["run_id", "status", "part"]) if row["status"] == DONE
    }
    found: dict[str, list[dict[str, Any]]] = {run_id: [] for run_id in wanted}
    for row in read(store, CANDIDATES):
        if row["run_id"] in wanted and row["part"] == parts.get(row["run_id"]):
            found[row["run_id"]].append(row)
    return found


CAMPAIGNS_SCHEMA: Final = pa.schema(
    [
        ("campaign", pa.string()),
        ("created_ns", pa.int64()),
        ("words", pa.list_(pa.string())),
        ("run_ids", pa.list_(pa.string())),
    ]
)
"""One row each time that a campaign has been begun: what was typed, and the runs of its plan."""

ADAPTIVE_SCHEMA: Final = pa.schema([("run_id", pa.string()), ("created_ns", pa.int64())])
"""One row for each run whose values were chosen by looking at what earlier runs came to."""


def mark_adaptive(store: Store, run_ids: Sequence[str]) -> None:
    """Write down, before they are carried out, that runs were chosen by an adaptive search: that is for good."""
    now_ns = time.time_ns()
    rows = [{"run_id": run_id, "created_ns": now_ns} for run_id in run_ids]
    append(store, Rows(ADAPTIVE, rows, ADAPTIVE_SCHEMA))


VIEWS_SCHEMA: Final = pa.schema([("candidate_id", pa.string()), ("opened_ns", pa.int64())])
"""One row each time that the test part of a candidate has been opened."""

AUDITS_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("signal_target", "signal_digest", "dataset_id", "dataset_checksum")),
        ("parameters", pa.string()),  # those that scores depend on, as JSON
        ("passed", pa.bool_()),
        ("failed", pa.string()),  # what was found; empty where it passed
        ("memory_bins", pa.int64()),  # null where the signal is not shown to forget where the data began
        ("kind", pa.string()),  # quick or full
        ("vpharness_version", pa.string()),
        ("created_ns", pa.int64()),
    ]
)
"""One row for each audit: the quick one of the first run of a signal on a dataset, and each that was asked for."""
