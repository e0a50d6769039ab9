"""Parameter sensitivities and surfaces of barriers, over made-up candidates."""

import itertools
from typing import Any

import numpy as np
import pytest

from tests.results.ledgers import candidate
from vpharness.errors import ConfigError
from vpharness.results.ranking import Ranked, rank
from vpharness.results.sensitivity import parameter_named, sensitivity, surface, varied_parameters


@pytest.fixture(scope="module")
def ranked() -> list[Ranked]:
    """Two windows, two pairs of barriers, one signal; and one candidate with too little data."""
    points = itertools.product((50, 100), ((5.0, 3.0), (6.0, 3.0)), range(2))
    made = [
        candidate(
            f"{window} {tp:g} {copy}",
            seed,
            knows=(window, tp, copy) == (100, 6.0, 1),
            threshold=("0.1", "q90")[copy],
            parameters={"window": window, "spans": [5, window]},
            tp_ticks=tp,
            sl_ticks=sl,
        )
        for seed, (window, (tp, sl), copy) in enumerate(points)
    ]
    return rank([*made, candidate("poor", 20, every=400, parameters={"window": 100, "spans": [5, 100]})])


def test_each_value_says_what_its_rankable_candidates_come_to(ranked: list[Ranked]) -> None:
    """Counts, medians, the best with its interval, and the share of intervals above 0."""
    low, high = sensitivity(ranked, "signal.window")
    assert (low.value, low.n_candidates, low.n_rankable) == (50, 4, 4)
    assert (high.value, high.n_candidates, high.n_rankable) == (100, 5, 4)
    for at in (low, high):
        members = [each for each in ranked if each.candidate.first.parameters["window"] == at.value and each.p_adjusted]
        assert at.median_net_pnl_ticks == np.median([each.judgement.figures.net_pnl_ticks for each in members])
        assert at.median_p_value == np.median([each.judgement.p_value for each in members])
        assert at.best is members[0]
    assert high.best is not None
    assert high.best.candidate.candidate_id == "100 6 1"
    assert (low.share_low_above_0, high.share_low_above_0) == (0.0, 0.25)


@pytest.mark.parametrize(
    ("name", "full", "values"),
    [
        ("window", "signal.window", [50, 100]),
        ("signal.window", "signal.window", [50, 100]),
        ("spans", "signal.spans", [[5, 50], [5, 100]]),
        ("spans.1", "signal.spans.1", [50, 100]),
        ("tp_ticks", "eval.tp_ticks", [5.0, 6.0]),
        ("max_hold_ms", "eval.max_hold_ms", [4000.0]),
        ("threshold", "threshold", ["0.1", "q90"]),
    ],
)
def test_a_parameter_is_known_by_its_name(ranked: list[Ranked], name: str, full: str, values: list[Any]) -> None:
    """Of the signal or of the evaluation, whole or an item of a list, in bins or as a time."""
    assert parameter_named(name, ranked) == full
    assert [at.value for at in sensitivity(ranked, full)] == values


def test_an_unknown_parameter_is_refused_with_those_that_are_known(ranked: list[Ranked]) -> None:
    """On one line; the one that is near, where one is."""
    with pytest.raises(ConfigError, match=r"sensitivity is 'zzz', which no candidate here has; there are .*, window$"):
        parameter_named("zzz", ranked)
    with pytest.raises(ConfigError, match=r"which no candidate here has; did you mean sl_ticks"):
        parameter_named("sl_tick", ranked)


def test_a_parameter_of_a_signal_needs_one_signal(ranked: list[Ranked]) -> None:
    """Windows of different signals are different things; barriers are not."""
    other = rank([candidate("other", 30, signal="other")])
    with pytest.raises(ConfigError, match=r"the candidates are of guess, other; choose one with signal="):
        parameter_named("window", [*ranked, *other])
    assert parameter_named("tp_ticks", [*ranked, *other]) == "eval.tp_ticks"


def test_a_name_that_means_two_things_is_refused_until_it_says_which() -> None:
    """A signal of one's own may call a parameter as the evaluation does."""
    made = rank([candidate("own", 1, parameters={"tp_ticks": 3})])
    with pytest.raises(ConfigError, match=r"may be eval.tp_ticks or signal.tp_ticks; write which"):
        parameter_named("tp_ticks", made)
    assert parameter_named("signal.tp_ticks", made) == "signal.tp_ticks"


def test_a_value_without_enough_data_is_counted_and_left_blank() -> None:
    """Nothing is said of what cannot be ranked."""
    (at,) = sensitivity(rank([candidate("poor", 20, every=400)]), "signal.window")
    assert (at.n_candidates, at.n_rankable, at.best, at.median_p_value) == (1, 0, None, None)


def test_a_surface_shows_the_best_of_each_pair_of_barriers(ranked: list[Ranked]) -> None:
    """The one that ranks first, whatever its parameters."""
    found = surface(ranked)
    assert [(at.tp_ticks, at.sl_ticks, at.n_candidates, at.n_rankable) for at in found] == [(5, 3, 4, 4), (6, 3, 5, 4)]
    for at in found:
        members = [each for each in ranked if each.candidate.first.evaluation.tp_ticks == at.tp_ticks]
        assert at.best is members[0]
    assert found[1].best is ranked[0]


def test_only_what_candidates_differ_in_is_varied(ranked: list[Ranked]) -> None:
    """Thresholds aside: every run has several."""
    assert varied_parameters(ranked) == ["signal.window", "signal.spans", "eval.tp_ticks"]
