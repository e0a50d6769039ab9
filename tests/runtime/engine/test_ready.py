"""Ready means right: in each way that a model can come to be served, what it says while ready is what the run says."""

import asyncio
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from jax import Array

from runtime.engine.models import served_model
from runtime.feeds.feed import NO_EVENTS, FeedStep
from runtime.stream.status import status
from tests.runtime.market import ScriptedFeed, steps_of
from tests.runtime.records import promote, record_lattice, record_of, with_radius
from tests.runtime.rollout.test_rollout import refusal, until_served
from tests.runtime.serving import PATIENCE_S, Client, Server, server
from tests.source_scorer import source_scorer
from vpharness.evaluation.fires import find_fires
from vpharness.events.synthetic import SyntheticSource
from vpharness.lattice.lattice_engine import advance
from vpharness.live import LiveSession
from vpharness.promotion.serving import PromotedRecord, live_model
from vpharness.signals import CHUNK_TOLERANCE, Clock, Grid, SignalParameters, digest, resolve, score, signal

TAUS: Final = {"tau_velocity": 0.1, "tau_acceleration": 0.2, "tau_jerk": 0.3, "tau_mass": 1.0}
SETTLING_BINS: Final = 74
"""Bins until accelerations, and the vacuum that is made of them, have settled: 0.2 s times 53 ln 2."""
AT_ONCE: Final = 200
"""Steps that are handed out before they are waited for: fewer bins than any ring keeps."""


@dataclasses.dataclass(frozen=True)
class Counting(SignalParameters):
    """No parameters but thresholds."""


@signal(columns=("bid_depth",))
def counting(time: Clock, grid: Grid, p: Counting) -> Array:  # a body has these arguments
    """How many bins there have been, which never forgets where they began."""
    return time.seen(grid.bid_depth[:, 0]).astype(float) / 1e6


@functools.lru_cache(maxsize=1)
def steps() -> list[FeedStep]:
    """Return three minutes of market as steps of a bin each."""
    with SyntheticSource(seed=9, minutes=3).open() as stream:
        return steps_of(np.concatenate(list(stream.chunks)))


def record(name: str = "svac", *, memory_bins: int | None = None, **parameters: Any) -> PromotedRecord:
    """Return a record on cells that remember a second of flow; its own memory is measured nowhere unless given."""
    plain = record_of(name, memory_bins=memory_bins)
    params = dataclasses.replace(resolve(plain.signal_target).parameters(), thresholds=[0.3], **parameters)
    return dataclasses.replace(
        plain,
        lattice={**plain.lattice, **TAUS},
        parameters=dataclasses.asdict(params),
        signal_digest=digest(resolve(plain.signal_target), params),
    )


def beginning_at(place: int, of: PromotedRecord) -> list[FeedStep]:
    """Return the steps from one on, as a feed that begins there has them: behind a snapshot of the book."""
    session = LiveSession(live_model(of), record_lattice(of))
    for step in steps()[:place]:
        session.take(step.events, step.complete_to_ns)
    first = steps()[place]
    events = np.concatenate([session.book(), first.events])
    return [FeedStep(events, first.complete_to_ns, "live"), *steps()[place + 1 :]]


@dataclasses.dataclass(frozen=True)
class RunBin:
    """What a run over all bins says of one."""

    score: float
    fire: int


_RUNS: dict[str, dict[int, RunBin]] = {}


def run_of(of: PromotedRecord) -> dict[int, RunBin]:
    """Return what a run over all bins says, by the end of a bin."""
    key = repr((of.signal_target, of.parameters, of.lattice))
    if key not in _RUNS:
        _RUNS[key] = _run_of(of)
    return _RUNS[key]


