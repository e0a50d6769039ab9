"""The audit finds signals that look ahead, and lets honest ones pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from vpharness.audit import AuditReport, QuickAudits, audit, quick_audit
from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, Signal, SignalParameters, program_of, resolve, score, scorer, signal

BINS, RADIUS = 900, 25
VALID = np.random.default_rng(0).random(BINS) < 0.97


def columns() -> dict[str, NDArray[np.float64]]:
    """Return noise in the columns that are used here."""
    noise = np.random.default_rng(1)
    names = ("v_add", "v_pull", "vacuum_variant")
    cells = {name: noise.normal(size=(BINS, 2 * RADIUS + 1)).cumsum(0) for name in names}
    numbers = np.arange(1, BINS + 1) * 7
    return cells | {"last_event_id": np.repeat(numbers, 2 * RADIUS + 1).reshape(BINS, -1).astype(np.float64)}


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


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 20))])
def test_a_peek_at_one_bin_in_a_hundred_is_caught_whatever_the_seed(seed: int) -> None:
    """The bins that peek are among those that are scored one by one."""
    report = audit(sly, sly.parameters(), columns(), VALID, cell_width_ms=100, seed=seed)
    assert not report.passed
    assert not report.checks[-1].passed


def test_a_peek_is_caught_in_bursts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run too long to be scored bin by bin is looked at in many places of it."""
    monkeypatch.setattr("vpharness.audit.full.SINGLE_BINS", 200)
    monkeypatch.setattr("vpharness.audit.scored_pieces.BURST_BINS", 5)
    report = audit(peeking, peeking.parameters(), columns(), VALID, cell_width_ms=100)
    assert 50 < int(report.checks[-1].name.split()[0]) <= 200
    assert not any(check.passed for check in report.checks)
    msd = resolve("vpharness.signals.msd.msd")
    assert audit(msd, msd.parameters(), columns(), VALID, cell_width_ms=100).passed


