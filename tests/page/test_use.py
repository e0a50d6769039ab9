"""What a user does with the page, and what it tells them when something is wrong."""

import json
from collections.abc import Iterator

import pytest

from tests.page import market
from tests.page.chromium import Tab, wait_for
from tests.page.conftest import catch_up, show
from tests.page.stand_in import STATISTICS, StandIn, served

STATE = "document.querySelector('#state').textContent"
BANNER = "document.querySelector('#banner').innerText"


def bins(tab: Tab) -> dict[str, int]:
    """Return what the page says of its bins."""
    found: dict[str, int] = tab.ask("vpharness.bins()")
    return found


def test_pause_step_scrub_and_back_to_live(tab: Tab, server: StandIn) -> None:
    """Paused, the head stays while bins come; arrows step by one and by ten; the slider scrubs; L goes live."""
    show(tab, server)
    tab.key(" ")
    server.publish(20)
    catch_up(tab, server)
    assert bins(tab)["head"] == 299
    assert tab.ask(STATE) == "Paused"
    tab.key("ArrowLeft")
    tab.key("ArrowLeft", "Shift")
    tab.key("ArrowRight")
    assert bins(tab)["head"] == 289
    tab.settle()
    score = tab.ask("document.querySelector('.score').textContent")
    assert float(score.replace("\u2212", "-")) == pytest.approx(market.score(289), abs=5e-4)
    tab.ask("(() => { const s = document.querySelector('.transport input'); s.value = 40; "
            "s.dispatchEvent(new Event('input')); })()")  # fmt: skip
    assert bins(tab)["head"] == 40
    assert tab.ask("vpharness.view().right") > 40
    tab.settle()
    tab.click("#live")
    assert bins(tab)["head"] == 319
    server.publish()  # a page to which nothing comes for a while says so
    tab.wait(f"{STATE} === 'Live'")


def test_drag_and_wheel_move_and_zoom_and_the_view_comes_back(tab: Tab, server: StandIn) -> None:
    """Dragging stops following, the wheel zooms around now, double click follows again."""
    show(tab, server, "bins=200")
    right = tab.ask("vpharness.view().right")
    tab.drag((300, 250), (400, 280), (420, 290))
    view = tab.ask("vpharness.view()")
    assert view["right"] < right - 10
    assert not view["followsTime"]
    assert not view["followsPrice"]
    tab.settle()
    tab.click("#live")
    tab.turn_wheel(300, 250, -100)
    tab.wait("vpharness.view().bins < 180")
    tab.turn_wheel(300, 250, -100, "Shift")
    tab.wait("vpharness.view().ticks < 95")
    assert tab.ask("vpharness.view().followsTime")


def test_a_view_is_in_the_address_and_comes_back_from_it(tab: Tab, server: StandIn) -> None:
    """Field, theme, zoom and zone are read from the address again; a model's overrides stay in it."""
    show(tab, server, "zone=America/Chicago&threshold=0.25")
    tab.key("3")
    tab.key("t")
    tab.key("-")
    tab.wait("['field=net', 'theme=light', 'bins=750'].every(each => location.search.includes(each))")
    address = tab.ask("location.href")
    assert "threshold=0.25" in address
    assert server.queries[-1]["threshold"] == "0.25"
    zoomed = tab.ask("vpharness.view().bins")
    tab.open(address)
    catch_up(tab, server)
    assert tab.ask("document.querySelector('#colours .name').textContent") == "Pressure less vacuum"
    assert tab.ask("document.documentElement.dataset.theme") == "light"
    assert tab.ask("vpharness.view().bins") == pytest.approx(zoomed, abs=1)
    assert "08:30:" in tab.ask("document.querySelector('#figures').innerText")


def test_the_crosshair_moves_by_keys(tab: Tab, server: StandIn) -> None:
    """Alt and arrows begin at now and move by a cell; Escape takes the crosshair away."""
    show(tab, server, "bins=100&ticks=50")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp"):
        tab.key(key, "Alt")
    tab.settle()
    assert "14:30:29.700" in tab.ask("document.querySelector('#readout .place').textContent")
    tab.key("Escape")
    tab.wait("document.querySelector('#readout .place').textContent.startsWith('Point')")


