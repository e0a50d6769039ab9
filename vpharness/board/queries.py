"""The queries of pages: names and values as a browser sends them, checked, or a line that says what was expected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

MOST_BYTES: Final = 4_000
_MOST_FIELDS: Final = 50
_MOST_TEXT: Final = 200


class QueryError(Exception):
    """A query that no page understands; the message says what was expected and found."""


class NotFoundError(Exception):
    """Something by a name that the lake does not know; the message says which names it does."""


def parsed(query: str) -> dict[str, str]:
    """Return the values of a query by name. Raises QueryError where it is too long, or names a value twice."""
    if len(query) > MOST_BYTES:
        raise QueryError(f"the query has {len(query):,} characters; at most {MOST_BYTES:,} are read")
    if query.count("&") >= _MOST_FIELDS:
        raise QueryError(f"the query has {query.count('&') + 1:,} values; at most {_MOST_FIELDS} are read")
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=False):
        if name in found:
            raise QueryError(f"{name[:40]!r} is given twice; give it once")
        found[name] = value
    return found


@dataclass(frozen=True)
class Query:
    """The values that a page was asked with; those that it does not know are refused.

    Attributes:
        values: by name.
        known: the names that the page knows.
    """

    values: Mapping[str, str]
    known: frozenset[str]

    def __post_init__(self) -> None:
        """Refuse names that the page does not know."""
        if odd := sorted(self.values.keys() - self.known):
            names = ", ".join(sorted(self.known)) or "nothing"
            raise QueryError(f"{odd[0][:40]!r} is not known here; this page takes {names}")

    def text(self, name: str) -> str | None:
        """Return a text; None where it is not given. Raises QueryError where it is too long."""
        value = self.values.get(name)
        if value is not None and len(value) > _MOST_TEXT:
            raise QueryError(f"{name} has {len(value):,} characters; at most {_MOST_TEXT} are read")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return one of some texts. Raises QueryError for another one."""
        value = self.values.get(name, default)
        if value not in choices:
            raise QueryError(f"{name} is {value[:40]!r}; it must be one of {', '.join(choices)}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number. Raises QueryError for another text, or one out of range."""
        return int(self._number(name, default, least, most, int))

    def number(self, name: str) -> float | None:
        """Return a number above 0; None where it is not given. Raises QueryError for another text."""
        return self._number(name, 0.0, 0.0, 1e12, float) if name in self.values else None

    def _number(self, name: str, default: float, least: float, most: float, kind: Callable[[str], float]) -> float:
        if name not in self.values:
            return default
        text = self.values[name]
        try:
            value = kind(text) if text.isascii() and len(text) <= 24 else None
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise QueryError(f"{name} is {text[:40]!r}; it must be a number from {least:g} to {most:g}")
        return value


def one_of(what: str, name: str | None, names: Mapping[str, object] | frozenset[str] | list[str]) -> str:
    """Return a name that is among those that there are. Raises NotFoundError, which names some, for any other."""
    if name is not None and name in names:
        return name
    known = sorted(names)
    some = ", ".join(known[:5]) + (f" and {len(known) - 5:,} more" if len(known) > 5 else "")
    there = f"there is {some}" if len(known) == 1 else f"there are {some}" if known else f"there is no {what} yet"
    asked = f"no {what} was named" if name is None else f"there is no {what} {name[:60]!r}"
    raise NotFoundError(f"{asked}; {there}")
