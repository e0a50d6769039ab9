"""The picture of a ranking in the README: what `compare` prints after the tutorial's sweep, as SVG.

`python -m tests.docs.screenshot` runs that sweep in a folder of its own and draws `vpharness/docs/figures/compare.svg`.
"""

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.commands.test_cli import PROJECT
from tests.docs.markdown import command_lines
from vpharness.docs import FOLDER, page_of

PICTURE: Final = FOLDER / "figures" / "compare.svg"
LAST: Final = "python -m vpharness compare top="
_FONTS: Final = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def picture(printed: str, command: str) -> str:
    """Return what a command printed as the picture of a terminal: with a font of the reader's own."""
    lines = printed.rstrip().splitlines()
    console = Console(record=True, width=max(map(len, lines)) + 1, file=io.StringIO(), highlight=False)
    for line in lines:
        console.print(Text(line, style="bold" if line.startswith("* ") else ""))
    code_format = _FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "DejaVu Sans Mono")
    return console.export_svg(title=command, code_format=code_format, unique_id="compare")


def main() -> None:
    """Run the tutorial up to its ranking, and draw that."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "VPHARNESS_LAKE": str(Path(folder) / "lake")}
        for line in command_lines(page_of("tutorial").text, "bash"):
            command = [sys.executable, *shlex.split(line)[1:]]
            ran = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # ours
            if line.startswith(LAST):
                PICTURE.write_text(picture(ran.stdout, line), encoding="utf-8")
                return


if __name__ == "__main__":
    main()
