"""A scorer that was exported scores as its source does, bit for bit, and what is loaded can only compute."""

import io
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from numpy.typing import NDArray

from vpharness.errors import ConfigError
from vpharness.signals import (
    Clock,
    Grid,
    SignalParameters,
    require_exportable,
    resolve,
    restore_state,
    save_state,
    scorer,
    signal,
)
from vpharness.signals.core.exported_scorer import ExportedScorer, calls_out, export_scorer, load_scorer
from vpharness.signals.core.flat_state import FlatState, flat_step

RADIUS = 30
NAMES = ("ads", "ads_pfp_svac", "erd", "iirc", "jad", "msd", "perm_derivative", "pfp", "spg", "svac")
QUICK = ("msd", "pfp")


def bins(columns: tuple[str, ...], count: int, seed: int) -> list[dict[str, NDArray[np.float64]]]:
    """Bins of a grid, one row each."""
    rng = np.random.default_rng(seed)
    return [
        {name: rng.integers(-2, 3, (1, 2 * RADIUS + 1)).astype(np.float64) for name in columns} for _ in range(count)
    ]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_it_scores_bit_for_bit_as_the_source(name: str) -> None:
    """Over bins, and on from a state that either of the two saved."""
    source = scorer(resolve(f"vpharness.signals.{name}.{name}"), None, cell_width_ms=100.0, radius=RADIUS)
    loaded = load_scorer(export_scorer(source), "program.npz")
    shared = ("name", "columns", "cell_width_ms", "radius", "capacity", "code_digest", "parameter_values")
    assert [getattr(loaded, each) for each in shared] == [getattr(source, each) for each in shared]
    states = [source.start(), loaded.start()]
    for number, columns in enumerate(bins(source.columns, 120, seed=1)):
        scored = [source.step(states[0], columns), loaded.step(states[1], columns)]
        assert np.array_equal(scored[0][1], scored[1][1], equal_nan=True)
        states = [scored[1][0], scored[0][0]] if number == 60 else [scored[0][0], scored[1][0]]
    saved = save_state(states[0])
    assert FlatState.of(restore_state(source, saved)).layout == FlatState.of(source.start()).layout
    restored = save_state(restore_state(loaded, saved))
    assert restored.keys() == saved.keys()
    for key, array in saved.items():
        assert np.array_equal(array, restored[key], equal_nan=True)


