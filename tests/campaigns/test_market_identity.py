"""Which market a dataset is evidence of: no name of a user's, and no other cut of the files, makes another one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.events.export_files import csv_file, csv_row
from tests.events.itch_writer import AAPL, AAPLW, HOUR, before_system_hours, framed, system_event
from tests.events.level_files import BINANCE, TARDIS
from tests.events.recordings import BITFINEX
from tests.events.samples import DAY, START, mbo, metadata, write
from vpharness.campaigns.market_identity import market_of
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.evaluation import Market, MarketTime
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.input_files import sha256
from vpharness.events.itch import ItchSource
from vpharness.events.lobster import LobsterSource
from vpharness.events.tardis_l2 import TardisL2Source
from vpharness.lattice.lattice_parameters import LatticeParameters

NAMES = {"ESH4": [("2023-12-01", "2024-02-01", 7)], "ESM4": [("2023-12-01", "2024-02-01", 8)]}
TICK = 250_000_000


def dataset(folder: Path, source: Source, *, cell_width_ms: int = 100) -> Dataset:
    """Build the dataset of a source."""
    built = build(Lake(folder / "lake"), source, LatticeParameters(cell_width_ms=cell_width_ms))
    return Dataset(built.path, built.manifest)


def market(folder: Path, source: Source) -> Market:
    """Return the market of a source's dataset."""
    return market_of(dataset(folder, source))


def orders(number: int, begin_ns: int) -> bytes:
    """Return a bid and an ask, and another bid a second later."""
    price = 40 * number * TICK
    bid, ask = mbo(number, begin_ns, 1, price), mbo(number, begin_ns, 2, price + TICK, side=b"A")
    return bid + ask + mbo(number, begin_ns + 10**9, 3, price - TICK)


def es(folder: Path, name: str, *numbers: int, begin_ns: int = START) -> str:
    """Write a DBN file of some contracts."""
    return write(folder, name, metadata(NAMES) + b"".join(orders(number, begin_ns) for number in numbers))


def test_a_roll_is_the_market_of_each_of_its_contracts(tmp_path: Path) -> None:
    """A folder of two contracts matches a dataset of either, whatever else the market is compared with."""
    h4, m4 = es(tmp_path, "h4.dbn", 7), es(tmp_path, "m4.dbn", 8, begin_ns=START + 2 * 10**9)
    both = dataset(tmp_path, DbnSource([h4, m4], 0.25))
    assert both.manifest.instrument == "ESH4"
    ids = ["publisher 1, instrument 7", "publisher 1, instrument 8"]
    assert both.manifest.instruments == ["ESH4", ids[0], "ESM4", ids[1]]
    for path in (h4, m4):
        assert market_of(both).matches(market(tmp_path, DbnSource(path, 0.25)))
    assert market_of(both).matches(Market("ESM4")), "as an earlier version has noted it"
    assert not market_of(both).matches(Market("ESZ4"))


def test_two_instruments_of_one_file_are_two_markets(tmp_path: Path) -> None:
    """The data tell them apart; one of them is the same market by symbol, by id and in any other dataset."""
    path = es(tmp_path, "es.dbn", 7, 8)
    h4, m4 = (dataset(tmp_path, DbnSource(path, 0.25, symbol=symbol)) for symbol in ("ESH4", "ESM4"))
    assert not market_of(h4).matches(market_of(m4))
    by_id = market(tmp_path, DbnSource(path, 0.25, instrument_id=7))
    assert by_id.matches(market_of(h4))
    assert not by_id.matches(market_of(m4))
    earlier = [market_of(replace(each, manifest=replace(each.manifest, instruments=[]))) for each in (h4, m4)]
    assert not earlier[0].matches(earlier[1])
    assert earlier[0].matches(market_of(h4))


def test_a_file_that_names_nothing_is_one_market_under_any_name(tmp_path: Path) -> None:
    """What a user calls its only instrument changes nothing, nor does another export of the same records."""
    facts = [{"price": "10.0", "side": "B", "order_id": 1}, {"price": "10.25", "side": "A", "order_id": 2}]
    rows = [csv_row(symbol="", **each) for each in (*facts, {"price": "9.75", "side": "B", "order_id": 3})]
    path = csv_file(tmp_path, rows)
    (tmp_path / "again").mkdir()
    longer = csv_file(tmp_path / "again", [*rows, csv_row(symbol="", price="9.5", side="B", order_id=4)])
    own = market(tmp_path, DbnSource(path, 0.25, symbol="ESH4"))
    assert own.matches(market(tmp_path, DbnSource(path, 0.25, symbol="NOISE")))
    assert own.matches(market(tmp_path, DbnSource(longer, 0.25, symbol="NOISE")))


