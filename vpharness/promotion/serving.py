"""The part of promotion that a server imports.

`promoted` finds the bundle that an instrument's pointer names, `read_bundle` reads it and refuses what was changed,
`replay` proves that this code, or the program in the bundle, gives what was recorded, `live_model` and
`lattice_parameters` make of its record what a `LiveSession` is made of. `defaults` is what is served before anything
has been promoted.
"""

from vpharness.promotion.bundle import Bundle, Recording, read_bundle
from vpharness.promotion.bundle_replay import Replay, replay, replay_differences
from vpharness.promotion.defaults import defaults
from vpharness.promotion.pointer import HistoryEntry, current, history, pointer_path, promoted
from vpharness.promotion.projection import Projection
from vpharness.promotion.promoted_record import (
    PromotedRecord,
    lattice_parameters,
    live_model,
    model_inputs,
    record_evaluation,
)

__all__ = [
    "Bundle",
    "HistoryEntry",
    "Projection",
    "PromotedRecord",
    "Recording",
    "Replay",
    "current",
    "defaults",
    "history",
    "lattice_parameters",
    "live_model",
    "model_inputs",
    "pointer_path",
    "promoted",
    "read_bundle",
    "record_evaluation",
    "replay",
    "replay_differences",
]