def test_many_programs_stepped_in_turn_are_compiled_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may hold more of them than any cache of a fixed size."""
    made = list[Any]()

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return flat_step(*arguments)

    monkeypatch.setattr("vpharness.signals.core.exported_scorer.flat_step", counted)
    source = scorer(resolve("vpharness.signals.msd.msd"), None, cell_width_ms=100.0, radius=RADIUS)
    content = export_scorer(source)
    loaded = [load_scorer(content, "program.npz") for _ in range(20)]
    columns = bins(source.columns, 1, seed=1)[0]
    for _ in range(2):
        for each in loaded:
            each.step(each.start(), columns)
    assert len(made) == len(loaded)


@pytest.fixture(scope="module")
def msd() -> ExportedScorer:
    """A loaded scorer."""
    return load_scorer(msd_content(), "program.npz")


def msd_content() -> bytes:
    """An exported scorer."""
    return export_scorer(scorer(resolve("vpharness.signals.msd.msd"), None, cell_width_ms=100.0, radius=RADIUS))


def test_columns_of_another_shape_are_refused(msd: ExportedScorer) -> None:
    """One bin of the exported radius, with the columns that it reads."""
    (columns,) = bins(msd.columns, 1, seed=2)
    with pytest.raises(ConfigError, match="reads columns that the grid lacks"):
        msd.step(msd.start(), {})
    wider = {name: np.zeros((1, 2 * RADIUS + 3)) for name in columns}
    with pytest.raises(ConfigError, match="was exported for one bin with the radius 30"):
        msd.step(msd.start(), wider)


def changed(**arrays: NDArray[Any]) -> bytes:
    """An exported scorer with some of its arrays replaced."""
    with np.load(io.BytesIO(msd_content())) as saved:
        parts = dict(saved) | arrays
    file = io.BytesIO()
    np.savez(file, **parts)
    return file.getvalue()


def test_what_is_no_program_is_refused_in_one_line() -> None:
    """Other bytes, an archive of another format, and a program that JAX cannot read, with the version that can."""
    with pytest.raises(ConfigError, match=r"program\.npz holds no exported scorer"):
        load_scorer(b"PK nothing", "program.npz")
    header = np.frombuffer(json.dumps({"format": 9}).encode(), np.uint8)
    with pytest.raises(ConfigError, match="is of format 9, this vpharness reads 1 and 2"):
        load_scorer(changed(header=header), "program.npz")
    with pytest.raises(ConfigError, match=rf"JAX .* cannot load \(JAX {jax.__version__} exported it, and can\)"):
        load_scorer(changed(program=np.arange(99, dtype=np.uint8)), "program.npz")


def _calls_back(x: jax.Array) -> Any:
    return jax.pure_callback(lambda value: value, jax.ShapeDtypeStruct((), np.float64), x)  # type: ignore[no-untyped-call] # JAX has it untyped


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (_calls_back, "python"),
        (lambda x: jnp.linalg.eigvals(jnp.ones((3, 3)) * x).real, "geev"),
        (lambda x: jnp.sort(jnp.ones(9) * x)[3] + jax.lax.top_k(jnp.ones(9) * x, 2)[0][1], ""),
    ],
)
def test_a_program_that_calls_out_is_named(body: Callable[[jax.Array], Any], names: str) -> None:
    """Callbacks into Python and libraries are found in what a program lowers to; sorting only computes."""
    text = (
        export.export(jax.jit(body), disabled_checks=[export.DisabledSafetyCheck.custom_call("*")])(
            jnp.float64(1)
        ).mlir_module()
        if names != "python"
        else jax.jit(body).lower(jnp.float64(1)).as_text()
    )
    found = calls_out(text)
    assert bool(found) == bool(names)
    assert all(names in name for name in found)


def test_a_call_in_generic_form_is_found_too() -> None:
    """However the text of a program is written."""
    assert calls_out('"stablehlo.custom_call"(%0) {call_target_name = "run_me"}') == ["run_me"]
    assert calls_out("stablehlo.custom_call odd") == ["a custom call of no known name"]
    assert calls_out("%1 = stablehlo.infeed(%0)") == ["stablehlo.infeed"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('stablehlo.custom_call @"run me"(%0)\n%2 = stablehlo.add %1, %1 {call_target_name = "mhlo.topk"}', "run me"),
        ("stablehlo.custom_call @mhlo.topk$run_me(%0)", "mhlo.topk$run_me"),
        ('stablehlo.custom_call @"" (%0) {call_target_name = "mhlo.topk"}', "a custom call of no known name"),
    ],
)
def test_a_permitted_name_elsewhere_covers_no_other_call(text: str, name: str) -> None:
    """Each call is looked at by its own name."""
    assert calls_out(text) == [name]
    assert calls_out(f"stablehlo.custom_call @mhlo.topk(%0)\n{text}") == [name]


@pytest.mark.parametrize(
    "wrong", [{"lists": None}, {"columns": None}, {"name": 7, "radius": "x"}, {"jax_version": None}]
)
def test_a_header_that_lacks_something_is_refused_in_one_line(wrong: dict[str, Any]) -> None:
    """As a damaged archive is."""
    with np.load(io.BytesIO(changed())) as saved:
        values = json.loads(saved["header"].tobytes())
    values = {name: value for name, value in {**values, **wrong}.items() if value is not None}
    with pytest.raises(ConfigError, match=r"program\.npz holds no exported scorer"):
        load_scorer(changed(header=np.frombuffer(json.dumps(values).encode(), np.uint8)), "program.npz")


@signal(columns=("v_add",))
def _asks_python(time: Clock, grid: Grid, p: SignalParameters) -> jax.Array:
    """Call back into Python for each bin."""
    del time, p
    shape = jax.ShapeDtypeStruct(grid.v_add[:, 0].shape, np.float64)  # type: ignore[no-untyped-call] # JAX has it untyped
    found: jax.Array = jax.pure_callback(np.asarray, shape, grid.v_add[:, 0])
    return found


def test_what_calls_out_cannot_be_exported_and_says_so_in_one_line() -> None:
    """Before a bundle is begun."""
    ready = scorer(_asks_python, None, cell_width_ms=100.0, radius=RADIUS)
    for export_it in (export_scorer, require_exportable):
        with pytest.raises(ConfigError, match=r"signal _asks_python cannot be served: its program") as caught:
            export_it(ready)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"radius": RADIUS + 1}, {"columns": ["vacuum_variant", "v_add"]}])
def test_a_program_of_other_shapes_than_its_header_is_refused(wrong: dict[str, Any]) -> None:
    """When it is loaded, and not at its first bin."""
    with np.load(io.BytesIO(changed())) as saved:
        values = json.loads(saved["header"].tobytes()) | wrong
    with pytest.raises(ConfigError, match="holds a program whose shapes are not those of signal msd"):
        load_scorer(changed(header=np.frombuffer(json.dumps(values).encode(), np.uint8)), "program.npz")
