"""The commands that change what is served: `promote` and `promote rollback`."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig
from rich.table import Table

from vpharness.campaigns.candidate_information import datasets_fitted_on
from vpharness.campaigns.collection_members import labels_of_datasets
from vpharness.campaigns.run_folder import CONFIG_FILE, folder_of
from vpharness.commands.ledger_access import readable_ledger, views_in
from vpharness.commands.noted_sources import source_of
from vpharness.commands.promoted_versions import the_instrument
from vpharness.commands.promotion_pool import pool_of
from vpharness.commands.text.progress_display import gate_progress
from vpharness.commands.text.terminal import console
from vpharness.commands.text.walk_forward_tables import headline
from vpharness.commands.walk_forward import procedure_of, walked_forward
from vpharness.config.lake_of_command import lake_key, lake_of
from vpharness.config.promotion_schemas import PromoteCommand, PromoteRollbackCommand
from vpharness.config.search_path import permitted_modules
from vpharness.config.typed_config import check, check_command, instance
from vpharness.datasets.event_table import DatasetEvents
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.sources import source_values
from vpharness.errors import PromotionError, ResultsError, TrackingError
from vpharness.events.synthetic import EMBEDDED_INSTRUMENT
from vpharness.modules import PermittedModules
from vpharness.promotion.bundle import read_bundle
from vpharness.promotion.gate import Gate
from vpharness.promotion.pointer import HistoryEntry, bundle_path
from vpharness.promotion.procedure import select_from_procedure
from vpharness.promotion.promoted_record import PromotedRecord
from vpharness.promotion.release import release, roll_back
from vpharness.promotion.review import ProofData, Review, ReviewSettings, refuse, review
from vpharness.promotion.selection import SelectedCandidate, select_candidate
from vpharness.results.holdout import trials_with_test
from vpharness.results.session_names import with_session
from vpharness.results.store import store_in
from vpharness.results.tracked_run import is_tracked
from vpharness.results.tracking import Tracking, TrackingParameters


def run_promote(config: DictConfig) -> None:
    """Promote a run's candidate to the live server, if it passes every gate."""
    asked = check_command(config, PromoteCommand)
    limits, tracking = instance(config.promotion, "promotion"), instance(config.tracking, "tracking")
    given = None if config.source is None else instance(config.source, "source")
    check(promotion=limits, tracking=tracking, **({} if given is None else {"source": given}))
    lake = lake_of(asked)
    modules = permitted_modules(lake.root, asked.signal_modules, "signal_modules")
    store, view_of = store_in(lake.root), views_in(lake)
    ledger = readable_ledger(store, lake)
    choice = instance(config.dataset, "dataset")
    if asked.walk_forward is None:
        pool = pool_of(lake, choice, str(asked.run_id), ledger)
        nominee = select_candidate(store, ledger, str(asked.run_id), asked.threshold, pool)
    else:
        nominee = select_from_procedure(store, ledger, walked_forward(lake, ledger, procedure_of(asked, choice)))
    trained = find_dataset(lake, nominee.trial.dataset_id)
    dataset = trained if nominee.newest is None else find_dataset(lake, nominee.newest.dataset_id)
    folder = folder_of(Path(asked.outputs), nominee.run_id)
    run_config = _run_config(folder, nominee)
    source = given or source_of(dataset, lake, modules, run_config)
    # What was noted goes into the record; the dataset's own events need no other file.
    events = DatasetEvents(dataset) if given is None and dataset.keeps_events else source
    fitted_on = datasets_fitted_on(store, lake)
    newest = None if nominee.newest is None else ProofData(dataset, events, fitted_on(nominee.newest.run_id))
    if newest is not None:
        # Each of two datasets has its own events: a source that is given can only be that of the newest.
        noted = source_of(trained, lake, modules, run_config)
        events = DatasetEvents(trained) if trained.keeps_events else noted
    with gate_progress() as report:
        settings = ReviewSettings(limits, store, ledger, view_of, asked.force, modules, asked.force_unsafe)
        candidacy = review(nominee, trained, events, settings, report, newest, fitted_on(nominee.run_id))
    if not asked.json:
        _print_gates(nominee, candidacy.gates, labels_of_datasets(lake))
    try:
        refuse(candidacy, nominee.run_id, asked.force, force_unsafe=asked.force_unsafe)
    except PromotionError:
        if asked.json:
            _print_facts(nominee, candidacy, None, None)
        raise
    in_force = {"source": source and source_values(source), "lattice": dataset.manifest.lattice}
    entry = release(lake, candidacy, {**run_config, **in_force, "promotion": dataclasses.asdict(limits)})
    bundle = bundle_path(lake, dataset.manifest.instrument, entry.version)
    if asked.json:
        _print_facts(nominee, candidacy, entry, bundle)
    else:
        _print_entry(entry, dataset.manifest.instrument, bundle)
        _print_next(lake, modules, read_bundle(bundle).record)
    _crown(tracking, Path(asked.outputs), entry, dataset.manifest.instrument, bundle)


