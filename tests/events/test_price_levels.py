"""Books by price level: what their messages become, and how trades tell a fill from a pull."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.level_files import (
    BINANCE,
    BYBIT,
    OPENING_MS,
    TARDIS,
    TARDIS_HEAD,
    TARDIS_TRADES,
    agg_trade,
    book,
    depth,
    lines_of,
    public_trade,
    snapshot,
)
from tests.events.naive_levels import binance_events, bybit_events, level_id, tardis_events
from tests.events.samples import COMPRESSIONS, Event, events, read, write
from tests.examples import examples
from vpharness.errors import ConfigError, SourceError
from vpharness.events import csv_rows, level_json
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bybit_depth import BybitDepthSource
from vpharness.events.event_source import Source
from vpharness.events.level_source import WITHOUT_TRADES
from vpharness.events.tardis_l2 import TardisL2Source

MS = 10**6
NS = 10**9
COIN = 10**8
AT = OPENING_MS * MS


def told(found: list[Event]) -> list[tuple[Any, ...]]:
    """Return events as (ms after the opening, action, side, price, size in coins, flags), their ids checked."""
    for _, action, side, price, _, order_id, _ in found:
        assert order_id == (0 if action in "RN" else level_id((side, price)))
    return [
        ((ts - AT) / MS, action, side, price / NS, size / COIN, flags)
        for ts, action, side, price, size, _, flags in found
    ]


def binance(folder: Path, *messages: Any, **more: Any) -> list[tuple[Any, ...]]:
    """Return the events of Binance's messages."""
    return told(events(BinanceDepthSource(write(folder, "b.jsonl", lines_of(messages)), 0.5, **more)))


BINANCE_TOLD = [
    (0, "R", "N", 0, 0, 32),
    (0, "A", "B", 100, 1.5, 32),
    (0, "A", "B", 99.5, 3, 32),
    (0, "A", "A", 101, 2, 32),
    (0, "A", "A", 102, 4, 160),
    (100, "M", "B", 100, 0.5, 0),
    (100, "C", "B", 99.5, 3, 128),
    (200, "A", "B", 98, 1, 0),
    (200, "F", "A", 101, 0.7, 0),
    (200, "M", "A", 101, 1, 0),
    (200, "M", "A", 102, 5, 128),
    (300, "N", "N", 0, 0, 132),
    (300, "C", "B", 98, 1, 128),
]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_binance_snapshot_diffs_trades_and_a_gap(tmp_path: Path, compression: str) -> None:
    """A snapshot takes up what came before it and lies behind it; a trade explains a part; a missing id is a gap."""
    path = write(tmp_path, "b.jsonl", COMPRESSIONS[compression](BINANCE.encode()))
    found, stream = read(BinanceDepthSource(path, 0.5))
    assert told(found) == BINANCE_TOLD
    assert (stream.instrument, stream.size_unit, stream.by_level, stream.notes) == ("BTCUSDT", 1e-8, True, [])
    assert {name: count for name, count in stream.counts.items() if count} == {
        "skipped_before_snapshot": 1,
    }
    assert stream.progress() == 1.0


def test_binance_files_of_their_own_for_snapshots_and_trades_give_the_same(tmp_path: Path) -> None:
    """Trades go before the first message that is not earlier, whatever their file's order."""
    messages = [json.loads(line) for line in BINANCE.splitlines()]
    path = write(tmp_path, "b.jsonl", lines_of([messages[0], *messages[2:3], *messages[4:]]))
    snapshots = write(tmp_path, "s.jsonl", lines_of([snapshot(6, messages[1]["bids"], messages[1]["asks"])]))
    as_json = write(tmp_path, "t.jsonl", lines_of([agg_trade("101", "9", 999, buyer_is_maker=False), messages[3]]))
    spot = write(tmp_path, "t1.csv", f"1,101.0,0.7,1,1,{OPENING_MS * 1000 + 149_000},False,True\n")
    head = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    futures = write(tmp_path, "t2.csv", head + f"1,101.0,0.7,1,1,{OPENING_MS + 149},false\n")
    plain = write(tmp_path, "t3.csv", f"1,101.0,0.7,70.7,{OPENING_MS + 149},False,True\n")
    expected = [*BINANCE_TOLD]
    # Not folded into the snapshot, the first message is one of changes.
    expected[1:5] = [
        (0, "A", "B", 100, 1, 32),
        (0, "A", "B", 99.5, 3, 32),
        (0, "A", "A", 101, 1, 32),
        (0, "A", "A", 102, 4, 160),
        (0, "M", "B", 100, 1.5, 0),
        (0, "M", "A", 101, 2, 128),
    ]
    for trades in (as_json, spot, futures, plain):
        source = BinanceDepthSource(path, 0.5, snapshot_path=snapshots, trades_path=trades)
        found, stream = read(source)
        assert told(found) == expected
        assert stream.notes == []
    assert (
        len({json.dumps(BinanceDepthSource(path, 0.5, trades_path=t).identity()) for t in (as_json, spot, None)}) == 3
    )