def test_capitals_and_pairs_do_not_make_another_market(tmp_path: Path) -> None:
    """Either way to write a product chooses the same messages."""
    tardis = write(tmp_path, "t.csv", TARDIS)
    bitfinex = write(tmp_path, "b.jsonl", BITFINEX)
    binance = write(tmp_path, "b.json", BINANCE)
    several: list[list[Source]] = [
        [TardisL2Source(tardis, 0.5, symbol=symbol) for symbol in (None, "BTCUSDT", "btcusdt")],
        [BitfinexSource(bitfinex, 0.1, symbol=symbol) for symbol in (None, "tBTCUSD", "BTCUSD")],
        [BinanceDepthSource(binance, 0.5, symbol=symbol, require_snapshot=False) for symbol in (None, "btcusdt")],
    ]
    for sources in several:
        first, *others = [market(tmp_path, source) for source in sources]
        assert all(first.matches(other) for other in others)
        assert any(each.startswith("file ") for each in first.contents)


def itch_day(folder: Path) -> str:
    """Write a day on which two stocks have a bid and an ask."""
    messages = before_system_hours([AAPL, AAPLW])
    for place, stock in enumerate((AAPL, AAPLW)):
        messages += [stock.add(10 * HOUR, 2 * place + 1, "B", 100, 1_000_000 - 100 * place)]
        messages += [stock.add(10 * HOUR, 2 * place + 2, "S", 100, 1_000_100)]
        messages += [stock.add(10 * HOUR + 10**9, 9 + place, "B", 100, 999_900)]
    return write(folder, "day.NASDAQ_ITCH50", framed([*messages, system_event(20 * HOUR, "C")]))


def test_a_day_of_itch_on_another_date_is_the_same_evidence(tmp_path: Path) -> None:
    """Its times count from midnight of a day that the user may give; another stock of the file is another market."""
    path = itch_day(tmp_path)
    made = [
        dataset(tmp_path, ItchSource(path, symbol=symbol, date=date, market="Q"), cell_width_ms=1_000)
        for symbol, date in (("AAPL", "2019-01-30"), ("AAPL", "2019-01-31"), ("AAPLW", "2019-01-30"))
    ]
    times = [
        MarketTime(market_of(each), each.manifest.first_bin_start_ns, each.manifest.last_bin_end_ns) for each in made
    ]
    assert times[0].overlaps(times[1])
    assert not times[0].market.matches(times[2].market)


def lobster_day(folder: Path, name: str, price: int) -> str:
    """Write a day of messages, with a bid, an ask, and another bid a second later."""
    lines = (f"36000.0,1,1,5,{price},1", f"36000.0,1,2,5,{price + 100},-1", f"36001.0,1,3,5,{price - 100},1")
    return write(folder, f"{name}_message_10.csv", "\n".join(lines) + "\n")


def test_each_day_of_several_is_counted_from_its_own_midnight(tmp_path: Path) -> None:
    """The second day alone is the second half of both, under its own date or another one, and never the first half."""
    first = lobster_day(tmp_path, "AMZN_2012-06-21", 1_000_000)
    second = lobster_day(tmp_path, "AMZN_2012-06-22", 2_000_000)
    # A day of the usual bins would be 864,000 of them; the market does not hang on how many there are.
    both = market_of(dataset(tmp_path, LobsterSource([first, second]), cell_width_ms=60_000))
    own = dataset(tmp_path, LobsterSource(second))
    begins_ns, ends_ns = own.manifest.first_bin_start_ns, own.manifest.last_bin_end_ns
    alone = MarketTime(market_of(own), begins_ns, ends_ns)
    first_half = MarketTime(both, begins_ns - DAY, ends_ns - DAY)
    second_half = MarketTime(both, begins_ns, ends_ns)
    assert alone.overlaps(second_half)
    assert alone.shared_ns(second_half) == ends_ns - begins_ns
    assert not alone.overlaps(first_half)
    assert not first_half.overlaps(alone)
    misdated = dataset(tmp_path, LobsterSource(second, date="2012-06-25"))
    later = MarketTime(market_of(misdated), begins_ns + 3 * DAY, ends_ns + 3 * DAY)
    assert later.overlaps(second_half)
    assert not later.overlaps(first_half)


def test_what_earlier_versions_have_noted_still_matches(tmp_path: Path) -> None:
    """The rows of a ledger hold an instrument and a digest of a file, as they always did."""
    path = lobster_day(tmp_path, "AMZN_2012-06-21", 1_000_000)
    now = market(tmp_path, LobsterSource(path, instrument="noise"))
    assert now.matches(Market("AMZN", frozenset({f"file {sha256(path)}"})))
    assert now.matches(Market("noise"))
    assert market(tmp_path, DbnSource(es(tmp_path, "h4.dbn", 7), 0.25)).matches(Market("ESH4"))


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_capitals_of_an_instrument_do_not_make_another_market(change: Callable[[str], str]) -> None:
    """As a ledger may hold them both."""
    assert Market("Btc-Usd").matches(Market(change("Btc-Usd")))
