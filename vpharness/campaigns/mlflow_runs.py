"""The parameters, metrics, tags and artifacts that MLflow records of a run and of a campaign."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vpharness.board_address import board_note
from vpharness.campaigns.campaign_plan import Job
from vpharness.campaigns.run_folder import CARD_FILE, CONFIG_FILE, FIGURE_FILE
from vpharness.campaigns.run_spec import RunSpec
from vpharness.evaluation import shown_figures
from vpharness.evaluation.figure_registry import MLFLOW
from vpharness.results.tracked_run import DESCRIPTION, TrackedRun


def curves() -> tuple[str, ...]:
    """Return the columns of the results store that become curves over the thresholds."""
    figures = (name for each in shown_figures(MLFLOW) for name in each.names)
    return ("threshold", "p_value", *figures)


def tracked_run(spec: RunSpec, job: Job, rows: Sequence[Mapping[str, Any]], folder: Path, campaign: str) -> TrackedRun:
    """Return the MLflow record of a run: the values in effect, and its candidates' figures, as stored.

    Where the configuration leaves a value to a default, such as `eval.max_hold_bins`, it is the one that was used.
    """
    manifest = spec.dataset.manifest
    chosen = {
        "signal": {**job.config["signal"], **dataclasses.asdict(spec.parameters)},
        "eval": dataclasses.asdict(spec.resolved),
        "split": dataclasses.asdict(spec.split.normalised()),
    }
    files = (CONFIG_FILE, CARD_FILE, FIGURE_FILE)
    return TrackedRun(
        name=f"{spec.signal.name} {spec.run_id}",
        parameters={**dict(flat(chosen)), "dataset.id": manifest.dataset_id},
        metrics=[
            (name, float(row[name]), step)
            for step, row in enumerate(rows)
            for name in curves()
            if row.get(name) is not None and not math.isnan(row[name])
        ],
        tags={
            "run_id": spec.run_id,
            "signal": spec.signal.name,
            "code_digest": spec.identity["code"]["signal_digest"],
            **({"campaign": campaign} if campaign else {}),
            **_note_of_run(rows),
        },
        dataset=(manifest.dataset_id, spec.dataset.checksum, str(spec.dataset.path)),
        folder=str(folder),
        artifacts=[name for name in files if (folder / name).exists()],
    )


def tracked_campaign(
    name: str, folder: Path, parameters: Mapping[str, Any], metrics: Mapping[str, float], artifacts: Sequence[str] = ()
) -> TrackedRun:
    """Return the MLflow record of a campaign: the parent of its runs."""
    return TrackedRun(
        name=name,
        parameters=parameters,
        metrics=[(key, value, 0) for key, value in metrics.items() if not math.isnan(value)],
        tags={"campaign": name, "kind": "campaign", DESCRIPTION: board_note("this campaign", "campaign", name=name)},
        dataset=None,
        folder=str(folder),
        artifacts=artifacts,
    )


def _note_of_run(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the tag that leads to the candidate with the highest lower end of its net interval; none without one."""
    known = [row for row in rows if row.get("candidate_id")]
    if not known:
        return {}
    best = max(known, key=_low)
    label = f"the candidate at {best['threshold_label']}" if "threshold_label" in best else "its best candidate"
    return {DESCRIPTION: board_note(label, "candidate", id=best["candidate_id"])}


def _low(row: Mapping[str, Any]) -> float:
    low = row.get("net_pnl_ticks_low")
    return -math.inf if low is None or math.isnan(low) else float(low)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, their keys joined with dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
