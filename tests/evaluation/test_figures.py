"""Figures and intervals against their twins, and pooled over datasets."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtr  # type: ignore[import-untyped]  # scipy ships no types

from tests.evaluation.paths import hostile_dataset, hostile_score
from tests.evaluation.twins import as_pairs, outcome_at_mid, outcome_net, same
from tests.naive import naive_clustered_interval, naive_figures
from vpharness.evaluation import (
    EvaluationParameters,
    Figures,
    PartEvaluation,
    SplitParameters,
    evaluate,
    figures_of,
)
from vpharness.evaluation.intervals import clustered_means

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


def evaluated(seed: int, n_bins: int, threshold: float = 1.0) -> PartEvaluation:
    """Judge a hostile score on a hostile dataset as a whole."""
    (candidate,) = evaluate(hostile_dataset(seed, n_bins), hostile_score(seed, n_bins), [threshold], EVALUATION, WHOLE)
    return candidate.parts["all"]


def twin_of(seeds_and_sizes: list[tuple[int, int]], samples: list[PartEvaluation]) -> dict[str, float]:
    """Return the twin's figures of the same fires, pooled, with the intervals of every mean."""
    mid, net, sides, blocks, hours = [], [], [], [], 0.0
    for number, ((seed, n_bins), each) in enumerate(zip(seeds_and_sizes, samples, strict=True)):
        dataset = hostile_dataset(seed, n_bins)
        pairs = as_pairs(each.sample.outcomes.fires)
        mid += [outcome_at_mid(dataset, EVALUATION, pair, n_bins) for pair in pairs]
        net += [outcome_net(dataset, EVALUATION, pair, n_bins) for pair in pairs]
        sides += [side for _, side in pairs]
        blocks += [1000 * number + t // 30 for t, _ in pairs]
        hours += (n_bins - 20) * 0.1 / 3600
    expected = naive_figures(mid, net, sides, hours)
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
        expected |= {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
        if name in {"mean_pnl_ticks", "net_pnl_ticks"}:
            expected["n_net_blocks" if name == "net_pnl_ticks" else "n_blocks"] = n_blocks
    decided = expected["tp_rate"] + expected["sl_rate"]
    expected["decided_tp_share"] = expected["tp_rate"] / decided if decided else math.nan
    expected["break_even_tp_share"] = 3 / 7
    return expected


def assert_figures(found: Figures, expected: dict[str, float]) -> None:
    """Compare every field."""
    values = dataclasses.asdict(found)
    assert set(values) == set(expected)
    differing = {
        name: (values[name], expected[name]) for name in values if not same(values[name], expected[name], 1e-8)
    }
    assert not differing


@pytest.mark.parametrize(("seed", "n_bins"), [(1, 900), (2, 300), (3, 60), (4, 5000)])
def test_figures_equal_the_twin(seed: int, n_bins: int) -> None:
    """Every field, with skipped and censored fires, few fires and many."""
    each = evaluated(seed, n_bins)
    assert_figures(figures_of([each.sample]), twin_of([(seed, n_bins)], [each]))


def test_figures_pool_over_datasets_without_a_block_that_crosses_one() -> None:
    """Fires of three datasets are one sample; the blocks of each stay its own."""
    runs = [(1, 900), (5, 410), (6, 700)]
    samples = [evaluated(*run) for run in runs]
    found = figures_of([each.sample for each in samples])
    assert_figures(found, twin_of(runs, samples))
    assert found.n_blocks == sum(figures_of([each.sample]).n_blocks for each in samples)


def test_a_threshold_that_never_fires_has_counts_of_0_and_no_means() -> None:
    """Nothing to average is NaN, not 0."""
    found = figures_of([evaluated(1, 400, threshold=50.0).sample])
    assert (found.n_fires, found.n_signals, found.n_net, found.events_per_hour) == (0, 0, 0, 0.0)
    assert math.isnan(found.net_pnl_ticks)
    assert math.isnan(found.tp_rate_low)


def test_samples_with_other_barriers_are_not_pooled() -> None:
    """Figures of one pair of barriers only."""
    sample = evaluated(1, 400).sample
    other = dataclasses.replace(sample, evaluation=EVALUATION.with_barriers(5, 3))
    with pytest.raises(ValueError, match="pair of barriers"):
        figures_of([sample, other])


def test_the_interval_by_hand() -> None:
    """Three blocks with sums 3, 0, 3 and counts 2, 1, 1: m = 1.5, residuals 0, -1.5, 1.5."""
    means = clustered_means(np.array([[1.0], [2.0], [0.0], [3.0], [np.nan]]), np.array([0, 0, 7, 9, 11]))
    quantile = 0.95 / math.sqrt(2 * 0.975 * 0.025)  # Student's t with 2 degrees of freedom has a closed form
    half = quantile * math.sqrt(3 / 2 * 4.5) / 4
    assert means.n_blocks.tolist() == [3]
    np.testing.assert_allclose([means.mean[0], means.low[0], means.high[0]], [1.5, 1.5 - half, 1.5 + half], rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.sampled_from([-4.0, -1.5, 0.0, 2.5, 8.0, math.nan]), max_size=80), spread=st.integers(1, 40))
def test_intervals_equal_the_twin(values: list[float], spread: int) -> None:
    """Any values, missing ones among them, in any number of blocks."""
    blocks = [(7 * index) % spread for index in range(len(values))]
    found = clustered_means(np.array(values, dtype=np.float64).reshape(-1, 1), np.array(blocks, dtype=np.int64))
    n_blocks = len({block for value, block in zip(values, blocks, strict=True) if not math.isnan(value)})
    mean, half, expected_blocks = naive_clustered_interval(
        values, blocks, student_quantile(n_blocks) if n_blocks > 1 else 0.0
    )
    assert found.n_blocks.tolist() == [expected_blocks]
    assert same(float(found.mean[0]), mean)
    assert same(float(found.low[0]), mean - half)
    assert same(float(found.high[0]), mean + half)


def test_every_figure_says_its_unit_and_meaning() -> None:
    """Listings and the store take units from the fields themselves."""
    for field in dataclasses.fields(Figures):
        assert field.metadata["unit"]
        assert field.metadata["meaning"]
