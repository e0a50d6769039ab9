"""Padded sizes: a compiled function is reused for every length that pads to the same size."""

from typing import Final

_LEAST_BINS: Final = 1024
_LEAST_COUNT: Final = 64


def padded_bins(n_bins: int) -> int:
    """Return the least size >= n_bins out of four an octave: at most a quarter is padding."""
    octave = _LEAST_BINS
    while octave * 2 < n_bins:
        octave *= 2
    quarter = octave // 4
    return max(_LEAST_BINS, -(-n_bins // quarter) * quarter)


def padded_count(n: int) -> int:
    """Return the least power of four >= n, at least 64, for fires and blocks: a sweep meets few such sizes."""
    size = _LEAST_COUNT
    while size < n:
        size *= 4
    return size
