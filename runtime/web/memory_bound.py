"""The memory bound: the most memory that the server can need, which depends on its limits alone.

    process          imports, machine code, one lattice with its book; of each further feed its machine code and lattice
    + challengers    machine code and a lattice for each
    + bins           for each feed 2 rings (the one that is served, and that of a lattice on its way)
                     x buffer_bins x (the bin's row and grid, its text, and a text for each override)
    + streams        max_clients x (what waits to be sent: a full transport, a piece of history and its copies)
    + connections    max_connections x (what may wait to be read, and an answer over HTTP that is not taken)
    + board          a few pages of the board that are being sent; the process that makes them is another one
    + shadows        max_shadows x (lattices, operators, bins being shown)
                     + structures x capacities x machine code

`vpharness_memory_bound_bytes` in `/metrics` is the same by part. The book of the market itself is not in it: 1 MB for
each 10,000 resting orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from runtime.config.server_parameters import RuntimeParameters
from runtime.rollout.shadow_models import PIECE_BINS, STRUCTURES_KEPT
from runtime.rollout.shadow_overrides import CAPACITIES
from runtime.stream.client import HISTORY_BYTES
from runtime.web.board import ANSWERS, MOST_BYTES
from runtime.web.sanic_adapter import MOST_UNREAD_BYTES
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS

PROCESS_BYTES: Final = 600_000_000
CODE_BYTES: Final = 30_000_000
"""Machine code of a signal at one capacity: 10 to 27 MB."""

LATTICE_BYTES_A_CELL: Final = 64_000
"""With the spectrum's windows as they are by default; it grows with the length of the longest of them."""

LATTICES_MADE: Final = 3
"""While a model is made ready: one to have its code compiled, one to have it tried, and its own."""

BODY_BYTES: Final = 6_000
"""The text of a bin with 64 trades, 16 challengers and what became of a dozen fires; most have 1.3 kB."""

SHADOW_BODY_BYTES: Final = 500
TRANSPORT_BYTES: Final = 65_536
"""Sanic's own mark: a transport that holds more takes nothing."""

ANSWER_BYTES: Final = 400_000
"""The largest answer over HTTP, with the copy that Sanic makes: `/docs/reference/command-line` has 125 kB."""

STREAM_BYTES: Final = 150_000
CONNECTION_BYTES: Final = 40_000
_BOARD_COPIES: Final = 2
"""An answer of the board as it came, and as it came in pieces."""

_RINGS, _COPIES, _OPERATORS, _VALUE_BYTES = 2, 3, 40, 8


def grid_bytes(radius: int) -> int:
    """Return the bytes of a bin's cells."""
    return (2 * radius + 1) * sum(np.dtype(kind).itemsize for kind in GRID_COLUMNS.values())


def bin_bytes(radius: int, max_shadows: int) -> int:
    """Return the most bytes of a kept bin."""
    return grid_bytes(radius) + BIN_DTYPE.itemsize + BODY_BYTES + max_shadows * SHADOW_BODY_BYTES


def stream_bytes(radius: int) -> int:
    """Return the most bytes of an open stream: of one that asked for history and reads nothing."""
    return TRANSPORT_BYTES + _COPIES * (HISTORY_BYTES + grid_bytes(radius)) + STREAM_BYTES


def connection_bytes() -> int:
    """Return the most bytes of a connection without a stream: of one that reads nothing of its answer."""
    return MOST_UNREAD_BYTES + TRANSPORT_BYTES + ANSWER_BYTES + CONNECTION_BYTES


def session_bytes(radius: int, bins_kept: int) -> int:
    """Return the most bytes of a model beside the champion, while it is made ready."""
    lattices = LATTICES_MADE * LATTICE_BYTES_A_CELL * (2 * radius + 1)
    return lattices + PIECE_BINS * grid_bytes(radius) + _COPIES * _OPERATORS * _VALUE_BYTES * bins_kept


@dataclass(frozen=True)
class FeedSize:
    """What the memory of a feed depends on: the radius of its champion, its challengers, and the bins it keeps."""

    radius: int
    challengers: int
    buffer_bins: int


def most_bytes(settings: RuntimeParameters, feeds: Sequence[FeedSize]) -> Mapping[str, int]:
    """Return the most that the server needs, by part; the limits on clients hold over all feeds together."""
    shadows = settings.max_shadows
    structures = STRUCTURES_KEPT + shadows + 1 if shadows else 0
    code = structures * (len(CAPACITIES) + 2) * CODE_BYTES
    sessions = [session_bytes(each.radius, each.buffer_bins) for each in feeds]
    further = sum(CODE_BYTES + session for session in sessions[1:])
    models = sum(each.challengers * (CODE_BYTES + session) for each, session in zip(feeds, sessions, strict=True))
    widest = max(each.radius for each in feeds)
    return {
        "process": PROCESS_BYTES + further,
        "challengers": models,
        "bins": sum(_RINGS * each.buffer_bins * bin_bytes(each.radius, shadows) for each in feeds),
        "streams": settings.max_clients * stream_bytes(widest),
        "connections": settings.max_connections * connection_bytes(),
        "board": ANSWERS * _BOARD_COPIES * MOST_BYTES,
        "shadows": shadows * max(sessions) + code,
    }
