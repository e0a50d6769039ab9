"""Jobs that have left Slurm's queue, by what a squeue says that is a script: no cluster is needed."""

import os
import sys
from pathlib import Path

import pytest

from vpharness.engines.slurm_queue import ASK_S, GRACE_S, SILENT_S, SlurmQueue
from vpharness.errors import EngineError

JOBS = ["7_0", "7_1", "8"]


class Squeue:
    """A squeue that prints a file, notes its environment and words, and ends with a code."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        """Put it before everything else that could be found."""
        self.folder = folder
        script = folder / "squeue"
        script.write_text(
            f"#!{sys.executable}\nimport os, pathlib, sys\nfolder = pathlib.Path({str(folder)!r})\n"
            "asked = ' '.join([*sys.argv[1:], *(name for name in os.environ if name.startswith('SQUEUE_'))])\n"
            "(folder / 'asked').write_text(asked)\nprint((folder / 'said').read_text())\n"
            "sys.exit(int((folder / 'code').read_text()))\n",
            encoding="utf-8",
        )
        script.chmod(0o700)
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        self.says("")

    def says(self, text: str, code: int = 0) -> None:
        """Let it print and end so from now on."""
        (self.folder / "said").write_text(text, encoding="utf-8")
        (self.folder / "code").write_text(str(code), encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        """The words that it was last called with, and those of its own variables that it was given."""
        return (self.folder / "asked").read_text(encoding="utf-8").split()


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Squeue:
    """A squeue of this test."""
    return Squeue(tmp_path, monkeypatch)


def test_a_job_is_gone_once_it_is_out_of_the_queue_for_as_long_as_a_report_may_take(squeue: Squeue) -> None:
    """Those that wait, run or complete are not; one that has ended is, though Slurm still lists it."""
    queue = SlurmQueue()
    squeue.says("7_0 RUNNING\n7_1 TIMEOUT\n8 PENDING\n9 COMPLETING")
    assert queue.gone(JOBS, 100.0) == []
    assert queue.gone(JOBS, 100.0 + GRACE_S - 1) == []
    assert queue.gone(JOBS, 100.0 + GRACE_S + ASK_S) == ["7_1"]


def test_a_job_that_is_listed_again_was_never_gone(squeue: Squeue) -> None:
    """One answer without it says nothing: its absence is counted anew from the next one."""
    queue = SlurmQueue()
    squeue.says("7_0 RUNNING\n7_1 RUNNING")
    assert queue.gone(JOBS, 0.0) == []
    squeue.says("7_0 RUNNING\n7_1 RUNNING\n8 RUNNING")
    assert queue.gone(JOBS, 10.0) == []
    squeue.says("7_0 RUNNING\n7_1 RUNNING")
    assert queue.gone(JOBS, 10.0 + 100 * GRACE_S) == []
    assert queue.gone(JOBS, 10.0 + 101 * GRACE_S) == ["8"]


def test_silence_says_nothing_of_jobs(squeue: Squeue) -> None:
    """Without an answer none is gone, however long it was missing in the last one; after minutes it is an error."""
    queue = SlurmQueue()
    assert queue.gone(JOBS, 0.0) == []
    squeue.says("slurm_load_jobs error", code=1)
    assert queue.gone(JOBS, GRACE_S + ASK_S) == []
    with pytest.raises(EngineError, match=r"squeue has failed for 10 minutes \(exit code 1\).*start the command again"):
        queue.gone(JOBS, SILENT_S)


def test_slurm_is_asked_every_few_seconds_for_all_jobs_of_the_user(
    squeue: Squeue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's own settings of squeue, which would leave jobs out, are not handed on."""
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    queue = SlurmQueue()
    queue.gone(JOBS, 0.0)
    assert squeue.asked == ["--noheader", "--array", "--states=all", "--format=%i", "%T", f"--user={os.getuid()}"]
    (squeue.folder / "asked").unlink()
    queue.gone(JOBS, ASK_S / 2)
    assert not (squeue.folder / "asked").exists()


def test_where_there_is_no_squeue_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an error at once."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="there is no squeue here"):
        SlurmQueue().gone(JOBS, 0.0)
