"""The command `build` with `collection.id`: a dataset for each session, added to a collection."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from vpharness.commands.text.collection_facts import built_facts, built_lines
from vpharness.commands.text.progress_display import COMPILING_LATTICE, LINE_SECONDS, notice_if_slow
from vpharness.commands.text.terminal import raise_each
from vpharness.compiled import is_code_kept
from vpharness.config.dataset_schemas import BuildCommand
from vpharness.config.typed_config import instance
from vpharness.datasets.collection_build import (
    CollectionBuilt,
    CollectionProgress,
    CollectionRequest,
    Report,
    build_collection,
)
from vpharness.datasets.collection_watch import require_files, watch_collection
from vpharness.datasets.lake import Lake
from vpharness.engines.calls import Engine
from vpharness.engines.settings import engine_problems
from vpharness.errors import ConfigError


def refuse_what_is_for_one(asked: BuildCommand, dataset_id: str | None) -> None:
    """Raise ConfigError for keys that are for the build of a single dataset."""
    given = [name for name in ("check", "parquet") if getattr(asked, name) is not None]
    given += ["dataset.id"] if dataset_id is not None else []
    if given:
        raise ConfigError(
            f"{', '.join(given)} is for a single dataset, and collection.id makes one for each session, named after "
            "its content; leave one of them out"
        )


def refuse_what_is_for_collections(asked: BuildCommand, *, by_file: bool) -> None:
    """Raise ConfigError for keys that have a meaning with a collection alone."""
    given = [name for name in ("processes", "watch") if getattr(asked, name) != getattr(BuildCommand, name)]
    given += [] if asked.engine is None else ["engine"]
    given += [] if by_file else ["session"]
    if given:
        raise ConfigError(f"{', '.join(given)}: this makes a dataset for each session; give collection.id=NAME with it")


def chosen_engine(asked: BuildCommand) -> Engine | None:
    """Return the engine that is to build sessions; None where none is chosen.

    Raises ConfigError where its settings do not fit, or its package is missing.
    """
    if asked.engine is None:
        return None
    settings = instance(asked.engine, "engine")
    if wrong := engine_problems(settings, "engine."):
        raise ConfigError("; ".join(wrong))
    engine: Engine = settings.engine()
    return engine


def run_build_collection(asked: BuildCommand, request: CollectionRequest) -> None:
    """Build the sessions of a source into a collection, once or as files appear, and print what was added."""
    lake = Lake(Path(asked.lake))
    if asked.watch:
        _watch(lake, request, asked)
        return
    with collection_progress() as report:
        built = build_collection(lake, request, report)
    if asked.json:
        print(json.dumps(built_facts(lake, built), indent=1))
    else:
        for line in built_lines(lake, request.collection_id, built):
            print(line)
    raise_each(built.failed)


def _watch(lake: Lake, request: CollectionRequest, asked: BuildCommand) -> None:
    """Add files as they appear. Ctrl-C while nothing is being built is the proper end."""
    require_files(request)
    if not asked.json:
        print(f"watching for files every {asked.poll_s:g} s; Ctrl-C ends it", file=sys.stderr, flush=True)
    is_waiting = False

    def wait(seconds: float) -> None:
        nonlocal is_waiting
        is_waiting = True
        time.sleep(seconds)
        is_waiting = False

    try:
        with collection_progress() as report:
            for built in watch_collection(lake, request, asked.poll_s, report, wait=wait):
                _print_step(lake, request, built, as_json=asked.json)
    except KeyboardInterrupt:
        if not is_waiting:
            raise


def _print_step(lake: Lake, request: CollectionRequest, built: CollectionBuilt, *, as_json: bool) -> None:
    """Print what one look at the files led to, a line of JSON each time where that is wanted."""
    if as_json:
        print(json.dumps(built_facts(lake, built)), flush=True)
        return
    if built.added:
        for line in built_lines(lake, request.collection_id, built, with_incomplete=False):
            print(line, flush=True)
    for sentence in built.failed:
        print(f"vpharness: {sentence}", file=sys.stderr, flush=True)


def describe_collection(progress: CollectionProgress) -> str:
    """Return how far the build of a collection has come, in words."""
    if progress.stage == "reading":
        return f"reading files: {progress.done:,} of {progress.total:,}"
    failed = f", {len(progress.failed):,} failed" if progress.failed else ""
    existed = f", {progress.existed:,} were there" if progress.existed else ""
    told = f"{progress.done:,} of {progress.total:,} sessions{existed}{failed}"
    if progress.current is None or not progress.current.events:
        return told
    bins, share = progress.current.bins, progress.current.share
    return f"{told}; now {bins:,} bins" + ("" if share is None else f", {share:.0%}")


@contextlib.contextmanager
def collection_progress() -> Iterator[Report]:
    """Yield a report that shows the build of a collection on standard error: a bar on a terminal, else lines."""
    console = Console(stderr=True)
    compiles = not is_code_kept("lattice.bins")
    if not console.is_terminal:
        with contextlib.ExitStack() as stack:
            if compiles:
                stack.enter_context(notice_if_slow(COMPILING_LATTICE))
            yield _lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(COMPILING_LATTICE if compiles else "building", total=None)

        def report(progress: CollectionProgress) -> None:
            part = progress.current.share if progress.current is not None else None
            bar.update(
                task,
                description=describe_collection(progress),
                completed=progress.done + (part or 0.0),
                total=progress.total or None,
            )

        yield report


def _lines() -> Callable[[CollectionProgress], None]:
    last = time.monotonic()

    def report(progress: CollectionProgress) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            print(describe_collection(progress), file=sys.stderr)

    return report
