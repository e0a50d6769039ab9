"""The proof before a promotion: all events of a dataset through a live session, bin by bin, against the run itself.

On the way the slice is recorded that a server replays before it serves the bundle, and each step of the part that
counts is timed.
"""

import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.datasets.intake import LONGEST_GAP_NS, Intake, taken_in
from vpharness.errors import PromotionError
from vpharness.events.by_bin import by_bin
from vpharness.events.event_source import Source
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.execution.live_orders import LiveOrders
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.lattice.layout import LatticeState
from vpharness.live import FollowedOrders, LiveModel, LiveSession, ScoredBin
from vpharness.live.latency import Latency
from vpharness.prices import tick_size_to_price
from vpharness.promotion.agreement import Agreement, BinOutputs, compare_fates, compare_outputs
from vpharness.promotion.bundle import Recording, saved_with_orders
from vpharness.promotion.bundle_replay import outputs_of

_NO_EVENTS: Final = np.zeros(0, EVENT_DTYPE)

Events = NDArray[np.void]


@dataclass(frozen=True)
class BatchOutputs:
    """The run's outputs for all T bins of its dataset.

    Attributes:
        outputs: bins (of those columns of BIN_DTYPE that the dataset has), scores and fires.
        columns: the columns [T, K] of the grid that the signal reads.
        timed: first bin and the one behind the last whose steps are timed.
        recorded: first bin and the one behind the last of the slice that is recorded; not the first one of all.
        fates: FATE_DTYPE [T, 2], what becomes of a buy and a sell at every bin; None where fires enter at the touch.
    """

    outputs: BinOutputs
    columns: Mapping[str, NDArray[Any]]
    timed: tuple[int, int]
    recorded: tuple[int, int]
    fates: NDArray[np.void] | None = None


@dataclass(frozen=True)
class LiveProof:
    """The result of the proof.

    Attributes:
        agreement: of the live session with the run, over all bins.
        cells_differ: the columns whose cells are not those of the dataset, a sentence each.
        n_orders: resting orders that were compared; None where fires enter at the touch.
        orders_differ: in what their fates are not those of the run, a sentence each.
        latency: how long the timed steps took, from the events of a bin to its score and fire; None without any.
        recording: the slice.
    """

    agreement: Agreement
    cells_differ: tuple[str, ...]
    latency: Latency | None
    recording: Recording
    n_orders: int | None = None
    orders_differ: tuple[str, ...] = ()


def choose_slice(valid: NDArray[np.bool_], fires: NDArray[np.int8], start: int, stop: int, length: int) -> int:
    """Return where the slice of at most `length` bins in start..stop begins: most fires, most valid books, earliest.

    Raises PromotionError where no bin there has a valid book.
    """
    if not valid[start:stop].any():
        raise PromotionError(f"no bin from {start} to {stop - 1} has a valid book: there are no events to record")
    length = min(length, stop - start)
    worth = np.concatenate([[0], np.cumsum((fires[start:stop] != 0) * (length + 1) + valid[start:stop])])
    return start + int(np.argmax(worth[length:] - worth[:-length]))


def prove(
    model: LiveModel,
    lattice: LatticeState,
    source: Source,
    end_ns: int | None,
    whole: BatchOutputs,
    report: Callable[[float], None],
    orders: LiveOrders | None = None,
    judged: LiveModel | None = None,
) -> LiveProof:
    """Send a source's events through a live session, bin by bin.

    A learned signal crosses the refits of the run at the same bins, with the same weights; what is served is the last
    of these. So the slice is recorded by a second session, which goes on with them from where the first one stands.

    Args:
        model: what is to be served, with one threshold.
        lattice: the lattice before the first event.
        source: the events of the dataset.
        end_ns: the end of the dataset's span, where one was given.
        whole: what the run says.
        report: called with the fraction of bins that have come, from 0 to 1.
        orders: where fires enter with resting orders, these before the first event.
        judged: what the run was judged with, where that is not what is served: a learned signal with all of its fits.

    Raises SourceError where the events cannot be read.
    """
    followed, served = None if orders is None else FollowedOrders(orders), None if judged is None else model
    live = _LiveReplay(LiveSession(judged or model, lattice, longest_gap_ns=LONGEST_GAP_NS), followed, whole, served)
    width_ns = int(lattice.rules["cell_width_ns"][0])
    with source.open() as stream:
        chunks = taken_in(stream, Intake(tick_size_to_price(source.tick_size), end_ns))
        for events, bin_end_ns in by_bin(chunks, width_ns):
            # The orders of a snapshot may be days old: the event behind a silence before the first bin passes over it.
            if len(events) or live.bins:
                live.step(events, bin_end_ns)
            report(min(1.0, live.bins / len(whole.outputs.bins)))
    return live.proof(model.thresholds[0])


