"""How large the synthetic market's orders are, and how many of them wait at a level."""

import math
from typing import Final

import numpy as np

from vpharness.compiled import kernel
from vpharness.events.synthetic_book import MOST_LEVELS

MEAN_SIZE: Final = 2.0
BLOCK_SHARE: Final = 0.02
BLOCK_FACTOR: Final = 8
"""A size is 1 plus an exponential of this mean, cut to a whole number; the rare block is so many times larger."""

_LEVEL: Final = np.arange(1, MOST_LEVELS + 2, dtype=np.float64)
USUAL_ORDERS: Final = 4.0 + 8.0 * (_LEVEL / 6.0) * np.exp(1.0 - _LEVEL / 6.0)
"""How many orders are usual at each distance from the best price: most of them some levels behind it."""


@kernel
def draw_size(rng: np.random.Generator) -> int:
    """Draw an order's size."""
    size = 1 + int(-MEAN_SIZE * math.log(1.0 - rng.random()))
    return size * BLOCK_FACTOR if rng.random() < BLOCK_SHARE else size
