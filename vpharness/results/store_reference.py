"""The reference of the results store, `docs/reference/store.md`, made from the definitions of its columns.

Run as `python -m vpharness.results.store_reference`, this writes the page anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vpharness.evaluation import EVALUATION_VERSION
from vpharness.results.store import READABLE_VERSIONS, STORE_VERSION
from vpharness.results.store_columns import TABLES, StoreTable

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "store.md"

_VERSIONS: Final = f"{', '.join(map(str, READABLE_VERSIONS[:-1]))} and {READABLE_VERSIONS[-1]}"
_INTRODUCTION: Final = f"""# The results store

The store is the folder `research/vp_harness/results` of a lake. It holds the *ledger*: every candidate that was ever
run, which is what `compare` ranks and what p-values are adjusted for. Each of its tables is a folder of Parquet files
(parts) that are written once and never changed; `pandas.read_parquet(FOLDER)` reads a table, and
`vpharness.results()` and `vpharness.fires()` join what belongs together (see
[Use vpharness from Python](../how-to/use-from-python.md)). `store.json` holds the version of the store that wrote last.

This is version {STORE_VERSION} of the store; the rules by which fires are judged have version {EVALUATION_VERSION}.
Stores of the versions {_VERSIONS} can be read and added to. A column that was added later is null in older rows. A
parameter of the evaluation that was added later has, for older runs, the value that gives the earlier behaviour.

If several rows of `runs_meta.parquet` have the same run id, the run was executed more than once; the rows of the other
tables belong to the execution with the same `part`. Small parts are merged from time to time. The footer of a file
`….merged.parquet` names the parts whose rows it holds; those parts no longer count, and are deleted later.
"""


def store_reference() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_INTRODUCTION, *(line for table in TABLES.values() for line in _section(table))])


def _section(table: StoreTable) -> Iterator[str]:
    yield f"## {table.name}"
    yield ""
    yield f"A row: {table.row[0].lower()}{table.row[1:]}"
    yield ""
    yield "| column | type | unit | meaning |"
    yield "|---|---|---|---|"
    for column in table.columns():
        kind = f"list of {column.kind}" if column.is_list else column.kind
        since = "" if column.since == 1 else f"; since version {column.since}"
        yield f"| `{column.name}` | {kind} | {column.unit} | {column.meaning}{since} |"
    yield ""


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(store_reference(), encoding="utf-8")
