"""The end of a process."""

import subprocess
import sys

from tests.commands.test_cli import PROJECT

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
