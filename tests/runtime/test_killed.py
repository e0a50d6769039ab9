"""A server that is killed at any moment leaves nothing that keeps the next one from serving."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from runtime.feeds.recording_feed import read_steps
from tests.runtime.market import batch
from tests.runtime.records import promote, record_of
from tests.runtime.test_serve import started
from vpharness.datasets.lake import Lake

ROUNDS = 8


async def read_until_it_is_gone(address: str, seconds: float, kill: Any) -> list[dict[str, Any]]:
    """Read bins, kill the server after a while, and return what came before."""
    found: list[dict[str, Any]] = []
    async with connect(f"ws://{address}/v1/stream?fields=&history=600", proxy=None, close_timeout=0.1) as socket:
        asyncio.get_running_loop().call_later(seconds, kill)
        try:
            while True:
                message = json.loads(await socket.recv())
                found += message["updates"] if message["type"] == "grid_history" else []
                found += [message] if message["type"] == "grid_update" else []
        except ConnectionClosed:
            return found


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_a_recording_of_what_it_served(tmp_path: Path) -> None:
    """But for the last second; the bins of the recording are those that were served, and the next server serves."""
    rng, lake = random.Random(7), Lake(tmp_path / "lake")  # noqa: S311  # when does not matter
    record = record_of()
    promote(lake, record, "v0001")
    for number in range(ROUNDS):
        folder = tmp_path / f"recording-{number}"
        words = (f"lake={lake.root}", f"record={folder}", "feed.speed=5")
        with started(*words) as (process, address):
            served = asyncio.run(read_until_it_is_gone(address, rng.uniform(1.5, 6.0), process.kill))
        (path,) = folder.iterdir()
        again = {int(each.row["bin_seq"][0]): each for each in batch(record, [step for _, step in read_steps(path)])}
        both = [each for each in served if each["bin_seq"] in again]
        assert served
        assert len(both) >= len(served) - 75, (len(both), len(served))
        for one in both:
            other = again[one["bin_seq"]]
            assert int(one["bin_end_ns"]) == other.row["bin_end_ns"][0]
            assert one["score"] == other.score
