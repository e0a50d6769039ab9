"""Nasdaq TotalView-ITCH 5.0: the events of one stock out of a daily file of Nasdaq, Nasdaq BX or Nasdaq PSX."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date as calendar_date
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, SourceError
from vpharness.events import input_files, itch_messages, many_files
from vpharness.events.event_source import CHUNK_EVENTS, EventStream, require_valid
from vpharness.events.itch_messages import MESSAGES
from vpharness.events.itch_problems import truncated, unreadable
from vpharness.events.itch_state import NO_LOCATE, TALLIES, ItchState, new_state, with_room
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.mbo_event import EVENT_DTYPE
from vpharness.events.times import midnight_ns
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same file gives other events than before."""

BLOCK_BYTES: Final = 1 << 20
"""How much of the file is decoded at once."""

STOCK_BYTES: Final = 8
MARKETS: Final = ("Q", "B", "X")
"""Nasdaq, Nasdaq BX and Nasdaq PSX, as operational halts call them."""

SUFFIXES: Final = tuple(
    f"{name}{compression}"
    for name in ("ITCH50", "ITCH_50", "-v50.txt", "-v50", ".itch", ".itch50")
    for compression in input_files.COMPRESSED
)
"""What the names of files end in that are taken from a folder."""

_NAMES: Final = (
    (re.compile(r"(?P<month>\d\d)(?P<day>\d\d)(?P<year>\d{4})\.NASDAQ_ITCH50"), "Q"),
    (re.compile(r"S(?P<month>\d\d)(?P<day>\d\d)(?P<year>\d\d)-v50"), "Q"),
    (re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)\.BX_ITCH_?50"), "B"),
    (re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)\.PSX_ITCH_?50"), "X"),
)
"""What Nasdaq's daily files are called, and the market of each."""

_TALLY_NAMES: Final = {name: name if name.startswith("execution") else f"skipped_{name}" for name in TALLIES}


@dataclass(frozen=True)
class ItchSource:
    """One stock of daily files of Nasdaq TotalView-ITCH 5.0, each from its empty book on."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(meaning=f"daily file of Nasdaq TotalView-ITCH 5.0, plain or gzip, {PATHS_MEANING}")
    symbol: str = parameter(meaning="Nasdaq's symbol of the stock, such as AAPL")
    date: str | None = parameter(
        None, meaning="trading day of the file, in New York; else what its name says", unit="YYYY-MM-DD"
    )
    tick_size: float = parameter(0.01, meaning="smallest price step", unit="dollars", above=0)
    market: str | None = parameter(
        None,
        meaning="whose operational halts count: Q Nasdaq, B Nasdaq BX, X Nasdaq PSX; else what the name says, or Q",
        choices=MARKETS,
    )

    def relations(self) -> Iterator[str]:
        """Yield a sentence for each relation between parameters that does not hold."""
        if not re.fullmatch(r"[!-~]{1,8}", self.symbol):
            yield f"symbol is {self.symbol!r}; expected Nasdaq's symbol of a stock, one to eight letters such as AAPL"

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        paths = many_files.paths_in_order(self.files(), self._opened)
        dates = [self._day(path).isoformat() for path in paths]
        digests = [input_files.sha256(path) for path in paths]
        return {
            "kind": "itch",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "date": dates if len(paths) > 1 else dates[0],
            "market": self._market(paths[0]),
            "sha256": digests if len(paths) > 1 else digests[0],
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or those of several days as one, and read up to the stock's first events."""
        require_valid(self)
        with many_files.opened_in_order(self.files(), self._opened, is_new_book=True) as stream:
            yield stream

    def files(self) -> list[str]:
        """Return the daily files that `path` names, after checking that their names tell their days, and one market."""
        paths = many_files.files_of(self.path, SUFFIXES)
        if len(paths) > 1 and self.date is not None:
            raise ConfigError(
                f"source.date is of one day, and source.path names {len(paths)} files; leave it out: each day is read "
                "from its file's name"
            )
        markets = {self._market(path): Path(path).name for path in paths}
        if len(markets) > 1:
            (first, one), (second, other) = list(markets.items())[:2]
            raise SourceError(
                f"source.path names files of several markets, such as {one} ({first}) and {other} ({second}); choose "
                "those of one with a glob"
            )
        days: dict[calendar_date, str] = {}
        for path in paths:
            if (earlier := days.setdefault(self._day(path), path)) != path:
                raise SourceError(f"{path}: is of the same day as {earlier}; name one file of each day")
        return paths

    @contextmanager
    def _opened(self, path: str) -> Iterator[EventStream]:
        """Open the file of one day and read up to the stock's first events."""
        begins_ns = midnight_ns(self._day(path))
        stock = int.from_bytes(self.symbol.encode().ljust(STOCK_BYTES), "big")
        with input_files.opened(path) as file:
            stream = EventStream(self.symbol, 1.0, iter(()), bytes_total=file.bytes_total)
            stream.instruments.append(self.symbol)
            chunks = _chunks(file, new_state(stock, ord(self._market(path)), begins_ns), self.symbol, stream)
            first = next(chunks)
            stream.chunks = chain([first], chunks)
            named = day_of_name(path)
            if named is not None and named != self._day(path):
                stream.notes.append(
                    f"source.date is {self.date}, while the file's name says {named}: source.date holds"
                )
            yield stream

    def _day(self, path: str) -> calendar_date:
        day = day_of_name(path)
        if self.date is not None:
            try:
                day = calendar_date.fromisoformat(self.date)
            except (ValueError, TypeError):
                day = calendar_date.min
        if day is None:
            raise ConfigError(
                f"source.date must be given: the name of {path} says no day, as 01302019.NASDAQ_ITCH50.gz does"
            )
        if not 1970 < day.year < 2200:
            raise ConfigError(f"source.date is {self.date!r}; expected the trading day as YYYY-MM-DD")
        return day

    def _market(self, path: str) -> str:
        if self.market is not None:
            return self.market
        return next((market for pattern, market in _NAMES if pattern.match(Path(path).name)), "Q")


