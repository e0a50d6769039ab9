"""Defining signals: a user's own from outside the package, targets, digests, saved states, and what is refused."""

import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from tests.signals.battery import SIGNALS, made_up_columns
from vpharness.errors import ConfigError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.parameters import parameter, rules_of
from vpharness.signals import (
    Clock,
    Grid,
    SignalParameters,
    bin_series,
    capacity_for,
    digest,
    resolve,
    restore_state,
    save_state,
    score,
    score_parameters,
    scorer,
    signal,
)
from vpharness.signals.core.grid import shadowed

OWN_MODULE = '''
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, signal


@dataclass(frozen=True)
class DepthImbalance(SignalParameters):
    """Parameters of depth_imbalance."""

    band: int = parameter(2, meaning="cells up to this distance are used", unit="ticks", minimum=1)
    span: int = parameter(3, meaning="bins looked back", unit="bins", minimum=1)


def helper(x: Array) -> Array:
    return 2.0 * x


@signal(columns=("bid_depth", "ask_depth"))
def depth_imbalance(time: Clock, grid: Grid, p: DepthImbalance) -> Array:
    """Resting depth below spot less that above it, against what it was."""
    near = grid.band(1, p.band)
    x = grid.sides(grid.bid_depth, near)[0] - grid.sides(grid.ask_depth, near)[1]
    return helper(x - time.lag(x, p.span))
'''


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of a user's, outside the package and on the Python path."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "own_signals.py"
    file.write_text(OWN_MODULE)
    yield file
    sys.modules.pop("own_signals", None)


def test_a_signal_of_ones_own_needs_nothing_of_the_package_changed(own_module: Path) -> None:
    """Found by its target, it has its columns, parameters and meaning, and is scored like any other."""
    own = resolve("own_signals.depth_imbalance")
    assert (own.name, own.columns) == ("depth_imbalance", ("bid_depth", "ask_depth"))
    assert own.meaning == "Resting depth below spot less that above it, against what it was."
    columns = {"bid_depth": np.array([[8.0, 4, 2, 1, 0]] * 3), "ask_depth": np.array([[0.0, 0, 0, 1, 1]] * 3)}
    columns["bid_depth"][2] *= 2
    found = score(own, own.parameters(span=1), columns, cell_width_ms=100)
    np.testing.assert_array_equal(found, [2 * (12 - 2), 0, 2 * 12])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("perm_derivative", "must be MODULE.NAME"),
        ("vpharness.signals.nonsense.nonsense", "there is no module 'vpharness.signals.nonsense'"),
        ("vpharness.signals.msd.mds", "has nothing of that name there"),
        ("vpharness.signals.msd.Msd", "has a type there, not a function under @signal"),
    ],
)
def test_a_target_that_is_no_signal_is_refused(target: str, message: str) -> None:
    """The error says what was found where the signal should be."""
    with pytest.raises(ConfigError, match=message):
        resolve(target)


def test_an_import_that_fails_inside_a_module_is_shown_as_it_is(own_module: Path) -> None:
    """A missing dependency of a user's module is not taken for a misspelt target."""
    own_module.write_text("import a_package_that_is_missing\n")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_missing"):
        resolve("own_signals.depth_imbalance")


def test_a_signal_needs_parameters_of_its_own_kind() -> None:
    """A function whose third argument is no dataclass of parameters cannot become a signal."""
    with pytest.raises(ConfigError, match="found <class 'int'> for the third"):

        @signal(columns=("x",))  # type: ignore[type-var] # the mistake under test
        def wrong(time: Clock, grid: Grid, p: int) -> Array:
            return jnp.zeros(p)


@pytest.mark.parametrize("name", [name for name in dir(Grid({"x": jnp.zeros((1, 3))})) if name != "x"])
def test_a_column_named_like_something_of_the_grid_itself_is_refused(name: str) -> None:
    """The signal would read that, and say nothing."""
    with pytest.raises(ConfigError, match=f"signal body: {name} cannot be the name of a column"):

        @signal(columns=("v_add", name))
        def body(time: Clock, grid: Grid, p: SignalParameters) -> Array:
            return grid.v_add.sum(-1)


def test_no_column_of_a_dataset_is_named_so() -> None:
    """All of them can be read."""
    assert shadowed(GRID_COLUMNS) == []


