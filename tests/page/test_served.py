"""The page on the server itself: what a recorded feed gives is what is drawn, and promotions and restarts are seen."""

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.feeds.feed import FeedContext, FeedStep
from runtime.feeds.feed_recorder import recorded
from runtime.feeds.recording_feed import RecordingReplayParameters
from tests.page.chromium import Tab
from tests.page.test_picture import places, readout
from tests.page.test_use import STATE
from tests.runtime.market import LATTICE, ScriptedFeed, batch, minute, steps_of
from tests.runtime.records import promote, record_of
from tests.runtime.serving import server
from vpharness.live import ScoredBin
from vpharness.prices import PRICE_SCALE

STEPS = steps_of(minute())[:200]
TICK_SIZE = 0.25
UNSHOWN = 1e-4
"""What is smaller reads 0.0000: nobody reads an exponent."""
FIELDS = ("spectrum_score", "pressure_variant", "vacuum_variant", "bid_depth", "ask_depth", "v_add", "v_pull", "v_fill")


def record_feed(folder: Path) -> Path:
    """Record the feed, and return the recording."""
    feed, stop = ScriptedFeed(), threading.Event()
    feed.put(*STEPS)
    with recorded(feed, folder, limit_mb=100) as recorder:
        steps = recorder.steps(stop)
        for _ in STEPS:
            next(steps)
    (path,) = folder.iterdir()
    return path


def replay_of(path: Path) -> Any:
    """Return the feed of a recording, as fast as it goes."""
    return RecordingReplayParameters(path=str(path), speed="max").open(FeedContext(100))


def steps_in(path: Path) -> list[FeedStep]:
    """Return the steps of a recording."""
    with replay_of(path) as feed:
        return list(feed.steps(threading.Event()))


def look_at(tab: Tab, port: int, last: int, query: str = "") -> None:
    """Open the page of a server, and wait until it shows a bin."""
    tab.open(f"http://127.0.0.1:{port}/?theme=dark&{query}")
    see(tab, last)


def see(tab: Tab, last: int) -> None:
    """Wait until the page shows a bin."""
    tab.wait(f"window.vpharness && vpharness.bins().last === {last}")
    tab.settle()


class Beside:
    """What a scenario asks the browser to do: Playwright is driven from the thread that started it alone."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._asked: queue.SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = queue.SimpleQueue()

    async def __call__(self, look: Callable[..., None], *args: Any) -> None:
        """Drive the browser in its own thread, while the server goes on in this one."""
        done: Future[None] = Future()
        self._asked.put((done, partial(look, *args)))
        await asyncio.wrap_future(done)

    def run(self, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a scenario in a thread of its own, and here what it asks the browser to do."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(asyncio.run, scenario())
            running.add_done_callback(lambda _: self._asked.put(None))
            while (asked := self._asked.get()) is not None:
                done, look = asked
                try:
                    look()
                except BaseException as error:  # it is raised where it was asked for
                    done.set_exception(error)
                else:
                    done.set_result(None)
            running.result()


@pytest.fixture
def beside() -> Beside:
    """Drive the browser from scenarios."""
    return Beside()


def check_cells(tab: Tab, bins: list[ScoredBin]) -> None:
    """Check what scripts read, what is drawn, and what the crosshair says against a session's own grid."""
    last, rng = len(bins) - 1, np.random.default_rng(3)
    draws = zip(rng.integers(last - 40, last, 30), rng.integers(-9, 9, 30), strict=True)
    cells = [(int(seq), spot_tick(bins[seq]) + int(k)) for seq, k in draws]
    values = [cell_values(bins[seq], tick) for seq, tick in cells]
    shown = tab.ask(f"{json.dumps(cells)}.map(([seq, tick]) => vpharness.cell(seq, tick))")
    assert [{name: each[name] for name in FIELDS} for each in shown] == values
    wanted = tab.ask(f"{json.dumps([each['spectrum_score'] for each in values])}.map(v => vpharness.colour(v))")
    middles, pixels = places(tab, cells), tab.pixels()
    found = [pixels[int(place["y"]), int(place["x"])].tolist() for place in middles]
    assert np.abs(np.array(found) - np.array(wanted)).max() <= 2
    tab.hover(middles[0]["x"], middles[0]["y"])
    tab.settle()
    read = readout(tab)
    for name in FIELDS:
        assert read[name] == pytest.approx(values[0][name], rel=5e-4, abs=UNSHOWN)
    assert read["score"] == pytest.approx(bins[cells[0][0]].score, rel=5e-4, abs=UNSHOWN)


