"""The claims of a pipeline are those of the fires that it has reported, and begin anew where its models do."""

import dataclasses

import pytest

from runtime.engine.models import compiled_session, new_session, served_model
from runtime.engine.pipeline import Pipeline, PipelineBin, new_pipeline, running_model
from runtime.engine.pipelines import Pipelines
from tests.runtime.market import ScriptedFeed, minute, steps_of
from tests.runtime.records import record_of
from vpharness.evaluation.confidence_sequences import BlockMoments

FACTS = ScriptedFeed().facts
PROMISED = {
    "test": {
        "net_pnl_ticks": 1.0,
        "net_pnl_ticks_low": 0.5,
        "net_pnl_ticks_high": 1.5,
        "n_net": 300,
        "n_net_blocks": 60,
        "block_s": 2,
    },
    "train": {"block_s": 2},
}
RECORD = record_of(evidence={"promised": PROMISED})
OTHER = record_of(threshold=0.6, evidence={"promised": PROMISED})


def followed() -> tuple[Pipeline, list[PipelineBin]]:
    """Return a pipeline with a challenger that has followed a minute of market, and its bins."""
    champion, challenger = served_model(RECORD), served_model(OTHER, "high")
    pipeline = new_pipeline(0, champion, compiled_session(champion, FACTS), FACTS)
    pipeline.others = {"high": running_model(challenger, new_session(challenger, FACTS), FACTS)}
    bins = [each for step in steps_of(minute(), 5) for each in pipeline.take(step.events, step.complete_to_ns)]
    return pipeline, bins


def blocks_of(bins: list[PipelineBin], name: str, since: int = 0) -> dict[int, tuple[float, int]]:
    """Return the sums and numbers of the net results that a model's outcomes have, by block of two seconds."""
    starts = {each.seq: int(each.scored.row["bin_start_ns"][0]) for each in bins}
    found: dict[int, tuple[float, int]] = {}
    for each in bins:
        for outcome in each.outputs[name].outcomes:
            if outcome.net.name in {"tp", "sl", "timeout"} and outcome.seq >= since:
                block = starts[outcome.seq] // 2_000_000_000
                total, count = found.get(block, (0.0, 0))
                found[block] = (total + outcome.net.pnl_ticks, count + 1)
    return dict(sorted(found.items()))


def test_claims_are_made_of_the_reported_fires_and_begin_anew_with_the_feed() -> None:
    """The champion's mean, and the challenger's differences, over the first blocks that are closed; then nothing."""
    pipeline, bins = followed()
    facts = pipeline.statistics()
    claim, difference = facts["champion"]["claim"], facts["high"]["claim"]
    own, theirs = blocks_of(bins, "champion"), blocks_of(bins, "high")
    assert claim["n_blocks"] >= 10
    closed = list(own.values())[: claim["n_blocks"]]
    moments = BlockMoments()
    for total, count in closed:
        moments = moments.add(total, count)
    assert claim["mean"] == pytest.approx(moments.mean)
    assert claim["low"] < claim["mean"] < claim["high"]
    assert (claim["promised_low"], claim["promised_high"], claim["version"]) == (0.5, 1.5, "v0000")
    assert claim["says"] in {"as promised", "worse than promised", "worth nothing"}
    union = sorted(own.keys() | theirs.keys())[: difference["n_blocks"]]
    assert len(union) >= 10
    both = [theirs.get(block, (0.0, 0))[0] - own.get(block, (0.0, 0))[0] for block in union]
    assert difference["mean"] == pytest.approx(sum(both) / len(both))
    assert difference["says"] in {
        "not told apart from the champion",
        "better than the champion",
        "worse than the champion",
    }

    pipelines = Pipelines(pipeline, lambda _: None)
    pipelines.restart(dataclasses.replace(FACTS))
    anew = pipeline.statistics()
    assert (anew["champion"]["claim"]["says"], anew["champion"]["claim"]["n_blocks"]) == ("too early", 0)
    assert anew["champion"]["claim"]["since_ns"] is None
    for step in steps_of(minute(), 5)[:10]:
        list(pipeline.take(step.events, step.complete_to_ns))
    assert pipeline.statistics()["high"]["claim"]["n_blocks"] < difference["n_blocks"]


def test_differences_begin_anew_with_another_champion() -> None:
    """The challenger's own statistics go on; what it earned beside the champion before counts no more."""
    pipeline, _ = followed()
    before = pipeline.statistics()["high"]
    champion = pipeline.champion
    pipeline.champion = running_model(champion.model, champion.session, FACTS)
    pipeline.differences.take(pipeline.champion.evaluator, {"high": pipeline.others["high"].evaluator})
    after = pipeline.statistics()["high"]
    assert before["claim"]["n_blocks"] > 0
    assert after["claim"]["n_blocks"] == 0
    assert after["n_fires"] == before["n_fires"]
