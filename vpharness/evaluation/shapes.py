"""Padded sizes: a compiled function is reused for every length that pads to the same size."""

from typing import Final

_LEAST_BINS: Final = 1024
_LEAST_FIRES: Final = 64
_LEAST_BLOCKS: Final = 16


def padded_bins(n_bins: int) -> int:
    """Return the least size >= n_bins out of four an octave: at most a quarter is padding."""
    octave = _LEAST_BINS
    while octave * 2 < n_bins:
        octave *= 2
    quarter = octave // 4
    return max(_LEAST_BINS, -(-n_bins // quarter) * quarter)


def padded_fires(n_fires: int) -> int:
    """Return the least power of four >= n_fires, at least 64: a sweep meets few of them."""
    return _power_of_four(n_fires, _LEAST_FIRES)


def padded_blocks(n_blocks: int) -> int:
    """Return the least power of four >= n_blocks, at least 16."""
    return _power_of_four(n_blocks, _LEAST_BLOCKS)


def _power_of_four(needed: int, least: int) -> int:
    size = least
    while size < needed:
        size *= 4
    return size
