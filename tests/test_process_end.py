"""The end of a process, and its searches for garbage."""

import gc
import io
import subprocess
import sys

import pytest

from tests.commands.test_cli import PROJECT
from vpharness.__main__ import console
from vpharness.results import tracking_process

SCRIPT = """
import atexit, threading, time
from vpharness.process_end import end_process
atexit.register(print, "cleaned up")
threading.Thread(target=time.sleep, args=(3600,)).start()
print("said", end=" ")
end_process(7)
"""


def test_a_process_ends_with_its_code_and_all_it_has_said_whatever_its_threads_do() -> None:
    """What is registered for its end is run, and no thread is waited for."""
    ended = subprocess.run(  # noqa: S603  # ours
        [sys.executable, "-c", SCRIPT], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "said cleaned up\n", "")


def test_commands_and_their_tracking_search_for_garbage_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they import what takes long."""
    python_s_own, seen = (700, 10, 10), []
    monkeypatch.setattr(sys, "argv", ["vpharness", "--version"])
    monkeypatch.setattr("vpharness.commands.cli.main", lambda _words: seen.append(gc.get_threshold()))
    monkeypatch.setattr(tracking_process, "_answer_alone", lambda: sys.stdout)
    monkeypatch.setattr(tracking_process, "import_mlflow", lambda: seen.append(gc.get_threshold()))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = gc.get_threshold()
    try:
        gc.set_threshold(*python_s_own)
        with pytest.raises(SystemExit):
            console()
        gc.set_threshold(*python_s_own)
        tracking_process.main()
    finally:
        gc.set_threshold(*before)
    assert seen == [(20_000, 20, 20)] * 2