def _run_of(of: PromotedRecord) -> dict[int, RunBin]:
    state, blocks = advance(record_lattice(of), np.concatenate([step.events for step in steps()]))
    _, last = advance(state, NO_EVENTS, steps()[-1].complete_to_ns)
    blocks += last
    model = live_model(of)
    scorer = source_scorer(model)
    columns = {name: np.concatenate([block.column(name) for block in blocks]) for name in scorer.signal.columns}
    bins = np.concatenate([block.bins for block in blocks])
    scores = score(
        scorer.signal,
        scorer.params,
        columns,
        cell_width_ms=scorer.cell_width_ms,
        valid=bins["book_valid"],
        capacity=scorer.capacity,
    )
    (fires,) = find_fires(scores, model.thresholds, warmup_bins=model.warmup_bins, cooldown_bins=model.cooldown_bins)
    fired = dict(zip(fires.bins.tolist(), fires.directions.tolist(), strict=True))
    ends = bins["bin_end_ns"].tolist()
    return {end: RunBin(each, fired.get(place, 0)) for place, (end, each) in enumerate(zip(ends, scores, strict=True))}


async def shown(feed: ScriptedFeed, client: Client, some: Sequence[FeedStep]) -> list[dict[str, Any]]:
    """Hand out steps, and return the bins that a client is told of until the last one's."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(some), AT_ONCE):
        chunk = some[start : start + AT_ONCE]
        feed.put(*chunk)
        async with asyncio.timeout(PATIENCE_S):
            while not found or int(found[-1]["bin_end_ns"]) != chunk[-1].complete_to_ns:
                found += await client.some_bins()
    return found


async def until_it_follows(running: Server, feed: ScriptedFeed) -> None:
    """Wait until the engine has been told of what is to be served next, on a feed that says nothing."""

    def follows() -> bool:
        feed.nudge()
        pipeline = running.rollout._engine.pipelines.served
        return pipeline.coming is not None or running.stream.is_expecting

    await running.wait_until(follows)


async def until_told_what_comes(running: Server, feed: ScriptedFeed) -> None:
    """Wait until the status says what is getting ready, which it hears with the statistics, every second or so."""

    def is_told() -> bool:
        feed.nudge()
        return status(running.stream)["coming"] is not None

    await running.wait_until(is_told)


def assert_right(told: Sequence[dict[str, Any]], of: PromotedRecord, version: str, least: int) -> list[dict[str, Any]]:
    """Return the bins at which a version was ready; each of its scores there is the run's."""
    wanted = run_of(of)
    ready = [each for each in told if each["version"] == version and each["ready"]]
    assert len(ready) >= least
    for each in ready:
        score = wanted[int(each["bin_end_ns"])].score
        assert abs(each["score"] - score) <= CHUNK_TOLERANCE * max(1.0, abs(score)), each["bin_end_ns"]
    return ready


def forgets_after(of: PromotedRecord) -> int:
    """Return how many bins must have been shown from the beginning of a feed that begins inside of the first."""
    found = live_model(of).bins_to_ready
    assert found is not None
    return found - 1


RECURSIVE: Final[dict[str, Any]] = {"norm_alpha": 0.05}
"""An average that takes 717 bins to forget its beginning to the last digit."""


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a client is told by a server whose feed begins thirty seconds after the run's, counted as it is told."""
    of = record(**RECURSIVE)

    async def scenario() -> list[dict[str, Any]]:
        feed = ScriptedFeed()
        folder = tmp_path_factory.mktemp("restarted")
        async with server(folder, feed, of) as running, running.client("fields=") as client:
            await client.hello()
            told = await shown(feed, client, beginning_at(300, of)[:1250])
            counted = sum(each["ready"] or not each["book_valid"] for each in told[forgets_after(of) :])

            def is_counted() -> bool:
                feed.nudge()
                return bool(running.stream.statistics["champion"]["bins"] == counted)

            await running.wait_until(is_counted)
            figures = running.stream.statistics["champion"]
        assert (figures["warm"], figures["bins_to_go"]) == (True, 0)
        assert figures["n_fires"] == sum(each["fire"] != 0 for each in told)
        return told

    return asyncio.run(scenario())


