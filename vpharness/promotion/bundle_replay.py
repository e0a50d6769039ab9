"""Replay of a bundle's recording: it is served only where this machine and code reproduce the recorded outputs."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from vpharness.datasets.intake import LONGEST_GAP_NS
from vpharness.errors import PromotionError, VpharnessError
from vpharness.execution.live_orders import LiveOrders
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.lattice.lattice_parameters import LATTICE_VERSION
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.live import FollowedOrders, LiveSession, ScoredBin, scores_of
from vpharness.modules import PermittedModules
from vpharness.promotion.agreement import BinOutputs, compare_fates, compare_outputs
from vpharness.promotion.bundle import ORDERS_PREFIX, Bundle, Recording
from vpharness.promotion.promoted_record import (
    PromotedRecord,
    code_change,
    lattice_parameters,
    live_model,
    record_order_durations,
)


def record_lattice(record: PromotedRecord, start_ns: int | None = None) -> LatticeState:
    """Return the record's lattice before the first event. The record must be of an instrument."""
    if record.tick_size is None or record.size_unit is None:
        raise ValueError("the defaults of a fresh clone are of no instrument, and have no lattice of their own")
    return new_state(
        lattice_parameters(record), tick_size=record.tick_size, size_unit=record.size_unit, start_ns=start_ns
    )


@dataclass(frozen=True)
class Replay:
    """The result of replaying a bundle.

    Attributes:
        record: the bundle's record, with its program where that is to be served in place of the signal's source.
        why_program: why it is; None where the source is served.
        differences: what differs from the recording, a sentence each; none where it can be served.
    """

    record: PromotedRecord
    why_program: str | None
    differences: list[str]


def replay(bundle: Bundle, modules: PermittedModules) -> Replay:
    """Choose what a bundle serves, and replay its recorded events through a live session.

    The signal's source is served while its code is what was promoted. Where it is not, or is no longer there, the
    program in the bundle is, if it has one. No difference means that every bin, score (within the tolerance of the
    chunk law) and fire is as it was recorded. What keeps the replay from being done at all is a difference too, and so
    is a signal from a module that the record may not name: that is never imported.
    """
    try:
        modules.check(bundle.record.signal_target)
    except VpharnessError as error:
        return Replay(bundle.record, None, [str(error)])
    problem = source_problem(bundle.record, modules)
    if problem is None or bundle.program is None:
        return Replay(bundle.record, None, [problem] if problem else _differences(bundle.record, bundle))
    record = dataclasses.replace(bundle.record, program=bundle.program)
    found = _differences(record, bundle)
    return Replay(record, problem, [problem, *found] if found else [])


def replay_differences(bundle: Bundle, modules: PermittedModules) -> list[str]:
    """Return what differs when a bundle is replayed, as `replay` finds it."""
    return replay(bundle, modules).differences


def source_problem(record: PromotedRecord, modules: PermittedModules) -> str | None:
    """Return why the signal's source cannot be served as it was promoted; None where it can."""
    try:
        modules.imported(record.signal_target)
        return code_change(record)
    except VpharnessError as error:
        return str(error)


def _differences(record: PromotedRecord, bundle: Bundle) -> list[str]:
    recording = bundle.recording
    if record.lattice_version != LATTICE_VERSION:
        return [
            f"lattice_version is {record.lattice_version}, that of this code is {LATTICE_VERSION}; promote a run of it"
        ]
    try:
        session = LiveSession.restore(
            live_model(record), record_lattice(record), recording.state, longest_gap_ns=LONGEST_GAP_NS
        )
        end_ns, followed = int(recording.outputs.bins["bin_end_ns"][-1]), _followed(record, recording)
        if followed is None:
            found = session.take(recording.events, end_ns)
        else:
            found = list(followed.iterate(session, recording.events, end_ns))
    except VpharnessError as error:
        return [str(error)]
    differences = list(compare_outputs(outputs_of(found), recording.outputs, record.threshold).differences)
    if followed is not None and recording.fates is not None:
        differences += compare_fates(followed.fates_from(), recording.fates, recording.outputs.bins["bin_seq"])[1]
    return differences


def _followed(record: PromotedRecord, recording: Recording) -> FollowedOrders | None:
    """Return the resting orders of a record as they stood before its recorded slice; None where it has none."""
    durations = record_order_durations(record)
    if durations is None:
        return None
    if recording.fates is None:
        raise PromotionError(f"{record.version} enters with resting orders, and its bundle records none of them")
    saved = {
        name.removeprefix(ORDERS_PREFIX): array
        for name, array in recording.state.items()
        if name.startswith(ORDERS_PREFIX)
    }
    latency_ns, max_wait_ns = durations
    return FollowedOrders(
        LiveOrders.restore(record_lattice(record), saved, latency_ns=latency_ns, max_wait_ns=max_wait_ns)
    )


def outputs_of(bins: list[ScoredBin]) -> BinOutputs:
    """Return the outputs of a session of one threshold for consecutive bins."""
    rows = np.concatenate([np.zeros(0, BIN_DTYPE), *(each.row for each in bins)])
    return BinOutputs(rows, scores_of(bins), np.array([each.fires[0] for each in bins], np.int8))
