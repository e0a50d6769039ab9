"""How long bins are on their way, and what the server takes, with one feed and with four at 10 bins a second.

`python -m tests.benchmarks.bench_feeds [SECONDS]`. Each feed is the simulated market with a seed of its own and one
client that reads all columns; clients run in a process of their own. One feed is measured before and after four, since
the machine may have other work; then four are measured beside a fifth that is replayed as fast as it can be, and beside
a fifth with a model that takes longer than a bin. `SECONDS PART` measures only what has PART in its name.
"""

import json
import multiprocessing
import re
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.bench_stream import Received, client, memory_mb, seconds_of, started

START_SECONDS = 600.0
READY_BINS = 400
DEADLINE_MS = 100.0


def readers(address: str, queries: Sequence[str], seconds: float) -> list[Received]:
    """Run a client for each query in this process."""
    import asyncio  # noqa: PLC0415  # of the clients' process

    async def together() -> list[Received]:
        return await asyncio.gather(*(client(address, query, seconds) for query in queries))

    return asyncio.run(together())


def late_bins(address: str) -> dict[str, float]:
    """Return how many bins of each feed were closed too late, by the name of the feed."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    pattern = r'^vpharness_replay_late_bins_total(?:\{feed="(\w+)"\})? (\S+)$'
    return {name: float(count) for name, count in re.findall(pattern, text, re.MULTILINE)}


def wait_until_ready(address: str, names: Sequence[str]) -> None:
    """Wait until feeds can be relied on: the first bins of a process have code compiled that later ones find made."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with urllib.request.urlopen(f"http://{address}/v1/feeds", timeout=60) as answer:
            feeds = {each["name"] or "": each for each in json.load(answer)["feeds"]}
        if all(feeds[name]["bins"] > READY_BINS for name in names):
            return
        time.sleep(1.0)
    raise SystemExit(f"the feeds are not ready after {START_SECONDS:g} s")


def measured(what: str, read: Sequence[str], seconds: float, *words: str) -> None:
    """Print what the clients of some feeds see, all together and the worst of them."""
    process, address = started(*words)
    try:
        wait_until_ready(address, read)
        before, late_before = seconds_of(process.pid), late_bins(address)
        queries = [f"feed={name}" if name else "" for name in read]
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(readers, (address, queries, seconds))
        taken, late = (seconds_of(process.pid) - before) / seconds, late_bins(address)
        each_ms = [np.array(each.ms) for each in found]
        ms = np.concatenate(each_ms)
        p50, p99 = np.percentile(ms, [50, 99])
        worst = max(float(np.percentile(each, 99)) for each in each_ms)
        missed = sum(late[name] - late_before[name] for name in read)
        print(
            f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms (worst feed {worst:.1f}), max {ms.max():.1f} ms; {len(ms)} "
            f"bins, {(ms > DEADLINE_MS).sum()} read later than {DEADLINE_MS:g} ms, {missed:.0f} closed late, "
            f"{sum(each.missed for each in found)} left out; server {100 * taken:.0f} % of a core, "
            f"{100 * taken / len(read):.1f} % a feed read, {memory_mb(process.pid):.0f} MB",
            flush=True,
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main(seconds: float, part: str) -> None:
    """Measure one feed, four, one again, and four beside a fifth that takes what it can get."""
    names = ("a", "b", "c", "d")
    four = [f"feeds.{name}.source.seed={seed}" for seed, name in enumerate(names)]
    with tempfile.TemporaryDirectory() as folder:
        slow = Path(folder, "signal", "slow.yaml")
        slow.parent.mkdir()
        slow.write_text("_target_: tests.benchmarks.slow_signal.slow_signal\n", encoding="utf-8")
        slowly = ["--config-dir", folder, "+feeds.slow.challengers.slow={signal: slow, threshold: 0.5}"]
        for what, read, words in (
            ("one feed", ("",), []),
            ("four feeds", names, four),
            ("one feed again", ("",), []),
            ("four feeds beside one at full speed", names, [*four, "feeds.fast.feed.speed=max"]),
            ("four feeds beside a slow model", names, [*four, *slowly]),
        ):
            if part in what:
                measured(what, read, seconds, *words)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0, sys.argv[2] if len(sys.argv) > 2 else "")
