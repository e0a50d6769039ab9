"""The engine makes of any stream what its plain twin makes of it: every bin, every column, every count."""

from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from tests.lattice.engine_help import SMALL_SPECTRUM, assert_agrees_with_twin, run_engine
from tests.lattice.feed import HOME_TICK, TICK
from tests.lattice.streams import event_arrays, random_stream
from tests.lattice.wandering import wandering_stream
from tests.naive import naive_lattice

SECOND_NS: Final = 1_000_000_000


def agree(events: NDArray[np.void], **case: Any) -> int:
    """Assert that engine and twin agree on a stream; return the number of bins."""
    twin = naive_lattice(events, **case)
    largest_quantity = case["size_unit"] * int(events["size"].max(initial=0))
    assert_agrees_with_twin(run_engine(events, **case), twin, largest_quantity)
    return twin.counts["bins"]


def nasty_case(seed: int, n_events: int) -> tuple[NDArray[np.void], dict[str, Any]]:
    """Draw a nasty stream and settings for it."""
    rng = np.random.default_rng(seed)
    mischief, snapshot = float(rng.choice([0.0, 0.3, 1.0, 3.0])), bool(rng.random() < 0.7)
    events = random_stream(
        seed,
        n_events,
        mischief=mischief,
        snapshot=snapshot,
        publishers=int(rng.choice([1, 1, 2, 4])),
        without_orders=bool(rng.random() < 0.5),
        shift_ticks=int(rng.choice([0, 0, -HOME_TICK, -2 * HOME_TICK])),
    )
    case: dict[str, Any] = {
        "tick_int": TICK,
        "size_unit": float(rng.choice([1.0, 0.5, 1e-8])),
        "cell_width_ms": int(rng.choice([20, 50, 100, 250, 1000])),
        "radius": int(rng.choice([2, 5, 12])),
        "evict_crossed_ms": int(rng.choice([0, 100, 150])),
    }
    if rng.random() < 0.8:
        case |= SMALL_SPECTRUM
    begin_ns = int(events["ts_ns"][0])
    if rng.random() < 0.3:
        case["start_ns"] = begin_ns + int(rng.integers(-5 * SECOND_NS, 5 * SECOND_NS))
    if rng.random() < 0.3:
        case["end_ns"] = begin_ns + int(rng.integers(0, 9 * SECOND_NS))
    return events, case


@pytest.mark.parametrize("seed", range(30))
def test_engine_and_twin_agree_on_nasty_streams(seed: int) -> None:
    """Every action, unknown ids, crossed and one-sided books, snapshots, time running backwards, any span and width."""
    events, case = nasty_case(seed, 250)
    agree(events, **case)


@examples(25)
@given(
    event_arrays(max_events=120),
    st.sampled_from([50, 100, 1000]),
    st.sampled_from([1, 4]),
    st.sampled_from([0, 100, 150]),
)
def test_engine_and_twin_agree_on_drawn_streams(
    events: NDArray[np.void], cell_width_ms: int, radius: int, evict_crossed_ms: int
) -> None:
    """Streams with records cut out of them, empty ones included, are no exception."""
    agree(
        events,
        tick_int=TICK,
        size_unit=1.0,
        cell_width_ms=cell_width_ms,
        radius=radius,
        evict_crossed_ms=evict_crossed_ms,
        **SMALL_SPECTRUM,
    )


@pytest.mark.parametrize(
    ("seed", "spectrum"),
    [
        (1, SMALL_SPECTRUM),
        (2, SMALL_SPECTRUM),
        (3, {"spectrum_windows": [7], "spectrum_zscore_window": 60, "spectrum_zscore_min_periods": 60}),
        (4, {"spectrum_windows": [40, 2], "spectrum_zscore_window": 2, "spectrum_zscore_min_periods": 1}),
    ],
)
def test_the_spectrum_of_a_tick_does_not_depend_on_where_the_window_has_been(
    seed: int, spectrum: dict[str, Any]
) -> None:
    """Ticks leave the window and return, soon, late or after all series were given away, with their whole past."""
    events = wandering_stream(seed, 300)
    bins = agree(events, tick_int=TICK, size_unit=1.0, cell_width_ms=100, radius=2, **spectrum)
    assert bins > 250


def test_parameters_mean_the_same_to_both() -> None:
    """With every parameter away from its default, engine and twin still agree."""
    case: dict[str, Any] = {
        "tau_velocity": 1.5,
        "tau_acceleration": 0.7,
        "tau_jerk": 3.0,
        "tau_mass": 4.0,
        "c1_v_add": 0.9,
        "c2_v_rest_pos": 0.6,
        "c3_a_add": 0.2,
        "c4_v_pull": 1.1,
        "c5_v_fill": 1.3,
        "c6_v_rest_neg": 0.4,
        "c7_a_pull": 0.25,
        "spectrum_windows": [3, 8],
        "spectrum_zscore_window": 15,
        "spectrum_zscore_min_periods": 6,
        "spectrum_zscore_floor": 1e-4,
        "spectrum_tanh_scale": 2.0,
        "spectrum_d1_weight": 0.5,
        "spectrum_d2_weight": 0.2,
        "spectrum_d3_weight": 0.3,
        "spectrum_threshold": 0.2,
    }
    agree(random_stream(77, 300), tick_int=TICK, size_unit=0.25, cell_width_ms=200, radius=4, **case)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1150))
def test_engine_and_twin_agree_on_many_nasty_streams(seed: int) -> None:
    """The same as above, on more and longer streams."""
    events, case = nasty_case(seed, 700)
    agree(events, **case)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_engine_and_twin_agree_on_long_wandering_streams(seed: int) -> None:
    """With the default spectrum, over spans several times as long as it looks back."""
    bins = agree(wandering_stream(seed, 2500), tick_int=TICK, size_unit=1.0, cell_width_ms=100, radius=3)
    assert bins > 1500
