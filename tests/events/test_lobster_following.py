"""The LOBSTER book follows its order book file row by row, however few levels that has."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.events.naive_readers import SEED_ID_BASE, levels_of, lobster_events, reaches, whole
from tests.events.samples import Event, events, read, write
from tests.events.test_lobster import MIDNIGHT
from tests.lattice.engine_help import run_engine
from vpharness.errors import SourceError
from vpharness.events import csv_rows, lobster, lobster_levels
from vpharness.events.lobster import LobsterSource
from vpharness.prices import tick_size_to_price

DAY = "2012-06-21"
EMPTY = {1: -9999999999, -1: 9999999999}


def market(seed: int, levels: int, messages: int) -> tuple[list[str], list[str]]:
    """Return the message and order book lines that LOBSTER would write of a random market, seen `levels` deep.

    The whole book lives here: what happens behind the last level makes no message and no row.
    """
    rng = np.random.default_rng(seed)
    orders: dict[int, list[int]] = {}
    lines: list[str] = []
    rows: list[str] = []
    number, centre, time = 0, 1_000_000, 34_200.0
    while len(rows) < messages:
        number += 1
        time += float(rng.exponential(0.01))
        centre += 100 * int(rng.integers(-1, 2)) * (rng.random() < 0.2)
        before = _row(orders, levels)
        kind = int(rng.choice([1, 1, 1, 2, 3, 3, 4, 5, 6]))
        side = int(rng.choice([1, -1]))
        own = [order_id for order_id, order in orders.items() if order[0] == side]
        order_id, price, size = number, centre - side * 100 * int(rng.integers(1, 12)), int(rng.integers(1, 9))
        others = [order[1] for order in orders.values() if order[0] != side]
        if kind == 1:
            if others and (price >= min(others) if side == 1 else price <= max(others)):
                continue
            orders[order_id] = [side, price, size]
        elif kind in {5, 6}:
            order_id, price = (0, centre) if kind == 5 else (-1, centre)
        elif not own:
            continue
        else:
            order_id = int(rng.choice(own))
            if kind == 4:
                order_id = max(own, key=lambda each: side * orders[each][1])
            price, left = orders[order_id][1:]
            size = left if kind == 3 else min(size, left)
            orders[order_id][2] -= size
            if not orders[order_id][2]:
                del orders[order_id]
        after = _row(orders, levels)
        if kind in {5, 6} or after != before:
            lines.append(f"{time:.9f},{kind},{order_id},{size},{price},{side}")
            rows.append(after)
    return lines, rows


def _row(orders: dict[int, list[int]], levels: int) -> str:
    sides: dict[int, Counter[int]] = {1: Counter(), -1: Counter()}
    for side, price, size in orders.values():
        sides[side][price] += size
    shown = {side: sorted(sides[side].items(), reverse=side == 1)[:levels] for side in (1, -1)}
    cells: list[int] = []
    for level in range(levels):
        for side in (-1, 1):
            cells += shown[side][level] if level < len(shown[side]) else (EMPTY[side], 0)
    return ",".join(map(str, cells))


def source_of(folder: Path, lines: list[str], rows: list[str], name: str = "A_2012-06-21") -> LobsterSource:
    """Write both files and return their source."""
    path = write(folder, f"{name}_message_1.csv", "".join(f"{line}\n" for line in lines))
    return LobsterSource(
        path, orderbook_path=write(folder, f"{name}_orderbook_1.csv", "".join(f"{row}\n" for row in rows))
    )


def books_of(found: list[Event]) -> dict[int, dict[tuple[str, int], int]]:
    """Return the levels of the book after the events of each time, by that time."""
    orders: dict[int, tuple[str, int, int]] = {}
    books = {}
    for place, (ts, action, side, price, size, order_id, _) in enumerate(found):
        left = orders.get(order_id, (side, price, 0))[2]
        if action in "AS":
            orders[order_id] = (side, price, size)
        elif action == "C" and order_id in orders:
            orders[order_id] = (side, price, max(left - size, 0))
        if place + 1 == len(found) or found[place + 1][0] != ts:
            totals: Counter[tuple[str, int]] = Counter()
            for own_side, own_price, own_size in orders.values():
                totals[own_side, own_price] += own_size
            books[ts] = {key: total for key, total in totals.items() if total}
    return books


@pytest.mark.parametrize("levels", [1, 2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_the_book_is_that_of_the_row_after_every_message(tmp_path: Path, levels: int, seed: int) -> None:
    """A random market of which only the best levels are told: every level, and no other, after every message."""
    lines, rows = market(seed, levels, 400)
    source = source_of(tmp_path, lines, rows)
    found, stream = read(source)
    assert found == lobster_events(lines, DAY, rows)
    book: dict[tuple[str, int], int] = {}
    books, times = books_of(found), [MIDNIGHT + whole(line.split(",")[0], 9) for line in lines]
    for time, row in dict(zip(times, rows, strict=True)).items():
        book = books.get(time, book)
        shown = levels_of(row)
        assert {key: size for key, size in book.items() if reaches(shown, levels, *key)} == shown
    assert stream.counts["levels_set_right"] <= (0 if levels == 10 else 10)
    assert (stream.counts["levels_changed_out_of_view"] > 0) == (levels < 10)
    assert stream.notes == []


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_however_files_are_cut_into_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    """Text blocks of messages and rows end at other places; the events are the same."""
    lines, rows = market(9, 3, 200)
    source = source_of(tmp_path, lines, rows)
    expected = events(source)
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 120 * cut)
    monkeypatch.setattr(lobster, "CHUNK_EVENTS", cut)
    assert events(source) == expected


def test_rows_that_contradict_their_messages_are_followed_and_counted(tmp_path: Path) -> None:
    """A level's lack is given to its standing order; its surplus is taken from that, then from its oldest order."""
    lines = ["1,1,1,5,100,1", "2,1,2,3,100,1", "3,1,3,4,100,1", "4,5,0,1,100,1", "5,5,0,1,100,1", "6,5,0,1,90,1"]
    rows = ["200,1,100,5", "200,1,100,8", "200,1,100,14", "200,1,100,10", "200,1,100,1", "200,1,90,7"]
    found, stream = read(source_of(tmp_path, lines, rows))
    assert [(action, size, order_id) for _, action, _, _, size, order_id, _ in found[2:]] == [
        ("A", 3, 2),
        ("A", 4, 3),
        ("S", 7, SEED_ID_BASE + 1),
        ("S", 3, SEED_ID_BASE + 1),
        ("S", 0, SEED_ID_BASE + 1),
        ("S", 0, 2),
        ("S", 1, 3),
        ("S", 0, 3),
        ("S", 7, SEED_ID_BASE + 2),
    ]
    assert stream.counts["levels_set_right"] == 4
    assert stream.counts["levels_changed_out_of_view"] == 1


