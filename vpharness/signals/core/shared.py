"""Scoring one grid with many parameter sets, computing what they share once.

A signal's body is cut into pieces (see `pieces`), each of which is run once for the values that it depends on.
Parameters that only mix or mask series, as weights and minimum periods do, therefore cost next to nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import jax
import numpy as np
from jax import Array
from jax.extend.core import Var
from numpy.typing import ArrayLike, NDArray

from vpharness.signals.core.body_pieces import plan_of
from vpharness.signals.core.definition import Signal, SignalParameters
from vpharness.signals.core.scoring import Scorer, checked_columns, scorer, with_gaps

DEFAULT_MEMORY_BYTES: Final = 2**28
"""What intermediate series may take up together."""

Values = Sequence[Array]


@dataclass
class Memo:
    """A cache of the values of pieces on one grid, by what they depend on; the least recently used is dropped first.

    Attributes:
        limit_bytes: what the values may take up together.
        runs: how often a piece had to be run.
    """

    limit_bytes: int = DEFAULT_MEMORY_BYTES
    runs: int = 0
    _kept: OrderedDict[int, Values] = field(default_factory=OrderedDict)
    _numbers: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _used_bytes: int = 0

    def number(self, key: tuple[Any, ...]) -> int:
        """Return a number that stands for a key: keys that contain keys stay short."""
        return self._numbers.setdefault(key, len(self._numbers))

    def get(self, number: int, run: Callable[[], Values]) -> Values:
        """Return what `run` gave for this number before, or run it."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        self.runs += 1
        self._kept[number] = found = run()
        self._used_bytes += sum(array.nbytes for array in found)
        while self._used_bytes > self.limit_bytes and len(self._kept) > 1:
            _, forgotten = self._kept.popitem(last=False)
            self._used_bytes -= sum(array.nbytes for array in forgotten)
        return found


def score_many(
    signal: Signal[Any],
    many: Sequence[SignalParameters],
    columns: Mapping[str, ArrayLike],
    *,
    cell_width_ms: float,
    valid: NDArray[np.bool_] | None = None,
    memo: Memo | None = None,
) -> Iterator[NDArray[np.float64]]:
    """Score a whole run of bins with each of many parameter sets, in their order.

    Args:
        signal: the signal.
        many: its parameter sets; the more neighbours have in common, the less must be remembered.
        columns: at least the signal's columns, each [T, K] with k = -radius..radius.
        cell_width_ms: the length of a bin.
        valid: [T] as for `score`.
        memo: where intermediate series are kept; one serves one grid. Default: a new one.

    Yields: the scores [T] of each, equal to those of `score` under the chunk law.

    Raises ConfigError, before anything runs, where any of the parameter sets is out of range or does not fit the grid.
    """
    shown, radius = checked_columns(signal, columns, valid)
    ready = [scorer(signal, params, cell_width_ms=cell_width_ms, radius=radius) for params in many]
    return score_ready(ready, shown, valid, Memo() if memo is None else memo)


def score_ready(
    ready: Sequence[Scorer], shown: Mapping[str, ArrayLike], valid: NDArray[np.bool_] | None, memo: Memo
) -> Iterator[NDArray[np.float64]]:
    """Yield what `score_many` does, for scorers of one signal and the columns `shown` at the valid bins alone."""
    capacity = max((each.capacity for each in ready), default=1)
    cells = jax.device_put(dict(shown))
    # Work is handed out and not waited for: the next score is being computed while the caller looks at this one.
    begun: Array | None = None
    for each in ready:
        try:
            following = _score(each, capacity, cells, memo)
        except Exception:
            if begun is not None:
                yield with_gaps(begun, valid)
            raise
        if begun is not None:
            yield with_gaps(begun, valid)
        begun = following
    if begun is not None:
        yield with_gaps(begun, valid)


def _score(each: Scorer, capacity: int, cells: Mapping[str, Array], memo: Memo) -> Array:
    """Run those pieces of a signal, for one parameter set, whose values the memo does not have."""
    shapes = tuple((name, column.shape, str(column.dtype)) for name, column in sorted(cells.items()))
    plan = plan_of(each.signal, each.structure, capacity, shapes)
    numbers = jax.tree.leaves((each.numbers, np.float64(each.cell_width_ms)))
    leaves = [*numbers, *jax.tree.leaves(dict(cells))]
    values: dict[Var, Any] = dict(zip(plan.inputs, leaves, strict=True))
    # A value stands for itself, a column for its place: all that a piece gives follows from these.
    keys = [np.asarray(number).item() for number in numbers] + [f"column {i}" for i in range(len(cells))]
    known = {var: memo.number(("input", key)) for var, key in zip(plan.inputs, keys, strict=True)}
    for piece in plan.pieces:
        key = memo.number((piece, *(known[var] for var in piece.inputs)))
        found = memo.get(key, partial(piece.run, *(values[var] for var in piece.inputs)))
        values.update(zip(piece.outputs, found, strict=True))
        known.update((var, memo.number((key, i))) for i, var in enumerate(piece.outputs))
    scores: Array = values[plan.scores]
    return scores
