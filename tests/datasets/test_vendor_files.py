"""Datasets built from small files as vendors write them, with the best prices that are right at every bin's end."""

from pathlib import Path

import pytest

from tests.events.export_files import csv_of, json_of, parquet_of
from tests.events.samples import DAY, START, mbo, metadata, write
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.manifest import Manifest, read_checksums, require_orders
from vpharness.datasets.read import load
from vpharness.errors import DatasetError
from vpharness.events.dbn import DbnSource
from vpharness.events.event_source import Source
from vpharness.events.lobster import LobsterSource
from vpharness.lattice.lattice_parameters import LatticeParameters

MS = 10**6
CENT = 10**7
UNDEFINED_PRICE = (1 << 63) - 1
HEAD = metadata({"GOOG": [("2023-12-25", "2023-12-26", 7)]})
LAST, TOP_OF_BOOK, SNAPSHOT, BY_PRICE, FEED_GAP, BAD_TIME = 128, 64, 32, 16, 4, 8


def record(  # the fields of a record, in a row of a table
    ms: int, action: str, side: str, cents: int | None, size: int, order_id: int, flags: int = LAST, publisher: int = 1
) -> bytes:
    """Return an MBO record at a time after START, of publisher 1 if nothing else is said."""
    price = UNDEFINED_PRICE if cents is None else cents * CENT
    return mbo(7, START + ms * MS, order_id, price, size, action.encode(), side.encode(), flags, publisher=publisher)


def dbn(folder: Path, *records: bytes) -> str:
    """Write a DBN file of GOOG."""
    return write(folder, "made.dbn", HEAD + b"".join(records))


def built(folder: Path, source: Source) -> tuple[Manifest, list[tuple[int, int] | None]]:
    """Build a dataset; return its manifest, and the best bid and ask at each bin's end in cents."""
    lake = Lake(folder / "lake")
    manifest = build(lake, source, LatticeParameters(), dataset_id="a").manifest
    bins = load(find_dataset(lake, "a")).bins
    prices = zip(
        bins["best_bid_price_int"] // CENT, bins["best_ask_price_int"] // CENT, bins["book_valid"], strict=True
    )
    return manifest, [(int(bid), int(ask)) if valid else None for bid, ask, valid in prices]


VENUES = (
    record(0, "R", "N", None, 0, 0, BAD_TIME, 39),
    record(0, "R", "N", None, 0, 0, BAD_TIME, 40),
    record(1, "A", "B", 15_000, 100, 1, publisher=39),
    record(1, "A", "A", 15_005, 100, 2, publisher=39),
    record(50, "A", "B", 14_990, 300, 1, publisher=40),
    record(50, "A", "A", 15_020, 300, 2, publisher=40),
    record(250, "N", "N", None, 0, 0, publisher=40),
    record(350, "R", "N", None, 0, 0, BAD_TIME, 40),
    record(650, "N", "N", None, 0, 0, publisher=39),
)


def test_venues_with_the_same_order_ids_make_one_book(tmp_path: Path) -> None:
    """An R empties its own venue's book alone, and the notes name the venues."""
    manifest, best = built(tmp_path, DbnSource(dbn(tmp_path, *VENUES), 0.01))
    assert best == [(15_000, 15_005)] * 7
    assert manifest.events["A"] == 4
    assert not any(manifest.problems.values())
    assert any("2 venues" in note and "source.publisher_id" in note for note in manifest.notes)


def test_one_venue_is_chosen_by_its_publisher(tmp_path: Path) -> None:
    """The other's orders are skipped and counted; from its R on the book of that venue is empty."""
    manifest, best = built(tmp_path, DbnSource(dbn(tmp_path, *VENUES), 0.01, publisher_id=40))
    assert best == [(14_990, 15_020)] * 3 + [None]
    assert manifest.skipped["skipped_other_publisher"] == 4


@pytest.mark.parametrize("ids", [(0, 0), (901, 902)])
def test_best_prices_in_place_of_orders_replace_their_side(tmp_path: Path, ids: tuple[int, int]) -> None:
    """Whatever their order ids are: the best prices alternate from the first bin on; one without a price empties."""
    sides = []
    for step in range(40):
        bid, ask = ((15_000, 15_005), (15_001, 15_006), (15_002, 15_004), (14_999, 15_003))[step % 4]
        sides += [
            record(50 * step, "A", "B", bid, 100 + step, ids[0], LAST | TOP_OF_BOOK),
            record(50 * step, "A", "A", ask, 200 + step, ids[1], LAST | TOP_OF_BOOK),
        ]
    end = [
        record(2050, "A", "A", None, 0, ids[1], LAST | TOP_OF_BOOK),
        record(2150, "A", "A", 15_004, 10, ids[1], LAST | TOP_OF_BOOK),
    ]
    manifest, best = built(tmp_path, DbnSource(dbn(tmp_path, *sides, *end), 0.01))
    assert best == [(15_001, 15_006), (14_999, 15_003)] * 10 + [None, (14_999, 15_004)]
    assert not any(manifest.problems.values())
    assert manifest.by_level
    with pytest.raises(DatasetError, match=r"dataset a is by price level \(dbn\), and this needs single orders"):
        require_orders(manifest)


