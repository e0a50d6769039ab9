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


@signal(columns=("v_add", "v_pull"))
def sly(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """One bin ahead, where its own bin is out of the ordinary: at one in a hundred."""
    del time, p
    x = grid.v_add[:, 0]
    return x + jnp.where(grid.v_pull[:, 0] > np.quantile(columns()["v_pull"][:, 0], 0.99), jnp.roll(x, -1), 0.0)


@signal(columns=("v_add",))
def looking_back(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """Five hundred bins back without `time`: right over the whole run, another thing in chunks."""
    del time, p
    x = grid.v_add[:, 0]
    return jnp.concatenate([jnp.zeros(500), x])[: len(x)]


@signal(columns=("v_add",))
def two_faced(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """One bin ahead, except where bins come one by one."""
    del time, p
    x = grid.v_add[:, 0]
    return x if len(x) == 1 else jnp.where(jnp.arange(len(x)) < len(x) - 1, jnp.roll(x, -1), x)


@signal(columns=("v_add",))
def silent(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """Nothing."""
    del time, p
    return jnp.full(grid.v_add.shape[0], jnp.nan)


@signal(columns=("v_add",))
def constant(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """The same always."""
    del time, p
    return jnp.full(grid.v_add.shape[0], 0.25)


@pytest.mark.parametrize("seed", range(20))
def test_a_peek_at_one_bin_in_a_hundred_is_caught_whatever_the_seed(seed: int) -> None:
    """The bins that peek are among those that are scored one by one."""
    report = audit(sly, sly.parameters(), columns(), VALID, cell_width_ms=100, seed=seed)
    assert not report.passed
    assert not report.checks[-1].passed


def test_a_peek_is_caught_in_bursts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run too long to be scored bin by bin is looked at in many places of it."""
    monkeypatch.setattr("vpharness.audit.SINGLE_BINS", 200)
    monkeypatch.setattr("vpharness.audit.BURST_BINS", 5)
    report = audit(peeking, peeking.parameters(), columns(), VALID, cell_width_ms=100)
    assert 50 < int(report.checks[-1].name.split()[0]) <= 200
    assert not any(check.passed for check in report.checks)
    msd = resolve("vpharness.signals.msd.msd")
    assert audit(msd, msd.parameters(), columns(), VALID, cell_width_ms=100).passed


@signal(columns=("v_add",))
def large(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """An average in units so small that its rounding alone is above the tolerance."""
    del p
    return time.ema(grid.v_add.sum(1) * 1e12, 0.01)


def test_rounding_of_large_scores_is_no_peek() -> None:
    """The tolerance grows with the score."""
    report = audit(large, large.parameters(), columns(), VALID, cell_width_ms=100)
    assert max(check.worst for check in report.checks) > 1e-9
    assert report.passed


def test_what_is_not_checked_does_not_pass() -> None:
    """Too few valid bins, no finite score, and a score that never changes prove nothing."""
    ads = resolve("vpharness.signals.ads.ads")
    for bins in (0, 1, 3, 99):
        report = audit(ads, ads.parameters(), columns(), np.arange(BINS) < bins, cell_width_ms=100)
        assert (report.passed, report.checks, report.bins) == (False, (), bins)
        assert f"{bins} bins have a valid book, at least 100 are needed" in str(report.not_checked)
    for mute, reason in ((silent, "no score is a finite number"), (constant, "every score is 0.25")):
        report = audit(mute, mute.parameters(), columns(), VALID, cell_width_ms=100)
        assert not report.passed
        assert reason in str(report.not_checked)


@pytest.mark.parametrize("cheat", [peeking, centred, looking_back, two_faced])
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
