"""The command `audit`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vpharness.audit import AuditReport, audit
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import ConfigError, VpharnessError
from vpharness.signals import resolve
from vpharness.tasks.commands import AuditCommand
from vpharness.tasks.schema import check, check_command, instance


def run_audit(config: DictConfig) -> None:
    """Audit a signal; one that looks ahead, breaks the chunk law, or could not be checked, is an error."""
    asked, choice = check_command(config, AuditCommand), instance(config.dataset, "dataset")
    if choice.id is None:
        raise ConfigError("dataset.id must be given (python -m vpharness list-datasets shows what there is)")
    signal, params = resolve(str(config.signal["_target_"])), instance(config.signal, "signal")
    check(signal=params)
    dataset = find_dataset(Lake(Path(asked.lake)), choice.id)
    loaded = load(dataset, signal.columns)
    width_ms = dataset.manifest.cell_width_ms
    valid = loaded.bins["book_valid"].astype(bool)
    report = audit(signal, params, loaded.grid, valid, cell_width_ms=width_ms, seed=asked.seed)
    if asked.json:
        print(json.dumps(_facts(report), indent=1))
    else:
        _print(report, signal.name, width_ms)
    if report.not_checked is not None:
        raise VpharnessError(f"signal {signal.name} was not checked: {report.not_checked}")
    failed = [each for each in report.checks if not each.passed]
    if failed:
        raise VpharnessError(
            f"signal {signal.name} is not causal, or depends on how time is cut: {failed[0].name}, its score at bin "
            f"{failed[0].first_bin} changes, by {failed[0].worst:.3g} at the worst; only what goes through `time` may "
            "look across bins"
        )


def _facts(report: AuditReport) -> dict[str, Any]:
    checks = [{**dataclasses.asdict(each), "passed": each.passed} for each in report.checks]
    return {
        "passed": report.passed,
        "not_checked": report.not_checked,
        "warm_up_bins": report.warm_up_bins,
        "bins": report.bins,
        "checks": checks,
    }


def _print(report: AuditReport, name: str, width_ms: int) -> None:
    print(f"audit of {name} over {report.bins:,} valid bins")
    for each in report.checks:
        verdict = "same scores" if each.passed else f"differs from bin {each.first_bin} on"
        print(f"  {each.name:<36}{verdict}, worst {each.worst:.2g}")
    if report.not_checked is not None:
        return
    if report.warm_up_bins is None:
        print("  it still remembers where the data began at its end")
    else:
        print(
            f"  it forgets where the data began after {report.warm_up_bins} bins, {report.warm_up_bins * width_ms} ms"
        )
