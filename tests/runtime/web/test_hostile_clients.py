"""Hostile clients against a real server at 100 ms bins: no deadline is missed, and no honest client refused or late.

The machine may be busy with other work. So each attack is compared with a time before it, in which as much is computed
but nobody attacks, and is tried again where it was no better than the machine let it be.
"""

import asyncio
import json
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.runtime.test_serve import PROJECT, started
from tests.runtime.test_soak import memory_mb
from tests.runtime.web.hostile import KINDS

BIN_MS = 100.0
STREAMS = 4
FLOODS = ("pings", "pongs", "texts", "binaries", "fragments")
OTHERS = ("shadows", "connects", "half_open", "non_readers", "histories", "requests", "what_ifs")
WAVES = ((*FLOODS, "non_readers", "shadows"), ("histories", "connects", "half_open", "requests"))
MIX = 2
"""Seed of the mix of clients that is tried by default; slow proofs try a dozen."""
NOBODY = ("spin",)
PROCESSORS_USED = 2
"""What an attack takes beside the server: the attackers' own work, and that of the network."""

ROUNDS = 3
PATIENCE_S = 30.0
"""How long the first bin is waited for."""


def mix(seed: int) -> tuple[str, ...]:
    """Return some kinds of clients, several of one kind perhaps, side by side."""
    chance = random.Random(seed)  # noqa: S311  # which they are matters to nobody's safety
    kinds = [chance.choice((*FLOODS, *OTHERS)) for _ in range(chance.randint(3, 8))]
    return tuple(f"{kind}:{place}" for place, kind in enumerate(kinds))


@dataclass
class Seen:
    """What honest clients have seen: ms from when a bin could be closed until it was read, and what went wrong."""

    bins_ms: list[float] = field(default_factory=list)
    opening_ms: list[float] = field(default_factory=list)
    promotion_ms: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    deadlines: float = 0.0
    memory_mb: float = 0.0
    attacks: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def late(self) -> int:
        """How many bins were read later than a bin's width after they could be closed."""
        return sum(each > BIN_MS for each in self.bins_ms)

    def is_no_worse(self, others: "Sequence[Seen]") -> bool:
        """Whether no deadline was missed and nothing was late, or no larger a part than at some time of the others."""
        bins = len(self.bins_ms)
        return self.deadlines / bins <= max(each.deadlines / len(each.bins_ms) for each in others) and (
            self.late / bins <= max(each.late / len(each.bins_ms) for each in others)
        )

    def __str__(self) -> str:
        """Return the figures in one line."""
        ms = np.array(self.bins_ms)
        return (
            f"{self.deadlines:.0f} deadlines missed, {self.late} of {len(ms)} bins late, p50 {np.median(ms):.0f} ms, "
            f"p99 {np.percentile(ms, 99):.0f} ms, longest {ms.max():.0f} ms; opening {max(self.opening_ms):.0f} ms, "
            f"/v1/promotion {max(self.promotion_ms):.0f} ms at most; {self.memory_mb:.0f} MB"
        )


