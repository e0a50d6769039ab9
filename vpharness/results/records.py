"""What the store keeps of a run: a row for it, a row for each candidate, and the candidates' fires."""

import dataclasses
import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa

from vpharness.campaigns.execute import RunOutcome
from vpharness.campaigns.spec import RunSpec
from vpharness.evaluation import Figures
from vpharness.results.store import CANDIDATES, FIRES, META, Store, append, read

DONE: Final = "done"
FAILED: Final = "failed"

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
    ]
)
_FIGURE_TYPES: Final = {int: pa.int64(), float: pa.float64()}
CANDIDATE_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "signal", "dataset_id", "threshold_label")),
        ("threshold", pa.float64()),
        ("p_value", pa.float64()),
        ("lacks", pa.string()),
        *((field.name, _FIGURE_TYPES[field.type]) for field in dataclasses.fields(Figures)),  # type: ignore[index]  # int or float
    ]
)
"""Figures are those of the part that was judged; the test part's are worked out only when they are asked for."""

FIRES_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "dataset_id", "fires_digest")),
        ("fires", pa.list_(pa.int64())),  # direction * (bin + 1), the whole span
    ]
)


@dataclasses.dataclass(frozen=True)
class Labels:
    """What a user calls a run."""

    experiment: str = ""
    campaign: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


def save_outcome(store: Store, outcomes: Sequence[RunOutcome], labels: Labels) -> None:
    """Add finished runs to the store, in one part a table."""
    fires, candidates, meta = [], [], []
    for outcome in outcomes:
        spec = outcome.spec
        shared = {"run_id": spec.run_id, "dataset_id": spec.dataset.manifest.dataset_id}
        for candidate in outcome.candidates:
            keys = {**shared, "candidate_id": candidate.candidate_id}
            found = candidate.evaluation.fires
            fires.append({**keys, "fires_digest": str(found.digest), "fires": found.signed().tolist()})
            candidates.append(
                {
                    **keys,
                    "signal": spec.signal.name,
                    "threshold_label": candidate.label,
                    "threshold": candidate.evaluation.threshold,
                    "p_value": candidate.judgement.p_value,
                    "lacks": "; ".join(candidate.judgement.lacks),
                    **dataclasses.asdict(candidate.judgement.figures),
                }
            )
        meta.append(_meta(spec, labels, DONE, "", outcome.judged_part, outcome.seconds))
    append(store, FIRES, fires, FIRES_SCHEMA)
    append(store, CANDIDATES, candidates, CANDIDATE_SCHEMA)
    append(store, META, meta, META_SCHEMA)


def save_failure(store: Store, spec: RunSpec, labels: Labels, error: str) -> None:
    """Add a run that failed."""
    append(store, META, [_meta(spec, labels, FAILED, error, "", 0.0)], META_SCHEMA)


def finished_runs(store: Store) -> set[str]:
    """Return the ids of the runs that need not be carried out again."""
    return {row["run_id"] for row in read(store, META, ["run_id", "status"]) if row["status"] == DONE}


def _meta(spec: RunSpec, labels: Labels, status: str, error: str, judged_part: str, seconds: float) -> dict[str, Any]:
    manifest = spec.dataset.manifest
    return {
        "run_id": spec.run_id,
        "status": status,
        "error": error,
        "signal": spec.signal.name,
        "signal_target": spec.signal_target,
        "dataset_id": manifest.dataset_id,
        "dataset_checksum": spec.dataset_checksum,
        "identity": json.dumps(spec.identity, sort_keys=True),
        "judged_part": judged_part,
        "experiment": labels.experiment,
        "campaign": labels.campaign,
        "tags": json.dumps(labels.tags, sort_keys=True),
        "vpharness_version": version("vpharness"),
        "created_ns": time.time_ns(),
        "bins": manifest.bins,
        "cell_width_ms": manifest.cell_width_ms,
        "seconds": seconds,
    }
