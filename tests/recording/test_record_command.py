"""The command `record`, as a user starts and ends it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from tests.events.recordings import ASKS, BIDS, coinbase, coinbase_snapshot
from tests.recording.stand_in import StandIn, exchange, send
from vpharness.commands.cli import main
from vpharness.commands.record import describe_recording
from vpharness.events.coinbase import CoinbaseSource
from vpharness.recording.exchange_recorder import RecorderProgress

PROJECT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0


async def orders(stand_in: StandIn, connection: ServerConnection) -> None:
    """Send orders for ever, ten a second or so."""
    sequence = 0
    while True:
        sequence += 1
        stand_in.book = coinbase_snapshot(sequence, sequence / 1000, BIDS, ASKS)
        fields = {"order_id": f"o{sequence}", "side": "buy", "price": "1", "remaining_size": "1"}
        await send(connection, coinbase("open", sequence, sequence / 1000, **fields))
        await asyncio.sleep(0.01)


async def record(folder: Path, *keys: str, number: signal.Signals | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command against a stand-in; send it a signal once it has asked for a snapshot and gone on."""
    async with asyncio.timeout(LIMIT_S), exchange(orders) as stand_in:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vpharness", "record", "source=coinbase", "source.symbol=BTC-USD"),
            *(f"folder={folder}", f"url={stand_in.url}", f"rest_url={stand_in.rest_url}", *keys),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_PROXY": "*"},
        )
        if number is not None:
            await stand_in.asked_again()
            await asyncio.sleep(0.5)
            process.send_signal(number)
        out, error = await process.communicate()
    return subprocess.CompletedProcess([], process.returncode or 0, out.decode(), error.decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_recording_with_a_whole_file(tmp_path: Path, number: signal.Signals) -> None:
    """It is the proper end: exit code 0, and the file's name on standard output."""
    ended = asyncio.run(record(tmp_path / "r", number=number))
    assert ended.returncode == 0, ended.stderr
    first, name = ended.stdout.splitlines()
    assert first.startswith("recorded ")
    assert first.endswith(" messages, 1 snapshots, 0 gaps")
    assert list((tmp_path / "r").iterdir()) == [Path(name)]
    with CoinbaseSource(name, 0.01).open() as stream:
        events = [event for chunk in stream.chunks for event in chunk]
    assert sum(event["action"] == ord("R") for event in events) == 1
    assert len(events) > 10


def test_a_recording_of_some_minutes_ends_by_itself(tmp_path: Path) -> None:
    """And its summary may be JSON, its files gzip."""
    ended = asyncio.run(record(tmp_path / "r", "minutes=0.02", "compression=gzip", "json=true"))
    told: dict[str, Any] = json.loads(ended.stdout)
    (name,) = told.pop("files")
    assert ended.returncode == 0
    assert (told["snapshots"], told["gaps"], told["connections"]) == (1, 0, 1)
    assert Path(name).read_bytes().startswith(b"\x1f\x8b")
    assert told["bytes_written"] == Path(name).stat().st_size


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (["source=kraken"], "only source=coinbase can be recorded"),
        ([], "source.symbol is None; expected the id of a product, such as BTC-USD"),
        (["source.symbol=BTC-USD", "source.path=x"], "source.path is a file to read; record writes new files"),
        (["source.symbol=BTC-USD", "url=file:///x"], "url is 'file:///x'; expected an address that begins with wss://"),
        (["source.symbol=BTC-USD", "rotate_mb=0"], "rotate_mb is 0; it must be at least 1"),
        (["source.symbol=BTC-USD", "compression=xz"], "compression is 'xz'; it must be one of zstd, gzip"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], keys: list[str], complaint: str
) -> None:
    """One line, and exit code 2."""
    assert main(["record", *keys]) == 2
    assert complaint in capsys.readouterr().err


def test_a_key_that_is_half_there_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts come from the environment alone."""
    monkeypatch.setenv("COINBASE_API_KEY", "k")
    assert main(["record", "source.symbol=BTC-USD"]) == 2
    assert "not set: COINBASE_API_SECRET, COINBASE_API_PASSPHRASE" in capsys.readouterr().err


def test_progress_in_words() -> None:
    """Gaps and further connections are said where there were any."""
    progress = RecorderProgress(messages=1234, snapshots=1, connections=1, bytes_written=3 << 19, state="recording")
    assert describe_recording(progress) == "recording: 1,234 messages, 1 snapshots, 1.5 MB"
    progress.gaps, progress.connections = 2, 3
    assert describe_recording(progress) == "recording: 1,234 messages, 1 snapshots, 2 gaps, 3 connections, 1.5 MB"
