"""What is asked of the board: pages with the ranking's figures, a line for what is not there, and nothing written."""

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from tests.board.made_lake import CAMPAIGN, board_of, made_lake, refused, shown, start_campaign
from vpharness.board.answers import HEADERS, HTML, Board, PageAnswer, answer
from vpharness.commands.ledger_access import readable_ledger
from vpharness.datasets.lake import Lake
from vpharness.results.ranking import Ranked, rank
from vpharness.results.remembered_rankings import FOLDER
from vpharness.results.report.charts import BAD_COLOUR, GOOD_COLOUR
from vpharness.results.store import WALK_FORWARDS, TableRows, append, store_in
from vpharness.results.table_schemas import WALK_FORWARDS_SCHEMA


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with 24 candidates on two days, and a campaign that was started on some of their runs."""
    lake = made_lake(tmp_path_factory.mktemp("board"))
    start_campaign(lake, CAMPAIGN, [f"run{run:06d}{0:06d}" for run in range(3)])
    return lake


@pytest.fixture(scope="module")
def board(lake: Lake) -> Board:
    """Its board."""
    return board_of(lake)


@pytest.fixture(scope="module")
def ranked(lake: Lake) -> list[Ranked]:
    """Its ranking, worked out from the ledger itself."""
    return rank(readable_ledger(store_in(lake.root), lake))


def values(board: Board, path: str, query: str = "") -> Any:
    """Return the figures of a page as programs get them."""
    return json.loads(shown(board, f"{path}.json", query))


def test_the_leaderboard_has_the_figures_of_the_ranking(board: Board, ranked: list[Ranked]) -> None:
    """Order, p-values, lower ends and intervals, as ranking the ledger gives them."""
    found = values(board, "leaderboard", "kind=all&hold=all&rows=200")["candidates"]
    assert [each["candidate_id"] for each in found] == [each.candidate.candidate_id for each in ranked]
    for row, each in zip(found, ranked, strict=True):
        assert row["p_adjusted"] == each.p_adjusted
        assert row["p_value"] == each.judgement.p_value
        assert row["net_pnl_ticks"] == each.judgement.figures.net_pnl_ticks
        assert row["net_pnl_ticks_high"] == each.judgement.figures.net_pnl_ticks_high
        assert row["family_size"] == each.family.n_rankable
    page = shown(board, "", "kind=all&hold=all")
    best = ranked[0]
    assert f"{best.p_adjusted:.3f}" in page
    assert f"p adj. is against {best.family.n_rankable} rankable of {best.family.n_evaluated} candidates" in page


@pytest.mark.parametrize(
    "query", ["dataset=day001", "campaign=first+%3Cb%3Ebold%3C%2Fb%3E", "signal=made_up", "rows=3&page=2"]
)
def test_filters_choose_rows_and_change_no_place_and_no_p_value(board: Board, query: str) -> None:
    """A row of a few is the row that it was among all."""
    every = {
        each["candidate_id"]: each for each in values(board, "leaderboard", "kind=all&hold=all&rows=200")["candidates"]
    }
    found = values(board, "leaderboard", f"kind=all&hold=all&{query}")["candidates"]
    assert found
    for each in found:
        # In what rows differ depends on the rows that are shown.
        assert {**each, "varied": ""} == {**every[each["candidate_id"]], "varied": ""}


def test_a_campaign_chooses_the_candidates_of_its_runs_alone(board: Board) -> None:
    """Those of three runs with four thresholds each."""
    found = values(board, "leaderboard", "kind=all&hold=all&campaign=first+%3Cb%3Ebold%3C%2Fb%3E")
    assert found["rows"] == 12
    assert all(each["campaigns"] == [CAMPAIGN] for each in found["candidates"])


def test_the_leaderboard_comes_a_page_at_a_time(board: Board) -> None:
    """Every row once, and links to what is before and behind."""
    pages = [values(board, "leaderboard", f"kind=all&hold=all&rows=10&page={page}")["candidates"] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [10, 10, 4]
    assert [each["place"] for page in pages for each in page] == list(range(1, 25))
    second = shown(board, "", "kind=all&hold=all&rows=10&page=2")
    assert "rows 11 to 20 of 24" in second
    assert 'href="./?hold=all&amp;kind=all&amp;rows=10">previous' in second
    assert "There are no more rows" in shown(board, "", "kind=all&hold=all&page=9")


def test_what_rows_differ_in_stands_beside_them_and_what_they_share_above(board: Board) -> None:
    """As compare shows it: take-profit and window vary in this ledger, the stop-loss does not."""
    page = shown(board, "", "kind=all&hold=all")
    assert re.search(r"in all rows: <code>dataset=day000\+day001 sl_ticks=4", page)
    assert re.search(r'class="fine settings">tp_ticks=\d+ window=\d', page)


def test_a_candidates_page_says_how_it_stands_what_it_lacks_and_how_it_is_promoted(
    board: Board, ranked: list[Ranked]
) -> None:
    """Its place, p-values and settings; pictures of a dataset that is not there are left out, with the reason."""
    own = ranked[3]
    name = own.candidate.candidate_id
    page = shown(board, "candidate", f"id={name}")
    assert "Place 4 of 24 in the whole ranking" in page
    assert "Not drawn: no dataset day000 in the lake" in page
    assert "signal.window" in page
    runs = [trial.run_id for trial in own.candidate.choosing]
    assert f"promote lake={board.lake.root} run_id={runs[0]} threshold={own.candidate.first.threshold_label}" in page
    assert "This one is no winner" in page
    assert values(board, "candidate", f"id={name}")["p_adjusted"] == own.p_adjusted


def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(board: Board, ranked: list[Ranked]) -> None:
    """As on the command line; where several do, none is taken."""
    name = ranked[0].candidate.candidate_id
    assert values(board, "candidate", f"id={name}")["candidate_id"] == name
    assert "there is no candidate &#x27;candidate&#x27;" in refused(board, 404, "candidate", "id=candidate").replace(
        "'", "&#x27;"
    )


@pytest.mark.parametrize("path", ["a/b", "candidate/x/", "campaigns/"])
def test_a_page_that_is_not_there_has_its_style_and_its_links_however_deep_it_lies(board: Board, path: str) -> None:
    """Their addresses lead up as many folders as the one that was asked for is below the board's."""
    found = answer(board, path)
    up = "../" * path.count("/")
    text = found.body.decode()
    assert found.status == 404
    assert f'href="{up}board.css"' in text
    assert f'href="{up}campaigns"' in text
    assert f'<a href="{up}">vpharness</a>' in text


