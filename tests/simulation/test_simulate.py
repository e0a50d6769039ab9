"""A simulation says what a run says, from events and from a dataset's bins, and finds what does not."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
from jax import Array

from tests.datasets.samples import MINUTE, Fixed, book
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, DatasetError, VpharnessError
from vpharness.evaluation import EvaluationParameters, SplitParameters
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.order_fates import REASONS
from vpharness.signals import Clock, Grid, SignalParameters, resolve, signal
from vpharness.simulation.inputs import DatasetInput, EventInput, SimulationInput
from vpharness.simulation.simulate import (
    ENCODE,
    OVERDUE,
    TOTAL,
    WARMING_BINS,
    SimulationReport,
    SimulationSettings,
    simulate,
)

ADS = "vpharness.signals.ads.ads"
MARKET = EventInput(MINUTE, LatticeParameters(), None, None)
STAGES = ["events", "grid", "score", ENCODE, TOTAL]
RULES = EvaluationParameters(warmup_bins=40, cooldown_bins=5, max_hold_bins=20)


@signal(columns=("bid_depth",))
def by_the_chunk(time: Clock, grid: Grid, p: SignalParameters) -> Array:
    """How many bins it is shown at once: another thing live than in a run."""
    del time, p
    return jnp.full(len(grid.bid_depth), float(len(grid.bid_depth)))


def simulated(
    replay: SimulationInput,
    target: str = ADS,
    wanted: SimulationSettings | None = None,
    split: str = "time",
    rules_of: EvaluationParameters = RULES,
    **parameters: object,
) -> SimulationReport:
    """Simulate a signal with some of its parameters."""
    own = resolve(target)
    rules = rules_of.resolve(replay.cell_width_ms)
    return simulate(
        replay,
        own,
        own.parameters(**parameters),
        rules,
        SplitParameters(kind=split),
        wanted or SimulationSettings(budget_ms=math.inf),
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same minute of market, built."""
    built = build(Lake(tmp_path_factory.mktemp("lake")), MINUTE, LatticeParameters())
    return Dataset(built.path, built.manifest)


@pytest.fixture(scope="module")
def from_events() -> SimulationReport:
    """A minute of market with a stall of two seconds."""
    return simulated(MARKET, wanted=SimulationSettings(budget_ms=math.inf, stall_s=2.0))


def test_events_give_what_a_run_gives_in_every_stage(from_events: SimulationReport) -> None:
    """600 bins, all scores and fires the same, and every stage timed over the same bins."""
    assert (from_events.bins, from_events.differences) == (600, [])
    assert sum(from_events.n_fires.values()) > 0
    assert {found.bins for found in from_events.agreements.values()} == {600}
    assert list(from_events.latency) == STAGES
    (timed,) = {latency.bins for latency in from_events.latency.values()}
    assert 0 < timed <= 600 - WARMING_BINS - 20
    assert from_events.latency[TOTAL].max_ms >= max(from_events.latency[stage].max_ms for stage in STAGES[:4])
    assert from_events.latency[TOTAL].percentiles["p99.9"] is None
    assert from_events.cold_start_s is not None
    assert from_events.columns == tuple(GRID_COLUMNS)
    assert from_events.frame_bytes > 101 * 27 * 8


def test_a_stall_is_made_up_for(from_events: SimulationReport) -> None:
    """Twenty bins are due at once; the first of them comes two seconds late, and a little."""
    found = from_events.catch_up
    assert found is not None
    assert (found.stall_s, found.bins_at_once) == (2.0, 20)
    assert found.worst_behind_ms >= 2_000
    assert found.level_after_ms is not None


def test_a_dataset_gives_the_same_fires_without_the_stages_of_events(
    dataset: Dataset, from_events: SimulationReport
) -> None:
    """Its bins are finished: nothing is said of what was not done."""
    report = simulated(DatasetInput(dataset), wanted=SimulationSettings(math.inf, fields=("v_add",)))
    assert (report.bins, report.differences, report.n_fires) == (600, [], from_events.n_fires)
    assert list(report.latency) == ["score", ENCODE, TOTAL]
    assert (report.catch_up, report.columns) == (None, ("v_add",))
    assert report.latency[TOTAL].bins == 600 - WARMING_BINS
    assert 0 < report.frame_bytes < from_events.frame_bytes / 20


