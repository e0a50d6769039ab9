"""How many examples the property tests try."""

import os
from typing import Final

from hypothesis import settings

SHARE: Final = float(os.environ.get("EXAMPLES", "0.3"))
"""The share of the full number: by default three tenths, which finds what is broken; EXAMPLES=1 tries them all."""
LEAST: Final = 8


def examples(number: int = 100, *, deadline_ms: float | None = None) -> settings:
    """Return the settings of a property test: so many examples in full, each within the deadline if there is one."""
    return settings(max_examples=max(min(number, LEAST), round(number * SHARE)), deadline=deadline_ms)