def test_a_file_of_orders_followed_by_one_of_best_prices_is_by_price_level(tmp_path: Path) -> None:
    """One record that stands for orders is enough, in whichever file it is met."""
    orders = [
        record(0, "A", "B", 15_000, 100, 1),
        record(0, "A", "A", 15_005, 100, 2),
        record(250, "N", "N", None, 0, 0),
    ]
    top = [record(500, "A", "B", 15_000, 100, 0, LAST | TOP_OF_BOOK), record(650, "N", "N", None, 0, 0)]
    paths = [write(tmp_path, f"{place}.dbn", HEAD + b"".join(part)) for place, part in enumerate((orders, top))]
    assert not built(tmp_path / "orders", DbnSource(paths[0], 0.01))[0].by_level
    assert built(tmp_path / "both", DbnSource(paths, 0.01))[0].by_level


def test_price_levels_in_place_of_orders_replace_their_level(tmp_path: Path) -> None:
    """A level of size 0 is gone."""
    flags = LAST | BY_PRICE
    rows = (
        record(0, "A", "B", 15_000, 100, 0, flags),
        record(0, "A", "B", 14_999, 50, 0, flags),
        record(0, "A", "A", 15_005, 100, 0, flags),
        record(150, "A", "B", 15_000, 40, 0, flags),
        record(250, "A", "B", 15_000, 0, 0, flags),
        record(350, "N", "N", None, 0, 0),
    )
    assert built(tmp_path, DbnSource(dbn(tmp_path, *rows), 0.01))[1] == [(15_000, 15_005)] * 2 + [(14_999, 15_005)] * 2


def test_a_gap_of_the_feed_is_counted_and_leaves_no_valid_book(tmp_path: Path) -> None:
    """Until the next R; the notes tell of it."""
    rows = (
        record(0, "A", "B", 15_000, 100, 1),
        record(0, "A", "A", 15_005, 100, 2),
        record(150, "A", "B", 14_000, 1, 3, LAST | FEED_GAP),
        record(250, "R", "N", None, 0, 0),
        record(250, "A", "B", 15_001, 100, 4),
        record(250, "A", "A", 15_005, 100, 5),
        record(350, "N", "N", None, 0, 0),
    )
    manifest, best = built(tmp_path, DbnSource(dbn(tmp_path, *rows), 0.01))
    assert best == [(15_000, 15_005), None, (15_001, 15_005), (15_001, 15_005)]
    assert manifest.problems["feed_gap"] == 1
    assert any("gap" in note for note in manifest.notes)


def test_an_order_may_move_below_zero(tmp_path: Path) -> None:
    """It leaves the best bid, which is the next one then."""
    rows = (
        record(0, "A", "B", 100, 10, 1),
        record(0, "A", "A", 150, 10, 2),
        record(0, "A", "B", 50, 7, 3),
        record(150, "M", "B", -25, 10, 1),
        record(350, "M", "B", -50, 10, 1),
        record(600, "C", "B", -50, 10, 1),
        record(900, "N", "N", None, 0, 0),
    )
    manifest, best = built(tmp_path, DbnSource(dbn(tmp_path, *rows), 0.01))
    assert best == [(100, 150)] + [(50, 150)] * 9
    assert not any(manifest.problems.values())


def test_a_market_may_trade_below_zero(tmp_path: Path) -> None:
    """As oil did in April 2020."""
    rows = (
        record(0, "A", "B", -3750, 10, 1),
        record(0, "A", "A", -3725, 10, 2),
        record(250, "A", "B", -3740, 1, 3),
        record(500, "N", "N", None, 0, 0),
    )
    assert built(tmp_path, DbnSource(dbn(tmp_path, *rows), 0.05))[1] == [(-3750, -3725)] * 2 + [(-3740, -3725)] * 4


def test_the_orders_of_a_snapshot_keep_their_times(tmp_path: Path) -> None:
    """They may be older than a week; bins begin with the first record that is none of the snapshot's."""
    week = 8 * DAY // MS
    rows = (
        record(-week, "A", "B", 479_000, 5, 1, SNAPSHOT),
        record(-week - 400, "A", "A", 481_000, 5, 2, SNAPSHOT | LAST),
        record(0, "A", "A", 480_500, 1, 10),
        record(50, "A", "B", 479_500, 1, 11),
        record(250, "A", "A", 480_500, 1, 12),
    )
    manifest, best = built(tmp_path, DbnSource(dbn(tmp_path, *rows), 0.25))
    assert best == [(479_500, 480_500)] * 3
    assert manifest.first_bin_start_ns == START


