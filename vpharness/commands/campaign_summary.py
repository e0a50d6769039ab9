"""The results of a campaign: figures, a table, JSON."""

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.campaigns.campaign_plan import CampaignPlan, PlannedRun
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.run_folder import FIGURE_FILE, folder_of, picture_of
from vpharness.campaigns.runner import CampaignProgress, RunnerSettings
from vpharness.commands.ledger_access import readable_ledger
from vpharness.commands.run import print_tracking
from vpharness.commands.text.rankings import print_ranking, rows_of
from vpharness.config.lake_of_command import lake_key
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.results.plots import CampaignPlot, Plot
from vpharness.results.ranking import Ranked, best_lows
from vpharness.results.remembered_rankings import ranked_before
from vpharness.results.table_schemas import rows_of_runs
from vpharness.results.tracked_run import TrackedRun
from vpharness.results.tracking import TrackingParameters
from vpharness.storage.durable import replace_file

SHOWN: Final = 20
DRAWN: Final = 10
PICTURED: Final = 40
_DRAWN_FILE: Final = ".figure.sha256"
"""Beside a campaign's figure: the digest of what it shows."""
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


@dataclass(frozen=True)
class PlannedCampaign:
    """A plan that is about to be carried out."""

    name: str
    plan: CampaignPlan
    settings: RunnerSettings
    lake: Lake
    tracking: TrackingParameters
    as_json: bool

    def __post_init__(self) -> None:
        """Check the name, which is also that of a folder."""
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"campaign is {self.name!r}; expected up to 100 letters, digits, points, dashes and underscores"
            )

    @property
    def folder(self) -> Path:
        """Where its figure goes."""
        return self.settings.outputs / "campaigns" / self.name


@dataclass(frozen=True)
class Tracked:
    """The functions that track runs in the store, and that draw a figure to a file."""

    put: Callable[[Sequence[TrackedRun]], None]
    draw: Callable[[Plot, Path], None]


def conclude(campaign: PlannedCampaign, progress: CampaignProgress, tracked: Tracked) -> dict[str, float]:
    """Rank a campaign's candidates within the whole ledger, draw the best, and print the results.

    Returns the highest lower end of the net interval of each run, ticks.
    """
    plan = campaign.plan
    runs = {run.spec.run_id: run for run in plan.runs}
    ledger = readable_ledger(campaign.settings.store, campaign.lake)
    ranked = ranked_before(campaign.settings.store, ledger)
    mine = [each for each in ranked if not runs.keys().isdisjoint(each.candidate.run_ids)]
    best = _best_runs(mine, runs)
    _draw(campaign, mine, best, tracked)
    if campaign.as_json:
        rows = rows_of(mine, campaign.lake)
        facts = {"campaign": campaign.name, "folder": str(campaign.folder), **_counts(plan, progress)}
        print(json.dumps({**facts, "failures": progress.failures, "candidates": rows}, indent=1))
    else:
        print_ranking(mine, lake=campaign.lake, most=SHOWN, ledger=ledger)
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in _counts(plan, progress).items())
        print(f"\ncampaign {campaign.name}: {counts}; {len(mine):,} candidates")
        print(f"figures: {campaign.folder}")
        print_tracking(campaign.tracking, campaign.settings.outputs)
        key = lake_key(campaign.lake)
        print(
            f"all of it: python -m vpharness compare{key} campaign={campaign.name}, or python -m vpharness board{key}"
        )
    return best_lows(mine)


def _counts(plan: CampaignPlan, progress: CampaignProgress) -> dict[str, int]:
    return {
        "jobs": len(plan.run_ids),
        "distinct_runs": len(plan.runs),
        "done_before": len(plan.done),
        "done_now": progress.done - len(progress.failures),
        "failed": len(progress.failures),
    }


def _best_runs(ranked: Sequence[Ranked], runs: dict[str, PlannedRun]) -> list[PlannedRun]:
    """Return the runs that the best candidates come from."""
    ids = dict.fromkeys(run_id for each in ranked for run_id in each.candidate.run_ids if run_id in runs)
    return [runs[run_id] for run_id in ids if not runs[run_id].spec.is_test][:DRAWN]


def _draw(campaign: PlannedCampaign, ranked: Sequence[Ranked], best: Sequence[PlannedRun], tracked: Tracked) -> None:
    """Draw the campaign, and each of its best runs that has not been drawn yet."""
    if not ranked:
        return
    campaign.folder.mkdir(parents=True, exist_ok=True)
    _draw_campaign(_picture(campaign.name, ranked), campaign.folder, tracked)
    rows = rows_of_runs(campaign.settings.store, [run.spec.run_id for run in best])
    caches: dict[Path, DatasetCache] = {}
    for run in best:
        folder = folder_of(campaign.settings.outputs, run.spec.run_id)
        if (folder / FIGURE_FILE).exists():
            continue
        path = run.spec.dataset.path
        caches[path] = cache = caches.get(path) or DatasetCache.of(run.spec.dataset)
        picture = picture_of(run.spec, cache.view, cache.bin_seq, rows[run.spec.run_id], folder)
        tracked.draw(picture, folder / FIGURE_FILE)


def _draw_campaign(picture: CampaignPlot, folder: Path, tracked: Tracked) -> None:
    """Draw a campaign, unless the figure that is there shows the same."""
    digest = hashlib.sha256(json.dumps(vars(picture), sort_keys=True).encode()).hexdigest()
    figure, noted = folder / FIGURE_FILE, folder / _DRAWN_FILE
    with contextlib.suppress(OSError, UnicodeDecodeError):
        # Noted before it is drawn: a figure that is older was never drawn.
        if figure.stat().st_mtime_ns >= noted.stat().st_mtime_ns and noted.read_text(encoding="utf-8") == digest:
            return
    replace_file(noted, digest)
    tracked.draw(picture, figure)


def _picture(title: str, ranked: Sequence[Ranked]) -> CampaignPlot:
    """Return the picture of the first of those candidates that have an interval."""
    shown = [each for each in ranked if math.isfinite(each.judgement.figures.net_pnl_ticks_low)][:PICTURED]
    figures = [each.judgement.figures for each in shown]
    return CampaignPlot(
        title,
        [_named(each) for each in shown],
        [f.net_pnl_ticks_low for f in figures],
        [f.net_pnl_ticks for f in figures],
        [f.net_pnl_ticks_high for f in figures],
        [each.winner for each in shown],
    )


def _named(ranked: Ranked) -> str:
    first = ranked.candidate.first
    unranked = "adaptive" if ranked.candidate.adaptive else "too little data"
    adjusted = unranked if ranked.p_adjusted is None else f"p adj. {ranked.p_adjusted:.3f}"
    return f"{first.signal} at {first.threshold_label}, {ranked.candidate.candidate_id[:6]}, {adjusted}"