def day_of_name(path: str) -> calendar_date | None:
    """Return the trading day that the name of a daily file says; None where it says none."""
    for pattern, _ in _NAMES:
        if (found := pattern.match(Path(path).name)) is not None:
            year = int(found["year"])
            try:
                return calendar_date(year if year >= 100 else 2000 + year, int(found["month"]), int(found["day"]))
            except ValueError:
                return None
    return None


def _chunks(
    file: input_files.InputFile, state: ItchState, symbol: str, stream: EventStream
) -> Iterator[NDArray[np.void]]:
    """Yield the stock's events, chunk by chunk; the last error is that there were none."""
    kept, offset = b"", 0
    written = np.zeros(BLOCK_BYTES // itch_messages.FEWEST_BYTES_PER_EVENT + CHUNK_EVENTS, EVENT_DTYPE)
    for read in file.blocks(BLOCK_BYTES):
        block = kept + read
        state = with_room(state, len(block) // itch_messages.FEWEST_BYTES_PER_ORDER + 1)
        itch_messages.decode(np.frombuffer(block, np.uint8), state, written)
        reader = state.reader[0]
        stream.bytes_read = file.bytes_read
        _count(state, stream)
        events = written[: int(reader["events"])].copy()
        yield from (events[start : start + CHUNK_EVENTS] for start in range(0, len(events), CHUNK_EVENTS))
        kept, offset = block[int(reader["place"]) :], offset + int(reader["place"])
        if reader["problem"]:
            raise unreadable(file.path, state, kept, offset, symbol)
    if kept:
        raise truncated(file.path, state, kept, offset)
    if state.reader["locate"][0] == NO_LOCATE:
        raise _missing(file.path, state, symbol)
    stream.notes += _notes(state, symbol)


def _count(state: ItchState, stream: EventStream) -> None:
    """Bring the counts of a stream up to date; what has not happened is not among them."""
    counts = {f"skipped_{name}": int(state.by_type[ord(letter)]) for letter, (_, name) in MESSAGES.items()}
    counts |= {_TALLY_NAMES[name]: int(count) for name, count in zip(TALLIES, state.tallies, strict=True)}
    for name, count in counts.items():
        if count:
            stream.counts[name] = count


def _notes(state: ItchState, symbol: str) -> Iterator[str]:
    """Yield a sentence for what is odd about a file that has been read to its end."""
    reader = state.reader[0]
    if not reader["last_message_met"]:
        yield "the file ends without the day's last message (system event C): it may have been cut off between messages"
    if reader["absent_from_start"]:
        yield (
            f"{symbol} is absent from the trading actions before system hours: it counts as halted from their "
            "beginning until one of its own says otherwise"
        )
    elif not reader["trading_action_met"]:
        yield f"the file holds no trading action of {symbol}: it counts as trading all day"


def _missing(path: Path, state: ItchState, symbol: str) -> SourceError:
    names = [
        int(name).to_bytes(STOCK_BYTES, "big").decode("ascii", "replace").rstrip()
        for name in state.stocks[state.stocks > 0]
    ]
    if not names:
        return SourceError(
            f"{path}: holds no stock directory message (R), which gives each stock its number; expected a whole day"
        )
    near = difflib.get_close_matches(symbol.upper(), names, n=3) or sorted(names)[:3]
    return SourceError(
        f"{path}: holds no stock {symbol} among its {len(names):,}, such as {', '.join(map(ascii, near))}"
    )
