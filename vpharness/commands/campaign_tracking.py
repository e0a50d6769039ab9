"""Tracking a campaign in MLflow and drawing its pictures while it goes on, in a process of their own."""

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from vpharness.campaigns.mlflow_runs import tracked_campaign, tracked_run
from vpharness.campaigns.run_folder import FIGURE_FILE, folder_of
from vpharness.campaigns.runner import CampaignProgress
from vpharness.commands.campaign_summary import PlannedCampaign, Tracked
from vpharness.errors import TrackingError
from vpharness.results.plots import PlotWriter
from vpharness.results.table_schemas import rows_of_runs
from vpharness.results.tracked_run import TrackedRun, is_tracked
from vpharness.results.tracking_process import TrackingProcess

_AT_ONCE: Final = 200


@contextlib.contextmanager
def campaign_tracking(
    campaign: PlannedCampaign, progress: CampaignProgress, process: TrackingProcess | None
) -> Iterator[Tracked]:
    """Yield what to call for runs that are in the store, and to have a picture drawn.

    Runs that were carried out before without being tracked are tracked as well. A failure of tracking is printed,
    and nothing is lost; where the block is left by an error, the rest is tracked when the campaign is resumed.

    Args:
        campaign: what is tracked.
        progress: says afterwards what came of it.
        process: what tracks it, not begun yet; None where nothing is tracked.
    """
    if process is None:
        yield Tracked(lambda _runs: None, PlotWriter().draw)
        return
    begin = _campaign(campaign, {"jobs": len(campaign.plan.run_ids), "runs": len(campaign.plan.runs)}, {})
    process.begin(campaign.tracking, campaign.settings.outputs, begin)
    for some in _untracked(campaign):
        process.put(some)
    yield Tracked(process.put, process.draw)
    metrics = {
        "runs_done": float(progress.done),
        "runs_failed": float(len(progress.failures)),
        "best_net_pnl_ticks_low": progress.best_low if math.isfinite(progress.best_low) else math.nan,
    }
    try:
        process.close(_campaign(campaign, {}, metrics))
    except TrackingError as error:
        print(f"vpharness: {error}", file=sys.stderr)


def needs_tracking(campaign: PlannedCampaign) -> bool:
    """Whether a campaign has runs that are to be carried out, or done and not tracked yet."""
    if campaign.tracking.kind == "none":
        return False
    return bool(campaign.plan.remaining) or any(True for _ in _untracked(campaign))


def _campaign(campaign: PlannedCampaign, parameters: dict[str, int], metrics: dict[str, float]) -> TrackedRun:
    # A campaign in which nothing could be ranked has no picture.
    artifacts = [FIGURE_FILE] if metrics and campaign.folder.is_dir() else []
    return tracked_campaign(campaign.name, campaign.folder, parameters, metrics, artifacts)


def _untracked(campaign: PlannedCampaign) -> Iterator[Sequence[TrackedRun]]:
    """Yield the runs of a campaign that were done before and not tracked, some at a time."""
    settings, uri = campaign.settings, campaign.tracking.uri_in(campaign.settings.outputs)

    def folder(run_id: str) -> Path:
        return folder_of(settings.outputs, run_id)

    done = [run for run in campaign.plan.runs if run.spec.run_id in campaign.plan.done]
    missing = [run for run in done if not is_tracked(folder(run.spec.run_id), uri)]
    if not missing:
        return
    rows = rows_of_runs(settings.store, [run.spec.run_id for run in missing])
    for start in range(0, len(missing), _AT_ONCE):
        yield [
            tracked_run(run.spec, run.job, rows[run.spec.run_id], folder(run.spec.run_id), campaign.name)
            for run in missing[start : start + _AT_ONCE]
        ]
