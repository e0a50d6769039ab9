"""Binance's diff depth stream with its snapshots, as recorded: a book by price level, spot and futures.

The messages and how a book is kept with them are documented at
https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams and
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams. A message has the
update ids U to u, and futures the last id pu of the message before: an id that is missing is a gap. A REST snapshot
restates the book as it was after its lastUpdateId, and messages up to there are part of it already.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from vpharness.errors import SourceError
from vpharness.events import input_files, many_files
from vpharness.events.binance_messages import (
    TRADES,
    BinanceMessage,
    Snapshot,
    add_trade,
    decoded,
    snapshot_of,
    snapshots_of,
    trades_in,
)
from vpharness.events.event_source import EventStream, require_valid
from vpharness.events.json_lines import SUFFIXES, MessageError, RecordedLine, line_error
from vpharness.events.level_json import LevelCollector, event_ns, rows_text
from vpharness.events.level_source import (
    WITHOUT_TRADES,
    LevelBooks,
    opened_messages,
    size_unit_parameter,
    unit_problems,
)
from vpharness.events.many_files import PATHS_MEANING, Paths
from vpharness.events.size_units import size_digits
from vpharness.events.trade_files import ONE_OR_SEVERAL, digests_of, sorted_trades, trade_paths
from vpharness.parameters import parameter

READER_VERSION: Final = 1
"""Raised when the same files give other events than before."""

_REMEMBERED: Final = 2_000
"""Messages kept for a snapshot that comes after them: over three minutes at ten a second."""
_NO_SNAPSHOT: Final = (
    "holds no snapshot of the book of {symbol}, which a diff stream needs to start from: record the REST endpoint "
    "/depth beside it and give source.snapshot_path, or let the book start empty with source.require_snapshot=false"
)
_NO_BOOK: Final = (
    "is no message of the diff depth stream, but a row of a CSV file; {what} expected recorded depthUpdate messages, "
    "one JSON object a line"
)
_CSV: Final = {
    b"timestamp,percentage": "bookDepth gives depth by percentage bands, which is no book;",
    b"update_id": "bookTicker gives the best prices alone, which is no book;",
}


@dataclass(frozen=True)
class BinanceDepthSource:
    """A recorded diff depth stream of Binance, with snapshots and trades in the same file or in files of their own."""

    default_evict_crossed_ms: ClassVar[int] = 0

    path: Paths = parameter(
        meaning=f"file of depthUpdate messages, one JSON object a line, plain or compressed, {PATHS_MEANING}"
    )
    tick_size: float = parameter(meaning="smallest price step", unit="price units", above=0)
    symbol: str | None = parameter(None, meaning="the product, where the file has several, such as BTCUSDT")
    snapshot_path: Paths | None = parameter(
        None, meaning=f"REST snapshots, one a line, if not among the messages: {ONE_OR_SEVERAL}"
    )
    trades_path: Paths | None = parameter(
        None,
        meaning="trades, if not among the messages: aggTrade or trade messages, or CSV as downloaded; "
        f"{ONE_OR_SEVERAL}",
    )
    size_unit: float = size_unit_parameter()
    require_snapshot: bool = parameter(
        True, meaning="take the book for unknown until a snapshot; false: it starts empty, and goes on after gaps"
    )

    def relations(self) -> Iterator[str]:
        """Yield an error for a unit of size that is no power of ten."""
        yield from unit_problems(self.size_unit)

    def identity(self) -> dict[str, Any]:
        """Return what the events depend on."""
        paths = self.files()
        return {
            "kind": "binance_depth",
            "version": READER_VERSION,
            "tick_size": self.tick_size,
            "symbol": self.symbol,
            "size_unit": self.size_unit,
            "require_snapshot": self.require_snapshot,
            "sha256": many_files.files_digest(paths, self._begun),
            "snapshot_sha256": digests_of(self.snapshot_path, "source.snapshot_path"),
            "trades_sha256": digests_of(self.trades_path),
        }

    @contextmanager
    def open(self) -> Iterator[EventStream]:
        """Open the file, or several as one book; snapshots and trades of files of their own are read at once."""
        require_valid(self)
        digits = size_digits(self.size_unit) or 0
        paths = self.files()
        with ExitStack() as stack:
            books, reader = LevelBooks(len(paths)), _Reader(self)
            if self.snapshot_path is not None:
                snapshots = trade_paths(self.snapshot_path, "source.snapshot_path")
                reader.waiting = snapshots_of(snapshots, self.symbol, digits)
            if self.trades_path is not None:
                books.trades = stack.enter_context(
                    sorted_trades(self.trades_path, lambda file: trades_in(file, self.symbol, digits))
                )
            yield stack.enter_context(
                many_files.opened_in_order(paths, lambda path: self._opened(path, reader, books), begin_one=self._begun)
            )

    def files(self) -> list[str]:
        """Return the files that `path` names."""
        return many_files.files_of(self.path, SUFFIXES)

    def _begun(self, path: str) -> AbstractContextManager[EventStream]:
        """Open a file by itself, to see when it begins: its first message need not be a snapshot."""
        return self._opened(path, _Reader(self, last=0), LevelBooks())

    def _opened(self, path: str, reader: "_Reader", books: LevelBooks) -> AbstractContextManager[EventStream]:
        return opened_messages(path, self.size_unit, reader, books, _refused, _NO_SNAPSHOT)


def _refused(file: input_files.InputFile, line: RecordedLine, error: Exception) -> SourceError:
    """Return the error for a line; downloads that are no book are called by their names."""
    text = bytes(line.message)
    if line.number == 1 and not text.lstrip().startswith(b"{") and b"," in text:
        what = next((said for begins, said in _CSV.items() if text.startswith(begins)), "")
        return SourceError(f"{file.path}: line 1: {_NO_BOOK.format(what=what).replace('  ', ' ')}")
    return line_error(file, line.number, error)


class _Diff(NamedTuple):  # one for each message: a tuple is made fastest
    line: int
    first: int
    last: int
    before: int | None
    bids: bytes
    asks: bytes

    def follows(self, last: int) -> bool:
        """Whether no update is missing between an update id and this message."""
        return self.first <= last + 1 if self.before is None else self.before <= last


@dataclass
class _Reader:
    """The state of the sequence: which update the book is at, and what waits.

    Attributes:
        waiting: snapshots that restate the book before the first message behind them, by their ids.
        recent: messages that a snapshot may turn out to lie before, and whether one is missing before each.
        last: the update id that the book is at; None until there is a book.
    """

    source: BinanceDepthSource
    collector: LevelCollector = field(init=False)
    stream: EventStream = field(init=False)
    waiting: list[Snapshot] = field(default_factory=list)
    recent: deque[tuple[_Diff, bool]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    last: int | None = None
    latest_ns: int = 0
    symbol: str | None = None
    trade_kind: str = ""

    def take(self, line: RecordedLine) -> None:
        """Read one message. Raises MessageError, or msgspec's DecodeError, where it is not as documented."""
        message, symbol = decoded(line)
        if message.lastUpdateId is not None:
            if symbol is None and self.stream.counts["skipped_other_instrument"]:
                raise MessageError(
                    "is a snapshot that does not say of which product, in a file of several; "
                    "give snapshots in a file of their own with source.snapshot_path"
                )
            if symbol is None or self._is_wanted(symbol):
                self._snapshot(snapshot_of(line.number, message))
        elif message.e == "depthUpdate":
            if self._is_wanted(_required(symbol, "s")):
                self._diff(line.number, message)
        elif message.e in TRADES:
            if self._is_wanted(_required(symbol, "s")):
                self._trade(line.number, message)
        else:
            self.stream.counts["skipped_other_message"] += 1

    def finish(self) -> None:
        """Add the notes that can only be made at the end of the file."""
        if self.source.trades_path is None and not self.trade_kind:
            self.stream.notes.append(WITHOUT_TRADES)

    def _is_wanted(self, symbol: str) -> bool:
        wanted = self.source.symbol
        if wanted is None:
            if self.symbol not in {None, symbol}:
                raise MessageError(f"is of {symbol} after messages of {self.symbol}; choose one with source.symbol")
        elif symbol.upper() != wanted.upper():
            self.stream.counts["skipped_other_instrument"] += 1
            return False
        self.symbol = symbol
        return True

    def _diff(self, line: int, message: BinanceMessage) -> None:
        if message.u < message.first:
            raise MessageError(f"has the update ids U {message.first} to u {message.u}; expected them ascending")
        ts_ns = event_ns(message.event_time if message.trade_time is None else message.trade_time)
        diff = _Diff(line, message.first, message.u, message.pu, rows_text(message.b), rows_text(message.a))
        self.latest_ns = ts_ns
        before = self.recent[-1][0].last if self.recent else None
        if before is None or diff.last > before:
            self.recent.append((diff, before is not None and not diff.follows(before)))
        while self.waiting and self.waiting[0].last < diff.last:
            self._restate(self.waiting.pop(0), ts_ns, [])
        if self.last is None:
            if self.source.require_snapshot:
                self.stream.counts["skipped_before_snapshot"] += 1
                return
        elif diff.last <= self.last:
            self.stream.counts["skipped_older_than_book"] += 1
            return
        elif not diff.follows(self.last):
            self._gap(ts_ns)
        self.last = diff.last
        self.collector.changes(line, ts_ns, diff.bids, diff.asks)

    def _snapshot(self, snapshot: Snapshot) -> None:
        behind = [(diff, gap) for diff, gap in self.recent if diff.last > snapshot.last]
        if not behind:
            self.waiting = [*(other for other in self.waiting if other.last < snapshot.last), snapshot]
            return
        self._restate(snapshot, self.latest_ns, [diff for diff, _ in behind])
        if not behind[0][0].follows(snapshot.last) or any(gap for _, gap in behind[1:]):
            self._gap(self.latest_ns)

    def _restate(self, snapshot: Snapshot, ts_ns: int, behind: list[_Diff]) -> None:
        """Restate the book from a snapshot and the messages that came before it and lie behind it."""
        parts = [(snapshot.line, snapshot.bids, snapshot.asks), *((d.line, d.bids, d.asks) for d in behind)]
        self.collector.snapshot(ts_ns, parts)
        self.last = behind[-1].last if behind else snapshot.last

    def _gap(self, ts_ns: int) -> None:
        if self.source.require_snapshot:
            self.collector.gap(ts_ns)
        else:
            self.stream.counts["ignored_feed_gap"] += 1

    def _trade(self, line: int, message: BinanceMessage) -> None:
        if self.source.trades_path is not None or self.trade_kind not in {"", message.e}:
            self.stream.counts["skipped_other_trade"] += 1  # the same trades again
            return
        self.trade_kind = message.e
        add_trade(self.collector, line, message)


def _required(symbol: str | None, name: str) -> str:
    if symbol is None:
        raise MessageError(f"has no {name}; expected the product's symbol")
    return symbol
