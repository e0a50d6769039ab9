"""The readers on real exchange data, where it lies beside the project."""

import json
import lzma
from collections import Counter
from pathlib import Path

import databento_dbn
import pytest
import zstandard

from tests.events.export_files import csv_of, json_of, parquet_of
from tests.events.naive_readers import bitstamp_events, lobster_events
from tests.events.samples import Event, events, read, write
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.dbn import DbnSource
from vpharness.events.lobster import LobsterSource
from vpharness.events.mbo_event import MAX_PRICE

MSFT = ("MSFT_2012-06-21_message_50.csv", "MSFT_2012-06-21_orderbook_50.csv")
LEVELS = 50
EVENTS_OF_TYPE = {"1": 1, "2": 1, "3": 1, "4": 2, "5": 0, "6": 0, "7": 0}


@pytest.mark.parametrize(
    ("name", "instrument", "records"),
    [
        ("esh4-20231225.mbo.dbn.zst", "ESH4", 68_792),
        ("esm4-20240508-2s.mbo.dbn.zst", "ESM4", 13_796),
        ("odd.mbo.dbn", "7", 5_365),
    ],
)
def test_dbn_files_are_read_as_the_decoder_reads_them(shared: Path, name: str, instrument: str, records: int) -> None:
    """Every field of every record is what databento_dbn decodes."""
    path = shared / "data" / name
    data = path.read_bytes()
    if name.endswith(".zst"):
        data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    expected = [
        (
            record.ts_event,
            str(record.action),
            str(record.side),
            record.price,
            record.size,
            record.order_id,
            record.flags,
        )
        for record in databento_dbn.DBNDecoder().write_and_decode(data)
        if isinstance(record, databento_dbn.MBOMsg)
    ]
    found, stream = read(DbnSource(str(path), tick_size=0.25))
    assert found == expected
    assert (len(found), stream.instrument, stream.progress()) == (records, instrument, 1.0)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Databento's client
@pytest.mark.parametrize("name", ["esh4-20231225.mbo.dbn.zst", "esm4-20240508-2s.mbo.dbn.zst"])
def test_exports_of_real_files_give_their_events(shared: Path, tmp_path: Path, name: str) -> None:
    """As CSV, JSON lines and Parquet, in the forms that Databento's client writes by default."""
    data = (shared / "data" / name).read_bytes()
    expected = read(DbnSource(str(shared / "data" / name), tick_size=0.25))[0]
    for content in (csv_of(data, tmp_path), json_of(data, tmp_path), parquet_of(data, tmp_path)):
        found, stream = read(DbnSource(write(tmp_path, "export", content), tick_size=0.25))
        assert (found == expected, stream.instrument) == (True, name[:4].upper())


@pytest.mark.parametrize("name", ["made.mbo.csv", "made.mbo.json", "made.mbo.parquet"])
def test_the_export_of_another_writer_gives_the_events_of_its_dbn(shared: Path, name: str) -> None:
    """Files that were made elsewhere, beside their DBN."""
    folder = shared / "findings"
    if not folder.exists():
        pytest.skip("needs the findings beside the project")
    expected = read(DbnSource(str(folder / "made.mbo.dbn"), tick_size=0.25))[0]
    assert read(DbnSource(str(folder / name), tick_size=0.25))[0] == expected


def test_the_lobster_book_is_the_order_book_files_after_every_message(shared: Path) -> None:
    """The book, moved by the events of each message, has the levels of each row of the answer key, where it reaches."""
    message_path, book_path = (shared / "data" / name for name in MSFT)
    messages, book_rows = (path.read_text().splitlines() for path in (message_path, book_path))
    found = events(LobsterSource(str(message_path), "2012-06-21", orderbook_path=str(book_path)))
    assert found == lobster_events(messages, "2012-06-21", book_rows)

    book: dict[str, Counter[int]] = {"A": Counter(), "B": Counter()}
    orders: dict[int, tuple[str, int, int]] = {}
    place = 0
    for number, (message, book_row) in enumerate(zip(messages, book_rows, strict=True)):
        count = EVENTS_OF_TYPE[message.split(",")[1]] if number else 2 * LEVELS
        for event in found[place : place + count]:
            follow(book, orders, event)
        place += count
        while place < len(found) and found[place][1] == "S":
            follow(book, orders, found[place])
            place += 1
        for side, key in levels_of(book_row).items():
            low, high = (0, max(key)) if side == "A" else (min(key), MAX_PRICE)
            assert {p: s for p, s in book[side].items() if s and low <= p <= high} == key, f"after message {number + 1}"
    assert place == len(found)
    records = sum(event[1] != "S" for event in found)
    assert records == json.loads((shared / "golden" / "msft.counts.json").read_text())["events"]


def levels_of(row: str) -> dict[str, dict[int, int]]:
    """Return the size at each price of both sides of a row of the order book file."""
    cells = list(map(int, row.split(",")))
    sides = {"A": cells[0::4], "B": cells[2::4]}
    sizes = {"A": cells[1::4], "B": cells[3::4]}
    return {
        side: {price * 10**5: size for price, size in zip(sides[side], sizes[side], strict=True) if size}
        for side in "AB"
    }


def follow(book: dict[str, Counter[int]], orders: dict[int, tuple[str, int, int]], event: Event) -> None:
    """Let an event change the plain book; a cancel must find its quantity."""
    _, action, side, price, size, order_id, _ = event
    if action == "A":
        orders[order_id] = (side, price, size)
        book[side][price] += size
    elif action == "S":
        _, _, resting = orders.get(order_id, (side, price, 0))
        orders[order_id] = (side, price, size)
        book[side][price] += size - resting
    elif action == "C":
        own_side, own_price, resting = orders[order_id]
        assert (own_side, own_price) == (side, price)
        assert size <= resting
        orders[order_id] = (side, price, resting - size)
        book[side][price] -= size


def test_bitstamp_events_are_the_plain_readers(shared: Path) -> None:
    """Every event of the file, and in its first hour the events and unknown orders that are known to be there."""
    path = shared / "data" / "bitstamp-btcusd-20150501.csv.xz"
    found = events(BitstampSource(str(path)))
    assert found == bitstamp_events(lzma.decompress(path.read_bytes()).decode().splitlines())

    counts = json.loads((shared / "golden" / "bitstamp.counts.json").read_text())
    first_hour = [event for event in found if event[0] < 1_430_442_000 * 10**9]
    left: dict[int, int] = {}
    unknown: Counter[str] = Counter()
    for _, action, _, _, size, order_id, _ in first_hour:
        if action == "A":
            left[order_id] = size
        elif order_id not in left:
            unknown[action] += 1
        elif action == "C":
            left[order_id] -= size
            if left[order_id] <= 0 or size == 0:
                del left[order_id]
    assert len(first_hour) == counts["events"]
    assert (unknown["C"], unknown["F"]) == (counts["unknown_cancel"], counts["unknown_fill"])
