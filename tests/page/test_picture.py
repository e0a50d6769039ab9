"""What is drawn is the data: pixels read back from the screen, and the values under the crosshair."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.page import market
from tests.page.chromium import Tab
from tests.page.conftest import catch_up, show
from tests.page.stand_in import StandIn

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


def at(pixels: NDArray[np.uint8], place: dict[str, float]) -> list[int]:
    """Return the colour in the middle of a cell."""
    return [int(part) for part in pixels[int(place["y"]), int(place["x"])]]


def some_cells(last: int, count: int = 60) -> list[tuple[int, int]]:
    """Return cells of the last 80 bins, off the corner with the legend and the bins whose book is not valid."""
    rng = np.random.default_rng(7)
    seqs = [int(seq) for seq in rng.integers(last - 80, last, count) if seq % market.PERIOD not in market.INVALID]
    return [(seq, market.spot_tick(seq) + int(rng.integers(-12, 8))) for seq in seqs]


@pytest.mark.parametrize("draw", ["webgl2", "canvas"])
@pytest.mark.parametrize("field", list(FIELD_VALUES))
def test_pixels_show_the_values_of_their_cells(tab: Tab, server: StandIn, draw: str, field: str) -> None:
    """The colour at 60 cells is that of the value there, by WebGL and by the plain canvas."""
    show(tab, server, f"{BARE}&bins=100&ticks=50&field={field}&draw={draw}")
    assert tab.ask("vpharness.drawing().kind") == draw
    cells = some_cells(server.next_seq - 1)
    pixels, values = tab.pixels(), [field_value(field, *each) for each in cells]
    wanted = tab.ask(f"{json.dumps(values)}.map(value => vpharness.colour(value))")
    found = [at(pixels, place) for place in places(tab, cells)]
    assert np.abs(np.array(found) - np.array(wanted)).max() <= 2


def test_pressure_is_orange_and_vacuum_blue(tab: Tab, server: StandIn) -> None:
    """A cell with a score over 0.3 has more red than blue, one under -0.3 more blue than red."""
    show(tab, server, f"{BARE}&bins=100&ticks=50")
    cells, pixels = some_cells(server.next_seq - 1), tab.pixels()
    for each, place in zip(cells, places(tab, cells), strict=True):
        value, (red, _, blue) = field_value("spectrum", *each), at(pixels, place)
        assert abs(value) < 0.3 or (red > blue) == (value > 0)


def test_new_bins_are_drawn_where_they_belong_once_the_ring_is_full(tab: Tab, server: StandIn) -> None:
    """After 250 more bins than the ring holds, pixels still show the values of their cells."""
    show(tab, server, f"{BARE}&bins=100&ticks=50&buffer=150")
    server.publish(400)
    catch_up(tab, server)
    cells, pixels = some_cells(server.next_seq - 1), tab.pixels()
    wanted = tab.ask(f"{json.dumps([field_value('spectrum', *each) for each in cells])}.map(v => vpharness.colour(v))")
    found = [at(pixels, place) for place in places(tab, cells)]
    assert np.abs(np.array(found) - np.array(wanted)).max() <= 2
    assert tab.ask("vpharness.bins().first") == server.next_seq - 150


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
    tab.mouse("mouseMoved", place["x"], place["y"])
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
    tab.mouse("mouseMoved", place["x"], place["y"])
    server.publish(10)
    catch_up(tab, server)
    assert "14:30:28.000" in tab.ask("document.querySelector('#readout .place').textContent")
