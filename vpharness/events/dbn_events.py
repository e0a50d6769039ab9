"""The events of Databento's records: one definition for files in every encoding, and for the live service."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from databento_dbn import DBN_VERSION, DBNDecoder, DBNError, Metadata, Schema
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import dbn_records
from vpharness.events.dbn_instruments import InstrumentChoice, RecordSymbols
from vpharness.events.dbn_publishers import publisher_label, venues_text
from vpharness.events.dbn_records import Records
from vpharness.events.dbn_schemas import ADVICE, other_schema, schemas_of_types
from vpharness.events.mbo_event import ACTIONS, EVENT_DTYPE, SIDES

SKIPPED: Final = ("skipped_other_record", "skipped_other_instrument", "skipped_spread")
"""Why records give no event of the instrument."""

OTHER_PUBLISHER: Final = "skipped_other_publisher"
"""One more reason where a publisher is chosen."""

_OTHER_RECORD, _OTHER_INSTRUMENT, _SPREAD = SKIPPED
_MAPPING_BYTES: Final = 176
"""The length of a symbol mapping record from version 2 on; without metadata it tells the version."""
_UNDEFINED_TIME: Final = np.uint64((1 << 64) - 1)
_LATEST_TIME: Final = np.uint64(np.iinfo(np.int64).max)
_KNOWN_ACTION: Final = np.isin(np.arange(256), ACTIONS)
_KNOWN_SIDE: Final = np.isin(np.arange(256), SIDES)


@dataclass
class DbnEvents:
    """The state for turning records into events, learnt from the records so far.

    Attributes:
        where: the file or service, as errors call it.
        choice: the instrument; it learns from metadata, mapping records and columns of symbols that are met.
        counts: grows by what is skipped, by reason.
        publisher_id: the only publisher to take; None for all.
        version: of DBN, that the records are in; None without metadata.
        ts_out: whether records are longer by the time of their sending; None without metadata.
        publishers: how many of the instrument's records come from each publisher.
        kinds: the types of records met that are not market by order.
        ids: publisher and numeric id of the instrument's records.
    """

    where: Path | str
    choice: InstrumentChoice
    counts: Counter[str]
    publisher_id: int | None = None
    version: int | None = None
    ts_out: bool | None = None
    publishers: Counter[int] = field(default_factory=Counter)
    kinds: set[int] = field(default_factory=set)
    ids: set[tuple[int, int]] = field(default_factory=set)

    def begin(self, version: int, metadata: Metadata) -> None:
        """Take in the metadata that a file begins with."""
        self.version, self.ts_out = version, metadata.ts_out
        self.choice.take_metadata(metadata)

    def of(self, records: Records) -> NDArray[np.void]:
        """Return the instrument's events among consecutive records of one type; most types have none.

        Raises SourceError where a record cannot be what it says.
        """
        if records.kind == dbn_records.MBO:
            return self._of_bytes(records)
        if records.kind == dbn_records.METADATA:
            self.begin(*self._metadata(records.data.tobytes()))
            return np.empty(0, EVENT_DTYPE)
        if records.kind == dbn_records.SYMBOL_MAPPING:
            self._learn(records)
        self.skip_others(records.kind, len(records.data))
        return np.empty(0, EVENT_DTYPE)

    def of_mbo(
        self, mbo: NDArray[np.void], labels: RecordSymbols | None, name: Callable[[int], str]
    ) -> NDArray[np.void]:
        """Return the instrument's events among MBO records.

        Args:
            mbo: [records] with the fields of MBO_RECORD_DTYPE.
            labels: the symbols that the records say themselves, if they do.
            name: from a place in `mbo` to what an error calls the record.

        Raises SourceError where a record cannot be what it says.
        """
        received = mbo["ts_recv"]
        # The symbol of an id changes by the day of arrival: a snapshot's orders may be older than their mapping.
        times = np.where(received == _UNDEFINED_TIME, mbo["ts_event"], received)
        wanted = self.choice.wanted(mbo["instrument_id"], times, labels)
        if not wanted.all():
            others = mbo["instrument_id"][~wanted]
            spreads = self.choice.count_spreads(others)
            self.counts[_SPREAD] += spreads
            self.counts[_OTHER_INSTRUMENT] += len(others) - spreads
        publishers = mbo["publisher_id"][wanted]
        ids = mbo["instrument_id"][wanted]
        for publisher in np.unique(publishers).tolist():
            is_own = publishers == publisher
            self.publishers[publisher] += int(is_own.sum())
            if self.publisher_id in {None, publisher}:
                self.ids |= {(publisher, number) for number in np.unique(ids[is_own]).tolist()}
        if self.publisher_id is not None:
            wanted &= mbo["publisher_id"] == self.publisher_id
            self.counts[OTHER_PUBLISHER] += len(publishers) - int(wanted.sum())
        places = np.flatnonzero(wanted)
        mbo = mbo if len(places) == len(mbo) else mbo[places]
        self._check(mbo, places, name)
        return _to_events(mbo)

    def skip_others(self, kind: int, count: int) -> None:
        """Count records of another type than market by order."""
        self.kinds.add(kind)
        self.counts[_OTHER_RECORD] += count

    def notes(self) -> list[str]:
        """Return what is worth knowing of the records so far, in sentences."""
        found = []
        if len(self.publishers) > 1 and self.publisher_id is None:
            found.append(
                f"the book is consolidated from {len(self.publishers)} venues: {venues_text(self.publishers)}; "
                "source.publisher_id takes one alone"
            )
        if self.publishers and self.choice.is_by_word:
            found.append(f"the file names no instruments: its only one is taken for {self.choice.name}")
        return found

    def instruments(self) -> list[str]:
        """Return what the data call the instrument: its symbol, where they have one, and its numeric ids."""
        named = [] if self.choice.is_by_word else [self.choice.name]
        return [*named, *(f"publisher {publisher}, instrument {number}" for publisher, number in sorted(self.ids))]

    def missing(self) -> SourceError:
        """Return the error for a file that is read to its end without an event of the instrument."""
        if self.publishers:
            return SourceError(
                f"{self.where}: holds no record of the publisher {publisher_label(self.publisher_id or 0)}; the venues "
                f"of {self.choice.name} are {venues_text(self.publishers)}: choose one with source.publisher_id"
            )
        error = self.choice.missing()
        if (others := schemas_of_types(self.kinds)) and not self.counts[_OTHER_INSTRUMENT] + self.counts[_SPREAD]:
            return SourceError(f"{error}, but records of {', '.join(others)}: {ADVICE}")
        return error

    def messages(self, records: Records) -> list[Any]:
        """Return records as Databento's own objects; a SourceError says where they are none."""
        version = self.version
        if version is None:
            is_old = records.kind == dbn_records.SYMBOL_MAPPING and records.data.shape[1] < _MAPPING_BYTES
            version = 1 if is_old else DBN_VERSION
        decoder = DBNDecoder(has_metadata=False, ts_out=bool(self.ts_out), input_version=version)
        try:
            found: list[Any] = decoder.write_and_decode(records.data.tobytes())
        except DBNError as error:
            raise self._error(records.first, f"cannot be decoded: {error}") from error
        return found

    def _metadata(self, data: bytes) -> tuple[int, Metadata]:
        """Return the version and the metadata of a file from its first bytes, up to its first record."""
        try:
            metadata = Metadata.decode(data)
        except DBNError as error:
            raise SourceError(f"{self.where}: its DBN metadata cannot be decoded: {error}") from error
        if metadata.schema not in {None, Schema.MBO}:
            raise other_schema(self.where, str(metadata.schema))
        return data[len(dbn_records.MAGIC)], metadata

    def _of_bytes(self, records: Records) -> NDArray[np.void]:
        length = records.data.shape[1]
        if self.ts_out is None:
            self.ts_out = length == dbn_records.MBO_BYTES + dbn_records.TS_OUT_BYTES
        expected = dbn_records.MBO_BYTES + (dbn_records.TS_OUT_BYTES if self.ts_out else 0)
        if length != expected:
            raise self._error(records.first, f"is an MBO record of {length} bytes; expected {expected}")
        mbo = records.data.view(dbn_records.mbo_dtype(length)).reshape(-1)
        return self.of_mbo(mbo, None, lambda place: f"record {records.first + place}")

    def _check(self, mbo: NDArray[np.void], places: NDArray[np.int64], name: Callable[[int], str]) -> None:
        wrong_time = mbo["ts_event"] > _LATEST_TIME
        for wrong, field_name, expected in (
            (wrong_time, "ts_event", "a time in ns since 1970"),
            (~_KNOWN_ACTION[mbo["action"]], "action", "the code of one of A C M R T F N"),
            (~_KNOWN_SIDE[mbo["side"]], "side", "the code of one of B A N"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                found = f"has the {field_name} {mbo[field_name][row]}; expected {expected}"
                raise SourceError(f"{self.where}: {name(int(places[row]))} {found}")

    def _learn(self, records: Records) -> None:
        for mapping in self.messages(records):
            try:
                symbol = mapping.stype_out_symbol or mapping.stype_in_symbol
            except (DBNError, ValueError) as error:
                raise self._error(records.first, f"is no symbol mapping: {error}") from error
            self.choice.learn(mapping.instrument_id, symbol)

    def _error(self, number: int, reason: str) -> SourceError:
        return SourceError(f"{self.where}: record {number} {reason}")


def _to_events(mbo: NDArray[np.void]) -> NDArray[np.void]:
    events = np.zeros(len(mbo), EVENT_DTYPE)
    events["ts_ns"] = mbo["ts_event"]
    for name in ("price", "size", "order_id", "action", "side", "flags"):
        events[name] = mbo[name]
    events["publisher"] = mbo["publisher_id"]
    return events