def test_two_candidates_are_compared_with_what_differs_and_the_difference_of_their_net(
    board: Board, ranked: list[Ranked]
) -> None:
    """Settings that are equal are left out; the difference is that of the means."""
    one, other = ranked[0], ranked[5]
    query = f"a={one.candidate.candidate_id}&b={other.candidate.candidate_id}"
    found = values(board, "compare", query)
    expected = one.judgement.figures.net_pnl_ticks - other.judgement.figures.net_pnl_ticks
    assert found["net_difference_ticks"] == pytest.approx(expected)
    assert found["net_difference_ticks_low"] < expected < found["net_difference_ticks_high"]
    page = shown(board, "compare", query)
    assert "Blocks are paired" in page
    assert "eval.sl_ticks" not in page.partition("What differs")[2].partition("Equity")[0]


@pytest.mark.parametrize(
    ("path", "query", "status", "sentence"),
    [
        ("candidate", "id=nobody", 404, "there is no candidate 'nobody'; there are candidate0000000.1"),
        ("candidate", "", 404, "no candidate was named"),
        ("campaign", "name=x", 404, f"there is no campaign 'x'; there is {CAMPAIGN}"),
        ("datasets", "id=../../etc/passwd", 404, "there is no dataset '../../etc/passwd'; there is no dataset yet"),
        ("promoted", "instrument=..&version=v1", 404, "there is no instrument '..'; there is no instrument yet"),
        ("procedure", "id=x", 404, "there is no procedure 'x'; there is no procedure yet"),
        ("../etc/passwd", "", 404, "there is no page '../etc/passwd'; there are the leaderboard, campaign"),
        ("", "signal=other", 404, "there is no signal 'other'; there is made_up"),
        ("", "kind=best", 400, "kind is 'best'; it must be one of ranked, winners, lacking, adaptive, all"),
        ("", "page=0", 400, "page is '0'; it must be a number from 1 to 1e+06"),
        ("", "hold=long", 400, "hold is 'long'; it must be a number from 0"),
        ("", "color=red", 400, "'color' is not known here; this page takes campaign, dataset, hold"),
        ("", "page=1&page=2", 400, "'page' is given twice"),
        ("campaigns", "x=1", 400, "'x' is not known here; this page takes nothing"),
        ("", f"signal={'x' * 300}", 400, "signal has 300 characters; at most 200 are read"),
        ("promoted", "version=v1", 400, "version is given without instrument"),
    ],
)
def test_what_is_not_there_or_not_understood_is_a_line_that_says_what_was_expected(
    board: Board, path: str, query: str, status: int, sentence: str
) -> None:
    """As a page for people, and as JSON for programs."""
    assert json.loads(refused(board, status, path, f"{query}&format=json" if query else "format=json"))[
        "error"
    ].startswith(sentence)
    assert "<h1>" in refused(board, status, path, query)


