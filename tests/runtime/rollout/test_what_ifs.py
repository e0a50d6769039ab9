"""What a client asks for is judged as a challenger is: on the bins that are kept, at once, and from then on.

What may be claimed of it rests on bins alone that came after it was asked for, with a part of the error that shrinks
with every try.
"""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engine.bridge import EngineEvent, PastJudged
from runtime.engine.differences import Differences, WhatIf
from runtime.engine.models import compiled_session, new_session, served_model
from runtime.engine.pipeline import Pipeline, PipelineBin, new_pipeline, running_model
from runtime.engine.pipelines import Pipelines
from runtime.rollout.shadow_models import judged_bins
from runtime.stream.stream_messages import shadow_body
from tests.runtime.engine.test_pipeline_claims import FACTS, OTHER, RECORD, blocks_of
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.serving import Client, server
from tests.runtime.stream.test_stream import is_shadowed
from tests.runtime.stream.test_stream_protocol import resting_record
from vpharness.evaluation.confidence_sequences import (
    ERROR,
    LEAST_BLOCKS,
    BlockMoments,
    largest_deviation,
    mixture_variance,
    sequence_interval,
)
from vpharness.evaluation.running_claims import what_if_error

NAME = "shadow:same"
STEPS = steps_of(minute(), 5)

Asked = tuple[Pipeline, list[PipelineBin], dict[int, str], WhatIf]


def asked_after(steps: int, tries: int = 1) -> Asked:
    """Return a pipeline with a challenger and, from some steps on, a what-if of the same parameters.

    Returns the pipeline after a minute, its bins, what the what-if said of those before it was asked for, by place, and
    when that was. The last bins before are shown to it by the engine, as to one that has been warmed up.
    """
    champion, challenger = served_model(RECORD), served_model(OTHER, "high")
    pipeline = new_pipeline(0, champion, compiled_session(champion, FACTS), FACTS, allows_what_ifs=True)
    pipeline.others = {"high": running_model(challenger, new_session(challenger, FACTS), FACTS)}
    emitted: list[EngineEvent] = []
    pipelines = Pipelines(pipeline, emitted.append)
    bins: list[PipelineBin] = []
    for step in STEPS[:steps]:
        for each in pipeline.take(step.events, step.complete_to_ns):
            bins.append(each)
            pipelines.recent.append(each)
    past, what_if = dict[int, str](), WhatIf(int(bins[-1].scored.row["bin_end_ns"][0]), tries)
    model = served_model(OTHER, NAME)
    each_model = running_model(model, new_session(model, FACTS), FACTS, what_if)
    shown = [(each.scored.row, dict(each.scored.grid)) for each in bins]
    past |= judged_bins(each_model, 0, shown[:-20], lambda: True)
    pipelines.add(each_model, shown[-20:-10], len(shown) - 10, 0).do()
    (event,) = emitted
    assert isinstance(event, PastJudged)
    past |= {seq: shadow_body(output) for seq, output in event.outputs}
    for step in STEPS[steps:]:
        bins += pipeline.take(step.events, step.complete_to_ns)
    return pipeline, bins, past, what_if


@pytest.fixture(scope="module")
def asked() -> Asked:
    """What `asked_after` returns of 60 steps, to be looked at and not changed."""
    return asked_after(60)


def test_it_says_what_a_challenger_of_the_same_parameters_says_value_by_value(asked: Asked) -> None:
    """Scores, fires, readiness and outcomes of the bins before and after, and all figures."""
    pipeline, bins, past, _ = asked
    assert list(past) == [each.seq for each in bins[: len(past)]]
    for each in bins:
        wanted = shadow_body(each.outputs["high"])
        assert past.get(each.seq) == wanted if each.seq in past else shadow_body(each.outputs[NAME]) == wanted
    assert any('"net_outcome"' in text for text in past.values())
    facts = pipeline.statistics()
    own, theirs = (dict(facts[name]) for name in (NAME, "high"))
    assert own.pop("asked_ns") == str(int(bins[len(past) - 1].scored.row["bin_end_ns"][0]))
    del own["claim"], theirs["claim"]
    assert own == theirs
    assert own["n_fires"] > 10


