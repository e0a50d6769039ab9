"""Outcomes of fires that enter with a resting order, and the costs of both ways to enter, against plain twins."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.evaluation.paths import SPAN, TICK, dataset_of, hostile_dataset
from tests.evaluation.twins import as_pairs, names
from tests.examples import examples
from tests.execution.test_virtual_orders import LATTICE, bins_of, fresh
from tests.naive import naive_queue_outcome
from tests.naive_evaluation import Outcome
from vpharness.errors import ConfigError
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    FireOutcomes,
    Fires,
    Part,
    PartWalks,
    ResolvedEvaluation,
    SplitParameters,
    evaluate_fires,
    figures_of,
    fire_outcomes,
    outcomes_of_bins,
    parts_of,
)
from vpharness.evaluation.evidence import excess_of
from vpharness.evaluation.split import WHOLE
from vpharness.events.synthetic import SyntheticSource
from vpharness.execution.virtual_orders import virtual_orders
from vpharness.order_fates import FATE_DTYPE, FILLS, REASONS
from vpharness.prices import PRICE_SCALE

NS_PER_MS = 1_000_000
WIDTH_NS = 100 * NS_PER_MS


def every_fire(n_bins: int) -> Fires:
    """Return a fire at every bin in both directions."""
    return Fires(np.repeat(np.arange(n_bins), 2), np.tile(np.array([1, -1], dtype=np.int8), n_bins))


def resting(
    barriers: tuple[float, float],
    hold: int,
    rests: tuple[float, int],
    exit_delay: int,
    fees: tuple[float, float, float, float],
    cost_ticks: float = 0.0,
) -> ResolvedEvaluation:
    """Resting orders of (latency in ms, longest wait in bins), with fees of maker and taker in ticks and bps."""
    return EvaluationParameters(
        tp_ticks=barriers[0],
        sl_ticks=barriers[1],
        max_hold_bins=hold,
        exit_delay_bins=exit_delay,
        fill="queue",
        latency_ms=rests[0],
        max_wait_bins=rests[1],
        cost_ticks=cost_ticks,
        maker_fee_ticks=fees[0],
        taker_fee_ticks=fees[1],
        maker_fee_bps=fees[2],
        taker_fee_bps=fees[3],
    ).resolve(100.0)


def random_fates(dataset: DatasetView, evaluation: ResolvedEvaluation, seed: int) -> NDArray[np.void]:
    """Return fates of every kind, at the touch of each bin, filled at any time within their wait."""
    rng = np.random.default_rng(seed)
    fates = np.zeros((dataset.n_bins, 2), FATE_DTYPE)
    assert dataset.best_bid is not None
    assert dataset.best_ask is not None
    fates["price"] = np.column_stack([dataset.best_bid, dataset.best_ask])
    fates["reason"] = rng.integers(1, len(REASONS), fates.shape)
    filled = np.isin(fates["reason"], FILLS)
    arrivals = dataset.span[0] + (np.arange(dataset.n_bins) + 1)[:, None] * WIDTH_NS + evaluation.latency_ns
    on_edges = rng.random(fates.shape) < 0.3  # of a bin, where the times of both are compared
    waits = rng.integers(0, evaluation.max_wait_ns, fates.shape)
    times = np.where(on_edges, (arrivals + waits - dataset.span[0]) // WIDTH_NS * WIDTH_NS + dataset.span[0], arrivals)
    times = np.where(on_edges, np.maximum(times, arrivals), arrivals + waits)
    fates["fill_ns"] = np.where(filled, times, 0)
    fates[~dataset.book_valid] = np.zeros((), FATE_DTYPE)
    return fates


def with_fates(dataset: DatasetView, fates: NDArray[np.void]) -> DatasetView:
    """Return a dataset whose virtual orders are known."""
    return dataclasses.replace(dataset, virtual_orders=lambda _latency_ns, _max_wait_ns: fates)


def judged(dataset: DatasetView, evaluation: ResolvedEvaluation, limit: int | None = None) -> FireOutcomes:
    """Judge every fire of a dataset."""
    part = Part(WHOLE, 0, dataset.n_bins, dataset.n_bins if limit is None else limit, 0)
    return fire_outcomes(outcomes_of_bins(dataset, evaluation), every_fire(dataset.n_bins), part)


def twins_of(
    dataset: DatasetView, evaluation: ResolvedEvaluation, fates: NDArray[np.void], fires: Fires, limit: int
) -> list[Outcome]:
    """Judge fires by the plain twin."""
    assert dataset.best_bid is not None
    assert dataset.best_ask is not None
    return [
        naive_queue_outcome(
            dataset.mid,
            dataset.book_valid,
            dataset.best_bid,
            dataset.best_ask,
            dataset.tick_size,
            (t, side),
            (REASONS[fate["reason"]], int(fate["price"]), int(fate["fill_ns"])),
            span_start=dataset.span[0],
            latency_ns=evaluation.latency_ns,
            wait_ns=evaluation.max_wait_ns,
            tp=evaluation.tp_ticks,
            sl=evaluation.sl_ticks,
            hold=evaluation.max_hold_bins,
            exit_delay=evaluation.exit_delay_bins,
            cost=evaluation.cost_ticks,
            maker=(evaluation.maker_fee_ticks, evaluation.maker_fee_bps),
            taker=(evaluation.taker_fee_ticks, evaluation.taker_fee_bps),
            limit=limit,
            cell_width_ms=evaluation.cell_width_ms,
        )
        for t, side in as_pairs(fires)
        for fate in [fates[t, 0 if side > 0 else 1]]
    ]


@examples(40)
@given(
    market=st.tuples(st.integers(0, 10_000), st.integers(1, 260)),
    barriers=st.tuples(st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.5, 2.0])),
    hold=st.integers(1, 60),
    rests=st.tuples(st.sampled_from([0.0, 30.0, 100.0, 250.0]), st.sampled_from([1, 7, 40])),
    exit_delay=st.integers(0, 4),
    prices=st.tuples(st.sampled_from([0.0, 0.1, 0.7]), st.sampled_from([20_000, 0, -500])),
    fees=st.sampled_from([(0.0, 0.0, 0.0, 0.0), (-0.2, 0.3, 0.0, 0.0), (0.1, 0.0, -1.0, 4.0)]),
    cut=st.integers(0, 30),
)
def test_every_outcome_equals_its_twin(
    market: tuple[int, int],
    barriers: tuple[float, float],
    hold: int,
    rests: tuple[float, int],
    exit_delay: int,
    prices: tuple[float, int],
    fees: tuple[float, float, float, float],
    cut: int,
) -> None:
    """Code, exit, P&L after fees, time, wait and markouts of every bin and direction, and of the null."""
    evaluation = resting(barriers, hold, rests, exit_delay, fees, cost_ticks=0.3)
    seed, n_bins = market
    plain = hostile_dataset(seed, n_bins, *prices)
    fates = random_fates(plain, evaluation, seed)
    dataset, limit = with_fates(plain, fates), max(n_bins - cut, 0)
    found = judged(dataset, evaluation, limit)
    expected = twins_of(dataset, evaluation, fates, found.fires, limit)
    assert found.orders is not None
    assert names(found.net_code) == [each["outcome"] for each in expected]
    assert found.net_exit.tolist() == [each["exit"] for each in expected]
    np.testing.assert_array_equal(found.net_time_ms, [each["time"] for each in expected])
    np.testing.assert_allclose(found.net_pnl_ticks, [each["pnl"] for each in expected], rtol=0, atol=1e-8)
    filled = found.orders.filled
    assert filled.tolist() == [not math.isnan(each["wait"]) for each in expected]
    np.testing.assert_array_equal(
        found.orders.wait_ms[filled], [each["wait"] for each in expected if each["wait"] >= 0]
    )
    markouts = np.array([each["markouts"] for each in expected]).reshape(-1, 4).T
    np.testing.assert_allclose(found.orders.markout_ticks[:, filled], markouts[:, filled], rtol=0, atol=1e-8)


def queue_evaluation(**values: object) -> ResolvedEvaluation:
    """Return a small evaluation whose entries rest."""
    settled = {"tp_ticks": 2.0, "sl_ticks": 2.0, "max_hold_bins": 10, "fill": "queue", "latency_ms": 0.0, **values}
    return EvaluationParameters(**settled).resolve(100.0)  # type: ignore[arg-type]  # of several types


def still_market(n_bins: int = 60) -> DatasetView:
    """Return a book of one tick that stands still, and rises by two ticks at bin 20."""
    bid = np.full(n_bins, 100)
    bid[20:] += 2
    return dataset_of(bid, bid + 1, np.ones(n_bins, dtype=bool))


def test_a_filled_order_by_hand() -> None:
    """Bought at the bid of bin 3, filled in bin 15; the mid rises at bin 20; sold one bin later, fees on both sides."""
    evaluation = queue_evaluation(max_wait_bins=20, maker_fee_ticks=-0.25, taker_fee_bps=100.0, exit_delay_bins=1)
    fates = np.zeros((60, 2), FATE_DTYPE)
    fates["reason"] = REASONS.index("withdrawn")
    fates["price"] = np.array([100, 101]) * PRICE_SCALE // 4
    fates[3, 0] = (25 * PRICE_SCALE, SPAN[0] + 15 * WIDTH_NS + 7, 0, 0, REASONS.index("behind"))
    dataset = with_fates(still_market(), fates)
    found = judged(dataset, evaluation)
    up, down = 2 * 3, 2 * 3 + 1
    assert names(found.net_code[[up, down]]) == ["tp", "unfilled"]
    assert found.net_exit[up] == 20
    assert found.net_time_ms[up] == 500.0
    assert found.net_pnl_ticks[up] == pytest.approx((102 - 100) + 0.25 - 1.02)  # a percent of 102 ticks
    assert math.isnan(found.net_pnl_ticks[down])
    assert found.orders is not None
    assert found.orders.wait_ms[up] == pytest.approx(15 * 100 - 400, abs=1e-4)
    # 0.1 s after the fill the mid still stands half a tick above the price, 1 s after it 2 ticks more.
    assert found.orders.markout_ticks[:2, up].tolist() == [0.5, 2.5]


def test_an_order_that_is_not_filled_earns_nothing_in_the_null_but_pays_nothing_either() -> None:
    """(u - d)/2 has 0 for it, whatever the costs; it is missing where there was no order, or no result."""
    evaluation = queue_evaluation(max_wait_bins=5, cost_ticks=1.0)
    plain = still_market()
    fates = np.zeros((60, 2), FATE_DTYPE)
    fates["price"] = np.array([100, 101]) * PRICE_SCALE // 4
    fates["reason"] = REASONS.index("rejected")
    fates[4, 0] = (25 * PRICE_SCALE, SPAN[0] + 6 * WIDTH_NS, 0, 0, REASONS.index("through"))
    fates[5, 1]["reason"] = REASONS.index("none")
    fates[6, 1]["reason"] = REASONS.index("open")
    excess = excess_of(outcomes_of_bins(with_fates(plain, fates), evaluation))
    assert excess[3] == 0.0
    assert excess[4] == (-1.0 - 0.0) / 2  # bought and sold at 100, at a cost of 1 tick; the sell was not filled
    assert np.isnan(excess[5:7]).all()


def test_figures_count_orders_by_what_became_of_them() -> None:
    """Of the fires that fit: fill rate, wait, reasons and markouts; each mean over blocks, as any other."""
    evaluation = queue_evaluation(max_wait_bins=7, warmup_bins=0)
    plain = hostile_dataset(11, 900, 0.1)
    fates = random_fates(plain, evaluation, 5)
    dataset = with_fates(plain, fates)
    (part,) = parts_of(dataset, evaluation, SplitParameters(kind="none"))
    fires = Fires(np.arange(0, 900, 3), np.where(np.arange(300) % 2, 1, -1).astype(np.int8))
    table = outcomes_of_bins(dataset, evaluation)
    (found,) = evaluate_fires(dataset, table, part, [fires])
    expected = twins_of(dataset, evaluation, fates, fires, part.limit)
    reasons = [
        REASONS[fates[t, 0 if side > 0 else 1]["reason"]]
        for (t, side), each in zip(as_pairs(fires), expected, strict=True)
        if each["outcome"] != "censored"
    ]
    counts = Counter(reasons)
    filled = counts["through"] + counts["behind"] + counts["crossed"]
    placed = len(reasons) - counts["none"]
    f = figures_of(found.evidence, evaluation.tp_ticks, evaluation.sl_ticks)
    assert (f.n_orders, f.n_orders_rejected) == (placed, counts["rejected"])
    assert (f.n_orders_withdrawn, f.n_orders_cleared) == (counts["withdrawn"], counts["cleared"])
    assert f.fill_rate == pytest.approx(filled / placed)
    assert f.through_share == pytest.approx(counts["through"] / filled)
    assert f.behind_share == pytest.approx(counts["behind"] / filled)
    assert f.crossed_share == pytest.approx(counts["crossed"] / filled)
    waits = sorted(each["wait"] for each in expected if not math.isnan(each["wait"]))
    assert f.median_wait_ms == pytest.approx(float(np.median(waits)))
    for place, mean in enumerate((f.markout_100ms_ticks, f.markout_1s_ticks, f.markout_5s_ticks, f.markout_10s_ticks)):
        values = [each["markouts"][place] for each in expected if not math.isnan(each["markouts"][place])]
        assert mean == pytest.approx(np.mean(values))
    assert f.fill_rate_low < f.fill_rate < f.fill_rate_high
    assert f.markout_1s_ticks_low < f.markout_1s_ticks < f.markout_1s_ticks_high
    pnl = [each["pnl"] for each in expected if not math.isnan(each["pnl"])]
    assert f.n_net == len(pnl)
    assert f.net_pnl_ticks == pytest.approx(np.mean(pnl))
    # Every fire that fits and has both results takes part in the null, filled or not.
    walks = PartWalks.of(table, part)
    excess = excess_of(table)
    entered = [each["outcome"] not in {"censored", "skipped"} for each in expected]
    s = fires.directions * (excess[fires.bins] - walks.mean_excess)
    both = np.array(entered) & np.isfinite(s)
    assert found.evidence.blocks.tick("excess").sum() == pytest.approx(s[both].sum())


def test_entries_at_the_touch_have_no_figures_of_orders() -> None:
    """They are missing, and so are the sums they are made of."""
    evaluation = EvaluationParameters(tp_ticks=2, sl_ticks=2, max_hold_bins=10, warmup_bins=0).resolve(100.0)
    dataset = hostile_dataset(3, 300)
    (part,) = parts_of(dataset, evaluation, SplitParameters(kind="none"))
    (found,) = evaluate_fires(dataset, outcomes_of_bins(dataset, evaluation), part, [every_fire(300)])
    assert found.outcomes.orders is None
    assert found.evidence.blocks.orders is None
    assert found.evidence.waits_ms is None
    f = figures_of(found.evidence, 2, 2)
    assert all(math.isnan(value) for value in (f.fill_rate, f.median_wait_ms, f.markout_1s_ticks, f.n_orders))


def test_fees_at_the_touch_are_a_takers_on_both_sides() -> None:
    """Ticks and basis points of both prices come off; a maker's fee is nobody's."""
    dataset = hostile_dataset(8, 300)
    free = EvaluationParameters(tp_ticks=2, sl_ticks=2, max_hold_bins=10).resolve(100.0)
    paid = EvaluationParameters(
        tp_ticks=2, sl_ticks=2, max_hold_bins=10, maker_fee_ticks=9, taker_fee_ticks=0.5, taker_fee_bps=2.0
    ).resolve(100.0)
    before, after = judged(dataset, free), judged(dataset, paid)
    counts = before.net_code < 3
    signs = before.fires.directions[counts]
    assert dataset.best_ask is not None
    assert dataset.best_bid is not None
    entry = np.minimum(before.fires.bins[counts] + 1, dataset.n_bins - 1)
    bought = np.where(signs > 0, dataset.best_ask[entry], dataset.best_bid[entry]) / (TICK * 1e9)
    sold = bought + signs * before.net_pnl_ticks[counts]
    cost = 2 * 0.5 + 2e-4 * (bought + sold)
    np.testing.assert_allclose(after.net_pnl_ticks[counts], before.net_pnl_ticks[counts] - cost, atol=1e-9)
    assert paid.maker_fee_ticks == 0


@pytest.mark.parametrize("latency_ms", [0.0, 130.0])
def test_nothing_after_the_last_withdrawal_and_walk_changes_an_outcome(latency_ms: float) -> None:
    """Events from a bin's end on are replaced by others: what must be over before is what it was."""
    evaluation = queue_evaluation(latency_ms=latency_ms, max_wait_bins=8, tp_ticks=0.5, sl_ticks=0.5, max_hold_bins=30)
    with SyntheticSource(minutes=1, seed=5).open() as stream:
        events = np.concatenate([chunk.copy() for chunk in stream.chunks])
    cut_bin = 300

    def outcomes(feed: NDArray[np.void]) -> tuple[FireOutcomes, DatasetView]:
        bins = bins_of(feed)
        view = DatasetView(
            name="made",
            checksum="made",
            span=(int(bins["bin_start_ns"][0]), int(bins["bin_end_ns"][-1])),
            tick_size=TICK,
            cell_width_ms=LATTICE.cell_width_ms,
            mid=bins["mid_price"],
            book_valid=bins["book_valid"].astype(bool),
            best_bid=bins["best_bid_price_int"],
            best_ask=bins["best_ask_price_int"],
            virtual_orders=lambda latency_ns, max_wait_ns: virtual_orders(
                bins, fresh(), [feed], latency_ns=latency_ns, max_wait_ns=max_wait_ns
            )[0],
        )
        return judged(view, evaluation, cut_bin), view

    wanted, view = outcomes(events)
    poisoned, after = events.copy(), events["ts_ns"] >= view.span[0] + cut_bin * WIDTH_NS
    assert after.sum() > 100
    rng = np.random.default_rng(1)
    poisoned["price"][after] += rng.integers(-3, 4, after.sum()) * int(TICK * PRICE_SCALE)
    poisoned["size"][after] = rng.integers(1, 50, after.sum())
    poisoned["side"][after] = rng.permutation(poisoned["side"][after])
    found, _ = outcomes(poisoned)
    fits = wanted.fires.bins + evaluation.net_reach_bins < cut_bin
    assert fits.sum() > 300
    assert Counter(names(wanted.net_code[fits])).keys() >= {"tp", "sl", "unfilled"}
    n = min(len(found.fires), len(wanted.fires))
    for name in ("net_code", "net_exit", "net_pnl_ticks", "net_time_ms"):
        np.testing.assert_array_equal(getattr(found, name)[:n][fits[:n]], getattr(wanted, name)[:n][fits[:n]], name)


