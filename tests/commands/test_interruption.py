"""Signals that end a command: what is half-made goes, whichever it is."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from vpharness.commands.interruption import interruptible
from vpharness.commands.output_files import new_file

PROJECT = Path(__file__).resolve().parents[2]


def begin_and_be_interrupted(path: Path, number: signal.Signals) -> None:
    """Write half of a file, and wait until a signal is heard, but not for ever."""
    with new_file(path) as aside:
        aside.write_text("half", encoding="utf-8")
        os.kill(os.getpid(), number)
        for _ in range(1_000):
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_and_leaves_nothing_half_made(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, a scheduler, and a terminal that is closed."""
    outside = signal.signal(number, signal.default_int_handler)  # the tests themselves may run below nohup
    try:
        with interruptible() as interruption, pytest.raises(KeyboardInterrupt):
            begin_and_be_interrupted(tmp_path / "f", number)
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, outside)
    assert interruption.came
    assert list(tmp_path.iterdir()) == []


def test_below_nohup_a_closed_terminal_is_not_heard() -> None:
    """That is what it is for."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
        assert not interruption.came
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interruption_that_met_a_string_being_executed_still_ends_with_the_code_of_one(tmp_path: Path) -> None:
    """CPython remembers it as unhandled and would end as if killed, though it was caught."""
    (tmp_path / "interrupted.py").write_text(
        "from vpharness.__main__ import console\n"
        "from vpharness.commands import cli\n"
        "def work(arguments):\n"
        "    exec('import os, signal; os.kill(os.getpid(), signal.SIGTERM)')\n"
        "cli._run = work\n"
        "console()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "interrupted"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert (ended.returncode, ended.stderr) == (130, "vpharness: interrupted; no incomplete files are left\n")


def test_an_interruption_that_was_swallowed_is_not_repeated_after_the_work_has_ended() -> None:
    """It would interrupt what follows, which has nothing to do with it."""
    with interruptible():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            sys.unraisablehook(SimpleNamespace(exc_type=type(error)))
    ended = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in ended:
        timer.join(1)
    assert not any(timer.is_alive() for timer in ended)
