"""Adding runs to the results store."""

import dataclasses
import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from vpharness.campaigns.execute import RunOutcome
from vpharness.campaigns.spec import RunSpec
from vpharness.results.records import CANDIDATE_SCHEMA, DONE, FAILED, FIRES_SCHEMA, META_SCHEMA, Labels
from vpharness.results.store import CANDIDATES, FIRES, META, Store, append


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
