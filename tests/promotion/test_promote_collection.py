"""A candidate over a collection is promoted: pooled evidence, live proof on the last day of each part, later days."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.days import add_days
from tests.commands.test_cli import in_process
from tests.promotion.market import LIMITS, OWN, SHORT
from vpharness.datasets.lake import Lake
from vpharness.promotion.serving import promoted, read_bundle
from vpharness.results.store import VIEWS, read, store_in

pytestmark = pytest.mark.slow

RUN = (*OWN, *SHORT, "signal.thresholds=[0.2]", "dataset.collection=days", "tracking=none", "json=true")
MINUTES = 8


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six days run, the winner promoted, two days added and run."""
    folder = tmp_path_factory.mktemp("promoted")
    group = folder / "my_conf" / "signal"
    group.mkdir(parents=True)
    (group / "recent_flow.yaml").write_text("_target_: tests.promotion.recent_flow.recent_flow\n", encoding="utf-8")
    add_days(folder / "lake", 1, 6, minutes=MINUTES, strength=1.0)
    ran = in_process(folder, *RUN)
    assert ran.returncode == 0, ran.stderr
    (best,) = json.loads(ran.stdout)["candidates"]
    found: dict[str, Any] = {"folder": folder, "best": best}
    name = best["candidate_id"]
    # A busy machine may take longer for a step than is allowed.
    words = (f"run_id={name}", *LIMITS, 'force="a busy machine"', "tracking=none", "json=true")
    found["said"] = in_process(folder, "promote", *words)
    found["shown"] = in_process(folder, "promote", "show", "json=true")
    add_days(folder / "lake", 7, 8, minutes=MINUTES, strength=1.0)
    again = in_process(folder, *RUN)
    assert again.returncode == 0, again.stderr
    return found


def test_evidence_is_pooled_and_proven_on_the_last_day_of_each_part(story: dict[str, Any]) -> None:
    """All gates pass; the bundle is of the newest day, its figures are those of all."""
    said = story["said"]
    assert said.returncode == 0, said.stderr
    gates = {gate["name"]: gate for gate in json.loads(said.stdout)["gates"]}
    assert all(gate["passed"] for name, gate in gates.items() if name != "latency"), gates
    for name in ("dataset", "lattice", "events", "live = batch"):
        assert gates[name]["found"].startswith("day4: ")
        assert "; day6: " in gates[name]["found"]
    path = promoted(Lake(story["folder"] / "lake"), "SYN")
    assert path is not None
    record = read_bundle(path).record
    assert record.dataset_id == "day6"
    assert record.candidate_id == story["best"]["candidate_id"]
    assert record.evidence["pooled"] == {
        "collection": "days@1",
        "train": ["day1", "day2", "day3", "day4"],
        "test": ["day5", "day6"],
        "live_proof": ["day4", "day6"],
    }
    assert record.evidence["promised"]["train"]["n_net"] == story["best"]["n_net"]
    assert record.evidence["projection"] is not None


def test_later_days_are_the_forward_record_of_a_version(story: dict[str, Any]) -> None:
    """There are none at first; then those of the test stay closed until they are opened, which is counted."""
    folder = story["folder"]
    assert json.loads(story["shown"].stdout)["later_days"]["days"] == 0
    shown = json.loads(in_process(folder, "promote", "show", "json=true").stdout)["later_days"]
    assert (shown["days"], shown["test_days"], shown["n_net"]) == (0, 2, None)
    assert "2 later days are kept for the test" in in_process(folder, "promote", "history").stdout
    views = len(read(store_in(folder / "lake"), VIEWS))
    opened = json.loads(in_process(folder, "promote", "show", "show_test=true", "json=true").stdout)["later_days"]
    assert (opened["days"], opened["test_days"], opened["refused"]) == (2, 0, "")
    assert opened["n_net"] > 10
    assert len(read(store_in(folder / "lake"), VIEWS)) == views + 2
    assert "pooled over" in in_process(folder, "promote", "show").stdout
    later = json.loads(in_process(folder, "compare", "since=chosen", "json=true").stdout)
    assert [(row["chosen_by"], row["later_test_days"]) for row in later] == [("promotion", 2)]


def test_a_dataset_cannot_be_named_beside_a_run(story: dict[str, Any]) -> None:
    """A run names it itself."""
    folder: Path = story["folder"]
    said = in_process(folder, "promote", f"run_id={story['best']['candidate_id']}", "dataset.id=day1")
    assert said.returncode == 2
    assert "dataset.id is day1, but a run names its dataset itself; leave it out" in said.stderr
