"""The command `online-sim`: a table for people, JSON for programs, and a run in MLflow."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.commands.test_cli import in_process

SMALL = ["source.minutes=2", "signal=ads", "eval.max_hold_bins=50", "stall_s=1"]


def test_a_source_is_simulated_and_tracked(tmp_path: Path) -> None:
    """The table has every stage and fits, what cannot be told is said, and MLflow has the figures."""
    said = in_process(tmp_path, "online-sim", *SMALL)
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert lines[0].startswith("online simulation of ads on the source synthetic: 1,200 bins of 100 ms, 1,200 with")
    stages = [line.split()[0] for line in lines if line and line.split()[0] in {"events", "grid", "score", "encode"}]
    assert stages == ["events", "grid", "score", "encode"]
    assert all(len(line) <= 100 for line in lines[2:9])
    assert "p99.9 needs 10,000" in said.stdout
    assert "same as the run over all bins: 1,200 bins" in said.stdout
    (folder,) = (tmp_path / "outputs" / "online_sim").iterdir()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["agrees"] is True
    with sqlite3.connect(tmp_path / "outputs" / "mlflow.db") as database:
        metrics = dict(database.execute("select key, value from metrics"))
    assert metrics["total_p95_ms"] == report["latency"]["total"]["percentiles"]["p95"]
    assert "total_p99.9_ms" not in metrics
    assert metrics["agrees"] == 1.0


def test_a_dataset_is_simulated_as_json(tmp_path: Path) -> None:
    """Without the stages that it does not have, and without MLflow where that is wanted."""
    assert in_process(tmp_path, "build", "source.minutes=1", "dataset.id=a").returncode == 0
    words = ["dataset.id=a", "signal=erd", "stall_s=0", "fields=[v_add,v_pull]", "tracking=none", "json=true"]
    said = in_process(tmp_path, "online-sim", *words)
    assert (said.returncode, said.stderr) == (0, "")
    facts = json.loads(said.stdout)
    assert (facts["signal"], facts["replay"], facts["bins"], facts["agrees"]) == ("erd", "the dataset a", 600, True)
    assert list(facts["latency"]) == ["score", "encode", "total"]
    assert (facts["columns"], facts["catch_up"], facts["budget_ms"]) == (["v_add", "v_pull"], None, 100.0)
    assert not (tmp_path / "outputs" / "online_sim").exists()
    text = in_process(tmp_path, "online-sim", *words[:-1]).stdout
    assert "its bins are finished" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["speed=fast"], "speed is 'fast'; it must be max, or a number above 0"),
        (["speed=-1"], "speed is '-1'; it must be max, or a number above 0"),
        (["bin_budget_ms=0"], "bin_budget_ms is 0.0; it must be above 0"),
        (["fields=[nothing]", "source.minutes=1"], "columns nothing are none of the grid's"),
        (["dataset.id=none_such"], "no dataset none_such in the lake"),
        (
            ["dataset.id=a", "source.minutes=3"],
            "no dataset a; build it: python -m vpharness build source.minutes=3 dataset.id=a",
        ),
        (["signal.slope_windows=[1]", "signal=ads"], "signal.slope_windows"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    """It is refused before anything is replayed."""
    said = in_process(tmp_path, "online-sim", "tracking=none", *words)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("vpharness: ")
    assert message in said.stderr
    assert len(said.stderr.splitlines()) == 1