def test_a_level_says_what_happened_since_it_was_last_spoken_of(tmp_path: Path) -> None:
    """Trades are used up by the level's next message: a growth uses them too, and what is left over is lost."""
    found = binance(
        tmp_path,
        snapshot(1, [["10", "5"]], [["11", "5"]]),
        depth(2, 2, [["10", "5"]], [], 0),
        agg_trade("10", "2", 1, buyer_is_maker=True),
        depth(3, 3, [["10", "6"]], [], 2),
        depth(4, 4, [["10", "4"]], [], 3),
        agg_trade("10", "1", 4, buyer_is_maker=True),
        agg_trade("10", "0.5", 4, buyer_is_maker=True),
        agg_trade("10", "3", 4, buyer_is_maker=False),
        depth(5, 5, [["10", "1"]], [], 5),
        agg_trade("10", "9", 6, buyer_is_maker=True),
        depth(6, 6, [["10", "0"]], [], 7),
        depth(7, 7, [["10", "2"], ["10", "1"]], [], 8),
    )
    assert found[3:] == [
        (2, "M", "B", 10, 6, 128),  # grown in spite of a trade: an add of the difference
        (3, "M", "B", 10, 4, 128),  # no trade since: a pull
        (5, "F", "B", 10, 1.5, 0),  # the trades with bids explain a half
        (5, "M", "B", 10, 1, 128),
        (7, "F", "B", 10, 1, 0),  # no more than there was
        (7, "C", "B", 10, 1, 128),
        (8, "A", "B", 10, 2, 0),
        (8, "M", "B", 10, 1, 128),
    ]


def test_binance_futures_are_in_sequence_by_pu(tmp_path: Path) -> None:
    """Ids jump there: the message before is named, and the first one behind a snapshot may span it."""
    found = binance(
        tmp_path,
        snapshot(100, [["10", "5"]], [["11", "5"]]),
        depth(95, 110, [["10", "4"]], [], 1, pu=90, T=OPENING_MS + 1),
        depth(150, 160, [["10", "3"]], [], 2, pu=110, T=OPENING_MS + 2),
        depth(170, 180, [["10", "2"]], [], 3, pu=165, T=OPENING_MS + 3),
    )
    assert [row[:2] for row in found] == [(1, "R"), (1, "A"), (1, "A"), (1, "M"), (2, "M"), (3, "N"), (3, "M")]


def test_a_snapshot_that_the_messages_do_not_reach_is_a_gap(tmp_path: Path) -> None:
    """Whether it comes before or behind them; messages that it has in it already are left out."""
    behind = binance(tmp_path, depth(20, 21, [["10", "4"]], [["11", "1"]], 1), snapshot(10, [["10", "5"]], []))
    assert [row[:2] for row in behind] == [(1, "R"), (1, "A"), (1, "A"), (1, "N")]
    before = binance(tmp_path, snapshot(10, [["10", "5"]], []), depth(20, 21, [["10", "4"]], [], 1))
    assert [row[:2] for row in before] == [(1, "R"), (1, "A"), (1, "N"), (1, "M")]
    older = binance(
        tmp_path, snapshot(10, [["10", "5"]], []), depth(8, 10, [["10", "4"]], []), depth(11, 11, [], [], 2)
    )
    assert [row[:2] for row in older] == [(2, "R"), (2, "A")]


def test_without_a_snapshot_the_book_may_start_empty(tmp_path: Path) -> None:
    """That has to be asked for; then gaps are counted and no more."""
    messages = [depth(5, 6, [["10", "4"]], [["11", "1"]]), depth(9, 9, [["10", "1"]], [], 1)]
    with pytest.raises(SourceError, match=r"holds no snapshot of the book of BTCUSDT.*source\.snapshot_path"):
        binance(tmp_path, *messages)
    assert [row[1] for row in binance(tmp_path, *messages, require_snapshot=False)] == ["A", "A", "M"]


