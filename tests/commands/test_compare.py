"""`compare` from the command line: sensitivities, surfaces, campaigns, and the report."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import vpharness as vp
from tests.commands.test_cli import in_process
from tests.promotion.samples import judgement, ranked
from tests.results.pages import Page
from vpharness.commands.text.rankings import line_of_test
from vpharness.results.holdout import HoldoutResult
from vpharness.storage.arrow import table_of_rows

SMALL = ["source.minutes=4", "eval.max_hold_bins=20", "split=none", "tracking=none", "save_series=false"]
SWEEP = ["signal=ads", "signal.blend_scale=2,3", "signal.thresholds=[0.1,0.3]", "eval.tp_ticks=1,2", "eval.sl_ticks=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a campaign has swept one signal, and another signal has been run."""
    folder = tmp_path_factory.mktemp("compare")
    swept = in_process(folder, "-m", *SWEEP, *SMALL, "campaign=first")
    assert swept.returncode == 0, swept.stderr
    run = in_process(folder, "signal=msd", "signal.thresholds=[10]", *SMALL)
    assert run.returncode == 0, run.stderr
    return folder


def rows_of(folder: Path, *words: str) -> Any:
    """Return what `compare` says as JSON."""
    said = in_process(folder, "compare", "json=true", "min_signals=0", *words)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_a_sensitivity_is_a_row_for_each_value(folder: Path) -> None:
    """Of a signal's parameter: counts over what else matches, medians, and the best of the ranking."""
    found = rows_of(folder, "sensitivity=blend_scale", "signal=ads", "parquet=blend.parquet")
    ranking = rows_of(folder, "signal=ads")
    assert [(row["parameter"], row["value"], row["candidates"]) for row in found] == [
        ("signal.blend_scale", 2.0, 4),
        ("signal.blend_scale", 3.0, 4),
    ]
    for row in found:
        members = [each for each in ranking if each["signal.blend_scale"] == row["value"]]
        rankable = [each for each in members if each["p_adjusted"] is not None]
        assert row["rankable"] == len(rankable) > 0
        assert row["median_net_pnl_ticks"] == pytest.approx(
            pd.Series(each["net_pnl_ticks"] for each in rankable).median()
        )
        assert row["best_candidate_id"] == rankable[0]["candidate_id"]
        assert row["best_net_pnl_ticks_low"] == rankable[0]["net_pnl_ticks_low"]
        assert row["best_p_adjusted"] == rankable[0]["p_adjusted"]
    assert pd.read_parquet(folder / "blend.parquet").to_dict("records") == found


@pytest.mark.parametrize(
    ("n_net", "net", "low", "said"),
    [
        (9, 0.9, 0.25, "does not hold; net +0.90 ticks over 9 fires, lower end +0.25 at an error of 0.03"),
        (1, 0.9, math.nan, "does not hold; net +0.90 ticks over 1 fires, no lower end at an error of 0.03"),
        (0, math.nan, math.nan, "does not hold; no net fires at an error of 0.03"),
    ],
)
def test_a_test_part_without_fires_has_no_figures(n_net: int, net: float, low: float, said: str) -> None:
    """It is not NaN ticks over 0 fires."""
    opening = HoldoutResult(judgement(n_net=n_net, net_pnl_ticks=net), 1, 0.03, low, 1)
    shown = replace(ranked(judgement(), 0.01), candidate=SimpleNamespace(candidate_id="0123456789"))  # type: ignore[arg-type]
    line = line_of_test(shown, opening)
    assert "nan" not in line
    assert line.endswith(said)


def test_a_table_has_every_column_that_any_row_has() -> None:
    """The first candidate may be the one whose test part could not be opened."""
    table = table_of_rows([{"a": 1, "test_refused": "used"}, {"a": 2, "test_holds": True}])
    assert table.column_names == ["a", "test_refused", "test_holds"]
    assert table.to_pylist() == [
        {"a": 1, "test_refused": "used", "test_holds": None},
        {"a": 2, "test_refused": None, "test_holds": True},
    ]


def test_a_surface_is_a_matrix_and_a_row_for_each_pair(folder: Path) -> None:
    """The evaluation's parameters need no one signal."""
    found = rows_of(folder, "surface=true")
    assert [(row["tp_ticks"], row["sl_ticks"], row["candidates"]) for row in found] == [(1, 1, 4), (2, 1, 4), (8, 4, 1)]
    lines = in_process(folder, "compare", "surface=true", "min_signals=0").stdout.splitlines()
    assert lines[0].split() == ["tp", "\\", "sl", "1", "4"]
    assert lines[1].split() == ["1", f"{found[0]['best_net_pnl_ticks']:+.2f}", "-"]


@pytest.mark.parametrize("words", [["sensitivity=threshold"], ["surface=true"], ["by=dataset"], ["campaign=first"]])
def test_nothing_is_cut_where_a_table_is_piped(folder: Path, words: list[str]) -> None:
    """Sentences stay within 100 columns, and tables are as wide as they need to be."""
    said = in_process(folder, "compare", *words)
    assert said.returncode == 0, said.stderr
    assert "\N{HORIZONTAL ELLIPSIS}" not in said.stdout
    assert "the ledger holds 9 candidates of 5 runs, the newest of 20" in said.stdout


def test_a_limit_that_no_candidate_reaches_is_said(folder: Path) -> None:
    """The ledger is not empty, and which limit would show something is known."""
    said = in_process(folder, "compare", "min_signals=100000").stdout
    assert said.startswith(
        "none of 9 candidates has min_signals=100000 fires judged at the mid; the most that one has "
    )
    assert "the ledger holds 9 candidates" in said
    assert "ledger is empty" not in said


