"""Several files of ITCH, of recorded messages and of books by price level as one source: the book of the whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.events.itch_writer import AAPL, HOUR, before_system_hours, framed, system_event
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
from tests.events.recordings import (
    ASKS,
    BIDS,
    BITFINEX,
    BITSTAMP_LIVE,
    COINBASE,
    KRAKEN,
    START,
    KrakenTape,
    bitstamp,
    bitstamp_book,
    coinbase,
    coinbase_snapshot,
    lines,
)
from tests.events.samples import events, read, write
from tests.lattice.engine_help import run_engine
from vpharness.errors import ConfigError, SourceError
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.bitstamp_live import BitstampLiveSource
from vpharness.events.bybit_depth import BybitDepthSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.event_source import Source
from vpharness.events.input_files import sha256
from vpharness.events.itch import ItchSource
from vpharness.events.kraken import KrakenSource
from vpharness.events.recorded_source import RecordedSource
from vpharness.events.tardis_l2 import TardisL2Source

RECORDED = {
    CoinbaseSource: COINBASE,
    KrakenSource: KRAKEN,
    BitfinexSource: BITFINEX,
    BitstampLiveSource: BITSTAMP_LIVE,
}


def best(source: Source, cell_width_ms: int = 100) -> list[tuple[float, float] | None]:
    """Return the best bid and ask at each bin's end, None where the book is not valid."""
    with source.open() as stream:
        found = np.concatenate(list(stream.chunks))
    run = run_engine(found, tick_int=round(source.tick_size * 10**9), size_unit=1e-8, cell_width_ms=cell_width_ms)
    bins = run.finished.bins
    prices = zip(bins["best_bid_price_int"].tolist(), bins["best_ask_price_int"].tolist(), strict=True)
    valid = bins["book_valid"].tolist()
    return [(bid / 1e9, ask / 1e9) if there else None for (bid, ask), there in zip(prices, valid, strict=True)]


def halves(folder: Path, text: str, at: int, head: str = "", suffix: str = "jsonl") -> list[str]:
    """Write the lines up to `at`, and those from there on, each behind a header; the later half is named first."""
    (folder / "halves").mkdir()
    rows = text.removeprefix(head).splitlines(keepends=True)
    later = write(folder / "halves", f"a.{suffix}", head + "".join(rows[at:]))
    earlier = write(folder / "halves", f"b.{suffix}", head + "".join(rows[:at]))
    return [later, earlier]


# ITCH


def itch_day(folder: Path, name: str, bid: int, ask: int) -> str:
    """Write a day of AAPL with two orders, which nobody cancels at its end."""
    orders = [
        AAPL.add(10 * HOUR, 1, "B", 100, bid * 10_000),
        AAPL.add(10 * HOUR + 1, 2, "S", 100, ask * 10_000),
    ]
    return write(folder, name, framed([*before_system_hours([AAPL]), *orders, system_event(20 * HOUR, "C")]))


