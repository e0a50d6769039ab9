"""The README's commands are run as they stand; only its install line is left to the continuous integration."""

import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_every_command_and_program_of_the_readme_works(tmp_path: Path) -> None:
    """In the order of the page, in one empty folder: each exits with 0 and prints something."""
    blocks = re.findall(r"```(bash|python)\n(.*?)```", README, flags=re.DOTALL)
    programs = []
    for language, text in blocks:
        if language == "python":
            programs.append([sys.executable, "-c", text])
            continue
        lines = [line for line in text.splitlines() if line.startswith("python -m vpharness")]
        programs += [[sys.executable, *line.split()[1:]] for line in lines]
    assert len(programs) == 6
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    for program in programs:
        run = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # the README's own
        assert run.returncode == 0, (program, run.stderr)
        assert run.stdout


def test_the_install_line_is_what_the_continuous_integration_runs() -> None:
    """The page and the script install in the same way."""
    install = "pip install -c .ci/constraints.txt -e '.[dev]'"
    assert install in README
    assert install in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
