"""Selection of one instrument's records in a DBN file."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import databento_dbn
import numpy as np
from databento_dbn import SType
from numpy.typing import NDArray

from vpharness.errors import SourceError

ALWAYS: Final = (0, (1 << 64) - 1)
_LISTED: Final = 10
_SPREAD: Final = re.compile(r".*:.*|.*\d-.*\d")
"""Exchange-listed spreads join legs, such as ESH4-ESM4; strategies and user-defined ones carry a colon."""

Interval = tuple[int, int, int]
"""An instrument id, and the ns since the epoch from which and up to which it stands for a symbol."""


def is_spread(symbol: str) -> bool:
    """Return whether an instrument is a spread, judged by its raw symbol."""
    return _SPREAD.fullmatch(symbol) is not None


class InstrumentChoice:
    """The chosen instrument: by id, by raw symbol, or, where neither is given, the only outright there is.

    Ids are valid for days, so a symbol may have another id tomorrow. Historical files say which in their metadata,
    live captures in mapping records, which hold from where they stand.
    """

    def __init__(
        self, path: Path | str, metadata: databento_dbn.Metadata, symbol: str | None, instrument_id: int | None
    ):
        """Resolve what can be resolved from the metadata; a SourceError says which symbols there are."""
        self._path = path
        self._symbol = symbol
        mapped = list(_mappings(metadata))
        self._names = {interval[0]: name for name, interval in mapped}
        self._spreads = _spread_ids(self._names)
        self._met: set[int] = set()
        # A file that was asked for one symbol alone, and does not say its id, can be taken by its word.
        self._only_one = instrument_id is None and (symbol is None or (not mapped and metadata.symbols == [symbol]))
        self._intervals: list[Interval] = [] if instrument_id is None else [(instrument_id, *ALWAYS)]
        if symbol is not None:
            self._intervals = [interval for name, interval in mapped if name == symbol]
            if mapped and not self._intervals and metadata.schema is not None:
                raise self._no_such(self._names.values())

    @property
    def name(self) -> str:
        """What the instrument is called; known once its first record has been met."""
        if self._symbol is not None:
            return self._symbol
        return self._label(self._intervals[0][0]) if self._intervals else ""

    def learn(self, instrument_id: int, symbol: str) -> None:
        """Take in a symbol mapping record: from here on, the id stands for the symbol."""
        self._names[instrument_id] = symbol
        self._spreads = _spread_ids(self._names)
        if self._symbol is None or self._only_one:
            return
        if symbol == self._symbol:
            self._intervals = [(instrument_id, *ALWAYS)]
        else:
            self._intervals = [interval for interval in self._intervals if interval[0] != instrument_id]

    def wanted(self, ids: NDArray[np.uint32], times: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which records, [records] bool, are the instrument's; `times` (ns) choose among the symbol's ids."""
        if self._only_one:
            self._settle(ids)
        found = np.zeros(len(ids), np.bool_)
        for instrument_id, start, end in self._intervals:
            matching = ids == instrument_id
            if (start, end) != ALWAYS:
                matching &= (times >= np.uint64(start)) & (times < np.uint64(end))
            found |= matching
        if not self._intervals or not found.any():
            self._met.update(np.unique(ids).tolist())
        return found

    def count_spreads(self, ids: NDArray[np.uint32]) -> int:
        """Return how many of these records are those of spreads."""
        return int(np.isin(ids, self._spreads).sum())

    def missing(self) -> SourceError:
        """Return the error for a file that is read to its end without a record of the instrument."""
        if not self._met:
            return SourceError(f"{self._path}: holds no market-by-order record")
        there = [self._label(number) for number in self._met]
        if self._only_one:
            return SourceError(f"{self._path}: holds spreads alone: {_listed(there)}; name one with source.symbol")
        return self._no_such(there)

    def _settle(self, ids: NDArray[np.uint32]) -> None:
        """Choose the first outright as the instrument; a second one is an error."""
        chosen = {interval[0] for interval in self._intervals}
        if chosen and (ids == self._intervals[0][0]).all():
            return
        outrights = {
            number for number in np.unique(ids).tolist() if not is_spread(self._names.get(number, ""))
        } | chosen
        if len(outrights) > 1:
            known = {name for name in self._names.values() if not is_spread(name)}
            choices = _listed(known | {self._label(number) for number in outrights})
            raise SourceError(
                f"{self._path}: holds several instruments: {choices}; choose one with source.symbol or "
                "source.instrument_id"
            )
        self._intervals = [(number, *ALWAYS) for number in outrights]

    def _label(self, instrument_id: int) -> str:
        return self._names.get(instrument_id, str(instrument_id))

    def _no_such(self, there: Iterable[str]) -> SourceError:
        return SourceError(f"{self._path}: no such instrument: {self.name}; the file holds {_listed(there)}")


def _mappings(metadata: databento_dbn.Metadata) -> Iterator[tuple[str, Interval]]:
    """Yield the raw symbols of the metadata with the ids they stand for."""
    for key, intervals in metadata.mappings.items():
        for interval in intervals:
            known: dict[str, Any] = dict(interval)
            name, number = key, str(known["symbol"])
            if str(metadata.stype_out) != str(SType.INSTRUMENT_ID):
                name, number = number, name
            if number.isascii() and number.isdigit() and int(number) < 1 << 32:
                yield name, (int(number), _day_ns(known["start_date"]), _day_ns(known["end_date"]))


def _spread_ids(names: dict[int, str]) -> NDArray[np.uint32]:
    return np.array([number for number, name in names.items() if is_spread(name)], np.uint32)


def _day_ns(day: date) -> int:
    """Return when a day begins, UTC, in ns since the epoch, as far as 64 bits go."""
    seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return min(max(seconds * 1_000_000_000, ALWAYS[0]), ALWAYS[1])


def _listed(names: Iterable[str]) -> str:
    known = sorted(set(names))
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return ", ".join(known[:_LISTED]) + more