def test_its_claim_rests_on_the_bins_after_it_was_asked_for() -> None:
    """The differences of blocks of later fires alone, by the sequence of its own error."""
    pipeline, bins, past, what_if = asked_after(40, tries=3)
    claim, other = (pipeline.statistics()[name]["claim"] for name in (NAME, "high"))
    own, theirs = (blocks_of(bins, name, since=len(past)) for name in ("champion", "high"))
    union = sorted(own.keys() | theirs.keys())[: claim["n_blocks"]]
    assert 10 <= claim["n_blocks"] < other["n_blocks"]
    moments = BlockMoments()
    for block in union:
        moments = moments.add(theirs.get(block, (0.0, 0))[0] - own.get(block, (0.0, 0))[0], 1)
    assert claim["mean"] == pytest.approx(moments.mean)
    assert claim["since_ns"] == str(what_if.asked_ns)
    assert (claim["tries"], claim["error"], other["error"]) == (3, ERROR / 2 / 12, ERROR / 2)
    pair = pipeline.differences._pairs[NAME].blocks
    assert pair.block_variance is not None
    wanted = sequence_interval(moments, mixture_variance(pair.block_variance, ERROR / 2 / 12), ERROR / 2 / 12)
    assert (claim["low"], claim["high"]) == (pytest.approx(wanted.low), pytest.approx(wanted.high))


def test_asked_for_before_the_first_bin_its_claim_is_the_challenger_s_with_another_error(asked: Asked) -> None:
    """The same blocks, and a wider sequence."""
    pipeline, *_ = asked
    champion, other = pipeline.champion.evaluator, pipeline.others["high"].evaluator
    differences = Differences(allows_what_ifs=True)
    differences.take(champion, {"high": other, NAME: other}, {NAME: WhatIf(0, 1)})
    found = differences._pairs
    assert found[NAME].since_ns == found["high"].since_ns
    assert found[NAME].blocks == found["high"].blocks


def test_no_later_bin_changes_what_was_said(asked: Asked) -> None:
    """Asked for later, it says the same of the bins that were there before, and counts fewer for its claim."""
    early, late = asked_after(40), asked
    assert {seq: late[2][seq] for seq in early[2]} == early[2]
    assert early[0].statistics()[NAME]["claim"]["n_blocks"] > late[0].statistics()[NAME]["claim"]["n_blocks"]
    assert early[0].statistics()[NAME]["n_fires"] == late[0].statistics()[NAME]["n_fires"]


def test_its_claim_is_no_other_where_the_feed_begins_anew() -> None:
    """What had been shown before it was asked for does not count when it is replayed, and its tries stay."""
    pipeline, bins, past, what_if = asked_after(60)
    Pipelines(pipeline, lambda _: None).restart(dataclasses.replace(FACTS))
    for step in STEPS[:55]:
        list(pipeline.take(step.events, step.complete_to_ns))
    facts = pipeline.statistics()[NAME]
    assert facts["n_fires"] > 0
    assert (facts["claim"]["n_blocks"], facts["claim"]["tries"]) == (0, 1)
    assert facts["claim"]["since_ns"] == str(what_if.asked_ns)
    assert len(bins) > len(past)


def test_what_entries_that_rest_came_to_before_is_not_made_up() -> None:
    """Their fires are shown in the bins before; they are judged from then on."""
    record = resting_record()
    model = served_model(record, NAME)
    each = running_model(model, new_session(model, FACTS), FACTS, WhatIf(0, 1))
    champion = served_model(RECORD)
    pipeline = new_pipeline(0, champion, new_session(champion, FACTS), FACTS)
    bins = [each for step in STEPS[:40] for each in pipeline.take(step.events, step.complete_to_ns)]
    texts = judged_bins(each, 0, [(one.scored.row, dict(one.scored.grid)) for one in bins], lambda: True)
    said = [json.loads(text) for text in texts.values()]
    assert any(one["fire"] for one in said)
    assert not any(one["outcomes"] or one["orders"] for one in said)
    assert each.evaluator.statistics()["n_fires"] == 0


