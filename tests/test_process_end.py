"""The end of a process, and its searches for garbage."""

import gc
import io
import subprocess
import sys
from types import SimpleNamespace

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


@pytest.mark.parametrize(
    ("dist", "is_worker", "is_searched"),
    [("loadfile", False, True), ("loadfile", True, False), ("no", False, False)],
)
def test_the_process_that_hands_tests_out_searches_for_garbage(
    request: pytest.FixtureRequest, dist: str, is_worker: bool, is_searched: bool
) -> None:
    """It collects no tests, after which others begin."""
    (conftest,) = (
        each
        for each in request.config.pluginmanager.get_plugins()
        if str(getattr(each, "__file__", "")).endswith("tests/conftest.py")
    )
    config = SimpleNamespace(getoption=lambda _name, _default: dist, **({"workerinput": {}} if is_worker else {}))
    try:
        gc.disable()
        conftest.pytest_configure(config)
        assert gc.isenabled() == is_searched
    finally:
        gc.enable()


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
