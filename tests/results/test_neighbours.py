"""Neighbours of a candidate: those that differ from it in one setting, and nothing else."""

from dataclasses import replace

from tests.results.ledgers import candidate
from vpharness.results.neighbours import neighbours_of
from vpharness.results.ranking import rank
from vpharness.results.report.neighbour_panels import neighbours


def test_those_that_differ_in_one_setting_are_found_by_it() -> None:
    """A threshold is a setting; another signal, other datasets, or two settings at once are no neighbours."""
    ledger = [
        candidate("own", 1),
        candidate("threshold", 2, threshold="0.2"),
        candidate("window", 3, parameters={"window": 90}),
        candidate("window2", 4, parameters={"window": 20}),
        candidate("tp", 5, tp_ticks=8.0),
        candidate("both", 6, tp_ticks=8.0, threshold="0.2"),
        candidate("other", 7, signal="other"),
        candidate("elsewhere", 8, ("north", "south"), threshold="0.2"),
    ]
    ranked = {each.candidate.candidate_id: each for each in rank(ledger)}
    found = neighbours_of(ranked["own"], list(ranked.values()))
    ids = {name: {each.candidate.candidate_id for each in members} for name, members in found.items()}
    assert ids == {
        "threshold": {"own", "threshold"},
        "signal.window": {"own", "window", "window2"},
        "eval.tp_ticks": {"own", "tp"},
    }
    assert neighbours_of(replace(ranked["other"]), list(ranked.values())) == {}


def test_they_are_drawn_with_a_panel_for_each_setting() -> None:
    """Values stand below, in their order; without neighbours there is nothing to draw."""
    ledger = [candidate("own", 1), candidate("a", 2, parameters={"window": 90}), candidate("b", 3, threshold="0.2")]
    ranked = {each.candidate.candidate_id: each for each in rank(ledger)}
    own = ranked["own"]
    made = neighbours(own, neighbours_of(own, list(ranked.values())))
    assert made is not None
    texts = {each.text for each in made.iter("text")}
    assert {"window", "threshold", "50", "90", "0.1", "0.2"} <= texts
    assert neighbours(own, {}) is None
