"""A dataset of one stock, built from a daily ITCH file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.commands.test_cli import in_process
from tests.events.itch_days import random_day
from tests.events.itch_writer import AAPL, APPLE, HOUR, OTHER, before_system_hours, framed
from tests.events.samples import COMPRESSIONS, write
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load

MIDNIGHT = 1_548_824_400 * 10**9
PRICE_UNIT = 10**5
BIN_NS = 10**8
MS = 10**6


def build(folder: Path, path: str, *more: str) -> None:
    """Build the dataset aapl of a daily file."""
    built = in_process(
        folder, "build", "source=itch", f"source.path={path}", "source.symbol=AAPL", *more, "dataset.id=aapl"
    )
    assert built.returncode == 0, built.stderr


def bins_of(folder: Path) -> Mapping[str, NDArray[Any]]:
    """Return the columns of the bins."""
    return load(find_dataset(Lake(folder / "lake"), "aapl")).bins


@pytest.mark.parametrize("compression", ["plain", "gzip"])
def test_best_prices_are_right_at_every_bins_end(tmp_path: Path, compression: str) -> None:
    """A day of two stocks, whose live orders the test knows, in bins of 100 ms from the first valid book on."""
    day = random_day(3, 3_000, every_ns=37 * MS)
    content = COMPRESSIONS[compression](framed(day.messages))
    build(tmp_path, write(tmp_path, "01302019.NASDAQ_ITCH50.gz", content))
    bins = bins_of(tmp_path)
    times = np.array([MIDNIGHT + ts for ts, _, _ in day.bests])
    last = np.searchsorted(times, bins["bin_end_ns"]) - 1
    bids, asks = (np.array([best[side] for best in day.bests])[last] * PRICE_UNIT for side in (1, 2))
    valid = (bids > 0) & (asks > 0)
    first = next(ts for ts, bid, ask in day.bests if bid and ask)
    assert bins["bin_start_ns"][0] <= MIDNIGHT + first < bins["bin_end_ns"][0]
    own = [message[1:3] == APPLE.to_bytes(2, "big") for message in day.messages[-len(times) - 1 : -1]]
    assert bins["bin_start_ns"][-1] <= times[own][-1] < bins["bin_end_ns"][-1]
    assert set(np.diff(bins["bin_end_ns"]).tolist()) == {BIN_NS}
    assert len(np.unique(bids)) > 10
    np.testing.assert_array_equal(bins["best_bid_price_int"], bids)
    np.testing.assert_array_equal(bins["best_ask_price_int"], asks)
    np.testing.assert_array_equal(bins["book_valid"], valid)
    np.testing.assert_array_equal(bins["mid_price"], np.where(valid, (bids + asks) / 2e9, 0.0))


def test_what_is_left_out_stands_in_the_manifest(tmp_path: Path) -> None:
    """By type, with the orders that were never added, and nothing that is not the stock's."""
    day = random_day(4, 2_000, every_ns=MS)
    build(tmp_path, write(tmp_path, "day.bin", framed(day.messages)), "source.date=2019-01-30")
    facts = json.loads(in_process(tmp_path, "show", "dataset.id=aapl", "json=true").stdout)
    others = sum(int.from_bytes(message[1:3], "big") == OTHER for message in day.messages)
    strangers = sum(message[:1] == b"D" and int.from_bytes(message[11:19], "big") > 10**9 for message in day.messages)
    assert facts["instrument"] == "AAPL"
    assert facts["skipped"]["skipped_other_stock"] == others
    assert facts["skipped"]["skipped_system_event"] == 3
    assert facts["problems"]["unknown_cancel"] == strangers > 0
    assert facts["source"]["date"] == "2019-01-30"


def test_a_book_is_not_valid_while_trading_is_halted(tmp_path: Path) -> None:
    """From the halt to the end of the quotation period; orders come and go meanwhile."""

    def at(seconds: float) -> int:
        return 10 * HOUR + int(seconds * 10**9)

    messages = [
        *before_system_hours([AAPL]),
        AAPL.add(at(0.01), 1, "B", 100, 1_000_000),
        AAPL.add(at(0.02), 2, "S", 100, 1_000_200),
        AAPL.trading_action(at(1.05), "H", "T1"),
        AAPL.add(at(1.55), 4, "B", 100, 999_900),
        AAPL.trading_action(at(2.05), "Q", "T2"),
        AAPL.add(at(2.55), 3, "B", 100, 1_000_100),
        AAPL.trading_action(at(3.05), "T"),
        AAPL.delete(at(4.05), 2),
    ]
    build(tmp_path, write(tmp_path, "01302019.NASDAQ_ITCH50", framed(messages)))
    bins = bins_of(tmp_path)
    ends = (bins["bin_end_ns"] - MIDNIGHT - 10 * HOUR) / 10**9
    halted = (ends > 1.06) & (ends < 3.06)
    np.testing.assert_array_equal(bins["book_valid"], ~halted & (ends < 4.06))
    quoted = (ends > 2.56) & (ends < 4.06)
    np.testing.assert_array_equal(bins["best_bid_price_int"][quoted], 1_000_100 * PRICE_UNIT)