class _LiveReplay:
    """A session with its outputs so far: bins without their cells, packed, since a day has a million."""

    def __init__(
        self, session: LiveSession, followed: FollowedOrders | None, whole: BatchOutputs, served: LiveModel | None
    ) -> None:
        self._rows, self._scores, self._fires = bytearray(), array("d"), array("b")
        self._session, self._followed = session, followed
        self._recorded_fates: NDArray[np.void] | None = None
        self._served = served
        self._of_served: LiveSession | None = None
        self._served_bins: list[ScoredBin] = []
        self._whole = whole
        self._durations_ns: list[int] = []
        self._state: Mapping[str, NDArray[Any]] = {}
        self._recorded: list[Events] = []
        self._cells_differ: dict[str, str] = {}

    @property
    def bins(self) -> int:
        """How many bins have come."""
        return len(self._scores)

    def step(self, events: Events, complete_to_ns: int) -> None:
        """Take in the events of one bin, and close it."""
        place, (start, stop), (timed, timed_to) = self.bins, self._whole.recorded, self._whole.timed
        if start <= place < stop:
            if not self._recorded:
                self._begin_recording()
            self._recorded.append(events)
            if self._of_served is not None:
                self._served_bins += self._of_served.take(events, complete_to_ns)
        begun = time.perf_counter_ns()
        if self._followed is None:
            bins = self._session.take(events, complete_to_ns)
        else:
            bins = list(self._followed.iterate(self._session, events, complete_to_ns))
        taken_ns = time.perf_counter_ns() - begun
        if len(bins) == 1 and timed <= place < timed_to:
            self._durations_ns.append(taken_ns)
        for each in bins:
            self._compare_cells(each)
            self._rows += each.row.tobytes()
            self._scores.append(each.score)
            self._fires.append(each.fires[0])
        if start < self.bins <= stop:
            self._recorded_fates = self._fates_from(start)

    def _fates_from(self, start: int) -> NDArray[np.void] | None:
        return None if self._followed is None else self._followed.fates_from(start)

    def _begin_recording(self) -> None:
        if self._served is not None:
            self._of_served = self._session.with_weights_of(self._served)
        self._state = saved_with_orders(self._of_served or self._session, self._followed)

    def _compare_cells(self, scored: ScoredBin) -> None:
        place = self.bins
        if place >= len(self._whole.outputs.bins):
            return
        for name, column in self._whole.columns.items():
            if name not in self._cells_differ and not np.array_equal(scored.grid[name], column[place]):
                number = self._whole.outputs.bins["bin_seq"][place]
                self._cells_differ[name] = f"the cells of {name} differ from bin {number} on"

    def proof(self, threshold: float) -> LiveProof:
        """Compare everything with the run."""
        rows, (start, stop) = np.frombuffer(self._rows, BIN_DTYPE), self._whole.recorded
        found = BinOutputs(rows, np.frombuffer(self._scores), np.frombuffer(self._fires, np.int8))
        recorded = BinOutputs(found.bins[start:stop], found.scores[start:stop], found.fires[start:stop])
        if self._of_served is not None:
            recorded = outputs_of(self._served_bins)
        events = np.concatenate([_NO_EVENTS, *self._recorded])
        n_orders: int | None = None
        orders_differ: tuple[str, ...] = ()
        fates = self._fates_from(0)
        if fates is not None and self._whole.fates is not None:
            n_orders, orders_differ = compare_fates(fates, self._whole.fates, self._whole.outputs.bins["bin_seq"])
        return LiveProof(
            compare_outputs(found, self._whole.outputs, threshold),
            tuple(self._cells_differ.values()),
            Latency.of(self._durations_ns),
            Recording(self._state, events, recorded, self._recorded_fates),
            n_orders,
            orders_differ,
        )