def test_at_a_pace_bins_are_timed_from_when_they_are_due(dataset: Dataset) -> None:
    """A thousand times as fast as they happened: waits count as well, and those later than the budget are misses."""
    report = simulated(DatasetInput(dataset), wanted=SimulationSettings(budget_ms=1e-6, speed=1_000.0))
    assert list(report.latency) == ["score", ENCODE, TOTAL, OVERDUE]
    assert report.latency[OVERDUE].max_ms >= report.latency[TOTAL].max_ms
    assert report.deadline_misses == report.latency[OVERDUE].bins == 600 - WARMING_BINS


def test_thresholds_that_are_quantiles_are_those_of_a_run(dataset: Dataset) -> None:
    """The run comes first; what it compiled is no cold start any more."""
    report = simulated(DatasetInput(dataset), "vpharness.signals.msd.msd")
    assert (len(report.n_fires), report.differences, report.cold_start_s) == (6, [], None)
    with pytest.raises(ConfigError, match="chosen on the training part, and there is none"):
        simulated(DatasetInput(dataset), "vpharness.signals.msd.msd", split="none")


def test_a_signal_that_depends_on_how_time_is_cut_is_found(dataset: Dataset) -> None:
    """Its first bin, both scores, and how many differ."""
    report = simulate(
        DatasetInput(dataset),
        by_the_chunk,
        SignalParameters(thresholds=[0.5]),
        RULES.resolve(100),
        SplitParameters(),
        SimulationSettings(100.0),
    )
    (difference,) = report.differences
    assert difference.startswith("the score of bin 0 is 1, not 600; 600 differ")


def test_what_cannot_be_simulated_is_said(dataset: Dataset) -> None:
    """No bin, an unknown column of frames, and a dataset without the signal's column."""
    one_sided = book(1.0, 2.0)[:1]
    with pytest.raises(VpharnessError, match="no bin came: none ended with a valid book"):
        simulated(EventInput(Fixed(one_sided), LatticeParameters(), None, None))
    with pytest.raises(ConfigError, match="columns nothing are none of the grid's"):
        simulated(MARKET, wanted=SimulationSettings(100.0, fields=("nothing",)))
    damaged = dataclasses.replace(dataset, path=Path("/nowhere"))
    with pytest.raises(DatasetError, match="cannot be read"):
        simulated(DatasetInput(damaged))


IN_QUEUE = dataclasses.replace(RULES, fill="queue", latency_ms=50.0, max_wait_bins=30)


def test_the_fates_of_resting_orders_are_those_of_a_run(dataset: Dataset) -> None:
    """At all thresholds, from events and from a dataset that keeps its events."""
    for replay in (MARKET, DatasetInput(dataset)):
        report = simulated(replay, rules_of=IN_QUEUE)
        assert report.differences == []
        assert report.n_orders is not None
        assert 0 < report.n_orders <= sum(report.n_fires.values())
        assert ("orders" in report.latency) == isinstance(replay, DatasetInput)
    assert simulated(DatasetInput(dataset)).n_orders is None


def test_another_fate_of_an_order_is_a_difference(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with its bin, its side and both fates."""
    fates = DatasetInput.fates

    def changed(self: DatasetInput, rows: Any, durations: Any) -> Any:
        wrong = fates(self, rows, durations).copy()
        wrong["reason"] = REASONS.index("cleared")
        return wrong

    monkeypatch.setattr(DatasetInput, "fates", changed)
    (told,) = [each for each in simulated(DatasetInput(dataset), rules_of=IN_QUEUE).differences if "reason" in each]
    assert re.match(r"reason of the (buy|sell) placed at bin \d+ is \w+, not cleared; \d+ differ", told)
