"""How long a plan would take, in minutes: from runs of before, from constants, or not known yet."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vpharness.commands import plan as planning
from vpharness.commands.plan import BUILD_SECONDS_A_BIN, COMMAND_SECONDS, COMPILE_SECONDS, RUN_SECONDS_A_BIN, estimate
from vpharness.events.synthetic import SyntheticSource


def plan_of(*names: str, bins: int = 36_000) -> Any:
    """Return a plan of a run of each signal on a dataset of so many bins, none of them done."""
    dataset = SimpleNamespace(manifest=SimpleNamespace(bins=bins))
    specs = [SimpleNamespace(signal=SimpleNamespace(name=name), signal_target=name, dataset=dataset) for name in names]
    return cast("Any", SimpleNamespace(remaining=[SimpleNamespace(spec=spec) for spec in specs]))


def job_of(name: str) -> Any:
    """Return a job of a signal on a dataset that is to be built."""
    return cast("Any", SimpleNamespace(signal_target=name))


def unbuilt(source: object) -> Any:
    """Return a dataset that is to be built."""
    lattice = SimpleNamespace(cell_width_ms=100)
    return cast("Any", SimpleNamespace(source=source, lattice=lattice, start_ns=None, end_ns=None))


def test_runs_that_are_measured_say_how_long_others_take() -> None:
    """The one that was compiled first is left out where there are others."""
    found = estimate(plan_of("jad", "jad"), [], [], {"jad": [1e-2, 1e-3, 1e-3], "ads": [5.0]})
    assert found.minutes == pytest.approx((COMMAND_SECONDS + COMPILE_SECONDS + 2 * 36) / 60)
    assert found.basis == "estimated from 3 runs of before"


def test_without_measured_runs_it_is_a_rough_estimate() -> None:
    """From what runs took on a quiet machine."""
    found = estimate(plan_of("jad", "ads"), [], [], {})
    assert found.minutes == pytest.approx((COMMAND_SECONDS + 2 * COMPILE_SECONDS + 72_000 * RUN_SECONDS_A_BIN) / 60)
    assert found.basis.startswith("a rough estimate")


def test_building_a_simulated_market_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its minutes, and by the run on it."""
    monkeypatch.setattr(planning, "is_code_kept", lambda _module: True)
    found = estimate(plan_of(), [job_of("jad")], [unbuilt(SyntheticSource(minutes=60))], {})
    seconds = COMMAND_SECONDS + COMPILE_SECONDS + 36_000 * (BUILD_SECONDS_A_BIN + RUN_SECONDS_A_BIN)
    assert found.minutes == pytest.approx(seconds / 60)


def test_a_file_whose_length_nobody_knows_has_no_estimate() -> None:
    """It is unknown, and not 0."""
    assert estimate(plan_of(), [job_of("jad")], [unbuilt(object())], {}).minutes is None


def test_a_plan_that_is_done_takes_no_time() -> None:
    """Nothing is left to run."""
    assert estimate(plan_of(), [], [], {}).minutes == 0