def test_a_column_that_was_not_declared_cannot_be_read() -> None:
    """The error names the column and what was declared."""

    @signal(columns=("v_add",))
    def undeclared(time: Clock, grid: Grid, p: SignalParameters) -> Array:
        return grid.v_pull[:, 0]

    with pytest.raises(ConfigError, match=r"undeclared fails.*'v_pull' but declares v_add: add it there"):
        score(undeclared, None, made_up_columns(("v_add", "v_pull"), 3, 2, seed=1), cell_width_ms=100)


def test_columns_that_are_missing_or_misshapen_are_refused() -> None:
    """The error names the signal, the column, and the shape that it should have."""
    ads = SIGNALS["ads"]
    columns = made_up_columns(ads.columns, 3, 25, seed=1)
    with pytest.raises(ConfigError, match="ads reads columns that the grid lacks: v_pull"):
        score(ads, None, {"v_add": columns["v_add"]}, cell_width_ms=100)
    with pytest.raises(ConfigError, match=r"column v_pull has the shape \(2, 51\); it must be \(3, 51\)"):
        score(ads, None, {"v_add": columns["v_add"], "v_pull": columns["v_pull"][:2]}, cell_width_ms=100)
    with pytest.raises(ConfigError, match=r"column v_add has the shape \(3, 50\)"):
        score(ads, None, {name: column[:, 1:] for name, column in columns.items()}, cell_width_ms=100)


def test_no_bins_are_no_scores() -> None:
    """A run without a single valid bin has missing scores only, and a chunk of no bins leaves the state as it is."""
    msd = SIGNALS["msd"]
    columns = made_up_columns(msd.columns, 4, 3, seed=1)
    assert np.isnan(score(msd, None, columns, cell_width_ms=100, valid=np.zeros(4, bool))).all()
    ready = scorer(msd, cell_width_ms=100, radius=3)
    start = ready.start()
    state, scores = ready.step(start, {name: column[:0] for name, column in columns.items()})
    assert state is start
    assert scores.shape == (0,)


def test_the_digest_is_the_same_in_every_process() -> None:
    """A result stored by one process is found again by another."""
    command = (
        "from vpharness.signals import digest, resolve;"
        "print(digest(resolve('vpharness.signals.perm_derivative.perm_derivative')))"
    )
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert other.stdout.strip() == digest(resolve("vpharness.signals.perm_derivative.perm_derivative"))


def test_the_digest_depends_on_structure_and_not_on_values() -> None:
    """Other numbers compile to the same; another variant or another number of windows does not."""
    erd, ads = SIGNALS["erd"], SIGNALS["ads"]
    assert digest(erd) == digest(erd, erd.parameters(zscore_window=7, spike_floor=2.0, thresholds=[1.0]))
    assert digest(erd) != digest(erd, erd.parameters(variant="b"))
    assert digest(ads) != digest(ads, ads.parameters(slope_windows=[10, 20], blend_weights=[0.5, 0.5]))
    assert len({digest(each) for each in SIGNALS.values()}) == len(SIGNALS)


def test_the_digest_sees_what_a_signal_calls(own_module: Path) -> None:
    """Editing a helper changes the digest; editing a comment or a docstring does not."""

    def digest_of(source: str) -> str:
        sys.modules.pop("own_signals", None)
        importlib.invalidate_caches()
        own_module.write_text(source)
        return digest(resolve("own_signals.depth_imbalance"))

    before = digest_of(OWN_MODULE)
    assert digest_of(OWN_MODULE.replace("against what it was", "and so on") + "\n# a comment\n") == before
    assert digest_of(OWN_MODULE.replace("2.0 * x", "2.125 * x")) != before