def test_one_product_of_several_is_chosen(tmp_path: Path) -> None:
    """Without a choice a second one is refused; a combined stream names the product of a snapshot."""
    other = {**depth(1, 1, [["7", "7"]], []), "s": "ETHUSDT"}
    messages = [
        {"stream": "ethusdt@depth", "data": snapshot(0, [["7", "1"]], [])},
        {"stream": "btcusdt@depth", "data": snapshot(4, [["10", "1"]], [["11", "1"]])},
        depth(5, 5, [["10", "2"]], []),
        other,
        {"result": None, "id": 1},
    ]
    with pytest.raises(SourceError, match=r"line 2: is of BTCUSDT after messages of ETHUSDT; choose one with source"):
        binance(tmp_path, *messages)
    assert binance(tmp_path, *messages, symbol="btcusdt")[-1] == (0, "M", "B", 10, 2, 128)
    with pytest.raises(SourceError, match=r"line 6: is a snapshot that does not say of which product"):
        binance(tmp_path, *messages, snapshot(5, [], []), symbol="BTCUSDT")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timestamp,percentage,depth,notional\n", "bookDepth gives depth by percentage bands, which is no book"),
        ("update_id,best_bid_price\n", "bookTicker gives the best prices alone"),
        ("not json\n", "line 1: is no JSON message"),
        (lines_of([snapshot(1, [["10", "x"]], []), depth(2, 2, [], [])]), "line 1: size is 'x'; expected a number"),
        (lines_of([snapshot(1, [["10", "1"]], []), depth(2, 2, [["9", "-1"]], [])]), "line 2: size is '-1'"),
        (lines_of([snapshot(1, [["10", "1", "2"]], []), depth(2, 2, [], [])]), "line 1: has 3 fields"),
        (lines_of([snapshot(1, [["10", "1e-9"]], []), depth(2, 2, [], [])]), "less than half of source.size_unit"),
        (lines_of([snapshot(1, "no", []), depth(2, 2, [], [])]), "line 1: levels are"),
        (lines_of([{**depth(2, 2, [], []), "E": -5}]), "line 1: has the time -5"),
        (lines_of([depth(9, 2, [], [])]), "line 1: has the update ids U 9 to u 2"),
        (lines_of([{"e": "aggTrade", "s": "BTCUSDT", "p": "1", "q": "1"}]), "line 1: is a message aggTrade without m"),
    ],
)
def test_what_is_no_diff_stream_is_refused_in_a_line(tmp_path: Path, text: str, expected: str) -> None:
    """With the line's number, and what was expected."""
    with pytest.raises(SourceError) as refused:
        events(BinanceDepthSource(write(tmp_path, "b.jsonl", text), 0.5))
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"size_unit is 0\.3; it must be a power of ten"):
        events(BinanceDepthSource(write(tmp_path, "b.jsonl", text), 0.5, size_unit=0.3))


def test_bybit_snapshots_deltas_trades_and_a_gap(tmp_path: Path) -> None:
    """The matching engine's time is the event's; the taker's side says which side rests."""
    found, stream = read(BybitDepthSource(write(tmp_path, "b.data", BYBIT), 0.5))
    assert told(found) == [
        (0, "R", "N", 0, 0, 32),
        (0, "A", "B", 100, 1, 32),
        (0, "A", "B", 99.5, 3, 32),
        (0, "A", "A", 101, 1, 160),
        (100, "M", "B", 100, 0.5, 0),
        (100, "A", "A", 101.5, 2, 128),
        (200, "F", "B", 99.5, 3, 0),
        (200, "C", "B", 99.5, 3, 0),
        (200, "F", "A", 101, 0.4, 0),
        (200, "M", "A", 101, 0.1, 128),
        (300, "N", "N", 0, 0, 132),
        (300, "A", "B", 98, 2, 128),
        (400, "R", "N", 0, 0, 32),
        (400, "A", "B", 98, 2, 32),
        (400, "A", "A", 101, 7, 160),
        (500, "M", "B", 98, 3, 128),
    ]
    assert (stream.instrument, stream.by_level, stream.notes) == ("BTCUSDT", True, [])


DERIVATIVES_TRADES = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID\n"
    f"{OPENING_MS / 1000:.3f},ETHUSDT,Buy,9,101.0,PlusTick,x\n"
    f"{OPENING_MS / 1000 + 0.15:.4f},BTCUSDT,Buy,0.4,101.0,PlusTick,x\n"
)