def test_the_errors_of_all_tries_add_up_to_one_share() -> None:
    """However many there are."""
    for shares in (1, 4):
        spent = sum(what_if_error(tries, shares) for tries in range(1, 10_001))
        assert spent < ERROR / shares
        assert spent == pytest.approx(ERROR / shares, rel=1e-3)


def test_who_tries_what_ifs_until_one_looks_good_claims_nothing_that_is_not_so() -> None:
    """In 400 days a client asks for 25 models that are worth as much as the champion, one after another.

    Each is the one that looks best of 20 on the bins before. Judged on all bins with the error of a challenger some
    are called better on most days; by what is claimed, on at most one day in twenty some is called anything.
    """
    rng, days, tries, before, after = np.random.default_rng(4), 400, 25, 60, 60

    def ever(blocks: Any, error: Any) -> Any:
        looks = np.arange(1, blocks.shape[-1] + 1)
        sums, squares = np.cumsum(blocks, -1), np.cumsum(blocks**2, -1)
        rho2 = np.array([mixture_variance(4.0, each) for each in error])[:, None]
        scatter = squares - sums**2 / looks
        wide = [largest_deviation(scatter[row], rho2[row], each) for row, each in enumerate(error)]
        return (np.abs(sums) > np.array(wide))[..., LEAST_BLOCKS - 1 :].any(-1)

    claimed = hindsight = 0
    for _ in range(days):
        past = rng.normal(0, 2.0, (tries, 20, before))
        best = past[np.arange(tries), past.sum(-1).argmax(1)]
        future = rng.normal(0, 2.0, (tries, after))
        claimed += ever(future, [what_if_error(each, 1) for each in range(1, tries + 1)]).any()
        hindsight += ever(np.concatenate([best, future], 1), [ERROR] * tries).any()
    assert claimed / days <= 0.05
    assert hindsight / days > 0.5


def test_a_client_is_sent_what_its_what_if_says_of_the_bins_that_it_has(tmp_path: Path) -> None:
    """And its figures in the status; another client is sent neither."""

    async def scenario() -> None:
        feed = ScriptedFeed()
        feed.put(*STEPS[:40])
        async with server(tmp_path, feed, RECORD, challengers=[served_model(OTHER, "high")]) as running:
            await running.wait_until(lambda: running.stream.ring.next_seq == 200)
            async with (
                running.client("fields=&history=150&threshold=0.6") as client,
                running.client("fields=&history=10") as plain,
            ):
                await client.hello()
                await running.wait_until(lambda: is_shadowed(running, feed))
                bins = await client.bins(150)
                feed.put(*STEPS[40:80])
                bins += await client.bins(200)
                await plain.hello()
                await until_status(plain, feed)
                while not client.statuses or "shadow" not in client.statuses[-1]["statistics"]:
                    await until_status(client, feed)
                own, high = (client.statuses[-1]["statistics"][name] for name in ("shadow", "challengers"))
                assert own["claim"]["tries"] == 1
                assert own["asked_ns"] == bins[149]["bin_end_ns"]
                assert (own["n_fires"], own["net_pnl_ticks"]) == (high[0]["n_fires"], high[0]["net_pnl_ticks"])
                said = {each["seq"]: each.get("shadow") or client.pasts[each["seq"]] for each in bins}
                for each in bins:
                    wanted = each["challengers"][0]
                    assert {name: said[each["seq"]][name] for name in wanted} == wanted
                    theirs = [one for one in each["outcomes"] if one["model"] == "high"]
                    assert [{**one, "model": "high"} for one in said[each["seq"]]["outcomes"]] == theirs
                assert not plain.pasts
                assert all("shadow" not in each["statistics"] for each in plain.statuses)
            await running.wait_until(lambda: not running.stream.shadow_models)
            ring = running.stream.ring
            assert all(ring.shadow(seq, name) is None for seq in range(200) for name in ring._shadows[seq])

    asyncio.run(scenario())


async def until_status(client: Client, feed: ScriptedFeed) -> None:
    """Read until another status has come; the engine is asked for figures in between."""
    count = len(client.statuses)
    while len(client.statuses) == count:
        feed.nudge()
        message = await client.message()
        if message["type"] == "status":
            client.statuses.append(message)
        elif message["type"] == "shadow_history":
            client.pasts |= {each["seq"]: each for each in message["updates"]}
