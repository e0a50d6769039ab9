"""Telling MLflow of a campaign while it goes on."""

import contextlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from vpharness.campaigns.carry_out import Progress
from vpharness.campaigns.run_folder import folder_of
from vpharness.campaigns.tracked import tracked_campaign, tracked_run
from vpharness.errors import TrackingError
from vpharness.results.records import rows_of_runs
from vpharness.results.tracking import TrackedRun, is_tracked
from vpharness.results.tracking_process import TrackingProcess
from vpharness.tasks.campaign_end import Campaign, Tracked


@contextlib.contextmanager
def campaign_tracking(campaign: Campaign, progress: Progress) -> Iterator[Tracked]:
    """Yield what to call for each run that is in the store and each figure that has been drawn.

    Runs that were carried out before without being tracked are tracked as well. Where tracking fails it is said, and
    nothing is lost; where the block is left by an error, what is not tracked yet will be when the campaign is resumed.
    """
    if campaign.tracking.kind == "none":
        yield Tracked(lambda _run: None, lambda _folder: None)
        return
    begin = _campaign(campaign, {"jobs": len(campaign.plan.run_ids), "runs": len(campaign.plan.runs)}, {})
    process = TrackingProcess(campaign.tracking, campaign.settings.outputs, begin)
    try:
        for run in _untracked(campaign):
            process.put(run)
        yield Tracked(process.put, process.put_figure)
    except BaseException:
        process.kill()
        raise
    metrics = {
        "runs_done": float(progress.done),
        "runs_failed": float(len(progress.failures)),
        "best_net_pnl_ticks_low": progress.best_low if math.isfinite(progress.best_low) else math.nan,
    }
    try:
        process.close(_campaign(campaign, {}, metrics))
    except TrackingError as error:
        print(f"vpharness: {error}", file=sys.stderr)


def _campaign(campaign: Campaign, parameters: dict[str, int], metrics: dict[str, float]) -> TrackedRun:
    artifacts = [path.name for path in sorted(campaign.folder.glob("*.png"))] if metrics else []
    return tracked_campaign(campaign.name, campaign.folder, parameters, metrics, artifacts)


def _untracked(campaign: Campaign) -> Iterator[TrackedRun]:
    """Yield the runs of a campaign that were done before and not tracked."""
    settings, uri = campaign.settings, campaign.tracking.uri_in(campaign.settings.outputs)

    def folder(run_id: str) -> Path:
        return folder_of(settings.outputs, run_id)

    done = [run for run in campaign.plan.runs if run.spec.run_id in campaign.plan.done]
    missing = [run for run in done if not is_tracked(folder(run.spec.run_id), uri)]
    if not missing:
        return
    rows = rows_of_runs(settings.store, [run.spec.run_id for run in missing])
    for run in missing:
        run_id = run.spec.run_id
        yield tracked_run(run.spec, run.job, rows[run_id], folder(run_id), campaign.name)
