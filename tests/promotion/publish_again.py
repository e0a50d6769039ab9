"""Publish a bundle once more, and end at once before the Nth step that the disk would remember.

`python -m tests.promotion.publish_again LAKE INSTRUMENT N`. Killed like this a process runs no clean-up.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vpharness.datasets.lake import Lake
from vpharness.promotion.release import release
from vpharness.promotion.review import Review
from vpharness.promotion.serving import promoted, read_bundle

KILLED = 9
_STEPS = ("fsync", "rename", "replace", "mkdir", "chmod", "ftruncate")


def main(lake: Lake, instrument: str, most: int) -> None:
    """Publish what is served already, as a new version."""
    path = promoted(lake, instrument)
    if path is None:
        raise SystemExit("nothing has been promoted")
    bundle = read_bundle(path)
    left = [most]

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*arguments: Any, **options: Any) -> Any:
            if not left[0]:
                os._exit(KILLED)
            left[0] -= 1
            return step(*arguments, **options)

        return take

    for name in _STEPS:
        setattr(os, name, counted(getattr(os, name)))
    release(lake, Review((), bundle.record, bundle.recording), bundle.config)


if __name__ == "__main__":
    main(Lake(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
