"""Walk-forward in MLflow: settings, figures and pictures of a procedure as one run."""

import sys
from pathlib import Path
from typing import Final

from vpharness.commands.text.walk_forward_tables import headline, step_rows
from vpharness.errors import ResultsError, TrackingError
from vpharness.results.report.charts import painted
from vpharness.results.report.walk_forwards import pictures_of
from vpharness.results.tracked_run import TrackedRun
from vpharness.results.tracking import Tracking, TrackingParameters
from vpharness.results.walk_forward.judged import WalkForward
from vpharness.results.walk_forward.summary import values_of

FOLDER: Final = "walk_forward"
_SETTINGS: Final = ("campaign", "collection", "dataset_id", "signal", "train", "step", "segments")
_CURVES: Final = ("net_pnl_ticks", "net_total_ticks", "n_net", "in_sample_net_pnl_ticks", "in_sample_net_pnl_ticks_low")
_DOTS_PER_INCH: Final = 110


def track(found: WalkForward, tracking: TrackingParameters, outputs: Path) -> None:
    """Track a procedure, with its pictures in a folder of the outputs; a failure is printed, and nothing is lost."""
    try:
        Tracking(tracking, outputs).log(tracked(found, outputs / FOLDER / found.procedure.id))
    except TrackingError as error:
        print(f"vpharness: {error}", file=sys.stderr)


def tracked(found: WalkForward, folder: Path) -> TrackedRun:
    """Return the MLflow record of a procedure: steps are the steps of its curves."""
    values = values_of(found)
    metrics = [
        (name, float(value), 0)
        for name, value in values.items()
        if name not in _SETTINGS and isinstance(value, int | float)
    ]
    metrics += [
        (f"step_{name}", float(row[name]), int(row["step"]))
        for row in step_rows(found)
        for name in _CURVES
        if row[name] is not None
    ]
    return TrackedRun(
        name=f"walk-forward {found.procedure.id}",
        parameters={name: values[name] for name in _SETTINGS if values[name] is not None},
        metrics=metrics,
        tags={
            "kind": "walk_forward",
            "procedure_id": found.procedure.id,
            "mlflow.note.content": headline(found),
            **({"campaign": found.procedure.campaign} if found.procedure.campaign else {}),
        },
        dataset=None,
        folder=str(folder),
        artifacts=_pictures(found, folder),
    )


def _pictures(found: WalkForward, folder: Path) -> list[str]:
    """Draw the pictures of a procedure into its folder, as the report has them; return their names."""
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, _, _, height, paint in pictures_of(found):
            painted(height, paint).savefig(folder / f"{name}.png", dpi=_DOTS_PER_INCH)
            names.append(f"{name}.png")
    except OSError as error:
        raise ResultsError(f"cannot write pictures to {folder}: {error.strerror or error}") from error
    return names
