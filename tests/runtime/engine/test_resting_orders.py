"""A served model's resting orders: placed, followed and judged in a pipeline as a run over all bins judges them."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.engine.models import ServedModel, incompatibilities, new_session, served_model
from runtime.engine.pipeline import Pipeline, PipelineBin, new_pipeline, running_model
from runtime.feeds.dataset_feed import DatasetFeed, DatasetReplayParameters
from runtime.feeds.feed import BinFacts, FeedContext, FeedStep
from runtime.stream.stream_messages import bin_body, shadow_bodies
from tests.runtime.feeds.fake_clock import FakeClock, taken
from tests.runtime.market import LATTICE, ScriptedFeed, minute, steps_of
from tests.runtime.records import record_of
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    FireOutcomes,
    Fires,
    Part,
    fire_outcomes,
    outcomes_of_bins,
)
from vpharness.evaluation.split import WHOLE
from vpharness.events.synthetic import SyntheticSource
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.lattice.lattice_engine import advance, open_bin_end_ns
from vpharness.lattice.layout import new_state
from vpharness.order_fates import OPEN, REASONS

WARMUP_BINS = 20
FACTS = ScriptedFeed().facts


def model_of(latency_ms: float, name: str = "champion", threshold: float = 0.3) -> ServedModel:
    """Return a model whose entries rest for two seconds at most."""
    evaluation = EvaluationParameters(
        warmup_bins=WARMUP_BINS,
        cooldown_bins=2,
        max_hold_bins=40,
        tp_ticks=2.0,
        sl_ticks=1.0,
        fill="queue",
        latency_ms=latency_ms,
        max_wait_bins=20,
        maker_fee_ticks=-0.1,
        taker_fee_ticks=0.2,
    ).resolve(LATTICE.cell_width_ms)
    return served_model(record_of("svac", threshold=threshold, evaluation=evaluation.identity()), name)


@functools.cache
def market() -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Return the events of a minute, and its bins."""
    lattice = new_state(LATTICE, tick_size=0.25, size_unit=1.0, start_ns=None)
    state, blocks = advance(lattice, minute())
    _, more = advance(state, minute()[:0], open_bin_end_ns(state))
    return minute(), np.concatenate([block.bins for block in (*blocks, *more)])


def fates_of(latency_ms: float) -> NDArray[np.void]:
    """Return what becomes of an order at every bin and side."""
    events, rows = market()
    lattice = new_state(LATTICE, tick_size=0.25, size_unit=1.0, start_ns=None)
    durations = {"latency_ns": round(latency_ms * 1_000_000), "max_wait_ns": 2_000_000_000}
    return virtual_orders({name: rows[name] for name in rows.dtype.names or ()}, lattice, [events], **durations)[0]


def lookups(model: ServedModel, fires: Fires, fates: NDArray[np.void]) -> FireOutcomes:
    """Judge fires by lookups in all bins."""
    rows = market()[1]
    view = DatasetView(
        name="minute",
        checksum="checksum",
        span=(int(rows["bin_start_ns"][0]), int(rows["bin_end_ns"][-1])),
        tick_size=0.25,
        cell_width_ms=100.0,
        mid=rows["mid_price"].copy(),
        book_valid=rows["book_valid"].copy(),
        best_bid=rows["best_bid_price_int"].copy(),
        best_ask=rows["best_ask_price_int"].copy(),
        virtual_orders=lambda _latency_ns, _max_wait_ns: fates,
    )
    part = Part(WHOLE, 0, len(rows), len(rows), 0)
    return fire_outcomes(outcomes_of_bins(view, model.evaluation), fires, part)


def followed(pipeline: Pipeline, steps: Iterable[FeedStep]) -> list[PipelineBin]:
    """Return the bins of a pipeline."""
    return [each for step in steps for each in pipeline.take(step.events, step.complete_to_ns)]


def pipeline_of(model: ServedModel) -> Pipeline:
    """Return a pipeline before the first event."""
    return new_pipeline(0, model, new_session(model, FACTS), FACTS)


def fires_of(bins: Sequence[PipelineBin], name: str = "champion") -> Fires:
    """Return the fires that a model reports."""
    directions = np.array([each.outputs[name].fire for each in bins], np.int8)
    return Fires(np.flatnonzero(directions), directions[directions != 0])


def orders_of(bins: Sequence[PipelineBin], name: str = "champion") -> dict[int, list[Any]]:
    """Return the orders of a model's fires, by bin, as they changed."""
    found: dict[int, list[Any]] = {}
    for each in bins:
        for change in each.outputs[name].orders:
            found.setdefault(change.seq, []).append(change.order)
    return found


@pytest.mark.parametrize(("latency_ms", "bins_a_step"), [(0.0, 7), (100.0, 1)])
def test_every_order_and_outcome_is_that_of_a_run(latency_ms: float, bins_a_step: int) -> None:
    """Fire by fire: the order's price, fate and time, and the net outcome after fees."""
    model, fates = model_of(latency_ms), fates_of(latency_ms)
    pipeline = pipeline_of(model)
    bins = followed(pipeline, steps_of(minute(), bins_a_step))
    fires = fires_of(bins)
    assert len(fires) > 40
    wanted, orders = lookups(model, fires, fates), orders_of(bins)
    known = {outcome.seq: outcome for each in bins for outcome in each.outputs["champion"].outcomes}
    for index, (place, direction) in enumerate(zip(fires.bins.tolist(), fires.directions.tolist(), strict=True)):
        fate, changes = fates[place, 0 if direction > 0 else 1], orders[place]
        assert changes[0].state == "resting"
        assert (changes[-1].price, changes[-1].fill_ns) == (fate["price"], fate["fill_ns"])
        assert REASONS[changes[-1].reason] == REASONS[fate["reason"]]
        assert len(changes) == 2 - (fate["reason"] == OPEN)
        if place + model.evaluation.net_reach_bins + model.evaluation.max_hold_bins < len(bins):
            outcome = known[place]
            # The evaluator counts bins from the first at which the model is ready.
            exit_bin = outcome.net.exit_bin + WARMUP_BINS
            assert (outcome.net.code, exit_bin) == (wanted.net_code[index], wanted.net_exit[index])
            np.testing.assert_allclose(outcome.net.pnl_ticks, wanted.net_pnl_ticks[index], atol=1e-9)
    states = {order.state for changes in orders.values() for order in changes}
    assert {"resting", "filled", "withdrawn"} <= states
    facts = pipeline.champion.statistics()
    assert 0 < facts["fill_rate"] < 1
    assert facts["median_wait_ms"] > 0


