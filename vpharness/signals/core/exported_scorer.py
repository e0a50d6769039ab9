"""Scorers as data: the compiled step of a signal, exported, so that it can be served without the signal's source.

What is exported is the step for one bin as StableHLO, which later versions of JAX read too, with the values of its
parameters and the state that it begins with. It is data that only computes: a program that would call anything outside
of itself is refused when it is loaded.
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
from vpharness.signals.core.scorer_state import nested_state, save_state
from vpharness.signals.core.scoring import Scorer, ScorerState, checked_shapes, digest, step_of

_FORMAT: Final = 1
_HEADER: Final = "header"
_PROGRAM: Final = "program"
_NUMBER: Final = "number."
_STATE: Final = "state."
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
        call: the step: (numbers, cell_width_ms, state, columns) -> (state, scores).
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
        return self.call(self.numbers, np.float64(self.cell_width_ms), state, shown)


def export_scorer(ready: Scorer) -> bytes:
    """Return a scorer's step for one bin, its parameters and the state that it begins with, as a NumPy archive."""
    from jax import export  # noqa: PLC0415  # slow to load

    step = jax.jit(step_of(ready.signal, ready.structure))
    cells = {
        name: jax.ShapeDtypeStruct(shape, np.dtype(kind))  # type: ignore[no-untyped-call] # JAX has it untyped
        for name, shape, kind in ready.signal.shapes(1, ready.radius)
    }
    exported = export.export(step)(ready.structure.abstract_numbers(), np.float64(0), ready.start(), cells)
    header = {
        "format": _FORMAT,
        "jax_version": jax.__version__,
        "name": ready.name,
        "columns": list(ready.columns),
        "series": list(ready.series),
        "cell_width_ms": float(ready.cell_width_ms),
        "radius": ready.radius,
        "capacity": ready.capacity,
        "code_digest": digest(ready.signal, ready.params),
        "parameter_values": score_parameters(ready.params),
        "lists": {name: length for name, _, length in ready.structure.kinds if length is not None},
    }
    arrays: dict[str, NDArray[Any]] = {
        _HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8),
        _PROGRAM: np.frombuffer(bytes(exported.serialize()), np.uint8),
        **{f"{_NUMBER}{name}": np.array(jax.device_get(value)) for name, value in ready.numbers.items()},
        **{f"{_STATE}{name}": array for name, array in save_state(ready.start()).items()},
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # NumPy has its own keyword there
    return file.getvalue()


def load_scorer(content: bytes, where: str) -> ExportedScorer:
    """Return the scorer that `export_scorer` made `content` of.

    Raises ConfigError, naming `where`, where it is none, where it would call anything outside of itself, and where this
    JAX cannot load it.
    """
    arrays, header = _unpacked(content, where)
    numbers: dict[str, Any] = {
        name.removeprefix(_NUMBER): jnp.asarray(array) for name, array in arrays.items() if name.startswith(_NUMBER)
    }
    if wrong := _wrong_fields(header, numbers):
        raise ConfigError(f"{where} holds no exported scorer: its header lacks {wrong}; promote the run again")
    numbers |= {name: list(numbers[name]) if length else [] for name, length in header["lists"].items()}
    state = {name.removeprefix(_STATE): array for name, array in arrays.items() if name.startswith(_STATE)}
    return ExportedScorer(
        name=header["name"],
        columns=tuple(header["columns"]),
        cell_width_ms=header["cell_width_ms"],
        radius=header["radius"],
        capacity=header["capacity"],
        code_digest=header["code_digest"],
        parameter_values=header["parameter_values"],
        jax_version=header["jax_version"],
        numbers=numbers,
        begin=nested_state(state),
        series=tuple(header.get("series", ())),
        call=_loaded(arrays[_PROGRAM].tobytes(), header["jax_version"], where),
    )


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
    if form != _FORMAT or _PROGRAM not in arrays:
        raise ConfigError(f"{where} is of format {form}, this vpharness reads {_FORMAT}; use the one that wrote it")
    return arrays, header


def _wrong_fields(header: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """Return which fields of a header are missing, or not of their kind; empty where all are as they should be."""
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(header.get(name), kind)]
    lists = () if "lists" in wrong else header["lists"].items()
    return ", ".join([*wrong, *(f"the values of {name}" for name, length in lists if length and name not in numbers)])


@functools.lru_cache(maxsize=16)
def _loaded(program: bytes, jax_version: str, where: str) -> Callable[..., tuple[ScorerState, Array]]:
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
    step: Callable[..., tuple[ScorerState, Array]] = jax.jit(exported.call)
    return step


def calls_out(text: str) -> list[str]:
    """Return what a program in StableHLO calls outside of itself: custom calls not known to only compute, and feeds."""
    targets = {next(filter(None, names), _NAMELESS) for names in _CUSTOM_CALL.findall(text)}
    return sorted((targets - _PERMITTED_CALLS) | {match.group(0) for match in _CALLS_OUT.finditer(text)})
