"""Scorers as data: the compiled step of a signal, exported, so that it can be served without the signal's source.

What is exported is the step for one bin as StableHLO, which later versions of JAX read too, with the values of its
parameters and the state that it begins with. It is data that only computes: a program that would call anything outside
of itself is refused when it is loaded.

A learned signal has up to three programs, which are called one after the other as its source is: that of its features,
that of its model's score with the weights beside it, and that of what combines the model's outputs.
"""

import functools
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from vpharness.errors import ConfigError, require_memory
from vpharness.signals.core.binding import score_parameters
from vpharness.signals.core.compiled_body import ScorerState, digest, step_of
from vpharness.signals.core.fits_in_force import FitsInForce
from vpharness.signals.core.flat_state import BinStep, StateLayout, Step, flat_step
from vpharness.signals.core.learned import NO_CELLS, FitError, Fitted, Model, Weights
from vpharness.signals.core.learned_step import Combination, learned_step, state_of_body
from vpharness.signals.core.scorer_state import nested_state, save_state
from vpharness.signals.core.scoring import Scorer, checked_shapes, number_of_features

_FORMAT: Final = 1
_LEARNED_FORMAT: Final = 2
"""The format of learned signals: who reads the first one alone would take features for scores."""
_HEADER: Final = "header"
_PROGRAM: Final = "program"
_NUMBER: Final = "number."
_STATE: Final = "state."
_MODEL: Final = "model"
_WEIGHT: Final = "weight."
_COMBINATION: Final = "combination"
_COMBINATION_NUMBER: Final = "combination_number."
_COMBINATION_STATE: Final = "combination_state."
_FIELDS: Final[Mapping[str, type]] = {
    "name": str,
    "columns": list,
    "cell_width_ms": float,
    "radius": int,
    "capacity": int,
    "code_digest": str,
    "parameter_values": dict,
    "jax_version": str,
    "lists": dict,
}
_LEARNED_FIELDS: Final[Mapping[str, type]] = {"model": str, "outputs": list, "takes_missing": bool}
_MOST_BYTES: Final = 256 << 20
_PERMITTED_CALLS: Final = frozenset({"mhlo.topk"})
"""Custom calls that only compute: the selection of the largest values, which XLA has no operation of its own for."""
_CUSTOM_CALL: Final = re.compile(
    r'custom_call(?:\s+@(?:([\w.$\-]+)|"([^"]*)")|"?\([^\n]*?call_target_name = "([^"]*)")?'
)
"""Every mention of a custom call, with its name where that stands as it should."""
_NAMELESS: Final = "a custom call of no known name"
_CALLS_OUT: Final = re.compile(r"stablehlo\.(infeed|outfeed|send|recv)\b")


class BinScorer(Protocol):
    """What a live session needs of a scorer, whether it is made of a signal's source or was exported."""

    @property
    def name(self) -> str:
        """The signal's name."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The grid columns that it reads."""

    @property
    def series(self) -> tuple[str, ...]:
        """The series of the bins that it reads."""

    @property
    def cell_width_ms(self) -> float:
        """The length of a bin."""

    @property
    def radius(self) -> int:
        """The grid's cells are k = -radius..radius."""

    @property
    def capacity(self) -> int:
        """The bins that its buffers reach back."""

    @property
    def code_digest(self) -> str:
        """The digest of the signal's code."""

    @property
    def weights_digest(self) -> str | None:
        """The digest of the weights in force of a learned signal; None for any other."""

    @property
    def parameter_values(self) -> dict[str, Any]:
        """The parameters that scores depend on, by name."""

    def start(self) -> ScorerState:
        """Return the state before the first bin."""

    def step(self, state: ScorerState, columns: Mapping[str, ArrayLike]) -> tuple[ScorerState, Array]:
        """Score the next bin, and return the state after it and the scores [1]."""


