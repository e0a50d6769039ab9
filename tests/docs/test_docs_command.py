"""The command `docs`: a list of topics, a page, and a topic that is misspelt."""

from pathlib import Path

import pytest

from tests.commands.test_cli import in_process
from tests.docs.markdown import anchors, command_lines, links
from vpharness.commands import docs
from vpharness.docs import FOLDER, entry_of, glossary, page_of, pages
from vpharness.errors import ConfigError


def test_without_a_topic_every_page_is_listed_with_one_line(tmp_path: Path) -> None:
    """The tutorial comes before guides, and the list says how one of them is read."""
    lines = in_process(tmp_path, "docs").stdout.splitlines()
    listed = [line.split()[0] for line in lines[:-2]]
    assert listed == [page.topic for page in pages()]
    assert listed[:2] == ["index", "tutorial"]
    assert lines[-1] == "python -m vpharness docs TOPIC reads one of them."


@pytest.mark.parametrize("topic", ["reference/glossary", "glossary", "GLOSSARY", "reference/glossary.md"])
def test_a_page_is_printed_as_it_is_written_where_nobody_looks(tmp_path: Path, topic: str) -> None:
    """Piped, a page is its Markdown; its name may be short."""
    printed = in_process(tmp_path, "docs", topic)
    assert printed.stdout == (FOLDER / "reference" / "glossary.md").read_text(encoding="utf-8")


def test_a_topic_that_is_misspelt_is_told_what_was_meant(tmp_path: Path) -> None:
    """One line on standard error, with the nearest topic; exit code 2."""
    told = in_process(tmp_path, "docs", "tutorail")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == (
        "vpharness: there is no topic 'tutorail' in the documentation, and no such term in its glossary; "
        "did you mean tutorial?\n"
    )
    assert "did you mean reference/glossary?" in in_process(tmp_path, "docs", "glosary").stderr
    assert "python -m vpharness docs lists them" in in_process(tmp_path, "docs", "xyzzy").stderr


def test_a_word_that_is_no_topic_is_looked_for_in_titles_and_then_on_the_pages(tmp_path: Path) -> None:
    """The page that it is in the title of, or those that hold it."""
    assert page_of("figure").topic == "how-to/add-an-evaluation-figure"
    for word in ("clamped_ts", "unknown_cancel"):
        assert "the word is on reference/spec" in in_process(tmp_path, "docs", word).stderr
    with pytest.raises(ConfigError, match=r"the word is on .* and \d+ more"):
        page_of("which")


def test_on_a_terminal_a_page_is_typeset_in_a_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pager is given has no Markdown in it any more."""
    shown: list[str] = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("pydoc.pager", shown.append)
    monkeypatch.delenv("LESS", raising=False)
    docs.print_page(page_of("reference/glossary"))
    (text,) = shown
    assert "Glossary" in text
    assert "# Glossary" not in text


def test_on_a_terminal_links_name_topics() -> None:
    """A link to another page says what to ask for; one to a picture stays."""
    text = docs.with_topics(page_of("how-to/own-signal"))
    assert "(reference/spec)" in text
    assert "(how-to/operator)" in text
    assert ".md#" not in text
    assert "(../figures/ads.svg)" in docs.with_topics(page_of("signals"))


def test_links_anchors_and_commands_are_found_in_a_page() -> None:
    """Code is no link, and a continued line is one command."""
    page = (
        "# A *title*, here\n[a](b.md#c) `[no](link)`\n```console\nX=1 python -m vpharness a \\\n  b=1\n$ ls\n```\n"
        "## `verify`\n"
    )
    assert links(page) == ["b.md#c"]
    assert anchors(page) == {"a-title-here", "verify"}
    assert list(command_lines(page, "console")) == ["python -m vpharness a    b=1"]


@pytest.mark.parametrize("words", [["p", "adj"], ["p adj."], ["P adjusted"]])
def test_a_term_is_explained_from_the_glossary(words: list[str], tmp_path: Path) -> None:
    """As it stands in a table or in prose, one word or several."""
    told = in_process(tmp_path, "docs", *words)
    assert told.stdout.startswith("p adjusted, p adj.: the p-value corrected for multiple testing"), told.stderr


def test_every_entry_of_the_glossary_is_found_under_each_of_its_terms() -> None:
    """None is written in a way that the search misses."""
    entries = glossary()
    page = page_of("glossary").text
    assert len(entries) == page.count("\n- **")
    assert all(entry_of(term) is not None for entry in entries for term in entry.terms)
