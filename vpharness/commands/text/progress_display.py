"""Showing how far long work has come: a bar on a terminal, a quiet line now and then elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from vpharness.campaigns.runner import CampaignProgress as Campaign
from vpharness.compiled import is_kept
from vpharness.datasets.build_progress import BuildProgress
from vpharness.events.times import time_text

LINE_SECONDS: Final = 10.0
"""How often a line is written where there is no terminal."""
NOTICE_SECONDS: Final = 2.0
"""How long work may be silent before it is said what it waits for."""
COMPILING_LATTICE: Final = "compiling the lattice engine, about half a minute, once"
COMPILING_SIGNALS: Final = "running; at its first run a signal is compiled, which takes up to a minute, once"


@contextlib.contextmanager
def notice_if_slow(text: str, seconds: float = NOTICE_SECONDS) -> Iterator[threading.Timer]:
    """Yield a timer that writes a line on standard error, unless it is cancelled or the block is left before."""
    timer = threading.Timer(seconds, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield timer
    finally:
        timer.cancel()


@contextlib.contextmanager
def run_status() -> Iterator[None]:
    """Show on standard error that a run is being carried out, and that its signal may be compiled first."""
    console = Console(stderr=True)
    with console.status(COMPILING_SIGNALS) if console.is_terminal else notice_if_slow(COMPILING_SIGNALS):
        yield


def describe(progress: BuildProgress, seconds: float) -> str:
    """Return a build's progress in words: bins, events, events a second, and where its time stands."""
    at = time_text(progress.last_bin_end_ns)[:19] if progress.bins else "before the first bin"
    rate = progress.events / seconds if seconds > 0 else 0
    return f"{progress.bins:,} bins, {progress.events:,} events, {rate:,.0f} events/s, at {at}"


@contextlib.contextmanager
def build_progress() -> Iterator[Callable[[BuildProgress], None]]:
    """Yield a report that shows a build's progress on standard error."""
    begun = time.monotonic()
    console = Console(stderr=True)
    compiles = not is_kept("bins")
    if not console.is_terminal:
        with contextlib.ExitStack() as stack:
            notice = stack.enter_context(notice_if_slow(COMPILING_LATTICE)) if compiles else None
            yield _lines(begun, notice)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(COMPILING_LATTICE if compiles else "building", total=None)

        def report(progress: BuildProgress) -> None:
            share = None if progress.share is None else 100 * progress.share
            total = None if share is None else 100
            bar.update(
                task, description=describe(progress, time.monotonic() - begun), completed=share or 0, total=total
            )

        yield report


def _lines(begun: float, notice: threading.Timer | None) -> Callable[[BuildProgress], None]:
    last = begun

    def report(progress: BuildProgress) -> None:
        nonlocal last
        if notice is not None:
            notice.cancel()
        now = time.monotonic()
        if now - last >= LINE_SECONDS:
            last = now
            print(describe(progress, now - begun), file=sys.stderr)

    return report


def describe_campaign(progress: Campaign) -> str:
    """Return a campaign's progress in words: runs done, rate, time left, failures, and the best so far."""
    seconds = time.monotonic() - progress.begun
    rate = progress.done / seconds if seconds > 0 else 0.0
    left = f"{(progress.total - progress.done) / rate:.0f} s left" if rate else "beginning"
    failed = f", {len(progress.failures)} failed" if progress.failures else ""
    best = f", best net low {progress.best_low:+.2f} ({progress.best})" if progress.best else ""
    return f"{progress.done:,} of {progress.total:,} runs, {rate:.1f} runs/s, {left}{failed}{best}"


@contextlib.contextmanager
def campaign_progress(progress: Campaign) -> Iterator[Callable[[Campaign], None]]:
    """Yield a report that shows a campaign's progress on standard error, and each failure at once."""
    console = Console(stderr=True)
    told, last = len(progress.failures), time.monotonic()
    with contextlib.ExitStack() as stack:
        bar = Bar(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), console=console)
        task = bar.add_task(COMPILING_SIGNALS, total=progress.total)
        if console.is_terminal and progress.total:
            stack.enter_context(bar)
        notice = None
        if progress.total and not console.is_terminal:
            notice = stack.enter_context(notice_if_slow(COMPILING_SIGNALS))

        def report(now: Campaign) -> None:
            nonlocal told, last
            if notice is not None:
                notice.cancel()
            for run_id, words, error in now.failures[told:]:
                console.print(f"run {run_id} failed ({words}): {error}", highlight=False, markup=False, soft_wrap=True)
            told = len(now.failures)
            if console.is_terminal:
                bar.update(task, description=describe_campaign(now), completed=now.done)
            elif time.monotonic() - last >= LINE_SECONDS:
                last = time.monotonic()
                print(describe_campaign(now), file=sys.stderr)

        yield report
