"""From overrides to the space of a search, and what is wrong with them."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from vpharness.campaigns.adaptive_search import ListedAxis, NumberAxis, SearchFamily, SearchSettings, SearchSpace
from vpharness.config.search_space import search_space


def space_of(
    *words: str,
    universal: dict[str, Any] | None = None,
    per_signal: dict[str, Any] | None = None,
    sampler: str = "tpe",
) -> tuple[SearchSpace, list[str]]:
    """Return the space of some words, and its problems."""
    overrides = OverridesParser.create().parse_overrides(list(words))
    return search_space(overrides, universal or {}, per_signal or {}, SearchSettings(sampler=sampler))


def test_lists_ranges_and_intervals_are_axes_and_all_else_is_fixed() -> None:
    """Numbers in order are steps, texts are not; intervals of whole numbers stay whole; a scale may be logarithmic."""
    space, problems = space_of(
        "signal=pfp",
        "dataset.id=x",
        "eval.tp_ticks=2,4,8",
        "signal.kind=x,y",
        "signal.lag=range(1,4)",
        "signal.a=interval(0,1)",
        "signal.b=int(interval(1,9))",
        "signal.c=tag(log,interval(0.01,10))",
        "eval.sl_ticks=8,2,4",
    )
    assert problems == []
    assert space.fixed == ("dataset.id=x",)
    (family,) = space.families
    assert family.override == "signal=pfp"
    assert family.axes == (
        ListedAxis("eval.tp_ticks", ("eval.tp_ticks=2", "eval.tp_ticks=4", "eval.tp_ticks=8"), ordered=True),
        ListedAxis("signal.kind", ("signal.kind=x", "signal.kind=y"), ordered=False),
        ListedAxis("signal.lag", ("signal.lag=1", "signal.lag=2", "signal.lag=3"), ordered=True),
        ListedAxis("eval.sl_ticks", ("eval.sl_ticks=8", "eval.sl_ticks=2", "eval.sl_ticks=4"), ordered=False),
        NumberAxis("signal.a", 0.0, 1.0),
        NumberAxis("signal.b", 1, 9),
        NumberAxis("signal.c", 0.01, 10.0, log=True),
    )
    whole = family.axes[5]
    assert isinstance(whole, NumberAxis)
    assert (type(whole.low), type(whole.high)) == (int, int)


def test_an_experiments_axes_are_searched_and_given_ones_stand_instead_of_them() -> None:
    """For every signal, and for one alone."""
    space, problems = space_of(
        "signal.x=interval(0,1)",
        universal={"eval.tp_ticks": [4, 6]},
        per_signal={"a": {"x": [1, 2], "y": [1, 2]}, "b": {"z": ["p", "q"]}},
    )
    assert problems == []
    shared = (
        ListedAxis("eval.tp_ticks", ("eval.tp_ticks=4", "eval.tp_ticks=6"), True),
        NumberAxis("signal.x", 0.0, 1.0),
    )
    own = ListedAxis("signal.z", ('signal.z="p"', 'signal.z="q"'), ordered=False)
    assert space.families == (
        SearchFamily(
            "signal=a", (*shared, ListedAxis("signal.y", ("signal.y=1", "signal.y=2"), True)), frozenset({"signal.y"})
        ),
        SearchFamily("signal=b", (*shared, own), frozenset({"signal.z"})),
    )


def test_samples_have_every_listed_value_and_both_ends_of_intervals() -> None:
    """So that what is wrong with any of them is known before a run."""
    space, _ = space_of("signal=a", "signal.k=x,y,z", "signal.v=interval(0,1)", "campaign=c")
    assert space.samples() == [
        ("signal=a", "campaign=c", "signal.k=x", "signal.v=0.0"),
        ("signal=a", "campaign=c", "signal.k=y", "signal.v=1.0"),
        ("signal=a", "campaign=c", "signal.k=z", "signal.v=1.0"),
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["signal=a"], "there is nothing to search: give an axis"),
        (
            ["signal.x=interval(2,1)"],
            "signal.x is the interval from 2.0 to 1.0; its low end must be below its high end",
        ),
        (["signal.x=tag(log,interval(0,1))"], "signal.x is an interval on a logarithmic scale from 0.0"),
        (["signal.x=tag(lag,interval(1,2))"], "signal.x has the tag lag; the only one is log"),
        (["signal.x=interval(1,2)", "signal.x=1,2"], "signal.x is given twice"),
        (["dataset.id=a,b"], "dataset.id has several values; runs on different data cannot be compared"),
        (["lattice.cell_width_ms=interval(1,2)"], "lattice.cell_width_ms is an interval; a search takes intervals of"),
        (["signal.x=1,2", "lake=a,b"], "lake has 2 values, and a campaign has one"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(words: list[str], expected: str) -> None:
    """Each in a sentence."""
    assert any(problem.startswith(expected) for problem in space_of(*words)[1])


def test_points_that_are_evenly_spread_are_of_one_signal() -> None:
    """The sampler cannot choose among signals."""
    assert space_of("signal=a,b", "signal.x=1,2", sampler="qmc")[1] == [
        "sampler is qmc, which cannot choose among signals; search each alone, or take tpe"
    ]
