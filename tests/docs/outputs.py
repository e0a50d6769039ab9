"""Bringing what a page shows up to date: the `text` block behind a `bash` block is what its commands print.

`python -m tests.docs.outputs TOPIC …` runs the commands of each page in a folder of its own, and rewrites those blocks.
Progress, which goes to standard error, is left out.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.commands.test_cli import PROJECT
from tests.docs.markdown import SERVER, command_lines, files_in, filled_in, first_line, run_program, write_file
from vpharness.docs import page_of

_PIECE: Final = re.compile(r"^```(\w+)\n(.*?)^```\n(?:(\n)```text\n.*?^```\n)?", re.DOTALL | re.MULTILINE)

_HOME: Final = "/home/you"
"""Stands for the folder that the commands were run in."""


def refreshed(text: str, folder: Path) -> str:
    """Return a page with what its commands print now, run in a folder."""

    def again(found: "re.Match[str]") -> str:
        language, body, shown = found.groups()
        block = f"```{language}\n{body}```\n"
        if language == "bash":
            printed = "".join(_printed(line, folder) for line in command_lines(block, "bash"))
            return f"{block}\n```text\n{printed}```\n" if shown else block
        if language in {"python", "yaml"}:
            for name, content in files_in(block):
                write_file(folder, name, content)
            if language == "python" and not list(files_in(block)):
                run_program(body, folder)
        return found[0]

    return _PIECE.sub(again, text)


def _printed(line: str, folder: Path) -> str:
    words = shlex.split(line, comments=True)[3:]
    if line.startswith(SERVER):
        return first_line(folder, words)
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{folder}"}
    command = [sys.executable, "-m", "vpharness", *filled_in(words, folder)]
    print(f"$ {line}", file=sys.stderr)
    ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  # ours
    if ran.returncode:
        print(f"exit code {ran.returncode}: {line}", file=sys.stderr)
    return "".join(f"{each.rstrip()}\n" for each in ran.stdout.replace(str(folder), _HOME).splitlines())


def main(topics: list[str]) -> None:
    """Refresh the pages of some topics."""
    for topic in topics:
        page = page_of(topic)
        with tempfile.TemporaryDirectory() as folder:
            page.path.write_text(refreshed(page.text, Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