def cell_values(each: ScoredBin, tick: int) -> dict[str, float]:
    """Return what a session's grid holds at a cell."""
    return {name: float(each.grid[name][LATTICE.radius + tick - spot_tick(each)]) for name in FIELDS}


def spot_tick(each: ScoredBin) -> int:
    """Return the tick around which the cells of a bin lie."""
    return round(float(each.row["spot_ref_price_int"][0]) / PRICE_SCALE / TICK_SIZE)


def test_a_recorded_feed_is_drawn_as_a_session_computes_it(tab: Tab, beside: Beside, tmp_path: Path) -> None:
    """Cells, pixels, crosshair and scores are those of the recording's events, and stepping goes back through them."""
    path, record = record_feed(tmp_path / "recording"), record_of()
    bins = batch(record, steps_in(path))

    def look(port: int) -> None:
        look_at(tab, port, len(bins) - 1, "field=spectrum&bins=60&ticks=40&hide=quotes,trades,fires,projection,past")
        tab.wait("document.querySelector('#banner').innerText.includes('ended')")
        check_cells(tab, bins)
        tab.key(" ")
        for _ in range(7):
            tab.key("ArrowLeft")
        tab.settle()
        score = tab.ask("document.querySelector('.score').textContent").replace("\u2212", "-")
        assert float(score) == pytest.approx(bins[-8].score, abs=5e-4)

    async def scenario() -> None:
        with replay_of(path) as feed:
            async with server(tmp_path / "lake", feed, record) as running:
                await beside(look, running.port)

    beside.run(scenario)


def test_a_promotion_while_the_stream_goes_on_is_marked_and_explained(tab: Tab, beside: Beside, tmp_path: Path) -> None:
    """The new version speaks without a bin being lost; its record with its evidence is one click away."""
    feed, old, new = ScriptedFeed(), record_of(), record_of("msd", threshold=50.0)

    def look_before(port: int) -> None:
        look_at(tab, port, 99)
        assert tab.ask("document.querySelector('#version').textContent") == "v0000"

    def look_after() -> None:
        see(tab, 149)
        tab.wait("document.querySelector('#version').textContent === 'v0001'")
        assert tab.ask("vpharness.bins().written") == 150
        assert "Promoted: v0001 (msd)" in tab.ask("document.querySelector('#notices').innerText")
        tab.click("#version")
        tab.wait("document.querySelector('#evidence').innerText.includes('vpharness.signals.msd.msd')")

    async def scenario() -> None:
        async with server(tmp_path, feed, old) as running:
            feed.put(*STEPS[:100])
            await beside(look_before, running.port)
            promote(running.lake, new, "v0001")

            def is_served() -> bool:
                feed.nudge()
                return running.stream.champion.record.version == "v0001"

            await running.wait_until(is_served)
            feed.put(*STEPS[100:150])
            await beside(look_after)

    beside.run(scenario)


def test_a_server_that_is_started_anew_is_found_again(tab: Tab, beside: Beside, tmp_path: Path) -> None:
    """While it is gone the page says so; what comes after is another stream, which begins a new picture."""
    port = 0

    async def first() -> None:
        nonlocal port
        feed = ScriptedFeed()
        feed.put(*STEPS[:100])
        async with server(tmp_path / "one", feed) as running:
            port = running.port
            await beside(look_at, tab, port, 99)

    async def again() -> None:
        feed = ScriptedFeed()
        feed.put(*STEPS[:50])
        async with server(tmp_path / "two", feed, port=port) as running:
            await beside(see, tab, 49)
            assert running.stream.ring.next_seq == 50

    beside.run(first)
    tab.wait(f"{STATE} === 'Disconnected'")
    beside.run(again)
    assert tab.ask("vpharness.bins().written") == 50
