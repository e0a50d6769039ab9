"""A dataset's best prices against those of another file: what differs is found, and what cannot be known is said."""

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.commands.test_cli import in_process
from tests.datasets.best_price_files import Quote, dbn_file, record
from tests.datasets.samples import OPENING_NS, SECOND_NS, Fixed
from tests.event_rows import events_of
from tests.events.samples import COMPRESSIONS, ENUMS, metadata, write
from vpharness.compiled import Array
from vpharness.datasets import price_check
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.price_check import PriceCheck, check_prices, key_choice
from vpharness.errors import SourceError
from vpharness.events.best_prices import BEST_DTYPE, BestPrices, KeyChoice
from vpharness.events.input_files import sha256
from vpharness.events.mbo_event import ADD, ASK, BID, CANCEL, UNDEFINED_PRICE
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.prices import PRICE_SCALE

MS = 10**6
BIN = 100 * MS
NOTHING_CHOSEN = KeyChoice()


def px(price: float) -> int:
    """Return a price in units of 1e-9."""
    return round(price * PRICE_SCALE)


QUOTES: list[Quote] = [
    (OPENING_NS, px(100), px(101)),
    (OPENING_NS + 150 * MS, px(100.5), px(101)),
    (OPENING_NS + 199 * MS, px(100), px(101)),
    (OPENING_NS + 400 * MS, px(99), px(101)),
    (OPENING_NS + 2050 * MS, px(99), px(100.5)),
]
"""The best prices of the market below at each of their changes; the bins end at 0.1, 0.2, … 2.1 s."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small market of 21 bins whose best prices change as in QUOTES."""
    at = [ts for ts, _, _ in QUOTES]
    rows = [
        (at[0], px(99), 5, 1, ADD, BID, 0),
        (at[0], px(100), 5, 2, ADD, BID, 0),
        (at[0], px(101), 5, 3, ADD, ASK, 128),
        (at[1], px(100.5), 5, 4, ADD, BID, 128),
        (at[2], px(100.5), 5, 4, CANCEL, BID, 128),
        (at[3], px(100), 5, 2, CANCEL, BID, 128),
        (at[4], px(100.5), 5, 5, ADD, ASK, 128),
    ]
    lake = Lake(tmp_path_factory.mktemp("check") / "lake")
    built = build(lake, Fixed(events_of(rows), tick_size=0.5), LatticeParameters(radius=4), dataset_id="market")
    assert built.manifest.bins == 21
    return Dataset(built.path, built.manifest)


def checked(dataset: Dataset, path: str, choice: KeyChoice = NOTHING_CHOSEN) -> PriceCheck:
    """Return the outcome of a comparison."""
    return check_prices(dataset, path, choice)[0]


@pytest.mark.parametrize("schema", ["mbp-1", "mbp-10"])
@pytest.mark.parametrize("compression", ["plain", "zstd"])
def test_every_change_told_gives_every_bin(tmp_path: Path, dataset: Dataset, schema: str, compression: str) -> None:
    """A state holds until the next record, and a bin's end sees what is earlier than it, not what is at it."""
    path = write(tmp_path, "key.dbn", COMPRESSIONS[compression](dbn_file(schema, QUOTES)))
    found = checked(dataset, path)
    assert (found.kind, found.compared, found.equal, found.differing) == (schema, 21, 21, 0)
    assert (found.not_compared, found.first, found.notes) == ({}, None, [])


