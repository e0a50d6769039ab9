"""One battery over every signal: its twin, the chunk law, causality, one compile, and the state that can be saved."""

import dataclasses
from typing import Any, Final

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.naive_signals import NAIVE_SIGNALS
from tests.signals.battery import (
    CAPACITY,
    LEARNED,
    SIGNALS,
    TRACES,
    Columns,
    made_up_columns,
    random_sizes,
    rows,
    score_in_chunks,
)
from vpharness.errors import ConfigError
from vpharness.parameters import problems
from vpharness.signals import CHUNK_TOLERANCE, Scorer, restore_state, save_state, score, scorer
from vpharness.signals.core.compiled_body import step_of

BINS: Final = 420
RADIUS: Final = 26
CELL_WIDTH_MS: Final = 100
CHUNKS: Final = (1, 31)

SHORT: Final[dict[str, dict[str, Any]]] = {
    "perm_derivative": {
        "zscore_window_bins": 90,
        "zscore_min_periods": 20,
        "d2_weight": 0.4,
        "d3_weight": 0.3,
        "center_exclusion_radius": 2,
        "spatial_decay_power": 0.5,
    },
    "ads": {"zscore_window": 100, "zscore_min_periods": 20, "slope_windows": [5, 12, 30]},
    "jad": {"zscore_window": 100},
    "ads_pfp_svac": {"ads_warmup_ms": 4030, "ads_zscore_window_ms": 9000, "pfp_lag_ms": 730},
}
"""Parameters whose windows fill up, several times over, within BINS; the defaults for the others."""
MORE: Final[list[tuple[str, dict[str, Any]]]] = [
    ("perm_derivative", {"enable_weighted_blend": True, "mixed_weight": 1.5, "bear_vacuum_weight": 0.3}),
    ("erd", {"variant": "b", "spike_floor": 0.1}),
    ("msd", {"variant": "sum"}),
    ("ads_pfp_svac", {"composite_weight_svac": 0.0}),
]
"""Other branches of the definitions."""


def params_of(name: str) -> Any:
    """Return the parameters that the battery runs a signal with."""
    return SIGNALS[name].parameters(**SHORT.get(name, {}))


def ready_scorer(name: str, p: Any = None, cell_width_ms: float = CELL_WIDTH_MS) -> Scorer:
    """Return a scorer for the battery's grid."""
    p = params_of(name) if p is None else p
    return scorer(SIGNALS[name], p, cell_width_ms=cell_width_ms, radius=RADIUS, capacity=CAPACITY)


def whole_run(name: str, columns: Columns, p: Any = None, valid: Any = None) -> NDArray[np.float64]:
    """Score the battery's grid as a whole."""
    p = params_of(name) if p is None else p
    return score(SIGNALS[name], p, columns, cell_width_ms=CELL_WIDTH_MS, valid=valid, capacity=CAPACITY)


def columns_of(name: str, seed: int = 5) -> dict[str, Any]:
    """Return the columns that the battery runs a signal on."""
    return made_up_columns(SIGNALS[name].columns, BINS, RADIUS, seed)


def test_the_battery_knows_every_signal() -> None:
    """Each file of conf/signal names a signal of that name, and each that is not fitted has its twin."""
    assert len(SIGNALS) == 10
    assert len(LEARNED) == 8
    assert all(signal.name == name for name, signal in LEARNED.items())
    assert set(SIGNALS) == set(NAIVE_SIGNALS)
    assert all(signal.name == name for name, signal in SIGNALS.items())


@pytest.mark.parametrize(("name", "params"), [*((name, SHORT.get(name, {})) for name in NAIVE_SIGNALS), *MORE])
def test_a_signal_says_what_its_twin_says(name: str, params: dict[str, Any]) -> None:
    """Loops over bins and cells, written from the definition, give the same scores."""
    p = SIGNALS[name].parameters(**params)
    columns = columns_of(name)
    found = whole_run(name, columns, p)
    np.testing.assert_allclose(found, NAIVE_SIGNALS[name](columns, p, CELL_WIDTH_MS), rtol=1e-9, atol=1e-10)
    assert np.ptp(found) > 0


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_keeps_the_chunk_law(name: str) -> None:
    """Cut into chunks at random, single bins among them, the scores are those of the whole run."""
    columns, rng = columns_of(name), np.random.default_rng(6)
    whole = whole_run(name, columns)
    ready = ready_scorer(name)
    for _ in range(3):
        cut = score_in_chunks(ready, columns, random_sizes(rng, BINS, CHUNKS))
        np.testing.assert_allclose(cut, whole, rtol=0, atol=CHUNK_TOLERANCE)


