"""What is drawn is the data: pixels read back from the screen, and the values under the crosshair."""

import json
from typing import Any

import numpy as np
import pytest

from tests.page import market
from tests.page.chromium import Tab
from tests.page.conftest import catch_up, show
from tests.page.stand_in import StandIn, served

LEGEND_BOTTOM = 90
BARE = "hide=quotes,trades,fires,projection,past,challengers"
FIELD_VALUES = {
    "spectrum": ("spectrum_score",),
    "net": ("pressure_variant", "vacuum_variant"),
    "depth": ("ask_depth", "bid_depth"),
    "fill": ("v_fill",),
}


def cell(column: str, seq: int, tick: int) -> float:
    """Return what the market holds at a cell."""
    return float(market.cells(column, seq)[tick - market.spot_tick(seq) + market.RADIUS])


def field_value(field: str, seq: int, tick: int) -> float:
    """Return what the map shows at a cell: the first column, minus the second where there are two."""
    first, *second = (cell(column, seq, tick) for column in FIELD_VALUES[field])
    return first - sum(second)


def places(tab: Tab, cells: list[tuple[int, int]]) -> list[dict[str, float]]:
    """Return where cells are on screen."""
    found: list[dict[str, float]] = tab.ask(f"{json.dumps(cells)}.map(([seq, tick]) => vpharness.place(seq, tick))")
    return found


def seen_cells(tab: Tab, last: int, count: int = 60) -> list[tuple[tuple[int, int], list[int]]]:
    """Return cells of the last 80 bins with the colours in their middles, of valid books and beside the legend."""
    rng, pixels = np.random.default_rng(7), tab.pixels()
    seqs = [int(seq) for seq in rng.integers(last - 80, last, count) if seq % market.PERIOD not in market.INVALID]
    cells = [(seq, market.spot_tick(seq) + int(rng.integers(-12, 8))) for seq in seqs]
    middles = [(int(place["x"]), int(place["y"])) for place in places(tab, cells)]
    return [(cell, pixels[y, x].tolist()) for cell, (x, y) in zip(cells, middles, strict=True) if y > LEGEND_BOTTOM]


def check_pixels(tab: Tab, last: int, field: str = "depth") -> None:
    """Check that cells have the colours of what the market holds there."""
    tab.wait("vpharness.drawing().isRangeCurrent")
    tab.settle()
    seen = seen_cells(tab, last)
    assert len(seen) > 20
    values = [field_value(field, *cell) for cell, _ in seen]
    wanted = tab.ask(f"{json.dumps(values)}.map(value => vpharness.colour(value))")
    assert np.abs(np.array([colour for _, colour in seen]) - np.array(wanted)).max() <= 2


@pytest.mark.parametrize(
    ("draw", "field"),
    [
        *(("webgl2", field) for field in FIELD_VALUES),
        ("canvas", "net"),
        *(pytest.param("canvas", field, marks=pytest.mark.slow) for field in FIELD_VALUES if field != "net"),
    ],
)
def test_pixels_show_the_values_of_their_cells(tab: Tab, server: StandIn, draw: str, field: str) -> None:
    """The colour at 60 cells is that of the value there, by WebGL and by the plain canvas."""
    show(tab, server, f"{BARE}&bins=100&ticks=50&field={field}&draw={draw}")
    assert tab.ask("vpharness.drawing().kind") == draw
    check_pixels(tab, server.next_seq - 1, field)


def test_pressure_is_green_and_vacuum_violet(tab: Tab, server: StandIn) -> None:
    """A cell with a score over 0.3 has more green than blue, one under -0.3 more blue than green."""
    show(tab, server, f"{BARE}&bins=100&ticks=50&field=spectrum")
    for cell, (_, green, blue) in seen_cells(tab, server.next_seq - 1):
        value = field_value("spectrum", *cell)
        assert abs(value) < 0.3 or (green > blue) == (value > 0)


def test_the_map_opens_on_what_rests_bids_blue_and_asks_orange(tab: Tab, server: StandIn) -> None:
    """Of the field that nobody chose; the line beside its colours says what they mean."""
    show(tab, server, f"{BARE}&bins=100&ticks=50")
    legend = tab.ask("document.querySelector('#colours').innerText")
    assert "Resting depth" in legend
    assert "bids blue, asks orange" in legend
    for cell, (red, _, blue) in seen_cells(tab, server.next_seq - 1):
        value = field_value("depth", *cell)
        assert abs(value) < 10 or (red > blue) == (value > 0)


