"""The records of one session with the gateway as events, by the same rules as the records of a file."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from databento_dbn import DBNError, Metadata
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS
from vpharness.errors import FeedError
from vpharness.events import dbn_records
from vpharness.events.dbn_events import DbnEvents
from vpharness.events.dbn_instruments import InstrumentChoice


class GatewayRecords:
    """A session's stream of DBN, as far as it has come."""

    def __init__(self, where: str, symbol: str) -> None:
        """Begin before the metadata. `where` is what errors call the service."""
        self.error: str | None = None
        """The last error that the gateway reported; None without one."""
        self.is_known = False
        """Whether the gateway has named the instrument."""
        self._where, self._symbol = where, symbol
        self._events: DbnEvents | None = None
        self._block = b""
        self._records: Iterator[list[dbn_records.Records]] = iter(())

    def events(self, data: bytes) -> NDArray[np.void]:
        """Return the instrument's events in the bytes received so far, which hold whole records, after the metadata.

        Raises SourceError and FeedError where it is no DBN.
        """
        if not data:
            return NO_EVENTS
        if self._events is None:
            self._events, data = self._begin(data)
            self._records = dbn_records.records(self._where, b"", iter(lambda: self._block, None))
            next(self._records)
        self._block = data
        parts = [self._of(self._events, records) for records in next(self._records)]
        return np.concatenate([NO_EVENTS, *parts])

    def _begin(self, data: bytes) -> tuple[DbnEvents, bytes]:
        end = dbn_records.PRELUDE_BYTES + int.from_bytes(data[4 : dbn_records.PRELUDE_BYTES], "little")
        try:
            metadata = Metadata.decode(data[:end])
        except DBNError as error:
            raise FeedError(f"{self._where}: sends what is no DBN: {error}") from error
        events = DbnEvents(self._where, InstrumentChoice(self._where, self._symbol, None), Counter())
        events.begin(data[len(dbn_records.MAGIC)], metadata)
        return events, data[end:]

    def _of(self, events: DbnEvents, records: dbn_records.Records) -> NDArray[np.void]:
        if records.kind == dbn_records.ERROR:
            self.error = " ".join(str(events.messages(records)[-1].err).split())
        if records.kind == dbn_records.SYMBOL_MAPPING:
            self.is_known = True
        return events.of(records)
