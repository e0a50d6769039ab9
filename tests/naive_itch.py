"""Daily ITCH files again, message by message with dictionaries, as the specification puts it."""

import struct
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.events.samples import Event

NAMES = {
    "S": "system_event",
    "R": "stock_directory",
    "H": "trading_action",
    "h": "operational_halt",
    "Y": "short_sale_restriction",
    "L": "market_participant_position",
    "V": "market_wide_decline_level",
    "W": "market_wide_decline_status",
    "K": "ipo_quoting_period",
    "J": "auction_collar",
    "A": "add",
    "F": "add_of_owner",
    "E": "execution",
    "C": "execution_at_price",
    "X": "cancel",
    "D": "delete",
    "U": "replace",
    "P": "hidden_execution",
    "Q": "cross_trade",
    "B": "broken_trade",
    "I": "order_imbalance",
    "N": "retail_interest",
    "O": "direct_listing",
}
"""What messages are counted as that give no event."""


class NaiveItch:
    """The reading of one stock, by the letter of each message."""

    def __init__(self, symbol: str, date: str, market: str) -> None:
        """Begin a day."""
        self.symbol = symbol.encode().ljust(8)
        midnight = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo("America/New_York"))
        self.midnight = int(midnight.timestamp()) * 10**9
        self.market = market
        self.locate: int | None = None
        self.orders: dict[int, tuple[str, int, int]] = {}
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()
        self.state_halted = self.market_halted = self.halted = False
        self.some_action = self.own_action = False

    def say(self, ts: int, action: str, side: str = "N", price: int = 0, size: int = 0, order: int = 0) -> None:
        """Write an event that is its message's last."""
        self.events.append((ts, action, side, price, size, order, 128))

    def say_and_go_on(self, ts: int, action: str, side: str, price: int, size: int, order: int) -> None:
        """Write an event that another one of its message follows."""
        self.events.append((ts, action, side, price, size, order, 0))

    def message(self, message: bytes) -> None:
        """Read one message."""
        kind = chr(message[0])
        locate = int.from_bytes(message[1:3], "big")
        ts = self.midnight + int.from_bytes(message[5:11], "big")
        body = message[11:]
        if kind == "S":
            self.system_event(ts, chr(body[0]))
        elif kind == "R":
            self.directory(ts, locate, body[:8])
        elif locate == self.locate:
            self.own(kind, ts, body)
        else:
            self.some_action |= kind == "H"
            self.counts["skipped_other_stock" if locate else f"skipped_{NAMES[kind]}"] += 1

    def system_event(self, ts: int, code: str) -> None:
        """Halt a stock that other stocks' trading actions have left out."""
        self.counts["skipped_system_event"] += 1
        if code == "S" and self.locate is not None and self.some_action and not self.own_action:
            self.state_halted = True
            self.say_halt(ts)

    def directory(self, ts: int, locate: int, stock: bytes) -> None:
        """Learn the stock's number."""
        if stock != self.symbol:
            self.counts["skipped_other_stock"] += 1
        elif self.locate is None:
            self.locate = locate
            self.say(ts, "R")
        else:
            self.counts["skipped_stock_directory"] += 1

    def say_halt(self, ts: int) -> bool:
        """Write a change of the halt, if there is one."""
        halted = self.state_halted or self.market_halted
        if halted == self.halted:
            return False
        self.halted = halted
        self.say(ts, "H" if halted else "O")
        return True

    def own(self, kind: str, ts: int, body: bytes) -> None:
        """Read a message of the stock."""
        if kind in "AF":
            order, side, shares, _, price = struct.unpack(">QcI8sI", body[:25])
            self.enter(ts, order, {b"B": "B", b"S": "A"}[side], shares, price * 10**5)
        elif kind in "ECXD":
            self.reduce(kind, ts, body)
        elif kind == "U":
            self.replace(ts, *struct.unpack(">QQII", body))
        elif kind == "P":
            _, _, shares, _, price, _ = struct.unpack(">QcI8sIQ", body)
            self.say(ts, "T", price=price * 10**5, size=shares)
        elif kind in "Hh":
            if kind == "H":
                self.some_action = self.own_action = True
                self.state_halted = body[8:9] != b"T"
            elif body[8:9] == self.market.encode():
                self.market_halted = body[9:10] != b"T"
            if not self.say_halt(ts):
                self.counts[f"skipped_{NAMES[kind]}"] += 1
        else:
            self.counts[f"skipped_{NAMES[kind]}"] += 1

    def enter(self, ts: int, order: int, side: str, shares: int, price: int) -> None:
        """Add an order."""
        self.say(ts, "A", side, price, shares, order)
        self.orders.pop(order, None)
        if shares:
            self.orders[order] = (side, price, shares)

    def reduce(self, kind: str, ts: int, body: bytes) -> None:
        """Take shares of an order away, or all of it."""
        order = int.from_bytes(body[:8], "big")
        side, price, left = self.orders.get(order, ("N", 0, 0))
        shares = left if kind == "D" else int.from_bytes(body[8:12], "big")
        if kind != "D" and shares == 0:
            self.counts["skipped_zero_shares"] += 1
            return
        if kind == "C":
            self.counts["execution_not_printed"] += body[20:21] == b"N"
            paid = int.from_bytes(body[21:25], "big") * 10**5
            self.counts["execution_off_price"] += order in self.orders and paid != price
        if kind in "EC":
            self.say_and_go_on(ts, "F", side, price, shares, order)
        self.say(ts, "C", side, price, shares, order)
        self.orders.pop(order, None)
        if left > shares:
            self.orders[order] = (side, price, left - shares)

    def replace(self, ts: int, order: int, new: int, shares: int, price: int) -> None:
        """Let what is left of an order go, and another one enter."""
        if order not in self.orders:
            self.counts["skipped_unknown_replace"] += 1
            self.say(ts, "C", order=order)
            return
        side, old_price, left = self.orders.pop(order)
        self.say_and_go_on(ts, "C", side, old_price, left, order)
        self.enter(ts, new, side, shares, price * 10**5)


def read_itch(data: bytes, symbol: str, date: str, market: str = "Q") -> NaiveItch:
    """Read the content of a whole file."""
    reader = NaiveItch(symbol, date, market)
    place = 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 2], "big")
        if length == 0:
            assert place + 2 == len(data)
            break
        message = data[place + 2 : place + 2 + length]
        assert len(message) == length
        reader.message(message)
        place += 2 + length
    reader.counts = +reader.counts
    return reader


def itch_events(data: bytes, symbol: str, date: str) -> list[Event]:
    """Return the events of one stock."""
    return read_itch(data, symbol, date).events
