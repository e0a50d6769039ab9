"""A page as a reader of HTML sees it: its sections, tables, texts, ids and links."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br"}


@dataclass
class Table:
    """Rows of cells, their texts put together."""

    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """What a page holds; a tag that is not closed, or closed by another one, is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.tables: dict[str, list[Table]] = {}
        self.texts: dict[str, str] = {"": ""}
        self._open: list[tuple[str, str]] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes, and where it stands."""
        self.tags.add(tag)
        known = {name: value or "" for name, value in attrs}
        self.attributes += list(known.items())
        if tag not in VOID:
            self._open.append((tag, self._section))
        if tag == "section":
            self._section = known["id"]
            self.texts[self._section] = ""
        if tag == "table":
            self.tables.setdefault(self._section, []).append(Table())
        if tag == "tr":
            self.tables[self._section][-1].rows.append([])
        if tag in {"td", "th"}:
            self.tables[self._section][-1].rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Check that the tag is the one that was opened last."""
        opened, section = self._open.pop()
        assert opened == tag
        self._section = section if tag == "section" else self._section

    def handle_data(self, data: str) -> None:
        """Add a text to its section, and to its cell."""
        inside = [tag for tag, _ in self._open]
        if "style" in inside:
            return
        self.texts[self._section] += data
        if {"td", "th"} & set(inside):
            self.tables[self._section][-1].rows[-1][-1] += data

    def named(self, attribute: str) -> list[str]:
        """Return every value of an attribute."""
        return [value for name, value in self.attributes if name == attribute]
