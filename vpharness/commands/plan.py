"""The command `plan`: the runs of a multirun, which of them are done, and the cost of the rest."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from vpharness.campaigns.plan import CampaignPlan, Variant

SCORE_BYTES_A_BIN: Final = 12
_KNOWN_ONCE_BUILT: Final = ("distinct_runs", "done_already", "to_run", "distinct_scores", "candidates")
_MEGABYTES: Final = "megabytes_of_scores"


def print_plan(plan: CampaignPlan, unknown: int, unbuilt: Sequence[Variant], *, as_json: bool) -> None:
    """Print the runs of a plan, which of them are done, and the cost of the rest.

    What depends on datasets that are not built yet is unknown (null in JSON) where there are no others, and of the
    others alone where there are some.

    Args:
        plan: the runs on datasets that are there.
        unknown: the jobs on datasets that are not built yet.
        unbuilt: those datasets.
        as_json: print JSON instead of text.
    """
    facts = _facts(plan, unknown, unbuilt)
    if as_json:
        runs = [{"run_id": run.spec.run_id, "words": run.job.words} for run in plan.runs]
        print(json.dumps({**facts, "runs": runs}, indent=1))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        text = "unknown until the dataset is built" if value is None else f"{value:,}"
        if unknown and value is not None and name in (*_KNOWN_ONCE_BUILT, _MEGABYTES):
            text += ", and those on datasets that are not built yet"
        print(f"{name.replace('_', ' '):<{width}}  {text}")
    by_group = Counter(
        (group.dataset.manifest.dataset_id, group.runs[0].spec.signal.name, len(group.runs)) for group in plan.groups()
    )
    for dataset_id, name, runs_of_group in by_group:
        print(f"  {runs_of_group:,} runs of {name} on {dataset_id}")


def _facts(plan: CampaignPlan, unknown: int, unbuilt: Sequence[Variant]) -> dict[str, Any]:
    remaining, groups = plan.remaining, plan.groups()
    scores = {(run.spec.dataset.path, run.spec.score_key) for run in remaining}
    candidates = {candidate_id for run in plan.runs if not run.spec.is_test for candidate_id in run.spec.candidate_ids}
    bins = sum(run.spec.dataset.manifest.bins for run in remaining)
    facts: dict[str, Any] = {
        "jobs": len(plan.run_ids) + unknown,
        "distinct_runs": len(plan.runs),
        "done_already": len(plan.done),
        "to_run": len(remaining),
        "to_run_on_datasets_not_built_yet": unknown,
        "datasets_to_build": len(unbuilt),
        "datasets_to_read": len({group.dataset.path for group in groups}),
        "signals_to_compile": len({group.signal_target for group in groups}),
        "distinct_scores": len(scores),
        "candidates": len(candidates),
        _MEGABYTES: round(bins * SCORE_BYTES_A_BIN / 2**20, 1),
    }
    if unknown and not plan.runs:
        facts |= dict.fromkeys((*_KNOWN_ONCE_BUILT, "datasets_to_read", "signals_to_compile", _MEGABYTES))
    return facts
