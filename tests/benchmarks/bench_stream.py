"""How long a bin is on its way from the feed to a client, with few clients and many, and what the server takes for it.

`python -m tests.benchmarks.bench_stream [SECONDS]`. Clients run in a process of their own, on the same machine. A bin's
time begins when the feed said that it could be closed: lattice, score, outcomes, encoding and sending are all in it.
"""

import asyncio
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect

PROJECT = Path(__file__).resolve().parents[2]
FIELDS = "spectrum_score"
CHECKPOINTS = (6_000, 12_000, 24_000, 36_000)


@dataclass(frozen=True)
class Received:
    """What some clients have received: ms on the way for each bin, bytes, and bins that were left out."""

    ms: list[float]
    size: int
    missed: int


async def client(address: str, query: str, seconds: float) -> Received:
    """Read the stream for a while, after its first messages."""
    ms: list[float] = []
    size = missed = 0
    async with connect(f"ws://{address}/v1/stream?{query}", max_size=None, max_queue=None, proxy=None) as socket:
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            message = await socket.recv()
            now_ns = time.time_ns()
            size += len(message)
            if isinstance(message, str) and message.startswith('{"type":"grid_update"'):
                update = json.loads(message)
                ms.append((now_ns - int(update["sent_ns"])) / 1e6 + update["late_ms"])
                missed += update["missed"]
    return Received(ms, size, missed)


def many(address: str, query: str, count: int, seconds: float) -> list[Received]:
    """Run clients in this process."""

    async def together() -> list[Received]:
        return await asyncio.gather(*(client(address, query, seconds) for _ in range(count)))

    return asyncio.run(together())


def started(*words: str) -> "tuple[subprocess.Popen[str], str]":
    """Start a server; return it and its address."""
    # All clients come from one address, and at once.
    limits = ["runtime.address_share=1", "runtime.requests_per_second=500"]
    command = [sys.executable, "-m", "runtime", "runtime.port=0", "lake=/nonexistent", *limits, *words]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
    line = process.stdout.readline() if process.stdout else ""
    found = re.search(r"http://(\S+)/", line)
    if found is None:
        raise SystemExit(f"the server did not start: {line}")
    return process, found[1]


def seconds_of(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else float("nan")


def latency(count: int, query: str, seconds: float) -> None:
    """Print what some clients see."""
    process, address = started()
    try:
        time.sleep(5)
        before = seconds_of(process.pid)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(many, (address, query, count, seconds))
        taken = (seconds_of(process.pid) - before) / seconds
        ms = np.concatenate([np.array(each.ms) for each in found])
        p50, p99, p999 = np.percentile(ms, [50, 99, 99.9])
        print(
            f"{count} clients, {query}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms, "
            f"max {ms.max():.1f} ms; "
            f"{len(ms)} bins, {sum(each.missed for each in found)} left out; "
            f"{sum(each.size for each in found) / len(ms):.0f} bytes a bin; server {100 * taken:.0f} % of a core, "
            f"{memory_mb(process.pid):.0f} MB",
            flush=True,
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def full_speed() -> None:
    """Print how memory and rate go over an hour of bins at full speed, with one client."""
    process, address = started("feed.speed=max")

    async def follow() -> None:
        begun, waiting = time.monotonic(), list(CHECKPOINTS)
        async with connect(f"ws://{address}/v1/stream?fields={FIELDS}", max_size=None, proxy=None) as socket:
            while waiting:
                message = await socket.recv()
                if not isinstance(message, str) or not message.startswith('{"type":"grid_update"'):
                    continue
                if json.loads(message)["seq"] >= waiting[0]:
                    bins, seconds = waiting.pop(0), time.monotonic() - begun
                    print(f"{bins} bins: {memory_mb(process.pid):.0f} MB, {bins / seconds:.0f} bins/s", flush=True)

    try:
        asyncio.run(follow())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    for clients, asked in ((1, ""), (20, f"fields={FIELDS}"), (200, f"fields={FIELDS}"), (20, "")):
        latency(clients, asked, length)
    full_speed()