@signal(columns=("v_add",))
def large(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """An average in units so small that its rounding alone is above the tolerance."""
    del p
    return time.ema(grid.v_add.sum(1) * 1e12, 0.1)


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
    assert report.memory_bins == 200 + 50 - 2
    msd = resolve("vpharness.signals.msd.msd")
    assert audit(msd, msd.parameters(), columns(), VALID, cell_width_ms=100).memory_bins == 0


ANSWERS = np.random.default_rng(2).normal(size=BINS * 10)
"""More than 64 kB of them."""
FEW_ANSWERS = ANSWERS[:BINS]


@signal(columns=("v_add",))
def knowing(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """What a table says of each bin."""
    del p
    return jnp.asarray(ANSWERS)[time.seen(grid.v_add[:, 0]) - 1]


@signal(columns=("v_add",))
def counting(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """What a table that is small enough says of each bin, by its number."""
    del p
    return jnp.asarray(FEW_ANSWERS)[time.seen(grid.v_add[:, 0]) - 1]


@signal(columns=("v_add",))
def every_twelfth(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """More at every twelfth bin since the start."""
    del p
    return grid.v_add[:, 0] + (time.seen(grid.v_add[:, 0]) % 12 == 0)


@signal(columns=("v_add", "last_event_id"))
def numbered(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """What a small table says, by the number of the bin's last event, which counts from where the data began."""
    del time, p
    return jnp.asarray(FEW_ANSWERS)[(grid.last_event_id.max(1) // 7).astype(int) % BINS] + 0.0 * grid.v_add[:, 0]


@signal(columns=("v_add",))
def asking(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """What Python says while it runs."""
    del time, p
    x = grid.v_add[:, 0]
    shape = jax.ShapeDtypeStruct(x.shape, np.dtype(np.float64))  # type: ignore[no-untyped-call] # JAX has it untyped
    found: Array = jax.pure_callback(np.asarray, shape, x)
    return found


@signal(columns=("v_add",))
def accumulating(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """An average over some thousand bins, which a short dataset cannot tell from one that never forgets."""
    del p
    return time.ema(grid.v_add[:, 0], 0.005)


@dataclass(frozen=True)
class Shift(SignalParameters):
    """Parameters of shifting."""

    ahead: int = parameter(0, meaning="bins that it looks ahead", minimum=0)
    alpha: float = parameter(0.1, meaning="weight of its average", minimum=0, maximum=1)


@signal(columns=("v_add",))
def shifting(time: Clock, grid: Grid, p: Shift) -> Array:
    """An average of some bins ahead: one program whatever the numbers are."""
    return time.ema(jnp.roll(grid.v_add[:, 0], -p.ahead), p.alpha)


def quickly(one: Signal[Any], params: SignalParameters | None = None) -> AuditReport:
    """Audit a signal as the first run of it does."""
    params = one.parameters() if params is None else params
    whole = score(one, params, columns(), cell_width_ms=100, valid=VALID)
    return quick_audit(one, params, columns(), VALID, whole, cell_width_ms=100)


def fully(one: Signal[Any]) -> AuditReport:
    """Audit a signal as the command does."""
    return audit(one, one.parameters(), columns(), VALID, cell_width_ms=100)


REMEMBERS = "bins are too few to show that it forgets where the data began"


@pytest.mark.parametrize("how", [fully, quickly])
@pytest.mark.parametrize(
    ("cheat", "told"),
    [
        (knowing, "its program holds constants of 72,0"),
        (knowing, REMEMBERS),
        (counting, REMEMBERS),
        (every_twelfth, REMEMBERS),
        (numbered, REMEMBERS),
        (accumulating, REMEMBERS),
        (asking, "it calls out of its program while it runs (pure_callback, xla_ffi_python_cpu_callback)"),
    ],
)
def test_answers_that_a_signal_carries_or_fetches_are_refused(how: Any, cheat: Signal[Any], told: str) -> None:
    """A table of the answers, a small one that is read by counting bins or events, a call out of the program."""
    report = how(cheat)
    assert not report.passed
    assert any(told in failure for failure in report.failures), report.failures
    assert all(check.passed for check in report.checks)


def test_data_too_short_to_tell_are_named_as_that() -> None:
    """Not as a failure: how many bins there are, and that more may show that it forgets."""
    report = fully(accumulating)
    assert report.memory is not None
    assert (report.memory_bins, report.memory.bins) == (None, None)
    assert report.memory.at_least > BINS // 2
    (failure,) = report.failures
    assert failure.startswith(f"not decided: {report.bins:,} {REMEMBERS}; build a longer dataset")
    assert (report.passed, report.undecided) == (False, True)
    assert not fully(knowing).undecided  # its program is found out however short the data are


def test_the_memory_of_an_average_is_where_its_weight_is_rounding() -> None:
    """0.9^n is a billionth after 197 bins; scores are some tens, and what they begin with is off by less than that."""
    report = fully(shifting)
    assert report.passed
    assert report.memory_bins is not None
    assert 160 <= report.memory_bins <= 197
    quick = quickly(shifting)
    assert quick.passed
    assert quick.memory_bins is not None
    assert 150 <= quick.memory_bins <= report.memory_bins


@pytest.mark.parametrize("cheat", [peeking, centred])
def test_the_quick_audit_catches_a_look_ahead_too(cheat: Signal[Any]) -> None:
    """At a cut, by its bin; it is not taken for a memory."""
    report = quickly(cheat)
    failed = [check for check in report.checks if not check.passed]
    assert len(failed) == len(report.checks) == 2
    assert report.memory_bins == 0
    assert all("it is not causal" in failure for failure in report.failures)


@pytest.mark.parametrize("most", [4_096, 90])
def test_a_sweep_is_audited_set_by_set_as_each_would_be_alone(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers alone can make a signal look ahead, or remember; a part of the bins is enough to see it."""
    monkeypatch.setattr("vpharness.audit.quick.SWEEP_BINS", most)
    many = [Shift(), Shift(ahead=2), Shift(alpha=0.3), Shift(alpha=0.0), Shift(ahead=1, alpha=0.3), Shift(alpha=0.5)]
    audits = QuickAudits(shifting, many, columns(), VALID, cell_width_ms=100)
    found = [audits.next(whole) for whole in scores_of(shifting, many)]
    assert [report.passed for report in found] == [True, False, True, False, False, True]
    assert [report.memory_bins is None for report in found] == [False, False, False, True, False, False]
    for report, params in zip(found, many, strict=True):
        assert report.passed == quickly(shifting, params).passed


def scores_of(one: Signal[Any], many: Sequence[SignalParameters]) -> list[NDArray[np.float64]]:
    """Return the scores of the runs."""
    return [score(one, params, columns(), cell_width_ms=100, valid=VALID) for params in many]


def test_the_quick_audit_goes_on_behind_a_set_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sets behind it are compared with their own scores."""
    monkeypatch.setattr("vpharness.audit.quick.SWEEP_BINS", 90)
    many = [Shift(), Shift(alpha=0.3), Shift(alpha=0.5)]
    wholes = scores_of(shifting, many)
    audits = QuickAudits(shifting, many, columns(), VALID, cell_width_ms=100)
    found = [audits.next(whole) for whole in (wholes[0], np.full(BINS, np.nan), wholes[2])]
    assert [report.not_checked for report in found] == [None, "no score is a finite number", None]
    assert [report.passed for report in found] == [True, False, True]


@pytest.mark.parametrize(
    "name", ["ads", "ads_pfp_svac", "erd", "iirc", "jad", "msd", "perm_derivative", "pfp", "spg", "svac"]
)
def test_the_shipped_signals_hold_no_tables(name: str) -> None:
    """The largest of them has two kilobytes of numbers, whatever its windows."""
    one = resolve(f"vpharness.signals.{name}.{name}")
    ready = scorer(one, cell_width_ms=100, radius=50, capacity=4_096)
    cells = dict.fromkeys(one.columns, np.zeros((1, 101)))
    for bins in (1, 50_000):
        program = program_of(ready, cells, bins)
        assert program.total_bytes < 4_096
        assert program.calls_out == ()
