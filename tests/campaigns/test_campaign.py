"""Campaigns from the command line: planned, carried out, resumed, tracked, and what goes wrong in them."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import pandas as pd
import pytest

from tests.campaigns.market import EVALUATION, add_own_signal, small_dataset
from tests.commands.test_cli import PROJECT, in_process, vpharness
from tests.docs.markdown import importable
from tests.results.earlier_stores import as_version_2
from tests.results.ledgers import opened_test
from tests.results.test_tracking import client_of
from vpharness.datasets.lake import Lake

QUIET = [*EVALUATION, "save_series=false", "json=true"]
PFP = ["-m", "signal=pfp", "tracking=none", *QUIET]
UNTIMED = ["created_ns", "seconds", "part"]
KEPT_FROM_S = "jax_persistent_cache_min_compile_time_secs"
"""JAX's setting of how long a program must have been compiled for it to be kept on disk."""


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the one market of these tests is built."""
    lake = tmp_path_factory.mktemp("market") / "lake"
    small_dataset(lake)
    return Lake(lake).variants


@pytest.fixture
def folder(tmp_path: Path, variants: Path) -> Path:
    """A folder whose lake has the market."""
    place = Lake(tmp_path / "lake").variants
    place.parent.mkdir(parents=True)
    place.symlink_to(variants)
    return tmp_path


def results_of(folder: Path) -> dict[str, pd.DataFrame]:
    """Return what the store holds of finished runs, without what tells one time from another."""
    store = folder / "lake" / "research" / "vp_harness" / "results"
    meta = pd.read_parquet(store / "runs_meta.parquet").drop_duplicates("run_id", keep="last")
    current = meta[meta["status"] == "done"][["run_id", "part"]]
    found = {"meta": meta.drop(columns=UNTIMED).sort_values("run_id").reset_index(drop=True)}
    for name in ("runs", "fires"):
        rows = pd.read_parquet(store / f"{name}.parquet").merge(current, on=["run_id", "part"])
        found[name] = rows.drop(columns="part").sort_values(["run_id", "candidate_id"]).reset_index(drop=True)
    return found


def test_a_campaign_runs_each_job_and_goes_on_where_it_stopped(folder: Path) -> None:
    """Rows and folders for each run; more values later run only what is new; each run is known to be done alone."""
    first = in_process(folder, *PFP, "signal.lag_bins=3,5", "eval.tp_ticks=4,6", "campaign=mine")
    assert first.returncode == 0, first.stderr
    said = json.loads(first.stdout)
    assert (said["campaign"], said["distinct_runs"], said["done_now"], said["failed"]) == ("mine", 4, 4, 0)
    tables = results_of(folder)
    assert set(tables["meta"]["campaign"]) == {"mine"}
    assert len(tables["meta"]) == 4
    assert len(tables["runs"]) == len(said["candidates"]) == len(tables["fires"])
    more = [*PFP, "signal.lag_bins=3,5", "eval.tp_ticks=4,6,8"]
    plan = json.loads(in_process(folder, "plan", *more[1:]).stdout)
    assert (plan["jobs"], plan["done_already"], plan["to_run"], plan["distinct_scores"]) == (6, 4, 2, 2)
    second = json.loads(in_process(folder, *more).stdout)
    assert (second["done_before"], second["done_now"]) == (4, 2)
    assert plan["candidates"] == len(second["candidates"]), "both count the whole campaign"
    for run in plan["runs"][:2]:
        run_folder = folder / "outputs" / "runs" / run["run_id"]
        assert {"config.yaml", "overrides.yaml", "run_card.json", "fires.parquet"} <= {
            f.name for f in run_folder.iterdir()
        }
        alone = in_process(folder, *run["words"])
        assert f"run {run['run_id']} is in the store already" in alone.stderr


def test_a_plan_is_refused_whole_and_leaves_nothing(tmp_path: Path) -> None:
    """Everything that is wrong is said together, before any work."""
    said = in_process(
        tmp_path, "-m", "signal=pfp,pfq", "eval.tp_ticks=4,-6", "signal.lag=1,2", "eval.sl_ticks=range(1,1)", "lake=x,y"
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert "5 things are wrong" not in said.stderr or said.stderr.count("\n  ") == 5
    for expected in (
        "the axis eval.sl_ticks has no value",
        "lake has 2 values",
        "signal.lag is not a key here; did you mean signal.lag_bins?",
        "signal has no choice 'pfq'; did you mean signal=pfp",
    ):
        assert expected in said.stderr
    ranges = in_process(tmp_path, "-m", "signal=pfp", "eval.tp_ticks=4,-6", "dataset.id=gone", "signal.lag_bins=0,1")
    for expected in ("eval.tp_ticks is -6.0", "signal.lag_bins is 0", "no dataset gone in the lake"):
        assert expected in ranges.stderr
    idle = in_process(tmp_path, "-m", "signal=pfp", "dataset.id=x", "lattice.cell_width_ms=50,100")
    assert "no dataset x; build it: python -m vpharness build lattice.cell_width_ms=50 dataset.id=x" in idle.stderr
    assert not (tmp_path / "lake").exists()


def test_a_dataset_that_is_there_is_not_built_in_another_way(folder: Path, variants: Path) -> None:
    """What would build it would change nothing; where it is not there, the command that builds it is named."""
    (built,) = variants.iterdir()
    idle = in_process(folder, "signal=pfp", f"dataset.id={built.name}", "source.minutes=15")
    assert f"dataset.id={built.name} is built already, so source.minutes would change nothing" in idle.stderr
    missing = in_process(folder, "signal=pfp", "source.minutes=15", "dataset.id=m15")
    assert missing.stderr == (
        "vpharness: no dataset m15; build it: python -m vpharness build source.minutes=15 dataset.id=m15\n"
    )


def test_a_value_that_refers_to_another_is_the_one_of_its_own_job(folder: Path) -> None:
    """An axis that follows another one makes the runs that both values make."""

    def planned(*words: str) -> list[str]:
        said = in_process(folder, "plan", "signal=pfp", "tracking=none", *EVALUATION, "json=true", *words)
        return [run["run_id"] for run in json.loads(said.stdout)["runs"]]

    together = planned("eval.tp_ticks=4,6", "eval.sl_ticks=${eval.tp_ticks}")
    assert together == [planned(f"eval.tp_ticks={ticks}", f"eval.sl_ticks={ticks}")[0] for ticks in (4, 6)]


def test_words_that_do_not_vary_are_told_with_the_rest(tmp_path: Path) -> None:
    """Hydra would name the first key that it does not know, and nothing else."""
    said = in_process(
        tmp_path,
        *("-m", "signal=pfp", "eval.tp_tick=4", "signal.lag=3", "source.seed=x", "memory_mb=1", "tracking.kind=foo"),
        *("eval.sl_ticks=-1,4", "lake=x,y"),
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert "7 errors in this campaign" in said.stderr
    for expected in (
        "eval.tp_tick is not a key here",
        "signal.lag is not a key here; did you mean signal.lag_bins?",
        "source.seed is 'x'; expected a whole number",
        "memory_mb is 1; it must be at least 64",
        "tracking.kind is 'foo'; it must be one of mlflow, none",
        "eval.sl_ticks is -1.0",
        "lake has 2 values",
    ):
        assert expected in said.stderr
    group = in_process(tmp_path, "signal=pfq", "signal.lag=3", "eval.tp_tick=4")
    assert group.stderr.count("\n") == 1
    assert "signal has no choice 'pfq'; did you mean signal=pfp" in group.stderr
    assert "eval.tp_tick is not a key here" in group.stderr
    assert "signal.lag" not in group.stderr
    assert not (tmp_path / "lake").exists()


def test_what_an_adaptive_search_chose_is_marked_for_good(folder: Path) -> None:
    """By the key, and by a sweeper that is neither ours nor Hydra's own; a plain one knows all jobs beforehand."""
    words = [*PFP[1:], "signal.lag_bins=3"]
    assert in_process(folder, *words, "adaptive=true").returncode == 0
    assert in_process(folder, *PFP, "signal.lag_bins=3,5", "hydra/sweeper=basic").returncode == 0
    shown = json.loads(in_process(folder, "compare", "json=true", "min_signals=0").stdout)
    marked = {row["signal.lag_bins"]: row["adaptive"] for row in shown}
    assert marked == {3: True, 5: False}
    assert all(row["p_adjusted"] is None for row in shown if row["adaptive"])
    assert "chosen by an adaptive search" in in_process(folder, *words).stdout


