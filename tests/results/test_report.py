"""The report: one page that stands alone and says what the ranking says."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.results.ledgers import candidate, view_of
from tests.results.pages import Page
from vpharness.evaluation import Figures, SplitParameters
from vpharness.results.holdout import open_holdouts
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked, rank, within_campaign
from vpharness.results.report import day_charts, equity, null_histogram, sensitivities, threshold_curves
from vpharness.results.report.charts import fitted, thinned
from vpharness.results.report.findings import Findings
from vpharness.results.report.markup import element
from vpharness.results.report.report_page import report_html
from vpharness.results.store import store_in

NASTY = """<script>alert("1")</script>&amp; $x_1^{ ' ✓"""
BOTH = ("north", "south")


@pytest.fixture(scope="module")
def ranked() -> list[Ranked]:
    """One that knows what is coming, guesses at two windows and two pairs of barriers, and one with too little data."""
    guesses = [
        candidate(
            f"{window}{seed}guess",
            seed,
            BOTH,
            parameters={"window": window, "mode": NASTY if seed else "plain"},
            threshold=("0.1", "0.2")[seed],
            tp_ticks=tp,
            campaigns=frozenset({"mine"}) if seed else frozenset(),
        )
        for seed in range(2)
        for window, tp in ((50, 5.0), (100, 6.0))
    ]
    knows = [
        candidate(f"knows{label}", 9, BOTH, knows=True, signal=NASTY, threshold=label, every=every)
        for label, every in (("0.3", 60), ("q90", 500))
    ]
    return rank([*guesses, *knows])


def findings_of(ranked: list[Ranked], **more: Any) -> Findings:
    """Return what a report of some candidates is about."""
    given = {"ranked": ranked, "shown": ranked, "view_of": view_of, "facts": {"lake": f"/lake/{NASTY}"}}
    return Findings(**{**given, **more})


@pytest.fixture(scope="module")
def text(ranked: list[Ranked]) -> str:
    """The page of all of them."""
    return report_html(findings_of(ranked), f"Title {NASTY}")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """The same, read."""
    return Page(text)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are painted from now on, which become empty elements."""
    painted: list[Figure] = []

    def keep(name: str, description: str, height: float, paint: Callable[[Figure], None], **_: Any) -> Any:
        painted.append(Figure(figsize=(8, height)))
        paint(painted[-1])
        return element("figure", name, description)

    for module in (null_histogram, equity, sensitivities, day_charts, threshold_curves):
        monkeypatch.setattr(module, "chart", keep)
    return painted


def signed(value: float) -> str:
    """Return a number as the page writes it."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def net(f: Figures) -> str:
    """Return a net mean with its interval as the page writes it."""
    return f"{signed(f.net_pnl_ticks)} [{signed(f.net_pnl_ticks_low)}, {signed(f.net_pnl_ticks_high)}]"


def test_the_page_needs_nothing_but_itself(text: str, page: Page) -> None:
    """No script, no address, no file; ids are unique, and links point to them."""
    assert not page.tags & {"script", "link", "img", "iframe", "object", "image", "base", "form"}
    assert not re.search(r"https?:|//|@import|data:|javascript:", text.replace(f"/lake/{NASTY}", ""))
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    ids = page.named("id")
    assert len(ids) == len(set(ids))
    targets = page.named("href") + re.findall(r"url\(#([^)]*)\)", text)
    assert {target.removeprefix("#") for target in targets} <= set(ids)
    assert len([target for target in targets if target.removeprefix("#") in page.texts]) == len(page.texts) - 1


def test_every_name_is_text_whatever_it_holds(page: Page) -> None:
    """Of signals, parameter values, the lake and the title: in tables, pictures, what is said of these, and words."""
    assert "script" not in page.tags
    assert any(NASTY in described for described in page.named("aria-label"))
    assert f"/lake/{NASTY}" in page.texts[""]
    assert f"Title {NASTY}" in page.texts[""]
    assert any(NASTY in row[0] for row in page.tables["ranking"][0].rows)
    assert NASTY in page.texts["sensitivity"]
    assert NASTY in page.texts["equity"]


def test_the_same_candidates_make_the_same_page(ranked: list[Ranked], text: str) -> None:
    """Byte for byte."""
    assert report_html(findings_of(ranked), f"Title {NASTY}") == text


def test_the_ranking_says_what_was_ranked(ranked: list[Ranked], page: Page) -> None:
    """Net mean, interval, both p-values, and fires, in the order of the ranking."""
    head, *rows = page.tables["ranking"][0].rows
    rankable = [each for each in ranked if each.p_adjusted is not None]
    assert len(rows) == len(rankable) == 5
    for row, each in zip(rows, rankable, strict=True):
        cells, f = dict(zip(head, row, strict=True)), each.judgement.figures
        assert cells["net per fire, ticks [95 %]"] == net(f)
        assert (cells["p"], cells["p adj."]) == (f"{each.judgement.p_value:.3f}", f"{each.p_adjusted:.3f}")
        assert cells["fires"] == str(f.n_net)
        assert each.candidate.candidate_id[:6] in cells["candidate"]
        assert ("★" in cells["candidate"]) == each.winner


def test_the_verdict_names_the_winner_and_the_search(ranked: list[Ranked], page: Page) -> None:
    """How many beat chance, which is the best, and how large the search behind it was."""
    assert ranked[0].winner
    assert "1 candidate beats chance and costs: p adj. at most 0.05, and a lower end for all above 0" in page.texts[""]
    assert (
        f"({ranked[0].candidate.candidate_id[:6]}): {signed(ranked[0].judgement.figures.net_pnl_ticks)}"
        in page.texts[""]
    )
    assert "evaluated 6 candidates on the same data, 5 of them with enough data" in page.texts[""]


@pytest.mark.usefixtures("figures")
def test_nothing_here_beats_chance_is_an_answer(ranked: list[Ranked]) -> None:
    """With the least adjusted p-value of all."""
    losers = [each for each in ranked if not each.winner]
    found = Page(report_html(findings_of(losers), "")).texts[""]
    least = min(each.p_adjusted for each in losers if each.p_adjusted is not None)
    assert "Nothing here beats chance" in found
    assert f"The least adjusted p-value of all is {least:.3f}; a winner has 0.05 or less." in found


@pytest.mark.usefixtures("figures")
def test_a_page_without_anything_to_rank_says_so(ranked: list[Ranked]) -> None:
    """With too little data, and with no candidates at all."""
    poor = [each for each in ranked if each.p_adjusted is None]
    page = Page(report_html(findings_of(poor), ""))
    assert "Too little data to say anything" in page.texts[""]
    assert page.tables["poor"][0].rows[1][2] == "; ".join(poor[0].lacks)
    assert "There are no candidates" in Page(report_html(findings_of([]), "")).texts[""]


@pytest.mark.usefixtures("figures")
def test_a_dataset_kept_for_the_test_is_nowhere_on_the_page() -> None:
    """Neither its price nor what happened on it."""
    kept = SplitParameters(kind="dataset", test_datasets=["south"])
    north, south = candidate("kept", 9, BOTH, knows=True).trials
    trials = replace(north, split=kept, judged_part="train"), replace(south, split=kept, judged_part="test")
    ranked = rank([LedgerCandidate("kept", trials)])
    page = Page(report_html(findings_of(ranked), ""))
    assert "datasets" not in page.texts
    assert "north" in page.texts[""]
    assert not any("south" in text for text in page.texts.values())


@pytest.mark.usefixtures("figures")
def test_a_campaign_has_its_own_p_values_beside(ranked: list[Ranked]) -> None:
    """As a column, and in the verdict."""
    mine = within_campaign([each for each in ranked if "mine" in each.candidate.first.campaigns])
    page = Page(report_html(findings_of(mine), ""))
    head, *rows = page.tables["ranking"][0].rows
    assert [row[head.index("p camp.")] for row in rows] == [f"{each.p_campaign:.3f}" for each in mine]
    assert "Among the 2 rankable candidates of its campaign alone" in page.texts[""]


def test_the_surface_shows_the_best_of_each_pair(ranked: list[Ranked], page: Page) -> None:
    """Net mean, interval and adjusted p-value of the one that ranks first."""
    cells = [row[1] for row in page.tables["surfaces"][0].rows[1:]]
    for cell, tp in zip(cells, (5.0, 6.0), strict=True):
        best = next(each for each in ranked if each.candidate.first.evaluation.tp_ticks == tp)
        f = best.judgement.figures
        assert cell.startswith(signed(f.net_pnl_ticks))
        assert f"[{signed(f.net_pnl_ticks_low)}, {signed(f.net_pnl_ticks_high)}]" in cell
        assert f"p adj. {best.p_adjusted:.3f}, {best.candidate.candidate_id[:6]}" in cell


def test_each_dataset_stands_apart(ranked: list[Ranked], page: Page) -> None:
    """Both fill what is the pooled figure."""
    rows = page.tables["datasets"][0].rows[1:]
    assert [row[-5] for row in rows[:2]] == list(BOTH)
    assert sum(int(row[-1]) for row in rows[:2]) == ranked[0].judgement.figures.n_net


@pytest.mark.usefixtures("figures")
def test_the_test_part_stands_there_only_when_it_was_opened(page: Page, tmp_path: Path) -> None:
    """Beside the training part of the same candidate."""
    assert "test" not in page.texts
    ledger = [candidate("split", 9, BOTH, knows=True, split="time")]
    closed = rank(ledger)
    (opened,) = open_holdouts(closed, ledger, store_in(tmp_path), view_of)
    assert opened.test is not None
    rows = Page(report_html(findings_of(closed, shown=[opened]), "")).tables["test"][0].rows[1:]
    assert [row[-5 - 2 * (index == 0)] for index, row in enumerate(rows)] == ["train", "test"]
    assert (rows[0][2], rows[1][1]) == (net(opened.judgement.figures), net(opened.test.figures))


def test_the_nulls_maximum_is_drawn_with_the_observed_t(ranked: list[Ranked], figures: list[Figure]) -> None:
    """Every draw of the family is in a bar, and the line stands at the best candidate's T."""
    assert null_histogram.null_maximum(findings_of(ranked)) is not None
    (figure,) = figures
    draws, observed = ranked[0].family.greatest_excess, ranked[0].judgement.t
    assert draws is not None
    (axes,) = figure.axes
    outline = axes.patches[0].get_xy()[:, 1]  # type: ignore[attr-defined]  # a polygon
    # The outline goes up and down each bar twice, once along either end of its top.
    expected, _ = np.histogram(draws, 40)
    assert sorted(set(outline)) == sorted({0, *expected.tolist()})
    limit, line = (np.asarray(each.get_xdata()) for each in axes.lines)
    assert limit[0] == np.quantile(draws, 0.95)
    assert line.tolist() == [observed, observed]


def test_sensitivities_and_threshold_curves_show_intervals(ranked: list[Ranked], figures: list[Figure]) -> None:
    """The best at each window, and a signal's candidates at each threshold."""
    assert sensitivities.sensitivities(findings_of(ranked)) is not None
    window = next(axes for axes in figures[0].axes if axes.get_title() == "window")
    guesses = [each for each in ranked if each.candidate.first.signal == "guess"]
    first = [next(e for e in guesses if e.candidate.first.parameters["window"] == size) for size in (50, 100)]
    shown = np.concatenate([np.asarray(segment) for segment in window.collections[0].get_segments()])  # type: ignore[attr-defined]  # bars of errors
    ends = [end for each in first for end in _ends(each)]
    np.testing.assert_allclose(shown[:, 1], ends)
    figures.clear()
    assert threshold_curves.threshold_curves(findings_of(ranked)) is not None
    knows = next(axes for axes in figures[0].axes if NASTY[:10] in axes.get_title())
    assert [label.get_text() for label in knows.get_xticklabels()] == ["0.3", "q90"]


def _ends(ranked: Ranked) -> tuple[float, float]:
    return ranked.judgement.figures.net_pnl_ticks_low, ranked.judgement.figures.net_pnl_ticks_high


def test_equity_sums_the_fires_that_were_judged(ranked: list[Ranked], figures: list[Figure]) -> None:
    """Of each dataset, up to what the candidate's net mean says of all; nothing of the price is lost but detail."""
    assert equity.equity_section(findings_of(ranked)) is not None
    prices, sums = figures[0].axes[:2], figures[0].axes[2:]
    assert [axes.get_title() for axes in prices] == list(BOTH)
    f = ranked[0].judgement.figures
    ends = [float(np.asarray(axes.lines[1].get_ydata())[-1]) for axes in sums]
    assert sum(ends) == pytest.approx(f.net_pnl_ticks * f.n_net)
    for axes, market in zip(prices, BOTH, strict=True):
        drawn, mid = np.asarray(axes.lines[0].get_ydata()), view_of(market, "").mid
        assert len(drawn) <= 2 * equity.PRICE_COLUMNS
        assert (drawn.min(), drawn.max()) == (mid.min(), mid.max())


def test_a_thinned_line_keeps_every_columns_extremes_and_its_gaps() -> None:
    """A spike of one point is seen, and so is a stretch without any."""
    rng = np.random.default_rng(0)
    x, y = np.arange(10_000.0), np.cumsum(rng.normal(size=10_000))
    y[5000:6000] = np.nan
    y[1234] = 1000.0
    thin_x, thin_y = thinned(x, y, 100)
    assert len(thin_x) <= 200
    assert np.all(np.diff(thin_x) > 0)
    for column in range(100):
        inside = slice(100 * column, 100 * (column + 1))
        kept = thin_y[(thin_x >= inside.start) & (thin_x < inside.stop)]
        expected = [np.nan] if np.isnan(y[inside]).all() else [np.nanmin(y[inside]), np.nanmax(y[inside])]
        np.testing.assert_array_equal(np.sort(kept), expected)
    np.testing.assert_array_equal(thinned(x[:150], y[:150], 100)[1], y[:150])


def test_a_title_is_cut_to_its_room() -> None:
    """On whole words where there are any."""
    assert fitted("short", 10) == "short"
    assert fitted("one two three four", 8, lines=2) == "one two\nthree…"
    assert fitted("x" * 30, 10) == f"{'x' * 9}…"
