"""The command `docs`: the pages of `vpharness/docs`, on the terminal."""

import os
import posixpath
import re
import sys
from typing import Any, Final

from rich.console import Console
from rich.markdown import Markdown

from vpharness.docs import DocsPage, entry_of, page_of, pages

_LINK_TO_PAGE: Final = re.compile(r"\]\(([\w./-]+)\.md(?:#[^)]*)?\)")


def run_docs(config: Any) -> None:
    """Print a page of the documentation, an entry of its glossary, or the list of topics where none is given."""
    if config.topic is None:
        print_topics()
    elif (entry := entry_of(str(config.topic))) is not None:
        print(entry.text.replace("**", "").replace("\\", ""))
        print("\npython -m vpharness docs glossary has the other terms.")
    else:
        print_page(page_of(str(config.topic)))


def print_topics() -> None:
    """Print every topic with the first sentence of its page."""
    found = pages()
    width = max(len(page.topic) for page in found) + 2
    for page in found:
        print(f"{page.topic:<{width}}{page.summary}")
    print("\npython -m vpharness docs TOPIC reads one of them.")


def print_page(page: DocsPage) -> None:
    """Print a page: typeset and in a pager on a terminal, and as it is written where the output goes elsewhere."""
    if not sys.stdout.isatty():
        print(page.text, end="")
        return
    # Most systems' pager shows colours, and lets a short page be, only when it is told to.
    os.environ.setdefault("LESS", "-RFX")
    console = Console()
    with console.pager(styles=True):
        console.print(Markdown(with_topics(page), hyperlinks=False))


def with_topics(page: DocsPage) -> str:
    """Return a page whose links to other pages name their topics: on a terminal they are read, not followed."""
    folder = page.topic.rpartition("/")[0]

    def topic(found: re.Match[str]) -> str:
        return f"]({posixpath.normpath(posixpath.join(folder, found[1]))})"

    return _LINK_TO_PAGE.sub(topic, page.text)
