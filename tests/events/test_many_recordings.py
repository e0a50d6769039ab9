"""Several files of ITCH and of recorded messages by order as one source."""

from pathlib import Path

import pytest

from tests.events.itch_writer import AAPL, HOUR, before_system_hours, framed, system_event
from tests.events.recordings import (
    ASKS,
    BIDS,
    BITFINEX,
    BITSTAMP_LIVE,
    COINBASE,
    KRAKEN,
    coinbase,
    coinbase_snapshot,
    lines,
)
from tests.events.samples import events, read, write
from tests.lattice.engine_help import best_prices
from vpharness.errors import ConfigError, SourceError
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.bitstamp_live import BitstampLiveSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.input_files import sha256
from vpharness.events.itch import ItchSource
from vpharness.events.kraken import KrakenSource
from vpharness.events.recorded_source import RecordedSource

RECORDED = {
    CoinbaseSource: COINBASE,
    KrakenSource: KRAKEN,
    BitfinexSource: BITFINEX,
    BitstampLiveSource: BITSTAMP_LIVE,
}


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
        assert best_prices(source, cell_width_ms=60_000)[-1] == (90, 91)
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
    assert best_prices(CoinbaseSource(whole, 0.01)) == expected
    for value in (parts, parts[::-1], str(tmp_path / "parts"), str(tmp_path / "parts" / "*.jsonl")):
        source = CoinbaseSource(value, 0.01)
        assert best_prices(source) == expected
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
    assert (
        best_prices(kind([second, first], 0.01), cell_width_ms=60_000)[-1]
        == best_prices(kind(second, 0.01), cell_width_ms=60_000)[-1]
    )
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
