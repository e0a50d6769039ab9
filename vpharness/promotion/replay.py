"""Replaying what a bundle recorded: it is served only where this machine and this code say the same again."""

import numpy as np

from vpharness.datasets.intake import LONGEST_GAP_NS
from vpharness.errors import VpharnessError
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.lattice.lattice_parameters import LATTICE_VERSION
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.live import LiveSession, ScoredBin, scores_of
from vpharness.modules import PermittedModules
from vpharness.promotion.agreement import Said, agreement
from vpharness.promotion.bundle import Bundle
from vpharness.promotion.served import PromotedRecord, code_change, lattice_parameters, live_model


def fresh_lattice(record: PromotedRecord, start_ns: int | None = None) -> LatticeState:
    """Return the record's lattice before the first event. The record must be of an instrument."""
    if record.tick_size is None or record.size_unit is None:
        raise ValueError("the defaults of a fresh clone are of no instrument, and have no lattice of their own")
    return new_state(
        lattice_parameters(record), tick_size=record.tick_size, size_unit=record.size_unit, start_ns=start_ns
    )


def replay_differences(bundle: Bundle, modules: PermittedModules) -> list[str]:
    """Replay the recorded events through a live session; return what differs from the recording, a sentence each.

    An empty list says that the signal's code and the lattice are those that were promoted, and that every bin, score
    (within the tolerance of the chunk law) and fire is as it was recorded. What keeps the replay from being done at all
    is a difference too, and so is a signal from a module that the record may not name: that is never imported.
    """
    record, recording = bundle.record, bundle.recording
    try:
        modules.imported(record.signal_target)
    except VpharnessError as error:
        return [str(error)]
    if record.lattice_version != LATTICE_VERSION:
        return [
            f"lattice_version is {record.lattice_version}, that of this code is {LATTICE_VERSION}; promote a run of it"
        ]
    try:
        if changed := code_change(record):
            return [changed]
        session = LiveSession.restore(
            live_model(record), fresh_lattice(record), recording.state, longest_gap_ns=LONGEST_GAP_NS
        )
        found = session.take(recording.events, int(recording.said.bins["bin_end_ns"][-1]))
    except VpharnessError as error:
        return [str(error)]
    return list(agreement(said_of(found), recording.said, record.threshold).differences)


def said_of(bins: list[ScoredBin]) -> Said:
    """Return what a session of one threshold said of consecutive bins."""
    rows = np.concatenate([np.zeros(0, BIN_DTYPE), *(each.row for each in bins)])
    return Said(rows, scores_of(bins), np.array([each.fires[0] for each in bins], np.int8))
