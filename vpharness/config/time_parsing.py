"""Times as users write them."""

from datetime import datetime
from typing import Final

from vpharness.errors import ConfigError

_NANOSECONDS: Final = 9
_EARLIEST_NS: Final = 10**15  # below it stands a year, or a time in seconds or milliseconds

_LATEST_NS: Final = 2**63 - 1


def parse_time_ns(text: str | None, name: str) -> int | None:
    """Return ns since the epoch from ISO 8601 with a zone, or from a whole number of ns; None stays None.

    Fractions of a second are exact to the nanosecond. A ConfigError names the key, `name`.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        if int(text) < _EARLIEST_NS:
            raise ConfigError(
                f"{name} is {text} ns, which is in January 1970; give ISO 8601 with a zone, or ns since 1970"
            )
        return _within_reach(int(text), text, name)
    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    try:
        moment = datetime.fromisoformat(whole + rest[len(digits) :])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or len(digits) > _NANOSECONDS or (dot and not digits):
        raise ConfigError(
            f"{name} is {text!r}; expected ISO 8601 with a zone, such as 2023-12-25T23:00:00Z, or ns since 1970"
        )
    seconds = round((moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")).total_seconds())
    return _within_reach(seconds * 10**_NANOSECONDS + int(digits.ljust(_NANOSECONDS, "0") or 0), text, name)


def _within_reach(time_ns: int, text: str, name: str) -> int:
    if not 0 <= time_ns <= _LATEST_NS:
        raise ConfigError(f"{name} is {text}; times from 1970 to 2262 can be counted in ns since 1970")
    return time_ns