def test_grid_variants_are_built_once_and_run_on(tmp_path: Path) -> None:
    """Lattice axes beside axes of a signal: a candidate of one lattice is not one of another."""
    words = [*PFP, "lattice.cell_width_ms=100,200", "signal.lag_bins=3,5"]
    plan = json.loads(in_process(tmp_path, "plan", *words[1:]).stdout)
    assert (plan["jobs"], plan["datasets_to_build"], plan["to_run_on_datasets_not_built_yet"]) == (4, 2, 4)
    assert (plan["distinct_runs"], plan["to_run"], plan["signals_to_compile"]) == (4, 4, 1)
    assert (plan["done_already"], plan["candidates"], plan["megabytes_of_scores"]) == (None, None, None)
    said = json.loads(in_process(tmp_path, *words).stdout)
    assert said["done_now"] == 4
    meta = results_of(tmp_path)["meta"]
    assert sorted(meta["cell_width_ms"]) == [100, 100, 200, 200]
    assert len(list((tmp_path / "lake").glob("research/vp_harness/generated_grids/*"))) == 2
    assert all(len(row["datasets"]) == 1 for row in said["candidates"])


def test_a_failed_run_is_a_row_and_the_others_go_on(folder: Path) -> None:
    """It is said at once and in the end, with the exit code; on_error=stop begins no other."""
    own = [*add_own_signal(folder), "-m", "signal=fragile", "tracking=none", *QUIET]
    with importable(folder):
        said = in_process(folder, *own, "signal.scale=0,1,2")
        assert said.returncode == 2
        assert json.loads(said.stdout)["done_now"] == 2
        assert said.stderr.count("the quantiles of |score| over the training part are 0") == 2
        assert "1 of 3 runs failed" in said.stderr
        meta = results_of(folder)["meta"]
        assert sorted(meta["status"]) == ["done", "done", "failed"]
        again = in_process(folder, *own, "signal.scale=0,1,2,3", "on_error=stop")
        assert json.loads(again.stdout)["done_now"] == 0
        assert json.loads(again.stdout)["done_before"] == 2


