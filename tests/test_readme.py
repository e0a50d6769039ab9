"""The README's commands are run as they stand; only its install lines are left to the continuous integration."""

from pathlib import Path

from tests.commands.test_cli import PROJECT
from tests.docs.markdown import Count, links, run_page

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COUNT = Count(commands=6, programs=0, servers=1)
MOST_LINES = 130


def test_every_command_and_program_of_the_readme_works(tmp_path: Path) -> None:
    """In the order of the page, in one empty folder: each exits with 0 and prints something."""
    assert run_page(README, tmp_path) == COUNT


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
