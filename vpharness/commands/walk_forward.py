"""`compare walk_forward=true`: a procedure of choosing candidates, judged from what the ledger holds."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpharness.campaigns.collection_members import sessions_of_datasets
from vpharness.commands.ledger_access import readable_ledger, views_in
from vpharness.commands.output_files import new_file, require_new
from vpharness.commands.text.walk_forward_tables import print_walk_forward, step_rows, unrankable_text
from vpharness.config.command_schemas import CompareCommand, DatasetChoice
from vpharness.config.lake_of_command import lake_of
from vpharness.config.promotion_schemas import PromoteCommand
from vpharness.datasets.collection import find_collection
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.results.ledger import LedgerCandidate, LedgerRun
from vpharness.results.ranking import restricted
from vpharness.results.session_names import segment_text
from vpharness.results.store import store_in
from vpharness.results.walk_forward.judged import WalkForward, walk_forward
from vpharness.results.walk_forward.summary import values_of
from vpharness.results.walk_forward.tried import Procedure
from vpharness.storage.arrow import table_of_rows
from vpharness.storage.parquet import write_parquet

if TYPE_CHECKING:
    from vpharness.results.tracking import TrackingParameters


@dataclasses.dataclass(frozen=True)
class WalkForwardQuestion:
    """What is asked: a procedure, and whether its candidates may be mixed and test segments opened.

    Attributes:
        procedure: its settings; the collection may have a version, such as ES@3.
        mixed_horizon: whether candidates of different holding times are chosen among.
        show_test: whether segments that are kept for the test are opened, which is counted.
    """

    procedure: Procedure
    mixed_horizon: bool = False
    show_test: bool = False


def question_of(asked: CompareCommand, choice: DatasetChoice) -> WalkForwardQuestion:
    """Return what `compare walk_forward=true` asks."""
    procedure = Procedure(
        campaign=asked.campaign,
        train=asked.train,
        step=asked.step,
        segments=asked.segments,
        collection=choice.collection,
        dataset_id=choice.id,
        signal=asked.of_signal,
    )
    return WalkForwardQuestion(procedure, asked.mixed_horizon, asked.show_test)


def procedure_of(asked: PromoteCommand, choice: DatasetChoice) -> WalkForwardQuestion:
    """Return the procedure that `promote walk_forward=CAMPAIGN` is about; its test segments stay closed."""
    procedure = Procedure(
        campaign=asked.walk_forward,
        train=asked.train,
        step=asked.step,
        segments=asked.segments,
        collection=choice.collection,
        dataset_id=choice.id,
    )
    return WalkForwardQuestion(procedure, asked.mixed_horizon)


def walked_forward(
    lake: Lake, ledger: Sequence[LedgerCandidate], question: WalkForwardQuestion, *, keeps: bool = True
) -> WalkForward:
    """Return a procedure, judged, and write down in the ledger that it was tried.

    Without `keeps` nothing is written, and only what is written down already is judged.

    Raises ConfigError for names that the ledger does not know, where holding times differ, and where there are too few
    segments.
    """
    procedure, candidates = _meant(lake, ledger, question)
    store = store_in(lake.root)
    views = views_in(lake) if question.show_test else None
    return walk_forward(procedure, candidates, ledger, store, views, keeps=keeps)


def notes_on(
    found: WalkForward, lake: Lake, ledger: Sequence[LedgerCandidate], question: WalkForwardQuestion
) -> tuple[str, ...]:
    """Return what is missing where a procedure could choose nothing, in a line; nothing where it always could."""
    if all(step.candidate is not None for step in found.steps):
        return ()  # the candidates need not be gathered once more
    text = unrankable_text(found, _meant(lake, ledger, question)[1])
    return () if text is None else (text,)


def _meant(
    lake: Lake, ledger: Sequence[LedgerCandidate], question: WalkForwardQuestion
) -> tuple[Procedure, list[LedgerCandidate]]:
    """Return the procedure that is asked for, with the candidates that it chooses from. Raises ConfigError."""
    from vpharness.commands.comparison_filters import (  # noqa: PLC0415  # not needed where a report alone is written
        require_known,
        require_known_campaign,
    )

    procedure = question.procedure
    require_known(procedure.dataset_id, procedure.signal, ledger)
    require_known_campaign(procedure.campaign, ledger)
    members: set[tuple[str, str]] | None = None
    if procedure.collection is not None:
        collection = find_collection(lake, procedure.collection)
        members = {(each.dataset_id, each.checksum) for each in collection.members}
        # A day that is added makes no other procedure.
        procedure = dataclasses.replace(procedure, collection=collection.id)

    def is_meant(run: LedgerRun) -> bool:
        return (
            (procedure.campaign is None or procedure.campaign in run.campaigns)
            and (procedure.dataset_id is None or run.dataset_id == procedure.dataset_id)
            and (members is None or run.dataset in members)
            and (procedure.signal is None or run.signal == procedure.signal)
        )

    candidates = restricted(ledger, is_meant)
    _require_one_horizon(candidates, mixed=question.mixed_horizon)
    return procedure, candidates


def _require_one_horizon(candidates: Sequence[LedgerCandidate], *, mixed: bool) -> None:
    """Raise ConfigError where candidates hold for different times, unless these may be mixed."""
    holds = sorted({_hold_s(each) for each in candidates})
    if len(holds) > 1 and not mixed:
        told = ", ".join(f"{seconds:g} s" for seconds in holds)
        raise ConfigError(
            f"the candidates hold for up to {told}: different holding times do not rank together; choose with "
            "campaign= or signal=, or set mixed_horizon=true"
        )


def _hold_s(candidate: LedgerCandidate) -> float:
    evaluation = candidate.first.evaluation
    return evaluation.max_hold_bins * evaluation.cell_width_ms / 1000


def run_walk_forward(asked: CompareCommand, choice: DatasetChoice, tracking: "TrackingParameters") -> None:
    """Judge a procedure, and print, write and track its result."""
    lake = lake_of(asked)
    ledger, question = readable_ledger(store_in(lake.root), lake), question_of(asked, choice)
    found = walked_forward(lake, ledger, question)
    notes = notes_on(found, lake, ledger, question)
    if asked.report is not None:
        _write_report(asked, choice, found, notes)
    if asked.parquet is not None:
        with new_file(Path(asked.parquet)) as aside:
            write_parquet(table_of_rows(step_rows(found)), aside)
    if tracking.kind != "none":
        from vpharness.commands.walk_forward_tracking import track  # noqa: PLC0415  # MLflow, and pictures

        track(found, tracking, Path(asked.outputs))
    if asked.json:
        print(
            json.dumps(
                {
                    **values_of(found),
                    "notes": list(notes),
                    "steps": _with_sessions(step_rows(found), sessions_of_datasets(lake)),
                },
                indent=1,
            )
        )
        return
    print_walk_forward(found, sessions_of_datasets(lake), notes)
    if asked.report is not None:
        print(f"report: {asked.report}")


def _with_sessions(steps: list[dict[str, Any]], sessions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of steps with the names of the sessions that each is judged on, as far as these have one."""
    return [
        step | {"session": [segment_text(name, sessions) for name in step["out_of_sample_segments"]]} for step in steps
    ]


def _write_report(asked: CompareCommand, choice: DatasetChoice, found: WalkForward, notes: Sequence[str]) -> None:
    """Write the report of the same candidates, with the procedure in front; their test parts stay closed."""
    from vpharness.commands.compare import compared, ledger_text  # noqa: PLC0415  # which calls this
    from vpharness.commands.compare_report import facts_of, write_report  # noqa: PLC0415  # draws: slow to load
    from vpharness.results.report.findings import Findings  # noqa: PLC0415

    require_new(asked.report, "report")
    ranking = dataclasses.replace(asked, walk_forward=False, segments=None, show_test=False)
    ranked = compared(ranking, choice.id, choice.collection)
    sessions = sessions_of_datasets(lake_of(asked))
    facts = facts_of(asked, choice, ranked.ranked, ledger_text(ranked.ledger))
    findings = Findings(
        ranked.ranked,
        ranked.answer.shown,
        ranked.view_of,
        facts,
        walk_forward=found,
        walk_forward_notes=notes,
        sessions=sessions,
        store=store_in(lake_of(asked).root),
    )
    write_report(Path(str(asked.report)), findings)
