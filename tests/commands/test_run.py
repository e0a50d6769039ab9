"""The main job from the command line: run, store, rank."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.commands.test_cli import in_process, vpharness
from vpharness.commands.text.progress_display import COMPILING_LATTICE, COMPILING_SIGNALS

SMALL = [
    "source.minutes=6",
    "eval.max_hold_bins=100",
    "eval.tp_ticks=2",
    "eval.sl_ticks=2",
    "split=none",
    "tracking=none",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two signals have been run on six minutes of market, one of them by a process of its own."""
    folder = tmp_path_factory.mktemp("runs")
    first = vpharness(folder, "signal=perm_derivative", *SMALL)
    second = in_process(folder, "signal=ads", "signal.thresholds=[0.1,0.3]", *SMALL)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "p adj." in first.stdout
    assert "p adj." in second.stdout
    return folder


def test_a_run_is_stored_with_all_that_is_needed_to_repeat_it(folder: Path) -> None:
    """The store's three tables are read by pandas, and the run folder holds config, card, score and fires."""
    results = folder / "lake" / "research" / "vp_harness" / "results"
    meta = pd.read_parquet(results / "runs_meta.parquet")
    assert meta["status"].tolist() == ["done", "done"]
    candidates = pd.read_parquet(results / "runs.parquet")
    assert sorted(candidates["threshold"]) == [0.03, 0.05, 0.08, 0.1, 0.1, 0.15, 0.2, 0.3]
    assert len(pd.read_parquet(results / "fires.parquet")) == len(candidates)
    run_folder = folder / "outputs" / "runs" / str(meta["run_id"].iloc[0])
    card = json.loads((run_folder / "run_card.json").read_text(encoding="utf-8"))
    assert card["run_id"] == meta["run_id"].iloc[0]
    assert card["identity"] == json.loads(meta["identity"].iloc[0])
    score = pd.read_parquet(run_folder / "score.parquet")
    assert len(score) == meta["bins"].iloc[0]
    fires = pd.read_parquet(run_folder / "fires.parquet")
    first = candidates.iloc[0]
    own = fires[fires["threshold"] == first["threshold"]]
    assert len(own) == first["n_fires"]
    assert own["net_pnl_ticks"].mean() == pytest.approx(first["net_pnl_ticks"])


def test_the_same_run_is_recognised_and_says_the_same(folder: Path) -> None:
    """Nothing is written twice, and the figures are the same."""
    again = in_process(folder, "signal=perm_derivative", *SMALL, "json=true")
    assert "is in the store already" in again.stderr
    results = folder / "lake" / "research" / "vp_harness" / "results"
    assert len(pd.read_parquet(results / "runs_meta.parquet")) == 2
    stored = pd.read_parquet(results / "runs.parquet").set_index("candidate_id")
    for row in json.loads(again.stdout)["candidates"]:
        assert row["net_pnl_ticks"] == pytest.approx(stored.loc[row["candidate_id"], "net_pnl_ticks"])
        assert row["p_value"] == stored.loc[row["candidate_id"], "p_value"]