def test_a_restarted_server_is_ready_once_cells_and_signal_have_forgotten_that_it_was(
    restarted: list[dict[str, Any]],
) -> None:
    """Before, its scores are others than the run's, it says so, and nothing fires or counts."""
    of, told = record(**RECURSIVE), restarted
    wanted = run_of(of)
    first = next(place for place, each in enumerate(told) if each["ready"])
    assert first == forgets_after(of) == SETTLING_BINS + 717 - 1
    assert_right(told, of, of.version, 400)
    before = told[:first]
    wrong = [each for each in before if abs(each["score"] - wanted[int(each["bin_end_ns"])].score) > CHUNK_TOLERANCE]
    assert len(wrong) > of.evaluation["warmup_bins"]
    assert not any(each["ready"] or each["fire"] or each["projection"] for each in before)
    assert any(wanted[int(each["bin_end_ns"])].fire for each in before)


def test_fires_are_the_run_s_from_the_first_pause_as_long_as_a_cooldown_on(restarted: list[dict[str, Any]]) -> None:
    """Or from the first fire on that both have: a fire of before, which may be another, still keeps its cooldown."""
    of = record(**RECURSIVE)
    wanted = run_of(of)
    told = assert_right(restarted, of, of.version, 400)
    pairs = [(each["fire"], wanted[int(each["bin_end_ns"])].fire) for each in told]
    same = next(place for place, (found, run) in enumerate(pairs) if found and found == run)
    assert all(found == run for found, run in pairs[same:])
    assert sum(found != 0 for found, _ in pairs[same:]) > 10


def test_a_feed_that_begins_anew_makes_the_model_begin_anew(tmp_path: Path) -> None:
    """It was ready, and is not until it has been shown as much again."""
    of = record(norm_alpha=0.5)

    async def scenario() -> list[dict[str, Any]]:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, of) as running, running.client("fields=&history=600") as client:
            await client.hello()
            first = await shown(feed, client, steps()[:200])
            assert first[-1]["ready"]
            anew = beginning_at(700, of)[:300]
            feed.put(
                dataclasses.replace(steps()[0], events=steps()[0].events[:0], complete_to_ns=None, state="restarted")
            )
            return await shown(feed, client, anew)

    told = asyncio.run(scenario())
    assert not any(each["ready"] for each in told[: forgets_after(of)])
    assert_right(told, of, of.version, 100)


@pytest.mark.parametrize(
    ("name", "parameters", "bins"),
    [
        pytest.param("svac", {"norm_alpha": 0.1}, 340, id="a long memory"),
        pytest.param("erd", {"zscore_window": 400}, 399, id="a window longer than the buffer", marks=pytest.mark.slow),
    ],
)
def test_a_buffer_too_short_for_a_model_has_it_follow_the_feed(
    tmp_path: Path, name: str, parameters: dict[str, Any], bins: int
) -> None:
    """What was served is served on for as long, and clients are told how many bins are missing."""
    old, new = record("msd"), record(name, **parameters)
    needed = forgets_after(new)
    assert needed >= bins > 300

    async def scenario() -> list[dict[str, Any]]:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, old, buffer_bins=300) as running, running.client("fields=") as client:
            await client.hello()
            told = await shown(feed, client, steps()[:100])
            promote(running.lake, new, "v0001")
            await until_it_follows(running, feed)
            told += await shown(feed, client, steps()[100 : needed - 1])
            assert running.stream.champion.record.version == old.version
            await until_told_what_comes(running, feed)
            assert status(running.stream)["coming"]["version"] == "v0001"
            return told + await shown(feed, client, steps()[needed - 1 : needed + 150])

    told = asyncio.run(scenario())
    version_at = [each["version"] for each in told]
    switched = version_at.index("v0001")
    assert switched in (needed, needed + 1)
    assert set(version_at[switched:]) == {"v0001"}
    assert all(each["ready"] for each in told[switched:] if each["book_valid"])
    assert_right(told, old, old.version, 300)
    assert_right(told, new, "v0001", 140)


async def told_over_a_switch(
    folder: Path, old: PromotedRecord, new: PromotedRecord, *, buffer_bins: int, at: int, end: int
) -> list[dict[str, Any]]:
    """Return what is told of the bins before `end` where another model is promoted, and served, at bin `at`."""
    feed = ScriptedFeed()
    async with server(folder, feed, old, buffer_bins=buffer_bins) as running, running.client("fields=") as client:
        await client.hello()
        told = await shown(feed, client, steps()[:at])
        promote(running.lake, new, "v0001")
        await until_served(running, feed, "v0001")
        return told + await shown(feed, client, steps()[at:end])


