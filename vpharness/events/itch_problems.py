"""What is wrong with an ITCH file, in one line: the record, its place, what was expected, what was found."""

from pathlib import Path
from typing import Final

from vpharness.errors import SourceError
from vpharness.events import itch_messages
from vpharness.events.itch_messages import LENGTH_BYTES, MESSAGES
from vpharness.events.itch_state import ItchState

_EXPECTED: Final = (
    "expected a daily file of Nasdaq TotalView-ITCH 5.0, each message behind its length of two bytes, "
    "such as 01302019.NASDAQ_ITCH50.gz"
)


def unreadable(path: Path, state: ItchState, text: bytes, offset: int, symbol: str) -> SourceError:
    """Return the error for the message that `decode` stopped at.

    Args:
        path: the file.
        state: as `decode` left it.
        text: the file's content from the message's length on.
        offset: where in the file's content that is, in bytes.
        symbol: the wanted stock.
    """
    reader = state.reader[0]
    problem, number = int(reader["problem"]), int(reader["records"]) + 1
    if problem == itch_messages.BEHIND_END:
        return _behind_end(path, offset)
    message = text[LENGTH_BYTES:]
    kind = message[:1].decode("latin-1")
    if problem in {itch_messages.UNKNOWN_TYPE, itch_messages.WRONG_LENGTH} and number == 1:
        return SourceError(f"{path}: is no ITCH 5.0 file: it begins with {text[:8]!r}; {_EXPECTED}")
    length = int.from_bytes(text[:LENGTH_BYTES], "big")
    reasons = {
        itch_messages.UNKNOWN_TYPE: f"has the unknown type {kind!a}; is the file damaged, or newer than ITCH 5.0?",
        itch_messages.WRONG_LENGTH: (
            f"of type {kind!a} is {length} bytes long; expected {MESSAGES.get(kind, (0,))[0]} bytes"
        ),
        itch_messages.WRONG_TIME: (
            f"has the time {int.from_bytes(message[5:11], 'big')} ns after midnight; expected one within the day"
        ),
        itch_messages.WRONG_SIDE: f"has the side {_letter(message, 19)}; expected B or S",
        itch_messages.WRONG_STATE: (
            f"has the state {_letter(message, 19 if kind == 'H' else 20)}; "
            f"expected {'H, P, Q or T' if kind == 'H' else 'H or T'}"
        ),
        itch_messages.WRONG_STOCK: (
            f"is of {_stock(message, 24 if kind in 'AFP' else 11)} under the locate {int(reader['locate'])}, that of "
            f"{symbol}; expected one stock for each locate"
        ),
        itch_messages.NEW_LOCATE: (
            f"gives {symbol} the locate {int.from_bytes(message[1:3], 'big')}, which has been {int(reader['locate'])}; "
            "expected the file of one day"
        ),
    }
    return SourceError(f"{path}: record {number} at byte {offset} {reasons[problem]}")


def truncated(path: Path, state: ItchState, text: bytes, offset: int) -> SourceError:
    """Return the error for a file whose last message is not whole: `text` is all there is of it."""
    if state.reader["ended"][0]:
        return _behind_end(path, offset)
    number = int(state.reader["records"][0]) + 1
    if number == 1:
        return SourceError(f"{path}: is no ITCH 5.0 file: all it holds is {text[:8]!r}; {_EXPECTED}")
    return SourceError(f"{path}: truncated: the file ends {len(text)} bytes into record {number} at byte {offset}")


def _behind_end(path: Path, offset: int) -> SourceError:
    return SourceError(
        f"{path}: goes on at byte {offset}, behind the mark of the session's end; expected the file of one day"
    )


def _letter(message: bytes, place: int) -> str:
    return ascii(message[place : place + 1].decode("latin-1"))


def _stock(message: bytes, place: int) -> str:
    return ascii(message[place : place + 8].decode("latin-1").rstrip())
