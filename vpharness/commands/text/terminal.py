"""Tables for people: whole where they are piped, and within the width of a terminal where they are read on one."""

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from vpharness.errors import VpharnessError

UNLIMITED: Final = 10_000
"""The width of what is piped: a line ends where its text does."""
_HEADING_LINES: Final = 3
_SHORT: Final = 7
"""A heading of so many characters stands on one line."""
_GAP: Final = 2
_TOGETHER: Final = "[95 %]"
"""What is never broken: beside the lines of another heading its parts would be read as part of that."""
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"

Columns = Mapping[str, Sequence[str]]
"""The cells of a table's columns, by their headings."""


def terminal_width() -> int:
    """Return how many characters fit on a line of standard output: without a terminal, any number."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else UNLIMITED


def console() -> Console:
    """Return where text for people is printed: standard output, as wide as it is."""
    return Console(width=terminal_width(), highlight=False, markup=False)


def print_table(columns: Columns, *, texts: Collection[str] = (), key: str | None = None) -> None:
    """Print a table of columns of equal length, by their headings.

    Where it is wider than the terminal, the columns that do not fit follow as a second table below it, and so on, as a
    wide frame of pandas is printed: nothing is cut. What is piped has all columns side by side.

    Args:
        columns: the cells.
        texts: the headings of columns that stand to the left; the others, which are numbers, stand to the right.
        key: the heading of the column that names a row, which each of these tables has.
    """
    out = console()
    for number, part in enumerate(_fitting(columns, terminal_width(), key)):
        if number:
            out.print()
        out.print(_table_of(part, texts))


def _fitting(columns: Columns, width: int, key: str | None) -> Iterator[Columns]:
    """Yield the columns of each table, none wider than `width` unless one column with the key is."""
    sizes = {name: _size(name, cells) + _GAP for name, cells in columns.items()}
    if sum(sizes.values()) - _GAP <= width:
        yield columns
        return
    own = [name for name in columns if name != key]
    part: list[str] = []
    room = width + _GAP - sizes.get(str(key), 0)
    for name in own:
        if part and sum(sizes[each] for each in part) + sizes[name] > room:
            yield _chosen(columns, part, key)
            part = []
        part.append(name)
    yield _chosen(columns, part, key)


def _chosen(columns: Columns, names: Sequence[str], key: str | None) -> Columns:
    return {name: cells for name, cells in columns.items() if name in names or name == key}


def _size(heading: str, cells: Sequence[str]) -> int:
    return max(map(len, (*_heading(heading, cells), *cells)))


def _heading(heading: str, cells: Sequence[str]) -> list[str]:
    """Return a heading in the lines that it takes above its cells: as narrow as they are, but three lines at most."""
    kept = heading.replace(_TOGETHER, _TOGETHER.replace(" ", _NO_BREAK))
    longest = max(map(len, (*kept.replace("-", "- ").split(" "), *cells)), default=1)
    width = max(longest, min(len(heading), _SHORT), 1)
    while len(lines := textwrap.wrap(kept, width)) > _HEADING_LINES:
        width += 1
    return [line.replace(_NO_BREAK, " ") for line in lines] or [""]


def _table_of(columns: Columns, texts: Collection[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for name, cells in columns.items():
        heading = "\n".join(_heading(name, cells))
        justify = "left" if name in texts else "right"
        table.add_column(heading, no_wrap=True, vertical="bottom", justify=justify)  # type: ignore[arg-type]  # a literal
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def minute_text(time_ns: int) -> str:
    """Return a time since the Unix epoch, to the minute."""
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def span_text(span_ns: int) -> str:
    """Return a length of time, in hours, or in minutes or seconds where it is short."""
    seconds = span_ns / 1e9
    if seconds < 60:
        return f"{seconds:.3g} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 0.1 * 3600 else f"{seconds / 3600:.2f} hours"


def raise_each(sentences: Sequence[str]) -> None:
    """Raise VpharnessError where there are any sentences, with each in a line of its own on standard error."""
    for sentence in sentences[:-1]:
        print(f"vpharness: {sentence}", file=sys.stderr, flush=True)
    if sentences:
        raise VpharnessError(sentences[-1])
