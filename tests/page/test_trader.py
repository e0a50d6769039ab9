"""What a trader looks at first: prices, what trades, how the feed goes, and who fires, on any screen."""

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.page import market
from tests.page.chromium import Browser, Tab
from tests.page.conftest import catch_up, show
from tests.page.stand_in import STATISTICS, StandIn
from tests.page.test_picture import places
from tests.page.test_use import BANNER, STATE

PLACE = "document.querySelector('#readout .place').textContent"
DARK = {"bid": (88, 176, 255), "ask": (255, 162, 63), "accent": (201, 176, 255), "rival": (69, 211, 196),
        "mark": (255, 216, 138)}  # fmt: skip
"""Colours of the dark theme that are looked for on screen."""
LISTEN = """
window.sounds = 0; window.notices = [];
window.AudioContext = class { state = 'running'; currentTime = 0; resume() { return Promise.resolve(); }
  createOscillator() { window.sounds += 1; return { frequency: {}, connect: (to) => to, start() {}, stop() {} }; }
  createGain() { return { gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} }, connect: (to) => to }; } };
window.Notification = class { static permission = 'default';
  static requestPermission() { this.permission = 'granted'; return Promise.resolve('granted'); }
  constructor(title, options) { window.notices.push([title, options.body]); } };
"""


def pane(tab: Tab, name: str) -> NDArray[np.uint8]:
    """Return the pixels of a part of the stage."""
    box = tab.ask(f"vpharness.panes().{name}")
    left, top = round(box["x"]), round(box["y"])
    return tab.pixels()[top : top + round(box["height"]), left : left + round(box["width"])]


def count(pixels: NDArray[np.uint8], colour: str) -> int:
    """Return how many pixels have a colour, nearly."""
    return int((np.abs(pixels.astype(int) - DARK[colour]).max(axis=-1) <= 6).sum())


def test_prices_are_fitted_to_what_is_quoted_until_somebody_moves_them(tab: Tab, server: StandIn) -> None:
    """All quotes are inside and fill much of it; the wheel takes over, A gives back, and the address says so."""
    show(tab, server, "bins=200")
    ticks = [market.spot_tick(seq) for seq in range(100, 300) if seq not in market.INVALID]
    view = tab.ask("vpharness.view()")
    assert view["centre"] - view["ticks"] / 2 < min(ticks) - 1
    assert view["centre"] + view["ticks"] / 2 > max(ticks)
    assert max(ticks) - min(ticks) > 0.25 * view["ticks"]
    tab.turn_wheel(300, 250, -100, "Shift")
    tab.wait(f"vpharness.view().ticks < {view['ticks']} && location.search.includes('price=fixed')")
    zoomed = tab.ask("vpharness.view().ticks")
    server.publish(5)
    catch_up(tab, server)
    assert tab.ask("vpharness.view().ticks") == zoomed
    tab.key("a")
    tab.wait(f"vpharness.view().ticks === {view['ticks']} && !location.search.includes('price=fixed')")


def test_a_replay_is_called_one_and_has_no_deadlines(tab: Tab, server: StandIn) -> None:
    """With its speed, without lag and missed deadlines; a live feed has them."""
    lag = "getComputedStyle(document.querySelector('[data-figure=lag]')).display"
    server.overrides = {"feed": {"kind": "source", "speed": 10.0, "live": False}}
    show(tab, server)
    tab.wait(f"{STATE} === 'Replay \u00d710'")
    assert tab.ask(lag) == "none"
    server.send_status(deadline_misses_recent=3, deadline_misses=40)
    server.publish(2)
    catch_up(tab, server)
    assert tab.ask(BANNER) == ""
    server.overrides = {}
    server.promote("v0002")
    tab.wait(f"{STATE} === 'Live' && {BANNER}.includes('Deadlines were missed')")
    assert tab.ask(lag) != "none"


