"""Merging the parts of a table: whoever reads it, at whatever moment, finds every row once."""

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pyarrow as pa
import pytest

from vpharness.errors import ResultsError
from vpharness.results.part_files import list_parts, merge_small_parts
from vpharness.results.store import Store, StoreCheck, TableRows, append, check_store, merge_parts, read

SCHEMA = pa.schema([("number", pa.int64())])
TABLE = "numbers.parquet"
EACH = 25
"""How many parts each of two processes adds."""


def add(store: Store, *numbers: int) -> None:
    """Add a part."""
    append(store, TableRows(TABLE, [{"number": number} for number in numbers], SCHEMA))


def numbers(store: Store) -> list[int]:
    """Return what a reader finds, in its order."""
    return [row["number"] for row in read(store, TABLE)]


def test_merged_parts_hold_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    """One part instead of many; merged again with later ones; nothing to do where they are few."""
    store = Store(tmp_path)
    for number in range(5):
        add(store, number, number + 100)
    before = numbers(store)
    assert before == [0, 100, 1, 101, 2, 102, 3, 103, 4, 104]
    assert merge_small_parts(tmp_path / TABLE, 6) == 0
    assert merge_small_parts(tmp_path / TABLE, 5) == 5
    assert numbers(store) == before
    assert len(list((tmp_path / TABLE).iterdir())) == 1
    add(store, 7)
    assert merge_small_parts(tmp_path / TABLE, 2) == 2
    assert numbers(store) == [*before, 7]
    assert merge_small_parts(tmp_path / TABLE, 2) == 0


def test_a_store_merges_tables_of_many_parts_alone(tmp_path: Path) -> None:
    """32 parts of one table; the other is left as it is."""
    store = Store(tmp_path)
    append(store, TableRows("few.parquet", [{"number": 1}], SCHEMA))
    for number in range(32):
        add(store, number)
    assert merge_parts(store) == 32
    assert merge_parts(store) == 0
    assert numbers(store) == list(range(32))


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("step", ["write_table", "sync", "rename", "unlink"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_merge_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: int
) -> None:
    """At each of its steps; the next one tidies up."""
    store = Store(tmp_path)
    for number in range(4):
        add(store, number)
    left = after

    def dying(*arguments: object, **_keywords: object) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        original(*arguments, **_keywords)

    owner: object = {"write_table": "pyarrow.parquet", "sync": "vpharness.results.part_files"}.get(step)
    with monkeypatch.context() as patch:
        if owner is None:
            original = getattr(Path, step)
            patch.setattr(Path, step, dying)
        else:
            original = getattr(__import__(str(owner), fromlist=[step]), step)
            patch.setattr(f"{owner}.{step}", dying)
        try:
            merge_small_parts(tmp_path / TABLE, 2)
        except Killed:
            assert numbers(store) == [0, 1, 2, 3]
    add(store, 4)
    assert merge_small_parts(tmp_path / TABLE, 2) in {2, 5}
    assert numbers(store) == [0, 1, 2, 3, 4]
    assert len(list((tmp_path / TABLE).iterdir())) == 1


def _append_many(root: Path, first: int) -> None:
    for number in range(first, first + EACH):
        add(Store(root), number)


def _merge_until(root: Path, done: Event) -> None:
    while not done.is_set():
        if (root / TABLE).is_dir():
            merge_small_parts(root / TABLE, 2)


def test_readers_find_every_row_once_while_others_add_and_merge(tmp_path: Path) -> None:
    """Two processes add and two merge: rows only come, none twice, and all are there in the end."""
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    adding = [context.Process(target=_append_many, args=(tmp_path, first)) for first in (0, 1000)]
    merging = [context.Process(target=_merge_until, args=(tmp_path, done)) for _ in range(2)]
    for process in adding + merging:
        process.start()
    store, seen = Store(tmp_path), set[int]()
    deadline = time.monotonic() + 120
    while any(process.is_alive() for process in adding) and time.monotonic() < deadline:
        found = numbers(store)
        assert len(found) == len(set(found))
        assert seen <= set(found)
        seen = set(found)
    done.set()
    for process in adding + merging:
        process.join(60)
    assert [process.exitcode for process in adding + merging] == [0, 0, 0, 0]
    assert sorted(numbers(store)) == [*range(EACH), *range(1000, 1000 + EACH)]
    assert len(list_parts(tmp_path / TABLE)) < 2 * EACH


def test_a_part_that_is_not_as_it_was_written_is_named_by_whoever_reads_it(tmp_path: Path) -> None:
    """Readers of all or of no columns, and merges, which leave everything as it was."""
    store = Store(tmp_path)
    for number in range(3):
        add(store, number)
    path = list_parts(tmp_path / TABLE)[1]
    damage(path)
    for read_it in (
        lambda: read(store, TABLE),
        lambda: read(store, TABLE, []),
        lambda: merge_small_parts(tmp_path / TABLE, 2),
    ):
        with pytest.raises(ResultsError, match=rf"the part {path} of the results is not as it was written"):
            read_it()
    assert len(list_parts(tmp_path / TABLE)) == 3


def test_a_merged_part_is_not_believed_before_it_is_verified(tmp_path: Path) -> None:
    """What it says of the parts that it stands for would have others not count."""
    store = Store(tmp_path)
    for number in range(3):
        add(store, number)
    assert merge_small_parts(tmp_path / TABLE, 2) == 3
    (path,) = list_parts(tmp_path / TABLE)
    damage(path)
    with pytest.raises(ResultsError, match=rf"{path.name.replace('+', '.')} of the results is not as it was written"):
        list_parts(tmp_path / TABLE)


def test_parts_of_an_earlier_version_are_read_merged_and_verified_from_then_on(tmp_path: Path) -> None:
    """They have no checksum in their names; the part that they are merged into has."""
    store = Store(tmp_path)
    for number in range(3):
        add(store, number)
    for path in list_parts(tmp_path / TABLE):
        path.rename(path.with_name(path.name.partition(".")[0] + ".parquet"))
    assert numbers(store) == [0, 1, 2]
    assert (found := check_store(store)).without_checksum == found.parts == 3
    assert merge_small_parts(tmp_path / TABLE, 2) == 3
    assert numbers(store) == [0, 1, 2]
    assert check_store(store) == StoreCheck(1, 0, ())


def damage(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
