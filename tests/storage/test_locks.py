"""Locks between processes: who waits for whom."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from vpharness.storage.locks import byte_locked, lock_if_free, locked, locked_if_free

HOLDER = """
import sys
from pathlib import Path
from vpharness.storage.locks import byte_locked, locked

path, place = Path(sys.argv[1]), int(sys.argv[2])
with locked(path) if place < 0 else byte_locked(path, place, lambda: None):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(path: Path, place: int = -1) -> Iterator["subprocess.Popen[str]"]:
    """Hold a lock in another process: of the whole path, or of a byte."""
    with holding(HOLDER, path, place) as process:
        yield process


@contextmanager
def holding(program: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run a program that prints "held" once it has its lock, in another process, which is killed in the end."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_that_is_held_is_not_free_until_its_process_ends(tmp_path: Path) -> None:
    """On a folder; a process that is killed holds nothing any more, and who waited goes on."""
    mine = threading.Event()

    def wait() -> None:
        with locked(tmp_path):
            mine.set()

    with held_elsewhere(tmp_path) as holder:
        assert lock_if_free(tmp_path) is None
        with locked_if_free(tmp_path) as is_mine:
            assert not is_mine
        thread = threading.Thread(target=wait)
        thread.start()
        assert not mine.is_set()
        holder.kill()
        assert mine.wait(30)
        thread.join()
    with locked_if_free(tmp_path) as is_mine:
        assert is_mine
        assert lock_if_free(tmp_path) is None
    descriptor = lock_if_free(tmp_path)
    assert descriptor is not None
    os.close(descriptor)


def test_a_lock_file_is_made_where_that_is_asked_for_alone(tmp_path: Path) -> None:
    """Otherwise what is not there is an error."""
    with pytest.raises(FileNotFoundError), locked(tmp_path / "lock"):
        pass
    with locked(tmp_path / "lock", create=True):
        assert (tmp_path / "lock").read_bytes() == b""


def test_bytes_of_one_file_are_locks_of_their_own(tmp_path: Path) -> None:
    """Another byte is free, the same one is waited for, which is said before."""
    path, waits, mine = tmp_path / "claims", threading.Event(), threading.Event()

    def claim() -> None:
        with byte_locked(path, 2**40, waits.set):
            mine.set()

    with held_elsewhere(path, 2**40) as holder:
        with byte_locked(path, 7, waits.set):
            assert not waits.is_set()
        thread = threading.Thread(target=claim)
        thread.start()
        assert waits.wait(30)
        assert not mine.is_set()
        holder.kill()
        assert mine.wait(30)
        thread.join()
    assert path.stat().st_size == 0
