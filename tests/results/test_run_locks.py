"""The same work at the same time is done once."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.storage.test_locks import holding
from vpharness.results.run_locks import lock_runs
from vpharness.results.store import Store

HOLDER = """
import sys
from pathlib import Path
from vpharness.results.run_locks import lock_runs
from vpharness.results.store import Store

with lock_runs(Store(Path(sys.argv[1])), ["a", "b"], lambda: None):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the claim on the runs a and b in another process."""
    with holding(HOLDER, root) as process:
        yield process


def test_who_carries_out_the_same_waits_until_the_other_ends_or_is_killed(tmp_path: Path) -> None:
    """In whatever order the runs are named; others do not wait."""
    store, waits, mine = Store(tmp_path / "results"), threading.Event(), threading.Event()

    def claim() -> None:
        with lock_runs(store, ["b", "a"], waits.set):
            mine.set()

    with held(store.root) as holder:
        with lock_runs(store, ["a"], waits.set):
            assert not waits.is_set()
        thread = threading.Thread(target=claim)
        thread.start()
        assert waits.wait(30)
        assert not mine.is_set()
        holder.kill()
        assert mine.wait(30)
        thread.join()
    assert [path.name for path in store.root.iterdir()] == ["claims"]