def test_a_promotion_is_announced_marked_and_explained(tab: Tab, server: StandIn) -> None:
    """The new version speaks from its first bin on, is told, and shows its evidence on one click; nothing is lost."""
    show(tab, server)
    server.promote("v0002")
    server.publish(5)
    catch_up(tab, server)
    assert bins(tab)["first"] == 0
    assert tab.ask("document.querySelector('#version').textContent") == "v0002"
    assert "Promoted: v0002" in tab.ask("document.querySelector('#notices').innerText")
    # The flag stands at the foot of the score where the version changed.
    place = tab.ask("vpharness.place(300, 0).x")
    score = tab.ask("vpharness.panes().score")
    tab.click_at(place + 6, score["y"] + score["height"] - 6)
    tab.wait(
        "document.querySelector('#evidence').open && document.querySelector('#evidence').innerText.includes('p_adj')"
    )


def test_a_killed_server_is_missed_and_its_gap_filled(tab: Tab) -> None:
    """The page says that it is cut off, comes back by itself, asks from the next bin on, and lacks none."""
    first = StandIn(next_seq=300)
    with served(first):
        show(tab, first)
    tab.wait(f"{STATE} === 'Disconnected'")
    assert "The display is frozen" in tab.ask(BANNER)
    again = StandIn(next_seq=340, port=first.port)
    with served(again):
        catch_up(tab, again)
        assert again.queries[0]["from_seq"] == "300"
        assert again.queries[0]["stream"] == "one"
        lacking = tab.ask("[...Array(340).keys()].filter(s => vpharness.cell(s, 19200) === null)")
        assert lacking == sorted(market.INVALID)  # they have no price, so no cells
        assert tab.ask("vpharness.bins().written") == 340
        tab.wait(f"{STATE} === 'Live'")
        assert "nothing is missing" in tab.ask("document.querySelector('#notices').innerText")


def test_another_stream_begins_a_new_picture(tab: Tab) -> None:
    """A server that was started anew counts its bins anew: none of the old ones stays."""
    first = StandIn(next_seq=300)
    with served(first):
        show(tab, first)
    with served(StandIn(stream="two", next_seq=50, port=first.port)) as again:
        catch_up(tab, again)
        assert bins(tab) == {"first": 0, "last": 49, "head": 49, "written": 50, "isLive": True}


def test_bad_frames_are_shown_and_not_fatal(tab: Tab, server: StandIn) -> None:
    """Text that is no JSON, a frame that is no Arrow, one without its text: told, dismissed, and the stream goes on."""
    show(tab, server)
    server.send("{broken", b"orphan")
    server.send(json.dumps(market.update(300, "v0001")), b"no arrow at all")
    server.next_seq += 1
    server.publish(3)
    catch_up(tab, server)
    tab.wait(f"{BANNER}.includes('Bad frame')")
    assert "2 times" in tab.ask(BANNER)
    assert tab.ask("vpharness.cell(300, 19200)") is None
    assert tab.ask("vpharness.cell(301, 19200)") is not None
    tab.click("#banner button")
    tab.wait(f"!{BANNER}.includes('Bad frame')")


def test_what_is_wrong_is_loud(tab: Tab, server: StandIn) -> None:
    """A silent feed, a server that is not ready, late bins: each in words, and gone once it is over."""
    show(tab, server)
    server.send_status(feed={"state": "silent", "lag_ms": None, "last_event_ns": "0", "late_events": 0})
    tab.wait(f"{BANNER}.includes('Feed silent')")
    server.send_status(feed={"state": "live", "lag_ms": 1.0, "last_event_ns": "0", "late_events": 0})
    server.send_status(ready=False, reasons=["no bundle for SYN"])
    tab.wait(f"{STATE} === 'Not ready' && {BANNER}.includes('no bundle for SYN')")
    server.send_status(ready=True, reasons=[], deadline_misses_recent=3, deadline_misses=3)
    tab.wait(f"{BANNER}.includes('Deadlines were missed')")
    server.send_status(deadline_misses_recent=0)
    server.publish(151 + market.PERIOD - server.next_seq % market.PERIOD)  # the last one has no valid book
    catch_up(tab, server)
    tab.wait(f"{STATE} === 'Book invalid'")
    server.publish(5)
    catch_up(tab, server)
    tab.wait(f"{STATE} === 'Live' && {BANNER} === ''")


def test_what_is_wrong_covers_nothing_of_the_map(tab: Tab, server: StandIn) -> None:
    """It stands above the picture, which one line of it does not move, and what is critical is never cut off."""
    show(tab, server)
    top, bottom = (
        "document.querySelector('#stage').getBoundingClientRect().top",
        ("document.querySelector('#banner').getBoundingClientRect().bottom"),
    )
    before = tab.ask(top)
    server.send_status(deadline_misses_recent=3, deadline_misses=3)
    tab.wait(f"{BANNER}.includes('Deadlines were missed')")
    assert tab.ask(bottom) <= tab.ask(top) == before
    reason = "the feed is disconnected: " + "the gateway could not be reached, " * 8
    server.send_status(ready=False, reasons=[reason], deadline_misses_recent=0)
    tab.wait(f"{STATE} === 'Not ready'")
    tab.settle()
    assert tab.ask(bottom) <= tab.ask(top)
    assert tab.ask(top) > before
    line = "document.querySelector('#banner p span')"
    assert tab.ask(f"{line}.scrollWidth <= {line}.clientWidth + 1")
    server.send_status(ready=True, reasons=[])
    tab.wait(f"{BANNER} === ''")
    assert tab.ask(top) == before


