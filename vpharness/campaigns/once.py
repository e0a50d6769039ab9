"""Working out once what thousands of runs have in common."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass
class Once:
    """What functions gave for objects that runs share, known by the objects themselves, which need no hash.

    The runs of a campaign share the objects that they are put together from, and those are never changed.
    """

    _known: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = field(default_factory=dict)

    def of(self, make: Callable[..., Value], *parts: Any) -> Value:
        """Return what `make` gives for some objects; it is called the first time alone."""
        key = (make, *map(id, parts))
        if key not in self._known:
            # The objects are kept: another one could have the id of one that is gone.
            self._known[key] = parts, make(*parts)
        value: Value = self._known[key][1]
        return value
