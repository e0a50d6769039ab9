"""Prices as integers in units of 1e-9, and tick sizes in the same units."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vpharness.errors import ConfigError

PRICE_SCALE: Final = 1_000_000_000
"""Price units in one unit of currency."""

TEN_THOUSANDTH: Final = PRICE_SCALE // 10_000
"""Price units in 1e-4 of a unit of currency, in which Nasdaq's ITCH and LOBSTER write their prices."""


def has_mid(mid: Any, book_valid: Any) -> Any:
    """Return whether bins have a mid price: one above 0, or any other with a valid book.

    Without a valid book the mid is written as 0, and a price below 0 could be nothing else than a price. Both are
    arrays of one entry a bin, or one bin's values.
    """
    return (mid > 0) | (book_valid & (mid <= 0))


def tick_size_to_price(tick_size: float) -> int:
    """Return a tick size, given in price units, in the 1e-9 units of prices.

    Raises ConfigError where it is not a positive multiple of 1e-9.
    """
    try:
        exact = Decimal(repr(float(tick_size))) * PRICE_SCALE
    except (InvalidOperation, TypeError, ValueError):
        exact = Decimal(0)
    if not exact.is_finite() or exact <= 0 or exact != exact.to_integral_value():
        raise ConfigError(f"source.tick_size is {tick_size}; it must be a positive multiple of 1e-9")
    return int(exact)