def test_new_bins_are_drawn_where_they_belong_once_the_ring_is_full(tab: Tab, server: StandIn) -> None:
    """After 250 more bins than the ring holds, pixels still show the values of their cells."""
    show(tab, server, f"{BARE}&bins=100&ticks=50&buffer=150")
    server.publish(400)
    catch_up(tab, server)
    check_pixels(tab, server.next_seq - 1)
    assert tab.ask("vpharness.bins().first") == server.next_seq - 150


def test_colours_belong_to_what_has_come_also_when_nothing_more_comes(tab: Tab, server: StandIn) -> None:
    """The range of the colours is found again for bins that came after it was found, though no bin follows them."""
    show(tab, server, f"{BARE}&bins=100&ticks=50&field=depth&draw=canvas")
    server.publish(100)
    catch_up(tab, server)
    check_pixels(tab, server.next_seq - 1, "depth")
    # Colours of values are compared, and not pixels: a page without new bins soon says that it stands, in red.
    colours = "[1, 3, 9, 27, 81].map(value => vpharness.colour(value))"
    drawn = tab.ask(colours)
    tab.ask("new Promise(done => setTimeout(done, 1200))")  # longer than a range is kept for
    assert tab.ask(colours) == drawn


@pytest.mark.parametrize("draw", ["webgl2", "canvas"])
def test_bins_are_drawn_however_high_they_are_counted(tab: Tab, draw: str) -> None:
    """Bins of another lattice are counted from 2^32 on, beyond what graphics processors count to."""
    with served(StandIn(next_seq=(3 << 32) + 300)) as server:
        show(tab, server, f"{BARE}&bins=100&ticks=50&draw={draw}")
        check_pixels(tab, server.next_seq - 1)


def readout(tab: Tab) -> dict[str, float]:
    """Return the numbers in the readout of the cell."""
    texts = tab.ask("Object.fromEntries([...document.querySelectorAll('[data-value]')].map(e => "
                    "[e.dataset.value, e.textContent]))")  # fmt: skip
    return {name: number(text) for name, text in texts.items()}


def number(text: str) -> float:
    """Return a number as the page writes it."""
    return float(text.replace("\u2212", "-").replace("\u202f", ""))


def test_the_crosshair_reads_every_value_of_its_cell(tab: Tab, server: StandIn) -> None:
    """Each column of the cell under the mouse, to the four digits that are shown; and exactly, for scripts."""
    show(tab, server, "bins=100&ticks=50")
    seq = server.next_seq - 30
    tick = market.spot_tick(seq) + 5
    place = places(tab, [(seq, tick)])[0]
    tab.hover(place["x"], place["y"])
    tab.settle()
    shown = readout(tab)
    columns = [name for name in shown if name not in {"mid", "score", "events"}]
    assert {"spectrum_score", "pressure_variant", "vacuum_variant", "bid_depth", "v_pull"} <= set(columns)
    for column in columns:
        assert shown[column] == pytest.approx(cell(column, seq, tick), rel=5e-4, abs=1e-12)
    exact: dict[str, Any] = tab.ask(f"vpharness.cell({seq}, {tick})")
    assert exact == {column: cell(column, seq, tick) for column in columns}
    text = tab.ask("document.querySelector('#readout .place').textContent")
    assert f"{tick * market.TICK_SIZE:.2f}" in text
    assert "k +5" in text
    assert "14:30:27.000" in text  # 14:30:00 and 270 bins of 100 ms


def test_all_columns_are_there_for_who_asks(tab: Tab, server: StandIn) -> None:
    """With columns=all the stream carries all 37 columns, and the readout shows them."""
    show(tab, server, "columns=all&bins=100&ticks=50")
    seq = server.next_seq - 10
    tick = market.spot_tick(seq)
    exact = tab.ask(f"vpharness.cell({seq}, {tick})")
    assert len(exact) == 37
    assert exact["j_bid_depth"] == cell("j_bid_depth", seq, tick)
    assert exact["last_event_id"] == cell("last_event_id", seq, tick)
    assert "fields" not in server.queries[-1]


def test_a_resting_crosshair_reads_the_cells_that_move_under_it(tab: Tab, server: StandIn) -> None:
    """Ten bins later the cell under the same pixel is ten bins younger."""
    show(tab, server, "bins=100&ticks=50")
    place = places(tab, [(server.next_seq - 30, 19200)])[0]
    tab.hover(place["x"], place["y"])
    server.publish(10)
    catch_up(tab, server)
    assert "14:30:28.000" in tab.ask("document.querySelector('#readout .place').textContent")
