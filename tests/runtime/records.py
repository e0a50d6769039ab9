"""Records and bundles as a promotion makes them, without the run that they come from."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from runtime.feeds.feed import FeedStep
from tests.runtime.market import LATTICE, minute, steps_of
from vpharness.datasets.lake import Lake, new_folder
from vpharness.evaluation import EVALUATION_VERSION, EvaluationParameters
from vpharness.execution.live_orders import LiveOrders
from vpharness.lattice.lattice_parameters import LATTICE_VERSION, LatticeParameters
from vpharness.lattice.layout import LatticeState
from vpharness.live import FollowedOrders, LiveSession, ScoredBin
from vpharness.promotion.bundle import Recording, saved_with_orders, write_bundle
from vpharness.promotion.bundle_replay import outputs_of, record_lattice
from vpharness.promotion.pointer import PROMOTED, ROLLED_BACK, HistoryEntry, history, instrument_lock, set_current
from vpharness.promotion.projection import Projection
from vpharness.promotion.promoted_record import record_order_durations
from vpharness.promotion.serving import PromotedRecord, live_model
from vpharness.signals import Scorer, digest, export_scorer, resolve

PROJECTION = Projection((1, 4), (0.05, 0.25, 0.5, 0.75, 0.95), 0.5, ((-3, -2, -1, 0, 1),) * 2, ((-1, 0, 1, 2, 3),) * 2)

__all__ = ["PROJECTION", "promote", "record_lattice", "record_of", "with_radius"]


def record_of(signal: str = "svac", *, threshold: float = 0.3, **values: Any) -> PromotedRecord:
    """Return the record of a signal with short warm-up and holding times; `values` are fields of the record."""
    target = f"vpharness.signals.{signal}.{signal}"
    params = dataclasses.replace(resolve(target).parameters(), thresholds=[threshold])
    evaluation = EvaluationParameters(
        warmup_bins=20, cooldown_bins=5, max_hold_bins=40, tp_ticks=2.0, sl_ticks=1.0
    ).resolve(LATTICE.cell_width_ms)
    fields: dict[str, Any] = {
        "instrument": "SYN",
        "version": "v0000",
        "signal_target": target,
        "signal_digest": digest(resolve(target), params),
        "parameters": dataclasses.asdict(params),
        "threshold": threshold,
        "threshold_label": f"{threshold:g}",
        "evaluation": dataclasses.asdict(evaluation),
        "lattice": dataclasses.asdict(LATTICE),
        "lattice_version": LATTICE_VERSION,
        "evaluation_version": EVALUATION_VERSION,
        "tick_size": 0.25,
        "size_unit": 1.0,
        "projection": PROJECTION,
        "run_id": "run",
        "candidate_id": "candidate",
        "dataset_id": "dataset",
        "dataset_checksum": "checksum",
        "packages": {},
        "created_ns": time.time_ns(),
        "evidence": {"promised": {"test": {"tp_rate": 0.4}}},
        "forced": None,
        "memory_bins": 0,  # so that its warm-up alone is waited for
    }
    return PromotedRecord(**{**fields, **values})


def with_radius(record: PromotedRecord, radius: int) -> PromotedRecord:
    """Return a record whose cells reach further, or less far."""
    lattice = LatticeParameters(**{**record.lattice, "radius": radius})
    return dataclasses.replace(record, lattice=dataclasses.asdict(lattice))


def promote(lake: Lake, record: PromotedRecord, version: str, begin: int = 20) -> Path:
    """Make a record what its instrument serves, with a recorded second of market; return its bundle.

    The second begins at bin `begin`.
    """
    record = dataclasses.replace(record, version=version, created_ns=time.time_ns())
    lattice: LatticeState = record_lattice(record)
    model, followed = live_model(record), None
    assert isinstance(model.scorer, Scorer)
    program = export_scorer(model.scorer)
    record = dataclasses.replace(record, model_memory=dataclasses.asdict(model.memory))
    session = LiveSession(model, lattice)
    if (durations := record_order_durations(record)) is not None:
        orders = LiveOrders(record_lattice(record), latency_ns=durations[0], max_wait_ns=durations[1])
        followed = FollowedOrders(orders)
    assert record.instrument is not None
    steps = steps_of(minute())[: begin + 10]
    for step in steps[:begin]:
        _taken(session, followed, step)
    state = saved_with_orders(session, followed)
    said = outputs_of([each for step in steps[begin:] for each in _taken(session, followed, step)])
    fates = None if followed is None else followed.fates_from(followed.bins - len(said.bins))
    first, last = int(steps[begin - 1].complete_to_ns or 0), int(steps[begin + 9].complete_to_ns or 0)
    events = minute()[(minute()["ts_ns"] >= first) & (minute()["ts_ns"] < last)]
    with instrument_lock(lake, record.instrument) as folder:
        with new_folder(folder / version, "version") as unfinished:
            write_bundle(unfinished, record, {}, Recording(state, events, said, fates), program)
        point_at(lake, record.instrument, version)
    return folder / version


def _taken(session: LiveSession, followed: FollowedOrders | None, step: FeedStep) -> list[ScoredBin]:
    if followed is None:
        return session.take(step.events, step.complete_to_ns)
    return list(followed.iterate(session, step.events, step.complete_to_ns))


def point_at(lake: Lake, instrument: str, version: str) -> None:
    """Point at a version: one that it has named before is gone back to."""
    entries = history(lake, instrument)
    number, before = (entries[-1].number, entries[-1].version) if entries else (0, None)
    action = ROLLED_BACK if version in {entry.version for entry in entries} else PROMOTED
    set_current(lake, instrument, HistoryEntry(number + 1, action, version, before, time.time_ns(), None, None))
