"""Judging fires as bins come gives what lookups in the whole dataset give, and as early as it can be known."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.evaluation.paths import dataset_of, hostile_dataset, hostile_score
from tests.evaluation.twins import same
from tests.examples import examples
from vpharness.errors import ConfigError
from vpharness.evaluation import (
    OUTCOME_NAMES,
    DatasetView,
    EvaluationParameters,
    FireOutcomes,
    Fires,
    Part,
    PartWalks,
    ResolvedEvaluation,
    figures_of,
    find_fires,
    fire_outcomes,
    first_passage_tables,
    outcome_table,
)
from vpharness.evaluation.evidence import evidence_of, excess_of
from vpharness.evaluation.live_statistics import LiveStatistics
from vpharness.evaluation.split import WHOLE
from vpharness.evaluation.walks import (
    Advance,
    OpenFire,
    Quote,
    WalkOutcome,
    WalkState,
    advance_walks,
    require_constant_latency,
)
from vpharness.lattice.columns import BIN_DTYPE

BLOCK_S = 4
SKIPPED, CENSORED = OUTCOME_NAMES.index("skipped"), OUTCOME_NAMES.index("censored")


def quotes_of(dataset: DatasetView) -> list[Quote]:
    """Return what judging sees of each bin."""
    touches: list[tuple[int, int]] | list[None] = [None] * dataset.n_bins
    if dataset.best_bid is not None and dataset.best_ask is not None:
        touches = list(zip(dataset.best_bid.tolist(), dataset.best_ask.tolist(), strict=True))
    valid = dataset.book_valid.tolist()
    starts = [dataset.span[0] + place * 100_000_000 for place in range(dataset.n_bins)]
    return [Quote(*each) for each in zip(dataset.mid.tolist(), valid, touches, starts, strict=True)]


def directions_of(fires: Fires, n_bins: int) -> list[int]:
    """Return for each bin the direction of its fire, 0 where it does not fire."""
    directions = np.zeros(n_bins, dtype=np.int64)
    directions[fires.bins] = fires.directions
    found: list[int] = directions.tolist()
    return found


def walked(dataset: DatasetView, directions: list[int], evaluation: ResolvedEvaluation) -> list[Advance]:
    """Return what each bin has brought; open fires stay as few as their walks and searches for a book are long."""
    state, advances = WalkState(), []
    longest = evaluation.net_reach_bins + evaluation.max_hold_bins
    for quote, direction in zip(quotes_of(dataset), directions, strict=True):
        state, advance = advance_walks(state, quote, direction, evaluation, dataset.tick_size)
        advances.append(advance)
        assert all(state.next_bin - fire.bin <= longest for fire in state.fires)
    return advances


def looked_up(dataset: DatasetView, fires: Fires, evaluation: ResolvedEvaluation, limit: int) -> FireOutcomes:
    """Return what the fires came to in the bins before `limit`, by lookups."""
    tables = first_passage_tables(dataset, [evaluation.tp_ticks, evaluation.sl_ticks], evaluation.max_hold_bins)
    return fire_outcomes(outcome_table(tables, evaluation), fires, Part(WHOLE, 0, limit, limit, 0))


def first_bins(dataset: DatasetView, n_bins: int) -> DatasetView:
    """Return the dataset as it was after some bins."""
    arrays = {name: getattr(dataset, name) for name in ("mid", "book_valid", "best_bid", "best_ask")}
    return dataclasses.replace(dataset, **{name: array[:n_bins] for name, array in arrays.items()})


def assert_outcome(found: WalkOutcome | None, code: int, exit_bin: int, pnl_ticks: float) -> None:
    """Compare an outcome with a lookup, whose division by the tick may be off by a rounding when compiled."""
    assert found is not None
    assert (found.code, found.exit_bin) == (code, exit_bin)
    np.testing.assert_allclose(found.pnl_ticks, pnl_ticks, rtol=0, atol=1e-12)


def assert_as_looked_up(fire: OpenFire, wanted: FireOutcomes, index: int) -> None:
    """Compare both outcomes of a fire with lookups."""
    at = (wanted.mid_code[index], wanted.mid_exit[index], wanted.mid_pnl_ticks[index])
    assert_outcome(fire.at_mid, int(at[0]), int(at[1]), float(at[2]))
    net = (wanted.net_code[index], wanted.net_exit[index], wanted.net_pnl_ticks[index])
    assert_outcome(fire.net, int(net[0]), int(net[1]), float(net[2]))


@examples(150)
@given(
    seed=st.integers(0, 10_000),
    n_bins=st.integers(1, 260),
    barriers=st.tuples(st.sampled_from([0.5, 1.0, 3.0, 8.0]), st.sampled_from([0.5, 2.0, 4.0])),
    hold=st.integers(1, 90),
    delays=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    invalid_share=st.sampled_from([0.0, 0.1, 0.7]),
    busy=st.sampled_from([0.05, 0.5, 1.0]),
    around=st.sampled_from([20_000, 0, -500]),
)
def test_every_fire_comes_to_what_a_lookup_in_all_bins_says(
    seed: int,
    n_bins: int,
    barriers: tuple[float, float],
    hold: int,
    delays: tuple[int, int],
    invalid_share: float,
    busy: float,
    around: int,
) -> None:
    """With fires at any bin, those without a book included."""
    evaluation = EvaluationParameters(
        tp_ticks=barriers[0],
        sl_ticks=barriers[1],
        max_hold_bins=hold,
        entry_delay_bins=delays[0],
        exit_delay_bins=delays[1],
        cost_ticks=0.3,
        taker_fee_ticks=0.2,
        taker_fee_bps=1.5,
    ).resolve(100.0)
    # Behind the bins that fire lie enough without a fire for every walk and every search to end.
    behind = evaluation.net_reach_bins + 2 * hold
    dataset = hostile_dataset(seed, n_bins + behind, invalid_share, around)
    rng = np.random.default_rng(seed + 1)
    fired = np.flatnonzero(rng.random(n_bins) < busy)
    fires = Fires(fired, rng.choice(np.array([-1, 1], dtype=np.int8), len(fired)))
    advances = walked(dataset, directions_of(fires, dataset.n_bins), evaluation)
    wanted = looked_up(dataset, fires, evaluation, dataset.n_bins)
    place = {bin_: index for index, bin_ in enumerate(fired.tolist())}
    for now, advance in enumerate(advances):
        for fire in advance.known:
            assert_as_looked_up(fire, wanted, place[fire.bin])
        assert [fire.bin + evaluation.mid_reach_bins for fire in advance.mid_due] == [now] * len(advance.mid_due)
        assert all(fire.bin + evaluation.net_reach_bins <= now for fire in advance.net_due)
    for name in ("known", "mid_due", "net_due"):
        came = [fire.bin for advance in advances for fire in getattr(advance, name)]
        assert sorted(came) == fired.tolist(), name


def test_an_outcome_is_known_at_the_first_bin_from_which_on_no_future_changes_it() -> None:
    """Bins after it are replaced by other markets: the bin before, two of them would still disagree."""
    evaluation = EvaluationParameters(
        tp_ticks=3, sl_ticks=2, max_hold_bins=12, entry_delay_bins=1, exit_delay_bins=2
    ).resolve(100.0)
    rng = np.random.default_rng(3)
    for seed in range(60):
        dataset = hostile_dataset(seed, 60, 0.15)
        direction = int(rng.choice([-1, 1]))
        fire = Fires(np.array([5]), np.array([direction], dtype=np.int8))
        advances = walked(dataset, directions_of(fire, 60), evaluation)
        (known,) = [now for now, advance in enumerate(advances) if advance.known]
        assert len(possible_outcomes(dataset, fire, evaluation, known + 1)) == 1
        assert len(possible_outcomes(dataset, fire, evaluation, known)) > 1


def possible_outcomes(
    dataset: DatasetView, fires: Fires, evaluation: ResolvedEvaluation, n_known: int
) -> set[tuple[float, ...]]:
    """Return what a fire comes to under futures that share the first `n_known` bins with the dataset."""
    found = set()
    for step in (-9, -1, 0, 1, 9):
        for valid in (True, False):
            found.add(outcome_under(dataset, fires, evaluation, n_known, step, valid=valid))
    return found


def outcome_under(
    dataset: DatasetView, fires: Fires, evaluation: ResolvedEvaluation, n_known: int, step: int, *, valid: bool
) -> tuple[float, ...]:
    """Return both outcomes of a fire where the price moves by `step` ticks at `n_known`, with or without a book."""
    assert dataset.best_bid is not None
    assert dataset.best_ask is not None
    tick = round(dataset.tick_size * 1e9)
    bid, ask = dataset.best_bid // tick, dataset.best_ask // tick
    last = max(n_known - 1, 0)
    bid, ask = np.append(bid, bid[-1:]), np.append(ask, ask[-1:])
    bid[n_known:], ask[n_known:] = bid[last] + step, ask[last] + step
    book = np.append(dataset.book_valid, True)
    book[n_known:] = valid
    future = dataset_of(bid, ask, book)
    outcomes = looked_up(future, fires, evaluation, future.n_bins)
    pnl = (float(outcomes.mid_pnl_ticks[0]), float(outcomes.net_pnl_ticks[0]))
    return (float(outcomes.mid_code[0]), float(outcomes.net_code[0]), *(-99.0 if math.isnan(x) else x for x in pnl))


@pytest.mark.parametrize("invalid_share", [0.02, 0.3])
def test_the_statistics_are_those_of_a_run_over_the_bins_so_far(invalid_share: float) -> None:
    """At every bin: rates, net means, their clustered intervals and counts, with many fires open at once."""
    evaluation = EvaluationParameters(
        tp_ticks=4, sl_ticks=3, max_hold_bins=15, warmup_bins=20, cooldown_bins=2, exit_delay_bins=3, cost_ticks=0.1
    ).resolve(100.0)
    n_bins = 900
    dataset = hostile_dataset(8, n_bins, invalid_share)
    score = np.where(dataset.book_valid, hostile_score(8, n_bins), np.nan)
    (fires,) = find_fires(score, [0.5], warmup_bins=20, cooldown_bins=2)
    statistics = LiveStatistics.for_model(evaluation, dataset.tick_size, BLOCK_S)
    checked = 0
    for now, (quote, direction) in enumerate(zip(quotes_of(dataset), directions_of(fires, n_bins), strict=True)):
        statistics, _ = statistics.advance(quote, direction)
        if now % 23 == 0 or now == n_bins - 1:
            assert_statistics_of(statistics, dataset, fires, now + 1)
            checked += statistics.net.n_blocks > 1
    assert checked > 20
    assert statistics.net.count > 100
    assert statistics.facts()["n_open"] > 0


def assert_statistics_of(statistics: LiveStatistics, dataset: DatasetView, fires: Fires, n_bins: int) -> None:
    """Compare with the figures of the first bins alone."""
    evaluation, facts = statistics.evaluation, statistics.facts()
    seen = first_bins(dataset, n_bins)
    part = Part(WHOLE, 0, n_bins, n_bins, min(evaluation.warmup_bins, n_bins))
    outcomes = looked_up(seen, fires.within(part), evaluation, n_bins)
    walks = PartWalks(0, 0, 0, BLOCK_S / 4, 0.0)  # blocks of one length at every bin
    table = outcome_table(first_passage_tables(seen, (4, 3), evaluation.max_hold_bins), evaluation)
    figures = figures_of(evidence_of(seen, table, part, walks, excess_of(table), outcomes), 4, 3)
    assert facts["bins"] == n_bins
    for name, wanted in (("n_open", figures.n_censored), ("n_skipped", figures.n_skipped)):
        assert facts[name] == wanted, name
    for name in ("n_fires", "n_net", "n_net_blocks"):
        assert facts[name] == getattr(figures, name), name
    assert facts["n_tp"] + facts["n_sl"] + facts["n_timeout"] == figures.n_signals
    for name in ("events_per_hour", "tp_rate", "tp_rate_low", "tp_rate_high"):
        assert_figure(facts[name], getattr(figures, name), name)
    for name in ("net_pnl_ticks", "net_pnl_ticks_low", "net_pnl_ticks_high"):
        assert_figure(facts[name], getattr(figures, name), name)


def assert_figure(found: float | None, wanted: float, name: str) -> None:
    """Compare two figures, None with NaN."""
    assert same(math.nan if found is None else found, wanted), (name, found, wanted)


def test_equal_blocks_leave_an_interval_without_width() -> None:
    """Sums that cancel leave nothing below zero to take the root of."""
    statistics = LiveStatistics.for_model(EvaluationParameters(max_hold_bins=1).resolve(100.0), 0.25)
    mean = statistics.net
    for block in range(1000):
        mean = mean.add(0.1, block)
    found = mean.ratio().interval()
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1), abs=1e-7)


def test_without_best_prices_every_net_outcome_is_skipped() -> None:
    """And the outcomes at the mid are what they are with them."""
    evaluation = EvaluationParameters(tp_ticks=2, sl_ticks=2, max_hold_bins=20).resolve(100.0)
    touched = hostile_dataset(2, 120)
    bare = dataclasses.replace(touched, best_bid=None, best_ask=None)
    fires = Fires(np.arange(0, 80, 7), np.ones(12, dtype=np.int8))
    directions = directions_of(fires, 120)
    with_touch, without = (walked(each, directions, evaluation) for each in (touched, bare))
    assert [f.at_mid for a in with_touch for f in a.mid_due] == [f.at_mid for a in without for f in a.mid_due]
    codes = [fire.net.code for advance in without for fire in advance.net_due if fire.net is not None]
    assert codes == [SKIPPED] * 12


def test_a_quote_is_read_from_a_row_of_the_bins() -> None:
    """Prices as they stand there; a table that has no best prices gives none."""
    row: NDArray[np.void] = np.zeros(1, BIN_DTYPE)
    row["mid_price"], row["book_valid"] = 4800.125, True
    row["best_bid_price_int"], row["best_ask_price_int"] = 4_800_000_000_000, 4_800_250_000_000
    assert Quote.of_row(row) == Quote(4800.125, True, (4_800_000_000_000, 4_800_250_000_000))
    assert Quote.of_row(row, has_best_prices=False) == Quote(4800.125, True, None)


def test_recorded_latencies_are_refused_live() -> None:
    """They end with their file; a constant one, or none, goes on."""
    evaluation = EvaluationParameters(fill="queue", latency_ms=50).resolve(100.0)
    require_constant_latency(evaluation)
    with pytest.raises(ConfigError, match=r"recorded latencies abc .*needs a constant eval.latency_ms"):
        require_constant_latency(dataclasses.replace(evaluation, latency_digest="abc"))
