"""Selection of one instrument's records in a file of Databento's."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import databento_dbn
import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events.dbn_symbology import ALWAYS, Interval, metadata_mappings
from vpharness.wording import first_named

_LISTED: Final = 10
_SPREAD: Final = re.compile(r".*:.*|.*\d-.*\d")
"""Exchange-listed spreads join legs, such as ESH4-ESM4; strategies and user-defined ones carry a colon."""


@dataclass(frozen=True)
class RecordSymbols:
    """The symbols that records say themselves.

    codes: [records] int32, the place of each record's symbol in `names`; -1 without one.
    """

    codes: NDArray[np.int32]
    names: list[str]


def is_spread(symbol: str) -> bool:
    """Return whether an instrument is a spread, judged by its raw symbol."""
    return _SPREAD.fullmatch(symbol) is not None


class InstrumentChoice:
    """The chosen instrument: by id, by raw symbol, or, where neither is given, the only outright there is.

    Ids are valid for days, so a symbol may have another id tomorrow. Historical files say which in their metadata (each
    of several end to end in its own), live captures in mapping records, which hold from where they stand, and exports
    as text or Parquet in a column of symbols, if they have one.
    """

    def __init__(self, path: Path | str, symbol: str | None, instrument_id: int | None):
        """Begin before anything is known of the file."""
        self._path = path
        self._symbol, self._id = symbol, instrument_id
        self._names: dict[int, str] = {}
        self._spreads = _spread_ids(self._names)
        self._mapped: dict[int, list[tuple[str, int, int]]] = {}  # by id
        self._met: set[int] = set()
        self._has_metadata = False
        # A file that names no instrument, or says it was asked for this symbol alone, can be taken by its word.
        self._by_word = symbol is not None and instrument_id is None
        self._only: str | int | None = None  # the only outright, by its name, or its id where it has none
        self._intervals: list[Interval] = [] if instrument_id is None else [(instrument_id, *ALWAYS)]

    @property
    def name(self) -> str:
        """What the instrument is called; known once its first record has been met."""
        if self._symbol is not None:
            return self._symbol
        if self._id is not None:
            return self._label(self._id)
        return "" if self._only is None else str(self._only)

    @property
    def is_by_word(self) -> bool:
        """Whether nothing in the file says that the chosen symbol is its instrument's."""
        return self._by_word and not self._has_metadata

    def take_metadata(self, metadata: databento_dbn.Metadata) -> None:
        """Take in what the metadata of a file, or of the next one, says of symbols."""
        self._has_metadata = True
        self.take_mappings(metadata_mappings(metadata))
        self._by_word = self._by_word and metadata.symbols == [self._symbol]

    def take_mappings(self, mappings: Iterable[tuple[str, Interval]]) -> None:
        """Take in which ids stand for which symbols, and when."""
        news: dict[int, str] = {}
        mappings = list(mappings)
        if mappings:
            self._leave_word()
        for name, (number, start, end) in mappings:
            news[number] = name
            self._mapped.setdefault(number, []).append((name, start, end))
            if name == self._symbol:
                self._intervals.append((number, start, end))
        self._take_names(news)

    def learn(self, instrument_id: int, symbol: str) -> None:
        """Take in a symbol mapping record: from here on, the id stands for the symbol."""
        self._take_names({instrument_id: symbol})
        if symbol == self._symbol:
            self._by_word, self._intervals = False, [(instrument_id, *ALWAYS)]
        elif self._symbol is not None and not self._by_word:
            self._intervals = [interval for interval in self._intervals if interval[0] != instrument_id]

    def wanted(
        self, ids: NDArray[np.uint32], times: NDArray[np.uint64], labels: RecordSymbols | None = None
    ) -> NDArray[np.bool_]:
        """Return which records, [records] bool, are the instrument's.

        `times` (ns) choose among a symbol's ids; `labels` are the records' own symbols, and go before what is known of
        their ids.
        """
        if labels is not None:
            self._take_labels(ids, labels)
        if self._takes_only_one:
            self._settle(ids, times, labels)
        found = np.zeros(len(ids), np.bool_)
        for instrument_id, start, end in self._intervals:
            matching = ids == instrument_id
            if (start, end) != ALWAYS:
                matching &= (times >= np.uint64(start)) & (times < np.uint64(end))
            found |= matching
        if labels is not None and self._id is None and not self._by_word:
            name = self._symbol if self._symbol is not None else self._only
            code = labels.names.index(name) if isinstance(name, str) and name in labels.names else None
            found &= labels.codes < 0
            found |= (labels.codes == code) if code is not None else False
        if not found.any():
            self._met.update(np.unique(ids).tolist())
        return found

    def count_spreads(self, ids: NDArray[np.uint32]) -> int:
        """Return how many of these records are those of spreads."""
        return int(np.isin(ids, self._spreads).sum())

    def missing(self) -> SourceError:
        """Return the error for a file that is read to its end without a record of the instrument."""
        if self._symbol is not None and self._mapped and self._symbol not in self._names.values():
            return self._no_such(self._names.values())
        if not self._met:
            return SourceError(f"{self._path}: holds no market-by-order record")
        there = [self._label(number) for number in self._met]
        if self._takes_only_one:
            return SourceError(f"{self._path}: holds spreads alone: {_listed(there)}; name one with source.symbol")
        return self._no_such(there)

    @property
    def _takes_only_one(self) -> bool:
        return self._id is None and (self._symbol is None or self._by_word)

    def _settle(self, ids: NDArray[np.uint32], times: NDArray[np.uint64], labels: RecordSymbols | None) -> None:
        """Choose the first outright as the instrument; a second one is an error."""
        is_settled = len(self._intervals) == 1 and self._intervals[0][1:] == ALWAYS
        if is_settled and (labels is None or len(labels.names) < 2) and (ids == self._intervals[0][0]).all():
            return
        outrights = {one for one in self._there(ids, times, labels) if not is_spread(str(one))}
        if self._by_word:
            outrights = {one for one in outrights if isinstance(one, int)}
        if self._only is not None:
            outrights.add(self._only)
        if len(outrights) > 1:
            named = {name for name in self._names.values() if not is_spread(name)}
            choices = _listed(named | {str(one) for one in outrights})
            ways = "source.symbol or source.instrument_id"
            if not self._names:
                ways = "source.instrument_id, or name the download's symbology.json with source.symbology_path"
            raise SourceError(f"{self._path}: holds several instruments: {choices}; choose one with {ways}")
        if self._only is None and outrights:
            (self._only,) = outrights
            self._follow()

    def _there(
        self, ids: NDArray[np.uint32], times: NDArray[np.uint64], labels: RecordSymbols | None
    ) -> set[str | int]:
        """Return the instruments of records, by name, or by id where they have none."""
        found: set[str | int] = set()
        for number in np.unique(ids).tolist():
            of_id = ids == number
            name = self._names.get(number, number)
            if labels is not None:
                codes = np.unique(labels.codes[of_id]).tolist()
                found |= {labels.names[code] if code >= 0 else name for code in codes}
            elif len(self._names_of(number)) < 2:
                found.add(name)
            else:
                at = times[of_id]
                for mapped, start, end in self._mapped[number]:
                    if ((at >= np.uint64(start)) & (at < np.uint64(end))).any():
                        found.add(mapped)
        return found

    def _names_of(self, number: int) -> set[str]:
        return {name for name, *_ in self._mapped.get(number, ())}

    def _follow(self) -> None:
        """Take all ids of the only outright; one that stands for nothing else is taken on every day."""
        if isinstance(self._only, int):
            self._intervals = [(self._only, *ALWAYS)]
            return
        self._intervals = []
        for number, name in self._names.items():
            if len(self._names_of(number)) > 1:
                spans = self._mapped[number]
                self._intervals += [(number, start, end) for mapped, start, end in spans if mapped == self._only]
            elif name == self._only:
                self._intervals.append((number, *ALWAYS))

    def _leave_word(self) -> None:
        """Forget what was taken by its word: the file names instruments itself."""
        if self._by_word:
            self._by_word, self._only, self._intervals = False, None, []

    def _take_names(self, names: dict[int, str]) -> None:
        self._names.update(names)
        self._spreads = _spread_ids(self._names)
        if self._only is not None and not self._by_word:
            if isinstance(self._only, int):
                self._only = self._names.get(self._only, self._only)
            self._follow()

    def _take_labels(self, ids: NDArray[np.uint32], labels: RecordSymbols) -> None:
        """Learn the names of ids from records that say them."""
        pairs = np.unique(ids.astype(np.int64) << 32 | (labels.codes.astype(np.int64) + 1)).tolist()
        news = {pair >> 32: labels.names[(pair & 0xFFFF_FFFF) - 1] for pair in pairs if pair & 0xFFFF_FFFF}
        if news:
            self._leave_word()
        if not news.items() <= self._names.items():
            self._take_names(news)

    def _label(self, instrument_id: int) -> str:
        return self._names.get(instrument_id, str(instrument_id))

    def _no_such(self, there: Iterable[str]) -> SourceError:
        return SourceError(f"{self._path}: no such instrument: {self.name}; the file holds {_listed(there)}")


def _spread_ids(names: dict[int, str]) -> NDArray[np.uint32]:
    return np.array([number for number, name in names.items() if is_spread(name)], np.uint32)


def _listed(names: Iterable[str]) -> str:
    return first_named(sorted(set(names)), _LISTED)
