"""A version whose entries rest is served on a running feed: its orders are followed from the book as it stands."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tests.runtime.engine.test_resting_orders import fates_of, model_of
from tests.runtime.market import ScriptedFeed
from tests.runtime.records import promote, record_of
from tests.runtime.rollout.test_rollout import ADVANCED, STEPS, all_bins, until_served
from tests.runtime.serving import server
from vpharness.datasets.lake import Lake
from vpharness.modules import PermittedModules
from vpharness.order_fates import NONE, OPEN, REASONS
from vpharness.promotion.serving import read_bundle, replay_differences

BUILT_IN = PermittedModules(Path("no lake"), ())


def test_a_resting_version_replaces_one_at_the_touch(tmp_path: Path) -> None:
    """Every order that the stream tells of has the price, the fate and the time that a run gives it."""
    bins: list[dict[str, Any]] = []

    async def scenario() -> None:
        feed = ScriptedFeed()
        async with server(tmp_path, feed, record_of()) as running, running.client("fields=&history=200") as client:
            await client.hello()
            feed.put(*STEPS[:ADVANCED])
            bins.extend(await all_bins(client, ADVANCED))
            promote(running.lake, model_of(100.0).record, "v0001")
            await until_served(running, feed, "v0001")
            feed.put(*STEPS[ADVANCED:])
            bins.extend(await all_bins(client, len(STEPS) - ADVANCED))
            evaluation = client.configs[-1]["evaluation"]
            assert (evaluation["fill"], evaluation["max_wait_bins"]) == ("queue", 20)

    asyncio.run(scenario())
    fates, last = fates_of(100.0), dict[int, dict[str, Any]]()
    for each in bins:
        last |= {order["seq"]: order for order in each["orders"]}
    placed = [each["seq"] for each in bins if each["version"] == "v0001" and each["fire"]]
    assert sorted(last) == placed
    assert len(placed) > 20
    for seq, order in last.items():
        fate = fates[seq, 0 if order["direction"] > 0 else 1]
        assert order["price"] == fate["price"] / 1e9
        if order["state"] == "resting":
            assert seq + 1 + 20 + 1 >= bins[-1]["seq"] or fate["reason"] == OPEN
            continue
        assert (order["reason"] or order["state"]) == REASONS[fate["reason"]]
        assert int(order["fill_ns"] or 0) == fate["fill_ns"]
    assert {"filled", "withdrawn"} <= {order["state"] for order in last.values()}


def test_a_bundle_whose_orders_come_out_otherwise_is_told(tmp_path: Path) -> None:
    """The slice is replayed with its orders; one of before versions rested has none, and is replayed as ever."""
    bundle = read_bundle(promote(Lake(tmp_path), model_of(100.0).record, "v0001"))
    assert replay_differences(bundle, BUILT_IN) == []
    fates = bundle.recording.fates
    assert fates is not None
    place, row = np.argwhere(fates["reason"] != NONE)[0]
    other = fates.copy()
    other["price"][place, row] += 1
    changed = dataclasses.replace(bundle, recording=dataclasses.replace(bundle.recording, fates=other))
    (told,) = replay_differences(changed, BUILT_IN)
    assert told.startswith("price of the ")
    plain = read_bundle(promote(Lake(tmp_path), record_of(), "v0002"))
    assert plain.recording.fates is None
    assert replay_differences(plain, BUILT_IN) == []
