"""Served models: made from promoted records, checked against the feed, and compiled.

The champion is the promoted version of the instrument; challengers are configured beside it when the server starts;
shadow models are the champion with a client's own overrides.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from runtime.feeds.feed import FeedFacts, FinishedBin
from vpharness.datasets import intake
from vpharness.evaluation import ResolvedEvaluation
from vpharness.evaluation.evaluation_parameters import QUEUE, TOUCH
from vpharness.events.mbo_event import ADD, ASK, BID, EVENT_DTYPE, FLAG_LAST
from vpharness.execution.live_orders import LiveOrders
from vpharness.lattice.columns import BIN_DTYPE, GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.lattice.layout import LatticeState, new_state
from vpharness.live import LONGEST_GAP_NS, LiveModel, LiveSession
from vpharness.prices import PRICE_SCALE
from vpharness.promotion.serving import (
    PromotedRecord,
    lattice_parameters,
    live_model,
    model_inputs,
    record_evaluation,
)
from vpharness.signals import SPREAD_TICKS

CHAMPION: Final = "champion"

SHADOW_PREFIX: Final = "shadow:"
"""Begins the names of shadow models, which no challenger's may; only clients that asked for one are sent its scores."""

OrderDurations = tuple[int, int]
"""Latency and longest wait of resting orders, ns: orders of equal ones have equal fates, whoever places them."""

_TWO_ORDERS: Final = np.array(
    [
        (10**18, price, 1, price, ADD, side, FLAG_LAST, 0)
        for price, side in ((PRICE_SCALE, BID), (2 * PRICE_SCALE, ASK))
    ],
    EVENT_DTYPE,
)
"""A minimal book: taking it in compiles the lattice's machine code."""


@dataclass(frozen=True)
class ServedModel:
    """A model by the name that it has in the stream."""

    name: str
    record: PromotedRecord
    live: LiveModel
    evaluation: ResolvedEvaluation

    @property
    def order_durations(self) -> OrderDurations | None:
        """Latency and longest wait of its resting orders, ns; None where it enters at the touch."""
        evaluation = self.evaluation
        return (evaluation.latency_ns, evaluation.max_wait_ns) if evaluation.in_queue else None


def served_model(record: PromotedRecord, name: str = CHAMPION) -> ServedModel:
    """Return the model of a record; ConfigError or PromotionError where it cannot be made."""
    return ServedModel(name, record, live_model(record), record_evaluation(record))


def new_lattice(record: PromotedRecord, facts: FeedFacts) -> LatticeState:
    """Return the lattice of a record before the first event of a feed."""
    return new_state(
        lattice_parameters(record),
        tick_size=facts.tick_size,
        size_unit=facts.quantity_unit,
        default_evict_crossed_ms=facts.default_evict_crossed_ms,
        start_ns=facts.start_ns,
    )


def lattice_in_force(record: PromotedRecord, facts: FeedFacts) -> LatticeParameters:
    """Return a record's lattice parameters, with what the feed says of crossed books where the record says nothing."""
    return lattice_parameters(record).with_eviction(facts.default_evict_crossed_ms)


def incompatibilities(record: PromotedRecord, facts: FeedFacts) -> list[str]:
    """Return every reason why a record cannot be served on a feed: none where it can."""
    lattice = lattice_parameters(record)
    pairs = [
        ("the instrument", facts.instrument, record.instrument),
        ("the tick size", facts.tick_size, record.tick_size),
        ("the size unit", facts.size_unit, record.size_unit),
    ]
    if facts.bins is not None:
        pairs += [
            ("the cell width in ms", facts.bins.cell_width_ms, lattice.cell_width_ms),
            ("the radius", facts.bins.radius, lattice.radius),
        ]
    in_queue = record.evaluation.get("fill", TOUCH) == QUEUE
    blind = in_queue and facts.bins is not None and not facts.bins.has_events
    columns = GRID_COLUMNS if facts.bins is None else facts.bins.columns
    read, series = model_inputs(record)
    absent = [name for name in read if name not in columns]
    if SPREAD_TICKS in series and facts.bins is not None and not facts.bins.has_best_prices:
        absent.append(f"{SPREAD_TICKS} (from the best prices)")
    name = record.signal_target.rpartition(".")[2]
    return (
        [
            f"{what} of the feed is {found}, {record.version} is made for {wanted}"
            for what, found, wanted in pairs
            if None not in (found, wanted) and found != wanted
        ]
        + ([_BLIND.format(version=record.version)] if blind else [])
        + ([f"signal {name} reads {', '.join(absent)}, which the feed's bins do not have"] if absent else [])
    )


_BLIND: Final = (
    "{version} enters with resting orders (eval.fill=queue), whose fills follow from events by order id, and the feed "
    "has none: replay a source, or a dataset that keeps its events"
)


def on_lattice_of(model: ServedModel, record: PromotedRecord) -> ServedModel:
    """Return a model as it is beside a champion of another lattice: in that one's cells, judged as that one is."""
    if model.record.lattice == record.lattice:
        return model
    own = dataclasses.replace(
        model.record,
        lattice=record.lattice,
        lattice_version=record.lattice_version,
        evaluation=record.evaluation,
        projection=None,
        memory_bins=None,
    )
    return served_model(own, model.name)


def new_session(model: ServedModel, facts: FeedFacts) -> LiveSession:
    """Return a session of a model before the first event of a feed.

    What is replayed may stand still for as long as a dataset may; a live feed that leaps so far has a broken clock.
    """
    longest_gap_ns = LONGEST_GAP_NS if facts.live else intake.LONGEST_GAP_NS
    return LiveSession(live_model_on(model, facts), new_lattice(model.record, facts), longest_gap_ns=longest_gap_ns)


def new_orders(model: ServedModel, facts: FeedFacts, durations: OrderDurations) -> LiveOrders:
    """Return resting orders of some durations on a model's lattice, before the first event of a feed."""
    latency_ns, max_wait_ns = durations
    return LiveOrders(new_lattice(model.record, facts), latency_ns=latency_ns, max_wait_ns=max_wait_ns)


def live_model_on(model: ServedModel, facts: FeedFacts) -> LiveModel:
    """Return a model as it is on a feed: finished bins have cells that remember nothing."""
    if facts.bins is None:
        return model.live
    return dataclasses.replace(model.live, memory=model.live.memory.of_finished_cells())


def compiled_session(model: ServedModel, facts: FeedFacts) -> LiveSession:
    """Return a session before the first event of a feed, all of whose code has been compiled."""
    trial = new_session(model, facts)
    trial.take(_TWO_ORDERS)
    trial.advance_to(int(_TWO_ORDERS["ts_ns"][-1]) + 2_000_000 * round(model.live.scorer.cell_width_ms))
    new_session(model, facts).take_bin(*_blank_bin(model.live.scorer.radius))
    if (durations := model.order_durations) is not None:
        orders = new_orders(model, facts, durations)
        orders.take(_TWO_ORDERS)
        orders.close(int(_TWO_ORDERS["ts_ns"][-1]) + 1)
    return new_session(model, facts)


def show(session: LiveSession, bins: Iterable[FinishedBin]) -> None:
    """Show a session finished bins."""
    for row, grid in bins:
        session.take_bin(row, grid)


def _blank_bin(radius: int) -> FinishedBin:
    row = np.zeros(1, BIN_DTYPE)
    row["book_valid"] = True
    return row, {name: np.zeros(2 * radius + 1, kind) for name, kind in GRID_COLUMNS.items()}