def test_durations_of_the_queue_have_defaults_and_reach_as_far_as_the_withdrawal() -> None:
    """Latency is the entry delay, the wait 100 bins; walk, censoring and embargo reach from the last possible fill."""
    queue = EvaluationParameters(fill="queue", entry_delay_bins=2).resolve(100.0)
    assert (queue.latency_ms, queue.max_wait_bins) == (200.0, 100)
    assert queue.entry_reach_bins == 1 + 2 + 100
    assert queue.net_reach_bins == 103 + 1199 + 2
    assert queue.embargo_bins == 1200 + 103 + 2
    odd = EvaluationParameters(fill="queue", latency_ms=130, max_wait_ms=449).resolve(100.0)
    assert (odd.max_wait_bins, odd.entry_reach_bins) == (4, 1 + 5)


def test_evaluations_at_the_touch_are_named_as_before() -> None:
    """What came later is part of an evaluation's identity only where something comes of it."""
    touch = EvaluationParameters().resolve(100.0)
    added = {field.name for field in dataclasses.fields(ResolvedEvaluation) if field.default is not dataclasses.MISSING}
    assert touch.identity().keys() == {field.name for field in dataclasses.fields(touch)} - added
    maker = EvaluationParameters(maker_fee_ticks=-0.2, maker_fee_bps=1.0).resolve(100.0)
    assert maker.identity() == touch.identity()
    queue = EvaluationParameters(fill="queue", taker_fee_bps=1.0).resolve(100.0).identity()
    assert {name: queue[name] for name in queue.keys() & added} == {
        "fill": "queue",
        "latency_ms": 100.0,
        "max_wait_bins": 100,
        "taker_fee_bps": 1.0,
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"latency_ms": 5.0}, "latency_ms is 5.0, but with fill=touch no order rests; add eval.fill=queue"),
        ({"max_wait_bins": 5}, "max_wait_bins is 5, but with fill=touch"),
        ({"fill": "queue", "max_wait_bins": 5, "max_wait_ms": 5.0}, "max_wait_bins is 5 and max_wait_ms is 5.0"),
        ({"fill": "queue", "max_wait_ms": 5.0}, "max_wait_ms is 5.0, which is no whole bin of 100 ms"),
    ],
)
def test_what_nothing_comes_of_is_refused(values: dict[str, object], said: str) -> None:
    """In one line that says what to do."""
    with pytest.raises(ConfigError, match=said):
        EvaluationParameters(**values).resolve(100.0)  # type: ignore[arg-type]  # of several types


def test_a_dataset_whose_events_are_not_at_hand_is_refused() -> None:
    """Resting orders cannot be judged without."""
    with pytest.raises(ConfigError, match="fill=queue needs the events of dataset hostile 1"):
        outcomes_of_bins(hostile_dataset(1, 100), queue_evaluation())
