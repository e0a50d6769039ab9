"""The slow, plain twin of the lattice engine: SPEC sections 1 and 2 read aloud.

Nothing here is clever: the book is a dictionary of orders that is searched whole, every touched tick is advanced at
every bin's end, its composites are kept as a list over all emitted bins, and medians are taken by sorting.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.naive_book import DEPTHS, FLOWS, Book, Record, apply_record, best, crossed, depth_by_tick, uncross
from tests.naive_filters import Tick, add_impulse, advance, look_at
from tests.naive_settings import NS_PER_MS, Settings
from tests.naive_spectrum import Spectrum, extend, spectrum_cell, untouched
from vpharness.events.mbo_event import ASK, BID, CLEAR, FLAG_LAST, FLAG_SNAPSHOT, RESTATE
from vpharness.prices import PRICE_SCALE

INT32: Final = np.iinfo(np.int32)
CELL_FLOATS: Final = (
    "pressure_variant",
    "vacuum_variant",
    *(f"{flow}_mass" for flow in FLOWS),
    *("rest_depth", *DEPTHS.values()),
    *(f"{letter}_{name}" for letter in "vaj" for name in (*FLOWS, "rest_depth", *DEPTHS.values())),
    "spectrum_score",
)
EMPTY_CELL: Final[dict[str, Any]] = dict.fromkeys(CELL_FLOATS, 0.0) | {"spectrum_state_code": 0, "last_event_id": 0}
PERM_STATE5: Final = {
    # (sign of the ask's move, sign of the bid's move): (code above spot, code below spot)
    (1, 1): (2, 1),
    (1, 0): (-1, -2),
    (1, -1): (-1, -2),
    (0, 1): (2, 1),
    (0, 0): (0, 0),
    (0, -1): (-1, -2),
    (-1, 1): (0, 0),
    (-1, 0): (-1, -2),
    (-1, -1): (-1, -2),
}


@dataclass(frozen=True)
class NaiveResult:
    """Bins and cells by column of the dataset contract: bins[column][bin], grid[column][bin][k + radius]."""

    bins: dict[str, list[Any]]
    grid: dict[str, list[list[Any]]]
    counts: dict[str, int]


@dataclass
class Lattice:
    """Everything that the twin carries from record to record."""

    book: Book
    now: int
    bin_start: int | None = None
    ticks: dict[int, Tick] = field(default_factory=dict)
    spectra: dict[int, Spectrum] = field(default_factory=dict)
    snapshot: bool = False
    crossed_since: int | None = None
    bin_events: int = 0
    best_before: tuple[int | None, int | None] = (None, None)
    bins: list[dict[str, Any]] = field(default_factory=list)
    cells: list[list[dict[str, Any]]] = field(default_factory=list)


def naive_lattice(events: NDArray[np.void], **settings: Any) -> NaiveResult:
    """Turn events (an array of EVENT_DTYPE) into bins and cells; the keywords are the fields of `Settings`."""
    s = Settings(**settings)
    records = [Record(*event) for event in events.tolist()]
    lattice = Lattice(Book(s.tick_int), now=records[0].ts_ns if records else 0)
    if s.start_ns is not None:
        # Nothing can be emitted before there is a book.
        lattice.bin_start = _bin_start(s, max(s.start_ns, lattice.now))
    for record in records:
        if s.end_ns is not None and max(record.ts_ns, lattice.now) >= s.end_ns:
            break
        _process(lattice, s, record)
    if lattice.bin_start is not None and lattice.now >= lattice.bin_start and lattice.book.counts["events"]:
        _move_time(lattice, s, _bin_start(s, lattice.now) + s.width_ns)
    lattice.book.counts["bins"] = len(lattice.bins)
    return NaiveResult(
        bins={name: [row[name] for row in lattice.bins] for name in (lattice.bins or [{}])[0]},
        grid={
            name: [[cell[name] for cell in row] for row in lattice.cells] for name in (lattice.cells or [[{}]])[0][0]
        },
        counts=lattice.book.counts,
    )


def _bin_start(s: Settings, ts_ns: int) -> int:
    return ts_ns // s.width_ns * s.width_ns


def _process(lattice: Lattice, s: Settings, record: Record) -> None:
    """Let time move on to a record, then let the record act."""
    counts = lattice.book.counts
    counts["clamped_ts"] += record.ts_ns < lattice.now and not record.flags & FLAG_SNAPSHOT
    if record.ts_ns > lattice.now:
        _move_time(lattice, s, record.ts_ns)
    is_record = record.action != RESTATE
    counts["events"] += is_record
    if lattice.bin_start is None and not record.flags & FLAG_SNAPSHOT:
        lattice.bin_start = _bin_start(s, lattice.now)
    if lattice.bin_start is not None and lattice.now >= lattice.bin_start:
        lattice.bin_events += is_record
    if record.action == CLEAR and record.flags & FLAG_SNAPSHOT:
        lattice.snapshot = True
    if record.flags & FLAG_LAST or not record.flags & FLAG_SNAPSHOT:
        lattice.snapshot = False
    for impulse in apply_record(lattice.book, record):
        at = lattice.ticks.setdefault(impulse.tick, Tick(lattice.now))
        advance(at, s, lattice.now)
        add_impulse(at, s, impulse.channel, impulse.quantity * s.size_unit)
        at.last_event_id = counts["events"]


def _move_time(lattice: Lattice, s: Settings, ts_ns: int) -> None:
    """Let time move on to a later `ts_ns`: fills lapse, bins are closed, and a crossing is evicted once it is stale."""
    lattice.book.filled.clear()
    if not crossed(lattice.book):
        lattice.crossed_since = None
    elif lattice.crossed_since is None:
        lattice.crossed_since = lattice.now
    if s.evict_crossed_ms and lattice.crossed_since is not None:
        stale_ns = lattice.crossed_since + s.evict_crossed_ms * NS_PER_MS
        if stale_ns <= ts_ns:
            # A bin that ends when the crossing turns stale is closed behind the eviction, one that ends before is not.
            _close_bins(lattice, s, stale_ns - 1)
            uncross(lattice.book)
            lattice.crossed_since = None
    _close_bins(lattice, s, ts_ns)
    lattice.now = ts_ns


def _close_bins(lattice: Lattice, s: Settings, until_ns: int) -> None:
    """Close the bins that end by `until_ns`."""
    while lattice.bin_start is not None and lattice.bin_start + s.width_ns <= until_ns:
        _close_bin(lattice, s, lattice.bin_start)
        lattice.bin_start += s.width_ns
        lattice.bin_events = 0


def _close_bin(lattice: Lattice, s: Settings, bin_start: int) -> None:
    """Emit the bin that begins at `bin_start`, unless neither it nor any bin before it has ended with a valid book."""
    bid, ask = best(lattice.book)
    in_doubt = lattice.snapshot or lattice.book.halted or lattice.book.gaps
    valid = bid is not None and ask is not None and bid < ask and not in_doubt
    if not valid and not lattice.bins:
        return
    bin_end = bin_start + s.width_ns
    for tick, at in lattice.ticks.items():
        advance(at, s, bin_end)
        seen = look_at(at, s)
        history = lattice.spectra.setdefault(tick, untouched(len(lattice.bins)))
        extend(history, s, seen["pressure_variant"], seen["vacuum_variant"])
    bid_plus_ask = bid + ask if valid and bid is not None and ask is not None else 0
    spot = (bid_plus_ask + 1) // 2
    labels = _labels(_moves(lattice, bid, ask))
    depths = depth_by_tick(lattice.book)
    lattice.cells.append([])
    for k in range(-s.radius, s.radius + 1):
        cell = _cell(lattice, s, spot + k, depths) if valid else dict(EMPTY_CELL)
        lattice.cells[-1].append(cell | labels[(k > 0) - (k < 0)])
    lattice.bins.append(
        {
            "ts_ns": bin_end,
            "bin_seq": len(lattice.bins),
            "bin_start_ns": bin_start,
            "bin_end_ns": bin_end,
            "bin_event_count": lattice.bin_events,
            "event_id": lattice.book.counts["events"],
            "mid_price": bid_plus_ask * s.tick_int / (2 * PRICE_SCALE),
            "spot_ref_price_int": spot * s.tick_int,
            "best_bid_price_int": 0 if bid is None else bid * s.tick_int,
            "best_ask_price_int": 0 if ask is None else ask * s.tick_int,
            "book_valid": valid,
        }
    )


def _cell(lattice: Lattice, s: Settings, tick: int, depths: dict[tuple[int, int], int]) -> dict[str, Any]:
    """Return the cell of one tick, without its labels."""
    cell = dict(EMPTY_CELL)
    for side, name in DEPTHS.items():
        cell[name] = depths.get((side, tick), 0) * s.size_unit
    cell["rest_depth"] = cell[DEPTHS[BID]] + cell[DEPTHS[ASK]]
    if tick in lattice.ticks:
        cell |= look_at(lattice.ticks[tick], s) | spectrum_cell(lattice.spectra[tick], s)
    return cell


def _moves(lattice: Lattice, bid: int | None, ask: int | None) -> tuple[int, int]:
    """Return by how many ticks the best bid and ask have moved since the bin before, held within int32."""
    pairs = zip((bid, ask), lattice.best_before, strict=True)
    bid_move, ask_move = (0 if new is None or old is None else new - old for new, old in pairs)
    lattice.best_before = (bid, ask)
    return max(INT32.min, min(INT32.max, bid_move)), max(INT32.min, min(INT32.max, ask_move))


def _labels(moves: tuple[int, int]) -> dict[int, dict[str, int]]:
    """Return the permutation labels of the cells at (0), above (1) and below (-1) spot."""
    bid_move, ask_move = moves
    bid_sign, ask_sign = ((move > 0) - (move < 0) for move in moves)
    above, below = PERM_STATE5[ask_sign, bid_sign]
    shared = {
        "best_ask_move_ticks": ask_move,
        "best_bid_move_ticks": bid_move,
        "ask_reprice_sign": ask_sign,
        "bid_reprice_sign": bid_sign,
        "perm_microstate_id": 3 * (ask_sign + 1) + (bid_sign + 1),
        "chase_up_flag": int(ask_sign == 1 and bid_sign == 1),
        "chase_down_flag": int(ask_sign == -1 and bid_sign == -1),
    }
    return {where: shared | {"perm_state5_code": code} for where, code in ((0, 0), (1, above), (-1, below))}
