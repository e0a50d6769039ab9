"""The command `python -m runtime`, as it is started from a shell."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from runtime.config.server_parameters import TOKEN_VARIABLE
from runtime.serve import main, promoted_elsewhere
from tests.runtime.records import promote, record_of
from tests.runtime.serving import Client, assert_refused
from vpharness.config.search_path import OWN_FOLDER_VARIABLE
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import CHECKSUMS_FILE
from vpharness.promotion.bundle import RECORD_FILE
from vpharness.promotion.pointer import POINTER_FILE, instrument_folder
from vpharness.storage.checksums import file_sha256
from vpharness.storage.durable import replace_file

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


@contextlib.contextmanager
def started(*words: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the server at a free port; yields its process and its address, once it serves."""
    process = subprocess.Popen(  # noqa: S603  # ours
        [sys.executable, "-m", "runtime", "runtime.port=0", "runtime.stop_s=1", *words],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://(\S+)/", line)
        assert found is not None, (line, process.stderr and process.stderr.read())
        yield process, found[1]
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_a_fresh_clone_serves_the_embedded_market_and_stops_when_told_to(tmp_path: Path) -> None:
    """With no lake, no dataset and nothing promoted: bins with scores come, and SIGTERM ends it as stopped."""

    async def scenario(address: str) -> None:
        async with connect(f"ws://{address}/v1/stream?fields=spectrum_score", proxy=None) as raw:
            client = Client(raw)
            hello = await client.hello()
            assert (hello["model"]["version"], hello["instrument"]) == ("defaults", "SYN")
            found = await client.bins(20)
            assert all(len(each["grid"]["spectrum_score"]) == 101 for each in found)
            assert any(each["score"] is not None for each in found)

    with started(f"lake={tmp_path / 'lake'}", "feed.speed=20") as (process, address):
        asyncio.run(scenario(address))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.stdout is not None
        said = process.stdout.read()
        assert "runtime: stopped" in said
        assert "the feed has ended" not in said


def test_what_was_promoted_is_what_is_served(tmp_path: Path) -> None:
    """From the first bin on, and it is verified_record again before anything is served."""

    async def scenario(address: str) -> None:
        async with connect(f"ws://{address}/v1/stream?fields=", proxy=None) as raw:
            assert (await Client(raw).hello())["model"]["version"] == "v0001"

    lake = Lake(tmp_path / "lake")
    promote(lake, record_of(), "v0001")
    with started(f"lake={lake.root}") as (_, address):
        asyncio.run(scenario(address))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runtime.prt=1"], "prt is not a key here"),
        (["runtime.port=70000"], "runtime.port is 70000; it must be at most 65535"),
        (["runtime.host=0.0.0.0"], "which others can reach"),
        (["feed=nothing"], "nothing"),
        (["feed=dataset", "dataset.id=nothing"], "no dataset nothing"),
        (["source=dbn", "source.path=nothing", "source.tick_size=1"], "there is no such file"),
        (["version=v0009"], "has no version v0009"),
        (["+challengers.a={signal: nothing, threshold: 1}"], "nothing"),
        (["+challengers.a={signal: pfp}"], "challenger a: threshold must be given beside another signal"),
        (["+challengers.a={threshold: -1}"], "challengers.a.threshold is -1"),
        (["+challengers.a={parameters: {nothing: 1}}"], "challenger a: signal: nothing is not a key here"),
        (["+challengers.champion={threshold: 1}"], "one named champion"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    """With exit code 2."""
    assert_refused([f"lake={tmp_path}", *words], said, capsys, monkeypatch)


def test_a_signal_of_ones_own_is_served_where_the_configuration_names_its_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one line tells the key, and nothing is imported: neither a module of the user's nor one in the lake."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.delenv(OWN_FOLDER_VARIABLE, raising=False)
    lake = Lake(tmp_path / "lake")
    folder = promote(lake, record_of(), "v0001")
    (lake.root / "planted.py").write_text("raise AssertionError('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for target, words, said in (
        ("tests.promotion.recent_flow.recent_flow", [], "set runtime.signal_modules=[tests.promotion.recent_flow]"),
        ("lake.planted.signal", [], "lake.planted is not among the modules that data may name"),
        ("lake.planted.signal", ["runtime.signal_modules=[lake]"], "which holds data and no code"),
        # It may be imported, and then its parameters are not those of the record.
        (
            "tests.promotion.recent_flow.recent_flow",
            ["runtime.signal_modules=[tests.promotion]"],
            "has missing or unknown keys",
        ),
    ):
        rewritten(folder, {"signal_target": target})
        assert main(["runtime.port=0", f"lake={lake.root}", *words]) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert printed.err.count("\n") == 1


def test_what_is_promoted_for_other_instruments_is_named_once(tmp_path: Path) -> None:
    """Whoever has just promoted one sees why the server shows another."""
    lake = Lake(tmp_path / "lake")
    assert promoted_elsewhere(lake, ["SYN"]) == ""
    record = record_of()
    assert record.instrument is not None
    promote(lake, record, "v0001")
    assert promoted_elsewhere(lake, [record.instrument]) == ""
    assert promoted_elsewhere(lake, ["another"]).startswith(
        f"not served here: the lake has promoted v0001 of {record.instrument}, which takes a feed of that instrument, "
        "such as feed=dataset dataset.id=ID "
    )
    replace_file(instrument_folder(lake, record.instrument) / POINTER_FILE, "damaged")
    assert f"{record.instrument} (cannot be read: " in promoted_elsewhere(lake, ["another"])


def rewritten(folder: Path, change: dict[str, Any]) -> None:
    """Write the record of a bundle otherwise than it was promoted, with checksums that fit."""
    folder.chmod(0o755)
    record, sums = folder / RECORD_FILE, folder / CHECKSUMS_FILE
    for path in (record, sums):
        path.chmod(0o644)
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))
    sums.write_text(json.dumps({name: file_sha256(folder / name) for name in json.loads(sums.read_text())}))


def test_a_port_that_is_taken_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main([f"runtime.port={taken.getsockname()[1]}", f"lake={tmp_path}"]) == 2
    assert "choose another runtime.host or runtime.port" in capsys.readouterr().err


class _Terminal(io.StringIO):
    """Standard error of somebody who watches."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True


def test_whoever_watches_is_told_what_the_start_is_doing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each stage, in their order, down to the one that fails; elsewhere nothing but the error is said."""
    lake = Lake(tmp_path / "lake")
    promote(lake, record_of(), "v0001")
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main([f"runtime.port={taken.getsockname()[1]}", f"lake={lake.root}"]) == 2
    stages = [
        "opening the feed",
        "reading v0001 of SYN, and replaying its recorded slice",
        "compiling the lattice and the step of champion (",
        "cannot listen at 127.0.0.1",
    ]
    lines = terminal.getvalue().splitlines()
    assert len(lines) == len(stages)
    for line, stage in zip(lines, stages, strict=True):
        assert line.startswith("runtime: ")
        assert stage in line


def test_help_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the server, of each feed, and of each source."""
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for key in ("runtime.port", "runtime.max_clients", "feed.speed", "source.seed", "instrument"):
        assert re.search(rf"^  {re.escape(key)} ", printed, re.MULTILINE), key