def test_compare_ranks_the_whole_ledger_and_writes_parquet(folder: Path) -> None:
    """Both signals stand in one family; a filter narrows what is shown, not what it is measured against."""
    rows = json.loads(in_process(folder, "compare", "json=true", "min_signals=0").stdout)
    assert len(rows) == 8
    rankable = sum(row["p_adjusted"] is not None for row in rows)
    ads = json.loads(in_process(folder, "compare", "json=true", "signal=ads", "parquet=ads.parquet").stdout)
    assert {row["signal"] for row in ads} == {"ads"}
    assert {row["family_size"] for row in ads if row["p_adjusted"] is not None} <= {rankable}
    assert len(pd.read_parquet(folder / "ads.parquet")) == len(ads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["signal=adz"], "signal has no choice 'adz'; did you mean signal=ads or signal=jad?"),
        (["signal=ads", "signal.lag=3"], "signal.lag is not a key here; the keys are blend_scale, "),
        (["signal=ads", "signal.blend_scale=0"], "signal.blend_scale is 0.0; it must be above 0"),
        (["signal=ads", "dataset.id=none"], "no dataset none in the lake"),
        (
            ["signal=msd", "source.minutes=6", "split=none"],
            "split=none leaves no training part for signal.threshold_quantiles",
        ),
        (["source.minutes=1"], "has 600 bins; a run needs "),
        ([*SMALL, "eval.warmup_bins=8000"], "has 3,600 bins; a run needs 8,000 (eval.warmup_bins) + "),
        (
            [*SMALL, "signal=ads", "signal.thresholds=[2,3]"],
            "signal ads never fires on dataset",
        ),
        (["experiment=tune_perm_derivative"], "python -m vpharness -m experiment=tune_perm_derivative"),
        (["eval.max_hold_bins=5", "eval.max_hold_ms=500"], "give one of them"),
    ],
)
def test_a_mistake_in_a_run_is_one_line(folder: Path, arguments: list[str], message: str) -> None:
    """One clear line and a non-zero exit."""
    run = in_process(folder, *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    lines = [line for line in run.stderr.splitlines() if line not in {COMPILING_LATTICE, COMPILING_SIGNALS}]
    assert len(lines) == 1


@pytest.mark.parametrize("arguments", [["signal=ads"], ["compare"]])
def test_a_store_of_a_newer_version_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Before any work."""
    results = tmp_path / "lake" / "research" / "vp_harness" / "results"
    results.mkdir(parents=True)
    (results / "store.json").write_text('{"store_version": 99}', encoding="utf-8")
    run = in_process(tmp_path, *arguments)
    assert run.returncode == 2
    assert "are of store version 99, this vpharness reads 1 and 2" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "lake" / "research" / "vp_harness" / "generated_grids").exists()


def test_a_dataset_without_a_column_that_the_signal_reads_is_refused(folder: Path) -> None:
    """The column, the signal and the dataset are named, and nothing is stored."""
    variant = next((folder / "lake" / "research" / "vp_harness" / "generated_grids").iterdir())
    poor = folder / "poor"
    poor.mkdir()
    (poor / "bins.parquet").write_bytes((variant / "bins.parquet").read_bytes())
    kept = ["bin_seq", "k", "v_add"]
    pq.write_table(pq.read_table(variant / "grid_clean.parquet", columns=kept), poor / "grid_clean.parquet")
    assert in_process(folder, "publish", "poor", "dataset.id=poor", "source.tick_size=0.25").returncode == 0
    run = in_process(folder, "signal=ads", "dataset.id=poor")
    assert run.returncode == 2
    assert "signal ads reads v_pull, which dataset poor does not have" in run.stderr
    assert run.stderr.count("\n") == 1


def test_signals_are_listed_with_their_parameters(folder: Path) -> None:
    """As text, and as JSON for programs."""
    listed = json.loads(in_process(folder, "list-signals", "json=true").stdout)
    assert [row["name"] for row in listed] == [
        "ads", "ads_pfp_svac", "erd", "gbm_mf", "iirc", "jad", "knn_cl", "lsvm_der", "mlp_lob", "msd",
        "pca_ad", "perm_derivative", "pfp", "ridge_flow", "spg", "svac", "svm_sp", "xgb_snap",
    ]  # fmt: skip
    assert listed[0]["columns"] == ["v_add", "v_pull"]
    assert listed[0]["learned"] is None
    assert {row["name"]: row["learned"]["features"] for row in listed if row["learned"]} == {
        "gbm_mf": 53, "knn_cl": 35, "lsvm_der": 60, "mlp_lob": 504, "pca_ad": 102, "ridge_flow": 13,
        "svm_sp": 45, "xgb_snap": 163,
    }  # fmt: skip
    told = in_process(folder, "list-signals").stdout
    assert "blend_scale = 3.0" in told
    label = "label: move of the mid over 20 bins; fitted every 6000 bins from bin 2400"
    assert f"learned: ridge on 13 features; {label}" in told


def test_a_run_with_other_thresholds_forgets_nothing_of_what_they_share(tmp_path: Path) -> None:
    """An adaptive choice stays one, the first run is still found, and both runs are told of."""
    words = ["signal=ads", "source.minutes=4", "eval.max_hold_bins=20", "split=none", "tracking=none", "json=true"]
    first = in_process(tmp_path, *words, "signal.thresholds=[0.3]", "adaptive=true")
    second = in_process(tmp_path, *words, "signal.thresholds=[0.3,0.5]")
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    (chosen,) = json.loads(first.stdout)["candidates"]
    rows = {row["threshold"]: row for row in json.loads(second.stdout)["candidates"]}
    assert {threshold: row["adaptive"] for threshold, row in rows.items()} == {"0.3": True, "0.5": False}
    assert rows["0.3"]["candidate_id"] == chosen["candidate_id"]
    assert rows["0.3"]["run_ids"] == [chosen["run_ids"][0], rows["0.5"]["run_ids"][0]]
    refused = in_process(tmp_path, "promote", f"run_id={chosen['run_ids'][0]}", "tracking=none")
    assert "rankable: wanted enough data in training" in refused.stderr