@pytest.mark.parametrize(
    "trades",
    [
        DERIVATIVES_TRADES,
        f"id,timestamp,price,volume,side\n1,{OPENING_MS + 150},101.0,0.4,buy\n",
        lines_of([public_trade("101.0", "0.4", "Buy", 150)]),
    ],
)
def test_bybit_trades_in_a_file_of_their_own(tmp_path: Path, trades: str) -> None:
    """As downloaded for derivatives and for spot, and as messages; without any, a decline is a pull, which is said."""
    messages = [book("snapshot", 1, [["100", "1"]], [["101", "1"]]), book("delta", 2, [], [["101", "0.5"]], 200)]
    path = write(tmp_path, "b.data", lines_of(messages))
    source = BybitDepthSource(path, 0.5, symbol="BTCUSDT", trades_path=write(tmp_path, "t", trades))
    assert told(events(source))[3:] == [(200, "F", "A", 101, 0.4, 0), (200, "M", "A", 101, 0.5, 128)]
    found, stream = read(BybitDepthSource(path, 0.5))
    assert told(found)[3:] == [(200, "M", "A", 101, 0.5, 128)]
    assert stream.notes == [WITHOUT_TRADES]


def test_bybit_needs_a_snapshot_and_one_depth(tmp_path: Path) -> None:
    """What comes before the first snapshot is left out, and so are other depths; a restart is a snapshot."""
    other = {**book("snapshot", 50, [["1", "1"]], []), "topic": "orderbook.50.BTCUSDT"}
    messages = [
        book("delta", 4, [["99", "1"]], []),
        book("snapshot", 5, [["100", "1"]], []),
        other,
        book("delta", 5, [["100", "9"]], []),
        book("delta", 1, [["98", "1"]], [], 100),
    ]
    found, stream = read(BybitDepthSource(write(tmp_path, "b.data", lines_of(messages)), 0.5))
    assert [row[1] for row in found] == ["R", "A", "R", "A"]
    assert stream.counts["skipped_other_depth"] == stream.counts["skipped_before_snapshot"] == 1
    with pytest.raises(SourceError, match="holds no snapshot of the book of BTCUSDT"):
        events(BybitDepthSource(write(tmp_path, "b.data", lines_of(messages[:1])), 0.5))
    with pytest.raises(SourceError, match=r"line 1: has the type 'x'; expected snapshot or delta"):
        events(BybitDepthSource(write(tmp_path, "b.data", lines_of([book("x", 9, [], [])])), 0.5))


