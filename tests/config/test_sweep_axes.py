"""From words to jobs: axes, families of signals, and what is wrong with them."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from vpharness.config.sweep_axes import MOST_JOBS, ExpandedSweep, expand


def expanded(
    *words: str, universal: dict[str, Any] | None = None, per_signal: dict[str, Any] | None = None
) -> ExpandedSweep:
    """Expand words as a multirun would."""
    return expand(OverridesParser.create().parse_overrides(list(words)), universal or {}, per_signal or {})


def test_the_last_axis_varies_fastest_and_fixed_words_stand_in_every_job() -> None:
    """As in Hydra's own sweeper."""
    found = expanded("dataset.id=x", "eval.tp_ticks=6,8", "signal.window=range(1,3)")
    assert found.problems == []
    assert found.jobs == [
        ("dataset.id=x", f"eval.tp_ticks={tp}", f"signal.window={window}") for tp in (6, 8) for window in (1, 2)
    ]


def test_each_signal_has_the_axes_of_all_and_its_own() -> None:
    """One campaign sweeps several families."""
    found = expanded(
        "signal=a,b", universal={"eval.cooldown_bins": [20, 30]}, per_signal={"b": {"windows": [[1, 2], [3, 4]]}}
    )
    assert found.problems == []
    assert found.jobs == [
        *[("signal=a", f"eval.cooldown_bins={bins}") for bins in (20, 30)],
        *[
            ("signal=b", f"eval.cooldown_bins={bins}", f"signal.windows={windows}")
            for bins in (20, 30)
            for windows in ("[1,2]", "[3,4]")
        ],
    ]


def test_axes_of_signals_say_which_signals_are_swept() -> None:
    """Where none is given."""
    found = expanded(per_signal={"a": {"x": [1]}, "b": {"y": [2]}})
    assert found.jobs == [("signal=a", "signal.x=1"), ("signal=b", "signal.y=2")]


def test_an_axis_that_is_given_stands_instead_of_the_experiments() -> None:
    """For every signal, and for one alone."""
    found = expanded(
        "signal=a", "signal.x=9", "eval.tp_ticks=4,5", universal={"eval.tp_ticks": [1]}, per_signal={"a": {"x": [1, 2]}}
    )
    assert found.jobs == [("signal=a", "signal.x=9", "eval.tp_ticks=4"), ("signal=a", "signal.x=9", "eval.tp_ticks=5")]


def test_everything_that_is_wrong_with_axes_is_said() -> None:
    """Twice, empty, not a list, an interval, a key of the campaign, and a signal that is not swept."""
    found = expanded(
        "signal=a",
        "eval.tp_ticks=4,5",
        "eval.tp_ticks=6,7",
        "eval.sl_ticks=range(5,5)",
        "eval.cost_ticks=",
        "signal.x=interval(0,1)",
        "lake=here,there",
        universal={"eval.warmup_bins": [], "eval.null_seed": 3},
        per_signal={"b": {"x": [1]}},
    )
    said = "\n".join(found.problems)
    for expected in (
        "eval.tp_ticks is given twice",
        "the axis eval.sl_ticks has no value",
        "eval.cost_ticks has no value",
        "signal.x is an interval",
        "lake has 2 values, and a campaign has one",
        "the axis eval.warmup_bins has no value",
        "the axis eval.null_seed is 3; a list of values is expected",
        "the experiment has axes for the signal b, which is not among those swept: a",
    ):
        assert expected in said
    assert len(found.problems) == 8


def test_a_sweep_without_bounds_is_refused() -> None:
    """Before its jobs fill the memory."""
    wide = "range(0,2000)"
    found = expanded(f"signal.x={wide}", f"signal.y={wide}")
    assert found.jobs == []
    assert f"4,000,000 runs of ; a campaign has {MOST_JOBS:,} at most" in found.problems[0]


@given(st.recursive(st.integers() | st.floats() | st.booleans() | st.none() | st.text(), st.lists, max_leaves=5))
@examples()
def test_an_axis_of_an_experiment_is_read_back_as_it_was_written(value: Any) -> None:
    """Quotes, backslashes, letters of any alphabet: what Hydra makes of the word is the value."""
    found = expanded(universal={"tracking.tags.note": [value]})
    assert found.problems == []
    ((word,),) = found.jobs
    read = OverridesParser.create().parse_override(word).value()
    assert repr(read) == repr(value)


def test_an_axis_of_mappings_is_read_back() -> None:
    """Their keys are plain words."""
    ((word,),) = expanded(universal={"tracking.tags": [{"desk": "a, b", "note": "ü"}]}).jobs
    assert OverridesParser.create().parse_override(word).value() == {"desk": "a, b", "note": "ü"}