@pytest.mark.parametrize("name", SIGNALS)
def test_later_bins_change_nothing_before(name: str) -> None:
    """With the future poisoned by other values and missing ones, every earlier score keeps its bits."""
    columns, other = columns_of(name), columns_of(name, seed=7)
    whole = whole_run(name, columns)
    for cut in (1, 140, 257, BINS - 1):
        poisoned = {key: np.concatenate([column[:cut], other[key][cut:]]) for key, column in columns.items()}
        for column in poisoned.values():
            if column.dtype == np.float64:
                column[(cut + BINS) // 2 :] = np.nan
        found = whole_run(name, poisoned)
        np.testing.assert_array_equal(found[:cut], whole[:cut])


@pytest.mark.parametrize("name", SIGNALS)
def test_one_compile_serves_every_value(name: str) -> None:
    """A signal's body is traced once for a whole run and once for single bins, whatever numbers it is given."""
    signal, columns = SIGNALS[name], columns_of(name)
    defaults = signal.parameters()
    other = dataclasses.replace(defaults, **{field: varied(value) for field, value in vars(defaults).items()})
    before = TRACES.copy()
    for p in (defaults, other, params_of(name)):
        for cell_width_ms in (100, 250):
            ready = ready_scorer(name, p, cell_width_ms)
            state, _ = ready.step(ready.start(), columns)
            for t in range(3):
                state, _ = ready.step(state, rows(columns, t, t + 1))
    # The survey of what a signal needs is traced with a single bin, once for each grid and structure.
    assert TRACES[name, BINS] - before[name, BINS] <= 1
    assert TRACES[name, 1] - before[name, 1] <= 2


def varied(value: Any) -> Any:
    """Return another number of the same kind; an int stays in range for every parameter of the package."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, list):
        return [varied(item) for item in value]
    return value + 1 if isinstance(value, int) else value * 0.9


@pytest.mark.parametrize("name", SIGNALS)
def test_a_saved_state_goes_on_as_if_nothing_had_happened(name: str) -> None:
    """Saved as plain arrays and restored elsewhere, the state has the same bits and so have the scores after it."""
    columns = columns_of(name)
    ready = ready_scorer(name)
    state = ready.start()
    for t in range(40):
        state, _ = ready.step(state, rows(columns, t, t + 1))
    saved = {key: array.copy() for key, array in save_state(state).items()}
    restored = restore_state(ready_scorer(name), saved)
    for t in range(40, 50):
        state, wanted = ready.step(state, rows(columns, t, t + 1))
        restored, found = ready.step(restored, rows(columns, t, t + 1))
        np.testing.assert_array_equal(found, wanted)
    assert save_state(state).keys() == saved.keys()


@pytest.mark.parametrize("name", SIGNALS)
def test_a_flat_state_is_the_same_state(name: str) -> None:
    """One bin with its state in flat form gives the score and the state of the same step with an array for each."""
    columns, ready = columns_of(name), ready_scorer(name)
    nested_step = jax.jit(step_of(ready.signal, ready.structure))
    flat, nested = ready.start(), ready.start()
    for t in range(40):
        shown = rows(columns, t, t + 1)
        flat, found = ready.step(flat, shown)
        nested, wanted = nested_step(ready.numbers, np.float64(CELL_WIDTH_MS), nested, shown)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    kept, expected = save_state(flat), save_state(nested)
    assert kept.keys() == expected.keys()
    for key, array in expected.items():
        assert (kept[key].dtype, kept[key].shape) == (array.dtype, array.shape)
        np.testing.assert_allclose(kept[key], array, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SIGNALS)
def test_bins_without_a_valid_book_are_not_shown(name: str) -> None:
    """Valid bins follow one another, whatever stands between them, and the score at the others is NaN."""
    columns = columns_of(name)
    bins = BINS + 60
    valid = np.ones(bins, bool)
    valid[np.random.default_rng(8).choice(bins, 60, replace=False)] = False
    spread = {key: np.zeros((bins, column.shape[1]), column.dtype) for key, column in columns.items()}
    for key, column in columns.items():
        spread[key][valid] = column
    found = whole_run(name, spread, valid=valid)
    wanted = whole_run(name, columns)
    np.testing.assert_array_equal(found[valid], wanted)
    assert np.isnan(found[~valid]).all()


@pytest.mark.parametrize("name", SIGNALS)
def test_an_empty_grid_has_finite_scores(name: str) -> None:
    """Cells that are all zero are no reason for a missing score."""
    zeros = {key: np.zeros_like(column) for key, column in columns_of(name).items()}
    found = whole_run(name, zeros)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", SIGNALS)
def test_defaults_are_in_range_and_every_parameter_says_what_it_means(name: str) -> None:
    """A signal runs as it comes, and a listing of its parameters has a meaning for each."""
    signal = SIGNALS[name]
    assert problems(signal.parameters()) == []
    assert signal.meaning.endswith(".")
    for field in dataclasses.fields(signal.parameters):
        assert field.metadata["vpharness"].meaning, field.name


@pytest.mark.parametrize(
    ("name", "radius", "reach"),
    [("ads", 22, 23), ("pfp", 11, 12), ("spg", 15, 16), ("jad", 23, 24), ("iirc", 15, 16), ("ads_pfp_svac", 22, 23)],
)
def test_a_grid_that_is_too_narrow_is_refused(name: str, radius: int, reach: int) -> None:
    """The error names the signal, the distance that it needs and the grid's radius."""
    columns = made_up_columns(SIGNALS[name].columns, 4, radius, seed=9)
    with pytest.raises(
        ConfigError, match=rf"{name} reads cells up to \|k\| = {reach}, but the grid's radius is {radius}"
    ):
        score(SIGNALS[name], None, columns, cell_width_ms=CELL_WIDTH_MS)


def test_excluding_every_cell_is_refused() -> None:
    """perm_derivative with nothing left to weigh is an error, not a division by zero."""
    signal = SIGNALS["perm_derivative"]
    columns = made_up_columns(signal.columns, 4, RADIUS, seed=9)
    score(signal, signal.parameters(center_exclusion_radius=RADIUS - 1), columns, cell_width_ms=CELL_WIDTH_MS)
    with pytest.raises(ConfigError, match=rf"up to \|k\| = {RADIUS + 1}"):
        score(signal, signal.parameters(center_exclusion_radius=RADIUS), columns, cell_width_ms=CELL_WIDTH_MS)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "perm_derivative",
            {"zscore_window_bins": 0},
            "perm_derivative.zscore_window_bins is 0; it must be at least 1",
        ),
        ("perm_derivative", {"zscore_min_periods": 301}, "above zscore_window_bins"),
        ("erd", {"zscore_min_periods": 101}, "zscore_min_periods is 101, above zscore_window = 100: no score would"),
        ("jad", {"zscore_window": 20}, "zscore_min_periods is 30, above zscore_window = 20: no score would ever"),
        ("ads", {"zscore_min_periods": 201}, "zscore_min_periods is 201, above zscore_window = 200"),
        ("jad", {"zscore_window": 100_001}, "zscore_window is 100001; it must be at most 100000"),
        ("ads", {"slope_windows": [10, 10**9, 50]}, "slope_windows is 1000000000; it must be at most 100000"),
        ("pfp", {"lag_bins": 10**12}, "lag_bins is 1000000000000; it must be at most 100000"),
        ("ads_pfp_svac", {"pfp_lag_ms": 10**9}, "looks 10000000 bins back; at most 100000 are possible: shorten"),
        ("perm_derivative", {"d1_weight": 0.0}, "all 0"),
        ("ads", {"blend_weights": [1.0]}, "slope_windows has 3 items and blend_weights 1"),
        ("ads", {"slope_windows": [1, 2, 3]}, "slope_windows is 1; it must be at least 2"),
        ("msd", {"variant": "mean"}, "it must be one of weighted, sum"),
        ("pfp", {"threshold_quantiles": []}, "give one of them"),
        ("ads_pfp_svac", {"ads_slope_windows_ms": []}, "give one weight a window"),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, params: dict[str, Any], message: str) -> None:
    """Ranges and relations are checked before anything runs, and the message says what is wrong."""
    with pytest.raises(ConfigError, match=message):
        scorer(SIGNALS[name], SIGNALS[name].parameters(**params), cell_width_ms=CELL_WIDTH_MS, radius=RADIUS)
