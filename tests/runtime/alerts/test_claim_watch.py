"""A change of what may be claimed is kept, told, measured, and acted on where that is wanted; nothing else is."""

import asyncio
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runtime.alerts.webhook import Receiver
from runtime.engine.bridge import StatisticsUpdated
from runtime.stream.live_stream import LiveStream
from runtime.web.metrics import metrics_text
from tests.runtime.alerts.receiver import SECRET, LoopbackReceiver, receiver
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.records import promote, record_of
from tests.runtime.rollout.test_rollout import until_served
from tests.runtime.serving import PATIENCE_S, Server, server
from vpharness.commands.promoted_versions import run_history
from vpharness.datasets.lake import Lake
from vpharness.promotion.pointer import ROLLED_BACK, HistoryEntry, history
from vpharness.promotion.verdicts import verdicts


def figures(says: str, version: str, *, n_blocks: int = 48, covers: str = "covers as stated") -> dict[str, Any]:
    """Return the statistics of a champion of which something is claimed."""
    coverage: dict[str, Any] = {"n": [700, 700], "pinball": [0.2, 0.4]}
    for name in ("50", "90"):
        coverage |= {f"coverage_{name}": [0.6, 0.7], f"coverage_{name}_says": [covers, "too early"]}
        coverage |= {f"coverage_{name}_low": [0.5, math.nan], f"coverage_{name}_high": [0.7, math.nan]}
    claim = {"says": says, "version": version, "mean": 0.4, "low": 0.1, "high": 0.7, "n_blocks": n_blocks}
    claim |= {"block_s": 16, "promised_low": 1.0, "promised_high": 1.5, "since_ns": "7"}
    counts = dict.fromkeys(("n_fires", "n_tp", "n_sl", "n_timeout"), 0)
    return {**counts, "claim": claim, "projection": coverage, "warm": True, "bins_to_go": 0}


def say(stream: LiveStream, says: str, version: str, **more: Any) -> None:
    """Let the engine say something of the champion."""
    stream.handle(StatisticsUpdated({"champion": figures(says, version, **more)}, None))


async def two_versions(running: Server, feed: ScriptedFeed) -> None:
    """Promote one version after another."""
    await some_bins(running, feed)
    for version in ("v0001", "v0002"):
        promote(running.lake, record_of(), version)
        await until_served(running, feed, version)


async def some_bins(running: Server, feed: ScriptedFeed) -> None:
    """Let enough bins come for a new version to be ready at once."""
    feed.put(*steps_of(minute())[:60])
    await running.wait_until(lambda: running.stream.ring.next_seq >= 59)


def entries(lake: Lake) -> list[HistoryEntry]:
    """Return the history."""
    return history(lake, "SYN")


async def notice(to: LoopbackReceiver, **wanted: str) -> dict[str, Any]:
    """Return the next notice with some values; of the claims that the engine makes itself others may come before."""
    while True:
        found = await asyncio.to_thread(to.received.get, True, PATIENCE_S)
        body: dict[str, Any] = json.loads(found.body)
        if wanted.items() <= body.items():
            return body


def test_changes_are_told_and_kept_and_change_nothing_that_is_served(tmp_path: Path) -> None:
    """By default: a verdict beside the history, a notice for each change, and the same model goes on."""

    async def scenario(to: LoopbackReceiver) -> None:
        feed = ScriptedFeed()
        hook = Receiver("http", "127.0.0.1", to.port, "/", SECRET.encode())
        async with server(tmp_path, feed, receiver=hook) as running:
            await two_versions(running, feed)
            say(running.stream, "as promised", "v0002")
            assert (await notice(to, claim="net"))["says"] == "as promised"
            covers = await notice(to, claim="coverage", interval="90", says="covers as stated")
            assert (covers["horizon_bins"], covers["version"], covers["mean"]) == (1, "v0002", 0.6)
            for blocks in (49, 50):
                say(running.stream, "as promised", "v0002", n_blocks=blocks)  # nothing has changed
            say(running.stream, "worse than promised", "v0002", n_blocks=60)
            worse = await notice(to, claim="net")
            assert (worse["says"], worse["before"], worse["version"]) == ("worse than promised", "as promised", "v0002")
            assert (worse["mean"], worse["low"], worse["high"], worse["n"]) == (0.4, 0.1, 0.7, 60)
            assert (worse["type"], worse["instrument"], worse["model"], worse["live"]) == (
                "claim",
                "SYN",
                "champion",
                False,
            )
            await running.wait_until(lambda: len(verdicts(running.lake, "SYN")) == 2)
            assert running.stream.champion.record.version == "v0002"
            assert len(entries(running.lake)) == 2

    with receiver() as to:
        asyncio.run(scenario(to))
    kept = verdicts(Lake(tmp_path), "SYN")
    assert [(each.version, each.says, each.n_blocks) for each in kept] == [
        ("v0002", "as promised", 48),
        ("v0002", "worse than promised", 60),
    ]