def test_a_digest_of_the_evidence_is_short_until_it_is_clicked(tab: Tab, server: StandIn) -> None:
    """Its first digits are shown, the whole of it is its title, and a click shows all."""
    digest = "a6ce6a2df2c21c2e" * 4
    server.record = {"signal_digest": digest}
    show(tab, server)
    tab.key("e")
    shown = "document.querySelector('#evidence .digest')"
    tab.wait(f"{shown} !== null")
    assert tab.ask(f"{shown}.innerText") == "a6ce6a2df2c2\u2026"
    assert tab.ask(f"{shown}.title").startswith(digest)
    tab.click("#evidence .digest")
    assert tab.ask(f"{shown}.innerText") == digest


def test_what_was_promoted_unsafely_is_marked_for_as_long_as_it_speaks(tab: Tab, server: StandIn) -> None:
    """Beside its version, and in words above the map; a safe version takes the mark away."""
    mark = "getComputedStyle(document.querySelector('#unsafe')).display"
    server.overrides = {
        "model": {**server.config("hello", (), None)["model"], "unsafe": ["audit"], "forced": "a drill"}
    }
    show(tab, server)
    tab.wait(f"{mark} !== 'none' && {BANNER}.includes('promoted without audit')")
    assert "a drill" in tab.ask(BANNER)
    server.publish(30)
    catch_up(tab, server)
    assert tab.ask(mark) != "none"
    server.overrides = {}
    server.promote("v0002")
    tab.wait(f"{mark} === 'none' && {BANNER} === ''")


def test_what_is_coming_says_how_long_it_must_still_follow_the_feed(tab: Tab, server: StandIn) -> None:
    """And a model that is not ready, for how many bins it is not."""
    show(tab, server)
    server.send_status(coming={"version": "v0002", "bins_to_go": 717})
    tab.wait(f"{BANNER}.includes('v0002 follows the feed until it is ready') && {BANNER}.includes('72 s')")
    figures = {"champion": STATISTICS, "challengers": [{**STATISTICS, "warm": False, "bins_to_go": 248}]}
    server.send_status(coming=None, statistics={**figures, "projection": None})
    tab.wait(f"{BANNER} === '' && document.querySelector('#speaker').innerText.includes('ready in 248 bins')")


def test_silence_is_stale(tab: Tab, server: StandIn) -> None:
    """Without a word for more than three seconds the page says so by itself."""
    show(tab, server)
    tab.wait(f"{STATE} === 'Stale'")
    assert "no message from the server" in tab.ask(BANNER) or "no new bins" in tab.ask(BANNER)


def test_a_refused_query_is_told_and_not_tried_again(tab: Tab, server: StandIn) -> None:
    """What the server says before it closes with 1008 stands in the banner, and no other connection is made."""
    show(tab, server)
    server.send(json.dumps({"type": "error", "message": "signal.nonsense is no parameter of ads"}))
    for client in list(server.clients):
        client.socket.close(1008, "bad query")
    tab.wait(f"{STATE} === 'Refused'")
    assert "signal.nonsense is no parameter of ads" in tab.ask(BANNER)
    assert tab.ask("document.body.innerText.split('signal.nonsense').length") == 2  # said once
    wait_for(lambda: not server.clients, "the page to be gone")
    tab.ask("new Promise(done => setTimeout(done, 700))")  # longer than the first wait before another try
    assert not server.clients


def test_models_and_figures_are_shown(tab: Tab, server: StandIn) -> None:
    """Champion and challenger with their scores, promised beside live with the drift in words, coverage, fires."""
    show(tab, server)
    text = tab.ask("document.querySelector('aside').innerText")
    for part in ("c1 pfp", "58.0", "34.9", "Drift at one look: Take-profit below promise", "51", "88", "SL", "timeout"):
        assert part in text, part


