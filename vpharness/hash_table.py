"""A hash table from keys to slots, for use inside kernels: open addressing with linear probing.

A table is a structured array [places] of TABLE_DTYPE; its length is a power of two, at most half of it is full, and an
empty place has slot NOWHERE. A key is 64 bits and its owner's number, and both are compared whole. Keys are spread by
multiplication with 2^64/phi (Knuth, The Art of Computer Programming, volume 3, section 6.4) and the upper half of the
product is folded into the lower one; the same key of several owners is spread likewise. Look-up, insertion and removal
take a few probes on average: 1.5 for a key that is there and 2.5 for one that is not, at half full. Removal shifts
later entries back (Knuth's algorithm R), so that no marks of deletion slow the table down as orders come and go.
"""

from typing import Final

import numpy as np

from vpharness.compiled import Array, Key, inlined_kernel, int64, kernel

NOWHERE: Final = int64(-1)
"""The slot of a key that is not in the table."""

TABLE_DTYPE: Final = np.dtype([("key", np.uint64), ("slot", np.int32), ("owner", np.int32)])
ALONE: Final = int64(0)
"""The owner of keys that have no other."""

# 2^64 divided by the golden ratio: consecutive keys, which order ids and ticks are, spread evenly.
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)
_OWNER_SPREAD: Final = np.uint64(0xD1342543DE82EF95)


def new_table(capacity: int) -> Array:
    """Make an empty table with room for `capacity` keys."""
    table = np.zeros(1 << max(4, (2 * capacity - 1).bit_length()), TABLE_DTYPE)
    table["slot"] = NOWHERE
    return table


@inlined_kernel
def _home(table: Array, key: Key, owner: int) -> int:
    mixed = (key + np.uint64(owner) * _OWNER_SPREAD) * _SPREAD
    place: Key = np.int64((mixed ^ (mixed >> _HALF)) & np.uint64(len(table) - 1))
    return place


@inlined_kernel
def find(table: Array, key: Key, owner: int) -> int:
    """Return the slot of a key, or NOWHERE."""
    mask = len(table) - 1
    place = _home(table, key, owner)
    while table[place].slot != NOWHERE:
        if table[place].key == key and table[place].owner == owner:
            slot: Key = np.int64(table[place].slot)
            return slot
        place = (place + 1) & mask
    return NOWHERE


@inlined_kernel
def insert(table: Array, key: Key, owner: int, slot: int) -> None:
    """Put in a key that is not in the table."""
    mask = len(table) - 1
    place = _home(table, key, owner)
    while table[place].slot != NOWHERE:
        place = (place + 1) & mask
    table[place].key = key
    table[place].owner = owner
    table[place].slot = slot


@kernel
def remove(table: Array, key: Key, owner: int) -> None:
    """Take out a key that is in the table, closing the gap so that no marker of the deletion is left."""
    mask = len(table) - 1
    gap = _home(table, key, owner)
    while table[gap].key != key or table[gap].owner != owner or table[gap].slot == NOWHERE:
        gap = (gap + 1) & mask
    place = gap
    while True:
        place = (place + 1) & mask
        if table[place].slot == NOWHERE:
            break
        # An entry may move back into the gap only if the gap lies between its home and its place.
        if ((place - _home(table, table[place].key, table[place].owner)) & mask) >= ((place - gap) & mask):
            table[gap].key = table[place].key
            table[gap].owner = table[place].owner
            table[gap].slot = table[place].slot
            gap = place
    table[gap].slot = NOWHERE


@kernel
def copy_into(table: Array, larger: Array) -> None:
    """Insert every entry of a table into an empty, larger one."""
    for entry in table:
        if entry.slot != NOWHERE:
            insert(larger, entry.key, entry.owner, entry.slot)


@kernel
def every_key_is_found(table: Array) -> bool:
    """Return whether every entry of a table is what `find` finds under its key."""
    for entry in table:  # noqa: SIM110  # numba compiles no generator inside `all`
        if entry.slot != NOWHERE and find(table, entry.key, entry.owner) != entry.slot:
            return False
    return True
