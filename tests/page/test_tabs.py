"""The page of a server with several feeds: a tab for each, and what one of them shows is that feed's."""

from pathlib import Path

from tests.page.chromium import Tab
from tests.page.test_served import Beside, beside, see
from tests.runtime.market import batch
from tests.runtime.serving import serving_feeds
from tests.runtime.test_several_feeds import ES, NQ, OTHER_STEPS, STEPS, BreakingFeed, feed_of, setup_of

__all__ = ["beside"]

TABS = "[...document.querySelectorAll('#feeds a')].map((tab) => tab.textContent)"
CHOSEN = "document.querySelector('#feeds a[aria-current]')?.textContent"
INSTRUMENT = "document.getElementById('instrument').textContent"


def test_each_feed_has_a_tab_and_a_failed_one_is_marked(tab: Tab, beside: Beside, tmp_path: Path) -> None:
    """The address names the feed; following a tab keeps the view and leaves out overrides of the other's model."""

    async def scenario() -> None:
        es, nq = feed_of("ES", BreakingFeed), feed_of("NQ")
        async with serving_feeds(tmp_path, [setup_of("es", ES, es), setup_of("nq", NQ, nq)]) as running:
            es.put(*STEPS[:30])
            es.end()
            nq.put(*OTHER_STEPS[:40])
            bins = len(batch(NQ, OTHER_STEPS[:40]))
            await running.wait_until(lambda: running.feed("nq").stream.ring.next_seq == bins)
            await running.wait_until(lambda: running.feed("es").stream.health.problem is not None)
            last = {name: running.feed(name).stream.ring.next_seq - 1 for name in ("es", "nq")}
            await beside(look, running.port, last)

    def look(port: int, last: dict[str, int]) -> None:
        tab.open(f"http://127.0.0.1:{port}/?theme=dark&feed=nq")
        see(tab, last["nq"])
        tab.wait(f"{TABS}.length === 2")
        assert (tab.ask(TABS), tab.ask(CHOSEN), tab.ask(INSTRUMENT)) == (["es", "nq"], "nq", "NQ")
        failed = "document.querySelector('#feeds a.critical')"
        assert tab.ask(f"{failed}.textContent") == "es"
        assert "expected a record, found zeros" in tab.ask(f"{failed}.title")
        address = tab.ask(f"{failed}.href")
        assert address == f"http://127.0.0.1:{port}/?theme=dark&feed=es"
        tab.open(address)
        see(tab, last["es"])
        tab.wait(f"{CHOSEN} === 'es'")
        assert tab.ask(INSTRUMENT) == "ES"
        assert tab.ask("document.title").startswith("es: ES ")

    beside.run(scenario)


def test_a_server_with_one_feed_has_no_tabs(tab: Tab, beside: Beside, tmp_path: Path) -> None:
    """The list is asked for, and nothing is shown."""

    async def scenario() -> None:
        feed = feed_of("ES")
        async with serving_feeds(tmp_path, [setup_of("", ES, feed)]) as running:
            feed.put(*STEPS[:10])
            await running.wait_until(lambda: running.feed().stream.ring.next_seq > 5)
            await beside(look, running.port)

    def look(port: int) -> None:
        tab.open(f"http://127.0.0.1:{port}/?theme=dark")
        tab.wait(f"{INSTRUMENT} === 'ES'")
        assert tab.ask(TABS) == []

    beside.run(scenario)
