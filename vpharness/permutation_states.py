"""The codes of the permutation states: `perm_state5_code` of a cell, as the lattice writes and signals read it."""

from typing import Final

BEAR_VACUUM: Final = -2
BEAR_PRESSURE: Final = -1
MIXED: Final = 0
BULL_PRESSURE: Final = 1
BULL_VACUUM: Final = 2