def test_nothing_that_the_lake_holds_becomes_markup_and_no_style_or_script_stands_in_a_page(
    board: Board, ranked: list[Ranked]
) -> None:
    """Names are text wherever they are shown; the policy forbids styles in attributes, and nothing needs them."""
    name = ranked[0].candidate.candidate_id
    other = ranked[1].candidate.candidate_id
    for path, query in (
        *(("", "kind=all&hold=all"), ("campaigns", ""), ("campaign", "name=first+%3Cb%3Ebold%3C%2Fb%3E")),
        *(("candidate", f"id={name}"), ("compare", f"a={name}&b={other}"), ("datasets", ""), ("promoted", "")),
    ):
        page = shown(board, path, query)
        assert "<b>bold" not in page
        assert " style=" not in page
        assert not re.findall(r"<script(?! src=\"board.js\" defer=\"defer\"></script>)", page)
        # What is pointed at is on the board itself.
        assert not re.findall(r'(?:href|src|action)="(?:https?:|//|/|javascript:)', page)
    refused_page = refused(board, 404, "candidate", "id=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in refused_page
    assert "&lt;script&gt;alert(1)" in refused_page
    assert "script-src 'self'" in HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_looking_writes_nothing_but_the_kept_rankings(lake: Lake, ranked: list[Ranked]) -> None:
    """No table grows, no lock is left, no folder is made."""

    def files() -> dict[str, int]:
        found = (path for path in lake.root.rglob("*") if FOLDER not in path.parts)
        return {str(path): path.stat().st_mtime_ns for path in found if path.is_file()}

    before = files()
    board = board_of(lake)
    name = ranked[0].candidate.candidate_id
    for path in ("", "campaigns", "datasets", "promoted", "walk-forward"):
        shown(board, path)
    shown(board, "candidate", f"id={name}")
    assert files() == before


def test_a_page_of_an_older_ranking_is_made_again_though_the_present_one_came_meanwhile(lake: Lake) -> None:
    """What says that the ledger has changed since is not what is shown from then on."""

    class ComesMeanwhile:
        is_current = False

    watch, made = ComesMeanwhile(), list[bytes]()
    board = Board(lake, cast("Any", watch))

    def page() -> PageAnswer:
        watch.is_current = True  # the present ranking is done while the page of the older one is drawn
        made.append(b"old" if not made else b"new")
        return PageAnswer(200, HTML, made[-1])

    assert [board.remembered("candidate", page).body for _ in range(3)] == [b"old", b"new", b"new"]
    assert made == [b"old", b"new"]


def test_a_page_is_made_again_once_another_procedure_was_tried(tmp_path: Path) -> None:
    """It counts against all procedures that were tried before: their p-values may be larger now."""

    class Current:
        is_current = True

    board, made = Board(Lake(tmp_path), cast("Any", Current())), list[int]()

    def page() -> PageAnswer:
        made.append(len(made))
        return PageAnswer(200, HTML, b"")

    for _ in range(2):
        board.remembered("procedure", page)
    assert len(made) == 1
    append(store_in(tmp_path), TableRows(WALK_FORWARDS, [{"procedure_id": "another"}], WALK_FORWARDS_SCHEMA))
    board.remembered("procedure", page)
    assert len(made) == 2


def test_a_query_of_too_many_values_is_refused_in_a_line(board: Board) -> None:
    """As is any other query that no page understands."""
    assert "the query has 60 values; at most 50 are read" in refused(board, 400, "", "&".join(["a=b"] * 60))


def test_an_empty_lake_has_every_page(tmp_path: Path) -> None:
    """Each says what makes something to be seen."""
    board = board_of(Lake(tmp_path / "lake"))
    assert "Nothing has been run yet" in shown(board)
    assert "There is no campaign yet" in shown(board, "campaigns")
    assert "There is none yet" in shown(board, "datasets")
    assert "No procedure has been tried yet" in shown(board, "walk-forward")
    assert "Nothing has been promoted in this lake yet" in shown(board, "promoted")
    assert not (tmp_path / "lake").exists()


def test_a_damaged_store_is_a_line_and_no_ranking(tmp_path: Path) -> None:
    """What is wrong is said where the ranking would stand."""
    lake = made_lake(tmp_path / "lake")
    (part, *_) = sorted((store_in(lake.root).root / "runs.parquet").iterdir())
    part.write_bytes(b"damaged")
    assert "its name says another" in refused(board_of(lake), 503, "", "format=json")


def test_the_sheet_the_script_and_the_icon_are_there(board: Board) -> None:
    """With their kinds, under the names that pages ask for."""
    kinds = {name: answer(board, name).content_type for name in ("board.css", "board.js", "icon.svg")}
    assert kinds["board.css"].startswith("text/css")
    assert kinds["board.js"].startswith("text/javascript")
    assert kinds["icon.svg"] == "image/svg+xml"
    style = answer(board, "board.css").body.decode()
    assert "prefers-color-scheme: dark" in style
    # Figures write their colours in lower case, small pictures as they are spelt: both have one for a dark page.
    for colour in (GOOD_COLOUR, BAD_COLOUR):
        assert f'[stroke="{colour.lower()}" i]' in style
