"""Release of a new version for an instrument, and rollback to an earlier one."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from vpharness.datasets.lake import Lake, new_folder
from vpharness.errors import ConfigError, PromotionError
from vpharness.modules import PermittedModules
from vpharness.promotion.bundle import read_bundle, write_bundle
from vpharness.promotion.bundle_replay import replay_differences
from vpharness.promotion.pointer import (
    PROMOTED,
    ROLLED_BACK,
    HistoryEntry,
    bundle_path,
    history,
    instrument_lock,
    next_version,
    set_current,
)
from vpharness.promotion.promoted_record import PromotedRecord, live_model
from vpharness.promotion.review import Review
from vpharness.signals import Scorer, export_scorer


def release(lake: Lake, reviewed: Review, config: Mapping[str, Any]) -> HistoryEntry:
    """Write the bundle of a review that was not refused, and make it the version that its instrument serves.

    Whatever moment this is cut off at, the instrument serves what it did before, or the whole new bundle.

    Raises PromotionError or DatasetError where the lake cannot be written.
    """
    record, recording = reviewed.record, reviewed.recording
    if record is None or recording is None or record.instrument is None:
        raise ValueError("there is nothing to publish: a gate has refused it")
    model = live_model(record)
    if not isinstance(model.scorer, Scorer):
        raise TypeError("a model is promoted from its source")
    program = export_scorer(model.scorer)
    record = dataclasses.replace(record, model_memory=dataclasses.asdict(model.memory))
    with instrument_lock(lake, str(record.instrument)) as folder:
        name = next_version(folder)
        with new_folder(folder / name, "version") as unfinished:
            write_bundle(unfinished, dataclasses.replace(record, version=name), config, recording, program)
        return _append_entry(lake, PROMOTED, dataclasses.replace(record, version=name))


def roll_back(
    lake: Lake,
    instrument: str,
    modules: PermittedModules,
    to: str | None = None,
    *,
    away_from: str | None = None,
    reason: str | None = None,
) -> HistoryEntry:
    """Make an earlier version the current one: the one that the current one replaced, unless given.

    The version is replayed first. Raises PromotionError where it is damaged, where it no longer gives the recorded
    outputs or its signal is of none of the permitted modules, where it has never been served or is served already, and
    where there is none before the current one.

    Args:
        lake: where promotions lie.
        instrument: the instrument.
        modules: those that the signal of the version may come from.
        to: the version to go back to.
        away_from: the version that must have been promoted last, if given.
        reason: why a server goes back by itself; kept in the history.
    """
    with instrument_lock(lake, instrument):
        entries = history(lake, instrument)
        if not entries:
            raise PromotionError(f"nothing has been promoted for {instrument}: there is nothing to go back to")
        if away_from is not None and (entries[-1].version, entries[-1].action) != (away_from, PROMOTED):
            raise PromotionError(
                f"{instrument} serves {entries[-1].version} since a {entries[-1].action}: nothing is gone back from"
            )
        version = to if to is not None else _one_back(entries, instrument)
        served = dict.fromkeys(entry.version for entry in entries)
        if version not in served or version == entries[-1].version:
            raise PromotionError(
                f"to is {version}; {instrument} serves {entries[-1].version} and has served {', '.join(served)}"
            )
        bundle = read_bundle(bundle_path(lake, instrument, version))
        try:
            modules.check(bundle.record.signal_target)
        except ConfigError as error:
            raise PromotionError(f"{version} of {instrument} cannot be served as it is: {error}") from error
        if differences := replay_differences(bundle, modules):
            raise PromotionError(
                f"{version} of {instrument} is not what it was when it was promoted, and is not served: "
                f"{'; '.join(differences)}"
            )
        return _append_entry(
            lake, ROLLED_BACK, dataclasses.replace(bundle.record, instrument=instrument, version=version), reason
        )


def _append_entry(lake: Lake, action: str, record: PromotedRecord, reason: str | None = None) -> HistoryEntry:
    instrument = str(record.instrument)
    entries = history(lake, instrument)
    entry = HistoryEntry(
        number=(entries[-1].number if entries else 0) + 1,
        action=action,
        version=record.version,
        before=entries[-1].version if entries else None,
        at_ns=time.time_ns(),
        run_id=record.run_id,
        forced=record.forced,
        unsafe=record.unsafe,
        reason=reason,
    )
    set_current(lake, instrument, entry)
    return entry


def _one_back(entries: Sequence[HistoryEntry], instrument: str) -> str:
    """Return what was served before the current version was promoted: going back twice goes back further."""
    current = entries[-1].version
    (promoted,) = [entry for entry in entries if entry.version == current and entry.action == PROMOTED]
    if promoted.before is None:
        raise PromotionError(f"{instrument} serves {current}, its first version: there is none before it")
    return promoted.before
