"""The configuration of `promote` and of each command about promoted versions: the dataclass behind its YAML file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vpharness.config.command_schemas import (
    CACHE_GB,
    DATASETS_ELSEWHERE,
    LAKE,
    SEGMENTS,
    SIGNAL_MODULES,
    STEP_SEGMENTS,
    TRAIN_SEGMENTS,
)
from vpharness.parameters import parameter


@dataclass(frozen=True)
class PromoteCommand:
    """Promote a run's candidate to the live server, if it passes every gate."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    lake_datasets: str | None = parameter(None, meaning=DATASETS_ELSEWHERE)
    outputs: str = parameter("outputs", meaning="folder of run folders")
    run_id: str | None = parameter(None, meaning="the run, or a candidate of compare: its id, or how that begins")
    threshold: str | None = parameter(None, meaning="the threshold, as the run labels it (default: the run's best)")
    walk_forward: str | None = parameter(
        None, meaning="in place of run_id: the campaign of a procedure, whose choice in force is served on its record"
    )
    train: int = parameter(20, meaning=TRAIN_SEGMENTS, unit="segments", minimum=0, maximum=10**6)
    step: int = parameter(1, meaning=STEP_SEGMENTS, unit="segments", minimum=1, maximum=10**6)
    segments: int | None = parameter(None, meaning=SEGMENTS, minimum=2, maximum=10**6)
    mixed_horizon: bool = parameter(False, meaning="with walk_forward: choose among different holding times")
    force: str | None = parameter(None, meaning="the reason to promote it in spite of gates, which is recorded")
    force_unsafe: bool = parameter(
        False, meaning="with force: also in spite of a failed audit, or of a live session that differs from the run"
    )
    signal_modules: list[str] = parameter([], meaning=SIGNAL_MODULES)
    cache_gb: float = parameter(20.0, meaning=CACHE_GB, unit="GB", minimum=0, maximum=1e6)
    json: bool = parameter(False, meaning="print JSON instead of text")
    promotion: Any = None
    dataset: Any = None
    source: Any = None
    tracking: Any = None

    def relations(self) -> Iterator[str]:
        """Yield an error for each key that is missing."""
        if self.run_id is None and self.walk_forward is None:
            yield "run_id must be given (python -m vpharness compare shows what there is)"
        if self.walk_forward is not None and (self.run_id is not None or self.threshold is not None):
            yield "walk_forward was given with run_id or threshold; the procedure chooses the candidate"
        if self.force is not None and not self.force.strip():
            yield "force is empty; it must be the reason, which is recorded"
        if self.force_unsafe and self.force is None:
            yield 'force_unsafe also needs force="REASON"'


@dataclass(frozen=True)
class PromotedCommand:
    """What all commands about promoted versions are given."""

    lake: str = parameter(LAKE, meaning="folder of datasets and results")
    instrument: str | None = parameter(None, meaning="the instrument, where several have been promoted for")
    json: bool = parameter(False, meaning="print JSON instead of text")


@dataclass(frozen=True)
class PromoteHistoryCommand(PromotedCommand):
    """List every promotion and rollback, with its reason."""

    outputs: str = parameter("outputs", meaning="folder of run folders, whose MLflow store tracking=mlflow writes to")
    tracking: Any = None


@dataclass(frozen=True)
class PromoteShowCommand(PromotedCommand):
    """Show what a version serves, and the evidence behind it."""

    version: str | None = parameter(None, meaning="the version (default: the one that is served)")
    signal_modules: list[str] = parameter([], meaning=SIGNAL_MODULES)
    show_test: bool = parameter(
        False, meaning="open later days that are kept for the test as well; every opening is recorded"
    )


@dataclass(frozen=True)
class PromoteDiffCommand(PromotedCommand):
    """Show the differences between two promoted versions."""

    a: str | None = parameter(None, meaning="one version")
    b: str | None = parameter(None, meaning="another version (default: the one that is served)")

    def relations(self) -> Iterator[str]:
        """Yield an error for each key that is missing."""
        if self.a is None:
            yield "a version must be given: python -m vpharness promote diff A B"


@dataclass(frozen=True)
class PromoteRollbackCommand(PromotedCommand):
    """Serve an earlier version again."""

    outputs: str = parameter("outputs", meaning="folder of run folders")
    to: str | None = parameter(None, meaning="the version (default: the one before the current version)")
    signal_modules: list[str] = parameter([], meaning=SIGNAL_MODULES)
    tracking: Any = None
