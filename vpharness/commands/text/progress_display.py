"""Showing how far long work has come: a bar on a terminal, a quiet line now and then elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from vpharness.campaigns.runner import CampaignProgress as Campaign
from vpharness.compiled import is_code_kept
from vpharness.datasets.build_progress import BuildProgress
from vpharness.events.times import time_text

LINE_SECONDS: Final = 10.0
"""How often a line is written where there is no terminal."""
LEAST_SHARE: Final = 0.01
"""Before so much is done, what is left is not told: machine code may still be compiled."""
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


@dataclass(frozen=True)
class Beginning:
    """Where a build stood when its clock was started: the time, and how much was done by then."""

    at: float
    events: int = 0
    share: float = 0.0


def describe_build(
    progress: BuildProgress, seconds: float, share: float | None = None, begun: Beginning = Beginning(0.0)
) -> str:
    """Return a build's progress in words: how much is done and what is left, bins, events, and where its time stands.

    Args:
        progress: how far it has come.
        seconds: how long it has taken since it began.
        share: how much of it is done, from 0 to 1; None where its size is not known.
        begun: how much was done when that time began.
    """
    at = time_text(progress.last_bin_end_ns)[:19] if progress.bins else "before the first bin"
    rate = (progress.events - begun.events) / seconds if seconds > 0 else 0
    told = f"{progress.bins:,} bins, {progress.events:,} events, {rate:,.0f} events/s, at {at}"
    if share is None:
        return told
    done = share - begun.share
    left = f", about {seconds * (1 - share) / done:,.0f} s left" if done >= LEAST_SHARE else ""
    return f"{share:.0%}{left}, {told}"


def share_done(progress: BuildProgress, span_ns: int | None) -> float | None:
    """Return how much of a build is done, from 0 to 1: of its file, or of its span; None where neither is known."""
    if progress.share is not None or not span_ns:
        return progress.share
    built_ns = progress.last_bin_end_ns - progress.first_bin_start_ns if progress.bins else 0
    return min(1.0, built_ns / span_ns)


def expected_span_ns(source: object, start_ns: int | None = None, end_ns: int | None = None) -> int | None:
    """Return how long a dataset will be, ns, where source and keys say so: a simulated market has its minutes."""
    if start_ns is not None and end_ns is not None:
        return end_ns - start_ns
    minutes = getattr(source, "minutes", None)
    return None if minutes is None or start_ns is not None or end_ns is not None else int(minutes) * 60_000_000_000


@contextlib.contextmanager
def build_progress(span_ns: int | None = None) -> Iterator[Callable[[BuildProgress], None]]:
    """Yield a report that shows a build's progress on standard error.

    Args:
        span_ns: how long the dataset will be, where that is known beforehand.
    """
    console = Console(stderr=True)
    compiles = not is_code_kept("lattice.bins")
    # The time that compiling takes says nothing about the rest: the clock is started behind it.
    begun = None if compiles else Beginning(time.monotonic())
    if not console.is_terminal:
        with contextlib.ExitStack() as stack:
            notice = stack.enter_context(notice_if_slow(COMPILING_LATTICE)) if compiles else None
            yield _lines(begun, notice, span_ns)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(COMPILING_LATTICE if compiles else "building", total=None)

        def report(progress: BuildProgress) -> None:
            nonlocal begun
            share = share_done(progress, span_ns)
            total = None if share is None else 1.0
            begun = begun or Beginning(time.monotonic(), progress.events, share or 0.0)
            told = describe_build(progress, time.monotonic() - begun.at, share, begun)
            bar.update(task, description=told, completed=share or 0, total=total)

        yield report


def _lines(
    begun: Beginning | None, notice: threading.Timer | None, span_ns: int | None
) -> Callable[[BuildProgress], None]:
    last = time.monotonic()

    def report(progress: BuildProgress) -> None:
        nonlocal begun, last
        if notice is not None:
            notice.cancel()
        now, share = time.monotonic(), share_done(progress, span_ns)
        begun = begun or Beginning(now, progress.events, share or 0.0)
        if now - last >= LINE_SECONDS:
            last = now
            print(describe_build(progress, now - begun.at, share, begun), file=sys.stderr)

    return report


def describe_campaign(progress: Campaign) -> str:
    """Return a campaign's progress in words: runs done, rate, time left, failures, and the best so far."""
    seconds = time.monotonic() - progress.begun
    rate = progress.done / seconds if seconds > 0 else 0.0
    left = f"{(progress.total - progress.done) / rate:.0f} s left" if rate else "beginning"
    failed = f", {len(progress.failures)} failed" if progress.failures else ""
    best = f", best net low {progress.best_low:+.2f} ({progress.best})" if progress.best else ""
    fitted = f"{progress.fitted:,} of {progress.fits:,} fits, " if progress.fitted < progress.fits else ""
    return f"{fitted}{progress.done:,} of {progress.total:,} runs, {rate:.1f} runs/s, {left}{failed}{best}"


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


@contextlib.contextmanager
def gate_progress() -> Iterator[Callable[[str, float | None], None]]:
    """Yield a report that shows on standard error which gate of a promotion is looked at, and how far that has come."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with contextlib.ExitStack() as stack:
        bar = Bar(*columns, console=console, transient=True)
        task = bar.add_task("looking at gates", total=None)
        if console.is_terminal:
            stack.enter_context(bar)
        last = time.monotonic()

        def report(gate: str, share: float | None) -> None:
            nonlocal last
            told = f"gate {gate}" if share is None else f"gate {gate}: {share:.0%} of the bins"
            if console.is_terminal:
                bar.update(task, description=told, completed=share or 0, total=None if share is None else 1.0)
            elif time.monotonic() - last >= LINE_SECONDS:
                last = time.monotonic()
                print(told, file=sys.stderr)

        yield report
