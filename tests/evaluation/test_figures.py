"""Figures and intervals against their twins, and pooled over datasets."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtr  # type: ignore[import-untyped]  # scipy ships no types

from tests.evaluation.paths import hostile_dataset, hostile_score
from tests.evaluation.twins import as_pairs, outcome_at_mid, outcome_net, same
from tests.examples import examples
from tests.naive import naive_clustered_interval, naive_figures
from vpharness.evaluation import (
    EvaluationParameters,
    Figures,
    PartEvaluation,
    SplitParameters,
    all_figures,
    evaluate,
    figures_of,
    pooled,
)
from vpharness.evaluation.intervals import RunningMean, ratio_of_totals

EVALUATION = EvaluationParameters(
    tp_ticks=4, sl_ticks=3, max_hold_bins=15, warmup_bins=20, cooldown_bins=4, cost_ticks=0.2, null_draws=99
).resolve(100.0)
WHOLE = SplitParameters(kind="none")


def student_quantile(n_blocks: int) -> float:
    """Return the 97.5 % quantile of Student's t by bisection of its distribution function."""
    low, high = 0.0, 1000.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if stdtr(n_blocks - 1, middle) < 0.975 else (low, middle)
    return low


def logit_interval(rate: float, half: float, n_blocks: int) -> tuple[float, float]:
    """Return the ends of a rate's interval on the logit scale, given the half width that it has on its own scale."""
    if n_blocks < 2 or math.isnan(rate):
        return math.nan, math.nan
    if rate in {0.0, 1.0}:
        away = 1 - 0.025 ** (1 / n_blocks)
        return (0.0, away) if rate == 0 else (1 - away, 1.0)
    odds, factor = rate / (1 - rate), math.exp(half / (rate * (1 - rate)))
    return odds / factor / (1 + odds / factor), odds * factor / (1 + odds * factor)


def evaluated(seed: int, n_bins: int, threshold: float = 1.0) -> PartEvaluation:
    """Judge a hostile score on a hostile dataset as a whole."""
    (candidate,) = evaluate(hostile_dataset(seed, n_bins), hostile_score(seed, n_bins), [threshold], EVALUATION, WHOLE)
    return candidate.parts["all"]