def test_head_map_and_panels_are_of_one_bin_at_every_moment(tab: Tab, server: StandIn) -> None:
    """While bins come as fast as they go, time and score on the page are always those of the bin that is drawn."""
    show(tab, server)
    tab.ask("""(() => { window.seen = []; const text = (id) => document.querySelector(id).textContent;
      const look = () => [vpharness.drawing().head, text('[data-figure=time] dd'), text('.score')];
      setInterval(() => seen.push(look()), 3); })()""")
    for _ in range(12):
        server.publish(10)
        tab.settle()
    seen = {(head, time, score) for head, time, score in tab.ask("seen")}
    assert len({head for head, *_ in seen}) > 5
    for head, time, score in seen:
        value = market.score(head)
        tenths = 300 * 60 + head
        assert time.endswith(f"{tenths // 10 % 60:02}.{100 * (tenths % 10):03}")
        assert value is None or float(score.replace("\u2212", "-")) == pytest.approx(value, abs=5e-4)


def test_trades_are_on_the_tape_with_size_and_taker_and_add_up_to_volume(tab: Tab, server: StandIn) -> None:
    """Sizes at the ask are bought, at the bid sold; volume by price is drawn in the colours of both."""
    show(tab, server, "hide=quotes,fires,projection&bins=200")
    rows = tab.ask("[...document.querySelectorAll('#tape tbody tr')].map(row => [...row.cells].map(c => c.innerText))")
    newest = max(seq for seq in range(300) if seq % 5 == 0 or seq % 8 == 0)
    assert newest == 296
    assert rows[0][1:] == [f"{market.spot_tick(296) * 0.25:.2f}", "5", "bought"]
    assert rows[1][1:] == [f"{(market.spot_tick(295) - 1) * 0.25:.2f}", "3", "sold"]
    assert "\u00d7\u20095" in tab.ask("document.querySelector('[data-figure=last] dd').textContent")
    volume = pane(tab, "volume")
    assert min(count(volume, "bid"), count(volume, "ask")) > 5
    assert pane(tab, "delta").shape[0] > 30
    tab.ask("document.querySelectorAll('.layers .menu input')[6].click()")
    tab.wait("vpharness.panes().delta.height === 0 && vpharness.panes().volume.width === 0")


def test_scores_beyond_three_thresholds_are_cut_off_and_marked(tab: Tab, server: StandIn) -> None:
    """One very large score does not press the others flat: the edge is drawn thick where it is cut off."""
    server.changes = {310: {"score": 50.0}}
    show(tab, server, "bins=100&hide=fires,challengers")
    before = count(pane(tab, "score")[:3], "accent")
    server.publish(15)
    catch_up(tab, server)
    score = pane(tab, "score")
    x = round(places(tab, [(310, 19200)])[0]["x"])
    assert before == 0
    assert count(score[:3, x - 3 : x + 4], "accent") >= 9
    # What is of the usual size still uses the pane: the thresholds lie a third from the middle.
    rows = np.flatnonzero((np.abs(score.astype(int) - DARK["accent"]).max(axis=-1) <= 6).any(axis=1))
    assert np.count_nonzero(np.abs(rows - score.shape[0] / 2) < score.shape[0] / 4) > score.shape[0] / 4


def test_challengers_fires_are_on_the_map_in_their_colour(tab: Tab, server: StandIn) -> None:
    """A triangle over the mid where the challenger fires down; hiding challengers hides it."""
    server.changes = {305: {"challengers": [{"score": -0.9, "fire": -1}]}}
    show(tab, server, "bins=100&ticks=60&hide=quotes,trades,projection")
    server.publish(12)
    catch_up(tab, server)
    place = places(tab, [(305, market.spot_tick(305))])[0]
    area = tab.pixels()[:, int(place["x"]) - 8 : int(place["x"]) + 18]
    above = area[max(0, int(place["y"]) - 60) : int(place["y"]) + 60]
    assert count(above, "rival") > 4
    tab.ask("document.querySelectorAll('.layers .menu input')[5].click()")
    tab.settle()
    again = tab.pixels()[:, int(place["x"]) - 8 : int(place["x"]) + 18]
    assert count(again[max(0, int(place["y"]) - 60) : int(place["y"]) + 60], "rival") == 0