def test_what_differs_is_counted_and_the_first_is_shown_with_both_values(tmp_path: Path, dataset: Dataset) -> None:
    """A bid that is wrong for two bins and an ask that is wrong for one, which is another."""
    quotes = [*QUOTES[:3], (OPENING_NS + 400 * MS, px(98.5), px(101)), (OPENING_NS + 600 * MS, px(99), px(101))]
    quotes += [(OPENING_NS + 700 * MS, px(99), None), (OPENING_NS + 799 * MS, px(99), px(101.4)), QUOTES[4]]
    found, table = check_prices(dataset, write(tmp_path, "key.dbn", dbn_file("mbp-1", quotes)), NOTHING_CHOSEN)
    # From 0.799 s on the ask is 101.5, its nearest tick, for the bins that end at 0.8 to 2.0 s.
    assert (found.compared, found.differing, found.differing_bids, found.differing_asks) == (21, 15, 2, 13)
    assert found.differing_invalid == 0
    assert found.first == {
        "bin_seq": 4,
        "bin_end_ns": OPENING_NS + 5 * BIN,
        "best_bid_price_int": px(99),
        "best_ask_price_int": px(101),
        "check_bid_price_int": px(98.5),
        "check_ask_price_int": px(101),
    }
    results = table["result"].to_pylist()
    assert [place for place, result in enumerate(results) if result == "differs"] == [4, 5, *range(7, 20)]
    assert table["check_ask_price_int"][8].as_py() == px(101.5)


def test_bins_outside_of_the_file_are_not_compared(tmp_path: Path, dataset: Dataset) -> None:
    """What the file does not cover is neither equal nor different; its last record's bin is the last."""
    path = write(tmp_path, "key.dbn", dbn_file("mbp-1", QUOTES[1:4]))
    found = checked(dataset, path)
    assert found.not_compared == {"before the file begins": 1, "after the file ends": 16}
    assert (found.compared, found.differing) == (4, 0)


def test_intervals_are_compared_at_their_ends_alone(tmp_path: Path, dataset: Dataset) -> None:
    """A record of an interval is the state before the interval's end; where none comes, nothing has changed."""
    second = OPENING_NS + SECOND_NS
    right = [(second, px(99), px(101)), (second + 2 * SECOND_NS, px(99), px(100.5))]
    found = checked(dataset, write(tmp_path, "right.dbn", dbn_file("bbo-1s", right)))
    assert (found.kind, found.compared, found.differing) == ("bbo-1s", 2, 0)
    assert found.not_compared == {"before the file begins": 9, "between the file's intervals": 10}
    assert "time of receipt" in found.notes[0]
    wrong = [(second, px(99), px(101)), (second + SECOND_NS, px(99.5), px(101))]
    found = checked(dataset, write(tmp_path, "wrong.dbn", dbn_file("bbo-1s", wrong)))
    assert (found.compared, found.differing) == (2, 1)
    assert found.first is not None
    assert found.first["bin_end_ns"] == second + SECOND_NS


def test_several_venues_are_one_market_unless_one_is_chosen(tmp_path: Path, dataset: Dataset) -> None:
    """The best of all publishers is compared, each with its last state; a chosen one alone is another market."""
    other = [(ts, px(90), px(110)) for ts, _, _ in QUOTES]
    records = [record("mbp-1", quote, 1) + record("mbp-1", far, 2) for quote, far in zip(QUOTES, other, strict=True)]
    data = dbn_file("mbp-1", []) + b"".join(records)
    path = write(tmp_path, "key.dbn", data)
    assert checked(dataset, path).differing == 0
    assert checked(dataset, path, KeyChoice(publisher_id=1)).differing == 0
    assert checked(dataset, path, KeyChoice(publisher_id=2)).differing == 21
    with pytest.raises(SourceError, match="holds no best prices of 3"):
        checked(dataset, path, KeyChoice(publisher_id=3))


def states_of(blocks: Sequence[Array], ends: Array) -> list[tuple[int, int]]:
    """Return the best bid and ask of all publishers before each of some times, row by row."""
    found, latest = [], 0
    states: dict[int, tuple[int, int]] = {}
    rows = []
    for ts, bid, ask, publisher in np.concatenate(blocks).tolist():
        latest = max(latest, ts)
        rows.append((latest, bid, ask, publisher))
    for end in ends.tolist():
        while rows and rows[0][0] < end:
            _, bid, ask, publisher = rows.pop(0)
            states[publisher] = (bid, ask)
        bids = [bid for bid, _ in states.values() if bid != UNDEFINED_PRICE]
        asks = [ask for _, ask in states.values()]
        found.append((max(bids, default=UNDEFINED_PRICE), min(asks, default=UNDEFINED_PRICE)))
    return found


