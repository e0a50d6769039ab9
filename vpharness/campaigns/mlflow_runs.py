"""The parameters, metrics, tags and artifacts that MLflow records of a run and of a campaign."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vpharness.campaigns.plan import Job
from vpharness.campaigns.run_folder import CARD_FILE, CONFIG_FILE, FIGURE_FILE
from vpharness.campaigns.run_spec import RunSpec
from vpharness.results.tracked_run import TrackedRun

_CURVES: Final = (
    "threshold",
    "net_pnl_ticks",
    "net_pnl_ticks_low",
    "net_pnl_ticks_high",
    "p_value",
    "tp_rate",
    "tp_rate_low",
    "tp_rate_high",
    "mean_pnl_ticks",
    "n_net",
    "n_signals",
    "events_per_hour",
)
"""The figures that become curves over the thresholds; all of them stand in the results store."""


def tracked_run(spec: RunSpec, job: Job, rows: Sequence[Mapping[str, Any]], folder: Path, campaign: str) -> TrackedRun:
    """Return the MLflow record of a run: its configuration and its candidates' figures, as stored."""
    manifest = spec.dataset.manifest
    chosen = {name: job.config[name] for name in ("signal", "eval", "split")}
    files = (CONFIG_FILE, CARD_FILE, FIGURE_FILE)
    return TrackedRun(
        name=f"{spec.signal.name} {spec.run_id}",
        parameters={**dict(flat(chosen)), "dataset.id": manifest.dataset_id},
        metrics=[
            (name, float(row[name]), step)
            for step, row in enumerate(rows)
            for name in _CURVES
            if row.get(name) is not None and not math.isnan(row[name])
        ],
        tags={
            "run_id": spec.run_id,
            "signal": spec.signal.name,
            "code_digest": spec.identity["code"]["signal_digest"],
            **({"campaign": campaign} if campaign else {}),
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
        tags={"campaign": name, "kind": "campaign"},
        dataset=None,
        folder=str(folder),
        artifacts=artifacts,
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, their keys joined with dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