@pytest.mark.slow
def test_a_process_that_dies_costs_its_group_a_retry(folder: Path) -> None:
    """The groups of two signals in two processes, one of which dies once: everything is done in the end."""
    own = [*add_own_signal(folder), "-m", "signal=fragile", "tracking=none", *QUIET]
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "signal.deaths='1'", "signal.scale=1,2"]
    said = vpharness(folder, *own, *words)
    assert said.returncode == 0, said.stderr
    assert (folder / "deaths").read_text(encoding="utf-8") == "x"
    assert sorted(results_of(folder)["meta"]["status"]) == ["done", "done"]


def tracked_children(folder: Path) -> tuple[Any, list[Any]]:
    """Return the parent run of the one campaign in MLflow, and its children."""
    client = client_of(folder)
    experiment = client.get_experiment_by_name("vpharness").experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if run.data.tags.get("kind") == "campaign"]
    return parent, [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def test_runs_are_tracked_below_their_campaign(folder: Path) -> None:
    """One child a run with its curves and a flat tag; what was not tracked before is tracked when it is resumed."""
    words = ["-m", "signal=pfp", *QUIET, "campaign=mine"]
    assert in_process(folder, *words, "signal.lag_bins=3", "tracking=none").returncode == 0
    said = in_process(folder, *words, "signal.lag_bins=3,5")
    assert said.returncode == 0, said.stderr
    assert "vpharness:" not in said.stderr
    parent, children = tracked_children(folder)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["runs_done"] == 1
    assert {child.data.params["signal.lag_bins"] for child in children} == {"3", "5"}
    assert {child.data.tags["campaign"] for child in children} == {"mine"}
    store = results_of(folder)["runs"].set_index(["run_id", "threshold"])
    client = client_of(folder)
    for child in children:
        thresholds = client.get_metric_history(child.info.run_id, "threshold")
        for point in client.get_metric_history(child.info.run_id, "p_value"):
            (threshold,) = [each.value for each in thresholds if each.step == point.step]
            assert point.value == store.loc[(child.data.tags["run_id"], threshold), "p_value"]
        assert "figure.png" in {artifact.path for artifact in client.list_artifacts(child.info.run_id)}


KILLED = ["-m", "signal=pfp", "signal.lag_bins=range(1,9)", "eval.tp_ticks=2,3,4", "tracking=none", *QUIET]


def kill_and_resume(folder: Path, seconds: float) -> None:
    """Begin a campaign, kill it after a while, and carry it out to its end."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
    process = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "vpharness", *KILLED], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    time.sleep(seconds)  # the moment is random: it is what is tested
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert vpharness(folder, *KILLED).returncode == 0


@pytest.mark.slow
def test_killed_at_random_and_resumed_gives_the_store_of_an_undisturbed_campaign(tmp_path: Path) -> None:
    """Twenty times."""
    (tmp_path / "undisturbed").mkdir()
    assert vpharness(tmp_path / "undisturbed", *KILLED).returncode == 0
    expected = results_of(tmp_path / "undisturbed")
    chance = random.Random(0)  # noqa: S311  # no secret
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        kill_and_resume(folder, chance.uniform(3, 12))
        found = results_of(folder)
        for name, table in expected.items():
            pd.testing.assert_frame_equal(found[name], table)


@pytest.mark.slow
def test_two_campaigns_of_the_same_runs_at_once_run_them_once(folder: Path) -> None:
    """The second waits for the first, finds everything done, and says the same."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(folder / "lake")}
    command = [sys.executable, "-m", "vpharness", *PFP, "signal.lag_bins=3,5"]
    both = [
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
        for _ in range(2)
    ]
    said = [json.loads(process.communicate(timeout=300)[0]) for process in both]
    store = folder / "lake" / "research" / "vp_harness" / "results"
    assert len(pd.read_parquet(store / "runs_meta.parquet")) == 2
    assert sorted((each["done_before"], each["done_now"]) for each in said) == [(0, 2), (2, 0)]
    assert said[0]["candidates"] == said[1]["candidates"]


@pytest.mark.slow
def test_two_campaigns_at_once_meet_in_one_store(tmp_path: Path) -> None:
    """What both run is there; nothing is lost."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(tmp_path / "lake")}
    both = [
        subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "vpharness", *KILLED, f"signal.ema_alpha={alpha}"], cwd=tmp_path, env=environment
        )
        for alpha in ("0.05,0.1", "0.1,0.2")
    ]
    assert [process.wait() for process in both] == [0, 0]
    found = results_of(tmp_path)
    assert len(found["meta"]) == 3 * 24
    assert found["runs"].groupby("run_id").size().eq(found["runs"].groupby("run_id").size().iloc[0]).all()


def test_a_full_disk_ends_a_campaign_in_one_line_and_loses_nothing_finished(folder: Path) -> None:
    """Files may not grow beyond a few kilobytes, as on a disk that is full; with room again it goes on."""
    words = [*PFP, "signal.lag_bins=3,5"]
    assert in_process(folder, *words).returncode == 0
    before = results_of(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    settings: Any = jax.config  # it says nothing of its types
    kept_from_s = settings.values[KEPT_FROM_S]  # noqa: PD011  # no table
    try:
        # Of a compiled program, which JAX writes in place, half would stay for all other tests to find.
        settings.update(KEPT_FROM_S, 1e9)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
        full = in_process(folder, *words, "eval.tp_ticks=3,5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        settings.update(KEPT_FROM_S, kept_from_s)
    assert full.returncode == 2
    assert full.stderr.count("\n") == 1
    assert "cannot be written" in full.stderr or "cannot write" in full.stderr
    after = results_of(folder)
    for name, table in before.items():
        pd.testing.assert_frame_equal(after[name], table)
    assert json.loads(in_process(folder, *words, "eval.tp_ticks=3,5").stdout)["done_now"] == 4


def test_a_dataset_kept_for_the_test_is_run_and_judged_by_nobody(tmp_path: Path) -> None:
    """Its fires are stored without figures; they decide no rank. What ranks in training is opened, counted."""
    for name, seed in (("train", 1), ("kept", 2)):
        assert in_process(tmp_path, "build", f"source.seed={seed}", EVALUATION[0], f"dataset.id={name}").returncode == 0
    words = [*PFP[:3], *QUIET[1:], "signal.thresholds=[0.1,0.3]", "dataset.id=train,kept", "split=dataset"]
    words.append("split.test_datasets=[kept]")
    assert "no dataset gone in the lake" in in_process(tmp_path, *words[:-1], "split.test_datasets=[gone]").stderr
    said = json.loads(in_process(tmp_path, *words).stdout)
    assert said["done_now"] == 2
    runs = results_of(tmp_path)["runs"]
    kept = runs[runs["dataset_id"] == "kept"]
    assert len(kept) > 0
    assert kept["net_pnl_ticks"].isna().all()
    alone = json.loads(in_process(tmp_path, "compare", "json=true", "min_signals=0", "by=dataset").stdout)
    assert {tuple(row["datasets"]) for row in alone} == {("train",)}
    pooled = json.loads(in_process(tmp_path, "compare", "json=true", "min_signals=0", "show_test=true").stdout)
    trained = runs[runs["dataset_id"] == "train"].set_index("candidate_id")
    for row in pooled:
        assert row["n_fires"] == trained.loc[row["candidate_id"], "n_fires"]
        assert ("test_refused" in row) == bool(row["lacks"])
        assert row.get("test_openings") == (None if row["lacks"] else 1)
    fires = [
        opened_test(tmp_path, row["candidate_id"]).judgement.figures.n_fires if row["lacks"] else row["test_n_fires"]
        for row in pooled
    ]
    assert sum(fires) > 0


def own_figures(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of a candidate by itself, without what it is compared with."""
    compared = ("p_adjusted", "net_pnl_ticks_low_all", "could_win", "winner")
    return {name: value for name, value in unaudited(row).items() if name not in compared and "family" not in name}


def unaudited(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what was said of look-ahead: a store of version 2 has no audits."""
    return {name: value for name, value in row.items() if name != "audit"}


def of_the_ledger(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a ranking without what the datasets themselves say."""
    return {name: value for name, value in row.items() if name not in {"dataset_doubts", "by_level"}}


def test_a_ledger_outlives_its_datasets_and_one_of_an_earlier_version_needs_them(tmp_path: Path) -> None:
    """Evidence is in the ledger. Rows without any are judged anew from their fires, or left out, which is said."""
    words = [*PFP[1:3], *QUIET[1:]]
    for name, seed in (("here", 1), ("gone", 2)):
        assert in_process(tmp_path, "build", f"source.seed={seed}", EVALUATION[0], f"dataset.id={name}").returncode == 0
        assert in_process(tmp_path, *words, f"dataset.id={name}").returncode == 0
    published = tmp_path / "lake" / "research" / "vp_immutable"
    ranked = ["compare", "json=true", "min_signals=0", "by=dataset"]
    whole = json.loads(in_process(tmp_path, *ranked).stdout)
    (published / "gone").rename(tmp_path / "elsewhere")
    said = in_process(tmp_path, *ranked)
    assert ([of_the_ledger(row) for row in json.loads(said.stdout)], said.stderr) == (
        list(map(of_the_ledger, whole)),
        "",
    )
    as_version_2(tmp_path / "lake" / "research" / "vp_harness" / "results")
    said = in_process(tmp_path, *ranked)
    assert "results of an earlier version are left out: no dataset gone in the lake" in said.stderr
    here = {row["candidate_id"]: own_figures(row) for row in whole if row["datasets"] == ["here"]}
    assert {row["candidate_id"]: own_figures(row) for row in json.loads(said.stdout)} == here
    (tmp_path / "elsewhere").rename(published / "gone")
    said = in_process(tmp_path, *ranked)
    assert [unaudited(row) for row in json.loads(said.stdout)] == [unaudited(row) for row in whole]
    assert said.stderr == ""
