"""Several files of a book by price level as one source: the book of the whole, wherever it is cut."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
from tests.events.samples import events, read, write
from tests.lattice.engine_help import best_prices
from vpharness.errors import SourceError
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bybit_depth import BybitDepthSource
from vpharness.events.input_files import sha256
from vpharness.events.tardis_l2 import TardisL2Source


def halves(folder: Path, text: str, at: int, head: str = "", suffix: str = "jsonl") -> list[str]:
    """Write the lines up to `at`, and those from there on, each behind a header; the later half is named first."""
    (folder / "halves").mkdir()
    rows = text.removeprefix(head).splitlines(keepends=True)
    later = write(folder / "halves", f"a.{suffix}", head + "".join(rows[at:]))
    earlier = write(folder / "halves", f"b.{suffix}", head + "".join(rows[:at]))
    return [later, earlier]


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
    assert best_prices(BinanceDepthSource(write(tmp_path, "whole.jsonl", lines_of([*first, *second])), 0.5)) == expected
    assert best_prices(BinanceDepthSource(str(tmp_path / "days"), 0.5)) == expected
    lost = write(tmp_path, "lost.jsonl", lines_of(second[1:]))
    assert best_prices(BinanceDepthSource([lost, early], 0.5)) == [(100, 101), (99, 101), (99, 101), None]
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
