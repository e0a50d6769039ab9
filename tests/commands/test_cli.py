"""The command line: every command, and a user's mistakes as one line."""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from vpharness.commands.cli import command_line, main
from vpharness.commands.text.progress_display import COMPILING_LATTICE
from vpharness.config.search_path import OWN_FOLDER_VARIABLE
from vpharness.events.dbn_writer import write_dbn
from vpharness.events.synthetic import SyntheticSource
from vpharness.results.plots import PlotWriter

PROJECT = Path(__file__).resolve().parents[2]


def vpharness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with its lake there."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
    command = [sys.executable, "-m", "vpharness", *arguments]
    settings = {"cwd": folder, "env": environment, "timeout": 300}
    return subprocess.run(command, **settings, capture_output=True, text=True, check=False)  # type: ignore[call-overload,no-any-return]  # noqa: S603  # settings by name; our own command


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def in_process(folder: Path, *arguments: str, draws: bool = False) -> Said:
    """Run a command as `vpharness` does, in this process: a new one takes seconds to start.

    Pictures are empty unless it `draws`, which takes a quarter of a second for each, and seconds for those of a report.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    before, handler = sys.argv, signal.getsignal(signal.SIGTERM)
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setenv("VPHARNESS_LAKE", str(folder / "lake"))
            if not draws:
                patch.setattr(PlotWriter, "draw", lambda _writer, _picture, path: path.write_bytes(b""))
                patch.setattr(Figure, "savefig", save_empty)
            # What `--config-dir` sets for the processes of this command is put back to what it was before.
            patch.setenv(OWN_FOLDER_VARIABLE, before_folder := os.environ.get(OWN_FOLDER_VARIABLE, ""))
            if not before_folder:
                patch.delenv(OWN_FOLDER_VARIABLE)
            returncode = main(arguments)
    finally:
        sys.argv = before
        signal.signal(signal.SIGTERM, handler)
    return Said(returncode, stdout.getvalue(), stderr.getvalue())


def save_empty(_figure: Figure, file: Any, *, format: str = "png", **_: Any) -> None:  # noqa: A002  # Matplotlib's name
    """Write a picture without anything in it in place of a figure."""
    if format == "svg":
        file.write('<svg xmlns="http://www.w3.org/2000/svg" />')
    else:
        Path(file).write_bytes(b"")


def test_a_dataset_from_build_to_verify(tmp_path: Path) -> None:
    """Build from a DBN file, look at it, list it and verify it; JSON says the same as the text."""
    source = SyntheticSource(seed=1, minutes=1)
    with source.open() as stream:
        write_dbn(tmp_path / "market.dbn.zst", stream, dataset="XNAS.ITCH", symbol="SYN", instrument_id=1)
    keys = ["source=dbn", "source.path=market.dbn.zst", "source.tick_size=0.25", "source.symbol=SYN", "dataset.id=a"]
    built = vpharness(tmp_path, "build", *keys)
    assert built.returncode == 0, built.stderr
    assert all("events/s" in line or line == COMPILING_LATTICE for line in built.stderr.splitlines())
    assert built.stdout.startswith("built a\n")
    assert in_process(tmp_path, "build", *keys).stdout.startswith("exists a\n")
    facts = json.loads(in_process(tmp_path, "show", "dataset.id=a", "json=true").stdout)
    assert (facts["dataset_id"], facts["tick_size"], facts["cell_width_ms"], facts["bins"]) == ("a", 0.25, 100, 600)
    listed = json.loads(in_process(tmp_path, "list-datasets", "json=true").stdout)
    assert [dataset["dataset_id"] for dataset in listed["datasets"]] == ["a"]
    assert "SYN" in in_process(tmp_path, "list-datasets").stdout
    verified = in_process(tmp_path, "verify", "dataset.id=a")
    assert verified.stdout.startswith("dataset a is intact")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("bins.parquet", "grid_clean.parquet"):
        (copy / name).write_bytes((Path(facts["path"]) / name).read_bytes())
    published = in_process(tmp_path, "publish", "copy", "dataset.id=b", "source.tick_size=0.25")
    assert (published.returncode, published.stdout.splitlines()[0]) == (0, "published b")


def test_a_multirun_over_lattice_parameters_builds_a_variant_each(tmp_path: Path) -> None:
    """`-m` gives one dataset for each value."""
    run = in_process(tmp_path, "build", "-m", "source.minutes=1", "lattice.cell_width_ms=100,200")
    assert run.returncode == 0, run.stderr
    listed = json.loads(in_process(tmp_path, "list-datasets", "json=true").stdout)
    assert sorted(dataset["cell_width_ms"] for dataset in listed["datasets"]) == [100, 200]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum"], "no command 'rum'; did you mean run? python -m vpharness --help lists them"),
        (
            ["build", "source.minute=3"],
            "source.minute is not a key here; did you mean source.minutes?",
        ),
        (["build", "lattice.cell_width_ms=wide"], "lattice.cell_width_ms is 'wide'; expected a whole number"),
        (
            ["build", "lattice.radius=0", "lattice.tau_jerk=-1"],
            "lattice.radius is 0; it must be at least 1; lattice.tau_jerk",
        ),
        (
            ["build", "source=nowhere"],
            "source has no choice 'nowhere'; --help lists the choices",
        ),
        (["build", "source=dbn"], "source.path, source.tick_size must be given"),
        (["build", "source=dbn", "source.path=gone.dbn", "source.tick_size=1"], "gone.dbn"),
        (["build", "start=yesterday"], "start is 'yesterday'; expected ISO 8601 with a zone"),
        (["build", "dataset.id=../up"], "dataset.id is '../up'; it must begin with a letter or digit"),
        (["show"], "dataset.id or collection.id must be given"),
        (["show", "dataset.id=none"], "no dataset none in the lake"),
        (["publish", "."], "publish needs dataset.id and source.tick_size"),
        (["publish", "x" * 300, "dataset.id=a", "source.tick_size=1"], "x… is too long for the name of a file"),
        ([f"lake={'x' * 300}", "dataset.id=a"], "x… is too long for the name of a file"),
        (["signal=ads", f"signal.thresholds=[{','.join(['0.125'] * 60)}]", "dataset.id=none"], "holds 0.125 more than"),
        (
            ["signal=ads", f"signal.thresholds=[{','.join(['0.125'] * 900)}]", "dataset.id=none"],
            "holds 0.125 more than",
        ),
        (
            ["signal.thresholds=1,2"],
            "has commas: for a list, write signal.thresholds=[1,2]; for one text, write 'signal.thresholds=\"1,2\"'",
        ),
        (["tracking.experiment_name=it's, so"], "write 'tracking.experiment_name=\"it'\"'\"'s, so\"'"),
        (["tracking.experiment_name=a(b"], "for one text, write 'tracking.experiment_name=\"a(b\"'"),
        (["-m", "campaign=a,b"], "commas belong to one text, write 'campaign=\"a,b\"'"),
        (["source.seed=${oc.env:PATH}"], "source.seed: While dereferencing interpolation"),
        (
            ["signal=jad", "signal.radius=100000000000000000000"],
            "signal.radius is 100000000000000000000; it must be at",
        ),
        (["signal=jad", f"signal.tanh_scale={'1' * 400}"], "signal.tanh_scale holds a number of 400 digits"),
        (["signal=jad", f"signal.radius={'1' * 5000}"], "signal.radius holds a number of 5000 digits"),
        (["build", f"source.start_ns={2**63 - 1}"], "it must be at most 7258118400000000000"),
        (["build", "source.start_ns=7258118399000000000"], "so that the market closes before the year 2200"),
        (["build", f"source.seed={2**64}"], "source.seed is 18446744073709551616; it must be at most"),
        (["--cgf", "job"], "there is no option --cgf; did you mean --cfg?"),
        (["tp_ticks=4"], "tp_ticks is not a key here; did you mean eval.tp_ticks?"),
        (["plan", "-m", "tracking.kind=mlfow"], "must be one of mlflow, none; did you mean mlflow?"),
        (["hydra.mode=MULTIRUN"], "hydra.mode has no effect here: use -m for a multirun"),
        (["hydra.sweep.dir=x"], "hydra.sweep.dir has no effect here: outputs=FOLDER says"),
        (["-m", "signal=ads,pfp", "hydra.sweep.dir=x", "hydra.run.dir=y"], "hydra.sweep.dir, hydra.run.dir have no"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    """What was expected and found stands on one line of standard error; the exit code is not 0; no lake appears."""
    run = in_process(tmp_path, *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m signal=ads", ("run", ["signal=ads"], True)),
        ("-m run signal=ads", ("run", ["signal=ads"], True)),
        ("run signal=ads --multirun", ("run", ["signal=ads"], True)),
        ("plan -m signal=ads", ("plan", ["signal=ads"], True)),
        ("-m", ("run", [], True)),
        ("-m --config-dir mine plan", ("plan", ["--config-dir", "mine"], True)),
        ("promote show v1", ("promote show", ["v1"], False)),
        ("+extra=1", ("run", ["+extra=1"], False)),
    ],
)
def test_a_multirun_may_be_asked_for_anywhere(line: str, expected: tuple[str, list[str], bool]) -> None:
    """Before the command, behind it, or without one."""
    assert command_line(line.split()) == expected


def test_nothing_is_said_where_the_reader_of_the_output_has_gone(tmp_path: Path) -> None:
    """As behind `| head -1`."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "vpharness", "--help"]
    with subprocess.Popen(  # noqa: S603  # ours
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait(60) == 141


@pytest.mark.parametrize(
    ("line", "expected", "others"),
    [
        ("vpharness li", {"list-signals", "list-datasets"}, set()),
        ("vpharness promote ", {"show", "diff", "rollback", "run_id="}, {"promote"}),
        ("vpharness compare so", {"sort="}, {"compare"}),
        ("vpharness signal=pe", {"signal=perm_derivative"}, {"signal=ads"}),
        ("vpharness plan eval.tp", {"eval.tp_ticks="}, {"eval.sl_ticks="}),
    ],
)
def test_a_shell_completes_commands_keys_and_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: set[str], others: set[str]
) -> None:
    """As Hydra does for a program, and for each command with its own keys."""
    monkeypatch.setenv("COMP_LINE", line)
    completed = set(in_process(tmp_path, "-sc", "query=bash").stdout.split())
    assert expected <= completed
    assert not others & completed


