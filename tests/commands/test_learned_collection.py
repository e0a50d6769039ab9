"""Learned signals on a collection: fitted on the days before, planned, fitted side by side, described."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import vpharness as vp
from tests.campaigns.days import add_days
from tests.commands.test_cli import in_process
from tests.commands.test_collection_runs import done, ok
from tests.results.pages import Page
from vpharness.datasets.lake import Lake
from vpharness.promotion.bundle import read_bundle
from vpharness.results.audits import FULL, audit_key, audits_of
from vpharness.results.store import META, read, store_in

pytestmark = pytest.mark.slow

SIGNAL = ("signal=ridge_flow", "signal.refit_every=dataset", "signal.thresholds=[0.05,0.1]")
SHORT = ("eval.max_hold_bins=50", "eval.tp_ticks=2", "eval.sl_ticks=2", "eval.null_draws=99", "split=none")
ON_DAYS = (*SIGNAL, *SHORT, "tracking=none", "dataset.collection=days")


def scores_of(folder: Path, run_id: str) -> Any:
    """Return the scores that a run has left."""
    return pq.read_table(folder / "outputs" / "runs" / run_id / "score.parquet")["score"].to_numpy()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three days that are run and described, then a fourth."""
    folder = tmp_path_factory.mktemp("learned")
    add_days(folder / "lake", 1, 3, strength=1.0)
    found: dict[str, Any] = {"folder": folder}
    found["planned"] = json.loads(ok(in_process(folder, "plan", *ON_DAYS, "json=true")).stdout)
    found["first"] = ok(in_process(folder, *ON_DAYS, "information=true", "json=true"))
    found["runs"] = done(folder)
    found["scores"] = {run_id: scores_of(folder, run_id) for run_id in found["runs"]}
    add_days(folder / "lake", 4, 4, minutes=6, strength=0.0)
    found["second"] = ok(in_process(folder, *ON_DAYS, "json=true"))
    found["more runs"] = done(folder)
    return found


def test_the_first_day_is_left_out_and_the_others_are_fitted_on_those_before(history: dict[str, Any]) -> None:
    """Which is said; a fit a day is planned."""
    assert sorted(dataset for dataset, _ in history["runs"].values()) == ["day2", "day3"]
    assert "it is not run on the first dataset of collection days@1" in history["first"].stderr
    assert history["planned"]["fits"] == 2
    assert history["planned"]["estimated_fit_minutes"] < 1
    for scores in history["scores"].values():
        assert np.isfinite(scores).mean() > 0.9


def test_a_day_that_is_added_changes_nothing_of_the_days_before(history: dict[str, Any]) -> None:
    """Their runs are those that were, and one more is fitted on all three."""
    assert history["runs"].items() <= history["more runs"].items()
    (new,) = history["more runs"].keys() - history["runs"].keys()
    assert history["more runs"][new][0] == "day4"


def test_garbage_in_a_later_day_changes_no_score_of_a_day_before(history: dict[str, Any], tmp_path: Path) -> None:
    """Another third day: the run on the second has the same id and the same scores, bit for bit."""
    add_days(tmp_path / "lake", 1, 2, strength=1.0)
    add_days(tmp_path / "lake", 7, 7, strength=0.0)
    ok(in_process(tmp_path, *ON_DAYS, "json=true"))
    (run_id,) = [run_id for run_id, (dataset, _) in done(tmp_path).items() if dataset == "day2"]
    assert history["runs"][run_id][0] == "day2"
    np.testing.assert_array_equal(scores_of(tmp_path, run_id), history["scores"][run_id])


def test_what_scores_say_is_shown_everywhere(history: dict[str, Any]) -> None:
    """With the run, by compare, on the report and in Python; the figures are the same."""
    folder = history["folder"]
    told = json.loads(history["first"].stdout)
    kinds = {row["of"] for row in told["information"]}
    assert kinds == {"coefficient", "decile", "macro_f1", "p_t", "class", "calibration", "importance"}
    name = told["information"][0]["candidate_id"]
    text = ok(in_process(folder, "compare", f"information={name}", "min_signals=0")).stdout
    assert "information coefficient: Spearman's, of scores and moves of the mid" in text
    assert "these figures describe scores" in text
    frame = vp.information(name, lake=folder / "lake")
    by_horizon = frame[frame["of"] == "coefficient"].set_index("horizon_bins")["value"]
    assert by_horizon.index.tolist() == [1, 5, 10, 50, 100]
    assert by_horizon[10] > 0.05
    ok(in_process(folder, "compare", "report=report.html", "min_signals=0"))
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "What the scores say" in page.texts["information"]
    assert "macro-F1" in page.texts["information"]


def test_a_run_is_promoted_with_the_weights_of_the_days_before(history: dict[str, Any]) -> None:
    """The live proof scores every bin with them, the audit fits again, and the card says on what."""
    folder = history["folder"]
    (run_id,) = [run_id for run_id, (dataset, _) in history["more runs"].items() if dataset == "day4"]
    limits = ("promotion.slice_bins=200", "promotion.max_latency_share=1", 'force="a drill"', "tracking=none")
    said = ok(in_process(folder, "promote", f"run_id={run_id}", *limits, "json=true"))
    gates = {gate["name"]: gate for gate in json.loads(said.stdout)["gates"]}
    assert gates["live = batch"]["passed"], gates["live = batch"]
    assert gates["audit"]["passed"], gates["audit"]
    card = read_bundle(folder / json.loads(said.stdout)["bundle"]).record.fit["card"]  # type: ignore[index]  # it is learned
    assert [each["id"] for each in card["fitted_on"]] == ["day1", "day2", "day3"]
    assert card["fit"]["bin"] == 0


def test_an_audit_is_of_the_fits_on_the_days_before(history: dict[str, Any]) -> None:
    """It is that of the run on the same day, in full; that there are no labels to shuffle is said."""
    folder = history["folder"]
    words = [each for each in ON_DAYS if each.startswith(("signal", "dataset"))]
    said = in_process(folder, "audit", *words, "shuffles=2", "json=true")
    assert said.returncode == 0, said.stderr
    assert "the audit is on dataset day2 of the collection" in said.stderr
    assert "no labels were shuffled" in said.stderr
    store = store_in(folder / "lake")
    identity = json.loads(next(row for row in read(store, META) if row["dataset_id"] == "day2")["identity"])
    assert audits_of(store)[audit_key(identity)].kind == FULL


def test_fits_are_done_side_by_side_once_each(history: dict[str, Any]) -> None:
    """Two processes: twelve runs that differ in barriers and penalty need four fits, and read them."""
    folder, before = history["folder"], set(Lake(history["folder"] / "lake").models.glob("*/card.json"))
    sweep = ("signal.l2=3,4", "eval.tp_ticks=2,3", "dataset.collection=days@1", "campaign=beside")
    words = [each for each in ON_DAYS if not each.startswith(("dataset.collection", "eval.tp"))]
    planned = json.loads(ok(in_process(folder, "plan", *words, *sweep, "json=true")).stdout)
    assert (planned["fits"], planned["to_run"]) == (4, 8)
    ok(in_process(folder, "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *words, *sweep))
    assert len(set(Lake(folder / "lake").models.glob("*/card.json")) - before) == 4
    again = json.loads(ok(in_process(folder, "plan", *words, *sweep, "json=true")).stdout)
    assert (again["fits"], again["to_run"]) == (0, 0)
