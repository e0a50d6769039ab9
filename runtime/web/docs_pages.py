"""The documentation at `/docs`: the package's Markdown pages as HTML, with their figures.

All files of the folder are read and rendered together, once, when the first of them is asked for. After that a request
is looked up by name among them, so no path can lead out of the folder. Markdown is rendered without raw HTML: tags in
a page appear as text. Nothing a page contains is executed, and the headers of every answer forbid it besides.

A link from page to page is written as the file that it leads to (`how-to/own-signal.md#anchor`), so that it works in
any viewer of Markdown; here it leads to the rendered page. A link to anything that is not served becomes plain text.
"""

import functools
import itertools
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

import vpharness
from runtime.web.page_files import CONTENT_TYPES, PageFile

DOCS_FOLDER: Final = Path(vpharness.__file__).resolve().parent / "docs"
INDEX: Final = "index"

FIGURE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
}
"""Headers of figures: drawings carry styles of their own, and nothing in them may run."""

_FIRST: Final = (INDEX, "tutorial")
_SECTIONS: Final = ("", "how-to", "reference", "explanation")
"""The folders of the documentation in the order in which they are listed; others follow by name."""

_CURRENT: Final = ' aria-current="page"'
_FIGURES: Final = frozenset({".svg", ".png"})
_NOT_IN_SLUGS: Final = re.compile(r"[^\w\- ]")
_TITLE: Final = re.compile(r"^# +(.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class _Heading:
    """A heading of a page: its level, the id that links lead to, and its text."""

    level: int
    anchor: str
    text: str


@functools.cache
def docs_files(folder: Path) -> Mapping[str, PageFile]:
    """Return the pages and figures of the documentation by their path below `/docs/`; none where there is no folder.

    A page has the path of its file, with and without `.md`; the index also has the empty path.
    """
    sources = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.md"))
    }
    titles = {path: _title_of(path, text) for path, text in sources.items()}
    found = {
        path.relative_to(folder).as_posix(): PageFile(path.read_bytes(), CONTENT_TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in _FIGURES
    }
    figures = set(found)
    for path, text in sources.items():
        page = PageFile(_page(path, text, titles, figures).encode(), CONTENT_TYPES[".html"])
        found[path] = found[f"{path}.md"] = page
    if INDEX in found:
        found[""] = found[INDEX]
    return found


def _title_of(path: str, text: str) -> str:
    """Return the title of a page: its first heading, or the name of its file where it has none."""
    heading = _TITLE.search(text)
    return heading[1].replace("`", "") if heading else path.rpartition("/")[2].replace("-", " ")


def _page(path: str, text: str, titles: Mapping[str, str], figures: Collection[str]) -> str:
    """Return a page as HTML, between the list of all pages and the list of its own headings."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = renderer.parse(text)
    headings = list(_with_anchors(tokens))
    for token in tokens:
        _align_by_class(token)
        if token.children is not None:
            token.children = list(_with_links(token.children, path, titles, figures))
    body = renderer.renderer.render(tokens, renderer.options, {})
    root = "../" * (path.count("/") + 1)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{escape(titles[path])} &ndash; vpharness</title>
<link rel="icon" href="{root}assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{root}assets/docs-style.css">
<script src="{root}assets/docs.js"></script>
</head>
<body>
<nav id="pages" aria-label="All pages">
<p><a href="{root}">Live page</a></p>
{_list_of_pages(path, titles)}
</nav>
<main>
{body}</main>
{_list_of_headings(headings)}
</body>
</html>
"""


def _with_anchors(tokens: Sequence[Token]) -> Iterator[_Heading]:
    """Give every heading an id made of its text, as other viewers of Markdown do, and yield the headings."""
    seen: dict[str, int] = {}
    for token, inline in itertools.pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or () if child.type in {"text", "code_inline"})
        slug = _NOT_IN_SLUGS.sub("", text.lower()).strip().replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        anchor = f"{slug}-{count}" if count else slug
        token.attrSet("id", anchor)
        yield _Heading(int(token.tag[1:]), anchor, text)


def _align_by_class(token: Token) -> None:
    """Align a cell of a table by a class: the policy of the answer forbids styles in attributes."""
    style = token.attrs.pop("style", None)
    if style is not None:
        token.attrSet("class", str(style).replace("text-align:", ""))


def _with_links(
    tokens: Sequence[Token], page: str, titles: Mapping[str, str], figures: Collection[str]
) -> Iterator[Token]:
    """Yield the tokens of a paragraph with links to rendered pages; links and images that lead nowhere as text."""
    is_dropped = False
    for token in tokens:
        if token.type == "link_open":
            href = _href(str(token.attrGet("href") or ""), page, titles, figures)
            is_dropped = href is None
            if href is not None:
                token.attrSet("href", href)
                if urlsplit(href).scheme:
                    token.attrSet("rel", "noreferrer")
                yield token
        elif token.type == "image":
            source = _href(str(token.attrGet("src") or ""), page, titles, figures)
            is_here = source is not None and not urlsplit(source).scheme
            yield token if is_here else Token("text", "", 0, content=token.content)
        elif token.type != "link_close" or not is_dropped:
            yield token


def _href(written: str, page: str, titles: Mapping[str, str], figures: Collection[str]) -> str | None:
    """Return where a link of a page leads once it is rendered; None where nothing is served there."""
    target = urlsplit(written)
    if target.scheme in {"http", "https"} or (not target.path and target.fragment):
        return written
    folder = posixpath.dirname(page)
    path = posixpath.normpath(posixpath.join(folder, unquote(target.path)))
    if path in figures:
        return written
    if target.scheme or target.netloc or path.removesuffix(".md") not in titles:
        return None
    fragment = f"#{target.fragment}" if target.fragment else ""
    return _relative(path.removesuffix(".md"), page) + fragment


def _relative(path: str, page: str) -> str:
    """Return the address of a page relative to that of another one."""
    return posixpath.relpath(path, posixpath.dirname(page) or ".")


def _list_of_pages(page: str, titles: Mapping[str, str]) -> str:
    """Return the table of contents of the documentation: its pages by folder, the one that is shown marked."""
    by_folder: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    for path in sorted(titles, key=lambda path: (path not in _FIRST, path)):
        by_folder.setdefault(posixpath.dirname(path), []).append(path)
    lines = []
    for folder, paths in by_folder.items():
        if not paths:
            continue
        lines += [f"<h2>{escape(folder.replace('-', ' ').capitalize())}</h2>"] if folder else []
        items = (
            f'<li><a href="{escape(_relative(path, page))}"{_CURRENT if path == page else ""}>'
            f"{escape(titles[path])}</a></li>"
            for path in paths
        )
        lines += ["<ul>", *items, "</ul>"]
    return "\n".join(lines)


def _list_of_headings(headings: Sequence[_Heading]) -> str:
    """Return the headings of a page below its title, down to the third level."""
    items = [
        f'<li class="level-{each.level}"><a href="#{escape(each.anchor)}">{escape(each.text)}</a></li>'
        for each in headings
        if each.level in {2, 3}
    ]
    if not items:
        return ""
    head = '<nav id="contents" aria-label="On this page">'
    return "\n".join([head, "<h2>On this page</h2>", "<ul>", *items, "</ul>", "</nav>"])
