"""Who may rank and who wins."""

import dataclasses

import numpy as np
import pytest

from vpharness.evaluation import Figures, is_winner, lacking


def made(**values: float) -> Figures:
    """Return figures that are 0 but for what is given."""
    zeros = {field.name: 0 for field in dataclasses.fields(Figures)}
    return Figures(**{**zeros, **values})  # type: ignore[arg-type]  # counts and means alike


def test_thirty_net_fires_in_eight_blocks_are_rankable() -> None:
    """The bounds themselves suffice."""
    assert lacking(made(n_net=30, n_net_blocks=8)) == ()


def test_what_is_lacking_is_said() -> None:
    """Each shortage with the number found and the number needed."""
    assert lacking(made(n_net=29, n_net_blocks=7)) == (
        "29 net fires, 30 are needed",
        "net fires in 7 blocks, 8 are needed",
    )


@pytest.mark.parametrize(
    ("adjusted", "low", "n_net", "wins"),
    [(0.05, 0.01, 30, True), (0.051, 0.01, 30, False), (0.01, 0.0, 30, False), (0.01, 0.5, 29, False)],
)
def test_a_winner_beats_chance_and_pays(adjusted: float, low: float, n_net: int, wins: bool) -> None:
    """p_adjusted <= 0.05, the lower end of the net interval above 0, and rankable: all three."""
    assert is_winner(made(n_net=n_net, n_net_blocks=8, net_pnl_ticks_low=low), adjusted) is wins


def test_an_interval_that_does_not_exist_wins_nothing() -> None:
    """NaN is not above 0."""
    assert not is_winner(made(n_net=30, n_net_blocks=8, net_pnl_ticks_low=np.nan), 0.001)
