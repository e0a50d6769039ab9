"""Showing how far long work has come: a bar on a terminal, a quiet line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from vpharness.datasets.build import Progress
from vpharness.datasets.intake import time_text

LINE_SECONDS: Final = 10.0
"""How often a line is written where there is no terminal."""


def describe(progress: Progress, seconds: float) -> str:
    """Return a build's progress in words: bins, events, events a second, and where its time stands."""
    at = time_text(progress.last_bin_end_ns)[:19] if progress.bins else "before the first bin"
    rate = progress.events / seconds if seconds > 0 else 0
    return f"{progress.bins:,} bins, {progress.events:,} events, {rate:,.0f} events/s, at {at}"


@contextlib.contextmanager
def shown() -> Iterator[Callable[[Progress], None]]:
    """Yield a report that shows a build's progress on standard error."""
    begun = time.monotonic()
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(begun)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("building", total=None)

        def report(progress: Progress) -> None:
            share = None if progress.share is None else 100 * progress.share
            total = None if share is None else 100
            bar.update(
                task, description=describe(progress, time.monotonic() - begun), completed=share or 0, total=total
            )

        yield report


def _lines(begun: float) -> Callable[[Progress], None]:
    last = begun

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_SECONDS:
            last = now
            print(describe(progress, now - begun), file=sys.stderr)

    return report
