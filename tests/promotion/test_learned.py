"""Bundles of learned signals: they hold their weights, say what these are, and are served by source and by program."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.config.signal_overrides import overridden
from runtime.engine.models import incompatibilities, served_model
from runtime.feeds.feed import BinFacts, FeedFacts
from runtime.stream.stream_messages import model_facts
from tests.commands.test_cli import in_process
from tests.promotion.learned_record import RADIUS, TARGET, learned_record, weights_of
from tests.runtime.records import promote
from vpharness.datasets.intake import LONGEST_GAP_NS
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, PromotionError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live import LiveSession
from vpharness.modules import PermittedModules
from vpharness.promotion.bundle import Bundle, read_bundle
from vpharness.promotion.bundle_replay import outputs_of, record_lattice, replay
from vpharness.promotion.promoted_record import live_model
from vpharness.signals import FitsInForce, LearnedSignal, ridge_flow
from vpharness.signals.models.ridge import RIDGE

DIGEST = FitsInForce.always(RIDGE, weights_of()).digest
SHORT = ("signal.first_fit_bins=1200", "signal.refit_every_bins=1000", "eval.tp_ticks=4", "eval.sl_ticks=4")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake that serves a learned signal."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    promote(lake, learned_record(), "v0001", begin=60)
    return lake


@pytest.fixture
def bundle(lake: Lake) -> Bundle:
    """Its bundle."""
    return read_bundle(lake.promoted / "SYN" / "v0001")


def test_a_bundle_holds_the_weights_and_replays_from_its_source(lake: Lake, bundle: Bundle) -> None:
    """They are what was promoted, bit for bit, and no part of the record's values."""
    assert bundle.record.weights is not None
    assert FitsInForce.always(RIDGE, bundle.record.weights).digest == DIGEST
    assert "weights" not in bundle.record.values()
    found = replay(bundle, PermittedModules(lake.root))
    assert (found.why_program, found.differences) == (None, [])
    assert np.isfinite(bundle.recording.outputs.scores).any()


def test_the_program_serves_the_same_weights_where_the_source_has_changed(
    lake: Lake, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded scores come out of it, and it goes by the same facts, weights included."""
    facts = live_model(bundle.record).facts()
    original: LearnedSignal[Any] = ridge_flow.ridge_flow
    edited = dataclasses.replace(original, body=lambda time, grid, p: 2 * original.body(time, grid, p))
    monkeypatch.setattr(ridge_flow, "ridge_flow", edited)
    found = replay(bundle, PermittedModules(lake.root))
    assert found.differences == []
    assert str(found.why_program).startswith(f"the code of {TARGET} has changed")
    assert live_model(found.record).facts() == facts
    assert facts["weights"] == DIGEST


def test_weights_are_served_with_what_they_were_fitted_with_alone(bundle: Bundle) -> None:
    """Another threshold is free; another parameter, other cells and missing weights are refused in one line."""
    record = bundle.record
    assert served_model(overridden(record, {}, 0.7)).live.thresholds == (0.7,)
    with pytest.raises(PromotionError, match="weights of ridge_flow were fitted with another value of l2: its thresh"):
        live_model(overridden(record, {"l2": 5.0}))
    other = {**record.lattice, "cell_width_ms": 200}
    with pytest.raises(PromotionError, match="fitted with another value of the cells"):
        live_model(dataclasses.replace(record, lattice=other))
    with pytest.raises(PromotionError, match="ridge_flow is learned, and is served with weights of a run alone"):
        live_model(dataclasses.replace(record, weights=None))


def test_the_stream_says_what_a_model_was_fitted_on_and_when(bundle: Bundle) -> None:
    """From the card of its weights."""
    assert model_facts(served_model(bundle.record))["fit"] == {
        "model": "ridge",
        "weights": "digest of 0",
        "fitted_at_ns": "40000000000",
        "dataset": "noise",
        "training_bins": 400,
        "training_loss": 0.5,
        "packages": {"numpy": "2"},
    }


@pytest.mark.parametrize("has_best_prices", [True, False])
def test_a_feed_without_best_prices_refuses_a_signal_that_reads_the_spread(
    bundle: Bundle, has_best_prices: bool
) -> None:
    """Finished bins of a published dataset may lack them; the reason names the series."""
    bins = BinFacts(100, RADIUS, tuple(GRID_COLUMNS), has_best_prices=has_best_prices, has_events=False)
    facts = FeedFacts("dataset", "SYN", 0.25, 1.0, 0, live=False, speed=None, start_ns=None, bins=bins)
    wanted = "signal ridge_flow reads spread_ticks (from the best prices), which the feed's bins do not have"
    assert incompatibilities(bundle.record, facts) == ([] if has_best_prices else [wanted])


def test_a_session_goes_on_with_other_weights_and_nothing_else(bundle: Bundle) -> None:
    """Its features, book and fires stay; a model that differs otherwise is refused."""
    record = bundle.record
    before, after = live_model(record), live_model(dataclasses.replace(record, weights=weights_of(1)))
    recording = bundle.recording
    session = LiveSession.restore(before, record_lattice(record), recording.state, longest_gap_ns=LONGEST_GAP_NS)
    again, end_ns = session.with_weights_of(after), int(recording.outputs.bins["bin_end_ns"][-1])
    one, other = (outputs_of(each.take(recording.events, end_ns)) for each in (session, again))
    np.testing.assert_array_equal(one.scores, recording.outputs.scores)
    np.testing.assert_array_equal(one.bins, other.bins)
    assert np.isfinite(other.scores).all()
    assert not np.isclose(one.scores, other.scores).any()
    with pytest.raises(ConfigError, match="the model differs in thresholds, weights, not in its weights alone"):
        session.with_weights_of(dataclasses.replace(after, thresholds=(9.0,)))


@pytest.mark.slow
def test_a_run_is_promoted_through_its_refits(tmp_path: Path) -> None:
    """The live session crosses them as the run did; served are the weights in force at the end of the test part."""
    asked = (*SHORT, "source.strength=1", "source.minutes=12", "eval.max_hold_bins=100", "eval.null_draws=99")
    run = in_process(tmp_path, "signal=ridge_flow", *asked, "tracking=none", "json=true")
    assert run.returncode == 0, run.stderr
    run_id = json.loads(run.stdout)["candidates"][0]["run_ids"][0]
    limits = ("promotion.slice_bins=300", "promotion.max_latency_share=1", 'force="a drill"', "tracking=none")
    said = in_process(tmp_path, "promote", f"run_id={run_id}", *limits, "json=true")
    assert said.returncode == 0, said.stderr
    gates = {gate["name"]: gate for gate in json.loads(said.stdout)["gates"]}
    assert gates["live = batch"]["passed"], gates["live = batch"]
    assert gates["audit"]["passed"], gates["audit"]
    bundle = read_bundle(Path(tmp_path, json.loads(said.stdout)["bundle"]))
    assert bundle.record.fit is not None
    assert bundle.record.fit["card"]["fit"]["bin"] == 6_200
    assert (tmp_path / "lake" / "models" / bundle.record.fit["weights"] / "card.json").is_file()
    assert replay(bundle, PermittedModules(tmp_path / "lake")).differences == []
    shown = in_process(tmp_path, "promote", "show")
    assert "ridge, fitted at " in shown.stdout