def test_your_own_model_is_judged_beside_the_others(tab: Tab, server: StandIn) -> None:
    """Its fires, take-profits and net result stand in its row, and what may be claimed of it below."""
    rival = {"name": "shadow:1", "signal": "ads", "parameters": {}, "threshold": 0.25}
    server.overrides = {"shadow": rival}
    show(tab, server, "threshold=0.25")
    claim = {"says": "better than the champion", "mean": 0.4, "low": 0.1, "high": 0.7, "n_blocks": 48,
             "version": "v0001", "promised_low": None, "promised_high": None}  # fmt: skip
    yours = {**STATISTICS, "n_fires": 77, "net_pnl_ticks": 1.25, "claim": claim}
    none = {"champion": STATISTICS, "challengers": [None], "projection": None}
    server.send_status(statistics={**none, "shadow": yours})
    tab.wait("document.querySelector('#speaker').innerText.includes('yours: better than the champion')")
    row = tab.ask("[...document.querySelectorAll('#speaker tbody tr')].at(-1).innerText")
    assert row.split("\t")[0] == "yours"
    assert "77" in row
    assert "+1.25" in row


@pytest.fixture
def attentive(browser: Browser) -> Iterator[Tab]:
    """Open a tab in which sounds and notices are counted."""
    with browser.tab() as tab:
        tab.page.add_init_script(LISTEN)
        yield tab


def test_a_fire_is_heard_and_noticed_by_who_wants_it(attentive: Tab, server: StandIn) -> None:
    """Off by default; sound is two tones, the notice names instrument, direction and price; the address keeps both."""
    tab = attentive
    server.changes = {seq: {"fire": 1} for seq in (300, 302, 304)}
    show(tab, server)
    server.publish()
    catch_up(tab, server)
    assert tab.ask("[sounds, notices.length]") == [0, 0]
    tab.click(".layers:nth-of-type(2) summary")
    for box in (0, 1):
        tab.ask(f"document.querySelectorAll('.layers')[1].querySelectorAll('input')[{box}].click()")
    tab.wait("location.search.includes('alert=sound%2Cdesktop')")
    tab.click_at(300, 200)
    heard = tab.ask("sounds")
    server.publish(2)
    catch_up(tab, server)
    assert tab.ask("sounds") == heard + 2
    price = market.update(302, "v0001")["mid_price"]
    assert tab.ask("notices") == [[f"SYN \u25b2 up at {price:.3f}", f"ads v0001, score {signed(market.score(302))}"]]


def signed(value: float | None) -> str:
    """Return a score as the page writes it."""
    assert value is not None
    return f"{value:+.3f}".replace("-", "\u2212")


def test_a_change_of_the_clocks_is_marked_on_the_axis(tab: Tab, server: StandIn) -> None:
    """Where the zone's clocks go an hour ahead between two bins, a line and a tag say so; in UTC there is none."""
    spring_ns = 1_710_057_600_000_000_000  # 2024-03-10 08:00 UTC, 2 o'clock in Chicago
    shift = spring_ns - market.START_NS - 250 * market.CELL_WIDTH_MS * 1_000_000
    for seq in range(300, 420):
        each = market.update(seq - 100, "v0001")
        server.changes[seq] = {name: str(int(each[name]) + shift) for name in ("bin_start_ns", "bin_end_ns")}
    show(tab, server, "bins=80&zone=America/Chicago&hide=quotes,trades,fires,projection")
    server.publish(120)
    catch_up(tab, server)
    x = round(places(tab, [(350, 19200)])[0]["x"])
    assert count(pane(tab, "score")[:, x - 8 : x + 8], "mark") > 20
    assert count(pane(tab, "timeAxis"), "mark") > 200
    tab.open(tab.page.url.replace("America%2FChicago", "UTC").replace("America/Chicago", "UTC"))


