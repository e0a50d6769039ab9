"""A lake that may not be written to: one line, before any work, and what can be read still is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.commands.test_cli import PROJECT, Said, in_process

SMALL: Final = ["source.minutes=2", "eval.max_hold_bins=50", "split=none", "tracking=none"]

UNPRIVILEGED: Final = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
    sys.exit(77)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Permissions do not bind root: it gives up what lets it pass them by before it becomes the command."""
CANNOT_DROP: Final = 77
COMMANDS: Final = (
    ["signal=ads", *SMALL],
    ["build", "source.minutes=3"],
    ["signal=msd", "signal.thresholds=[10]", *SMALL],
)
PROGRAM: Final = """
import contextlib, io, json, sys
from vpharness.commands.cli import main
said = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    said.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(said))
"""


def unprivileged(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with its lake there, as somebody who is bound by permissions."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
    run = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", UNPRIVILEGED, *arguments],
        cwd=folder,
        env=environment,
        timeout=300,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == CANNOT_DROP:
        pytest.skip("root may write everywhere here, and may not give that up")
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose lake holds a dataset and a run, and may no longer be written to."""
    folder = tmp_path_factory.mktemp("read_only")
    assert in_process(folder, "signal=msd", "signal.thresholds=[10]", *SMALL).returncode == 0
    inside = [folder / "lake", *(path for path in (folder / "lake").rglob("*") if path.is_dir())]
    modes = [path.stat().st_mode for path in inside]
    for path in inside:
        path.chmod(0o555)
    yield folder
    for path, mode in zip(inside, modes, strict=True):
        path.chmod(mode)


@pytest.fixture(scope="module")
def said(folder: Path) -> tuple[Said, ...]:
    """What each of COMMANDS says there, one after the other in one process: to import what they need takes longest."""
    before = sorted(path.relative_to(folder) for path in (folder / "lake").rglob("*"))
    run = unprivileged(folder, "-c", PROGRAM, json.dumps(COMMANDS))
    assert run.returncode == 0, run.stderr
    assert sorted(path.relative_to(folder) for path in (folder / "lake").rglob("*")) == before, "the lake has changed"
    return tuple(Said(*each) for each in json.loads(run.stdout))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (0, "results/fires.parquet may not be written to; make it writable, or choose"),
        (1, "generated_grids: Permission denied"),
    ],
    ids=["run", "build"],
)
def test_what_would_write_is_refused_in_one_line(said: tuple[Said, ...], command: int, message: str) -> None:
    """The folder is named; the exit code is not 0, and nothing has changed."""
    run = said[command]
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_run_that_is_there_is_shown(said: tuple[Said, ...]) -> None:
    """Nothing has to be written for it."""
    run = said[2]
    assert run.returncode == 0, run.stderr
    assert "is in the store already" in run.stderr
