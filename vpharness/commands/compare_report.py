"""`compare report=FILE.html`: what the ledger says, as one page."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from vpharness.commands.output_files import new_file
from vpharness.commands.text.terminal import minute_text
from vpharness.config.command_schemas import CompareCommand, DatasetChoice
from vpharness.results.ranking import Ranked
from vpharness.results.report.candidates import dataset_ids_of
from vpharness.results.report.findings import Findings
from vpharness.results.report.report_page import report_html


def write_report(path: Path, findings: Findings) -> None:
    """Write a page to a new file."""
    page = report_html(findings, "What the trial ledger says")
    with new_file(path) as aside:
        aside.write_text(page, encoding="utf-8")


def facts_of(asked: CompareCommand, choice: DatasetChoice, ranked: Sequence[Ranked], ledger: str) -> dict[str, str]:
    """Return the facts in a report's header, by name: lake, datasets, ledger, filters, date and version."""
    datasets = sorted({name for each in ranked for name in dataset_ids_of(each)})
    return {
        "lake": str(Path(asked.lake).resolve()),
        "datasets": ", ".join(datasets) or "none",
        "ledger": ledger.removeprefix("the ledger holds "),
        "asked": "compare " + _keys_text(asked, choice),
        "written": f"{minute_text(time.time_ns())} by vpharness {version('vpharness')}",
    }


def _keys_text(asked: CompareCommand, choice: DatasetChoice) -> str:
    """Return the keys that narrow or order what is shown, as they are written."""
    keys = {
        "signal": asked.of_signal,
        "dataset.id": choice.id,
        "dataset.collection": choice.collection,
        "campaign": asked.campaign,
        "candidate": asked.candidate,
        "by": asked.by,
        "since": asked.since,
        "sort": asked.sort if asked.sort != CompareCommand.sort else None,
        "min_signals": asked.min_signals,
    }
    return " ".join(f"{name}={value}" for name, value in keys.items() if value is not None)
