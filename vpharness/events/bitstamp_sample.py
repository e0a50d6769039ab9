"""The half hour of real Bitstamp order events that the package ob-analytics carries."""

import importlib.util
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from vpharness.errors import SourceError
from vpharness.events.bitstamp import BitstampSource
from vpharness.events.event_source import EventStream
from vpharness.parameters import parameter

PACKAGE: Final = "ob_analytics"
SAMPLE: Final = Path("_sample_data") / "orders.csv.gz"


@dataclass(frozen=True)
class BitstampSampleSource:
    """Order events of BTC/USD on 2026-05-02, from the installed package; prices are whole dollars."""

    default_evict_crossed_ms: ClassVar[int] = BitstampSource.default_evict_crossed_ms

    tick_size: float = parameter(1.0, meaning="smallest price step", unit="price units", above=0)

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        return self._file().identity()

    def open(self) -> AbstractContextManager[EventStream]:
        """Open the file; a SourceError where the package is not installed."""
        return self._file().open()

    def _file(self) -> BitstampSource:
        # The package is looked for, not imported: it would bring a plotting library along.
        found = importlib.util.find_spec(PACKAGE)
        path = None if found is None or found.origin is None else Path(found.origin).parent / SAMPLE
        if path is None or not path.is_file():
            raise SourceError(
                "the sample of real order events comes with the package ob-analytics, which is not installed: "
                "pip install -c .ci/constraints.txt -e '.[sample]'"
            )
        return BitstampSource(str(path), self.tick_size, "BTCUSD")
