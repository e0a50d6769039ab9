"""Addresses of the board's pages: the links between them, and those that other places show."""

from typing import Any, Final
from urllib.parse import urlencode

BOARD_PORT: Final = 8766
"""Where the command `board` listens unless it is told otherwise."""

_DEFAULT: Final = f"http://127.0.0.1:{BOARD_PORT}/board/"


def page_address(page: str, /, **query: Any) -> str:
    """Return the address of a page of the board, relative to any other one; keys without a value are left out."""
    kept = {name: str(value) for name, value in query.items() if value not in {None, ""}}
    return (page or "./") + (f"?{urlencode(kept)}" if kept else "")


def board_note(what: str, page: str, /, **query: Any) -> str:
    """Return a sentence in Markdown that says how the board is opened, and leads to a page of it."""
    address = page_address(page, **query).removeprefix("./")
    return f"On the board (`python -m vpharness board`): [{what}]({_DEFAULT}{address})"
