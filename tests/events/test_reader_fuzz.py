"""Damaged and random files: an error of ours, or exactly what an independent reader makes of them."""

import gzip
import io
import lzma
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import databento_dbn
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.events.export_files import csv_row, frame_of, json_row
from tests.events.itch_writer import framed
from tests.events.level_files import BINANCE, BYBIT, TARDIS
from tests.events.naive_exports import csv_events, json_events, parquet_events
from tests.events.naive_levels import binance_events, bybit_events, tardis_events
from tests.events.naive_readers import bitstamp_events, lobster_events
from tests.events.naive_recorded import bitfinex_events, bitstamp_live_events, coinbase_events, kraken_events
from tests.events.recordings import BITFINEX, BITSTAMP_LIVE, COINBASE, KRAKEN
from tests.events.samples import COMPRESSIONS, START, Event, events, mbo, metadata, symbol_mapping, write
from tests.events.test_bitstamp import LIFE, NEW
from tests.events.test_itch import ALL_TYPES, DAY
from tests.events.test_lobster import BOOK_ROW, MESSAGES, SUMMER
from tests.examples import SHARE, examples
from tests.naive_itch import itch_events
from vpharness.errors import SourceError
from vpharness.events.binance_depth import BinanceDepthSource
from vpharness.events.bitfinex import BitfinexSource
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.bitstamp_live import BitstampLiveSource
from vpharness.events.bybit_depth import BybitDepthSource
from vpharness.events.coinbase import CoinbaseSource
from vpharness.events.dbn import DbnSource
from vpharness.events.dbn_csv import COLUMNS
from vpharness.events.event_source import Source
from vpharness.events.itch import ItchSource
from vpharness.events.kraken import KrakenSource
from vpharness.events.lobster import LobsterSource
from vpharness.events.tardis_l2 import TardisL2Source

FEW, MANY = 40, 5_000
DEADLINE_MS = 20_000  # of a reader that hangs, on a machine that others use too
CUTS, NEAR_AN_END = round(300 * SHARE), round(60 * SHARE)
"""About how many beginnings of a file are read, and how many of them end within its first and last bytes."""

NEWER = NEW + "5,9999,1000,78318.0,1.53453667,created,bid\n5,9999,1001,78318.0,7.18e-06,changed,bid\n"
DBN = metadata(
    {"ESH4": [("2023-12-25", "2023-12-26", 7)], "ESM4": [("2023-12-25", "2023-12-26", 8)]}, schema=None
) + b"".join(
    [mbo(7, order_id=1), mbo(8), symbol_mapping(9, "X"), mbo(7, action=b"M"), mbo(7, action=b"C"), mbo(7, side=b"A")]
)

CSV = "\n".join(
    [
        ",".join(COLUMNS),
        csv_row(action="R", side="N", price="", size=0),
        csv_row(price="-0.250000000"),
        csv_row(instrument_id=8, symbol="ESM4"),
        csv_row(action="M", order_id=2**64 - 1),
    ]
)
WHOLE_CSV = "\n".join(
    csv_row(ts_recv=START + n, ts_event=START + n, price=price, symbol="") for n, price in enumerate((5, -250_000_000))
)
JSON = "\n".join(
    [json_row(price=None), json_row(instrument_id=8), json_row(rtype=23), json_row(order_id="18446744073")]
)
PARQUET = io.BytesIO()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Databento's client
    frame_of(metadata() + mbo(7) + mbo(8, price=(1 << 63) - 1) + mbo(7, price=-5, side=b"A")).to_parquet(PARQUET)

Reader = Callable[[str], Source]
Twin = Callable[[bytes], list[Event]]


def decompressed(data: bytes, compression: str) -> bytes:
    """Return the content of a file by other means than the readers'."""
    match compression:
        case "gzip":
            return gzip.decompress(data)
        case "xz":
            return lzma.decompress(data)
        case "zstd":
            return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return data


def dbn_events(data: bytes) -> list[Event]:
    """Return the events of instrument 7 as databento_dbn decodes them, one by one."""
    return [
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
        if isinstance(record, databento_dbn.MBOMsg) and record.instrument_id == 7
    ]


