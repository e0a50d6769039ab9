"""A lack of memory is told as one: no file and no signal is blamed for it."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import PROJECT
from vpharness.commands.cli import mistake_in
from vpharness.datasets.read import read_table
from vpharness.errors import DatasetError, out_of_memory

LIMITED = """
import resource, sys
from pathlib import Path
from vpharness.datasets.read import read_table
from vpharness.errors import OutOfMemoryError

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))
try:
    read_table(Path(sys.argv[1]), ["x"], "d")
except OutOfMemoryError as error:
    print(error)
"""


def test_a_file_that_does_not_fit_under_a_limit_is_not_called_damaged(tmp_path: Path) -> None:
    """Half a gigabyte under a limit of an eighth of one."""
    path = tmp_path / "bins.parquet"
    pq.write_table(pa.table({"x": np.zeros(2**26)}), path, row_group_size=2**26)
    run = subprocess.run(  # noqa: S603  # this interpreter on this project's own code
        [sys.executable, "-c", LIMITED, str(path)], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("out of memory (")
    assert "bins.parquet" not in run.stdout
    assert run.stdout.count("\n") == 1


def test_a_damaged_file_is_called_damaged(tmp_path: Path) -> None:
    """As before."""
    path = tmp_path / "bins.parquet"
    path.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DatasetError, match=r"bins\.parquet cannot be read as Parquet"):
        read_table(path, None, "d")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((2**40,), np.dtype(np.float64)),  # type: ignore[attr-defined]
        pa.ArrowMemoryError("malloc of size 64 failed"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError("ZSTD decompress failed: Allocation error : not enough memory"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_library_says_it_in_its_own_way(error: Exception) -> None:
    """A command says it in one line."""
    said = str(mistake_in(error))
    assert said.startswith("out of memory (")
    assert "\n" not in said


def test_other_errors_are_no_lack_of_memory() -> None:
    """Such as a file that is not there."""
    assert out_of_memory(OSError(errno.ENOENT, "No such file or directory")) is None
    assert mistake_in(ValueError("x")) is None


def test_wherever_a_file_may_be_blamed_memory_is_thought_of_first() -> None:
    """Each place that catches what Arrow raises."""
    catches = re.compile(r"^ *except .*ArrowException.*\n(.*)$", re.MULTILINE)
    sources = [path for package in ("vpharness", "runtime") for path in (PROJECT / package).rglob("*.py")]
    found = [(path, next_line) for path in sources for next_line in catches.findall(path.read_text(encoding="utf-8"))]
    assert len(found) > 5
    assert [str(path) for path, next_line in found if "require_memory(error)" not in next_line] == []
