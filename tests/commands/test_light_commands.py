"""Commands that only look something up import nothing that takes long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_cli import PROJECT, in_process
from vpharness.config.remembered_text import remembered

HEAVY = ("jax", "pandas", "mlflow", "matplotlib", "scipy", "numba", "pyarrow", "numpy", "hydra")
PROGRAM = """
import json, sys
from vpharness.commands.cli import main
code = main(sys.argv[2:])
print(json.dumps(sorted(set(sys.argv[1].split(",")) & set(sys.modules))), file=sys.stderr)
sys.exit(code)
"""


def imported_by(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Return the exit code of a command in a process of its own, its output, and what of HEAVY it imported."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    command = [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  # ours
    return run.returncode, run.stdout, json.loads(run.stderr.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset in its lake."""
    folder = tmp_path_factory.mktemp("light")
    assert in_process(folder, "build", "source.minutes=1", "dataset.id=a").returncode == 0
    return folder


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "usage: python -m vpharness <command>"),
        (["--version"], "vpharness "),
        (["list-datasets"], "a   SYN"),
        (["list-datasets", "json=true"], '"dataset_id": "a"'),
        (["show", "dataset.id=a"], "dataset a\n"),
    ],
)
def test_a_look_up_imports_nothing_that_takes_long(folder: Path, arguments: list[str], expected: str) -> None:
    """Neither compilers, nor tables, nor tracking, nor Hydra."""
    code, output, imported = imported_by(folder, *arguments)
    assert (code, imported) == (0, [])
    assert expected in output


def test_a_comparison_waits_for_no_compiler(folder: Path) -> None:
    """It reads tables, and prices for its advice: it takes NumPy and Arrow, and neither JAX nor pandas."""
    run = ["dataset.id=a", "signal=ads", "signal.thresholds=[0.2]", "eval.max_hold_bins=20", "tracking=none"]
    assert in_process(folder, *run).returncode == 0
    for words in (["compare"], ["compare", "min_signals=0"]):  # ranked by the run before
        code, output, imported = imported_by(folder, *words)
        assert code == 0
        assert set(imported) <= {"hydra", "numpy", "pyarrow"}
        assert "the ledger holds 1 candidates of 1 runs" in output


def test_what_signals_there_are_is_looked_up_once(folder: Path) -> None:
    """The first time their modules are imported, and then the text is kept until a file changes."""
    _, first, imported = imported_by(folder, "list-signals")
    assert "jax" in imported
    again, second, imported = imported_by(folder, "list-signals")
    assert (again, second, imported) == (0, first, [])
    assert "perm_derivative" in first


def test_the_help_of_a_run_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the signals' parameters, for which their modules are imported: later it is a text that is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    first = in_process(folder, "run", "--help").stdout
    assert imported_by(folder, "run", "--help") == (0, first, [])
    assert "perm_derivative" in first


def test_a_text_is_made_again_once_a_yaml_names_a_module_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose changes are not seen: nothing is kept then."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vpharness.config.remembered_text.conf_folder", lambda: tmp_path)
    yaml = tmp_path / "own.yaml"
    texts = iter(["one", "two", "three", "four"])

    def made() -> str:
        return remembered("text", lambda: next(texts))

    yaml.write_text("_target_: vpharness.signals.ads.ads\n", encoding="utf-8")
    assert (made(), made()) == ("one", "one")
    yaml.write_text("_target_: vpharness.signals.pfp.pfp\n", encoding="utf-8")
    assert made() == "two"
    yaml.write_text("_target_: my_signals.imbalance\n", encoding="utf-8")
    assert (made(), made()) == ("three", "four")
