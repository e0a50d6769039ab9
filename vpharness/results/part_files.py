"""The parts of a table: which of them count, and merging small ones into one.

A part's name holds the SHA-256 of the whole file, which is looked at before it is read, once in a process: so what is
read is what was written, footer and metadata too, and a name in place is a checksum in place. Parts of earlier versions
have none in their names, and are read as they are.

Readers and writers know of no lock. A merged part says in its footer which parts it was made of, and from the moment
that it is in place those do not count any more, whether they are deleted yet or not: so every row counts once at any
moment, where a merge is killed too. Merges alone keep out of one another's way.
"""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vpharness.errors import ResultsError, require_memory
from vpharness.storage.checksums import file_sha256, known_sha256
from vpharness.storage.durable import sync
from vpharness.storage.locks import locked_if_free
from vpharness.storage.parquet import open_parquet, write_parquet

MERGED_FROM: Final = 32
"""So many small parts are merged."""
LARGE_BYTES: Final = 2**25
"""A part of this size is left as it is, so that no row is written anew each time."""

_MERGED: Final = ".merged.parquet"
_ASIDE: Final = ".merging-"
_CHECKSUM: Final = re.compile(r"\.([0-9a-f]{64})(?:\.merged)?\.parquet")
_SOURCES: Final = b"vpharness.sources"
_WHOLE: Final = b"vpharness.whole_columns"
_ATTEMPTS: Final = 100
_GROUP_BYTES: Final = 2**22
_LEAST_GROUP_ROWS: Final = 64

Value = TypeVar("Value")


def list_parts(folder: Path) -> list[Path]:
    """Return the parts of a table that count, in the order of writing; one that is being merged may be gone soon."""
    return reread(folder, lambda parts: parts)


def reread(folder: Path, read: Callable[[list[Path]], Value]) -> Value:
    """Return what `read` makes of the parts that count, anew where some of them were merged meanwhile.

    Raises FileNotFoundError where parts are missing again and again, as one does that a link points to in vain.
    """
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(FileNotFoundError):
            return read(_counting(folder))
    return read(_counting(folder))


def read_part(path: Path, columns: Sequence[str] | None = None, repeated: Sequence[str] = ()) -> pa.Table:
    """Return a part, or some columns of it; those of `repeated` texts as a dictionary of them.

    Raises ResultsError, naming it, where it is not as it was written.
    """
    with _opened(path, repeated) as file:
        return file.read(columns=None if columns is None else _present(file, columns))


