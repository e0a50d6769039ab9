"""How far a build has come, as whoever watches it is told."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class BuildProgress:
    """How far a build has come: one object, updated as the build goes on."""

    bins: int = 0
    valid_bins: int = 0
    events: int = 0
    share: float | None = None  # of the input, from 0 to 1; None where it cannot be known
    first_bin_start_ns: int = 0
    last_bin_end_ns: int = 0
    seconds: Counter[str] = field(default_factory=Counter)  # spent in each stage

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        before = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - before  # type: ignore[assignment]  # a Counter may hold floats


def ignore(progress: BuildProgress) -> None:  # the shape of a report
    """Do nothing with the progress."""
