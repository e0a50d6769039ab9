"""A candidate whose entries rest in the queue passes the same gates: its orders are proven, recorded and replayed."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.commands.test_cli import Said, in_process
from tests.promotion.market import OWN, SHORT, limits_with
from tests.promotion.test_promote import OWN_MODULES
from vpharness.datasets.lake import Lake
from vpharness.order_fates import NONE, REASONS
from vpharness.promotion.bundle import ORDERS_FILE
from vpharness.promotion.serving import Bundle, promoted, read_bundle, replay_differences

pytestmark = pytest.mark.slow

QUEUE = ("eval.fill=queue", "eval.latency_ms=100", "eval.max_wait_bins=20")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of resting entries on nine minutes of market."""
    folder = tmp_path_factory.mktemp("queue")
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "recent_flow.yaml").write_text("_target_: tests.promotion.recent_flow.recent_flow\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def said(folder: Path) -> Said:
    """What the command says that promotes it, whatever it earned."""
    run = in_process(folder, *OWN, "source.strength=1", "source.minutes=9", *SHORT, *QUEUE, "json=true")
    assert run.returncode == 0, run.stderr
    run_id = json.loads(run.stdout)["candidates"][0]["run_ids"][0]
    return in_process(
        folder, "promote", f"run_id={run_id}", "threshold=0.2", *limits_with("promotion.slice_bins=300"),
        "force=it is a test", "json=true",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(folder: Path, said: Said) -> Bundle:
    """Its bundle."""
    path = promoted(Lake(folder / "lake"), "SYN")
    assert path is not None, said.stderr + said.stdout
    return read_bundle(path)


def test_its_live_proof_compares_the_fate_of_every_order(said: Said, bundle: Bundle) -> None:
    """The gate says how many there were; the record says the execution, and promises its figures."""
    gates = {gate["name"]: gate for gate in json.loads(said.stdout)["gates"]}
    live = gates["live = batch"]
    assert live["passed"], live["found"]
    assert live["wanted"] == "the same bins, scores, fires and fates of resting orders from events"
    assert bundle.record.evidence["live"]["orders"] > 50
    assert live["found"].endswith(f", {bundle.record.evidence['live']['orders']:,} orders")
    evaluation = bundle.record.evaluation
    assert (evaluation["fill"], evaluation["latency_ms"], evaluation["max_wait_bins"]) == ("queue", 100.0, 20)
    assert 0 < bundle.record.evidence["promised"]["train"]["fill_rate"] <= 1


def test_its_orders_are_recorded_and_replayed(bundle: Bundle) -> None:
    """From the state in the middle of the feed; another fate is named, and a bundle without them is refused."""
    assert (bundle.path / ORDERS_FILE).is_file()
    fates = bundle.recording.fates
    assert fates is not None
    assert np.count_nonzero(fates["reason"] != NONE) == np.count_nonzero(bundle.recording.outputs.fires)
    assert replay_differences(bundle, OWN_MODULES) == []
    place, row = np.argwhere(fates["reason"] != NONE)[0]
    other = fates.copy()
    other["reason"][place, row] = REASONS.index("cleared")
    changed = dataclasses.replace(bundle, recording=dataclasses.replace(bundle.recording, fates=other))
    (difference,) = replay_differences(changed, OWN_MODULES)
    assert difference.endswith("not cleared; 1 differ")
    without = dataclasses.replace(bundle, recording=dataclasses.replace(bundle.recording, fates=None))
    assert "records none of them" in replay_differences(without, OWN_MODULES)[0]


def test_show_says_how_fires_are_entered(folder: Path, bundle: Bundle) -> None:
    """In words, beside the figures that were promised."""
    shown = in_process(folder, "promote", "show")
    assert bundle.record.version in shown.stdout
    assert "entered with resting orders, latency 100 ms, withdrawn after 20 bins" in shown.stdout
    assert "Orders filled" in shown.stdout
