"""What a user may have meant."""

import pytest

from vpharness.wording import did_you_mean, near_names

SIGNALS = ["ads", "ads_pfp_svac", "erd", "iirc", "jad", "msd", "perm_derivative", "pfp", "spg", "svac"]
KEYS = ["lake", "eval.tp_ticks", "eval.sl_ticks", "eval.cost_ticks", "signal.thresholds", "source.tick_size"]


@pytest.mark.parametrize(
    ("name", "known", "first"),
    [
        ("adz", SIGNALS, "ads"),
        ("perm_derivativ", SIGNALS, "perm_derivative"),
        ("iric", SIGNALS, "iirc"),
        ("tp_ticks", KEYS, "eval.tp_ticks"),
        ("eval.tp_tick", KEYS, "eval.tp_ticks"),
        ("signal.treshold", KEYS, "signal.thresholds"),
        ("laek", KEYS, "lake"),
        ("signal.thr", KEYS, "signal.thresholds"),
    ],
)
def test_the_nearest_name_comes_first_and_three_at_most(name: str, known: list[str], first: str) -> None:
    """Names that begin alike come before those that end alike."""
    near = near_names(name, known)
    assert near[0] == first
    assert len(near) <= 3


def test_a_name_that_is_the_last_part_of_a_key_means_that_key_alone() -> None:
    """However many others are near."""
    assert did_you_mean("tp_ticks", KEYS) == "did you mean eval.tp_ticks? "
    assert did_you_mean("eval.tp_tick", KEYS) == "did you mean eval.tp_ticks, eval.cost_ticks or eval.sl_ticks? "


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    """A guess would mislead."""
    assert did_you_mean("volume", SIGNALS) == ""