@dataclass(frozen=True)
class ExportedScorer:
    """A scorer that was loaded from what `export_scorer` returned; see `BinScorer` for what it has.

    Attributes:
        jax_version: the version of JAX that exported it.
        numbers: the traced parameters.
        begin: the state before the first bin.
        call: the step: (numbers, cell_width_ms, state, columns) -> (state, scores), or features of a learned signal.
        fits: the weights of a learned signal, and its model as far as it scores; None for any other.
        combination: what makes scores of the model's outputs, where these are none yet.
    """

    name: str
    columns: tuple[str, ...]
    cell_width_ms: float
    radius: int
    capacity: int
    code_digest: str
    parameter_values: dict[str, Any]
    jax_version: str
    numbers: Mapping[str, Any]
    begin: ScorerState
    call: Callable[..., tuple[ScorerState, Array]]
    series: tuple[str, ...] = ()
    fits: FitsInForce | None = None
    combination: Combination | None = None

    @property
    def weights_digest(self) -> str | None:
        """The digest of the weights in force of a learned signal; None for any other."""
        return None if self.fits is None else self.fits.digest

    def start(self) -> ScorerState:
        """Return the state before the first bin."""
        return self.begin

    def step(self, state: ScorerState, columns: Mapping[str, ArrayLike]) -> tuple[ScorerState, Array]:
        """Score the next bin; see `Scorer.step`. Raises ConfigError where a column is missing or of another shape."""
        cells, _ = checked_shapes(self.name, self.columns, columns, series=self.series)
        shown = {name: np.asarray(column, np.float64) for name, column in cells.items()}
        if shown[self.columns[0]].shape != (1, 2 * self.radius + 1):
            shape = shown[self.columns[0]].shape
            raise ConfigError(
                f"signal {self.name} was exported for one bin with the radius {self.radius}; the columns have {shape}"
            )
        step = functools.partial(self._bin_step, shown)
        return step(state) if self.fits is None else learned_step(state, step, self.fits, self.combination)

    @functools.cached_property
    def _bin_step(self) -> BinStep:
        return _bin_step(self.call, self.numbers, self.cell_width_ms, self.columns, self.series)


def _bin_step(
    call: Step, numbers: Mapping[str, Any], cell_width_ms: float, columns: tuple[str, ...], series: tuple[str, ...]
) -> BinStep:
    """Return the step of one bin of a program, which is compiled once for as long as it is kept."""

    @functools.cache
    def compiled(layout: StateLayout) -> Step:
        return flat_step(call, layout, columns, series)

    return BinStep(compiled, numbers, cell_width_ms, columns, series)


def export_scorer(ready: Scorer) -> bytes:
    """Return a scorer's step for one bin, its parameters and the state that it begins with, as a NumPy archive.

    Raises ConfigError where its program cannot be exported, or would call anything outside of itself, and ValueError
    for a learned signal with a schedule of fits: what is served has the weights of one.
    """
    header = {
        "format": _FORMAT if ready.fits is None else _LEARNED_FORMAT,
        "jax_version": jax.__version__,
        "name": ready.name,
        "columns": list(ready.columns),
        "series": list(ready.series),
        "cell_width_ms": float(ready.cell_width_ms),
        "radius": ready.radius,
        "capacity": ready.capacity,
        "code_digest": digest(ready.signal, ready.params),
        "parameter_values": score_parameters(ready.params),
        "lists": _lists(ready),
    }
    arrays: dict[str, NDArray[Any]] = {
        _PROGRAM: _exported_step(ready),
        **{f"{_NUMBER}{name}": np.array(jax.device_get(value)) for name, value in ready.numbers.items()},
        **{f"{_STATE}{name}": array for name, array in save_state(ready.start()).items()},
    }
    if ready.fits is not None:
        told, more = _exported_fit(ready, ready.fits)
        header, arrays = {**header, **told}, {**arrays, **more}
    file = io.BytesIO()
    arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # NumPy has its own keyword there
    return file.getvalue()


def require_exportable(ready: Scorer) -> None:
    """Raise ConfigError where the step of a scorer cannot be exported: of a learned signal that of its features."""
    _exported_step(ready)


def _lists(ready: Scorer) -> dict[str, int]:
    return {name: length for name, _, length in ready.structure.kinds if length is not None}


def _exported_step(ready: Scorer) -> NDArray[np.uint8]:
    """Return the step of a scorer for one bin, serialised; of a learned signal that of its body."""
    cells = {
        name: jax.ShapeDtypeStruct(shape, np.dtype(kind))  # type: ignore[no-untyped-call] # JAX has it untyped
        for name, shape, kind in ready.signal.shapes(1, ready.radius)
    }
    numbers = ready.structure.abstract_numbers()
    step, begin = step_of(ready.signal, ready.structure), ready.body_start()
    return _serialized(ready.name, step, numbers, np.float64(0), begin, cells)


def _serialized(name: str, function: Callable[..., Any], *arguments: Any) -> NDArray[np.uint8]:
    """Return a function of a signal, exported. Raises ConfigError where it cannot be, or calls out of itself."""
    from jax import export  # noqa: PLC0415  # slow to load

    try:
        exported = export.export(jax.jit(function))(*arguments)
        content = bytes(exported.serialize())
    except Exception as error:  # of whatever kind: JAX refuses callbacks and unknown calls with errors of many kinds
        require_memory(error)
        raise ConfigError(
            f"signal {name} cannot be served: its program cannot be exported (JAX {jax.__version__}: "
            f"{' '.join(str(error).split())[:200]}); use operations of JAX that only compute"
        ) from error
    if found := calls_out(exported.mlir_module()):
        raise ConfigError(
            f"signal {name} cannot be served: its program calls {', '.join(found)}, outside of itself; use operations "
            "of JAX that only compute"
        )
    return np.frombuffer(content, np.uint8)


