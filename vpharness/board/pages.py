"""What every page of the board has: navigation, heading, state of the ranking, and its figures as plain values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

from vpharness.board.ledger_watch import Seen
from vpharness.board_address import page_address
from vpharness.commands.text.terminal import minute_text
from vpharness.results.report.markup import Content, element

PAGES: Final = (
    ("", "Leaderboard"),
    ("campaigns", "Campaigns"),
    ("walk-forward", "Walk-forward"),
    ("datasets", "Datasets"),
    ("promoted", "Promoted"),
)
"""The pages of the navigation: address below the board, and name."""

STYLE_SHEET, SCRIPT, ICON = "board.css", "board.js", "icon.svg"


@dataclass(frozen=True)
class Page:
    """A page as it was made.

    Attributes:
        title: its heading.
        content: what stands below that.
        values: its figures, for programs.
        status: of HTTP.
        place: the address of the page of the navigation that it belongs to.
        refresh_s: after how many seconds a page that has nothing to show yet is asked for again; None: never.
        is_live: whether its elements `data-live` are brought up to date while it is open.
    """

    title: str
    content: Sequence[Content]
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    place: str | None = None
    refresh_s: int | None = None
    is_live: bool = False


def html_of(page: Page, lake_name: str, folders: int = 0) -> str:
    """Return a page as HTML; all its links are relative, and nothing comes from elsewhere.

    Args:
        page: the page.
        lake_name: whose it is, as its header says.
        folders: how many folders below the board's own address it is shown, as where somebody asked for "a/b".
    """
    up = "../" * folders
    links = [
        element("li", element("a", name, href=f"{up}{address}" or "./", **_current(address == page.place)))
        for address, name in PAGES
    ]
    skip = element("a", "To the content", href="#content", class_="skip")
    header = element(
        "header",
        skip,
        element("p", element("a", "vpharness", href=up or "./"), " ", element("span", lake_name), class_="brand"),
        element("nav", element("ul", *links), aria_label="Board"),
        class_="bar",
    )
    live = {"data_live_page": "yes"} if page.is_live else {}
    main = element("main", element("h1", page.title), *page.content, id="content", tabindex="-1", **live)
    refresh = element("meta", http_equiv="refresh", content=str(page.refresh_s)) if page.refresh_s else None
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        refresh,
        element("title", f"{page.title} \N{EN DASH} vpharness"),
        element("link", rel="icon", href=up + ICON, type="image/svg+xml"),
        element("link", rel="stylesheet", href=up + STYLE_SHEET),
        element("script", src=up + SCRIPT, defer="defer") if page.is_live else None,
    )
    whole = element("html", head, element("body", header, main), lang="en")
    return f"<!doctype html>\n{tostring(whole, encoding='unicode', method='html')}\n"


def json_of(page: Page) -> str:
    """Return the figures of a page as JSON; a number that is not there is null."""
    return json.dumps({"title": page.title, **page.values}, indent=1, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _current(is_it: bool) -> dict[str, str]:  # the attribute of the page that is shown
    return {"aria-current": "page"} if is_it else {}


def link(words: Content, page: str, /, **query: Any) -> Element:
    """Return a link to a page of the board; query keys without a value are left out."""
    return element("a", words, href=page_address(page, **query))


def state_note(seen: Seen) -> Element | None:
    """Return what is to be known of a ranking that is not that of the present ledger; None for one that is."""
    if seen.is_current or seen.standing is None:
        return None
    words = f"The ranking of {minute_text(seen.standing.facts.at_ns)}: the ledger has changed since"
    doing = f" and is being ranked, for {seen.busy_s:.0f} s so far." if seen.busy_s else "."
    return element("p", words + doing, " ", "Load the page again to see it.", class_="state", role="status")


def being_ranked(seen: Seen, title: str, place: str | None) -> Page:
    """Return the page that stands in for another one until the ledger has been read and ranked for the first time."""
    words = (
        f"The ledger is being read and ranked, for {seen.busy_s:.0f} s so far. This page shows itself when that is "
        "done; the ranking is kept, so that the next start need not wait."
    )
    return Page(title, [element("p", words, class_="state", role="status")], {"ready": False}, 503, place, 2)


def command(text: str) -> Element:
    """Return a command line as it is typed."""
    return element("pre", element("code", text))


def disclosure(title: str, *content: Content, is_open: bool = False) -> Element:
    """Return a part of a page that is opened by its title."""
    opened = {"open": "open"} if is_open else {}
    return element("details", element("summary", title), *content, **opened)