def run_rollback(config: DictConfig) -> None:
    """Serve an earlier version again."""
    asked = check_command(config, PromoteRollbackCommand)
    tracking = instance(config.tracking, "tracking")
    check(tracking=tracking)
    lake = lake_of(asked)
    instrument = the_instrument(lake, asked.instrument)
    modules = permitted_modules(lake.root, asked.signal_modules, "signal_modules")
    entry = roll_back(lake, instrument, modules, asked.to)
    bundle = bundle_path(lake, instrument, entry.version)
    if asked.json:
        print(json.dumps({**dataclasses.asdict(entry), "instrument": instrument, "bundle": str(bundle)}, indent=1))
    else:
        _print_entry(entry, instrument, bundle)
        _print_next(lake, modules, read_bundle(bundle).record)
    _crown(tracking, Path(asked.outputs), entry, instrument, bundle)


def _run_config(folder: Path, nominee: SelectedCandidate) -> dict[str, Any]:
    """Return the configuration of the run: as its folder has it, or, where that is gone, as the store does."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return {"signal": {"_target_": nominee.signal_target, **nominee.trial.parameters}, **dict(nominee.identity)}
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from error
    return dict(values)


def _print_gates(nominee: SelectedCandidate, gates: Sequence[Gate], labels: Mapping[str, str]) -> None:
    trial = nominee.trial
    if nominee.procedure is not None:
        print(headline(nominee.procedure))
    on = with_session(trial.dataset_id, labels)
    if nominee.collection is not None:
        tests = len(trials_with_test(nominee.ranked.candidate))
        on = f"collection {nominee.collection}, {len(nominee.ranked.candidate.counted)} datasets trained on"
        on += f" and {tests} kept for the test" if tests else ""
    print(f"run {nominee.run_id} on {on}: {trial.signal} at {trial.threshold_label}")
    table = Table("gate", "", "wanted", "found", box=None, pad_edge=False)
    for gate in gates:
        verdict = {True: "passed", False: "FAILED", None: ""}[gate.passed]
        table.add_row(gate.name, verdict, gate.wanted, gate.found)
    console().print(table)


def _print_facts(
    nominee: SelectedCandidate, candidacy: Review, entry: HistoryEntry | None, bundle: Path | None
) -> None:
    facts = {
        "promoted": entry is not None,
        "run_id": nominee.run_id,
        "candidate_id": nominee.trial.candidate_id,
        "threshold": nominee.trial.threshold_label,
        "gates": [gate.values() for gate in candidacy.gates],
        "entry": None if entry is None else dataclasses.asdict(entry),
        "bundle": None if bundle is None else str(bundle),
    }
    print(json.dumps(facts, indent=1))


def _print_entry(entry: HistoryEntry, instrument: str, bundle: Path) -> None:
    print(f"{instrument} now serves {entry.version} (before: {entry.before or 'nothing'}); {bundle}")
    if entry.forced:
        print(f"forced: {entry.forced}")
    if entry.unsafe:
        print(f"UNSAFE: {' and '.join(entry.unsafe)} failed, so served scores may differ from the tested ones")


def _print_next(lake: Lake, modules: PermittedModules, record: PromotedRecord) -> None:
    """Print the command that serves a version: on the embedded market, or on the data that it was promoted from."""
    module = record.signal_target.rpartition(".")[0]
    key = "" if modules.is_own(record.signal_target) else f" runtime.signal_modules=[{module}]"
    if record.instrument != EMBEDDED_INSTRUMENT:
        key = f" feed=dataset dataset.id={record.dataset_id}{key}"
    here = lake_key(lake)
    print(f"next: python -m runtime{key}{here} serves it; python -m vpharness promote rollback{here} goes back")


def _crown(tracking: TrackingParameters, outputs: Path, entry: HistoryEntry, instrument: str, bundle: Path) -> None:
    """Mark the champion in MLflow; a failure is printed, and nothing is lost."""
    if tracking.kind == "none" or entry.run_id is None:
        return
    folder = folder_of(outputs, entry.run_id)
    if not is_tracked(folder, tracking.uri_in(outputs)):
        print(
            f"vpharness: run {entry.run_id} is not tracked in {outputs}, so MLflow has no champion of it; "
            "outputs=FOLDER names the folder that the run was given",
            file=sys.stderr,
        )
        return
    try:
        Tracking(tracking, outputs).crown(folder, instrument, entry.version, bundle)
    except TrackingError as error:
        print(f"vpharness: {error}", file=sys.stderr)