def test_the_script_that_a_shell_evaluates_completes_the_console_script(tmp_path: Path) -> None:
    """However the script was asked for."""
    assert in_process(tmp_path, "-sc", "install=bash").stdout.endswith(" vpharness\n")
    said = in_process(tmp_path, "-sc")
    assert (said.returncode, "-sc needs a shell" in said.stderr) == (2, True)


def test_the_console_script_runs_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`vpharness` is `python -m vpharness`."""
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, name = scripts["vpharness"].partition(":")
    monkeypatch.setattr(sys, "argv", ["vpharness", "--version"])
    with pytest.raises(SystemExit) as ended:
        getattr(importlib.import_module(module), name)()
    assert ended.value.code == 0


def test_paths_may_hold_any_character(tmp_path: Path) -> None:
    """Spaces, parentheses, quotes and equals signs, in the lake, in a source and in a folder to publish."""
    odd = tmp_path / 'a (1) "b"=c, \\ü'
    odd.mkdir()
    with SyntheticSource(seed=1, minutes=1).open() as stream:
        write_dbn(odd / "m.dbn", stream, dataset="XNAS.ITCH", symbol="SYN", instrument_id=1)
    lake = f"lake={odd}/l=k"
    built = in_process(
        tmp_path, "build", "source=dbn", f"source.path={odd}/m.dbn", "source.tick_size=0.25", "dataset.id=a", lake
    )
    assert built.stdout.startswith("built a\n"), built.stderr
    made = odd / "made"
    made.mkdir()
    for name in ("bins.parquet", "grid_clean.parquet"):
        (made / name).write_bytes((odd / "l=k/research/vp_immutable/a" / name).read_bytes())
    published = in_process(tmp_path, "publish", str(made), "dataset.id=b", "source.tick_size=0.25", lake)
    assert published.stdout.startswith("published b\n"), published.stderr


def test_help_lists_commands_and_keys_with_defaults(tmp_path: Path) -> None:
    """Help is derived from the configuration: every key with its meaning, unit and default."""
    assert "  verify            Compare the files of a dataset" in in_process(tmp_path, "--help").stdout
    keys = in_process(tmp_path, "build", "--help").stdout
    assert "lattice.cell_width_ms                 width of a bin, ms (default 100)" in keys
    assert "source.orderbook_path" in keys


def test_a_terminated_build_leaves_no_dataset_and_no_rubbish(tmp_path: Path) -> None:
    """A build that is told to stop in the middle."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(tmp_path / "lake")}
    command = [sys.executable, "-m", "vpharness", "build", "source.minutes=600", "dataset.id=long"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as build:  # noqa: S603  # ours
        homes = tmp_path / "lake" / "research" / "vp_immutable"
        deadline = time.monotonic() + 120
        while not list(homes.glob(".unfinished-*/grid_clean.parquet")) and time.monotonic() < deadline:
            time.sleep(0.05)
        build.send_signal(signal.SIGTERM)
        assert build.wait(60) == 130
    assert list(homes.iterdir()) == []