def key_blocks(seed: int, rows: int, publishers: int, cuts: int, span: int) -> list[Array]:
    """Return random best prices in blocks; times go back now and then, and sides are empty."""
    random = np.random.default_rng(seed)
    found = np.empty(rows, BEST_DTYPE)
    found["ts_ns"] = np.sort(random.integers(0, span, rows)) - random.integers(0, 2, rows)
    for name in ("bid", "ask"):
        found[name] = np.where(random.random(rows) < 0.2, UNDEFINED_PRICE, random.integers(-20, 20, rows))
    found["publisher"] = random.integers(0, publishers, rows)
    places = np.unique(random.integers(1, rows, cuts))
    return np.split(found, places)


@pytest.mark.parametrize("seed", range(30))
def test_states_are_those_of_a_reader_row_by_row(seed: int) -> None:
    """Whatever blocks the file comes in, with several publishers, empty sides and times that go back."""
    blocks = key_blocks(seed, rows=60, publishers=1 + seed % 4, cuts=seed % 7, span=150)
    ends = np.arange(10, 130, 10)
    found = price_check._states_at(ends, BestPrices("mbp-1", iter(blocks)), 10)
    assert list(zip(found.bid.tolist(), found.ask.tolist(), strict=True)) == states_of(blocks, ends)


