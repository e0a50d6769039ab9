"""Padded sizes: a compiled function is reused for every length that pads to the same size."""

from typing import Final

_LEAST_BINS: Final = 1024


def padded_bins(n_bins: int) -> int:
    """Return the least size >= n_bins out of four an octave: at most a quarter is padding."""
    octave = _LEAST_BINS
    while octave * 2 < n_bins:
        octave *= 2
    quarter = octave // 4
    return max(_LEAST_BINS, -(-n_bins // quarter) * quarter)
