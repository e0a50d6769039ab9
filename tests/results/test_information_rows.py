"""What scores say, as rows, as text and on the report."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.commands.test_cli import save_empty
from tests.results.ledgers import candidate, view_of
from tests.results.pages import Page
from vpharness.commands.text.information_tables import WARNING, print_information
from vpharness.errors import ResultsError
from vpharness.evaluation.information_coefficient import HORIZONS_BINS, ScoredMoves, pooled_coefficient, pooled_deciles
from vpharness.evaluation.intervals import Interval
from vpharness.evaluation.label_figures import label_figures
from vpharness.results.information_rows import FeatureImportance, Information, information_rows
from vpharness.results.ranking import rank
from vpharness.results.report.findings import Findings
from vpharness.results.report.report_page import report_html


@pytest.fixture(scope="module")
def found() -> Information:
    """A score that knows a third of its label."""
    rng = np.random.default_rng(3)
    labels = rng.integers(-1, 2, 3_000).astype(np.float64)
    part = ScoredMoves(labels / 3 + 0.5 * rng.normal(size=3_000), labels, np.arange(3_000) // 100)
    losses = (
        FeatureImportance(2, Interval(0.3, 0.2, 0.4), "slope over 10 bins of v_add"),
        FeatureImportance(0, Interval(0.0, -0.1, 0.1), "bid_depth at k -1"),
    )
    return Information(
        "abc123",
        "made_up",
        "q90",
        1,
        100.0,
        {h: pooled_coefficient([part]) for h in HORIZONS_BINS},
        20,
        pooled_deciles([part]),
        label_figures("a touch of 2 ticks within 20 bins", [part], [0.5]),
        losses,
    )


def test_rows_have_every_figure_once(found: Information) -> None:
    """By what each is of, with whose it is."""
    rows = information_rows(found)
    kinds = [row["of"] for row in rows]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    assert counts == {
        "coefficient": 5,
        "decile": 10,
        "macro_f1": 1,
        "p_t": 1,
        "class": 3,
        "calibration": 10,
        "importance": 2,
    }
    assert {row["candidate_id"] for row in rows} == {"abc123"}
    assert rows[0]["value"] > 0.3
    assert next(row for row in rows if row["of"] == "macro_f1")["by_chance"] < 0.35
    assert [row["name"] for row in rows if row["of"] == "importance"] == ["2", "0"]
    names = [row["feature"] for row in rows if row["of"] == "importance"]
    assert names == ["slope over 10 bins of v_add", "bid_depth at k -1"]


def test_the_text_says_that_it_only_describes(found: Information, capsys: pytest.CaptureFixture[str]) -> None:
    """Below tables of coefficients, tenths, classes and features."""
    print_information(found)
    told = " ".join(capsys.readouterr().out.split())
    assert "made_up at q90, candidate abc123: its scores on 1 dataset" in told
    assert "label: a touch of 2 ticks within 20 bins" in told
    assert " ".join(WARNING.split())[:60] in told
    assert "2 slope over 10 bins of v_add" in told


def test_the_report_draws_learned_candidates_and_names_those_that_it_cannot(
    found: Information, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One a signal; formulas are left to the command."""
    ranked = rank([candidate("learned", 1, ("north",), signal="fitted"), candidate("formula", 2, ("north",))])

    def page(information_of: Any) -> Page:
        facts = {"lake": "here"}
        learned = Findings(
            ranked,
            ranked,
            view_of,
            facts,
            information_of=information_of,
            is_learned=lambda each: each.first.signal == "fitted",
        )
        return Page(report_html(learned, "A report"))

    drawn = page(lambda _: found)
    assert "What the scores say" in drawn.texts["information"]
    assert "macro-F1 of a touch of 2 ticks within 20 bins" in drawn.texts["information"]
    assert "calibration: mean label by mean score" in drawn.texts["information"]

    monkeypatch.setattr(Figure, "savefig", save_empty)  # of those below words are read alone

    def lost(_: Any) -> Information:
        raise ResultsError("dataset north is gone")

    assert "is left out: dataset north is gone" in page(lost).texts["information"]
    assert "information" not in page(None).texts