def test_the_memory_of_a_comparison_does_not_grow_with_the_publishers() -> None:
    """A damaged file may name 65,536 of them."""
    blocks = key_blocks(1, rows=2_000, publishers=500, cuts=4, span=2_000_000)
    ends = np.arange(10, 1_000_010, 10)
    tracemalloc.start()
    try:
        price_check._states_at(ends, BestPrices("mbp-1", iter(blocks)), 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6  # 16 bytes for each bin and publisher are 800 MB


def test_metadata_that_says_it_has_gigabytes_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    """It would be read until the memory is full."""
    path = write(tmp_path, "key.dbn", b"DBN\x03" + (0xFFFFFFF0).to_bytes(4, "little") + bytes(1 << 20))
    with pytest.raises(SourceError, match=r"key\.dbn: says its metadata is 4294967288 bytes long; at most"):
        checked(dataset, path)


def test_files_that_stand_end_to_end_are_one_answer_key(tmp_path: Path, dataset: Dataset) -> None:
    """Each with its own metadata, which must be of the same kind."""
    two = dbn_file("mbp-1", QUOTES[:2]) + dbn_file("mbp-1", QUOTES[2:])
    assert checked(dataset, write(tmp_path, "two.dbn", two)).equal == 21
    mixed = dbn_file("mbp-1", QUOTES) + metadata()
    with pytest.raises(SourceError, match="holds the schema mbo; expected best prices"):
        checked(dataset, write(tmp_path, "mixed.dbn", mixed))


@pytest.mark.parametrize("schema", ["mbo", "tbbo", "trades", "ohlcv-1s"])
def test_schemas_without_best_prices_are_refused_by_name(tmp_path: Path, dataset: Dataset, schema: str) -> None:
    """In a line that says what would do."""
    path = write(tmp_path, "key.dbn", metadata(schema=ENUMS.Schema.from_str(schema)))
    with pytest.raises(SourceError, match=f"holds the schema {schema}; expected best prices .*mbp-10") as refused:
        checked(dataset, path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [b"DBN", dbn_file("mbp-1", [])[:40], dbn_file("mbp-1", QUOTES)[:-5], b"", b"a,b\n"])
def test_a_file_that_is_cut_short_or_something_else_is_refused(tmp_path: Path, dataset: Dataset, data: bytes) -> None:
    """With its path, in one line."""
    path = write(tmp_path, "2023-11-14_key.csv", data)
    with pytest.raises(SourceError, match=r"key\.csv") as refused:
        checked(dataset, path)
    assert "\n" not in str(refused.value)


def lobster_files(folder: Path, rows: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
    """Write message and order book files of (time, message, first level); return their paths."""
    message = write(folder, "TEST_2023-11-15_1_2_message_1.csv", "\n".join(f"{t},{m}" for t, m, _ in rows) + "\n")
    return message, write(folder, "TEST_2023-11-15_1_2_orderbook_1.csv", "\n".join(b for _, _, b in rows) + "\n")


LOBSTER = [
    ("34200.01", "1,1,5,1000000,1", "9999999999,0,1000000,5"),
    ("34200.02", "1,2,5,1010000,-1", "1010000,5,1000000,5"),
    ("34200.15", "1,3,5,1005000,1", "1010000,5,1005000,5"),
    ("34200.2", "3,3,5,1005000,1", "1010000,5,1000000,5"),
    ("34200.45", "1,4,5,1009900,-1", "1009900,5,1000000,5"),
]
SOURCE = ("source=lobster", "source.date=2023-11-15", "source.tick_size=0.01", "lattice.radius=2")


def test_build_compares_with_the_order_book_file_and_verify_does_later(tmp_path: Path) -> None:
    """The message file beside it gives the times; text and JSON say it, and Parquet has every bin."""
    message, book = lobster_files(tmp_path, LOBSTER)
    asked = ("build", *SOURCE, f"source.path={message}", f"check={book}", "dataset.id=stock")
    said = in_process(tmp_path, *asked, "parquet=bins.parquet")
    assert said.returncode == 0, said.stderr
    assert "  all 5 bins that could be compared are equal\n" in said.stdout
    assert pq.read_table(tmp_path / "bins.parquet")["result"].to_pylist() == ["equal"] * 5

    wrong = [*LOBSTER[:3], (*LOBSTER[3][:2], "1010000,5,1005000,5"), LOBSTER[4]]
    _, book = lobster_files(tmp_path, wrong)
    said = in_process(tmp_path, "verify", "dataset.id=stock", f"check={book}")
    assert said.returncode == 0, said.stderr
    assert "  2 of 5 bins differ (40.00%): 2 in the best bid, 0 in the best ask; the book of 0 of them" in said.stdout
    assert "first: bin 2, which ends at 2023-11-15T14:30:00.300+00:00: bid / ask 100 / 101 in the dataset, " in (
        said.stdout
    )
    facts = json.loads(in_process(tmp_path, "verify", "dataset.id=stock", f"check={book}", "json=true").stdout)
    assert (facts["verified"], facts["check"]["differing"], facts["check"]["equal"]) == (True, 2, 3)


def test_a_comparison_with_the_file_that_the_book_follows_says_that_it_is_circular(tmp_path: Path) -> None:
    """Equal by construction; a dataset of the messages alone, and another file, are compared without that note."""
    message, book = lobster_files(tmp_path, LOBSTER)
    asked = ("build", *SOURCE, f"source.path={message}", f"check={book}")
    said = in_process(tmp_path, *asked, f"source.orderbook_path={book}", "dataset.id=followed")
    assert said.returncode == 0, said.stderr
    note = "  note: this is the order book file that the dataset's book follows, so that the prices are equal by"
    assert "  all 5 bins that could be compared are equal\n" in said.stdout
    assert note in said.stdout
    assert note not in in_process(tmp_path, *asked, "dataset.id=messages").stdout
    other = write(tmp_path, "other.csv", Path(book).read_text() + "\n")
    said = in_process(tmp_path, "verify", "dataset.id=followed", f"check={other}")
    assert "are equal" in said.stdout
    assert note not in said.stdout


def test_several_days_followed_are_named_each_by_its_own_file(tmp_path: Path) -> None:
    """The manifest holds a digest for each day, and none for a day without an order book file."""
    _, book = lobster_files(tmp_path, LOBSTER)
    digest = sha256(book)
    for digests, circular in (
        ([None, digest], True),
        ([digest], True),
        (digest, True),
        ([None, "0" * 64], False),
        (None, False),
    ):
        assert price_check._is_followed(book, {"orderbook_sha256": digests}) is circular
    assert price_check._is_followed(book, {}) is False


def test_an_order_book_file_as_peoples_tools_write_it_is_an_answer_key(tmp_path: Path) -> None:
    """With a byte-order mark, names, spaces and blank lines, as the source reads it: as many rows as messages."""
    message, book = lobster_files(tmp_path, LOBSTER)
    names = "AskPrice1,AskSize1,BidPrice1,BidSize1"
    write(tmp_path, Path(book).name, f"\ufeff{names}\r\n" + Path(book).read_text().replace("\n", " \r\n\r\n"))
    write(tmp_path, Path(message).name, "Time,Type,Id,Size,Price,Side\n" + Path(message).read_text().replace(",", ", "))
    said = in_process(tmp_path, "build", *SOURCE, f"source.path={message}", f"check={book}", "dataset.id=stock")
    assert said.returncode == 0, said.stderr
    assert "  all 5 bins that could be compared are equal\n" in said.stdout
    write(tmp_path, Path(book).name, Path(book).read_bytes() + b"1010000,5,1005000,5\n")
    said = in_process(tmp_path, "verify", "dataset.id=stock", f"check={book}")
    assert said.returncode == 2
    assert "line 12: there is no message for it in" in said.stderr


def test_the_datasets_own_message_file_is_taken_where_none_lies_beside(tmp_path: Path) -> None:
    """As it was noted when the dataset was built; rows and messages must be as many."""
    message, book = lobster_files(tmp_path, LOBSTER)
    (tmp_path / "apart").mkdir()
    apart = write(tmp_path / "apart", "book.csv", Path(book).read_bytes())
    assert in_process(tmp_path, "build", *SOURCE, f"source.path={message}", "dataset.id=stock").returncode == 0
    said = in_process(tmp_path, "verify", "dataset.id=stock", f"check={apart}")
    assert "  all 5 bins that could be compared are equal\n" in said.stdout
    write(tmp_path / "apart", "book.csv", Path(book).read_text().partition("\n")[2])
    said = in_process(tmp_path, "verify", "dataset.id=stock", f"check={apart}")
    assert said.returncode == 2
    assert "has more messages than" in said.stderr


def test_a_file_that_cannot_be_compared_with_is_refused_before_the_build(tmp_path: Path) -> None:
    """Nothing is built for it; a table without a comparison, and a comparison of a whole lake, are mistakes too."""
    message, _ = lobster_files(tmp_path, LOBSTER)
    key = write(tmp_path, "key.dbn", metadata())
    asked = ("build", *SOURCE, f"source.path={message}", "dataset.id=stock")
    for words, expected in (
        ((*asked, f"check={key}"), "holds the schema mbo"),
        ((*asked, "check=nothing.dbn"), "check must name a file"),
        ((*asked, "parquet=bins.parquet"), "parquet was given without check"),
        (("verify", f"check={key}"), "dataset.id must be given"),
    ):
        said = in_process(tmp_path, *words)
        assert (said.returncode, said.stdout) == (2, "")
        assert expected in said.stderr
        assert said.stderr.count("\n") == 1
    assert not (tmp_path / "lake").exists()


def test_what_a_source_is_compared_by_comes_from_its_parameters() -> None:
    """Symbol, id and venue choose records; only a LOBSTER source has a message file."""
    assert key_choice({"kind": "dbn", "symbol": "ESH4", "instrument_id": None, "path": __file__}) == KeyChoice("ESH4")
    noted = {"_target_": "vpharness.events.lobster.LobsterSource", "path": __file__, "date": "2023-11-15"}
    assert key_choice(noted) == KeyChoice(message_path=__file__, date="2023-11-15")
    days = {"kind": "lobster", "date": ["2023-11-15", "2023-11-16"], "path": ["a.csv", "b.csv"]}
    assert key_choice(days) == KeyChoice()
