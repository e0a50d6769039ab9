"""The formula of memory: each of its parts is as large as what it stands for, and not many times as large."""

import asyncio
import contextlib
import dataclasses
import gc
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.config.server_parameters import MOST_CHALLENGERS, RuntimeParameters
from runtime.engine.models import SHADOW_PREFIX, compiled_session, new_session, served_model
from runtime.engine.pipeline import ModelOutput, PipelineBin, new_pipeline
from runtime.engine.ring_buffer import BinRingBuffer
from runtime.engine.trades import MOST_PRICES
from runtime.feeds.feed import FeedFacts
from runtime.rollout.shadow_models import PIECE_BINS
from runtime.rollout.shadow_overrides import LONGEST_LIST, shadow_model
from runtime.stream.stream_messages import bin_body, shadow_bodies
from runtime.web.memory_bound import (
    BODY_BYTES,
    CODE_BYTES,
    LATTICE_BYTES_A_CELL,
    SHADOW_BODY_BYTES,
    FeedSize,
    bin_bytes,
    connection_bytes,
    most_bytes,
    session_bytes,
    stream_bytes,
)
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.records import record_of, with_radius
from tests.runtime.rollout.test_shadow_models import ADS, ads_with
from tests.runtime.serving import PATIENCE_S, Server, server
from tests.runtime.test_soak import memory_mb
from tests.runtime.web.test_connection import raw
from tests.source_scorer import source_scorer
from vpharness.lattice import state_transfer
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.signals import forget_compiled

RADIUS = 20
STEPS = steps_of(minute())[:110]
FACTS: FeedFacts = ScriptedFeed().facts


@contextlib.contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Yield what Python's memory has grown by since."""
    gc.collect()
    tracemalloc.start()
    begun = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: tracemalloc.get_traced_memory()[0] - begun
    finally:
        tracemalloc.stop()


def busy_bin() -> PipelineBin:
    """Return a bin with as many trades and challengers as there can be, and a dozen fires decided."""
    pipeline = new_pipeline(0, served_model(record_of()), new_session(served_model(record_of()), FACTS), FACTS)
    found = [each for step in STEPS for each in pipeline.take(step.events, step.complete_to_ns)]
    decided = next(reading for each in found for reading in each.outputs.values() if reading.outcomes)
    other = dataclasses.replace(decided, score=-0.123456789012345, outcomes=decided.outcomes[:1], bands=None)
    outputs: dict[str, ModelOutput] = {"champion": decided}
    outputs |= {
        f"challenger number {n}": other if n < 12 else dataclasses.replace(other, outcomes=())
        for n in range(MOST_CHALLENGERS)
    }
    outputs |= {f"{SHADOW_PREFIX}{n:016x}": other for n in range(4)}
    trades = [(12_345.678, 123.45, "B")] * MOST_PRICES
    return dataclasses.replace(found[-1], outputs=outputs, trades=trades)


def test_a_bin_that_is_kept_takes_no_more_than_is_said() -> None:
    """The texts of a very busy one, and of each override, and the cells of all."""
    busy = busy_bin()
    assert BODY_BYTES / 3 < len(bin_body(busy, 1, 0.012345)) < BODY_BYTES
    texts = shadow_bodies(busy)
    assert len(texts) == 4
    assert all(len(name) + len(text) + 2 * 49 < SHADOW_BODY_BYTES for name, text in texts.items())
    bins = 200
    with growth() as grown:
        ring = BinRingBuffer(bins, RADIUS)
        for _ in range(bins):
            ring.append(busy.scored, bin_body(busy, 1, 0.0), shadow_bodies(busy))
        assert 0.5 * bins * bin_bytes(RADIUS, 4) < grown() < bins * bin_bytes(RADIUS, 4)


