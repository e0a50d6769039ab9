"""The README's commands are those of the tutorial, and its install lines those of the continuous integration."""

from tests.commands.test_cli import PROJECT
from tests.docs.markdown import command_lines, links
from vpharness.docs import page_of

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = 5
INSTALLING = {"python -m vpharness run signal=ads"}
"""What is run by the line that installs."""
MOST_LINES = 130


def test_every_command_of_the_readme_is_one_that_the_tutorial_runs() -> None:
    """The page's commands are run where the tutorial is tested, in its order, and not a second time."""
    commands = [line for line in command_lines(README, "bash") if line not in INSTALLING]
    tutorial = list(command_lines(page_of("tutorial").text, "bash"))
    places = [tutorial.index(line) for line in commands]
    assert len(places) == COMMANDS
    assert places == sorted(places)


def test_the_install_lines_are_what_the_continuous_integration_runs() -> None:
    """The page and the script install, begin and test in the same way."""
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    for words in (
        "pip install -c .ci/constraints.txt -e . && python -m vpharness run signal=ads",
        "pip install -c .ci/constraints.txt -e '.[dev]' && pytest",
    ):
        assert words in README
        assert words in script


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    """A page that is read in five minutes; every file that it names is there."""
    assert README.count("\n") <= MOST_LINES
    assert [link for link in links(README) if not (PROJECT / link.partition("#")[0]).exists()] == []
