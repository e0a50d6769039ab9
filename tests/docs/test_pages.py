"""The pages of the documentation: commands that work, links that lead somewhere, and no key that is not one."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.config.server_parameters import ServeCommand
from tests.commands.test_cli import PROJECT
from tests.docs.command_line import PAGE, command_line_page
from tests.docs.figures import SCENES
from tests.docs.figures import picture as signal_picture
from tests.docs.markdown import SERVER, Count, anchors, command_lines, links, run_page
from tests.docs.screenshot import PICTURE, picture
from vpharness.commands.command_table import COMMANDS
from vpharness.config.help_text import command_help
from vpharness.config.search_path import conf_folder
from vpharness.docs import FOLDER, DocsPage, pages

PAGES = {page.topic: page for page in pages()}
RUN = {
    "tutorial": Count(commands=9, servers=1),
    "how-to/datasets": Count(programs=1, commands=11),
    "how-to/collections": Count(programs=2, commands=7),
    "how-to/serve": Count(commands=1, servers=1),
    "how-to/own-source": Count(files=2, programs=1, commands=2),
    "how-to/feed": Count(files=2, servers=1),
    "how-to/own-signal": Count(files=2, programs=1, commands=4),
    "how-to/own-learned-signal": Count(files=2, commands=4),
    "how-to/campaigns": Count(commands=6),
    "how-to/compare": Count(commands=7),
    "how-to/walk-forward": Count(commands=2),
    "how-to/promote": Count(commands=1),
}
"""What pages hold that is written or run, in the order in which they share a lake: the tutorial finds it empty."""
LONG = {"tutorial", "how-to/campaigns", "how-to/own-learned-signal"}
"""Pages whose commands take a quarter of a minute of the processor or more: they are run with the slow proofs."""
RUN_IN_ANOTHER_TEST = {"how-to/use-from-python"}
"""Pages whose blocks follow one another as the cells of a notebook do: `tests/api` runs them."""
LONGEST_SUMMARY = 140


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, with its lake, in which the commands of all pages are run."""
    return tmp_path_factory.mktemp("docs")


@pytest.mark.parametrize(
    "topic", [pytest.param(topic, marks=pytest.mark.slow) if topic in LONG else topic for topic in RUN]
)
def test_every_command_and_program_of_a_page_works(topic: str, folder: Path) -> None:
    """In the order of the page: each exits with 0 and prints something. No page needs another one's datasets."""
    assert run_page(PAGES[topic].text, folder) == RUN[topic]


def test_no_blank_line_cuts_a_table() -> None:
    """The rows behind it would be shown as text: every run of rows begins with the names of its columns."""
    for topic, page in PAGES.items():
        rows = re.findall(r"(?:\A|(?<=\n\n)|(?<=[^|]\n))((?:\|.*\n)+)", page.text)
        assert all(re.match(r"\|.*\n\|[-:| ]+\|\n", table) for table in rows), topic


def test_no_page_with_commands_is_forgotten() -> None:
    """A page that has blocks to be run is among those that are."""
    with_blocks = {topic for topic, page in PAGES.items() if re.search(r"^```(bash|python)$", page.text, re.MULTILINE)}
    assert with_blocks - RUN_IN_ANOTHER_TEST == set(RUN)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_has_a_title_a_summary_and_links_that_lead_somewhere(page: DocsPage) -> None:
    """Pages, anchors and pictures that a page names are there."""
    assert page.text.startswith("# ")
    assert 0 < len(page.summary) <= LONGEST_SUMMARY
    assert list(_broken(page)) == []


def _broken(page: DocsPage) -> Iterator[str]:
    for link in links(page.text):
        name, _, anchor = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        is_there = target.is_file() and target.is_relative_to(FOLDER)
        known = anchors(target.read_text(encoding="utf-8")) if is_there and anchor else set()
        if not is_there or (anchor and anchor not in known):
            yield link


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_files_of_the_project_that_a_page_names_are_there(page: DocsPage) -> None:
    """A path in code, such as `vpharness/signals/` or `tests/naive*.py`; what the map was is left alone."""
    text = page.text.partition("## What the map was")[0]
    named = re.findall(r"`((?:vpharness|runtime|tests|conf|\.ci)/[\w./*-]+)`", text)
    assert [path for path in named if not any(PROJECT.glob(path.replace("/*", "/**/*")))] == []


def test_every_page_can_be_reached_from_the_first_one() -> None:
    """Following links from `index` one comes to every page."""
    reached, waiting = set(), [FOLDER / "index.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md" or not path.is_file():
            continue
        reached.add(path)
        names = (link.partition("#")[0] for link in links(path.read_text(encoding="utf-8")))
        waiting += [(path.parent / name).resolve() for name in names if name]
    assert {page.path for page in PAGES.values()} - reached == set()


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_commands_that_are_only_shown_have_keys_that_exist(page: DocsPage) -> None:
    """A command in a `console` block is one, and so is each of its keys."""
    for line in command_lines(page.text, "console"):
        assert list(_unknown(line)) == [], line


def _unknown(line: str) -> Iterator[str]:
    words = [word for word in shlex.split(line, comments=True)[3:] if word not in {"-m", "-c"}]
    if "--config-dir" in words:
        place = words.index("--config-dir")
        del words[place : place + 2]
    if line.startswith(SERVER):
        known = command_help(SERVER, ServeCommand, conf_folder(), words=())
    else:
        named = [name for name in (" ".join(words[:2]), words[0] if words else "") if name in COMMANDS]
        name = named[0] if named else "run"
        if not named and words and "=" not in words[0] and not words[0].startswith("-"):
            yield words[0]
        command = COMMANDS[name]
        known = command_help(name, command.schema, conf_folder(), words=())
        known += "".join(f"\n  {key} " for key in command.renamed)
    for word in words:
        key = re.sub(r"\.\d+$", "", word.lstrip("+").partition("=")[0])
        if line.startswith(SERVER):  # a feed's own keys are those of a single one
            key = re.sub(r"^feeds\.[\w-]+(?:\.|$)", "", key) or "feed"
        is_key = "=" in word and not key.startswith(
            ("hydra", "challengers.", "tracking.tags.", "signal.", "experiment")
        )
        if is_key and f"\n  {key} " not in known and f"\n{key}=" not in known:
            yield key


def test_the_reference_of_the_command_line_is_what_the_dataclasses_say() -> None:
    """Generated: `python -m tests.docs.command_line` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == command_line_page()


def test_the_picture_of_a_ranking_is_what_the_tutorial_shows() -> None:
    """Drawn: `python -m tests.docs.screenshot` draws it anew. It names no address that a viewer would fetch."""
    drawn = PICTURE.read_text(encoding="utf-8")
    assert drawn == picture()
    assert "url(http" not in drawn


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_the_picture_of_a_signal_is_what_the_signal_says(name: str) -> None:
    """Drawn: `python -m tests.docs.figures` draws them anew."""
    assert (FOLDER / "figures" / f"{name}.svg").read_text(encoding="utf-8") == signal_picture(name)


def test_every_source_stands_in_the_table_of_real_data() -> None:
    """A YAML of the group is all that makes a source, and the page that users read first lists it."""
    page = (FOLDER / "how-to" / "real-data.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {path.stem for path in (conf_folder() / "source").glob("*.yaml")} <= listed