def test_another_screen_zoom_or_size_keeps_the_cell_while_paused(tab: Tab, server: StandIn) -> None:
    """The crosshair stays at its cell, which is drawn in the colour of its value, at every ratio of pixels and size."""
    show(tab, server, "bins=100&ticks=50&hide=quotes,trades,fires,projection,challengers,volume")
    cell = (server.next_seq - 40, market.spot_tick(server.next_seq - 40) - 6)
    tab.key(" ")
    server.publish(25)
    catch_up(tab, server)
    place = places(tab, [cell])[0]
    tab.hover(place["x"], place["y"])
    tab.settle()
    told, values = tab.ask(PLACE), tab.ask("document.querySelector('#readout .values').innerText")
    view = tab.ask("vpharness.view()")
    session = tab.page.context.new_cdp_session(tab.page)
    for width, height, ratio in ((1280, 720, 2), (1280, 720, 1.25), (900, 600, 1.25), (1500, 900, 1), (1280, 720, 1)):
        metrics: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
        session.send("Emulation.setDeviceMetricsOverride", metrics)
        tab.wait(f"vpharness.drawing().ratio === {ratio} && innerWidth === {width}")
        server.publish()  # without bins the picture would soon be dimmed
        catch_up(tab, server)
        tab.wait("!document.body.classList.contains('stands')")
        tab.settle()
        assert tab.ask(PLACE) == told
        assert tab.ask("document.querySelector('#readout .values').innerText") == values
        assert tab.ask("vpharness.view()")["right"] == pytest.approx(view["right"], abs=1)
        cells = [(cell[0] + dx, cell[1] + dy) for dx, dy in ((-9, -4), (-5, 2), (4, -3))]
        wanted = tab.ask(f"{json.dumps(cells)}.map(([s, t]) => vpharness.colour(vpharness.cell(s, t).ask_depth - "
                         "vpharness.cell(s, t).bid_depth))")  # fmt: skip
        shot = base64.b64decode(session.send("Page.captureScreenshot", {"format": "png"})["data"])
        pixels = np.rint(matplotlib.image.imread(BytesIO(shot), format="png")[:, :, :3] * 255)
        assert pixels.shape[:2] == (height * ratio, width * ratio)
        found = [pixels[int(at["y"] * ratio), int(at["x"] * ratio)] for at in places(tab, cells)]
        assert np.abs(np.array(found) - np.array(wanted)).max() <= 2


@pytest.mark.parametrize(
    ("width", "height"),
    [(1024, 600), (420, 800), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((1280, 576), (700, 500)))],
)
def test_every_panel_and_control_can_be_reached_in_a_small_window(
    tab: Tab, server: StandIn, width: int, height: int
) -> None:
    """Each is in sight once it is scrolled to, the map keeps a fair part, and nothing is wider than the window."""
    tab.size(width, height)
    show(tab, server)
    reached = """async (selector) => { const bad = [];
      for (const element of document.querySelectorAll(selector)) {
        element.scrollIntoView({ block: 'center' });
        await new Promise(requestAnimationFrame);
        const { top, bottom, left, right, width, height } = element.getBoundingClientRect();
        const isShown = top < innerHeight && bottom > 0 && left >= -1 && right <= innerWidth + 1 && width * height > 0;
        if (!isShown) bad.push(element.id || element.outerHTML.slice(0, 60));
      } return bad; }"""
    for selector in (
        "aside h2",
        "footer button, footer select, footer summary, footer .group > label",
        "#figures [data-figure=last], [data-figure=time]",
    ):
        shown = f"{selector}:not([hidden])" if "," not in selector else selector
        assert tab.page.evaluate(reached, shown) == []
    assert tab.ask("document.documentElement.scrollWidth <= innerWidth")
    assert tab.ask("vpharness.panes().map.height") > 0.25 * height
