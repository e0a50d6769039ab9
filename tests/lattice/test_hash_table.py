"""The kernels' hash table behaves as a dictionary, however its keys collide."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.examples import examples
from vpharness.hash_table import NOWHERE, copy_into, find, insert, new_table, remove

CAPACITY = 8
SPREAD = 0x9E3779B97F4A7C15
# A key times the spread is what is looked at: its inverse makes keys for every place of the table.
UNSPREAD = pow(SPREAD, -1, 2**64)
COLLIDING = [place * UNSPREAD % 2**64 for place in (0, 1, 14, 15, 16, 17, 30, 31, 32, 15 + 64)]
EXTREME = [0, 1, 2**63, 2**64 - 1]


OWNERS = [0, 1, 2**19 - 1]
Entries = dict[tuple[int, int], int]


def entries(table: NDArray[Any]) -> Entries:
    """Return what a table holds, by reading it whole."""
    return {(int(e["key"]), int(e["owner"])): int(e["slot"]) for e in table if e["slot"] != NOWHERE}


def filled(content: Entries) -> NDArray[Any]:
    """Return a table of CAPACITY that holds `content`."""
    table = new_table(CAPACITY)
    for (key, owner), slot in content.items():
        insert(table, np.uint64(key), owner, slot)
    return table


@examples(200)
@given(st.lists(st.tuples(st.sampled_from(COLLIDING + EXTREME), st.sampled_from(OWNERS)), max_size=80))
def test_inserting_and_removing_keeps_what_a_dictionary_keeps(keys: list[tuple[int, int]]) -> None:
    """A key met again is removed, another one inserted: after each step all keys, present or not, are found rightly.

    A key of one owner is not that of another, though their places may be the same.
    """
    table, twin = new_table(CAPACITY), Entries()
    for slot, (key, owner) in enumerate(keys):
        if (key, owner) in twin:
            del twin[key, owner]
            remove(table, np.uint64(key), owner)
        elif len(twin) < CAPACITY:
            twin[key, owner] = slot
            insert(table, np.uint64(key), owner, slot)
        every = [(k, o) for k in COLLIDING + EXTREME for o in OWNERS]
        assert {(k, o): find(table, np.uint64(k), o) for k, o in every} == {
            each: twin.get(each, NOWHERE) for each in every
        }
        assert entries(table) == twin


@examples(50)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=CAPACITY, unique=True))
def test_copying_into_a_larger_table_keeps_every_key(keys: list[int]) -> None:
    """All keys, the largest and the smallest included, are found in the copy."""
    content = {(key, slot % 2): slot for slot, key in enumerate(keys)}
    larger = new_table(4 * CAPACITY)
    copy_into(filled(content), larger)
    assert entries(larger) == content
    assert [find(larger, np.uint64(key), slot % 2) for slot, key in enumerate(keys)] == list(range(len(keys)))


def test_a_table_is_at_most_half_full() -> None:
    """The length is a power of two and at least twice the capacity, so that a search always meets an empty place."""
    for capacity in range(200):
        length = len(new_table(capacity))
        assert length >= max(2 * capacity, 1)
        assert length & (length - 1) == 0
