"""The room as a whole: causality, compiles, repeatability, a dataset without best prices."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
import pytest

from tests.evaluation.paths import dataset_of, hostile_dataset, hostile_score
from tests.evaluation.twins import as_pairs
from vpharness.evaluation import (
    EvaluationParameters,
    Judgement,
    ResolvedEvaluation,
    SplitParameters,
    evaluate,
    judge,
)

PARAMETERS = EvaluationParameters(tp_ticks=3, sl_ticks=2, max_hold_bins=15, warmup_bins=20, cooldown_bins=4)
EVALUATION = dataclasses.replace(PARAMETERS, null_draws=99).resolve(100.0)
COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


@contextmanager
def counted_compiles() -> Iterator[list[str]]:
    """Collect one entry for each program that XLA compiles."""
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        del duration_secs
        if event == COMPILE_EVENT:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def judged(
    seed: int, n_bins: int, thresholds: list[float], evaluation: ResolvedEvaluation = EVALUATION
) -> list[dict[str, Judgement]]:
    """Judge a hostile score on a hostile dataset: one mapping of parts a threshold."""
    candidates = evaluate(
        hostile_dataset(seed, n_bins), hostile_score(seed, n_bins), thresholds, evaluation, SplitParameters()
    )
    return [{name: judge([part.evidence], EVALUATION) for name, part in each.parts.items()} for each in candidates]


def test_other_lengths_barriers_and_durations_compile_nothing_new() -> None:
    """Padded sizes: a sweep over everything but the number of thresholds runs on the programs of its first point."""
    with counted_compiles() as compiled:
        judged(1, 900, [1.8, 2.1])
    with counted_compiles() as again:
        for seed, n_bins, tp_ticks, max_hold, cooldown in (
            (2, 1000, 5, 12, 3),
            (3, 700, 1, 10, 9),
            (4, 1024, 2, 16, 5),
        ):
            swept = dataclasses.replace(
                EVALUATION, tp_ticks=float(tp_ticks), max_hold_bins=max_hold, cooldown_bins=cooldown, cost_ticks=0.4
            )
            judged(seed, n_bins, [1.9, 2.2], swept)
    assert len(compiled) <= 30
    assert again == []


def test_the_same_run_gives_the_same_numbers() -> None:
    """Nothing depends on the clock, on global state or on what ran before."""
    first, other, second = judged(1, 900, [0.7]), judged(2, 900, [0.9]), judged(1, 900, [0.7])
    assert dataclasses.asdict(first[0]["train"].figures) == dataclasses.asdict(second[0]["train"].figures)
    assert first[0]["train"].p_value == second[0]["train"].p_value
    assert first[0]["train"].figures != other[0]["train"].figures


def test_nothing_behind_the_embargo_reaches_the_training_part() -> None:
    """Other prices and scores from the test part on change no figure and no p-value of the training part.

    Exits may be looked for behind the embargo; here every book is valid, so that none is.
    """
    rng = np.random.default_rng(5)
    cut, always = 480 + EVALUATION.embargo_bins, np.ones(800, dtype=bool)
    bid = 20_000 + np.cumsum(rng.integers(-2, 3, 800))
    dataset = dataset_of(bid, bid + 1, always)
    bid[cut:] += np.cumsum(rng.integers(-2, 3, 800 - cut))
    perturbed = dataset_of(bid, bid + 1, always)
    score = hostile_score(5, 800)
    later_score = np.concatenate([score[:cut], hostile_score(6, 800)[cut:]])
    (before,) = evaluate(dataset, score, [0.7], EVALUATION, SplitParameters())
    (after,) = evaluate(perturbed, later_score, [0.7], EVALUATION, SplitParameters())
    judged = [
        {name: judge([part.evidence], EVALUATION) for name, part in each.parts.items()} for each in (before, after)
    ]
    assert judged[0]["train"].figures == judged[1]["train"].figures
    assert judged[0]["train"].p_value == judged[1]["train"].p_value
    assert judged[0]["test"].figures != judged[1]["test"].figures


def test_without_best_prices_a_candidate_has_figures_at_the_mid_and_is_not_rankable() -> None:
    """No net figure is made up."""
    bare = dataclasses.replace(hostile_dataset(7, 900), best_bid=None, best_ask=None)
    (candidate,) = evaluate(bare, hostile_score(7, 900), [0.7], EVALUATION, SplitParameters(kind="none"))
    judgement = judge([candidate.parts["all"].evidence], EVALUATION)
    assert judgement.figures.n_signals > 50
    assert judgement.figures.n_net == 0
    assert np.isnan(judgement.figures.net_pnl_ticks)
    assert list(map(str, judgement.lacks)) == ["0 net fires, 30 needed"]
    assert judgement.p_value == 1.0


def test_fires_in_the_embargo_belong_to_no_part() -> None:
    """They are kept with the candidate, and judged nowhere."""
    (candidate,) = evaluate(hostile_dataset(8, 900), hostile_score(8, 900), [0.3], EVALUATION, SplitParameters())
    in_parts = [pair for part in candidate.parts.values() for pair in as_pairs(part.outcomes.fires)]
    outside = set(as_pairs(candidate.fires)) - set(in_parts)
    assert outside
    assert all(540 <= bin_number < 540 + EVALUATION.embargo_bins for bin_number, _ in outside)


@pytest.mark.parametrize("n_bins", [44, 45, 60])
def test_the_shortest_datasets_that_have_room_are_judged(n_bins: int) -> None:
    """One whole walk fits, so that there is an answer."""
    (candidate,) = evaluate(
        hostile_dataset(9, n_bins), hostile_score(9, n_bins), [0.1], EVALUATION, SplitParameters(kind="none")
    )
    figures = judge([candidate.parts["all"].evidence], EVALUATION).figures
    assert figures.n_fires == figures.n_signals + figures.n_censored + figures.n_skipped > 0
    assert figures.n_fires == figures.n_net + figures.n_net_censored + figures.n_net_skipped