def test_claims_are_told_in_words_that_hold_at_any_time(tab: Tab, server: StandIn) -> None:
    """With interval, blocks and promise; what is bad is marked, and so is a band that covers less than it states."""
    show(tab, server)
    lines = tab.ask("[...document.querySelectorAll('.claims li')].map(each => [each.innerText, each.className])")
    ends = "+0.40 (+0.10 \u2026 +0.70)"
    assert lines == [
        [f"v0001: worse than promised, {ends} ticks a fire, promised +1.00 \u2026 +1.50, 48 blocks", "drift"],
        [f"c1: better than the champion, {ends} ticks a block more, 48 blocks", ""],
    ]
    assert "These hold however often you look" in tab.ask("document.querySelector('#speaker').innerText")
    marked = tab.ask("[...document.querySelectorAll('#coverage td.drift')].map(each => each.innerText)")
    assert marked
    assert all("88" in each for each in marked)


def test_resting_orders_are_open_marks_until_they_are_filled_or_withdrawn(tab: Tab, server: StandIn) -> None:
    """At their price; the legend says what the marks mean, the table of models how many fill and after how long."""
    order = {"model": "champion", "direction": 1, "price": market.update(300, "v0001")["best_bid"], "reason": None}
    resting = {"state": "resting", "fill_ns": None}
    server.overrides = {"evaluation": {"tp_ticks": 8, "sl_ticks": 4, "max_hold_bins": 1200, "fill": "queue"}}
    server.changes = {
        300: {"fire": 1, "orders": [{**order, "seq": 300, **resting}]},
        310: {"fire": 1, "orders": [{**order, "seq": 310, **resting}]},
        320: {"orders": [{**order, "seq": 300, "state": "filled", "reason": "behind", "fill_ns": "7"}]},
        325: {"orders": [{**order, "seq": 310, "state": "withdrawn", "fill_ns": None}]},
    }
    show(tab, server, "bins=120")
    legend = "document.querySelector('#colours .orders')"
    told = tab.ask(f"{legend}.innerText").split("   ")
    assert told == ["\u25cb resting order", "\u25cf filled", "\u2715 not filled"]
    assert "withdrawn after its longest wait, rejected on arrival, or cleared" in tab.ask(f"{legend}.title")
    outcomes = "[...document.querySelectorAll('#fires td.outcome')].slice(0, 2).map((cell) => cell.innerText)"
    server.publish(15)
    catch_up(tab, server)
    assert tab.ask(outcomes) == ["resting", "resting"]
    server.publish(15)
    catch_up(tab, server)
    assert tab.ask(outcomes) == ["withdrawn", "filled"]
    figures = {**STATISTICS, "fill_rate": 0.41, "median_wait_ms": 2340.0}
    server.send_status(statistics={"champion": figures, "challengers": [None], "projection": None})
    tab.wait("document.querySelector('#speaker').innerText.includes('41\u202f% filled')")
    assert "wait 2.3\u202fs" in tab.ask("document.querySelector('#speaker').innerText")
    assert "Orders filled" in tab.ask("document.querySelector('#compared').innerText")


def test_without_resting_orders_nothing_speaks_of_them(tab: Tab, server: StandIn) -> None:
    """Neither legend nor figures, where fires enter at the touch."""
    show(tab, server)
    assert tab.ask("getComputedStyle(document.querySelector('#colours .orders')).display") == "none"
    assert "Orders filled" not in tab.ask("document.querySelector('#compared').innerText")


@pytest.mark.parametrize(
    ("theme", "width", "height"),
    [
        *(("dark", 1280, 720), ("light", 1280, 576), ("dark", 3840, 2160)),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("light", 1280, 720), ("dark", 1280, 576))),
        pytest.param("light", 3840, 2160, marks=pytest.mark.slow),
    ],
)
def test_everything_has_its_place_at_every_size(tab: Tab, server: StandIn, theme: str, width: int, height: int) -> None:
    """Nothing is wider than its box, no panel is out of sight, and every control has a name."""
    tab.size(width, height)
    tab.open(f"{server.address}?theme={theme}")
    catch_up(tab, server)
    boxes = "[document.documentElement, ...document.querySelectorAll('header, aside, aside section, footer')]"
    assert tab.ask(f"{boxes}.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.id || e.tagName)") == []
    panels = "[...document.querySelectorAll('aside section')]"
    assert tab.ask(f"{panels}.filter(e => e.getBoundingClientRect().height < 60).map(e => e.id)") == []
    assert list(nameless(tab)) == []


def nameless(tab: Tab) -> Iterator[str]:
    """Yield the controls that have no name for those who do not see them."""
    for node in tab.protocol("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if role in {"button", "slider", "combobox", "checkbox", "dialog"} and not node.get("name", {}).get("value"):
            yield str(role)