READERS: dict[str, tuple[Reader, Twin, bytes]] = {
    "dbn": (lambda path: DbnSource(path, 0.25, instrument_id=7), dbn_events, DBN),
    "dbn_csv": (lambda path: DbnSource(path, 0.25, instrument_id=7), csv_events, CSV.encode()),
    "dbn_csv_whole": (lambda path: DbnSource(path, 0.25, instrument_id=7), csv_events, WHOLE_CSV.encode()),
    "dbn_json": (lambda path: DbnSource(path, 0.25, instrument_id=7), json_events, JSON.encode()),
    "dbn_parquet": (lambda path: DbnSource(path, 0.25, instrument_id=7), parquet_events, PARQUET.getvalue()),
    "lobster": (
        lambda path: LobsterSource(path, SUMMER),
        lambda data: lobster_events(data.decode().splitlines(), SUMMER),
        MESSAGES.encode(),
    ),
    "itch": (
        lambda path: ItchSource(path, "AAPL", date=DAY),
        lambda data: itch_events(data, "AAPL", DAY),
        framed(ALL_TYPES),
    ),
    "bitstamp": (BitstampSource, lambda data: bitstamp_events(data.decode().splitlines()), LIFE.encode()),
    "bitstamp_newer": (BitstampSource, lambda data: bitstamp_events(data.decode().splitlines()), NEWER.encode()),
    "coinbase": (lambda path: CoinbaseSource(path, 0.01), coinbase_events, COINBASE.encode()),
    "kraken": (lambda path: KrakenSource(path, 0.1), kraken_events, KRAKEN.encode()),
    "bitfinex": (lambda path: BitfinexSource(path, 0.1), bitfinex_events, BITFINEX.encode()),
    "bitstamp_live": (lambda path: BitstampLiveSource(path, 0.01), bitstamp_live_events, BITSTAMP_LIVE.encode()),
    "binance_depth": (
        lambda path: BinanceDepthSource(path, 0.5),
        lambda data: binance_events(data.decode(errors="replace").split("\n")),
        BINANCE.encode(),
    ),
    "bybit_depth": (
        lambda path: BybitDepthSource(path, 0.5),
        lambda data: bybit_events(data.decode(errors="replace").split("\n")),
        BYBIT.encode(),
    ),
    "tardis_l2": (
        lambda path: TardisL2Source(path, 0.5),
        lambda data: tardis_events(data.decode(errors="replace").removesuffix("\n").split("\n")),
        TARDIS.encode(),
    ),
}
CASES = [(reader, compression) for reader in READERS for compression in COMPRESSIONS]

EDIT = st.tuples(
    st.sampled_from(["flip", "set", "delete", "insert", "repeat", "cut"]),
    st.integers(0, 1 << 30),
    st.one_of(st.sampled_from(b'0189.,-+eE"\n\r\0 AB\xff'), st.integers(0, 255)),
    st.integers(1, 60),
)


def edited(data: bytes, edits: list[tuple[str, int, int, int]]) -> bytes:
    """Return the data with some bytes changed, lost, added, repeated, or cut off."""
    for kind, where, value, count in edits:
        place = where % (len(data) + 1)
        head, tail = data[:place], data[place:]
        match kind:
            case "flip":
                data = head + bytes(byte ^ (1 << value % 8) for byte in tail[:1]) + tail[1:]
            case "set":
                data = head + bytes([value])[: len(tail)] + tail[1:]
            case "delete":
                data = head + tail[count:]
            case "insert":
                data = head + bytes([value]) + tail
            case "repeat":
                data = head + tail[:count] + tail
            case "cut":
                data = head
    return data


def check(folder: Path, reader: str, compression: str, data: bytes) -> None:
    """Assert that a file is refused with an error of ours, or is read exactly as the twin reads it."""
    make, twin, _ = READERS[reader]
    path = write(folder, f"fuzz-{reader}-{compression}", data)
    found, message = [], ""
    try:
        found = events(make(path))
    except SourceError as error:
        message = str(error)
    if message:
        assert path in message
        assert "\n" not in message
        return
    assert found == twin(decompressed(data, compression))


