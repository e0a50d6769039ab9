"""The rows that runs add to the results store."""

import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.campaigns.execute import Candidate, RunFailure, RunOutcome
from vpharness.campaigns.market_identity import market_of
from vpharness.campaigns.run_spec import RunSpec
from vpharness.evaluation import Judgement
from vpharness.results.audits import AuditRecord, audit_rows
from vpharness.results.store import CANDIDATES, EVIDENCE, FIRES, META, Store, TableRows, append
from vpharness.results.table_schemas import (
    DONE,
    EVIDENCE_SCHEMA,
    FAILED,
    FIRES_SCHEMA,
    META_SCHEMA,
    Labels,
    candidate_schema,
    evidence_row,
    market_row,
)


def save(
    store: Store, finished: Sequence[RunOutcome | RunFailure], labels: Labels, audits: Sequence[AuditRecord] = ()
) -> None:
    """Append runs and new audits to the store, one part a table; the row that completes a run comes last."""
    outcomes = [each for each in finished if isinstance(each, RunOutcome)]
    append(
        store,
        audit_rows(audits),
        TableRows(FIRES, [row for outcome in outcomes for row in _fires(outcome)], FIRES_SCHEMA),
        TableRows(EVIDENCE, [row for outcome in outcomes for row in _evidence(outcome)], EVIDENCE_SCHEMA),
        TableRows(CANDIDATES, [row for outcome in outcomes for row in candidate_rows(outcome)], candidate_schema()),
        TableRows(META, [_meta(each, labels) for each in finished], META_SCHEMA),
    )


def candidate_rows(outcome: RunOutcome) -> list[dict[str, Any]]:
    """Return the rows of a run's candidates: what they are, and every figure of the part that was judged."""
    return [
        {
            **_keys(outcome.spec),
            "candidate_id": candidate.candidate_id,
            "signal": outcome.spec.signal.name,
            "threshold_label": candidate.label,
            "threshold": candidate.evaluation.threshold,
            **_judged(candidate.judgement),
        }
        for candidate in outcome.candidates
    ]


def _judged(judgement: Judgement | None) -> dict[str, Any]:
    """Return the judged figures; none where the whole dataset is reserved for the test."""
    if judgement is None:
        return {}
    return {"p_value": judgement.p_value, "lacks": "; ".join(map(str, judgement.lacks)), **vars(judgement.figures)}


def _fires(outcome: RunOutcome) -> list[dict[str, Any]]:
    return [
        {
            **_keys(outcome.spec),
            "candidate_id": candidate.candidate_id,
            "fires_digest": candidate.evaluation.fires.digest,
            "fires": candidate.evaluation.fires.signed(),
            "net_pnl_ticks": _results(candidate, outcome.judged_part),
        }
        for candidate in outcome.candidates
    ]


def _results(candidate: Candidate, judged_part: str) -> NDArray[np.float64]:
    """Return what each fire of the part that was judged earned, ticks; those of the test part stay closed."""
    fires, judged = candidate.evaluation.fires, candidate.evaluation.parts.get(judged_part)
    results = np.full(len(fires), np.nan)
    if judged is not None:
        results[np.searchsorted(fires.bins, judged.outcomes.fires.bins)] = judged.outcomes.net_pnl_ticks
    return results


def _evidence(outcome: RunOutcome) -> list[dict[str, Any]]:
    return [
        {
            **_keys(outcome.spec),
            "candidate_id": candidate.candidate_id,
            **evidence_row(candidate.evaluation.parts[outcome.judged_part].evidence),
        }
        for candidate in outcome.candidates
        if candidate.judgement is not None
    ]


def _keys(spec: RunSpec) -> dict[str, str]:
    return {"run_id": spec.run_id, "dataset_id": spec.dataset.manifest.dataset_id}


def _meta(finished: RunOutcome | RunFailure, labels: Labels) -> dict[str, Any]:
    spec, failed = finished.spec, isinstance(finished, RunFailure)
    manifest = spec.dataset.manifest
    return {
        **_keys(spec),
        "status": FAILED if failed else DONE,
        "error": str(finished.error) if isinstance(finished, RunFailure) else "",
        "signal": spec.signal.name,
        "signal_target": spec.signal_target,
        "dataset_checksum": spec.dataset.checksum,
        "identity": json.dumps(spec.identity, sort_keys=True),
        "judged_part": "" if isinstance(finished, RunFailure) else finished.judged_part,
        "experiment": labels.experiment,
        "campaign": labels.campaign,
        "tags": json.dumps(labels.tags, sort_keys=True),
        "vpharness_version": version("vpharness"),
        "created_ns": time.time_ns(),
        **market_row(market_of(spec.dataset)),
        "first_bin_start_ns": manifest.first_bin_start_ns,
        "bins": manifest.bins,
        "cell_width_ms": manifest.cell_width_ms,
        "seconds": 0.0 if isinstance(finished, RunFailure) else finished.seconds,
    }
