"""Runs on a collection from the command line: one run a dataset, one candidate over all that train."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import vpharness as vp
from tests.campaigns.days import add_days
from tests.commands.test_cli import Said, in_process
from tests.results.ledgers import opened_test
from tests.results.pages import Page
from vpharness.campaigns.collection_members import train_count
from vpharness.commands.search import rows_of_jobs
from vpharness.errors import VpharnessError
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.store import META, VIEWS, read, store_in
from vpharness.results.table_schemas import DONE

ADS = ("signal=ads", "signal.thresholds=[0.1,0.3]")
SHORT = ("eval.max_hold_bins=20", "eval.tp_ticks=2", "eval.sl_ticks=2", "eval.warmup_bins=50", "eval.null_draws=99")
QUIET = ("tracking=none", "save_series=false")
ON_DAYS = (*ADS, *SHORT, *QUIET, "dataset.collection=days")


def ok(said: Said) -> Said:
    """Return what a command said that worked."""
    assert said.returncode == 0, said.stderr
    return said


def rows(folder: Path, *words: str) -> Any:
    """Return what `compare` says as JSON."""
    return json.loads(ok(in_process(folder, "compare", "json=true", "min_signals=0", *words)).stdout)


def done(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the dataset and the judged part of every run in the store, by its id."""
    found = [row for row in read(store_in(folder / "lake"), META) if row["status"] == DONE]
    return {row["run_id"]: (row["dataset_id"], row["judged_part"]) for row in found}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three days run and their test opened, two days added and run, and what was said at each step."""
    folder = tmp_path_factory.mktemp("collection")
    add_days(folder / "lake", 1, 3)
    found: dict[str, Any] = {"folder": folder}
    found["first"] = ok(in_process(folder, *ON_DAYS, "json=true"))
    found["runs of 3"] = done(folder)
    found["compared of 3"] = rows(folder)
    refused = rows(folder, "show_test=true", "top=1")
    found["refused of 3"] = refused
    found["opened of 3"] = opened_test(folder, refused[0]["candidate_id"])
    add_days(folder / "lake", 4, 5)
    found["before 5"] = ok(in_process(folder, "compare", "since=chosen"))
    found["second"] = ok(in_process(folder, *ON_DAYS, "json=true"))
    found["runs of 5"] = done(folder)
    return found


@pytest.mark.parametrize(
    ("datasets", "share", "train"), [(1, 0.6, 1), (2, 0.6, 1), (5, 0.6, 3), (10, 0.01, 1), (3, 0.99, 3)]
)
def test_at_least_one_dataset_trains(datasets: int, share: float, train: int) -> None:
    """The share of them otherwise, half up."""
    assert train_count(datasets, share) == train


def test_a_run_on_a_collection_is_one_run_a_dataset_and_one_candidate(history: dict[str, Any]) -> None:
    """Two of three days train, and the figures of each threshold are pooled over them."""
    assert sorted(history["runs of 3"].values()) == [("day1", "train"), ("day2", "train"), ("day3", "test")]
    found = json.loads(history["first"].stdout)["candidates"]
    assert [row["datasets"] for row in found] == [["day1", "day2", "day3"]] * 2
    assert {row["threshold"] for row in found} == {"0.1", "0.3"}
    assert "collection days@1: 3 runs, 0 of them in the store before; 2 train and 1 are kept" in history["first"].stderr


def test_a_day_that_is_added_reruns_nothing(history: dict[str, Any]) -> None:
    """The runs on days that stay where they are stay the same; the day that moves into training is a new run."""
    before, after = history["runs of 3"], history["runs of 5"]
    assert {run_id: after[run_id] for run_id in before} == before
    assert sorted(after[run_id] for run_id in after.keys() - before.keys()) == [
        ("day3", "train"),
        ("day4", "test"),
        ("day5", "test"),
    ]
    assert "collection days@2: 5 runs, 2 of them in the store before" in history["second"].stderr


def test_an_earlier_version_names_what_it_held(history: dict[str, Any]) -> None:
    """Its runs are there, whatever was added since; its candidates are those of the newest version."""
    folder = history["folder"]
    again = ok(in_process(folder, *ADS, *SHORT, *QUIET, "dataset.collection=days@1", "json=true"))
    assert "collection days@1: 3 runs, 3 of them in the store before" in again.stderr
    assert done(folder) == history["runs of 5"]
    ids = {row["candidate_id"] for row in history["compared of 3"]}
    assert {row["candidate_id"] for row in rows(folder)} == ids
    of_first = rows(folder, "dataset.collection=days@1")
    assert {tuple(row["datasets"]) for row in of_first} == {("day1", "day2", "day3")}
    assert {tuple(row["left_out_datasets"]) for row in of_first} == {()}


def test_a_day_that_trains_is_no_test_any_more(history: dict[str, Any]) -> None:
    """The opening of it stays counted: what is left is another test, and harder to pass."""
    folder = history["folder"]
    (refused,), opened = history["refused of 3"], history["opened of 3"]
    assert refused["test_refused"].startswith("not opened, since it cannot be ranked")
    assert (opened.number, opened.times) == (1, 1)
    again = opened_test(folder, refused["candidate_id"])
    trials = {trial.dataset_id: trial for each in read_ledger(store_in(folder / "lake")) for trial in each.trials}
    assert {name: trial.judged_part for name, trial in trials.items()} == {
        "day1": "train",
        "day2": "train",
        "day3": "train",
        "day4": "test",
        "day5": "test",
    }
    assert (again.number, again.times) == (2, 1)
    assert len(read(store_in(folder / "lake"), VIEWS)) == 1 + 2


def test_the_pooled_figures_are_those_of_the_same_runs_made_one_by_one(history: dict[str, Any], tmp_path: Path) -> None:
    """Single runs over whole days pool to the same counts, sums and blocks."""
    folder = history["folder"]
    for number in (1, 2, 3):
        ok(in_process(folder, *ADS, *SHORT, *QUIET, f"dataset.id=day{number}", "split=none", f"outputs={tmp_path}"))
    found = {(len(row["datasets"]), row["threshold"]): row for row in rows(folder, "top=100")}
    for threshold in ("0.1", "0.3"):
        pooled, single = found[5, threshold], found[3, threshold]
        for name in (
            "n_signals",
            "n_net",
            "net_pnl_ticks",
            "net_pnl_ticks_low",
            "tp_rate",
            "p_value",
            "events_per_hour",
        ):
            assert pooled[name] == pytest.approx(single[name]), name


def test_by_dataset_shows_each_day(history: dict[str, Any]) -> None:
    """A row for each day that trains, and none for those that are kept."""
    found = rows(history["folder"], "by=dataset", "dataset.collection=days", "top=100")
    of_pool = [row["datasets"] for row in found if row["candidate_id"] == found[0]["candidate_id"]]
    assert sorted(of_pool) == [["day1"], ["day2"], ["day3"]]
    assert {(row["datasets"][0], row["session"][0]) for row in found} == {(f"day{n}", f"day {n}") for n in (1, 2, 3)}


def test_days_are_shown_by_their_sessions_and_those_that_are_kept_are_counted(history: dict[str, Any]) -> None:
    """In a ranking, for each day, and in a plan; ids stand behind."""
    folder = history["folder"]
    words = ("compare", "dataset.collection=days", "signal=ads", "min_signals=0")
    pooled = ok(in_process(folder, *words)).stdout
    assert "2 of 5 datasets are kept for the test, and not among these figures\n" in pooled
    assert "day3 (day" not in pooled
    apart = ok(in_process(folder, *words, "by=dataset")).stdout
    assert all(f"dataset=day {number} (day{number})" in apart for number in (1, 2, 3)) or "too little data" in apart
    plan = ok(in_process(folder, "plan", *ON_DAYS, "signal.blend_scale=7")).stdout
    assert "  1 run of ads on day 5 (day5)\n" in plan


def test_a_sweep_multiplies_its_jobs_by_the_datasets(history: dict[str, Any], tmp_path: Path) -> None:
    """Planned and carried out; the words of each run name the version, so that they stay true."""
    folder = history["folder"]
    sweep = ("-m", *ON_DAYS, "signal.blend_scale=3,4", f"outputs={tmp_path}")
    plan = json.loads(ok(in_process(folder, "plan", *sweep[1:], "json=true")).stdout)
    assert (plan["jobs"], plan["distinct_runs"]) == (10, 10)
    assert {word for run in plan["runs"] for word in run["words"] if word.startswith("dataset.")} == {
        "dataset.collection=days@2"
    }
    said = json.loads(ok(in_process(folder, *sweep, "json=true", "campaign=swept")).stdout)
    assert (said["jobs"], said["distinct_runs"], said["failed"]) == (10, 10, 0)
    assert {len(row["datasets"]) for row in said["candidates"]} == {5}


def test_thresholds_by_quantile_are_not_run_on_days_that_are_kept_for_the_test(
    history: dict[str, Any], tmp_path: Path
) -> None:
    """There is nothing to choose them on, which is said; each day that trains has its own."""
    words = ("signal=msd", *SHORT, *QUIET, "dataset.collection=days", f"outputs={tmp_path}", "json=true")
    said = ok(in_process(history["folder"], *words))
    assert (
        "signal msd chooses its thresholds by quantile on each dataset that it is trained on, so it is" in said.stderr
    )
    assert {tuple(row["datasets"]) for row in json.loads(said.stdout)["candidates"]} == {("day1", "day2", "day3")}


def test_a_candidate_is_shown_day_by_day(history: dict[str, Any], tmp_path: Path) -> None:
    """The days add up to the whole, as figures, table, and page."""
    folder = history["folder"]
    best = rows(folder, "signal=ads", "dataset.collection=days")[0]
    found = rows(folder, f"stability={best['candidate_id'][:8]}")
    whole, days = found[0], [row for row in found if row["of"] == "day"]
    assert (whole["n_net"], whole["net_pnl_ticks"]) == (best["n_net"], pytest.approx(best["net_pnl_ticks"]))
    assert [row["name"] for row in days] == ["day1", "day2", "day3"]
    assert [row["session"] for row in days] == ["day 1", "day 2", "day 3"]
    for kind in ("day", "hour", "volatility", "spread"):
        assert sum(row["n_net"] for row in found if row["of"] == kind) == whole["n_net"]
    assert whole["worst_day_ticks"] == min(row["net_pnl_ticks_sum"] for row in days)
    assert whole["share_of_days_above_0"] == sum(row["net_pnl_ticks_sum"] > 0 for row in days) / 3
    said = ok(in_process(folder, "compare", f"stability={best['candidate_id']}")).stdout
    assert f"worst day: day {whole['worst_day'][3:]} ({whole['worst_day']}), " in said
    assert "entered later" in said
    refused = in_process(folder, "compare", "stability=none")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "stability is 'none', with which the id of no candidate here begins" in refused.stderr
    ok(in_process(folder, "compare", f"report={tmp_path / 'page.html'}", "min_signals=0", draws=True))
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "stability" in page.tables


def test_days_that_were_added_after_a_choice_are_shown_alone(history: dict[str, Any]) -> None:
    """Before they are run there is nothing to show; then those that train have figures, and the others stay closed."""
    assert "2 candidates without a run on a later day" in history["before 5"].stdout
    found = rows(history["folder"], "since=chosen", "signal=ads", "top=100")
    of_pool = [row for row in found if row["later_test_days"]]
    assert {(row["chosen_by"], row["later_days"], row["later_test_days"]) for row in of_pool} == {("first run", 0, 2)}
    assert all("net_pnl_ticks" not in row or row["later_days"] for row in of_pool)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dataset.collection=dayz",), "no collection dayz in the lake"),
        (("dataset.collection=days@9",), "collection days has no version 9; its newest is 2"),
        (("dataset.collection=days", "dataset.id=day1"), "were both given; give one of them"),
        (
            ("dataset.collection=days", "source.minutes=3"),
            "dataset.collection=days is built already, so source.minutes",
        ),
        (
            ("dataset.collection=days@1", "split.test_datasets=[day5]"),
            "split.test_datasets names day5, which collection days@1 does not hold; it holds day1, day2, day3",
        ),
    ],
)
def test_a_collection_that_cannot_be_run_on_is_one_line(
    history: dict[str, Any], words: tuple[str, ...], message: str
) -> None:
    """Nothing is run."""
    before = done(history["folder"])
    said = in_process(history["folder"], *ADS, *SHORT, *QUIET, *words)
    assert (said.returncode, said.stdout) == (2, "")
    assert message in said.stderr
    assert done(history["folder"]) == before


def test_a_search_judges_each_job_over_all_days_that_train(history: dict[str, Any], tmp_path: Path) -> None:
    """As the ranking does, by the blocks of all of them together; each proposal is run on every day."""
    folder = history["folder"]
    words = ("-m", *ON_DAYS, "hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.batch_size=2")
    searched = ok(in_process(folder, *words, "signal.blend_scale=5,6", f"outputs={tmp_path}", "json=true"))
    found = json.loads(searched.stdout)
    proposed = found["distinct_runs"] // 5  # two, unless the same is proposed twice
    assert (found["done_now"], found["failed"]) == (5 * proposed, 0)
    assert proposed in {1, 2}
    assert "2 trials in 1 batches" in searched.stderr
    mine = {row["candidate_id"]: row for row in found["candidates"]}
    ids = {tuple(row["run_ids"]) for row in mine.values()}
    judged = rows_of_jobs(store_in(folder / "lake"), sorted(ids))
    assert set(judged) == ids
    for run_ids, candidates in judged.items():
        assert len(run_ids) == 5
        for row in candidates:
            ranked = mine[row["candidate_id"]]
            assert tuple(ranked["run_ids"]) == run_ids
            assert (row["n_net"], row["net_pnl_ticks"]) == (ranked["n_net"], ranked["net_pnl_ticks"])
            np.testing.assert_equal(row["net_pnl_ticks_low"], ranked["net_pnl_ticks_low"] or np.nan)


def test_the_library_has_the_candidates_of_a_collection(history: dict[str, Any], tmp_path: Path) -> None:
    """As the command line has them, and its runs, which are made where the store lacks them."""
    lake = history["folder"] / "lake"
    found = vp.results(collection="days@1", lake=lake, min_signals=0, top=3)
    assert {tuple(each) for each in found["datasets"]} <= {("day1", "day2", "day3"), ("day1", "day2"), ("day3",)}
    values = [word.partition("=") for word in (*SHORT, *QUIET) if word.startswith(("eval.", "split", "tracking"))]
    overrides: dict[str, Any] = {key: yaml.safe_load(value) for key, _, value in values}
    made = vp.run(
        "ads", collection="days@1", lake=lake, outputs=tmp_path, parameters={"thresholds": [0.25]}, **overrides
    )
    assert len(made.run_ids) == 3
    assert set(made.run_ids) <= done(history["folder"]).keys()
    assert made.run_id in made.run_ids
    assert {tuple(each) for each in made.candidates["run_ids"]} <= {made.run_ids[:2], made.run_ids}
    with pytest.raises(VpharnessError, match="were both given; give one of them"):
        vp.run("ads", "day1", collection="days", lake=lake)


def test_audit_and_simulation_choose_a_day_and_say_which(history: dict[str, Any]) -> None:
    """The audit is on the last day that trains, the simulation on the last of all."""
    audited = ok(in_process(history["folder"], "audit", "dataset.collection=days", "signal=ads"))
    assert "the audit is on dataset SYN day 3 (day3) of the collection" in audited.stderr
    simulated = ok(in_process(history["folder"], "online-sim", *ON_DAYS[:-2], "dataset.collection=days", "stall_s=0"))
    assert "the simulation is of dataset SYN day 5 (day5), the last of collection days@2" in simulated.stderr