def rarely_wrong(every: int) -> tuple[list[str], list[str]]:
    """Return a thousand messages that change nothing, and rows of which some have another quantity."""
    lines = [f"{34_200 + place / 100},5,0,1,100,1" for place in range(1001)]
    return lines, [f"200,1,100,{5 + (place // every) % 2}" for place in range(1001)]


def test_an_order_book_file_that_seldom_fits_its_messages_is_a_note(tmp_path: Path) -> None:
    """Above one in a hundred; a few are nothing to speak of."""
    _, stream = read(source_of(tmp_path, *rarely_wrong(50)))
    assert stream.counts["levels_set_right"] == 20
    (note,) = stream.notes
    assert note == (
        "the book had to be set right by A_2012-06-21_orderbook_1.csv 20 times in 1001 messages of "
        "A_2012-06-21_message_1.csv, which should be rare: are both of the same stock and day?"
    )
    _, stream = read(source_of(tmp_path, *rarely_wrong(100), name="B_2012-06-21"))
    assert stream.counts["levels_set_right"] == 10
    assert stream.notes == []


def test_an_order_book_file_of_another_day_is_refused(tmp_path: Path) -> None:
    """Its rows would make a book that is valid everywhere, and right nowhere."""
    source = source_of(tmp_path, market(1, 2, 200)[0], market(2, 2, 200)[1])
    with pytest.raises(SourceError, match=r"orderbook_1\.csv: contradicts .*message_1\.csv: its rows set \d+ levels"):
        read(source)


def test_best_prices_of_a_file_of_one_level(tmp_path: Path) -> None:
    """An order cancelled out of sight is gone, and what lay behind comes into view; every bin has a valid book."""
    lines = [
        "34200.0,1,1,10,1000000,1",
        "34200.1,1,2,10,1005000,1",
        "34200.3,3,2,10,1005000,1",
        "34200.5,1,3,4,995000,-1",
        "34200.7,1,4,4,994000,-1",
        "34200.9,3,4,4,994000,-1",
    ]
    asks, bids = (1010000, 1010000, 1010000, 995000, 994000, 995000), (1000000, 1005000, 990000, 990000, 990000, 990000)
    rows = [f"{ask},{4},{bid},{10}" for ask, bid in zip(asks, bids, strict=True)]
    with source_of(tmp_path, lines, rows).open() as stream:
        taken = np.concatenate(list(stream.chunks))
    run = run_engine(taken, tick_int=tick_size_to_price(0.01), cell_width_ms=100)
    bins = run.finished.bins
    assert (bins["best_bid_price_int"][-9:] / 1e9).tolist() == [100.5, 100.5, 99, 99, 99, 99, 99, 99, 99]
    assert (bins["best_ask_price_int"][-9:] / 1e9).tolist() == [101, 101, 101, 101, 99.5, 99.5, 99.4, 99.4, 99.5]
    assert bins["book_valid"].all()
    # What sets the book right is no record of the feed, and no flow.
    assert bins["event_id"][-1] == 2 + 5
    assert not run.finished.column("pull_mass")[:2].any()


