"""Types that the kernels share."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""A NumPy array, structured ones included: what numba sees of it is said where it is made."""