def test_itch_days_each_begin_with_an_empty_book(tmp_path: Path) -> None:
    """Each has the day of its file's name; an order of one day is not in the book of the next."""
    later = itch_day(tmp_path, "02012019.NASDAQ_ITCH50", 90, 91)
    earlier = itch_day(tmp_path, "01312019.NASDAQ_ITCH50", 100, 101)
    for value in ([later, earlier], [earlier, later], str(tmp_path), str(tmp_path / "*ITCH50")):
        source = ItchSource(value, "AAPL")
        found, stream = read(source)
        adds = [(ts, price // 10**9) for ts, action, _, price, *_ in found if action == "A"]
        # 10 and 15 hours UTC: New York is five hours behind.
        first, second = (1_548_910_800 + 36_000) * 10**9, (1_548_997_200 + 36_000) * 10**9
        assert adds == [(first, 100), (first + 1, 101), (second, 90), (second + 1, 91)]
        assert best(source, cell_width_ms=60_000)[-1] == (90, 91)
        identity = source.identity()
        assert identity["date"] == ["2019-01-31", "2019-02-01"]
        assert identity["sha256"] == [sha256(earlier), sha256(later)]
        assert identity["market"] == "Q"
        assert [note for note in stream.notes if "no file holds" not in note] == []


def test_one_itch_file_is_what_it_was(tmp_path: Path) -> None:
    """Alone in a folder or in a list it has one day and one checksum."""
    path = itch_day(tmp_path, "01312019.NASDAQ_ITCH50", 100, 101)
    identities = [ItchSource(value, "AAPL").identity() for value in (path, [path], str(tmp_path))]
    assert identities == [identities[0]] * 3
    assert (identities[0]["date"], identities[0]["sha256"]) == ("2019-01-31", sha256(path))
    assert list(identities[0]) == ["kind", "version", "tick_size", "symbol", "date", "market", "sha256"]


def test_itch_files_that_do_not_go_together_are_refused_in_a_line(tmp_path: Path) -> None:
    """One day for several files, two files of a day, two markets."""
    first = itch_day(tmp_path, "01312019.NASDAQ_ITCH50", 100, 101)
    second = itch_day(tmp_path, "02012019.NASDAQ_ITCH50", 100, 101)
    again = itch_day(tmp_path, "S013119-v50.txt", 102, 103)
    other = itch_day(tmp_path, "20190201.BX_ITCH_50", 100, 101)
    unnamed = itch_day(tmp_path, "day.itch", 100, 101)
    with pytest.raises(ConfigError, match=r"source\.date is of one day, and source\.path names 2 files"):
        events(ItchSource([first, second], "AAPL", date="2019-01-31"))
    with pytest.raises(SourceError, match=r"S013119-v50\.txt: is of the same day as .*01312019\.NASDAQ_ITCH50"):
        events(ItchSource([first, again], "AAPL"))
    with pytest.raises(SourceError, match=r"several markets, such as 01312019\.NASDAQ_ITCH50 \(Q\) and .* \(B\)"):
        events(ItchSource([first, other], "AAPL"))
    with pytest.raises(ConfigError, match=r"source\.date must be given: the name of .*day\.itch says no day"):
        events(ItchSource([first, unnamed], "AAPL"))


# Recorded messages


def rotated(folder: Path) -> tuple[str, list[str]]:
    """Write a recording of Coinbase as one file, and as two with a snapshot each, as a recorder rotates."""
    first = [
        coinbase_snapshot(7, 0.05, BIDS, ASKS),
        coinbase("open", 8, 0.15, order_id="n", side="buy", price="100.25", remaining_size="1"),
    ]
    second = [
        coinbase("done", 9, 0.25, order_id="n", side="buy", reason="canceled", remaining_size="1", price="100.25"),
        coinbase("open", 10, 0.35, order_id="m", side="sell", price="100.75", remaining_size="1"),
        coinbase("done", 11, 0.45, order_id="a1", side="sell", reason="canceled", remaining_size="2", price="101.00"),
        coinbase("done", 12, 0.55, order_id="m", side="sell", reason="canceled", remaining_size="1", price="100.75"),
    ]
    again = coinbase_snapshot(9, 0.25, BIDS, ASKS)
    (folder / "parts").mkdir()
    parts = [
        write(folder / "parts", "z.jsonl", lines(first)),
        write(folder / "parts", "a.jsonl", lines([second[0], again, *second[1:]])),
    ]
    write(folder / "parts", "c.jsonl.zst.unfinished", "not to be read")
    return write(folder, "whole.jsonl", lines([*first, *second])), parts


def test_rotated_recordings_give_the_best_prices_of_the_whole(tmp_path: Path) -> None:
    """Each file begins anew with its snapshot; a file that is still being written is not among those of a folder."""
    whole, parts = rotated(tmp_path)
    expected = [(100.25, 101), (100, 101), (100, 100.75), (100, 100.75), (100, 101.01)]
    assert best(CoinbaseSource(whole, 0.01)) == expected
    for value in (parts, parts[::-1], str(tmp_path / "parts"), str(tmp_path / "parts" / "*.jsonl")):
        source = CoinbaseSource(value, 0.01)
        assert best(source) == expected
        assert source.identity()["sha256"] == [sha256(path) for path in parts]
        assert read(source)[1].notes == []


@pytest.mark.parametrize("kind", RECORDED)
def test_every_recorded_source_takes_several_files(tmp_path: Path, kind: type[RecordedSource]) -> None:
    """The events of each file, the book emptied in between; of one file all is as it was."""
    first = write(tmp_path, "b.jsonl", RECORDED[kind])
    later = RECORDED[kind].replace("2024-01-01T", "2024-01-02T").replace("17040672", "17041536")
    second = write(tmp_path, "a.jsonl", later)
    alone = [events(kind(path, 0.01)) for path in (first, second)]
    found, stream = read(kind([second, first], 0.01))
    own = len(alone[0])
    assert found[:own] == alone[0]
    assert found[own][1:] == ("R", "N", 0, 0, 0, 32 | 128)
    assert found[own + 1 :] == alone[1]
    assert best(kind([second, first], 0.01), cell_width_ms=1000)[-1] == best(kind(second, 0.01), cell_width_ms=1000)[-1]
    assert any(note.startswith("no file holds the 24.0 hours") for note in stream.notes)
    assert kind([first], 0.01).identity() == kind(first, 0.01).identity()


def test_recordings_of_several_products_are_refused_unless_one_is_chosen(tmp_path: Path) -> None:
    """The line names both; and a file of the folder without the chosen one is named."""
    first = write(tmp_path, "a.jsonl", COINBASE)
    second = write(tmp_path, "b.jsonl", COINBASE.replace("BTC-USD", "ETH-USD"))
    with pytest.raises(SourceError, match=r"b\.jsonl: begins with ETH-USD, and .*a\.jsonl with BTC-USD; name the"):
        events(CoinbaseSource([first, second], 0.01))
    other = coinbase("open", 6, 0, "ETH-USD", order_id="old", side="buy", price="1", remaining_size="1")
    third = write(tmp_path, "c.jsonl", lines([other]))
    with pytest.raises(SourceError, match=r"c\.jsonl: holds no message about BTC-USD"):
        events(CoinbaseSource([first, third], 0.01, symbol="BTC-USD"))


# The book is not valid after a gap


def _coinbase_gap() -> str:
    orders = [
        coinbase("open", number, seconds, order_id=f"n{number}", side="buy", price="99", remaining_size="1")
        for number, seconds in ((8, 0.05), (9, 0.15), (11, 0.25), (12, 0.35), (13, 0.55))
    ]
    snapshots = [coinbase_snapshot(7, 0.01, BIDS, ASKS), coinbase_snapshot(12, 0.45, BIDS, ASKS)]
    return lines([snapshots[0], *orders[:4], snapshots[1], orders[4]])


def _kraken_gap() -> str:
    tape = KrakenTape()
    for restated, seconds in enumerate(((0.05, 0.15, 0.25, 0.35), (0.55,))):
        at = 0.45 if restated else 0.01
        tape.message("snapshot", bids=[("OB1", "100.0", "1.5", at)], asks=[("OA1", "101.0", "2", at)])
        for number, each in enumerate(seconds):
            order = ("add", f"O{number}", f"{99 - number}.0", "1.00000000", each)
            tape.message("update", checksum=1 if each == 0.25 else None, bids=[order])
    return tape.text


def _bitfinex_gap() -> str:
    orders, ms = [[11, 100, 1.5], [21, 101, -2]], START // 10**6
    return lines(
        [
            {"event": "subscribed", "channel": "book", "chanId": 7, "symbol": "tBTCUSD", "prec": "R0", "len": "25"},
            [7, orders, 1, ms + 10],
            *([7, [30 + number, 99, 0.75], number, ms + at] for number, at in ((2, 50), (3, 150), (5, 250), (6, 350))),
            [7, orders, 7, ms + 450],
            [7, [38, 99, 0.75], 8, ms + 550],
        ]
    )


def _bitstamp_gap() -> str:
    created = [
        bitstamp("order_created", 31 + number, 0, "99", "1", seconds)
        for number, seconds in enumerate((0.05, 0.15, 0.25, 0.35, 0.55))
    ]
    subscribed = {"event": "bts:subscription_succeeded", "channel": "live_orders_btcusd", "data": {}}
    books = [bitstamp_book(at, [["100", "1", "11"]], [["101", "1", "21"]]) for at in (0.01, 0.45)]
    return lines([books[0], *created[:2], subscribed, *created[2:4], books[1], created[4]])


def _binance_gap() -> str:
    changes = [
        depth(number, number, [["99", str(number)]], [], at)
        for number, at in ((2, 10), (3, 50), (4, 150), (6, 250), (7, 350), (8, 450), (9, 550))
    ]
    first, again = (snapshot(last, [["100", "1"]], [["101", "1"]]) for last in (1, 7))
    return lines_of([first, *changes[:5], again, *changes[5:]])


def _bybit_gap() -> str:
    deltas = [
        book("delta", number, [["99", str(number)]], [], at)
        for number, at in ((2, 50), (3, 150), (5, 250), (6, 350), (10, 550))
    ]
    first, again = (book("snapshot", number, [["100", "1"]], [["101", "1"]], at) for number, at in ((1, 10), (9, 450)))
    return lines_of([first, *deltas[:4], again, deltas[4]])


GAPS: dict[str, tuple[type[Any], Callable[[], str], int]] = {
    "coinbase": (CoinbaseSource, _coinbase_gap, 1),
    "kraken": (KrakenSource, _kraken_gap, 2),
    "bitfinex": (BitfinexSource, _bitfinex_gap, 1),
    "bitstamp_live": (BitstampLiveSource, _bitstamp_gap, 1),
    "binance_depth": (BinanceDepthSource, _binance_gap, 2),
    "bybit_depth": (BybitDepthSource, _bybit_gap, 2),
}
"""A source, messages at 0.05, 0.15, 0.25, 0.35 and 0.55 s, of which the third is behind a gap, and a snapshot at 0.45
s; and the first bin without a book: by order, a gap has the time of the last message before it, by level of the next.
"""


@pytest.mark.parametrize("name", GAPS)
def test_the_book_is_not_valid_from_a_gap_to_the_next_snapshot(tmp_path: Path, name: str) -> None:
    """Of every feed that can tell of a gap; the best prices are right before it and behind the snapshot."""
    kind, text, first = GAPS[name]
    found = best(kind(write(tmp_path, "m.jsonl", text()), 0.5))
    assert found == [None if first <= place < 4 else (100, 101) for place in range(6)]


def test_the_book_is_not_valid_before_the_first_snapshot(tmp_path: Path) -> None:
    """Messages by order that come before it make no book, and bins begin with a valid one."""
    messages = [
        coinbase("open", 6, 0.05, order_id="x", side="buy", price="99", remaining_size="1"),
        coinbase("open", 7, 0.15, order_id="y", side="sell", price="102", remaining_size="1"),
        coinbase_snapshot(7, 0.25, BIDS, ASKS),
        coinbase("open", 8, 0.35, order_id="z", side="sell", price="102", remaining_size="1"),
    ]
    found = best(CoinbaseSource(write(tmp_path, "c.jsonl", lines(messages)), 0.5))
    assert found == [(100, 101), (100, 101)]


# By price level


SPLIT: dict[str, tuple[Callable[..., Any], str, str]] = {
    "binance_depth": (BinanceDepthSource, BINANCE, ""),
    "bybit_depth": (BybitDepthSource, BYBIT, ""),
    "tardis_l2": (TardisL2Source, TARDIS, TARDIS_HEAD),
}
"""Source, whole file, header."""
PLACES = [
    *(("binance_depth", at) for at in range(1, 6)),
    *(("bybit_depth", at) for at in range(1, 8)),
    *(("tardis_l2", at) for at in (4, 6, 7)),
]


@pytest.mark.parametrize(("name", "at"), PLACES)
def test_a_book_by_level_that_is_split_is_the_book_of_the_whole(tmp_path: Path, name: str, at: int) -> None:
    """Wherever it is split: no event differs, so a file need not have a snapshot of its own; gaps too are the same."""
    kind, text, head = SPLIT[name]
    suffix = "csv" if head else "jsonl"
    expected = events(kind(write(tmp_path, f"whole.{suffix}", text), 0.5))
    parts = halves(tmp_path, text, at, head, suffix)
    values: list[Any] = [parts, parts[::-1], str(tmp_path / "halves"), str(tmp_path / "halves" / "*")]
    for value in values:
        source = kind(value, 0.5)
        found, stream = read(source)
        assert found == expected
        assert stream.by_level
        assert stream.instrument == "BTCUSDT"
        assert source.identity()["sha256"] == [sha256(path) for path in parts[::-1]]


def test_a_day_of_diffs_in_two_files_has_the_best_prices_of_the_whole(tmp_path: Path) -> None:
    """The second file has no snapshot; an update that is missing between the files is a gap."""
    first = [
        snapshot(1, [["100", "2"], ["99", "1"]], [["101", "2"]]),
        depth(2, 2, [["99", "2"]], [], 50),
        depth(3, 3, [["100", "0"]], [], 150),
    ]
    second = [depth(4, 4, [["100.5", "1"]], [], 250), depth(5, 5, [], [["101", "0"], ["102", "1"]], 350)]
    (tmp_path / "days").mkdir()
    early = write(tmp_path / "days", "z.jsonl", lines_of(first))
    late = write(tmp_path / "days", "a.jsonl", lines_of(second))
    expected = [(100, 101), (99, 101), (100.5, 101), (100.5, 102)]
    assert best(BinanceDepthSource(write(tmp_path, "whole.jsonl", lines_of([*first, *second])), 0.5)) == expected
    assert best(BinanceDepthSource(str(tmp_path / "days"), 0.5)) == expected
    lost = write(tmp_path, "lost.jsonl", lines_of(second[1:]))
    assert best(BinanceDepthSource([lost, early], 0.5)) == [(100, 101), (99, 101), (99, 101), None]
    with pytest.raises(SourceError, match=r"holds no snapshot of the book of BTCUSDT.*record the REST endpoint"):
        events(BinanceDepthSource([late, lost], 0.5))


def test_snapshots_and_trades_of_several_files_go_with_the_books(tmp_path: Path) -> None:
    """However the files of trades are cut and listed: each trade goes before the first message not earlier than it."""
    messages = [depth(2, 2, [["99", "2"]], [], 50), depth(3, 3, [["100", "1"]], [], 150)]
    later = [depth(4, 4, [["100", "0.25"]], [], 250), depth(9, 9, [["98", "2"]], [], 350)]
    trades = [agg_trade("100", "0.5", at, buyer_is_maker=True) for at in (120, 180, 220)]
    both = write(tmp_path, "whole.jsonl", lines_of([*messages, *later]))
    early, late = (write(tmp_path, f"{name}.jsonl", lines_of(part)) for name, part in (("e", messages), ("l", later)))
    all_trades = write(tmp_path, "t.jsonl", lines_of(trades))
    cut = [write(tmp_path, f"t{at}.jsonl", lines_of(trades[at:][:1])) for at in range(3)]
    books = [snapshot(1, [["100", "2"]], [["101", "2"]]), snapshot(8, [["100", "3"]], [["101", "2"]])]
    one = write(tmp_path, "s.jsonl", lines_of(books))
    two = [write(tmp_path, f"s{at}.jsonl", lines_of([each])) for at, each in enumerate(books)]
    expected = events(BinanceDepthSource(both, 0.5, snapshot_path=one, trades_path=all_trades))
    assert [(action, size / 10**8) for _, action, _, _, size, *_ in expected if action == "F"] == [
        ("F", 0.5),
        ("F", 0.75),
    ]
    assert [action for _, action, *_ in expected].count("R") == 2
    for snapshots, files in ((one, all_trades), (two, cut), (two[::-1], cut[::-1]), (two, str(tmp_path / "t?.jsonl"))):
        source = BinanceDepthSource([late, early], 0.5, snapshot_path=snapshots, trades_path=files)
        assert events(source) == expected
    listed = [BinanceDepthSource([early, late], 0.5, trades_path=files).identity() for files in (cut, cut[::-1])]
    assert listed[0] == listed[1]
    assert listed[0]["trades_sha256"] == sorted(map(sha256, cut))
    alone = BinanceDepthSource(both, 0.5, trades_path=all_trades).identity()
    assert (alone["sha256"], alone["snapshot_sha256"], alone["trades_sha256"]) == (
        sha256(both),
        None,
        sha256(all_trades),
    )


def test_trades_of_bybit_and_tardis_may_be_several_files_too(tmp_path: Path) -> None:
    """A file for each half of the book."""
    messages = [json.loads(line) for line in BYBIT.splitlines()]
    trades = [each for each in messages if each["topic"].startswith("publicTrade")]
    bybit = write(tmp_path, "b.jsonl", lines_of([each for each in messages if each not in trades]))
    cut = [write(tmp_path, f"bt{at}.jsonl", lines_of([each])) for at, each in enumerate(trades)]
    whole = write(tmp_path, "bt.jsonl", lines_of(trades))
    expected = events(BybitDepthSource(bybit, 0.5, trades_path=whole))
    assert [event[1] for event in expected].count("F") == 2
    assert events(BybitDepthSource(bybit, 0.5, trades_path=cut)) == expected
    tardis = write(tmp_path, "t.csv", TARDIS)
    head, *rows = TARDIS_TRADES.splitlines(keepends=True)
    cut = [write(tmp_path, f"tt{at}.csv", head + row) for at, row in enumerate(rows)]
    expected = events(TardisL2Source(tardis, 0.5, trades_path=write(tmp_path, "tt.csv", TARDIS_TRADES)))
    assert [event[1] for event in expected].count("F") == 2
    parts = halves(tmp_path, TARDIS, 6, TARDIS_HEAD, "csv")
    assert events(TardisL2Source(parts, 0.5, trades_path=cut)) == expected


@pytest.mark.parametrize("name", SPLIT)
def test_books_of_several_products_are_refused(tmp_path: Path, name: str) -> None:
    """As they are in one file; the line says how to choose."""
    kind, text, head = SPLIT[name]
    suffix = "csv" if head else "jsonl"
    paths = [
        write(tmp_path, f"a.{suffix}", text),
        write(tmp_path, f"b.{suffix}", text.replace("BTCUSDT", "ETHUSDT").replace("btcusdt", "ethusdt")),
    ]
    with pytest.raises(SourceError, match=r"choose one with source\.symbol"):
        events(kind(paths, 0.5))


@pytest.mark.parametrize("name", SPLIT)
def test_files_of_trades_that_are_not_there_are_named_by_their_key(tmp_path: Path, name: str) -> None:
    """Rather than by source.path."""
    kind, text, head = SPLIT[name]
    path = write(tmp_path, "m.csv" if head else "m.jsonl", text)
    with pytest.raises(SourceError, match=r"no file matches it; source\.trades_path must name"):
        events(kind(path, 0.5, trades_path=str(tmp_path / "none*.csv")))


def test_a_trade_beside_another_product_explains_nothing(tmp_path: Path) -> None:
    """The trades of one product alone are taken, whatever else their file has."""
    trade = public_trade("100", "1", "Sell", 50)
    trade["data"][0]["s"] = "ETHUSDT"
    path = write(
        tmp_path,
        "b.jsonl",
        lines_of([book("snapshot", 1, [["100", "1"]], []), trade, book("delta", 2, [["100", "0"]], [], 100)]),
    )
    assert [event[1] for event in events(BybitDepthSource(path, 0.5))] == ["R", "A", "C"]
    assert events(BybitDepthSource(path, 0.5))[0][0] // 10**6 == OPENING_MS