def test_a_file_of_other_rows_than_messages_is_said(tmp_path: Path) -> None:
    """The messages go on alone, and rows that belong to none are left."""
    lines, rows = market(1, 2, 50)
    short, longer = source_of(tmp_path, lines, rows[:20], "S_2012-06-21"), source_of(tmp_path, lines[:20], rows, "L")
    found, stream = read(short)
    assert found == lobster_events(lines, DAY, rows[:20])
    assert len(stream.notes) == 1
    assert stream.notes[0].startswith("S_2012-06-21_orderbook_1.csv ends before S_2012-06-21_message_1.csv: from 2012-")
    found, stream = read(LobsterSource(longer.path, DAY, orderbook_path=longer.orderbook_path))
    assert found == lobster_events(lines[:20], DAY, rows[:20])
    assert stream.notes == [
        "L_orderbook_1.csv has more rows than L_message_1.csv has messages: are they of the same day and levels?"
    ]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("5,1,4,1,4,1,3,1", "line 3: its prices are not in order"),
        ("5,1,3,1,6,1,3,1", "line 3: its prices are not in order"),
        ("5,1,4,1,6,1,3", "line 3: has 7 fields"),
        ("5,1,4,1,6,1,3,x", "line 3: size is 'x'"),
        ("5,1,4,-1,6,1,3,1", "line 3: size is '-1'"),
        ("-5,1,4,1,6,1,3,1", "line 3: price is '-5'"),
        ("5,1,4,1,6,1,3,99999999999999999999", "line 3: size is '9999"),
        ("5,1,4,1,6,1,30000000000000000,1", "line 3: price is '3000"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    """A later row as much as the first."""
    good = "5,1,4,1,6,1,3,1"
    source = source_of(tmp_path, ["1,5,0,1,4,1"] * 4, [good, good, row, good])
    with pytest.raises(SourceError, match=rf"A_2012-06-21_orderbook_1\.csv: {complaint}"):
        events(source)


def test_rows_as_peoples_tools_write_them(tmp_path: Path) -> None:
    """A byte-order mark, a header, spaces, carriage returns, quotes and blank lines change nothing."""
    lines, rows = market(3, 2, 30)
    plain = events(source_of(tmp_path, lines, rows))
    names = "time,type,order_id,size,price,direction"
    messages = "\ufeff" + names + "\r\n" + "".join(f"{line.replace(',', ', ')}\r\n\r\n" for line in lines) + "\n"
    books = "\ufeffask_price_1,ask_size_1,bid_price_1,bid_size_1,ask_price_2,ask_size_2,bid_price_2,bid_size_2\n"
    books += "\n".join(f'"{row.replace(",", chr(34) + " , " + chr(34))}"' for row in rows) + "\n\n\n"
    path, book_path = write(tmp_path, "m.csv", messages), write(tmp_path, "b.csv", books)
    assert events(LobsterSource(path, DAY, orderbook_path=book_path)) == plain
    with_seventh = "".join(f"{line},null\n" for line in lines)
    assert events(LobsterSource(write(tmp_path, "7.csv", with_seventh), DAY, orderbook_path=book_path)) == plain


def test_levels_out_of_view_are_kept_as_last_seen_up_to_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a market has left behind takes no memory without end: the levels farthest away are forgotten."""
    lines = [f"{number},1,{number},5,{100 + number},1" for number in range(60)]
    rows = [f"900,1,{100 + number},5" for number in range(60)]
    all_kept, stream = read(source_of(tmp_path, lines, rows))
    kept = books_of(all_kept)
    assert len(kept[max(kept)]) == 61
    assert stream.counts["levels_forgotten_out_of_view"] == 0
    monkeypatch.setattr(lobster_levels, "KEPT_LEVELS", 8)
    some_kept, stream = read(source_of(tmp_path, lines, rows))
    found = books_of(some_kept)
    assert stream.counts["levels_forgotten_out_of_view"] == 61 - len(found[max(found)])
    assert max(map(len, found.values())) < 20
    assert {(side, price) for side, price in found[max(found)] if side == "B"} == {
        ("B", (100 + number) * 10**5) for number in range(60 - len(found[max(found)]) + 1, 60)
    }