@pytest.mark.parametrize(("reader", "compression"), CASES)
@given(edits=st.lists(EDIT, max_size=4))
@examples(FEW, deadline_ms=DEADLINE_MS)
def test_damaged_files(
    tmp_path_factory: pytest.TempPathFactory, reader: str, compression: str, edits: list[tuple[str, int, int, int]]
) -> None:
    """Damage on disk is an error, or makes another file that is read for what it is."""
    whole = COMPRESSIONS[compression](READERS[reader][2])
    check(tmp_path_factory.getbasetemp(), reader, compression, edited(whole, edits))


@pytest.mark.parametrize(("reader", "compression"), CASES)
@given(edits=st.lists(EDIT, max_size=4))
@examples(FEW, deadline_ms=DEADLINE_MS)
def test_wrong_content(
    tmp_path_factory: pytest.TempPathFactory, reader: str, compression: str, edits: list[tuple[str, int, int, int]]
) -> None:
    """So is damage that the compression has nothing to say about."""
    content = edited(READERS[reader][2], edits)
    check(tmp_path_factory.getbasetemp(), reader, compression, COMPRESSIONS[compression](content))


@pytest.mark.slow
@pytest.mark.parametrize(("reader", "compression"), CASES)
@given(edits=st.lists(EDIT, max_size=8), inside=st.booleans())
@settings(max_examples=MANY, deadline=DEADLINE_MS)
def test_damaged_files_at_length(
    tmp_path_factory: pytest.TempPathFactory,
    reader: str,
    compression: str,
    edits: list[tuple[str, int, int, int]],
    inside: bool,
) -> None:
    """The same with many more files."""
    compress, whole = COMPRESSIONS[compression], READERS[reader][2]
    data = compress(edited(whole, edits)) if inside else edited(compress(whole), edits)
    check(tmp_path_factory.getbasetemp(), reader, compression, data)


@pytest.mark.parametrize("reader", READERS)
@given(data=st.binary(max_size=400))
@examples(FEW, deadline_ms=DEADLINE_MS)
def test_random_bytes(tmp_path_factory: pytest.TempPathFactory, reader: str, data: bytes) -> None:
    """Bytes that mean nothing are refused."""
    path = write(tmp_path_factory.getbasetemp(), "random", data)
    with pytest.raises(SourceError):
        events(READERS[reader][0](path))


@given(edits=st.lists(EDIT, max_size=4))
@example(edits=[("repeat", 0, 48, 23)])
@examples(FEW, deadline_ms=DEADLINE_MS)
def test_damaged_order_book_files(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, int, int]]
) -> None:
    """The order book file of LOBSTER is no way in either: its levels are read as they stand, or refused."""
    folder = tmp_path_factory.getbasetemp()
    data = edited(BOOK_ROW.encode(), edits)
    source = LobsterSource(write(folder, "messages", MESSAGES), SUMMER, orderbook_path=write(folder, "orderbook", data))
    try:
        found = events(source)
    except SourceError:
        return
    assert found == lobster_events(MESSAGES.splitlines(), SUMMER, next(filter(None, data.decode().splitlines())))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_no_beginning_of_a_compressed_file_passes_for_the_whole(tmp_path: Path, reader: str, compression: str) -> None:
    """Cut anywhere, the file is refused; of a long one, at each byte of its ends and at some between."""
    make, _, content = READERS[reader]
    whole = COMPRESSIONS[compression](content)
    some = range(0, len(whole), 1 + len(whole) // CUTS)
    for end in sorted({*some, *range(len(whole))[:NEAR_AN_END], *range(len(whole))[-NEAR_AN_END:]}):
        with pytest.raises(SourceError):
            events(make(write(tmp_path, "cut", whole[:end])))


def test_no_beginning_of_a_dbn_file_passes_but_at_a_records_end(tmp_path: Path) -> None:
    """A plain file that is cut inside of a record is refused; between records it cannot be told from a whole one."""
    ends = {len(DBN) - 56 * n for n in range(4)} | {len(DBN) - 56 * 3 - 176, len(DBN) - 56 * 4 - 176}
    passing = set()
    for end in range(len(DBN) + 1):
        try:
            found = events(DbnSource(write(tmp_path, "cut.dbn", DBN[:end]), 0.25, instrument_id=7))
        except SourceError:
            continue
        passing.add(end)
        assert found == dbn_events(DBN[:end])
    assert passing == ends
    assert all(later - earlier in {56, 176} for earlier, later in pairwise(sorted(passing)))