def test_a_campaign_is_shown_alone_with_its_own_p_values(folder: Path) -> None:
    """The family stays what was ever tried; the campaign's p-value is against its own candidates."""
    found = rows_of(folder, "campaign=first")
    assert {row["signal"] for row in found} == {"ads"}
    rankable = [row for row in found if row["p_adjusted"] is not None]
    assert {row["campaign_size"] for row in rankable} == {len(rankable)}
    assert {row["family_evaluated"] for row in found} == {9}
    assert all(row["p_value"] <= row["p_campaign"] <= row["p_adjusted"] for row in rankable)
    assert "p camp." in in_process(folder, "compare", "campaign=first").stdout


def test_a_candidate_is_shown_alone_within_the_whole_family(folder: Path) -> None:
    """By the beginning of its id that begins no other; what all begin with is refused."""
    found = rows_of(folder)
    ids = [row["candidate_id"] for row in found]
    wanted = found[1]
    short = next(
        wanted["candidate_id"][:size]
        for size in range(1, 40)
        if sum(name.startswith(wanted["candidate_id"][:size]) for name in ids) == 1
    )
    assert rows_of(folder, f"candidate={short}") == [wanted]
    assert wanted["family_evaluated"] == len(ids)
    frame = vp.results(lake=folder / "lake", min_signals=0, candidate=short)
    assert list(frame["candidate_id"]) == [wanted["candidate_id"]]


def test_a_report_is_a_page_beside_the_ranking(folder: Path) -> None:
    """With the same numbers, where it was asked to be; a file that is there is left alone."""
    said = in_process(folder, "compare", "report=out (1).html", "json=true", "min_signals=0", draws=True)
    assert said.returncode == 0, said.stderr
    rows = [row for row in json.loads(said.stdout) if row["p_adjusted"] is not None]
    written = (folder / "out (1).html").read_text(encoding="utf-8")
    page = Page(written)
    assert [row[0].split()[1][:6] for row in page.tables["ranking"][0].rows[1:]] == [
        row["candidate_id"][:6] for row in rows
    ]
    assert str((folder / "lake").resolve()) in page.texts[""]
    again = in_process(folder, "compare", "report=out (1).html")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "vpharness: report is out (1).html, which exists; name a file that does not\n"
    assert (folder / "out (1).html").read_text(encoding="utf-8") == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["sensitivity=blend", "signal=ads"],
            "sensitivity is 'blend', which no candidate here has; did you mean blend_",
        ),
        (["sensitivity=variant"], "the candidates are of ads, msd; choose one with signal="),
        (["campaign=second"], "campaign is 'second', which has no finished run; there are first"),
        (["sensitivity=tp_ticks", "surface=true"], "sensitivity and surface were given; give one of them"),
        (["execution=4a", "report=a.html"], "all of it: python -m vpharness compare candidate=4a report=a.html"),
        (["stability=4a", "report=a.html"], "all of it: python -m vpharness compare candidate=4a report=a.html"),
        (["surface=true", "report=a.html"], "all of it: python -m vpharness compare report=a.html"),
        (["candidate=4a", "stability=4a"], "stability names its candidate itself, leave candidate out"),
        (["candidate=zz"], "candidate is 'zz', with which the id of no candidate here begins; "),
        (["candidate=''"], "candidate= has no value; give one, or leave candidate= away"),
        (["surface=true", "show_test=true"], "show_test goes with the ranking or a report, not with surface"),
        (["report=none/x.html"], "report is none/x.html, and none is not a folder; make it first"),
        (["parquet=none/x.parquet"], "parquet is none/x.parquet, and none is not a folder"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_line(folder: Path, words: list[str], message: str) -> None:
    """Nothing is printed or written."""
    before = sorted(folder.iterdir())
    said = in_process(folder, "compare", "min_signals=0", *words)
    assert (said.returncode, said.stdout) == (2, "")
    assert message in said.stderr
    assert said.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_holding_times_that_do_not_rank_together_are_chosen_from(tmp_path: Path) -> None:
    """By the key that the line about them names; one that nothing has been run with is refused."""
    for bins in (20, 40):
        words = ["signal=ads", "signal.thresholds=[0.1]", "source.minutes=4", "split=none", "tracking=none"]
        assert in_process(tmp_path, *words, f"eval.max_hold_bins={bins}").returncode == 0
    refused = in_process(tmp_path, "compare", "surface=true", "min_signals=0")
    assert "hold for up to 2 s (eval.max_hold_bins=20), 4 s (eval.max_hold_bins=40)" in refused.stderr
    assert "choose with max_hold_bins=, or set mixed_horizon=true" in refused.stderr
    (row,) = rows_of(tmp_path, "max_hold_bins=40")
    assert list(vp.results(lake=tmp_path / "lake", min_signals=0, max_hold_bins=40)["candidate_id"]) == [
        row["candidate_id"]
    ]
    assert row["eval.max_hold_bins"] == 40
    assert row["family_size"] == rows_of(tmp_path)[0]["family_size"]
    assert in_process(tmp_path, "compare", "surface=true", "min_signals=0", "max_hold_bins=20").returncode == 0
    unknown = in_process(tmp_path, "compare", "max_hold_bins=30")
    assert unknown.stderr == "vpharness: max_hold_bins is 30, with which nothing has been run; there are 20, 40\n"