def _exported_fit(ready: Scorer, fits: FitsInForce) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what the archive of a learned signal has beside: in its header, and in arrays."""
    if fits.firsts != (0,):
        raise ValueError(
            f"signal {ready.name} has {len(fits.firsts)} fits; one, in force from the beginning, is served"
        )
    (weights,) = fits.weights
    told = {"model": fits.model.name, "outputs": list(fits.model.outputs), "takes_missing": fits.model.takes_missing}
    rows = np.zeros((1, number_of_features(ready)))
    arrays = {
        _MODEL: _serialized(
            ready.name, fits.model.score, {name: np.asarray(array) for name, array in weights.items()}, rows
        ),
        **{f"{_WEIGHT}{name}": np.asarray(array) for name, array in weights.items()},
    }
    combined = ready.combined
    if combined is None:
        return told, arrays
    numbers = {name: np.array(jax.device_get(value)) for name, value in combined.numbers.items()}
    arrays |= {_COMBINATION: _exported_step(combined)}
    arrays |= {f"{_COMBINATION_NUMBER}{name}": array for name, array in numbers.items()}
    arrays |= {f"{_COMBINATION_STATE}{name}": array for name, array in save_state(combined.start()).items()}
    return {**told, "combination_lists": _lists(combined)}, arrays


def exported_weights(content: bytes, where: str) -> Weights | None:
    """Return the weights in what `export_scorer` returned, without its programs; None where the signal is not learned.

    Raises ConfigError, naming `where`, where it is none.
    """
    arrays, header = _unpacked(content, where)
    return _named(arrays, _WEIGHT) if header["format"] == _LEARNED_FORMAT else None


def _named(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def load_scorer(content: bytes, where: str) -> ExportedScorer:
    """Return the scorer that `export_scorer` made `content` of.

    Raises ConfigError, naming `where`, where it is none, where it would call anything outside of itself, and where this
    JAX cannot load it.
    """
    arrays, header = _unpacked(content, where)
    numbers = _named(arrays, _NUMBER)
    if wrong := _wrong_fields(header, numbers):
        raise ConfigError(f"{where} holds no exported scorer: its header lacks {wrong}; promote the run again")
    fits, combination = _loaded_fit(arrays, header, where)
    begin, call = (
        nested_state(_named(arrays, _STATE)),
        _loaded(arrays[_PROGRAM].tobytes(), header["jax_version"], where),
    )
    traced = _numbers(numbers, header["lists"])
    _check_shapes(header, arrays, (traced, begin), where)
    return ExportedScorer(
        name=header["name"],
        columns=tuple(header["columns"]),
        cell_width_ms=header["cell_width_ms"],
        radius=header["radius"],
        capacity=header["capacity"],
        code_digest=header["code_digest"],
        parameter_values=header["parameter_values"],
        jax_version=header["jax_version"],
        numbers=traced,
        begin=begin,
        series=tuple(header.get("series", ())),
        call=call,
        fits=fits,
        combination=combination,
    )


def _check_shapes(
    header: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    kept: tuple[Mapping[str, Any], ScorerState],
    where: str,
) -> None:
    """Raise ConfigError where programs take or give other shapes than the archive beside them has.

    A step takes numbers, the length of a bin, state and columns [1, 2 radius + 1], and gives a state and a score [1];
    that of a learned signal gives features [1, F], which its model's score takes with the weights.
    """
    numbers, begin = kept[0], state_of_body(kept[1])
    cells = {name: np.zeros((1, 2 * header["radius"] + 1)) for name in header["columns"]}
    series = {name: np.zeros(1) for name in header.get("series", ())}
    step = _loaded(arrays[_PROGRAM].tobytes(), header["jax_version"], where)
    try:
        after, found = jax.eval_shape(step, numbers, np.float64(0), begin, {**cells, **series})
        if jax.tree.map(np.shape, after) != jax.tree.map(np.shape, begin):
            raise ValueError("its step gives a state of another shape than it takes")
        if header["format"] == _LEARNED_FORMAT:
            model = _loaded(arrays[_MODEL].tobytes(), header["jax_version"], where)
            weights = {name: np.asarray(array) for name, array in _named(arrays, _WEIGHT).items()}
            found, expected = jax.eval_shape(model, weights, found), (1, *_outputs_shape(header))
        else:
            expected = (1,)
        if tuple(found.shape) != expected:
            raise ValueError(f"it gives the shape {tuple(found.shape)} for one bin, not {expected}")
    except Exception as error:  # of whatever kind: JAX tells a wrong shape in errors of many kinds
        require_memory(error)
        raise ConfigError(
            f"{where} holds a program whose shapes are not those of signal {header['name']}: "
            f"{' '.join(str(error).split())[:200]}; promote the run again"
        ) from error


def _outputs_shape(header: Mapping[str, Any]) -> tuple[int, ...]:
    return (len(header["outputs"]),) if header["outputs"] else ()


def _numbers(arrays: Mapping[str, NDArray[Any]], lists: Mapping[str, int]) -> dict[str, Any]:
    """Return traced parameters as a step takes them."""
    numbers: dict[str, Any] = {name: jnp.asarray(array) for name, array in arrays.items()}
    return numbers | {name: list(numbers[name]) if length else [] for name, length in lists.items()}


def _loaded_fit(
    arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], where: str
) -> tuple[FitsInForce | None, Combination | None]:
    """Return the weights of a learned signal with its model's score, and what combines its outputs."""
    if header["format"] != _LEARNED_FORMAT:
        return None, None
    if _MODEL not in arrays:
        raise ConfigError(f"{where} holds no model's score; promote the run again")
    version, outputs = header["jax_version"], tuple(header["outputs"])
    scored = _loaded(arrays[_MODEL].tobytes(), version, where)
    model = Model(header["model"], _never_fitted, scored, takes_missing=header["takes_missing"], outputs=outputs)
    fits = FitsInForce.always(model, _named(arrays, _WEIGHT))
    if _COMBINATION not in arrays:
        return fits, None
    call = _loaded(arrays[_COMBINATION].tobytes(), version, where)
    numbers = _numbers(_named(arrays, _COMBINATION_NUMBER), header.get("combination_lists", {}))
    begin = nested_state(_named(arrays, _COMBINATION_STATE))
    step = _bin_step(call, numbers, header["cell_width_ms"], (NO_CELLS,), outputs)
    return fits, Combination(outputs, lambda: begin, lambda state, shown: step(shown, state))