def test_models_of_one_latency_share_their_orders_and_others_have_their_own() -> None:
    """Two are followed, however many models there are; each model is told its own orders alone."""
    pipeline = pipeline_of(model_of(100.0))
    for each in (model_of(100.0, "eager", 0.2), model_of(0.0, "fast")):
        pipeline.others[each.name] = running_model(each, new_session(each, FACTS), FACTS)
    bins = followed(pipeline, steps_of(minute()))
    assert len(pipeline.queues) == 2
    for name, latency_ms in (("champion", 100.0), ("eager", 100.0), ("fast", 0.0)):
        fates, fires = fates_of(latency_ms), fires_of(bins, name)
        orders = orders_of(bins, name)
        assert sorted(orders) == fires.bins.tolist()
        for place, direction in zip(fires.bins.tolist(), fires.directions.tolist(), strict=True):
            last, fate = orders[place][-1], fates[place, 0 if direction > 0 else 1]
            assert (last.price, last.reason, last.fill_ns) == (fate["price"], fate["reason"], fate["fill_ns"])


def test_a_model_that_comes_later_follows_from_the_book_on() -> None:
    """A champion at the touch needs no orders; a challenger that joins has the fates of a run from then on."""
    touch = served_model(record_of("svac"))
    pipeline = pipeline_of(touch)
    steps = steps_of(minute())
    before = followed(pipeline, steps[:200])
    assert pipeline.queues == {}
    late = model_of(100.0, "late")
    pipeline.others["late"] = running_model(late, new_session(late, FACTS), FACTS)
    bins = followed(pipeline, steps[200:])
    fates, orders = fates_of(100.0), orders_of(bins, "late")
    fired = [each for each in bins if each.outputs["late"].fire]
    assert len(fired) > 20
    for each in fired:
        last, fate = orders[each.seq][-1], fates[each.seq, 0 if each.outputs["late"].fire > 0 else 1]
        assert (last.price, last.reason, last.fill_ns) == (fate["price"], fate["reason"], fate["fill_ns"])
    assert len(before) + len(bins) == len(market()[1])
    del pipeline.others["late"]
    followed(pipeline, [FeedStep(minute()[:0], None, "live")])
    assert pipeline.queues == {}


def test_a_dataset_feed_has_the_orders_and_trades_of_its_events(tmp_path: Path) -> None:
    """From a dataset that keeps them, from its beginning or from some bin on; without them such a model is refused."""
    build(Lake(tmp_path), SyntheticSource(seed=5, minutes=1), LATTICE, dataset_id="minute")
    dataset = find_dataset(Lake(tmp_path), "minute")
    assert dataset.manifest.bins == len(market()[1])
    context = FeedContext(LATTICE.cell_width_ms, lake=Lake(tmp_path), dataset_id="minute", clock=FakeClock())
    feed = DatasetFeed(DatasetReplayParameters(speed="max", loop=False), context, dataset)
    model = model_of(100.0)
    assert incompatibilities(model.record, feed.facts) == []
    pipeline = new_pipeline(0, model, new_session(model, feed.facts), feed.facts)
    bins = [each for step in taken(feed) for each in pipeline.take_bins(step.bins, step.events)]
    wanted = followed(pipeline_of(model), steps_of(minute()))
    assert orders_of(bins) == orders_of(wanted)
    assert [each.trades for each in bins] == [each.trades for each in wanted]
    assert sum(len(each.trades) for each in bins) > 100
    facts = dataclasses.replace(feed.facts, bins=BinFacts(100, 20, ("vacuum_variant",), has_best_prices=True))
    (why,) = incompatibilities(model.record, facts)
    assert why.startswith("v0000 enters with resting orders (eval.fill=queue), whose fills follow from events")


def test_a_bin_tells_the_changes_of_orders() -> None:
    """Of champion and challengers to all, of a shadow to its own client."""
    pipeline = pipeline_of(model_of(100.0))
    shadow = model_of(100.0, "shadow:1")
    pipeline.others[shadow.name] = running_model(shadow, new_session(shadow, FACTS), FACTS)
    bins = followed(pipeline, steps_of(minute())[:120])
    first = next(each for each in bins if each.outputs["champion"].orders)
    body = bin_body(first, 250_000_000, 0.0)
    order = first.outputs["champion"].orders[0].order
    told = (
        f'"orders":[{{"model":"champion","seq":{first.seq},"direction":{order.direction},"state":"resting",'
        f'"price":{order.price / 1e9:g},"reason":null,"fill_ns":null}}]'
    )
    assert told in body.replace(".0,", ",")
    assert '"orders":[{"model":"shadow"' in shadow_bodies(first)["shadow:1"]