@contextlib.asynccontextmanager
async def full(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """Serve bins enough to fill the buffer."""
    feed = ScriptedFeed()
    async with server(folder, feed, **settings) as running:
        feed.put(*STEPS)
        await running.wait_until(lambda: running.stream.ring.next_seq == len(STEPS))
        yield running


def test_a_stream_that_is_not_read_takes_no_more_than_is_said(tmp_path: Path) -> None:
    """After it has asked for all columns and all of history, however much comes."""
    count = 12

    async def scenario() -> None:
        async with full(tmp_path, address_share=1.0) as running, contextlib.AsyncExitStack() as stack:
            with growth() as grown:
                # The readers are of this process too: what they take is taken off by opening them first.
                links = [await stack.enter_async_context(raw(running)) for _ in range(count)]
                upgrade = (
                    b"GET /v1/stream?history=600 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    b"Sec-WebSocket-Version: 13\r\n\r\n"
                )
                for link in links:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                    await asyncio.get_running_loop().sock_sendall(link, upgrade)
                await running.wait_until(lambda: sum(is_stuck(each) for each in running.stream.clients) == count)
                assert 100_000 < grown() / count < stream_bytes(RADIUS)

    asyncio.run(scenario())


def is_stuck(client: Any) -> bool:
    """Whether a client has not taken what it is being sent for a while."""
    sending_since = client.sending_since
    return sending_since is not None and asyncio.get_running_loop().time() - sending_since > 0.3


@pytest.mark.parametrize(
    ("said", "least"),
    [
        (b"GET /" + b"x" * 8_000, 8_000),
        (b"GET /assets/page.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100, 60_000),
    ],
    ids=["half a request", "the page's script"],
)
def test_a_connection_that_reads_nothing_takes_no_more_than_is_said(tmp_path: Path, said: bytes, least: int) -> None:
    """Whether it has asked for nothing whole or for more than it is given."""
    count = 20

    async def scenario() -> None:
        async with (
            server(tmp_path, address_share=1.0, requests_per_second=100_000.0) as running,
            contextlib.AsyncExitStack() as stack,
        ):
            with growth() as grown:
                for _ in range(count):
                    link = await stack.enter_async_context(raw(running))
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                    await asyncio.get_running_loop().sock_sendall(link, said)
                async with asyncio.timeout(PATIENCE_S):
                    before = -1
                    while not least < grown() / count or grown() != before:  # until it grows no more
                        before = grown()
                        await asyncio.sleep(0.2)
                assert grown() / count < connection_bytes()

    asyncio.run(scenario())


@pytest.mark.parametrize("radius", [25, 50])
def test_a_model_beside_the_champion_takes_no_more_than_is_said(radius: int) -> None:
    """Its lattice, what its operators keep, and the bins that it is shown at once."""
    lattice_served = dataclasses.asdict(LatticeParameters(radius=radius, evict_crossed_ms=0))
    model = served_model(dataclasses.replace(ADS, lattice=lattice_served))
    cells, bins_kept = 2 * radius + 1, 6_000
    lattice = sum(array.nbytes for array in state_transfer.save_lattice(new_session(model, FACTS)._lattice).values())
    assert 0.5 * LATTICE_BYTES_A_CELL * cells < lattice < LATTICE_BYTES_A_CELL * cells
    scorer = shadow_model(model, FACTS, ads_with(LONGEST_LIST, 5_900), bins_kept).live.scorer
    state = sum(np.asarray(array).nbytes for arrays in scorer.start().values() for array in arrays.values())
    shown = PIECE_BINS * len(scorer.columns) * cells * 8
    assert lattice + 2 * state + shown < session_bytes(radius, bins_kept)


def test_the_whole_is_the_sum_of_what_the_limits_let_there_be() -> None:
    """Twice the clients are twice their part, and no other; without overrides nothing is compiled for them."""
    usual = RuntimeParameters()
    before = most_bytes(usual, [FeedSize(50, 0, usual.buffer_bins)])
    assert 1.5e9 < sum(before.values()) < 2.5e9
    for name, part in (("max_clients", "streams"), ("max_connections", "connections"), ("buffer_bins", "bins")):
        more = dataclasses.replace(usual, **{name: 2 * getattr(usual, name)})
        after = most_bytes(more, [FeedSize(50, 0, more.buffer_bins)])
        assert after[part] == 2 * before[part]
    without = dataclasses.replace(usual, max_shadows=0)
    assert most_bytes(without, [FeedSize(50, 0, usual.buffer_bins)])["shadows"] == 0


def test_a_further_feed_adds_its_bins_and_its_lattice_alone() -> None:
    """The limits on clients hold over all feeds together; the widest cells are what a stream may be of."""
    settings = RuntimeParameters()
    alone, narrow = FeedSize(50, 2, 6_000), FeedSize(20, 0, 3_000)
    one, two = most_bytes(settings, [alone]), most_bytes(settings, [alone, narrow])
    same = ("challengers", "streams", "connections", "shadows")
    assert {part: two[part] for part in same} == {part: one[part] for part in same}
    assert two["bins"] - one["bins"] == 2 * 3_000 * bin_bytes(20, settings.max_shadows)
    assert two["process"] - one["process"] == CODE_BYTES + session_bytes(20, 3_000)


@pytest.mark.slow
def test_machine_code_takes_no_more_than_is_said_and_is_given_back() -> None:
    """Of the structures that clients may ask for, at each capacity."""
    champion, pid = served_model(with_radius(ADS, 50)), "self"
    compiled_session(champion, FACTS)
    largest, begun = 0.0, memory_mb(pid)
    for count in range(1, LONGEST_LIST + 1):
        found = [shadow_model(champion, FACTS, ads_with(count, window), 6_000) for window in (10, 900, 5_900)]
        for model in found:
            before = memory_mb(pid)
            compiled_session(model, FACTS)
            largest = max(largest, memory_mb(pid) - before)
        forget_compiled(source_scorer(found[0].live))
    print(f"at most {largest:.0f} MB; {memory_mb(pid) - begun:.0f} MB more after all {3 * LONGEST_LIST} were forgotten")
    assert largest < CODE_BYTES / 1e6
    assert memory_mb(pid) - begun < 4 * CODE_BYTES / 1e6
