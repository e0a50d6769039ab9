"""Tables for people, readable at 100 columns."""

import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from vpharness.evaluation import Figures
from vpharness.evaluation.figures import HEADLINE

WIDTH: Final = 100
_WIDEST: Final = 10_000


def console(width: int = WIDTH) -> Console:
    """Return where text for people is printed: standard output, as wide as a terminal is, or 100 columns."""
    terminal = shutil.get_terminal_size((WIDTH, 0)).columns if sys.stdout.isatty() else WIDTH
    return Console(width=max(width, terminal), highlight=False, markup=False)


def print_table(table: Table) -> None:
    """Print a table whole: where it is wider than the terminal, its lines go on rather than being cut."""
    measured = Console(width=_WIDEST)
    console(Measurement.get(measured, measured.options, table).maximum).print(table)


def minute_text(time_ns: int) -> str:
    """Return a time since the Unix epoch, to the minute."""
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it needs one."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def interval_text(f: Figures) -> str:
    """Return a candidate's net mean with its 95 % interval, ticks."""
    return HEADLINE.text(vars(f))


def table_of(columns: Mapping[str, Sequence[str]], *, texts: Collection[str] = ()) -> Table:
    """Return a table of columns of equal length, by their headings.

    Those in `texts` stand to the left.
    """
    natural = sum(max(map(len, (name, *cells))) for name, cells in columns.items())
    gap = 2 if natural + 2 * (len(columns) - 1) <= WIDTH else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for name in columns:
        if name in texts:
            table.add_column(name, no_wrap=True)
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
