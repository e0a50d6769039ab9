"""The board in a browser: the way from the ranking to a candidate, to another one, and a campaign that goes on."""

from collections.abc import Iterator

import pytest

from tests.benchmarks.bench_compare import Made
from tests.board.made_lake import PATIENCE_S, board_of, finish_run, made_lake, start_campaign
from tests.page.chromium import Browser, Tab, installed
from vpharness.board.http_server import serving_board
from vpharness.datasets.lake import Lake

HEIGHT = 720


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with 60 candidates, and a campaign of which one run of four is done."""
    lake = made_lake(tmp_path_factory.mktemp("browsed"), Made(60, (2.0,), thresholds=4))
    start_campaign(lake, "sweep", ["a", "b", "c", "d"])
    finish_run(lake, "a", error="no fires")
    return lake


@pytest.fixture(scope="module")
def address(lake: Lake) -> Iterator[str]:
    """Serve the lake, and return where its first page is."""
    with serving_board(board_of(lake), "127.0.0.1", 0) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium, where there is one."""
    with installed() as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Tab]:
    """Open the leaderboard; nothing may go wrong or be forbidden."""
    with browser.tab() as tab:
        tab.page.set_default_timeout(1000 * PATIENCE_S)  # a page with pictures takes a while on a busy machine
        tab.open(address)
        yield tab


def test_from_the_ranking_to_a_candidate_and_to_the_comparison_of_two(tab: Tab) -> None:
    """With the mouse and the keyboard alone: filters, pages, a candidate, two of them, and back."""
    page = tab.page
    assert page.locator("tbody tr").count() == 50
    page.get_by_role("link", name="next").click()
    assert page.locator("tbody tr").count() == 10
    page.get_by_label("Rows").select_option("all")
    page.get_by_role("button", name="Show").click()
    assert "kind=all" in page.url
    page.locator("input[name=a]").nth(0).check()
    page.locator("input[name=b]").nth(3).check()
    page.get_by_role("button", name="Compare A with B").click()
    assert page.get_by_role("heading", name="Two candidates").is_visible()
    page.locator("tbody a").first.click()
    assert page.get_by_role("heading", name="Promote it").is_visible()
    assert page.locator("svg.chart").count() >= 2
    page.get_by_text("All settings").click()
    assert page.get_by_text("signal.window").is_visible()
    page.keyboard.press("Tab")
    page.get_by_role("link", name="Leaderboard").press("Enter")
    assert page.get_by_role("heading", name="Leaderboard").is_visible()


def test_a_campaigns_page_follows_its_runs_without_being_loaded_again(tab: Tab, lake: Lake) -> None:
    """The bar moves on when a run has finished."""
    tab.page.get_by_role("link", name="Campaigns").click()
    assert "1 of 4 runs" in str(tab.page.locator("progress").first.get_attribute("aria-label"))
    tab.ask("window.isTheSame = true")
    finish_run(lake, "b", error="no fires")
    tab.wait("document.querySelector('progress').getAttribute('aria-label').includes('2 of 4 runs')")
    assert tab.ask("window.isTheSame")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_are_legible_and_a_narrow_window_scrolls_tables_alone(tab: Tab, theme: str) -> None:
    """Text and marks stand out by 4.5 to 1 and 3 to 1; the page itself is never wider than its window."""
    tab.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of two
    for selector, least in (("h1", 4.5), (".fine", 4.5), (".note", 4.5), ("main a", 4.5), ("tbody td", 4.5)):
        assert contrast(tab, selector) >= least, selector
    for width in (360, 1280):
        tab.size(width, HEIGHT)
        tab.settle()
        assert tab.ask("document.documentElement.scrollWidth") <= width


def test_the_leaderboard_scrolls_in_its_own_box_and_keeps_its_first_columns(tab: Tab) -> None:
    """Places, choices, candidates and the head stay where they are while the rest moves."""
    tab.size(1000, HEIGHT)
    tab.settle()
    corner = "[...document.querySelectorAll('.board tbody tr:nth-child(9) > :nth-child(-n + 4)')]"
    lefts = f"{corner}.map(each => Math.round(each.getBoundingClientRect().left))"
    before = tab.ask(lefts)
    assert before == sorted(before)
    frame = "document.querySelector('.frame:has(> .board)')"
    assert tab.ask(f"{frame}.scrollWidth > {frame}.clientWidth")  # there is something to scroll
    head = "document.querySelector('.board thead th').getBoundingClientRect().top"
    top = tab.ask(head)
    tab.ask(f"{frame}.scrollTo(300, 200)")
    tab.settle()
    assert tab.ask(f"{frame}.scrollLeft") > 100
    assert tab.ask(lefts) == before
    assert tab.ask(head) == pytest.approx(top, abs=1)
    assert tab.ask("document.documentElement.scrollWidth") <= 1000


def contrast(tab: Tab, selector: str) -> float:
    """Return by how much the colour of an element stands out from what is behind it (WCAG 2)."""
    found = tab.ask(
        """(() => {
          const light = (text) => {
            const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
            const [r, g, b] = text.match(/[\\d.]+/g).map(Number);
            return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
          };
          const own = document.querySelector(SELECTOR);
          let behind = own;
          while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
          const pair = [getComputedStyle(own).color, getComputedStyle(behind).backgroundColor].map(light);
          return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        })()""".replace("SELECTOR", repr(selector))
    )
    return float(found)
