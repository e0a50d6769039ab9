"""`compare walk_forward=true` from the command line and from Python, on a small campaign over a single dataset."""

import json
from pathlib import Path

import pandas as pd
import pytest

import vpharness as vp
from tests.commands.test_cli import in_process
from vpharness.errors import ConfigError
from vpharness.results.store import WALK_FORWARDS, Store, read

SWEEP = ["signal=ads", "signal.blend_scale=2,3", "signal.thresholds=[0.05,0.1]", "eval.tp_ticks=1", "eval.sl_ticks=1"]
SMALL = ["source.minutes=8", "eval.max_hold_bins=20", "split=none", "tracking=none", "save_series=false"]
PROCEDURE = ["walk_forward=true", "campaign=small", "segments=6", "train=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a campaign has swept one signal."""
    folder = tmp_path_factory.mktemp("walk")
    swept = in_process(folder, "-m", *SWEEP, *SMALL, "campaign=small")
    assert swept.returncode == 0, swept.stderr
    return folder


def test_steps_and_figures_are_shown_written_and_counted_once(folder: Path) -> None:
    """As a table, JSON, Parquet, a report with pictures, and a row of the ledger; from Python the same."""
    said = in_process(folder, "compare", *PROCEDURE, "report=walk.html", "parquet=walk.parquet", draws=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("walk-forward of campaign small: 4 candidates over 6 segments")
    assert "out of sample: net " in said.stdout
    assert "PBO " in said.stdout
    told = json.loads(in_process(folder, "compare", *PROCEDURE, "json=true").stdout)
    assert (told["n_segments"], told["n_steps"], told["procedures"]) == (6, 4, 1)
    steps = told.pop("steps")
    assert [step["is_test"] for step in steps] == [False] * 5
    assert sum(step["n_net"] for step in steps) == told["n_net"] > 0
    assert told["equity_ticks"] == pytest.approx(sum(step["net_total_ticks"] for step in steps))
    assert pd.read_parquet(folder / "walk.parquet")["candidate_id"].tolist() == [s["candidate_id"] for s in steps]
    page = (folder / "walk.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3
    assert ">Walk-forward<" in page
    assert ">nan<" not in page
    found = vp.walk_forward("small", segments=6, train=2, lake=folder / "lake")
    assert {name: value for name, value in found.figures.items() if value != told[name]} == {}
    assert found.fires["fires"].sum() == told["n_net"]
    assert found.fires["equity"].iloc[-1] == pytest.approx(told["equity_ticks"])
    assert (found.fires["direction"] != 0).all()
    assert found.fires["time"].is_monotonic_increasing
    assert len(found.pbo) == told["pbo_halves_judged"]
    assert (found.pbo["logit"] <= 0).mean() == pytest.approx(told["pbo"])
    assert len(read(Store(folder / "lake" / "research" / "vp_harness" / "results"), WALK_FORWARDS)) == 1


def test_where_pbo_is_not_defined_there_are_no_halves_of_it(folder: Path) -> None:
    """Two groups of segments are too few: neither the figures nor the frame have any."""
    found = vp.walk_forward("small", segments=3, train=2, lake=folder / "lake")
    assert found.figures["pbo"] is None
    assert found.pbo.shape == (0, 3)
    assert list(found.pbo.columns) == ["logit", "in_sample_net_pnl_ticks", "net_pnl_ticks"]


def test_mlflow_has_its_figures_and_pictures(folder: Path) -> None:
    """Where it is asked to track; a curve over the steps among them."""
    said = in_process(folder, "compare", *PROCEDURE, "tracking=mlflow")
    assert said.returncode == 0, said.stderr
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  # slow to load

    client = MlflowClient(f"sqlite:///{folder / 'outputs' / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "vpharness"]
    (run,) = client.search_runs([experiment.experiment_id], "tags.kind = 'walk_forward'")
    assert run.data.params["campaign"] == "small"
    assert {"pbo", "net_pnl_ticks", "step_net_pnl_ticks"} <= run.data.metrics.keys()
    assert {each.path for each in client.list_artifacts(run.info.run_id)} == {
        "steps.png",
        "equity.png",
        "overfitting.png",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["walk_forward=true", "surface=true"], "walk_forward and surface were given; give one of them"),
        (["segments=4"], "segments was given without walk_forward=true"),
        (["walk_forward=true"], "one dataset"),
        (["walk_forward=true", "segments=6", "train=6"], "train=6 needs 7 segments or more, and there are 6"),
        (["walk_forward=true", "campaign=larger", "segments=6"], "there are small"),
        (["walk_forward=true", "segments=900", "train=1"], "give at most segments="),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(folder: Path, words: list[str], said: str) -> None:
    """Nothing is written for them."""
    found = in_process(folder, "compare", *words)
    assert found.returncode == 2
    assert said in found.stderr or "there is one: " in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_value_out_of_range_is_refused_from_python_too(folder: Path) -> None:
    """As on the command line."""
    with pytest.raises(ConfigError, match="step"):
        vp.walk_forward("small", step=0, lake=folder / "lake")


def test_where_nothing_can_be_chosen_it_is_counted_what_candidates_lack(folder: Path) -> None:
    """Each segment holds a minute: too few fires for one candidate, and too few blocks for all."""
    short = ["walk_forward=true", "campaign=small", "segments=12", "train=1"]
    said = in_process(folder, "compare", *short, "report=short.html")
    assert said.returncode == 0, said.stderr
    assert "nothing is rankable" in said.stdout
    (line,) = [each for each in said.stdout.splitlines() if each.startswith("nothing is rankable at ")]
    assert "from 1 segment in sample there: too little data: 4 candidates: " in line
    assert " have fewer than " in line
    assert line.endswith("try a larger train")
    (note,) = json.loads(in_process(folder, "compare", *short, "json=true").stdout)["notes"]
    assert note == line
    assert f"{line[:1].upper()}{line[1:40]}" in (folder / "short.html").read_text(encoding="utf-8")
