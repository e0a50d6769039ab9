"""Types that the kernels share. What numba makes of them is stricter: it infers every one from the arguments."""

from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""A NumPy array, structured ones included: what it holds is said where it is made."""

Record: TypeAlias = Any
"""One element of a structured array, with its fields as attributes."""

Key: TypeAlias = Any
"""An unsigned 64-bit integer."""


def int64(value: int) -> int:
    """Make an integer constant that kernels pass on: for a plain one numba compiles the callee once per value."""
    return cast("int", np.int64(value))


def bool_(value: bool) -> bool:
    """Make a truth constant, for the same reason."""
    return cast("bool", np.bool_(value))