def read_groups(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield some columns of a part, so many rows at a time as were written together. Raises as `read_part` does."""
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=_present(file, columns))


def read_chosen_rows(
    path: Path, keys: Sequence[str], choose: Callable[[pa.Table], NDArray[np.bool_]], columns: Sequence[str]
) -> pa.Table | None:
    """Return some rows of a part, those that `choose` marks, given its columns `keys`; None where it marks none.

    Of other rows no more is in memory than was written together with one of these.

    Raises ResultsError, naming it, where the part is not as it was written.
    """
    with _opened(path, keys) as file:
        marked = choose(file.read(columns=list(keys)))
        there = _present(file, columns)
        found, begin = list[pa.Table](), 0
        for group in range(file.num_row_groups):
            mine = marked[begin : begin + file.metadata.row_group(group).num_rows]
            begin += len(mine)
            if mine.any():
                found.append(file.read_row_group(group, columns=there).filter(pa.array(mine)))
    return pa.concat_tables(found) if found else None


def _present(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """Return the columns that a part has: one of a later version is absent in an earlier one's parts."""
    return [name for name in columns if name in file.schema_arrow.names]


def whole_columns(part: pa.Table) -> frozenset[str]:
    """Return the columns that hold no null in the file that a part, or some columns of it, were read from.

    Parquet's own statistics count an empty list as a null one. Where the file is of an earlier version there are none.
    """
    return frozenset(json.loads((part.schema.metadata or {}).get(_WHOLE, b"[]")))


def write_part(folder: Path, table: pa.Table, stem: str, *, aside: str, kind: str = ".parquet") -> tuple[Path, Path]:
    """Write a part under a name that readers pass over, and put it on the disk; return it, and where it belongs.

    Args:
        folder: of the table.
        table: the rows.
        stem: what the part's name begins with.
        aside: the name for now, which begins with a dot.
        kind: what the part's name ends with.

    Raises OSError where it cannot be written; nothing is left of it then.
    """
    path = folder / aside
    whole = [name for name in table.column_names if not table[name].null_count]
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _WHOLE: json.dumps(whole)})
    try:
        checksum = write_parquet(table, path, compression="zstd", row_group_size=_rows_of_group(table))
        sync(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, folder / f"{stem}.{checksum}{kind}"


def _rows_of_group(table: pa.Table) -> int:
    """Return how many rows are read together: a few megabytes, so that some of many long lists are found soon."""
    return max(_LEAST_GROUP_ROWS, _GROUP_BYTES * len(table) // max(int(table.nbytes), 1))


def checksum_in_name(path: Path) -> str | None:
    """Return the SHA-256 that a part was written with; None for one of an earlier version."""
    found = _CHECKSUM.search(path.name)
    return found[1] if found else None


def check_part(path: Path) -> None:
    """Read a part anew, all of it. Raises ResultsError, naming it, where it is not as it was written."""
    _compare(path, file_sha256(path))
    read_part(path)


@contextlib.contextmanager
def _opened(path: Path, repeated: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a part that has its checksum."""
    if checksum_in_name(path) is not None:
        _compare(path, known_sha256(path))
    try:
        with open_parquet(path, repeated=repeated) as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        require_memory(error)
        raise ResultsError(f"the part {path} of the results cannot be read: {error}; restore it from a copy") from error


def _compare(path: Path, found: str) -> None:
    if found != (checksum_in_name(path) or found):
        raise ResultsError(
            f"the part {path} of the results is not as it was written: its SHA-256 is {found}, its name says another; "
            "restore it from a copy"
        )


def merge_small_parts(folder: Path, least: int = MERGED_FROM) -> int:
    """Merge the small parts of a table, if there are at least so many and nobody else does; return how many.

    Raises ResultsError where parts cannot be read, and OSError or pyarrow.ArrowException where they cannot be written;
    then every row is there as before.
    """
    with locked_if_free(folder) as is_mine:
        if not is_mine:
            return 0
        _tidy(folder)
        small = [part for part in _counting(folder) if part.stat().st_size < LARGE_BYTES]
        if len(small) < max(least, 2):
            return 0
        _put(folder, small)
        _tidy(folder)
        return len(small)


def _put(folder: Path, sources: Sequence[Path]) -> None:
    """Put a part in place that stands for others. Its rows keep their order, its name begins as the last one's."""
    table = pa.concat_tables([read_part(source) for source in sources], promote_options="default")
    named = {**(table.schema.metadata or {}), _SOURCES: json.dumps([source.name for source in sources])}
    last = sources[-1].name.removesuffix(".parquet").partition("+")[0]
    stem = f"{last.partition('.')[0]}+{secrets.token_hex(4)}"
    aside, place = write_part(
        folder, table.replace_schema_metadata(named), stem, aside=f"{_ASIDE}{stem}.parquet", kind=_MERGED
    )
    try:
        aside.rename(place)
        sync(folder)
    finally:
        aside.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    """Delete what does not count: parts that have been merged, and what a merge that was killed left half-written."""
    names = _listed(folder)
    for name in _superseded(folder, names):
        (folder / name).unlink(missing_ok=True)
    for aside in folder.glob(f"{_ASIDE}*"):
        aside.unlink(missing_ok=True)


def _counting(folder: Path) -> list[Path]:
    names = _listed(folder)
    return [folder / name for name in sorted(names - _superseded(folder, names))]


def _listed(folder: Path) -> frozenset[str]:
    """Return the names of all parts. A folder that changes while it is listed may show less than it ever had."""
    before: frozenset[str] | None = None
    while True:
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            names = frozenset(e.name for e in entries if e.name.endswith(".parquet") and not e.name.startswith("."))
            if names == before:
                return names
            before = names
            continue
        return frozenset()


def _superseded(folder: Path, names: frozenset[str]) -> frozenset[str]:
    """Return the names of those parts that others stand for."""
    found: set[str] = set()
    for name in names:
        if name.endswith(_MERGED):
            with _opened(folder / name) as file:
                sources = (file.schema_arrow.metadata or {}).get(_SOURCES)
            if sources is None:
                raise ResultsError(f"the part {folder / name} of the results does not say what it was merged from")
            found |= set(json.loads(sources))
    return names & found