def twin_of(seeds_and_sizes: list[tuple[int, int]], samples: list[PartEvaluation]) -> dict[str, float]:
    """Return the twin's figures of the same fires, pooled, with the intervals of every mean."""
    mid, net, sides, times, hours, seconds = [], [], [], [], 0.0, 1
    for (seed, n_bins), each in zip(seeds_and_sizes, samples, strict=True):
        dataset = hostile_dataset(seed, n_bins)
        pairs = as_pairs(each.outcomes.fires)
        mid += [outcome_at_mid(dataset, EVALUATION, pair, n_bins) for pair in pairs]
        net += [outcome_net(dataset, EVALUATION, pair, n_bins) for pair in pairs]
        sides += [side for _, side in pairs]
        times += [dataset.span[0] + t * 100_000_000 for t, _ in pairs]
        seconds = max(seconds, each.evidence.blocks.seconds)
        hours += (n_bins - 20) * 0.1 / 3600
    blocks = [time // (seconds * 1_000_000_000) for time in times]
    expected = naive_figures(mid, net, sides, hours) | {"block_s": seconds}
    judged = {"tp", "sl", "timeout"}
    values = {
        **{
            f"{name}_rate": [float(x["outcome"] == name) if x["outcome"] in judged else math.nan for x in mid]
            for name in ("tp", "sl", "timeout")
        },
        "mean_pnl_ticks": [x["pnl"] for x in mid],
        "net_tp_rate": [float(x["outcome"] == "tp") if x["outcome"] in judged else math.nan for x in net],
        "net_win_rate": [float(x["pnl"] > 1e-9) if x["outcome"] in judged else math.nan for x in net],
        "net_pnl_ticks": [x["pnl"] for x in net],
    }
    for name, column in values.items():
        n_blocks = len({block for value, block in zip(column, blocks, strict=True) if not math.isnan(value)})
        mean, half, n_blocks = naive_clustered_interval(
            column, blocks, student_quantile(n_blocks) if n_blocks > 1 else 0
        )
        low, high = mean - half, mean + half
        if name.endswith("_rate"):
            low, high = logit_interval(mean, half, n_blocks)
        expected |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        if name in {"mean_pnl_ticks", "net_pnl_ticks"}:
            expected["n_net_blocks" if name == "net_pnl_ticks" else "n_blocks"] = n_blocks
    decided = expected["tp_rate"] + expected["sl_rate"]
    expected["decided_tp_share"] = expected["tp_rate"] / decided if decided else math.nan
    expected["break_even_tp_share"] = 3 / 7
    return expected


def assert_figures(found: Figures, expected: dict[str, float]) -> None:
    """Compare every field; those of resting orders are missing where every entry is at the touch."""
    values = dataclasses.asdict(found)
    of_orders = [name for figure in all_figures() if figure.of_orders for name in figure.names]
    assert all(math.isnan(values.pop(name)) for name in of_orders)
    assert set(values) == set(expected)
    differing = {
        name: (values[name], expected[name]) for name in values if not same(values[name], expected[name], 1e-8)
    }
    assert not differing


@pytest.mark.parametrize(("seed", "n_bins"), [(1, 900), (2, 300), (3, 60), (4, 5000)])
def test_figures_equal_the_twin(seed: int, n_bins: int) -> None:
    """Every field, with skipped and censored fires, few fires and many."""
    each = evaluated(seed, n_bins)
    assert_figures(figures_of(each.evidence, 4, 3), twin_of([(seed, n_bins)], [each]))


def test_figures_pool_over_datasets_whose_blocks_are_those_of_the_clock() -> None:
    """Fires of three datasets over the same hours are one sample, and share their blocks."""
    runs = [(1, 900), (5, 410), (6, 700)]
    samples = [evaluated(*run) for run in runs]
    found = figures_of(pooled([each.evidence for each in samples]), 4, 3)
    assert_figures(found, twin_of(runs, samples))
    assert found.n_blocks < sum(figures_of(each.evidence, 4, 3).n_blocks for each in samples)


def test_a_threshold_that_never_fires_has_counts_of_0_and_no_means() -> None:
    """Nothing to average is NaN, not 0."""
    found = figures_of(evaluated(1, 400, threshold=50.0).evidence, 4, 3)
    assert (found.n_fires, found.n_signals, found.n_net, found.events_per_hour) == (0, 0, 0, 0.0)
    assert math.isnan(found.net_pnl_ticks)
    assert math.isnan(found.tp_rate_low)


def test_the_interval_by_hand() -> None:
    """Three blocks with sums 3, 0, 3 and counts 2, 1, 1: m = 1.5, residuals 0, -1.5, 1.5."""
    found = ratio_of_totals(np.array([3.0, 0.0, 3.0, 0.0]), np.array([2, 1, 1, 0]))
    quantile = 0.95 / math.sqrt(2 * 0.975 * 0.025)  # Student's t with 2 degrees of freedom has a closed form
    half = quantile * math.sqrt(3 / 2 * 4.5) / 4
    assert found.n_blocks == 3
    interval = found.interval()
    np.testing.assert_allclose([interval.mean, interval.low, interval.high], [1.5, 1.5 - half, 1.5 + half], rtol=1e-9)
    assert found.lower_end(0.025) == pytest.approx(interval.low)
    assert found.lower_end(0.05) > interval.low


@examples(60)
@given(counts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_the_interval_of_a_rate_stays_between_nothing_and_everything(counts: list[tuple[int, int]]) -> None:
    """Any successes among any fires, in any number of blocks; the rate lies inside."""
    successes = np.array([min(pair) for pair in counts], dtype=np.int64)
    found = ratio_of_totals(successes, np.array([max(pair) for pair in counts], dtype=np.int64)).rate_interval()
    if sum(max(pair) > 0 for pair in counts) >= 2:
        assert 0 <= found.low <= found.mean <= found.high <= 1
    else:
        assert math.isnan(found.low)


@examples(60)
@given(values=st.lists(st.sampled_from([-4.0, -1.5, 0.0, 2.5, 8.0]), max_size=80), spread=st.integers(1, 40))
def test_intervals_equal_the_twin(values: list[float], spread: int) -> None:
    """Any values in any number of blocks, and the same value by value."""
    blocks = sorted((7 * index) % spread for index in range(len(values)))
    sums = np.bincount(blocks, values, minlength=spread) if blocks else np.zeros(0)
    counts = np.bincount(blocks, minlength=spread) if blocks else np.zeros(0)
    found = ratio_of_totals(sums, counts).interval()
    n_blocks = len(set(blocks))
    mean, half, expected_blocks = naive_clustered_interval(
        values, blocks, student_quantile(n_blocks) if n_blocks > 1 else 0.0
    )
    running = RunningMean()
    for value, block in zip(values, blocks, strict=True):
        running = running.add(value, block)
    for ratio in (ratio_of_totals(sums, counts), running.ratio()):
        assert ratio.n_blocks == expected_blocks
        assert same(ratio.interval().mean, mean)
        assert same(ratio.interval().low, mean - half, 1e-6)
    assert same(found.high, mean + half)


def test_every_figure_says_its_unit_and_meaning() -> None:
    """Fields and registry are one: the same names in one order, whole numbers where the field says so."""
    for figure in all_figures():
        assert figure.unit
        assert figure.meaning
    assert [name for figure in all_figures() for name in figure.names] == [
        field.name for field in dataclasses.fields(Figures)
    ]
    whole = {name for figure in all_figures() if figure.is_whole for name in figure.names}
    assert whole == {field.name for field in dataclasses.fields(Figures) if field.type is int}
