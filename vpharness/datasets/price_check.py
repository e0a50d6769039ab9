"""A dataset's best prices against those of another file: which bins differ, and which cannot be judged.

The book at the end of a bin has seen every event with a time before that end, and so has the file's state that it is
compared with. Prices of the file stand on the nearest tick, half up, as those of orders do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.compiled import Array
from vpharness.datasets.find import Dataset
from vpharness.datasets.read import load
from vpharness.datasets.sources import TARGET
from vpharness.errors import DatasetError
from vpharness.events import best_prices, input_files
from vpharness.events.best_prices import BestPrices, KeyChoice
from vpharness.events.mbo_event import UNDEFINED_PRICE
from vpharness.prices import tick_size_to_price

NO_PRICE: Final = 0
"""Stands for an empty side, as in `bins.parquet`."""
_BEFORE, _AFTER, _BETWEEN = "before the file begins", "after the file ends", "between the file's intervals"
EQUAL, DIFFERS, NOT_COMPARED = "equal", "differs", "not compared"


@dataclass(frozen=True)
class PriceCheck:
    """The outcome of a comparison, bin by bin.

    Attributes:
        path, kind: the file, and what it is.
        compared: bins that could be compared; `equal` of them agree, `differing` do not.
        differing_bids, differing_asks: bins whose best bid, or ask, is another one.
        differing_invalid: of those that differ, bins whose book the dataset itself marks as not valid.
        not_compared: bins that could not be compared, by reason.
        first: the first bin that differs, with the prices of both, in units of 1e-9; None where none does.
        notes: what limits the comparison, a sentence each.
    """

    path: str
    kind: str
    compared: int
    differing: int
    differing_bids: int
    differing_asks: int
    differing_invalid: int
    not_compared: dict[str, int]
    first: dict[str, int] | None
    notes: list[str]

    @property
    def equal(self) -> int:
        """Bins whose best prices are the same in both."""
        return self.compared - self.differing


def key_choice(source: Mapping[str, Any]) -> KeyChoice:
    """Return what a file of best prices must speak of to be compared with a dataset of a source.

    `source` has the source's parameters as they were noted, or as the manifest holds them, which has no paths.
    """
    is_lobster = "lobster" in {source.get("kind"), str(source.get(TARGET)).rpartition(".")[0].rpartition(".")[2]}
    path, date = source.get("path") if is_lobster else None, source.get("date")
    return KeyChoice(
        symbol=source.get("symbol"),
        instrument_id=source.get("instrument_id"),
        publisher_id=source.get("publisher_id"),
        message_path=path if isinstance(path, str) and Path(path).is_file() else None,
        date=date if isinstance(date, str) else None,  # of several days, the file's name says which one it is
    )


def require_best_prices(path: str, choice: KeyChoice) -> None:
    """Raise SourceError where a file holds no best prices that could be compared; only its beginning is read."""
    with best_prices.opened_prices(path, choice) as key:
        next(key.blocks)


def check_prices(dataset: Dataset, path: str, choice: KeyChoice) -> tuple[PriceCheck, pa.Table]:
    """Compare the best prices of a dataset's bins with those of a file; return the outcome and a row for each bin.

    Raises SourceError where the file cannot be read, and DatasetError where the dataset has no best prices.
    """
    manifest = dataset.manifest
    if not manifest.has_best_prices:
        raise DatasetError(f"dataset {manifest.dataset_id} has no best prices, so that there is nothing to compare")
    bins = load(dataset).bins
    ends = bins["bin_end_ns"]
    with best_prices.opened_prices(path, choice) as key:
        known = _states_at(ends, key, manifest.cell_width_ms * 1_000_000)
        kind, by_interval = key.kind, key.interval_ns is not None
    tick = tick_size_to_price(manifest.tick_size)
    bid, ask = (_on_ticks(prices, tick) for prices in (known.bid, known.ask))
    judged = known.reason == ""
    other_bid = judged & (bins["best_bid_price_int"] != bid)
    other_ask = judged & (bins["best_ask_price_int"] != ask)
    differs = other_bid | other_ask
    table = _table(bins, bid, ask, np.where(judged, np.where(differs, DIFFERS, EQUAL), NOT_COMPARED))
    first = int(np.argmax(differs)) if differs.any() else None
    reasons, counts = np.unique(known.reason[~judged], return_counts=True)
    outcome = PriceCheck(
        path=str(input_files.checked_path(path)),
        kind=kind,
        compared=int(judged.sum()),
        differing=int(differs.sum()),
        differing_bids=int(other_bid.sum()),
        differing_asks=int(other_ask.sum()),
        differing_invalid=int((differs & ~bins["book_valid"]).sum()),
        not_compared={str(reason): int(count) for reason, count in zip(reasons, counts, strict=True)},
        first=None if first is None else {name: table[name][first].as_py() for name in _FIRST},
        notes=[_INTERVAL_NOTE] * by_interval + [_CIRCULAR_NOTE] * _is_followed(path, manifest.source),
    )
    return outcome, table


_FIRST: Final = (
    "bin_seq",
    "bin_end_ns",
    "best_bid_price_int",
    "best_ask_price_int",
    "check_bid_price_int",
    "check_ask_price_int",
)
_INTERVAL_NOTE: Final = (
    "intervals are cut by the time of receipt and bins by the exchange's: a change between the two, within a "
    "millisecond or so of a bin's end, is a difference without a fault; mbp-1 has none of these"
)


_CIRCULAR_NOTE: Final = (
    "this is the order book file that the dataset's book follows, so that the prices are equal by construction: it is "
    "no proof that they are right; compare with another file, or with a dataset built without source.orderbook_path"
)


def _is_followed(path: str, source: Mapping[str, Any]) -> bool:
    """Whether a file is one that the book of a dataset was set right by."""
    digests = source.get("orderbook_sha256") or []
    return bool(digests) and input_files.sha256(path) in ([digests] if isinstance(digests, str) else digests)


@dataclass(frozen=True)
class _States:
    """Best prices at each bin's end, [bins], and why they are not known there ("" where they are)."""

    bid: NDArray[np.int64]
    ask: NDArray[np.int64]
    reason: NDArray[np.str_]