TWO_OF_A_KIND = """
from dataclasses import dataclass
from jax import Array
from vpharness.parameters import parameter
from vpharness.signals import Clock, Grid, SignalParameters, signal

@dataclass(frozen=True)
class Scales(SignalParameters):
    a: float = parameter(1.0, meaning="one scale")
    b: float = parameter(1.0, meaning="another")

@signal(columns=("bid_depth", "ask_depth"))
def scaled(time: Clock, grid: Grid, p: Scales) -> Array:
    return p.a * grid.bid_depth[:, 0]
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("grid.bid_depth", "grid.ask_depth"),
        ("p.a *", "p.b *"),
        (', "ask_depth")', ",)"),
        ('"ask_depth")', '"v_add")'),
        ("    b: float", "    c: float"),
    ],
)
def test_the_digest_sees_which_columns_and_parameters_are_used(own_module: Path, before: str, after: str) -> None:
    """A body that reads another column or another number of the same type is another signal."""
    digests = set()
    for source in (TWO_OF_A_KIND, TWO_OF_A_KIND.replace(before, after), TWO_OF_A_KIND):
        sys.modules.pop("own_signals", None)
        importlib.invalidate_caches()
        own_module.write_text(source)
        digests.add(digest(resolve("own_signals.scaled")))
    assert len(digests) == 2


def test_the_digest_sees_the_only_column_of_a_signal(own_module: Path) -> None:
    """One column instead of another leaves the compiled form as it is, not the digest."""
    digests = set()
    for column in ("bid_depth", "ask_depth"):
        sys.modules.pop("own_signals", None)
        importlib.invalidate_caches()
        own_module.write_text(
            TWO_OF_A_KIND.replace('"bid_depth", "ask_depth"', f'"{column}",').replace("bid_depth[", f"{column}[")
        )
        digests.add(digest(resolve("own_signals.scaled")))
    assert len(digests) == 2


def test_thresholds_are_no_parameters_of_the_score() -> None:
    """Runs that differ in thresholds alone share their scores."""
    assert set(score_parameters(SIGNALS["svac"].parameters())) == {"norm_alpha", "norm_floor"}


@pytest.mark.parametrize(
    ("name", "part", "theirs"),
    [
        ("thresholds", "ads", "thresholds"),
        ("ads_blend_weights", "ads", "blend_weights"),
        ("ads_blend_scale", "ads", "blend_scale"),
        ("pfp_ema_alpha", "pfp", "ema_alpha"),
        ("pfp_add_weight", "pfp", "add_weight"),
        ("pfp_pull_weight", "pfp", "pull_weight"),
        ("svac_norm_alpha", "svac", "norm_alpha"),
        ("svac_norm_floor", "svac", "norm_floor"),
    ],
)
def test_a_parameter_of_a_part_is_that_of_the_part(name: str, part: str, theirs: str) -> None:
    """ads_pfp_svac takes default, meaning, unit and range from ads, pfp and svac."""
    whole, own = SIGNALS["ads_pfp_svac"].parameters, SIGNALS[part].parameters
    assert getattr(whole(), name) == getattr(own(), theirs)
    rules = [
        rules_of(field)
        for kind, wanted in ((whole, name), (own, theirs))
        for field in dataclasses.fields(kind)
        if field.name == wanted
    ]
    assert rules[0] == rules[1]
    if isinstance(getattr(whole(), name), list):
        assert getattr(whole(), name) is not getattr(whole(), name)


def test_a_signal_has_thresholds_or_quantiles() -> None:
    """perm_derivative has an explicit list by default, pfp the quantiles; either is overridden by plain values."""
    assert SIGNALS["perm_derivative"].parameters().thresholds == [0.03, 0.05, 0.08, 0.10, 0.15, 0.20]
    assert SIGNALS["pfp"].parameters().thresholds == []
    assert SIGNALS["pfp"].parameters().threshold_quantiles == [50, 70, 80, 90, 95, 99]
    assert SIGNALS["pfp"].parameters(thresholds=[0.5]).thresholds == [0.5]


@pytest.mark.parametrize(
    ("window", "capacity"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (300, 384), (385, 512), (512, 512)]
)
def test_capacities_are_few_and_hold_their_windows(window: int, capacity: int) -> None:
    """Windows are rounded up to 2^n or 3 * 2^n."""
    assert capacity_for(window) == capacity


def test_a_capacity_that_is_too_small_is_refused() -> None:
    """A buffer shorter than a window would give wrong scores silently."""
    with pytest.raises(ConfigError, match="perm_derivative looks 300 bins back, but the capacity given is 256"):
        scorer(SIGNALS["perm_derivative"], cell_width_ms=100, radius=5, capacity=256)


def test_a_state_of_another_scorer_is_refused() -> None:
    """Restoring a state that was saved with another capacity, or by another signal, names what differs."""
    small = scorer(SIGNALS["pfp"], cell_width_ms=100, radius=12, capacity=8)
    large = scorer(SIGNALS["pfp"], cell_width_ms=100, radius=12, capacity=16)
    with pytest.raises(ConfigError, match=r"not one of signal pfp with capacity 16: 00_lag\.recent"):
        restore_state(large, save_state(small.start()))
    with pytest.raises(ConfigError, match=r"not one of signal svac"):
        restore_state(scorer(SIGNALS["svac"], cell_width_ms=100, radius=12), save_state(small.start()))


@dataclass(frozen=True)
class EveryKind(SignalParameters):
    """A parameter of every kind."""

    number: float = parameter(1.0, meaning="a float")
    whole: int = parameter(2, meaning="an int")
    choice: str = parameter("add", meaning="a choice", choices=("add", "subtract"))
    flag: bool = parameter(False, meaning="a flag")
    optional: float | None = parameter(None, meaning="an optional float")
    numbers: list[float] = parameter([1.0, 2.0], meaning="floats")


@signal(columns=("x",))
def every_kind(time: Clock, grid: Grid, p: EveryKind) -> Array:
    """Do something different for every kind of parameter."""
    x = grid.x[:, 0] * p.number + sum(p.numbers)
    x = x + p.whole if p.choice == "add" else x - p.whole
    x = -x if p.flag else x
    return x if p.optional is None else x * p.optional


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({}, 10 + 3 + 2),
        ({"number": 3}, 30 + 3 + 2),
        ({"choice": "subtract", "whole": 5}, 10 + 3 - 5),
        ({"flag": True}, -(10 + 3 + 2)),
        ({"optional": 0.5}, (10 + 3 + 2) / 2),
        ({"numbers": [4]}, 10 + 4 + 2),
    ],
)
def test_parameters_of_every_kind_reach_the_body(params: dict[str, Any], wanted: float) -> None:
    """Numbers and lists are traced, an int where a float is meant is a float; choices, flags and None are fixed."""
    with jax.numpy_dtype_promotion("standard"):  # a user may add an int to a float
        found = score(every_kind, EveryKind(**params), {"x": np.array([[10]], np.int8)}, cell_width_ms=100)
    np.testing.assert_array_equal(found, [wanted])


def test_the_third_argument_alone_needs_an_annotation() -> None:
    """It is found by its place, not by how many arguments before it have one."""

    @signal(columns=("x",))
    def brief(time, grid, p: EveryKind):  # type: ignore[no-untyped-def]  # what is under test
        return grid["x"].sum(axis=1)

    assert brief.parameters is EveryKind


def test_series_that_there_are_not_and_signals_without_a_column_are_refused() -> None:
    """A signal reads a column at least, series by their names, and each once."""

    def body(time: Clock, grid: Grid, p: SignalParameters) -> Array:
        return grid.mid_ticks

    with pytest.raises(ConfigError, match="body reads the series last_price, which there is not; there are mid_ticks"):
        signal(columns=("v_add",), series=("last_price",))(body)
    with pytest.raises(ConfigError, match="body declares no column; it must read one of the grid at least"):
        signal(columns=(), series=("mid_ticks",))(body)
    with pytest.raises(ConfigError, match="mid_ticks is a series of the bins, not a column; declare it once"):
        signal(columns=("mid_ticks",), series=("mid_ticks",))(body)
    columns = made_up_columns(("v_add",), 3, 2, seed=1)
    made = signal(columns=("v_add",), series=("mid_ticks",))(body)
    with pytest.raises(ConfigError, match="body reads mid_ticks, which is not there"):
        score(made, None, columns, cell_width_ms=100)
    with pytest.raises(ConfigError, match=r"the series mid_ticks has the shape \(3, 1\); it must be \(3,\)"):
        score(made, None, {**columns, "mid_ticks": np.zeros((3, 1))}, cell_width_ms=100)
    with pytest.raises(ConfigError, match="spread_ticks needs the best prices, which these bins do not have"):
        bin_series(("spread_ticks",), {"mid_price": np.ones(3)}, 0.25)