def test_a_buffer_that_is_long_enough_has_the_model_ready_at_once(tmp_path: Path) -> None:
    """It is shown the bins of the buffer, from the first one on."""
    old, new = record("msd"), record(norm_alpha=0.1)

    told = asyncio.run(told_over_a_switch(tmp_path, old, new, buffer_bins=700, at=450, end=560))
    assert [each["version"] for each in told].index("v0001") == 450
    assert_right(told, new, "v0001", 100)


def test_a_buffer_that_has_lost_the_beginning_is_enough_where_it_holds_what_the_model_remembers(tmp_path: Path) -> None:
    """Cells have settled long before, so that all of its bins count."""
    old, new = record("msd"), record("erd", zscore_window=300)

    told = asyncio.run(told_over_a_switch(tmp_path, old, new, buffer_bins=500, at=560, end=660))
    assert [each["version"] for each in told].index("v0001") == 560
    assert_right(told, new, "v0001", 90)


def test_another_lattice_is_served_once_its_cells_and_its_signal_have_forgotten_when_it_joined(tmp_path: Path) -> None:
    """A lattice that joins knows the book at once, and what flowed before only once that has decayed."""
    old, new = record("msd"), with_radius(record(norm_alpha=0.2), 12)
    new = dataclasses.replace(new, lattice={**new.lattice, "tau_acceleration": 0.4})

    async def scenario() -> list[dict[str, Any]]:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, old) as running, running.client("fields=&history=600") as client:
            await client.hello()
            told = await shown(feed, client, steps()[:300])
            promote(running.lake, new, "v0001")
            await until_it_follows(running, feed)
            return told + await shown(feed, client, steps()[300:750])

    told = asyncio.run(scenario())
    joined = [each for each in told if each["version"] == "v0001"]
    assert not any(each["ready"] for each in joined[: forgets_after(new)])
    assert_right(told, new, "v0001", 100)
    assert_right(told, old, old.version, 290)


def test_a_shadow_says_of_each_bin_whether_it_is_ready(tmp_path: Path) -> None:
    """Its memory follows from its own parameters, whatever was measured of the champion."""

    def is_scored(running: Server, feed: ScriptedFeed) -> bool:
        feed.nudge()
        return bool(running.stream.shadow_models)

    of = record(memory_bins=30, norm_alpha=0.5)
    other = record(norm_alpha=0.1)

    async def scenario() -> list[dict[str, Any]]:
        feed = ScriptedFeed()
        shadow = "fields=&signal.norm_alpha=0.1"
        async with server(tmp_path, feed, of) as running, running.client(shadow) as client:
            await client.hello()
            await running.wait_until(lambda: is_scored(running, feed))
            return await shown(feed, client, beginning_at(300, of)[:600])

    told = asyncio.run(scenario())
    wanted = run_of(other)
    ready = [each for each in told if each.get("shadow", {}).get("ready")]
    assert 150 < len(ready) < len(told) - 350
    for each in ready:
        assert abs(each["shadow"]["score"] - wanted[int(each["bin_end_ns"])].score) <= 1e-9
    assert sum(each["ready"] for each in told) > len(ready) + 200
    assert not any(each["shadow"]["fire"] for each in told if "shadow" in each and not each["shadow"]["ready"])


def test_a_signal_that_counts_bins_for_ever_is_never_ready_and_not_gone_over_to(tmp_path: Path) -> None:
    """It would have other scores than the run at every bin."""
    target = f"{__name__}.counting"
    params = Counting(thresholds=[0.3])
    values: dict[str, Any] = {
        "signal_target": target,
        "parameters": dataclasses.asdict(params),
        "signal_digest": digest(counting, params),
        "memory_bins": None,
    }

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, record("msd")) as running:
            feed.put(*steps()[:50])
            promote(running.lake, record_of(**values), "v0001")
            assert "counting, never forgets where its feed began" in await refusal(running, "v0001")

    asyncio.run(scenario())
    assert served_model(record_of(**values)).live.bins_to_ready is None
