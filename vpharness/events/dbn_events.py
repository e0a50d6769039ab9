"""The events of Databento's records: one definition for files and for the live service."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from databento_dbn import DBNDecoder, DBNError
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events import dbn_records
from vpharness.events.dbn_instruments import InstrumentChoice
from vpharness.events.dbn_records import Records
from vpharness.events.mbo_event import ACTIONS, EVENT_DTYPE, SIDES

SKIPPED: Final = ("skipped_other_record", "skipped_other_instrument", "skipped_spread")
"""Why records give no event of the instrument."""

_OTHER_RECORD, _OTHER_INSTRUMENT, _SPREAD = SKIPPED
_UNDEFINED_TIME: Final = np.uint64((1 << 64) - 1)
_LATEST_TIME: Final = np.uint64(np.iinfo(np.int64).max)
_KNOWN_ACTION: Final = np.isin(np.arange(256), ACTIONS)
_KNOWN_SIDE: Final = np.isin(np.arange(256), SIDES)


@dataclass(frozen=True)
class DbnEvents:
    """The state for turning records into events, learnt from the records so far.

    Attributes:
        where: the file or service, as errors call it.
        version: of DBN, that the records are in.
        ts_out: whether records are longer by the time of their sending.
        choice: the instrument; it learns from the mapping records that are met.
        counts: grows by what is skipped, by reason.
    """

    where: Path | str
    version: int
    ts_out: bool
    choice: InstrumentChoice
    counts: Counter[str]

    def of(self, records: Records) -> NDArray[np.void]:
        """Return the instrument's events among consecutive records of one type; most types have none.

        Raises SourceError where a record cannot be what it says.
        """
        if records.kind == dbn_records.MBO:
            return self._mbo_events(records)
        if records.kind == dbn_records.SYMBOL_MAPPING:
            self._learn(records)
        self.counts[_OTHER_RECORD] += len(records.data)
        return np.empty(0, EVENT_DTYPE)

    def messages(self, records: Records) -> list[Any]:
        """Return records as Databento's own objects; a SourceError says where they are none."""
        decoder = DBNDecoder(has_metadata=False, ts_out=self.ts_out, input_version=self.version)
        try:
            found: list[Any] = decoder.write_and_decode(records.data.tobytes())
        except DBNError as error:
            raise self._error(records.first, f"cannot be decoded: {error}") from error
        return found

    def _mbo_events(self, records: Records) -> NDArray[np.void]:
        length = records.data.shape[1]
        expected = dbn_records.MBO_BYTES + (dbn_records.TS_OUT_BYTES if self.ts_out else 0)
        if length != expected:
            raise self._error(records.first, f"is an MBO record of {length} bytes; expected {expected}")
        mbo = records.data.view(dbn_records.mbo_dtype(length)).reshape(-1)
        received = mbo["ts_recv"]
        # The symbol of an id changes by the day of arrival: a snapshot's orders may be older than their mapping.
        times = np.where(received == _UNDEFINED_TIME, mbo["ts_event"], received)
        wanted = self.choice.wanted(mbo["instrument_id"], times)
        if not wanted.all():
            others = mbo["instrument_id"][~wanted]
            spreads = self.choice.count_spreads(others)
            self.counts[_SPREAD] += spreads
            self.counts[_OTHER_INSTRUMENT] += len(others) - spreads
            mbo = mbo[wanted]
        self._check(mbo, records.first + np.flatnonzero(wanted))
        return _to_events(mbo)

    def _check(self, mbo: NDArray[np.void], numbers: NDArray[np.int64]) -> None:
        wrong_time = mbo["ts_event"] > _LATEST_TIME
        for wrong, name, expected in (
            (wrong_time, "ts_event", "a time in ns since 1970"),
            (~_KNOWN_ACTION[mbo["action"]], "action", "the code of one of A C M R T F N"),
            (~_KNOWN_SIDE[mbo["side"]], "side", "the code of one of B A N"),
        ):
            if wrong.any():
                row = int(np.argmax(wrong))
                raise self._error(int(numbers[row]), f"has the {name} {mbo[name][row]}; expected {expected}")

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
