"""Parameters, splits and thresholds: what is asked, resolved and refused."""

import dataclasses

import numpy as np
import pytest

from tests.evaluation.paths import hostile_dataset
from tests.naive import naive_quantile
from vpharness.errors import ConfigError, DatasetError
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    SplitParameters,
    evaluate,
    parts_of,
    quantile_thresholds,
)
from vpharness.evaluation.passage import first_passage_tables
from vpharness.parameters import problems


def test_defaults() -> None:
    """Everything that is not given has its documented value; the exit is as late as the entry."""
    resolved = EvaluationParameters().resolve(100.0)
    assert (resolved.tp_ticks, resolved.sl_ticks, resolved.cost_ticks) == (8.0, 4.0, 0.0)
    assert (resolved.max_hold_bins, resolved.warmup_bins, resolved.cooldown_bins) == (1200, 300, 30)
    assert (resolved.entry_delay_bins, resolved.exit_delay_bins) == (1, 1)
    assert (resolved.null_draws, resolved.null_seed) == (999, 0)
    assert (resolved.embargo_bins, resolved.net_reach_bins) == (1202, 1201)
    assert EvaluationParameters(entry_delay_bins=3).resolve(100.0).exit_delay_bins == 3


@pytest.mark.parametrize(("ms", "width", "bins"), [(250, 100, 3), (249, 100, 2), (1000, 50, 20), (70, 20, 4)])
def test_times_become_whole_bins_half_up(ms: float, width: float, bins: int) -> None:
    """The same time is another number of bins on another lattice."""
    assert EvaluationParameters(cooldown_ms=ms).resolve(width).cooldown_bins == bins


def test_a_duration_given_twice_is_refused_by_name() -> None:
    """In the check of the configuration, and where it is resolved."""
    twice = EvaluationParameters(max_hold_bins=10, max_hold_ms=1000, warmup_bins=0, warmup_ms=0)
    assert problems(twice, "eval.") == [
        "eval.max_hold_bins is 10 and max_hold_ms is 1000; give one of them",
        "eval.warmup_bins is 0 and warmup_ms is 0; give one of them",
    ]
    with pytest.raises(ConfigError, match="max_hold_bins is 10"):
        twice.resolve(100.0)


def test_a_walk_of_no_bin_is_refused() -> None:
    """A time shorter than half a bin leaves nothing to walk."""
    with pytest.raises(ConfigError, match="max_hold_ms is 40"):
        EvaluationParameters(max_hold_ms=40).resolve(100.0)


def test_a_time_of_too_many_bins_is_refused() -> None:
    """As many as the tables could not count, on this lattice; on a wider one the same time is short."""
    week = EvaluationParameters(max_hold_ms=7 * 86_400_000)
    assert problems(week) == []
    with pytest.raises(
        ConfigError, match="max_hold_ms is 604800000, which is 60480000 bins of 10 ms; at most 10000000"
    ):
        week.resolve(10.0)
    assert week.resolve(100.0).max_hold_bins == 6_048_000


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (EvaluationParameters(tp_ticks=0), "tp_ticks is 0; it must be above 0"),
        (EvaluationParameters(max_hold_bins=0), "max_hold_bins is 0; it must be at least 1"),
        (EvaluationParameters(max_hold_bins=10**7 + 1), "max_hold_bins is 10000001; it must be at most 10000000"),
        (EvaluationParameters(cooldown_bins=2**40), "cooldown_bins is 1099511627776; it must be at most 10000000"),
        (EvaluationParameters(exit_delay_ms=1e12), "exit_delay_ms is 1000000000000.0; it must be at most 1000000000"),
        (EvaluationParameters(null_draws=10**6), "null_draws is 1000000; it must be at most 100000"),
        (EvaluationParameters(tp_ticks=1e10), "tp_ticks is 10000000000.0; it must be at most 1000000000"),
        (SplitParameters(train_share=1.0), "train_share is 1.0; it must be at most 0.99"),
        (SplitParameters(kind="random"), "kind is 'random'; it must be one of time, dataset, none"),
        (
            SplitParameters(kind="dataset"),
            "kind is dataset but test_datasets is empty; name the datasets to keep for the test",
        ),
        (SplitParameters(kind="none", test_datasets=["a"]), "kind is none but test_datasets names a; drop one of them"),
    ],
)
def test_what_is_out_of_range_is_said(parameters: object, sentence: str) -> None:
    """One sentence with the value and what it must be."""
    assert problems(parameters) == [sentence]


def test_split_by_dataset_keeps_whole_datasets_for_the_test() -> None:
    """Naming test datasets is enough."""
    evaluation = EvaluationParameters(max_hold_bins=10, warmup_bins=5).resolve(100.0)
    split = SplitParameters(test_datasets=["hostile 2"])
    (train,) = parts_of(hostile_dataset(1, 100), evaluation, split)
    (test,) = parts_of(hostile_dataset(2, 100), evaluation, split)
    assert (train.name, train.start, train.stop, train.limit, train.first_fire) == ("train", 0, 100, 100, 5)
    assert (test.name, test.start, test.stop) == ("test", 0, 100)