def test_files_end_to_end_are_days_of_one_dataset(tmp_path: Path) -> None:
    """The header of the second is none of its records; whole files in a list are the same."""
    first = b"".join([record(0, "A", "B", 10_000, 1, 1), record(0, "A", "A", 10_100, 1, 2)])
    second = b"".join([record(150, "A", "B", 10_050, 1, 3), record(250, "N", "N", None, 0, 0)])
    joined = write(tmp_path, "both.dbn", HEAD + first + HEAD + second)
    expected = [(10_000, 10_100), (10_050, 10_100), (10_050, 10_100)]
    assert built(tmp_path, DbnSource(joined, 0.25))[1] == expected
    listed = [write(tmp_path, "b.dbn", HEAD + first), write(tmp_path, "a.dbn", HEAD + second)]
    (tmp_path / "again").mkdir()
    assert built(tmp_path / "again", DbnSource(listed[::-1], 0.25))[1] == expected


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_every_export_of_a_file_is_the_same_dataset(tmp_path: Path) -> None:
    """Bins and cells bit by bit, from DBN, CSV, JSON lines and Parquet."""
    data = HEAD + b"".join(VENUES)
    made = {
        "dbn": data,
        "csv": csv_of(data, tmp_path, pretty_px=True, pretty_ts=True, map_symbols=True),
        "json": json_of(data, tmp_path, pretty_px=False, pretty_ts=True, map_symbols=True),
        "parquet": parquet_of(data, tmp_path),
    }
    sums = []
    for form, content in made.items():
        (tmp_path / form).mkdir()
        path = write(tmp_path / form, f"made.{form}", content)
        built(tmp_path / form, DbnSource(path, 0.01, symbol="GOOG"))
        sums.append(read_checksums(find_dataset(Lake(tmp_path / form / "lake"), "a").path))
    tables = [{name: digest for name, digest in each.items() if name != "manifest.json"} for each in sums]
    assert set(tables[0]) == {"bins.parquet", "events.parquet", "grid_clean.parquet"}
    assert tables == [tables[0]] * 4


def test_the_book_of_a_one_level_lobster_file_is_that_of_its_rows(tmp_path: Path) -> None:
    """Orders that are cancelled out of view leave, and those that come into view are there; every bin is valid."""
    messages = write(
        tmp_path,
        "MSFT_2012-06-21_message_1.csv",
        "34200,1,1,10,1000000,1\n34200.1,1,2,10,1005000,1\n34200.3,3,2,10,1005000,1\n"
        "34200.5,1,3,4,995000,-1\n34200.7,1,4,4,994000,-1\n34200.9,3,4,4,994000,-1\n",
    )
    levels = [
        (101, 5, 100, 10),
        (101, 5, 100.5, 10),
        (101, 5, 99, 7),
        (99.5, 4, 99, 7),
        (99.4, 4, 99, 7),
        (99.5, 4, 99, 7),
    ]
    rows = "".join(f"{ask * 10_000:.0f},{a},{bid * 10_000:.0f},{b}\n" for ask, a, bid, b in levels)
    book = write(tmp_path, "MSFT_2012-06-21_orderbook_1.csv", rows)
    manifest, best = built(tmp_path, LobsterSource(messages, orderbook_path=book))
    bids, asks = (10_050,) * 2 + (9_900,) * 7, (10_100,) * 4 + (9_950,) * 2 + (9_940,) * 2 + (9_950,)
    assert best == list(zip(bids, asks, strict=True))
    assert manifest.valid_bins == manifest.bins


def test_a_cross_trade_of_lobster_is_counted(tmp_path: Path) -> None:
    """Its order id is that of its kind, and no order's."""
    messages = write(
        tmp_path,
        "MSFT_2012-06-21_message_1.csv",
        "34200,1,1,10,1000000,1\n34200.1,1,2,10,1005000,-1\n34200.2,6,-1,150000,1002000,-1\n34200.3,1,3,5,1001000,1\n",
    )
    rows = "1010000,5,1000000,10\n" + "1005000,10,1000000,10\n" * 2 + "1005000,10,1001000,5\n"
    book = write(tmp_path, "MSFT_2012-06-21_orderbook_1.csv", rows)
    manifest, best = built(tmp_path, LobsterSource(messages, orderbook_path=book))
    assert best == [(10_000, 10_050)] * 2 + [(10_010, 10_050)]
    assert manifest.skipped["skipped_cross_trade"] == 1
