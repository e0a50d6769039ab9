"""With bounds checking on, no kernel of the lattice or of a reader reads or writes past an array."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PROVEN = (
    *("hash_table", "rolling_robust_z", "filter_bank", "states"),
    *("engine_twin", "engine_chunks", "engine_book", "engine_memory"),
)


@pytest.mark.slow
def test_kernels_stay_within_their_arrays(tmp_path: Path) -> None:
    """The small tests of kernels, engine and reader pass where every index is checked, which is seen to be so.

    A copy of the package runs, so that its machine code is made anew and is found by nobody else.
    """
    for folder in ("vpharness", "tests"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    tests = [*(f"tests/lattice/test_{name}.py" for name in PROVEN), "tests/events/test_itch.py"]
    result = subprocess.run(  # noqa: S603  # this interpreter on this project's own tests
        [sys.executable, "-m", "pytest", "-q", "-rs", *tests],
        cwd=tmp_path,
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout
    assert "SKIPPED" not in result.stdout
    assert list((tmp_path / "cache" / "vpharness" / "kernels").glob("lattice.bins-*/*.nbi"))
