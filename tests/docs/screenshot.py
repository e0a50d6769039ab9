"""The picture of a ranking in the README: what the tutorial shows of `compare`, as SVG.

`python -m tests.docs.screenshot` draws `vpharness/docs/figures/compare.svg`. It comes after `tests.docs.outputs`, which
brings what the tutorial shows up to date.
"""

import io
import re
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from vpharness.docs import FOLDER, page_of

PICTURE: Final = FOLDER / "figures" / "compare.svg"
_SHOWN: Final = re.compile(r"```bash\n(python -m vpharness compare top=\d+)\n```\n\n```text\n(.*?)```", re.DOTALL)
_ROW: Final = re.compile(r" [0-9a-f]{16}$")
"""What ends a row of the table, which is as wide as the picture; lines that are longer go on in the next."""
_ELSEWHERE: Final = re.compile(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", re.DOTALL)
"""What names addresses: fonts that a viewer would fetch, and a comment."""


def picture() -> str:
    """Return the ranking that the tutorial shows as the picture of a terminal, in a font of the reader's own."""
    found = _SHOWN.search(page_of("tutorial").text)
    assert found is not None
    command, lines = found[1], found[2].rstrip().splitlines()
    console = Console(
        record=True,
        width=max(len(line) for line in lines if _ROW.search(line)) + 1,
        file=io.StringIO(),
        highlight=False,
    )
    for line in lines:
        console.print(Text(line, style="bold" if line.startswith("*") else ""))
    code_format = _ELSEWHERE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "DejaVu Sans Mono")
    return console.export_svg(title=command, code_format=code_format, unique_id="compare")


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