def _states_at(ends: Array, key: BestPrices, width_ns: int) -> _States:
    """Return the file's state at each bin's end: the last one of a time before it, the best of all publishers."""
    latest_ns, first_ns = np.iinfo(np.int64).min, None
    bid, ask = np.full(len(ends), _LOWEST), np.full(len(ends), UNDEFINED_PRICE)
    states: dict[int, tuple[int, int]] = {}
    reached = 0  # the bins before it are done
    for block in key.blocks:
        times = np.maximum(np.maximum.accumulate(block["ts_ns"]), latest_ns)
        latest_ns, first_ns = int(times[-1]), int(times[0]) if first_ns is None else first_ns
        places = np.searchsorted(ends, times, side="right") - reached  # the first bin whose end is behind the time
        span = slice(reached, reached + int(places[-1]) + 1)
        bid[span], ask[span] = _best_of_publishers(block, places, states)[:, : len(bid[span])]
        reached = span.stop - 1
    if states:
        bid[reached:], ask[reached:] = (
            max(each for each, _ in states.values()),
            min(each for _, each in states.values()),
        )
    reason = np.full(len(ends), "", dtype="U40")
    reason[ends > max(latest_ns // width_ns * width_ns + width_ns, key.end_ns or 0)] = _AFTER
    reason[ends <= (latest_ns if first_ns is None else first_ns)] = _BEFORE
    if key.interval_ns is not None:
        reason[(reason == "") & (ends % key.interval_ns != 0)] = _BETWEEN
    return _States(np.where(bid == _LOWEST, UNDEFINED_PRICE, bid), ask, reason)


def _best_of_publishers(block: Array, places: Array, states: dict[int, tuple[int, int]]) -> Array:
    """Return the best bids and asks, [2, bins], of the bins from the first to the last that a block reaches.

    Each publisher's last state, bid and ask, is carried from block to block in `states`, which is changed: the memory
    is that of the bins of one block, however many publishers there are. `places` are the bins of the block's rows,
    [rows], ascending.
    """
    bins = int(places[-1]) + 1
    best = np.stack((np.full(bins, _LOWEST), np.full(bins, UNDEFINED_PRICE)))
    order = np.argsort(block["publisher"], kind="stable")
    publishers, begins = np.unique(block["publisher"][order], return_index=True)
    rows_of = dict(zip(publishers.tolist(), np.split(order, begins[1:]), strict=True))
    for publisher in {**states, **rows_of}:
        rows = rows_of.get(publisher, _NO_ROWS)
        known = states.get(publisher, (_LOWEST, UNDEFINED_PRICE))
        ended = []
        for side, (name, nothing, better) in enumerate(
            (("bid", _LOWEST, np.maximum), ("ask", UNDEFINED_PRICE, np.minimum))
        ):
            prices = np.full(bins, _NOT_SAID)
            prices[0] = known[side]
            # Of several states of one bin the last is kept: NumPy assigns in order.
            prices[places[rows]] = np.where(block[name][rows] == UNDEFINED_PRICE, nothing, block[name][rows])
            carried = prices[np.maximum.accumulate(np.where(prices == _NOT_SAID, 0, np.arange(bins)))]
            better(best[side], carried, out=best[side])
            ended.append(int(carried[-1]))
        states[publisher] = (ended[0], ended[1])
    return best


_LOWEST: Final = int(np.iinfo(np.int64).min)
_NOT_SAID: Final = _LOWEST + 1
_NO_ROWS: Final = np.zeros(0, np.int64)


def _on_ticks(prices: Array, tick: int) -> Array:
    """Return prices at their nearest tick, half up, and NO_PRICE for an empty side."""
    present = prices != UNDEFINED_PRICE
    return np.where(present, (np.where(present, prices, 0) + tick // 2) // tick * tick, NO_PRICE)


def _table(bins: Any, bid: Array, ask: Array, result: Array) -> pa.Table:
    names = ("bin_seq", "bin_end_ns", "book_valid", "best_bid_price_int", "best_ask_price_int")
    columns = {name: bins[name] for name in names}
    return pa.table({**columns, "check_bid_price_int": bid, "check_ask_price_int": ask, "result": result})
