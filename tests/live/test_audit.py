"""The audit finds signals that look ahead, and lets honest ones pass."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from vpharness.audit import audit
from vpharness.signals import Clock, Grid, SignalParameters, resolve, signal

BINS, RADIUS = 900, 25
VALID = np.random.default_rng(0).random(BINS) < 0.97


def columns() -> dict[str, NDArray[np.float64]]:
    """Return noise in the columns that are used here."""
    noise = np.random.default_rng(1)
    names = ("v_add", "v_pull", "vacuum_variant")
    return {name: noise.normal(size=(BINS, 2 * RADIUS + 1)).cumsum(0) for name in names}


@signal(columns=("v_add",))
def peeking(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """Three bins ahead."""
    del time, p
    return jnp.roll(grid.v_add[:, 0], -3)


@signal(columns=("v_add",))
def centred(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """Less the mean of all that is shown."""
    del time, p
    x = grid.v_add[:, 0]
    return x - x.mean()


@pytest.mark.parametrize("cheat", [peeking, centred])
def test_a_signal_that_looks_ahead_is_caught_with_the_bin_named(cheat: object) -> None:
    """Whatever looks across bins without `time` shows."""
    assert isinstance(cheat, type(peeking))
    report = audit(cheat, cheat.parameters(), columns(), VALID, cell_width_ms=100)
    assert not report.passed
    failed = [check for check in report.checks if not check.passed]
    assert all(check.first_bin is not None and check.worst > 1e-9 for check in failed)


def test_a_peek_is_named_at_the_first_bin_that_it_reaches() -> None:
    """Without the bins from a cut on, the three before it change."""
    report = audit(peeking, peeking.parameters(), columns(), VALID, cell_width_ms=100)
    for check in report.checks:
        if check.name.startswith("with garbage"):
            cut = int(check.name.split()[-2])
            assert check.first_bin == cut - 3


def test_an_honest_signal_passes_and_its_memory_is_measured() -> None:
    """Ads looks back as far as its z-window and its longest slope, msd not at all."""
    ads = resolve("vpharness.signals.ads.ads")
    report = audit(ads, ads.parameters(), columns(), VALID, cell_width_ms=100)
    assert report.passed
    assert report.bins == int(VALID.sum())
    assert report.warm_up_bins == 200 + 50 - 2
    msd = resolve("vpharness.signals.msd.msd")
    assert audit(msd, msd.parameters(), columns(), VALID, cell_width_ms=100).warm_up_bins == 0
