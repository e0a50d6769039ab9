"""A search that learns: what it proposes, in which batches, and how it goes on after an interruption."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.campaigns.market import EVALUATION
from tests.commands.test_cli import in_process
from vpharness.campaigns import runner
from vpharness.campaigns.adaptive_search import (
    ListedAxis,
    NumberAxis,
    ProposedRun,
    SearchFamily,
    SearchSettings,
    SearchSpace,
    search,
)
from vpharness.campaigns.campaign_plan import Group
from vpharness.commands import search as search_command
from vpharness.datasets.lake import Lake
from vpharness.results.store import ADAPTIVE, read, store_in

SPACE = SearchSpace(
    ("eval.sl_ticks=4",),
    (
        SearchFamily(
            "signal=a",
            (
                ListedAxis("signal.lag", tuple(f"signal.lag={lag}" for lag in range(1, 41)), ordered=True),
                NumberAxis("signal.alpha", 0.001, 1.0, log=True),
                NumberAxis("signal.bins", 1, 400),
                ListedAxis("signal.kind", ("signal.kind=x", "signal.kind=y", "signal.kind=z"), ordered=False),
            ),
        ),
    ),
)


def planted(job: Sequence[str]) -> float:
    """Return a value that is highest, 0, at lag 30, alpha 0.03, bins 100 and kind y."""
    values = dict(text.split("=") for text in job)
    far = ((float(values["signal.lag"]) - 30) / 40) ** 2 + (math.log10(float(values["signal.alpha"]) / 0.03) / 3) ** 2
    return -far - ((float(values["signal.bins"]) - 100) / 400) ** 2 - 0.3 * (values["signal.kind"] != "y")


def searched(settings: SearchSettings, batches: list[int] | None = None) -> list[ProposedRun]:
    """Search the space for the planted optimum."""

    def evaluate(jobs: Sequence[tuple[str, ...]]) -> list[float]:
        if batches is not None:
            batches.append(len(jobs))
        return [planted(job) for job in jobs]

    return search(SPACE, settings, evaluate)


def best(trials: Sequence[ProposedRun]) -> float:
    """Return the highest value among trials."""
    return max(trial.value for trial in trials)


def test_a_planted_optimum_is_come_closer_to_than_by_random_with_as_many_runs() -> None:
    """With nearly every seed."""
    closer = 0
    for seed in range(4):
        found = {
            sampler: best(searched(SearchSettings(n_trials=64, batch_size=8, sampler=sampler, seed=seed)))
            for sampler in ("tpe", "random")
        }
        closer += found["tpe"] > found["random"]
    assert closer >= 3


def test_proposals_come_in_batches_and_follow_from_the_seed() -> None:
    """The last batch is what is left; another seed proposes others."""
    batches: list[int] = []
    settings = SearchSettings(n_trials=20, batch_size=8)
    first = searched(settings, batches)
    assert batches == [8, 8, 4]
    assert searched(settings) == first
    assert searched(SearchSettings(n_trials=20, batch_size=8, seed=1)) != first
    assert searched(SearchSettings(n_trials=12, batch_size=8))[:8] == first[:8]


def test_what_is_proposed_after_the_start_follows_from_the_results() -> None:
    """As random proposals do not."""

    def proposals(sampler: str, sign: float) -> list[tuple[str, ...]]:
        settings = SearchSettings(n_trials=24, batch_size=8, startup_trials=8, sampler=sampler)
        trials = search(SPACE, settings, lambda jobs: [sign * planted(job) for job in jobs])
        return [trial.overrides for trial in trials]

    assert proposals("tpe", 1)[:8] == proposals("tpe", -1)[:8]
    assert proposals("tpe", 1)[8:] != proposals("tpe", -1)[8:]
    assert proposals("random", 1) == proposals("random", -1)


def test_every_sampler_stays_in_the_space() -> None:
    """Listed values are taken as they are, numbers lie in their intervals and have few digits."""
    for sampler in ("tpe", "random", "qmc"):
        for trial in searched(SearchSettings(n_trials=16, batch_size=16, sampler=sampler)):
            values = dict(text.split("=") for text in trial.overrides)
            assert (values["signal"], values["eval.sl_ticks"]) == ("a", "4")
            assert 1 <= int(values["signal.lag"]) <= 40
            assert 0.001 <= float(values["signal.alpha"]) <= 1
            assert len(values["signal.alpha"]) <= 12
            assert 1 <= int(values["signal.bins"]) <= 400


def test_signals_are_searched_each_over_its_own_axes() -> None:
    """A parameter of one is not given to another."""
    space = SearchSpace(
        (),
        (
            SearchFamily("signal=a", (NumberAxis("signal.x", 0.0, 1.0),), frozenset({"signal.x"})),
            SearchFamily("signal=b", (NumberAxis("signal.x", 5.0, 9.0),), frozenset({"signal.x"})),
        ),
    )
    trials = search(space, SearchSettings(n_trials=16, batch_size=4), lambda jobs: [0.0] * len(jobs))
    assert {trial.overrides[0] for trial in trials} == {"signal=a", "signal=b"}
    for trial in trials:
        value = float(trial.overrides[1].partition("=")[2])
        assert value <= 1 if trial.overrides[0] == "signal=a" else 5 <= value <= 9


def test_a_run_counts_what_its_best_rankable_candidate_has() -> None:
    """Where there is none it counts what the settings say."""
    rows = [
        {"net_pnl_ticks_low": -1.0, "net_pnl_ticks": 0.5, "lacks": ""},
        {"net_pnl_ticks_low": 2.0, "net_pnl_ticks": 3.0, "lacks": "29 net fires, 30 needed"},
        {"net_pnl_ticks_low": math.nan, "net_pnl_ticks": 0.7, "lacks": ""},
    ]
    assert SearchSettings().value_of(rows) == -1.0
    assert SearchSettings(objective="net_mean").value_of(rows) == 0.7
    assert SearchSettings().value_of(rows[1:2]) == -1000.0
    assert SearchSettings(unrankable_ticks=-7.0).value_of([]) == -7.0


WORDS = ["-m", "signal=pfp", "tracking=none", *EVALUATION, "json=true", "hydra/sweeper=optuna"]
WORDS += ["signal.lag_bins=range(2,9)", "signal.ema_alpha=tag(log,interval(0.01,0.5))", "signal.thresholds=[0.1,0.3]"]
SEARCH = ["hydra.sweeper.n_trials=6", "hydra.sweeper.batch_size=3", "hydra.sweeper.startup_trials=3"]


def test_a_search_runs_its_batches_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are carried out together, marked for good, and found again; more trials continue it."""
    batches: list[int] = []
    run_groups = runner.run_groups

    def counted(groups: Sequence[Group], *rest: object) -> None:
        batches.append(sum(len(group.runs) for group in groups))
        run_groups(groups, *rest)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(search_command, "run_groups", counted)
    shorter = [SEARCH[0].replace("6", "3"), *SEARCH[1:]]
    begun = in_process(tmp_path, *WORDS, *shorter, "campaign=mine")
    assert begun.returncode == 0, begun.stderr
    said = in_process(tmp_path, *WORDS, *SEARCH, "campaign=mine")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert (found["done_before"], found["done_now"], found["campaign"]) == (3, 3, "mine")
    assert batches == [3, 3]
    assert len(read(store_in(tmp_path / "lake"), ADAPTIVE)) == 6
    assert "6 trials in 2 batches by tpe, seed 0; 6 distinct runs" in said.stderr
    assert "none of its runs can be ranked" in said.stderr
    assert "they get no p adj. and cannot win the ranking" in said.stderr
    assert all(row["p_adjusted"] is None and row["adaptive"] for row in found["candidates"])


