"""Nasdaq TotalView-ITCH 5.0 written message by message, by the fields of its specification, for tests of readers."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

APPLE, OTHER, THIRD = 13, 14, 8_000
"""Locates: days number their stocks anew."""
NAMES = {APPLE: "AAPL", OTHER: "AAPLW", THIRD: "ZVZZT"}

SECOND = 10**9
HOUR = 3600 * SECOND


def framed(messages: Iterable[bytes]) -> bytes:
    """Return messages as a daily file has them, each behind its length."""
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


END_OF_SESSION = b"\0\0"
"""A length of zero, as the format BinaryFILE ends with."""


def name(text: str, width: int = 8) -> bytes:
    """Return a name padded with spaces."""
    return text.encode().ljust(width)


def head(kind: str, locate: int, time_ns: int, tracking: int = 0) -> bytes:
    """Return what every message begins with."""
    return struct.pack(">sHH", kind.encode(), locate, tracking) + time_ns.to_bytes(6, "big")


def system_event(time_ns: int, code: str) -> bytes:
    """Return S: O, S, Q are the beginnings of messages, system hours and market hours, M, E, C their ends."""
    return head("S", 0, time_ns) + code.encode()


@dataclass(frozen=True)
class Stock:
    """The messages of one stock, each at a time in ns since midnight; prices are in units of 1e-4 dollars."""

    locate: int
    symbol: str

    def _head(self, kind: str, time_ns: int) -> bytes:
        return head(kind, self.locate, time_ns)

    def directory(self, time_ns: int) -> bytes:
        """Return R: a common stock of the Global Select Market in lots of 100."""
        facts = struct.pack(
            ">ccIcc2scccccIc", b"Q", b"N", 100, b"N", b"C", b"Z ", b"P", b"N", b" ", b"1", b"N", 0, b"N"
        )
        return self._head("R", time_ns) + name(self.symbol) + facts

    def trading_action(self, time_ns: int, state: str, reason: str = "") -> bytes:
        """Return H: halted, paused, quotation only or trading."""
        return self._head("H", time_ns) + name(self.symbol) + state.encode() + b" " + name(reason, 4)

    def operational_halt(self, time_ns: int, market: str, state: str) -> bytes:
        """Return h: halted or trading on one market."""
        return self._head("h", time_ns) + name(self.symbol) + market.encode() + state.encode()

    def short_sale_restriction(self, time_ns: int, action: str = "0") -> bytes:
        """Return Y."""
        return self._head("Y", time_ns) + name(self.symbol) + action.encode()

    def participant_position(self, time_ns: int) -> bytes:
        """Return L: a market maker in its normal mode."""
        return self._head("L", time_ns) + name("LEHM", 4) + name(self.symbol) + b"YNA"

    def ipo_quoting_period(self, time_ns: int) -> bytes:
        """Return K, which is for the whole market, whatever stock it names."""
        return head("K", 0, time_ns) + name(self.symbol) + struct.pack(">IcI", 34_200, b"A", 1_000_000)

    def auction_collar(self, time_ns: int) -> bytes:
        """Return J: reference, upper and lower price, extension."""
        return self._head("J", time_ns) + name(self.symbol) + struct.pack(">IIII", 1_000_000, 1_050_000, 950_000, 0)

    def add(self, time_ns: int, order: int, side: str, shares: int, price: int, owner: str | None = None) -> bytes:
        """Return A, or F where the owner is named."""
        kind, tail = ("A", b"") if owner is None else ("F", name(owner, 4))
        body = struct.pack(">QcI8sI", order, side.encode(), shares, name(self.symbol), price)
        return self._head(kind, time_ns) + body + tail

    def executed(self, time_ns: int, order: int, shares: int, match: int = 1) -> bytes:
        """Return E."""
        return self._head("E", time_ns) + struct.pack(">QIQ", order, shares, match)

    def executed_at(
        self, time_ns: int, order: int, shares: int, price: int, printable: str = "Y", match: int = 1
    ) -> bytes:
        """Return C."""
        return self._head("C", time_ns) + struct.pack(">QIQcI", order, shares, match, printable.encode(), price)

    def cancel(self, time_ns: int, order: int, shares: int) -> bytes:
        """Return X."""
        return self._head("X", time_ns) + struct.pack(">QI", order, shares)

    def delete(self, time_ns: int, order: int) -> bytes:
        """Return D."""
        return self._head("D", time_ns) + struct.pack(">Q", order)

    def replace(self, time_ns: int, order: int, new: int, shares: int, price: int) -> bytes:
        """Return U."""
        return self._head("U", time_ns) + struct.pack(">QQII", order, new, shares, price)

    def hidden_execution(self, time_ns: int, shares: int, price: int, match: int = 1) -> bytes:
        """Return P: its order is 0 and its side B, whatever they were."""
        return self._head("P", time_ns) + struct.pack(">QcI8sIQ", 0, b"B", shares, name(self.symbol), price, match)

    def cross(self, time_ns: int, shares: int, price: int, kind: str = "O") -> bytes:
        """Return Q: the opening cross, or another."""
        return self._head("Q", time_ns) + struct.pack(">Q8sIQc", shares, name(self.symbol), price, 1, kind.encode())

    def broken_trade(self, time_ns: int, match: int = 1) -> bytes:
        """Return B."""
        return self._head("B", time_ns) + struct.pack(">Q", match)

    def order_imbalance(self, time_ns: int) -> bytes:
        """Return I: paired shares, imbalance, direction, far, near and reference price, cross, variation."""
        body = struct.pack(">QQc8sIIIcc", 100, 50, b"B", name(self.symbol), 1_000_000, 1_000_000, 1_000_000, b"O", b"L")
        return self._head("I", time_ns) + body

    def retail_interest(self, time_ns: int) -> bytes:
        """Return N."""
        return self._head("N", time_ns) + name(self.symbol) + b"B"

    def direct_listing(self, time_ns: int) -> bytes:
        """Return O: eligibility, allowable prices, near price, its time, collars."""
        body = struct.pack(">cIIIQII", b"Y", 900_000, 1_100_000, 1_000_000, time_ns, 950_000, 1_050_000)
        return self._head("O", time_ns) + name(self.symbol) + body


AAPL, AAPLW, ZVZZT = (Stock(locate, symbol) for locate, symbol in NAMES.items())


def decline_levels(time_ns: int) -> bytes:
    """Return V: the three levels of the market-wide circuit breaker, in units of 1e-8."""
    return head("V", 0, time_ns) + struct.pack(">QQQ", 3 * 10**11, 2 * 10**11, 10**11)


def decline_status(time_ns: int, level: str = "1") -> bytes:
    """Return W: the breached level."""
    return head("W", 0, time_ns) + level.encode()


def before_system_hours(stocks: Iterable[Stock], time_ns: int = 3 * HOUR) -> list[bytes]:
    """Return how a day begins: the directory, and the trading actions of stocks that will trade."""
    stocks = list(stocks)
    return [
        system_event(time_ns, "O"),
        *(stock.directory(time_ns + 1) for stock in stocks),
        *(stock.trading_action(time_ns + 2, "T") for stock in stocks),
        system_event(time_ns + 3, "S"),
    ]