@pytest.mark.parametrize("block_bytes", [60, 1 << 20])
def test_tardis_rows_of_a_time_are_a_message(tmp_path: Path, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshot rows that follow one another are one snapshot, and trades of both files meet in time."""
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", max(block_bytes, len(TARDIS_HEAD)))
    path, trades = write(tmp_path, "b.csv", TARDIS), write(tmp_path, "t.csv", TARDIS_TRADES)
    found, stream = read(TardisL2Source(path, 0.5, trades_path=trades))
    assert told(found) == [
        (0.002, "R", "N", 0, 0, 32),
        (0.002, "A", "B", 100, 1, 32),
        (0.002, "A", "A", 101, 2, 32),
        (0.002, "A", "A", 102, 2, 160),
        (100, "F", "B", 100, 0.5, 0),
        (100, "M", "B", 100, 0.25, 0),
        (100, "A", "B", 99, 4, 128),
        (200, "F", "A", 101, 0.5, 0),
        (200, "C", "A", 101, 2, 128),
        (200.001, "A", "A", 101, 1.5, 128),
    ]
    assert (stream.instrument, stream.by_level, stream.notes) == ("BTCUSDT", True, [])
    assert stream.counts["skipped_before_snapshot"] == 1


def test_tardis_other_files_and_products_are_refused(tmp_path: Path) -> None:
    """The columns are named, and so is a second product."""
    with pytest.raises(SourceError, match="line 1: the columns are 'a, b'; expected incremental_book_L2"):
        events(TardisL2Source(write(tmp_path, "b.csv", "a,b\n1,2\n"), 0.5))
    two = TARDIS + TARDIS.splitlines()[-1].replace("BTCUSDT", "ETHUSDT") + "\n"
    with pytest.raises(SourceError, match="line 10: is of 'ETHUSDT' after rows of 'BTCUSDT'; choose one"):
        events(TardisL2Source(write(tmp_path, "b.csv", two), 0.5))
    one, stream = read(TardisL2Source(write(tmp_path, "b.csv", two), 0.5, symbol="BTCUSDT"))
    assert one == events(TardisL2Source(write(tmp_path, "c.csv", TARDIS), 0.5))
    assert stream.counts["skipped_other_instrument"] == 1
    with pytest.raises(SourceError, match="holds no row of a snapshot"):
        events(TardisL2Source(write(tmp_path, "b.csv", TARDIS_HEAD), 0.5))
    source = TardisL2Source(write(tmp_path, "b.csv", TARDIS), 0.5, trades_path=write(tmp_path, "t.csv", TARDIS))
    with pytest.raises(SourceError, match=r"t\.csv: line 1: the columns are .*; expected trades"):
        events(source)


LEVEL = st.tuples(
    st.sampled_from(["10", "10.5", "11", "1e1", "0.000000001"]), st.sampled_from(["0", "1", "2.5", "0.00000001", "3"])
).map(list)
SIDES = st.tuples(st.lists(LEVEL, max_size=4), st.lists(LEVEL, max_size=4))


@given(
    st.lists(
        st.tuples(st.sampled_from(["diff", "gap", "old", "trade", "snapshot"]), SIDES, st.booleans()), max_size=25
    ),
    st.booleans(),
    st.booleans(),
)
@examples(60)
def test_binance_agrees_with_the_plain_reader(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], futures: bool, spaced: bool
) -> None:
    """Random messages give the plain reader's events, however many are turned into arrays at once."""
    messages, last = [], 10
    for at, (kind, (bids, asks), flag) in enumerate(steps):
        if kind == "trade":
            messages.append(agg_trade("10.5", "1.5", at, buyer_is_maker=flag))
        elif kind == "snapshot":
            messages.append(snapshot(last - 3 * flag, bids, asks))
        else:
            first = last + {"diff": 1, "gap": 3, "old": -2}[kind]
            more = {"pu": first - 1} if futures else {}
            messages.append(depth(first, first + 1, bids, asks, at, **more))
            last = max(last, first + 1)
    text = "\n".join(json.dumps(message) for message in messages) + "\n" if spaced else lines_of(messages)
    check_all(tmp_path_factory, text, lambda path: BinanceDepthSource(path, 0.5), binance_events(text.splitlines()))


@given(st.lists(st.tuples(st.sampled_from(["delta", "gap", "snapshot", "trade"]), SIDES, st.booleans()), max_size=25))
@examples(60)
def test_bybit_agrees_with_the_plain_reader(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    """The same for its messages."""
    messages, last = [], 10
    for at, (kind, (bids, asks), flag) in enumerate(steps):
        if kind == "trade":
            messages.append(public_trade("10.5", "1.5", "Buy" if flag else "Sell", at))
        else:
            last += 1 + (kind == "gap")
            messages.append(book("snapshot" if kind == "snapshot" else "delta", last, bids, asks, at))
    text = lines_of(messages)
    check_all(tmp_path_factory, text, lambda path: BybitDepthSource(path, 0.5), bybit_events(text.splitlines()))


ROW = st.tuples(st.integers(0, 5), st.sampled_from(["true", "false"]), st.sampled_from(["bid", "ask"]), LEVEL)
TRADE = st.tuples(st.integers(0, 9), st.sampled_from(["buy", "sell", "unknown"]), LEVEL)


@given(st.lists(ROW, max_size=40), st.lists(TRADE, max_size=10))
@examples(60)
def test_tardis_agrees_with_the_plain_reader(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], trades: list[Any]
) -> None:
    """The same for its rows, whose times may run backwards."""
    text = TARDIS_HEAD + "".join(
        f"x,Y,{1000 + t},{1000 + t},{snap},{side},{price},{size}\n" for t, snap, side, (price, size) in rows
    )
    sold = (
        TARDIS_TRADES.partition("\n")[0]
        + "\n"
        + "".join(f"x,Y,{1000 + t},{1000 + t},1,{side},{price},{size}\n" for t, side, (price, size) in trades)
    )
    beside = write(tmp_path_factory.getbasetemp(), "trades.csv", sold)
    expected = tardis_events(text.splitlines(), sold.splitlines())
    check_all(tmp_path_factory, text, lambda path: TardisL2Source(path, 0.5, trades_path=beside), expected)


def check_all(factory: pytest.TempPathFactory, text: str, make: Any, expected: list[Event]) -> None:
    """Assert that a source gives the events, for small and large blocks; one without any is refused."""
    path = write(factory.getbasetemp(), "random-levels", text)
    for enough, block in ((1, 100), (5, 300), (1 << 15, 1 << 20)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(level_json, "_ENOUGH", enough)
            patch.setattr(csv_rows, "BLOCK_BYTES", block)
            source: Source = make(path)
            if expected:
                assert events(source) == expected
            else:
                with pytest.raises(SourceError):
                    events(source)
