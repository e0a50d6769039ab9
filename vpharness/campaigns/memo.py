"""A memo of function results, for what thousands of runs have in common."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass
class ObjectMemo:
    """Remembered results of functions, keyed by the identity of their arguments, which need not be hashable.

    The runs of a campaign share the objects that they are composed of, and those are never changed.
    """

    _known: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = field(default_factory=dict)

    def call(self, make: Callable[..., Value], *parts: Any) -> Value:
        """Return `make(*parts)`; it is computed on the first call only."""
        key = (make, *map(id, parts))
        if key not in self._known:
            # The objects are kept: another one could have the id of one that is gone.
            self._known[key] = parts, make(*parts)
        value: Value = self._known[key][1]
        return value
