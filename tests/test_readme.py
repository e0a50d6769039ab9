"""The README's commands are run as they stand; only its install line is left to the continuous integration."""

import contextlib
import re
import shlex
from pathlib import Path

from tests.tasks.test_cli import PROJECT, in_process

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_every_command_and_program_of_the_readme_works(tmp_path: Path) -> None:
    """In the order of the page, in one empty folder: each exits with 0 and prints something."""
    ran = 0
    for language, text in re.findall(r"```(bash|python)\n(.*?)```", README, flags=re.DOTALL):
        if language == "python":
            with contextlib.chdir(tmp_path):
                exec(compile(text, "README.md", "exec"), {})  # noqa: S102  # the page's own program
            ran += 1
            continue
        for line in text.splitlines():
            if line.startswith("python -m vpharness"):
                said = in_process(tmp_path, *shlex.split(line)[3:])
                assert said.returncode == 0, (line, said.stderr)
                assert said.stdout, line
                ran += 1
    assert ran == 17


def test_the_install_line_is_what_the_continuous_integration_runs() -> None:
    """The page and the script install and begin in the same way."""
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    for words in ("pip install -c .ci/constraints.txt -e '.[dev]'", "python -m vpharness run"):
        assert words in README
        assert words in script
