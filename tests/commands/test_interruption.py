"""Signals that end a command: what is half-made goes, whichever it is."""

import os
import signal
import time
from pathlib import Path

import pytest

from vpharness.commands.interruption import interruptible
from vpharness.commands.output_files import new_file


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
    before = signal.getsignal(number)
    with interruptible() as interruption, pytest.raises(KeyboardInterrupt):
        begin_and_be_interrupted(tmp_path / "f", number)
    assert interruption.came
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) == before


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
