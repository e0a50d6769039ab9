"""Compiled code: found again while nothing that went into it has changed, and done without where it cannot be kept."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_cli import PROJECT, in_process
from vpharness import compiled


def test_the_cache_is_named_after_kernels_and_all_that_they_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant of another file is compiled in as its value, so that file counts; one that no kernel sees does not."""
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)
    (tmp_path / "room").mkdir()
    texts = {
        "room/kernels.py": "from vpharness.compiled import kernel\nfrom vpharness.room.layout import (\n    A,\n)\n",
        "room/layout.py": "from vpharness.codes import CODE\nfrom vpharness import more\nA = CODE\n",
        "codes.py": "CODE = 1\n",
        "more.py": "from vpharness.room import most\n",
        "room/most.py": "CODE = 1\n",
        "compiled.py": "",
        "other.py": "CODE = 2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    source = tmp_path / "room" / "kernels.py"
    before = compiled._sources_digest(source)
    for name, text in texts.items():
        (tmp_path / name).write_text(text + "CODE = 3\n")
        assert (compiled._sources_digest(source) == before) == (name == "other.py"), name
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert compiled._sources_digest(source) != before


def test_every_constant_of_the_lattice_is_among_the_sources() -> None:
    """Layout, columns, event codes and permutation states."""
    sources = compiled._sources(compiled._PACKAGE / "lattice" / "event_rules.py")
    names = {path.relative_to(compiled._PACKAGE).as_posix() for path in sources}
    assert {
        "lattice/layout.py",
        "lattice/columns.py",
        "lattice/book.py",
        "events/mbo_event.py",
        "prices.py",
    } <= names
    assert {"hash_table.py", "compiled.py"} <= names
    assert not any(name.startswith(("signals/", "commands/", "evaluation/")) for name in names)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user without a home that can be written to, and a package that cannot be either."""
    for variable in ("XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/proc/none")
    monkeypatch.setattr(compiled, "_PACKAGE", Path("/proc/none"))
    compiled._can_be_written.cache_clear()
    yield
    compiled._can_be_written.cache_clear()


def test_compiled_code_is_kept_where_it_can_be(tmp_path: Path, nowhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the user's folder, beside the package, or nowhere."""
    assert compiled.cache_folder("k") is None
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)
    assert compiled.cache_folder("k") == tmp_path / "__pycache__" / "k"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert compiled.cache_folder("k") == tmp_path / "cache" / "vpharness" / "k"


OWN_KERNEL = """
from vpharness.compiled import kernel


@kernel
def doubled(value):
    return 2.0 * value
"""


def test_every_checkout_finds_machine_code_of_the_same_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the sources lie; that of other ones stays as long as it is used now and then."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = tmp_path / "cache" / "vpharness" / "kernels"
    hits = []
    for place in ("one", "two"):
        path = tmp_path / place / "room" / "kernels.py"
        path.parent.mkdir(parents=True)
        path.write_text(OWN_KERNEL, encoding="utf-8")
        names: dict[str, Any] = {"__name__": "kernels"}
        exec(compile(OWN_KERNEL, str(path), "exec"), names)  # noqa: S102  # ours
        assert names["doubled"](1.5) == 3.0
        hits.append(sum(names["doubled"].stats.cache_hits.values()))
        (folder,) = kept.iterdir()
        assert [each.suffix for each in sorted(folder.iterdir())] == [".nbc", ".nbi"]
    assert hits == [0, 1]
    old, young = (kept / f"room.kernels-{digit * 16}" for digit in "01")
    for other, days in ((old, 31), (young, 29)):
        other.mkdir()
        os.utime(other, (0, time.time() - days * 86_400))
    os.utime(folder, (0, 0))
    compiled._kernels_folder.cache_clear()
    compiled._kernels_folder(path)
    assert sorted(kept.iterdir()) == sorted([folder, young])


def test_a_user_without_a_home_has_no_cache_there(nowhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user is a mere number."""

    def unknown(_uid: int) -> None:
        raise KeyError(_uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert compiled.folder_of_user() is None
    assert compiled.cache_folder("j") is None
    assert len(list(compiled.warnings_on_lost_caches())) == 1


def test_a_command_goes_on_without_a_cache_and_says_so_in_one_line(tmp_path: Path, nowhere: None) -> None:
    """It is slower, and that is all."""
    said = in_process(tmp_path, "list-datasets", "json=true")
    assert (said.returncode, json.loads(said.stdout)) == (0, {"datasets": [], "collections": [], "problems": []})
    assert said.stderr.count("\n") == 1
    assert "compiled code cannot be kept, since /proc/none/.cache/vpharness and /proc/none/__pycache__" in said.stderr
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def double(value: float) -> float:
    """A function to compile."""
    return 2.0 * value


def test_a_kernel_works_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was compiled before, but for the time that it takes."""
    monkeypatch.setattr(compiled, "_kernels_folder", lambda _source: None)
    assert compiled.kernel(double)(1.5) == 3.0


def test_a_cache_that_is_lost_meanwhile_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, or somebody who clears up."""
    monkeypatch.setattr(compiled, "_kernels_folder", lambda _source: tmp_path / "kernels")
    kernel = compiled.kernel(double)
    shutil.rmtree(tmp_path / "kernels", ignore_errors=True)
    (tmp_path / "kernels").write_text("no folder any more")
    assert kernel(1.5) == 3.0


SCORED = """
import sys
import numpy as np
from vpharness.signals import resolve, score

signal = resolve("vpharness.signals.pfp.pfp")
grid = {name: np.random.default_rng(0).normal(size=(300, 101)) for name in signal.columns}
valid = np.arange(300) != 5
scores = score(signal, None, grid, cell_width_ms=100, valid=valid)
print(np.isnan(scores).sum(), scores[-1])
"""


def test_flags_for_debugging_jax_stop_no_signal(capsys: pytest.CaptureFixture[str]) -> None:
    """What would end at a missing score, or at compiling ahead, is switched off; that is said in one line."""
    flags = {
        **{f"JAX_{name}": "1" for name in ("DEBUG_NANS", "DEBUG_INFS", "DISABLE_JIT", "CHECK_TRACER_LEAKS")},
        "JAX_TRANSFER_GUARD": "disallow",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_ENABLE_X64": "0",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    }
    exec(compile(SCORED, "scored", "exec"), {})  # noqa: S102  # ours
    plain = capsys.readouterr().out
    flagged = subprocess.run(  # noqa: S603  # this interpreter on this project's own code
        [sys.executable, "-c", SCORED], cwd=PROJECT, env=os.environ | flags, capture_output=True, text=True, check=False
    )
    assert plain.startswith("1 ")
    assert (flagged.returncode, flagged.stdout) == (0, plain), flagged.stderr
    assert flagged.stderr.count("\n") == 1
    assert "switched off, since every signal would end there: JAX_DEBUG_NANS, JAX_DEBUG_INFS" in flagged.stderr
