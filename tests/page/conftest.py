"""What the tests of the page share: one Chromium, and a stand-in server for each test."""

from collections.abc import Iterator

import pytest

from tests.page.chromium import Browser, Tab, installed
from tests.page.stand_in import StandIn, served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium, where there is one."""
    with installed() as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """Open a tab of 1280 by 720 in which nothing fails."""
    with browser.tab() as tab:
        yield tab


@pytest.fixture
def server() -> Iterator[StandIn]:
    """Serve the page with 300 bins in the buffer."""
    with served(StandIn(next_seq=300)) as stand_in:
        yield stand_in


def show(tab: Tab, server: StandIn, query: str = "") -> None:
    """Open the page, and wait until it shows the newest bin."""
    tab.open(f"{server.address}?theme=dark&{query}")
    catch_up(tab, server)


def catch_up(tab: Tab, server: StandIn) -> None:
    """Wait until the page has the newest bin, and has drawn it."""
    tab.wait(f"window.vpharness && vpharness.bins().last === {server.next_seq - 1}")
    tab.settle()