def _never_fitted(*_: Any) -> Fitted:
    raise FitError("a model that was exported is served, and never fitted again")


def _unpacked(content: bytes, where: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of an archive, and its header."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MOST_BYTES:
            raise ConfigError(f"{where} unpacks to {size:,} bytes; at most {_MOST_BYTES:,} are taken")
        with np.load(io.BytesIO(content), allow_pickle=False) as saved:
            arrays = dict(saved)
        header = json.loads(arrays[_HEADER].tobytes())
        form = header.get("format")
    except (ValueError, OSError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{where} holds no exported scorer: {error}; promote the run again") from error
    if form not in {_FORMAT, _LEARNED_FORMAT} or _PROGRAM not in arrays:
        raise ConfigError(
            f"{where} is of format {form}, this vpharness reads {_FORMAT} and {_LEARNED_FORMAT}; use the one that "
            "wrote it"
        )
    return arrays, header


def _wrong_fields(header: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """Return which fields of a header are missing, or not of their kind; empty where all are as they should be."""
    fields = {**_FIELDS, **(_LEARNED_FIELDS if header["format"] == _LEARNED_FORMAT else {})}
    wrong = [name for name, kind in fields.items() if not isinstance(header.get(name), kind)]
    lists = () if "lists" in wrong else header["lists"].items()
    return ", ".join([*wrong, *(f"the values of {name}" for name, length in lists if length and name not in numbers)])


@functools.lru_cache(maxsize=16)
def _loaded(program: bytes, jax_version: str, where: str) -> Callable[..., Any]:
    """Return the compiled step of a serialised program, once it is known to call nothing outside of itself."""
    from jax import export  # noqa: PLC0415  # slow to load

    try:
        exported = export.deserialize(bytearray(program))
        text = exported.mlir_module()
    except Exception as error:  # of whatever kind: a reader of another version's bytes may fail anyhow
        require_memory(error)
        raise ConfigError(
            f"{where} holds a program that JAX {jax.__version__} cannot load (JAX {jax_version} exported it, and can): "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    if found := calls_out(text):
        raise ConfigError(f"{where} holds a program that calls {', '.join(found)}, outside of itself; it is not loaded")
    step: Callable[..., Any] = jax.jit(exported.call)
    return step


def calls_out(text: str) -> list[str]:
    """Return what a program in StableHLO calls outside of itself: custom calls not known to only compute, and feeds."""
    targets = {next(filter(None, names), _NAMELESS) for names in _CUSTOM_CALL.findall(text)}
    return sorted((targets - _PERMITTED_CALLS) | {match.group(0) for match in _CALLS_OUT.finditer(text)})
