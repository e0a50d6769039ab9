"""A minute of fifty clients, good, slow, rude and gone: the long proof that none of them matters to another."""

import asyncio
import contextlib
import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.runtime.records import promote, record_of, with_radius
from tests.runtime.test_serve import started
from vpharness.datasets.lake import Lake

SECONDS = 60
UNLIKE_OTHERS: dict[str, Any] = {"max_size": None, "proxy": None, "open_timeout": 30, "close_timeout": 0.1}
GOOD, SLOW, STOPPED, RUDE, VANISHING = 20, 10, 8, 6, 6


def memory_mb(pid: int | str) -> float:
    """Return the resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


async def read(socket: ClientConnection, until: float, pause: float = 0.0) -> list[dict[str, Any]]:
    """Read bins until a time, resting after each message."""
    found: list[dict[str, Any]] = []
    clock = asyncio.get_running_loop().time
    while clock() < until:
        message = await socket.recv()
        if isinstance(message, str) and (read := json.loads(message))["type"] in {"grid_update", "runtime_config"}:
            found.append(read)
        if pause:
            await asyncio.sleep(pause)
    return found


async def good(address: str, until: float) -> list[dict[str, Any]]:
    """Read everything as it comes."""
    async with connect(f"ws://{address}/v1/stream?fields=v_add", max_size=None, proxy=None) as socket:
        return await read(socket, until)


async def slow(address: str, until: float) -> list[dict[str, Any]]:
    """Read all columns, a third of a second each."""
    async with connect(f"ws://{address}/v1/stream", ping_interval=None, **UNLIKE_OTHERS) as socket:
        return await read(socket, until, 0.3)


async def stopped(address: str, until: float) -> None:
    """Read nothing after the first message."""
    async with connect(f"ws://{address}/v1/stream", ping_interval=None, **UNLIKE_OTHERS) as socket:
        await socket.recv()
        socket.transport.pause_reading()
        await asyncio.sleep(until - asyncio.get_running_loop().time())


async def rude(address: str, until: float, seed: int) -> None:
    """Send rubbish, ask for nonsense, and come back again and again."""
    rng = random.Random(seed)  # noqa: S311  # which rubbish does not matter
    while asyncio.get_running_loop().time() < until:
        query = rng.choice(
            ["fields=" + "x" * 3_000, "history=-1", "signal.nothing=%00", "fields=", "fields=&history=50"]
        )
        with contextlib.suppress(WebSocketException, OSError):
            async with connect(f"ws://{address}/v1/stream?{query}", proxy=None, close_timeout=0.1) as socket:
                for _ in range(100):
                    await socket.send(rng.randbytes(rng.randrange(2_000)))
        await asyncio.sleep(0.2)


async def vanishing(address: str, until: float, seed: int) -> None:
    """Come, read a little, and be gone without a word."""
    rng = random.Random(seed)  # noqa: S311  # when does not matter
    while asyncio.get_running_loop().time() < until:
        async with connect(f"ws://{address}/v1/stream?fields=v_add&history=100", **UNLIKE_OTHERS) as socket:
            for _ in range(rng.randrange(1, 30)):
                await socket.recv()
            socket.transport.abort()
        await asyncio.sleep(0.1)


def assert_no_gap(found: list[dict[str, Any]]) -> None:
    """Every bin follows the one before, but where another lattice begins."""
    lattices = 1
    for before, after in itertools.pairwise(found):
        if after["type"] == "runtime_config":
            lattices += after["reset"]
        elif before["type"] == "grid_update":
            assert (after["seq"], after["missed"]) == (before["seq"] + 1, 0)
    assert lattices == 2
    assert sum(each["type"] == "grid_update" for each in found) > 5 * SECONDS


@pytest.mark.slow
def test_fifty_clients_for_a_minute(tmp_path: Path) -> None:
    """Good ones have no gap, through two promotions, one to another lattice; memory is bounded; nothing is logged."""
    lake = Lake(tmp_path / "lake")
    promote(lake, record_of(), "v0001")

    async def scenario(address: str, pid: int) -> tuple[list[list[dict[str, Any]]], float]:
        until = asyncio.get_running_loop().time() + SECONDS
        tasks = [asyncio.create_task(good(address, until)) for _ in range(GOOD)]
        others = [
            *(slow(address, until) for _ in range(SLOW)),
            *(stopped(address, until) for _ in range(STOPPED)),
            *(rude(address, until, seed) for seed in range(RUDE)),
            *(vanishing(address, until, seed) for seed in range(VANISHING)),
        ]
        rest = [asyncio.create_task(each) for each in others]
        await asyncio.sleep(SECONDS / 3)
        before = memory_mb(pid)
        await asyncio.to_thread(promote, lake, record_of("msd", threshold=50.0), "v0002")
        await asyncio.sleep(SECONDS / 6)
        await asyncio.to_thread(promote, lake, with_radius(record_of(), 15), "v0003")
        found = await asyncio.gather(*tasks)
        await asyncio.gather(*rest)
        return found, memory_mb(pid) - before

    # All of them come from one address.
    limits = ("runtime.address_share=1", "runtime.requests_per_second=500")
    words = (f"lake={lake.root}", "runtime.buffer_bins=600", "runtime.send_timeout_s=20", *limits)
    with started(*words) as (process, address):
        found, grown = asyncio.run(scenario(address, process.pid))
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    for each in found:
        assert_no_gap(each)
        versions = list(dict.fromkeys(one["version"] for one in each if one["type"] == "grid_update"))
        assert versions == ["v0001", "v0002", "v0003"]
    print(f"memory grew by {grown:.0f} MB")
    assert grown < 250
