"""The documentation: Markdown pages in this folder, found by their topic.

A topic is the path of a page without its ending, such as `tutorial` or `how-to/own-signal`; the last part alone is
enough where it belongs to one page. The first line of a page is its title, and the first sentence below says what its
reader gets.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpharness.errors import ConfigError
from vpharness.wording import first_named, near_names

FOLDER: Final = Path(__file__).resolve().parent
"""Where the pages lie."""

SECTIONS: Final = ("", "how-to", "explanation", "reference")
"""The folders of pages, in the order in which they are listed; those at the top come first."""
_FIRST: Final = ("index", "tutorial")
_LAST: Final = ("CONTRIBUTING", "CHANGELOG")
_ENTRY: Final = re.compile(r"^- (\*\*.*(?:\n  .*)*)", re.MULTILINE)
_TERMS: Final = re.compile(r"\*\*(.+?)\*\*:")
_MOST_HOLDING: Final = 6
_SENTENCE: Final = re.compile(r"(.+?[.?])(?:\s|$)", re.DOTALL)


@dataclass(frozen=True)
class DocsPage:
    """A page of the documentation.

    Attributes:
        topic: its path below the folder of pages, without `.md`.
        path: the file.
    """

    topic: str
    path: Path

    @property
    def text(self) -> str:
        """The page as it is written, in Markdown."""
        return self.path.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The heading of the page."""
        return self.text.partition("\n")[0].removeprefix("# ")

    @property
    def summary(self) -> str:
        """The first sentence under the heading."""
        body = self.text.partition("\n")[2].strip().partition("\n\n")[0]
        found = _SENTENCE.match(body)
        return " ".join((found[1] if found else body).split())


def pages() -> list[DocsPage]:
    """Return all pages in reading order: the tutorial, how-to guides, explanations, reference, and then the rest."""
    found = [DocsPage(path.relative_to(FOLDER).with_suffix("").as_posix(), path) for path in FOLDER.rglob("*.md")]
    return sorted(found, key=_place)


def page_of(topic: str) -> DocsPage:
    """Return the page of a topic.

    A word that the title of one page alone holds stands for that page. Raises ConfigError where there is none, or where
    the last part of a topic belongs to several; it names the nearest, or the pages that hold the word.
    """
    known = {page.topic: page for page in pages()}
    asked = topic.strip("/").removesuffix(".md").lower()
    by_name = {name: page for name, page in known.items() if name.lower() == asked}
    ending = by_name or {name: page for name, page in known.items() if name.lower().rpartition("/")[2] == asked}
    if len(ending) == 1:
        return next(iter(ending.values()))
    if ending:
        raise ConfigError(f"there are several topics {topic!r}: {', '.join(ending)}")
    endings = {name.lower().rpartition("/")[2]: name for name in known} | {name.lower(): name for name in known}
    if len(named := [page for page in known.values() if _holds(page.title, asked)]) == 1:
        return named[0]
    if named:
        raise ConfigError(f"there are several topics on {topic!r}: {', '.join(page.topic for page in named)}")
    near = [endings[each] for each in difflib.get_close_matches(asked, [*endings], n=3, cutoff=0.6)]
    near += [term for term in near_names(topic, [term for entry in glossary() for term in entry.terms]) if not near]
    advice = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "python -m vpharness docs lists them"
    if holding := [page.topic for page in known.values() if asked and _holds(page.text, asked)]:
        advice = f"the word is on {first_named(holding, _MOST_HOLDING)}"
    raise ConfigError(f"there is no topic {topic!r} in the documentation, and no such term in its glossary; {advice}")


def _holds(text: str, word: str) -> bool:
    """Whether a text holds a word, or several in a row, in any case, and not as part of a longer one."""
    return re.search(rf"(?<!\w){re.escape(word)}s?(?!\w)", text, re.IGNORECASE) is not None


@dataclass(frozen=True)
class GlossaryEntry:
    """An entry of the glossary.

    Attributes:
        terms: those that it explains, as they are written in tables.
        text: the entry, in Markdown.
    """

    terms: tuple[str, ...]
    text: str


def glossary() -> list[GlossaryEntry]:
    """Return the entries of the glossary, in its order."""
    page = (FOLDER / "reference" / "glossary.md").read_text(encoding="utf-8")
    entries = [" ".join(found.split()) for found in _ENTRY.findall(page)]
    return [
        GlossaryEntry(
            tuple(term.strip().lstrip("\\") for bold in _TERMS.findall(entry) for term in bold.split(",")), entry
        )
        for entry in entries
    ]


def entry_of(term: str) -> GlossaryEntry | None:
    """Return the entry of the glossary that explains a term, in any case and with or without its last full stop."""
    asked = term.strip().rstrip(".").lower()
    found = [entry for entry in glossary() if asked in {each.rstrip(".").lower() for each in entry.terms}]
    return found[0] if found else None


def _place(page: DocsPage) -> tuple[int, int, str]:
    section, _, name = page.topic.rpartition("/")
    if name in _LAST:
        return len(SECTIONS), _LAST.index(name), name
    return SECTIONS.index(section), _FIRST.index(name) if name in _FIRST else len(_FIRST), name