@pytest.mark.parametrize(("n_bins", "split"), [(12, "none"), (11, "none"), (5, "none"), (40, "time"), (0, "none")])
def test_a_dataset_without_room_for_one_walk_is_refused(n_bins: int, split: str) -> None:
    """Warm-up and one whole walk must fit into every part; the message names dataset, bins and need."""
    evaluation = EvaluationParameters(max_hold_bins=10, warmup_bins=5).resolve(100.0)
    needed = r"12 \(eval.max_hold_bins and delays\)"
    with pytest.raises(DatasetError, match=rf"dataset hostile 1 has {n_bins} bins; a run needs .*{needed}"):
        parts_of(hostile_dataset(1, n_bins), evaluation, SplitParameters(kind=split))


def test_only_what_would_make_a_short_dataset_long_enough_is_advised() -> None:
    """A shorter warm-up or hold, as far as it is worth it, and the whole of it; each by its key."""

    def said(n_bins: int, max_hold_bins: int, warmup_bins: int) -> str:
        evaluation = EvaluationParameters(max_hold_bins=max_hold_bins, warmup_bins=warmup_bins).resolve(100.0)
        with pytest.raises(DatasetError) as caught:
            parts_of(hostile_dataset(1, n_bins), evaluation, SplitParameters())
        return str(caught.value).partition(" bins; ")[2]

    assert said(27, 1200, 300) == (
        "a run needs 300 (eval.warmup_bins) + 1,202 (eval.max_hold_bins and delays) in the training part, which has "
        "16: use a longer dataset"
    )
    short = said(100, 15, 70)
    assert short.endswith("use a longer dataset, or eval.warmup_bins=59 or less, or split=none")
    evaluation = EvaluationParameters(max_hold_bins=15, warmup_bins=59).resolve(100.0)
    assert len(parts_of(hostile_dataset(1, 100), evaluation, SplitParameters())) == 2
    assert said(100, 30, 10) == (
        "a run needs 32 (eval.max_hold_bins and delays) in the test part, which has 8: use a longer dataset, or "
        "eval.max_hold_bins=18 or less, or split=none"
    )


def test_a_tick_size_is_that_of_the_lattice_or_refused() -> None:
    """A tick of one and a half price units would be rounded to two, and every figure with it."""
    dataset = hostile_dataset(1, 20)
    for tick_size, price in ((0.25, 250_000_000), (0.07, 70_000_000), (np.float64(1e-9), 1)):
        tables = first_passage_tables(dataclasses.replace(dataset, tick_size=tick_size), [1.0], 4)
        assert tables.tick_size_nano == price
    odd = first_passage_tables(dataclasses.replace(dataset, tick_size=1.5e-9), [1.0], 4)
    with pytest.raises(ConfigError, match="multiple of 1e-9"):
        _ = odd.tick_size_nano


def test_a_score_of_another_length_is_refused() -> None:
    """One value a bin."""
    evaluation = EvaluationParameters(max_hold_bins=10, warmup_bins=5).resolve(100.0)
    with pytest.raises(DatasetError, match=r"hostile 1 has 100 bins, the score has shape \(99,\)"):
        evaluate(hostile_dataset(1, 100), np.zeros(99), [1.0], evaluation, SplitParameters(kind="none"))


def test_arrays_of_a_dataset_must_fit_one_another() -> None:
    """The message names the array and both shapes."""
    with pytest.raises(DatasetError, match=r"book_valid has shape \(3,\), mid has \(4,\)"):
        DatasetView("x", "x", (0, 1), 0.25, 100.0, np.ones(4), np.ones(3, dtype=bool))
    with pytest.raises(DatasetError, match="together or not at all"):
        DatasetView("x", "x", (0, 1), 0.25, 100.0, np.ones(4), np.ones(4, dtype=bool), best_bid=np.ones(4, dtype=int))


def test_quantile_thresholds_see_the_training_part_alone() -> None:
    """They equal the twin's, and scores behind the training part change nothing."""
    dataset = hostile_dataset(1, 500)
    evaluation = EvaluationParameters(max_hold_bins=10, warmup_bins=5).resolve(100.0)
    train, test = parts_of(dataset, evaluation, SplitParameters())
    score = np.random.default_rng(0).normal(size=500)
    score[::7] = np.nan
    chosen = quantile_thresholds([score], [train], [0.5, 0.9, 0.99])
    expected = [naive_quantile(np.abs(score[:300]).tolist(), share) for share in (0.5, 0.9, 0.99)]
    np.testing.assert_allclose(chosen, expected, rtol=1e-12)
    score[300:] = 1e6
    assert quantile_thresholds([score], [train], [0.5, 0.9, 0.99]) == chosen
    with pytest.raises(ConfigError, match="training part"):
        quantile_thresholds([score], [test], [0.5])


@pytest.mark.parametrize(("value", "sentence"), [(0.0, "are 0 at 50 %, 70 %"), (np.nan, "every score is missing")])
def test_useless_quantiles_are_refused(value: float, sentence: str) -> None:
    """A threshold of 0 would fire everywhere."""
    dataset = hostile_dataset(1, 500)
    evaluation = EvaluationParameters(max_hold_bins=10, warmup_bins=5).resolve(100.0)
    train, _ = parts_of(dataset, evaluation, SplitParameters())
    with pytest.raises(ConfigError, match=sentence):
        quantile_thresholds([np.full(500, value)], [train], [0.5, 0.7])