def get(address: str, path: str) -> str:
    """Ask over HTTP."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:  # loopback
        return str(answer.read().decode())


def figure(address: str, name: str) -> float:
    """Return a figure of the server's."""
    found = re.search(rf"^vpharness_{name} (\S+)$", get(address, "/metrics"), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


async def follow(address: str, until: float, seen: Seen) -> None:
    """Read a stream."""
    last: int | None = None
    async with connect(f"ws://{address}/v1/stream?fields=v_add", max_size=None, proxy=None) as socket:
        # A machine that is busy with other work may let nothing through for seconds, of which nothing can be said.
        while time.monotonic() < until or (last is None and time.monotonic() < until + PATIENCE_S):
            message = await socket.recv()
            now_ns = time.time_ns()
            if not isinstance(message, str) or not message.startswith('{"type":"grid_update"'):
                continue
            bin_ = json.loads(message)
            seen.bins_ms.append((now_ns - int(bin_["sent_ns"])) / 1e6 + bin_["late_ms"])
            if last is not None and bin_["seq"] != last + 1:
                seen.wrong.append(f"{bin_['seq']} follows {last}")
            last = bin_["seq"]


async def come_and_go(address: str, until: float, seen: Seen) -> None:
    """Open a stream every now and then."""
    while time.monotonic() < until:
        begun = time.monotonic()
        async with connect(f"ws://{address}/v1/stream?fields=", max_size=None, proxy=None, close_timeout=1) as socket:
            first: dict[str, Any] = json.loads(await socket.recv())
        seen.opening_ms.append(1000 * (time.monotonic() - begun))
        if first["type"] != "runtime_config":
            seen.wrong.append(str(first))
        await asyncio.sleep(0.6)


async def ask_again(address: str, until: float, seen: Seen) -> None:
    """Ask for what has been promoted every now and then."""
    while time.monotonic() < until:
        begun = time.monotonic()
        await asyncio.to_thread(get, address, "/v1/promotion")
        seen.promotion_ms.append(1000 * (time.monotonic() - begun))
        await asyncio.sleep(0.6)


async def attacked(address: str, pid: int, kinds: Sequence[str], seconds: float) -> Seen:
    """Return what honest clients see while others do their worst."""
    seen, missed = Seen(), figure(address, "replay_late_bins_total")
    command = [sys.executable, "-m", "tests.runtime.web.hostile", address, str(seconds), *kinds]
    processes = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
        for _ in range(PROCESSORS_USED if kinds == NOBODY else 1)
    ]
    try:
        until = time.monotonic() + seconds + 0.5
        honest = [come_and_go(address, until, seen), ask_again(address, until, seen)]
        honest += [follow(address, until, seen) for _ in range(STREAMS)]
        for problem in await asyncio.gather(*honest, return_exceptions=True):
            if problem is not None:
                seen.wrong.append(repr(problem))
        for process in processes:
            said, _ = await asyncio.to_thread(process.communicate, timeout=60)
            seen.attacks = json.loads(said)
    finally:
        for process in processes:
            process.kill()
    seen.deadlines = figure(address, "replay_late_bins_total") - missed
    seen.memory_mb = memory_mb(pid)
    return seen


def verified_record(address: str, pid: int, kinds: Sequence[str], seconds: float) -> Seen:
    """Return what was seen of an attack, once it was no worse than the times around it."""
    quiet = [asyncio.run(attacked(address, pid, NOBODY, seconds / 2))]
    for _ in range(ROUNDS):
        seen = asyncio.run(attacked(address, pid, kinds, seconds))
        print(f"{', '.join(kinds)}: {seen}; {seen.attacks}; before: {quiet[-1]}")
        assert not seen.wrong
        if seen.is_no_worse(quiet):
            return seen
        quiet.append(asyncio.run(attacked(address, pid, NOBODY, seconds / 2)))
        if seen.is_no_worse(quiet):
            return seen
    raise AssertionError(f"{ROUNDS} times {', '.join(kinds)}: {seen}; around: {quiet[-1]}")


def bound_mb(address: str) -> float:
    """Return what the server says that it needs at most."""
    parts = re.findall(r"^vpharness_memory_bound_bytes\{.*\} (\S+)$", get(address, "/metrics"), re.MULTILINE)
    return sum(map(float, parts)) / 1e6


def test_no_hostile_client_is_heard_by_the_feed_or_by_honest_ones(tmp_path: Path) -> None:
    """Whoever floods is cut off, memory stays below its bound, and the server stops when told to.

    That no deadline is missed holds for any mix of clients: one that is drawn is tried beside the given ones.
    """
    with started(f"lake={tmp_path}") as (process, address):
        for kinds in (*WAVES, mix(MIX)):
            seen = verified_record(address, process.pid, kinds, 1.5)
            assert kinds not in WAVES or all(sum(seen.attacks[kind].values()) for kind in kinds)
        cut = get(address, "/metrics")
        for cause in ("connection", "frames"):
            assert re.search(rf'^vpharness_cut_total\{{cause="{cause}"\}} [1-9]', cut, re.MULTILINE)
        assert seen.memory_mb < bound_mb(address)
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.slow
def test_many_mixes_of_clients_for_longer(tmp_path: Path) -> None:
    """A dozen, drawn by seed, ten seconds each on one server: what one has left behind does not add up."""
    with started(f"lake={tmp_path}") as (process, address):
        for seed in range(10, 22):
            seen = verified_record(address, process.pid, mix(seed), 10.0)
            assert seen.memory_mb < bound_mb(address)
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [*((kind,) for kind in (*FLOODS, *OTHERS)), (*FLOODS, *OTHERS)], ids=",".join)
def test_each_kind_alone_and_all_together_for_longer(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """Twenty seconds alone, and a minute together."""
    assert set(KINDS) == {*FLOODS, *OTHERS, "spin"}
    with started(f"lake={tmp_path}") as (process, address):
        seen = verified_record(address, process.pid, kinds, 20.0 if len(kinds) == 1 else 60.0)
        assert seen.memory_mb < bound_mb(address)
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