def test_the_log_has_each_finding_on_a_band_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A band whose coverage is near its bound crosses it many times; what is said of the net result is logged anew."""
    nets, covers = ("as promised", "worse than promised"), ("covers less than stated", "covers as stated")
    lines: list[str] = []

    def has_said(text: str, times: int) -> bool:
        lines.extend(capsys.readouterr().out.splitlines())
        return sum(f"(v0002): {text}" in line for line in lines) == times

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            await two_versions(running, feed)
            for turn in range(4):
                net, times = nets[turn % 2], turn // 2 + 1
                say(running.stream, net, "v0002", covers=covers[turn % 2])
                await running.wait_until(partial(has_said, net, times))

    asyncio.run(scenario())
    band = [line for line in lines if "50 % band" in line and "v0002" in line]
    assert [line.split(": ")[-1].split(",")[0] for line in band] == list(covers)


def test_the_history_shows_the_last_verdict_of_each_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And as JSON beside each entry."""
    from vpharness.api import compose  # noqa: PLC0415  # the command's configuration

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed) as running:
            await two_versions(running, feed)
            say(running.stream, "as promised", "v0002")
            await running.wait_until(lambda: bool(verdicts(running.lake, "SYN")))

    asyncio.run(scenario())
    for as_json in (True, False):
        capsys.readouterr()
        run_history(compose([f"lake={tmp_path}", f"json={as_json}"], command="promote history"))
        text = capsys.readouterr().out
        if as_json:
            first, second = json.loads(text)["SYN"]
            assert (first["live"], second["live"]["says"], second["reason"]) == (None, "as promised", None)
        else:
            assert "as promised: +0.40 (+0.10 to +0.70) ticks" in " ".join(text.split())


@pytest.mark.parametrize("says", ["worse than promised", "worth nothing"])
def test_a_version_that_drifts_is_rolled_back_once_where_that_is_wanted(
    tmp_path: Path, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason in the history; what was gone back to stays, whatever is claimed of it."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, on_drift="rollback") as running:
            await two_versions(running, feed)
            say(running.stream, "as promised", "v0002")
            say(running.stream, says, "v0002")
            await running.wait_until(lambda: len(entries(running.lake)) == 3)
            await until_served(running, feed, "v0001")
            say(running.stream, says, "v0001")
            out = ""

            def is_said() -> bool:
                nonlocal out
                out += capsys.readouterr().out
                return "cannot roll back v0001: SYN serves v0001 since a rollback" in out

            await running.wait_until(is_said)

    asyncio.run(scenario())
    *_, last = entries(Lake(tmp_path))
    assert (last.number, last.action, last.version, last.before) == (3, ROLLED_BACK, "v0001", "v0002")
    assert last.reason == f"v0002 is {says}: +0.40, at most +0.70 ticks a fire, on 48 blocks"


def test_a_first_version_is_never_rolled_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing before it: that is said, and it stays."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, on_drift="rollback") as running:
            await some_bins(running, feed)
            promote(running.lake, record_of(), "v0001")
            await until_served(running, feed, "v0001")
            say(running.stream, "worth nothing", "v0001")
            await running.wait_until(lambda: "there is none before it" in capsys.readouterr().out)
            assert running.stream.champion.record.version == "v0001"

    asyncio.run(scenario())
    assert len(entries(Lake(tmp_path))) == 1


def test_claims_are_gauges(tmp_path: Path) -> None:
    """With the words that an alert rule asks for, the ends that hold, and NaN for what is not known."""

    async def scenario() -> str:
        async with server(tmp_path) as running:
            say(running.stream, "worse than promised", "v0000")
            return metrics_text(running.app.ctx.registry)

    text = asyncio.run(scenario())
    for line in (
        'vpharness_claim{claim="worse than promised",model="champion"} 1.0',
        'vpharness_claim_ticks{end="high",model="champion"} 0.7',
        'vpharness_claim_blocks{model="champion"} 48.0',
        'vpharness_coverage{end="low",horizon_bins="1",interval="90"} 0.5',
        'vpharness_coverage{end="low",horizon_bins="4",interval="90"} NaN',
        'vpharness_notices_total{outcome="sent"} 0.0',
    ):
        assert line in text.splitlines(), line
