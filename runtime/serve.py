"""The command `python -m runtime`: help, errors in one line, and serving until a signal stops it."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

import uvloop
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runtime.assemble import composed, serving
from runtime.config.server_parameters import ServeCommand
from runtime.web.app import ServerSetup, first_pipeline, running, stop_on_signals
from vpharness.config.help_text import command_help
from vpharness.config.override_errors import one_line
from vpharness.config.search_path import conf_folder, prepare_process
from vpharness.errors import INTERRUPTED, USER_MISTAKE, VpharnessError

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
            serving(composed(arguments)) as ready,
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
    pipeline = await asyncio.to_thread(first_pipeline, ready)
    async with running(ready, pipeline) as (app, listening):
        nudged.append(app.ctx.rollout.check_now)
        host, port = listening.getsockname()[:2]
        where = f"[{host}]" if ":" in host else host
        champion, facts = ready.champion, ready.feed.facts
        print(
            f"serving {champion.record.version} ({champion.live.scorer.name} at {champion.record.threshold:g}) "
            f"on {facts.instrument} from {facts.kind}: http://{where}:{port}/",
            flush=True,
        )
        if champion.record.unsafe:
            print(f"runtime: {champion.record.version} is UNSAFE: promoted without {', '.join(champion.record.unsafe)}")
        await stopped.wait()
