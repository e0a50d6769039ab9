"""Fills beside those of `mbo-queue`, an independent package for CME's order-by-order data, where it is installed.

Both follow an order of one unit through the orders that were ahead of it. They differ by design in six points, which
these tests tell apart; docs/explanation/queue.md says who is right:

- an execution (F) whose price is not that of its order is an aggressor's own, an order that was moved and traded at
  once: here it executes nobody who rests, there it counts at the price at which its order rested before, unless it is
  run with `truth_record_price`;
- of an iceberg ahead that is executed for more than it shows, the part beyond was behind: here that fills, there the
  next execution does;

- it knows executions only: an order that a resting order of the other side meets (`crossed`) is not filled by that;
- it fills on an execution behind the order even where something is left ahead (`out_of_turn` here);
- it takes an order out at the first event at or after the end of its wait, so that this event may still fill it;
- it does not reject what would trade on arrival.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.execution.test_virtual_orders import fresh
from vpharness.events.dbn import DbnSource
from vpharness.events.mbo_event import CANCEL, FILL, MODIFY
from vpharness.events.synthetic import SyntheticSource
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.order_fates import BEHIND, CLEARED, CROSSED, FILLS, OPEN, REASONS, REJECTED

fast = pytest.importorskip("mboq.fast")

WAIT_NS = 10 * 10**9
LATTICE = LatticeParameters(radius=2, cell_width_ms=100, evict_crossed_ms=0)


def followed(
    events: NDArray[np.void], tick_size: float, size_unit: float, every: int, *, at_record: bool = True
) -> dict[str, NDArray[Any]]:
    """Return the virtual orders of both packages, placed behind one event of `every`: columns, a row an order."""
    times = events["ts_ns"]
    ends = np.flatnonzero((events["flags"] & 128) != 0)
    # An event has its time for itself: both packages then place the order between it and the next one.
    alone = ends[1:-1][(times[ends[1:-1]] > times[ends[:-2]]) & (times[ends[1:-1]] < times[ends[2:]])]
    placed = times[alone[len(alone) // 10 :: every]]
    codes = {"action": events["action"], "side": events["side"], "flags": events["flags"]}
    columns = {"ts_event": times, "order_id": events["order_id"], "price": events["price"], "size": events["size"]}
    tick = round(tick_size * 1e9)
    theirs = fast.run({**columns, **codes}, tick, place_times=placed, horizon_ns=WAIT_NS, truth_record_price=at_record)[
        "shadows"
    ]
    order = np.lexsort((theirs["side"] < 0, theirs["t_place"]))
    theirs = {name: column[order] for name, column in theirs.items() if column.ndim == 1}
    both = np.isin(theirs["t_place"], [time for time in placed if (theirs["t_place"] == time).sum() == 2])
    theirs = {name: column[both] for name, column in theirs.items()}
    bins = {
        "bin_end_ns": theirs["t_place"][::2] + 1,
        "book_valid": np.ones(len(theirs["t_place"]) // 2, bool),
        "best_bid_price_int": theirs["price"][::2],
        "best_ask_price_int": theirs["price"][1::2],
    }
    ours, out_of_turn = virtual_orders(
        bins, fresh(LATTICE, tick_size, size_unit), [events], latency_ns=0, max_wait_ns=WAIT_NS
    )
    fates = ours.reshape(-1)
    return {
        "reason": fates["reason"],
        "fill_ns": fates["fill_ns"],
        "ahead": fates["ahead_at_arrival"],
        "their_ahead": theirs["q0"],
        "their_fill_ns": np.where(theirs["true_filled"] == 1, theirs["true_t_fill"], 0),
        "their_end": theirs["end"],
        "withdrawal_ns": theirs["t_place"] + 1 + WAIT_NS,
        "out_of_turn": np.full(len(fates), out_of_turn),
        "icebergs_ns": icebergs_ns(events),
    }


def icebergs_ns(events: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the times at which an order was executed for more than it showed: it goes on, or less is taken out."""
    executed, taken_out = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for event in events[np.isin(events["action"], (FILL, CANCEL))]:
        sizes = executed if event["action"] == FILL else taken_out
        sizes[int(event["ts_ns"]), int(event["order_id"])] += int(event["size"])
    changed = events[events["action"] == MODIFY]
    goes_on = set(zip(changed["ts_ns"].tolist(), changed["order_id"].tolist(), strict=True))
    found = {key[0] for key, size in executed.items() if key in goes_on or size > taken_out[key] > 0}
    return np.array(sorted(found), np.int64)


def compared(found: dict[str, NDArray[Any]]) -> dict[str, int]:
    """Return how many orders agree, and how many differ for which reason; none may differ for another."""
    reason, fill, theirs = found["reason"], found["fill_ns"], found["their_fill_ns"]
    judged = ~np.isin(reason, (REJECTED, OPEN, CLEARED)) & (found["their_end"] != 2)
    filled = np.isin(reason, FILLS)
    same = np.where(filled, fill == theirs, theirs == 0)
    late = (theirs >= found["withdrawal_ns"]) & ~filled  # the event that ends the wait
    met = (reason == CROSSED) & ((theirs == 0) | (theirs > fill))
    hidden = (reason == BEHIND) & ((theirs == 0) | (theirs > fill))
    hidden &= np.isin(fill, found["icebergs_ns"])
    differs = judged & ~same & ~late & ~met & ~hidden
    print({REASONS[each]: int((reason == each).sum()) for each in np.unique(reason)})
    return {
        "judged": int(judged.sum()),
        "same": int((judged & same).sum()),
        "late": int((judged & ~same & late).sum()),
        "crossed": int((judged & ~same & met).sum()),
        "iceberg": int((judged & ~same & hidden).sum()),
        "other": int(differs.sum()),
    }


def test_fills_of_the_simulated_market_agree() -> None:
    """Every fill by executions is the same; what the other side meets is filled here alone, or earlier."""
    source = SyntheticSource(minutes=3, seed=5)
    with source.open() as stream:
        events = np.concatenate(list(stream.chunks))
    found = followed(events, source.tick_size, stream.size_unit, every=40)
    counts = compared(found)
    print(counts)
    assert found["out_of_turn"][0] == 0
    np.testing.assert_array_equal(found["ahead"], found["their_ahead"])
    assert counts["judged"] > 500
    assert (counts["other"], counts["iceberg"]) == (0, 0)
    assert counts["same"] > 0.5 * counts["judged"]


def test_fills_of_orders_at_cme_agree(shared: Path) -> None:
    """Of ESH4 in two hours of Christmas: all but those that the other side met, executions taken at their own price."""
    source = DbnSource(str(shared / "data" / "esh4-20231225.mbo.dbn.zst"), 0.25)
    with source.open() as stream:
        events = np.concatenate(list(stream.chunks))
    found = followed(events, source.tick_size, stream.size_unit, every=7)
    counts = compared(found)
    print(counts)
    assert found["out_of_turn"][0] == 0
    assert counts["judged"] > 1000
    assert counts["other"] == 0
    assert counts["same"] > 0.5 * counts["judged"]
