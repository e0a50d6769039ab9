"""The command `record`: an exchange's messages into files, until it is interrupted."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from omegaconf import OmegaConf
from rich.console import Console

from vpharness.config.dataset_schemas import RecordCommand
from vpharness.config.typed_config import check_command
from vpharness.errors import ConfigError
from vpharness.recording.coinbase_protocol import REST_URL, WEBSOCKET_URL, check_symbol, check_urls, key_in
from vpharness.recording.exchange_recorder import Recorder, RecorderProgress, RecorderSettings

LINE_SECONDS: Final = 60.0
"""How often a line is written where there is no terminal."""
_SHOWN_SECONDS: Final = 0.5
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COINBASE: Final = "vpharness.events.coinbase.CoinbaseSource"


def run_record(config: Any) -> None:
    """Record a product until Ctrl-C, or for some minutes, and print the files."""
    command = check_command(config, RecordCommand)
    settings = recorder_settings(command)
    with recorder_report() as report:
        recorder = Recorder(settings, report)
        try:
            asyncio.run(_until_stopped(recorder, command.minutes))
        finally:
            recorder.close()
    print_recording(recorder.progress, as_json=command.json)


def recorder_settings(command: RecordCommand) -> RecorderSettings:
    """Return what is to be recorded; ConfigError where it cannot be."""
    source = OmegaConf.to_container(command.source, resolve=True)
    assert isinstance(source, dict)  # noqa: S101  # a group
    if source.get("_target_") != _COINBASE:
        raise ConfigError("only source=coinbase can be recorded; other exchanges' messages need a recorder of yours")
    if not OmegaConf.is_missing(command.source, "path"):
        raise ConfigError("source.path is a file to read; record writes new files into folder=")
    key = key_in(os.environ)
    url, rest_url = command.url or WEBSOCKET_URL, command.rest_url or REST_URL
    check_urls(url, rest_url, key)
    return RecorderSettings(
        check_symbol(source.get("symbol")),
        Path(command.folder).expanduser(),
        url,
        rest_url,
        key,
        command.compression,
        command.rotate_mb << 20,
        command.rotate_hours * 3600,
        command.largest_message_mb << 20,
        longest_backoff_s=command.longest_backoff_s,
        shortest_backoff_s=min(RecorderSettings.shortest_backoff_s, command.longest_backoff_s),
    )


async def _until_stopped(recorder: Recorder, minutes: float | None) -> None:
    """Run a recorder until a signal comes or its time is over: both are its proper end."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(recorder.run())
    heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # SIGHUP below nohup
    before = {number: signal.getsignal(number) for number in heard}
    for number in heard:
        loop.add_signal_handler(number, running.cancel)
    try:
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(None if minutes is None else 60 * minutes):
                await running
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def describe_recording(progress: RecorderProgress) -> str:
    """Return how far a recording has come, in words."""
    gaps = f", {progress.gaps:,} gaps" if progress.gaps else ""
    again = f", {progress.connections:,} connections" if progress.connections > 1 else ""
    return (
        f"{progress.state}: {progress.messages:,} messages, {progress.snapshots:,} snapshots{gaps}{again}, "
        f"{progress.bytes_written / 2**20:,.1f} MB"
    )


@contextmanager
def recorder_report() -> Iterator[Callable[[RecorderProgress], None]]:
    """Yield a report that shows a recording on standard error: a status on a terminal, else a line a minute.

    Whatever is not recording is said at once, for a recorder that runs unwatched leaves nothing else.
    """
    console = Console(stderr=True)
    last, state = time.monotonic(), ""
    status = console.status("connecting") if console.is_terminal else None

    def report(progress: RecorderProgress) -> None:
        nonlocal last, state
        now, words = time.monotonic(), describe_recording(progress)
        if status is not None:
            if now - last >= _SHOWN_SECONDS or progress.state != state:
                status.update(words)
                last = now
        elif now - last >= LINE_SECONDS or progress.state != state:
            print(words, file=sys.stderr, flush=True)
            last = now
        state = progress.state

    if status is None:
        yield report
    else:
        with status:
            yield report


def print_recording(progress: RecorderProgress, *, as_json: bool) -> None:
    """Print what was recorded, and into which files."""
    if as_json:
        told = {name: value for name, value in vars(progress).items() if name not in {"files", "state"}}
        print(json.dumps({**told, "files": [str(path) for path in progress.files]}, indent=1))
        return
    print(f"recorded {progress.messages:,} messages, {progress.snapshots:,} snapshots, {progress.gaps:,} gaps")
    for path in progress.files:
        print(path)
