"""The command `python -m runtime`: help, errors in one line, and serving until a signal stops it."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

import uvloop
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runtime.assemble import composed_feeds, serving
from runtime.config.server_parameters import ServeCommand
from runtime.web.app import running, stop_on_signals
from runtime.web.server_setup import FeedSetup, ServerSetup, first_pipelines
from runtime.web.start_progress import tell_stage
from vpharness.config.help_text import command_help
from vpharness.config.override_errors import one_line
from vpharness.config.search_path import conf_folder, prepare_process
from vpharness.datasets.lake import Lake
from vpharness.errors import INTERRUPTED, USER_MISTAKE, PromotionError, VpharnessError
from vpharness.promotion.pointer import current, instruments

_MOST_NAMED: Final = 3
_SWITCH_SECONDS: Final = 0.0005
"""A bin's thread gives the interpreter up and waits for it again a dozen times: each may last as long as this."""


def main(arguments: Sequence[str]) -> int:
    """Serve until interrupted; return the exit code: 0, or 2 with one line on standard error for a user's mistake."""
    if {"--help", "-h", "help"} & set(arguments):
        print(command_help("python -m runtime", ServeCommand, conf_folder(), words=()))
        return 0
    prepare_process()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        # uvloop's transports may be aborted when they are closed, as Sanic does ten seconds after a client is gone.
        with (
            serving(composed_feeds(arguments), tell_stage) as ready,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_serve(ready))
    except KeyboardInterrupt:
        return INTERRUPTED  # before it served anything
    except (VpharnessError, HydraException, OmegaConfBaseException) as error:
        print(f"runtime: {error if isinstance(error, VpharnessError) else one_line(error)}", file=sys.stderr)
        return USER_MISTAKE
    return 0


async def _serve(ready: ServerSetup) -> None:
    nudged: list[Callable[[], None]] = []
    stopped = stop_on_signals(lambda: [nudge() for nudge in nudged])
    pipelines = await asyncio.to_thread(first_pipelines, ready, tell_stage)
    async with running(ready, pipelines) as (app, listening):
        nudged.append(app.ctx.running.check_now)
        host, port = listening.getsockname()[:2]
        where = f"[{host}]" if ":" in host else host
        for each in ready.feeds:
            _tell(each, f"http://{where}:{port}/")
        if line := promoted_elsewhere(ready.lake, [each.instrument for each in ready.feeds]):
            print(line, flush=True)
        await stopped.wait()


def promoted_elsewhere(lake: Lake, served: Sequence[str]) -> str:
    """Return a line that names what is promoted for instruments without a feed here; an empty text for nothing."""
    found = list[str]()
    for name in instruments(lake):
        if name in served:
            continue
        try:
            entry = current(lake, name)
        except PromotionError as error:
            found.append(f"{name} (cannot be read: {error})")
        else:
            found += [] if entry is None else [f"{entry.version} of {name}"]
    if not found:
        return ""
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (
        f"not served here: the lake has promoted {', '.join(found[:_MOST_NAMED])}{more}, which takes a feed of that "
        "instrument, such as feed=dataset dataset.id=ID (python -m vpharness promote show instrument=NAME)"
    )


def _tell(setup: FeedSetup, address: str) -> None:
    """Print what is served on a feed, and where its page is."""
    record, facts = setup.champion.record, setup.feed.facts
    of, query = (f"{setup.name}: ", f"?feed={setup.name}") if setup.name else ("", "")
    print(
        f"serving {of}{record.version} ({setup.champion.live.scorer.name} at {record.threshold:g}) "
        f"on {facts.instrument} from {facts.kind}: {address}{query}",
        flush=True,
    )
    if record.unsafe:
        print(f"runtime: {of}{record.version} is UNSAFE: promoted without {', '.join(record.unsafe)}")
