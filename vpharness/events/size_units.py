"""Units of size that are powers of ten: how recorded messages' decimal sizes become whole numbers."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

FINEST: Final = 18
"""No unit of size has more decimal digits."""


def size_digits(size_unit: float) -> int | None:
    """Return how many decimal digits a unit of size stands for, such as 8 for 1e-8; None where it is no such unit."""
    sign, digits, exponent = Decimal(repr(float(size_unit))).normalize().as_tuple()
    if sign or digits != (1,) or not isinstance(exponent, int) or not -FINEST <= exponent <= 0:
        return None
    return -exponent


def size_unit_problems(size_unit: float, finest: int = FINEST) -> Iterator[str]:
    """Yield an error for a unit of size that is no power of ten with at most `finest` decimal digits."""
    digits = size_digits(size_unit)
    if digits is None or digits > finest:
        yield f"size_unit is {size_unit}; it must be a power of ten from 1e-{finest} to 1"