def test_the_summary_names_the_best_candidate_and_how_its_test_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the thresholds of the best run the one that can be ranked and has the highest lower end."""
    rows = [
        {"candidate_id": "c1", "threshold_label": "0.1", "net_pnl_ticks_low": 0.2, "lacks": ""},
        {"candidate_id": "c2", "threshold_label": "0.2", "net_pnl_ticks_low": 0.4, "lacks": ""},
        {"candidate_id": "c3", "threshold_label": "0.3", "net_pnl_ticks_low": 0.9, "lacks": "29 net fires, 30 needed"},
    ]
    monkeypatch.setattr(search_command, "rows_of_runs", lambda _, run_ids: dict.fromkeys(run_ids, rows))
    monkeypatch.delenv("VPHARNESS_LAKE", raising=False)
    trials = [ProposedRun(("a=1",), -0.3), ProposedRun(("a=2", "b=3"), 0.4)]
    batches = SimpleNamespace(
        runs_of={("a=1",): ("r1",), ("a=2", "b=3"): ("r2",)},
        runs={"r1": None, "r2": None},
        refused={},
        settings=SimpleNamespace(store=None),
        lake=Lake(Path("lake")),
    )
    search_command._print_summary(trials, batches, SearchSettings(), as_json=False)  # type: ignore[arg-type]  # as far as it looks
    said = capsys.readouterr().out
    assert "best net_low: 0.400 ticks: candidate c2 (at 0.2): a=2 b=3\n" in said
    assert "python -m vpharness compare candidate=c2 show_test=true; or by walk-forward over days kept for it" in said
    batches.lake = Lake(tmp_path)
    search_command._print_summary(trials, batches, SearchSettings(), as_json=False)  # type: ignore[arg-type]  # as far as it looks
    assert f"compare lake={tmp_path} candidate=c2 show_test=true" in capsys.readouterr().out


def test_a_wrong_search_is_refused_whole_and_leaves_nothing(tmp_path: Path) -> None:
    """Before a dataset is built."""
    for words, expected in (
        (["source.seed=1,2"], "source.seed has several values; runs on different data cannot be compared"),
        (["signal.add_weight=interval(2,1)"], "its low end must be below its high end"),
        (["signal.add_weight=tag(log,interval(0,1))"], "it must begin above 0"),
        (["signal.lag=1,2"], "signal.lag is not a key here; did you mean signal.lag_bins?"),
        (["eval.tp_ticks=interval(-1,4)"], "eval.tp_ticks is -1.0"),
        (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials is 0; it must be at least 1"),
        (["hydra.sweeper.sampler=tpf"], "hydra.sweeper.sampler is 'tpf'; it must be one of tpe, random, qmc"),
        (["hydra/launcher=plan"], "a search cannot be planned"),
    ):
        said = in_process(tmp_path, *WORDS, *words)
        assert said.returncode == 2
        assert expected in said.stderr
        assert said.stderr.count("\n") == 1, said.stderr
    assert not (tmp_path / "lake").exists()
