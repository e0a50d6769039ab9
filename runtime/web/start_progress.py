"""What the server is doing until it serves: a line for each stage on a terminal, nothing elsewhere.

It imports nothing else of the project, so that its first line comes before the libraries are loaded.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

Tell = Callable[[str], None]
"""Called with what is done next, such as "opening the feed"."""

_BEGUN: Final = time.monotonic()


def tell_stage(stage: str) -> None:
    """Write on standard error what is done next, and how long the start has taken so far, where that is a terminal."""
    if sys.stderr.isatty():
        print(f"runtime: {time.monotonic() - _BEGUN:4.1f} s  {stage}", file=sys.stderr, flush=True)


def tell_nothing(_stage: str) -> None:
    """Write nothing: for what is opened anew while the server runs."""
