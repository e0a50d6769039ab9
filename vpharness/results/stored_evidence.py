"""Evidence and fires as the store holds them: known by their digests, and read where they are first looked at.

A ranking that has not changed needs digests alone, walk-forward needs sums over blocks, and the medians of a new
ranking need lists of times, which take most of the room. So each of these is read for itself, part by part, once, and
stays in memory as the columns of the parts: a list is a stretch of its column.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.evaluation import BlockSums, Evidence, Fires, Tally
from vpharness.evaluation.blocks import COUNTS, ORDERS, TICKS
from vpharness.results.part_files import whole_columns
from vpharness.results.store import EVIDENCE, FIRES, Store, read_each_group, read_each_part
from vpharness.results.table_schemas import TIMES, WAITS
from vpharness.storage.arrow import list_columns, numpy_array, texts

_TALLIES: Final = tuple(Tally.__dataclass_fields__)
_FIRST_WALK: Final = _TALLIES.index("n_walks")

Value_co = TypeVar("Value_co", covariant=True)


def stored_evidence(store: Store) -> Callable[[str], Evidence]:
    """Return how to find evidence by its digest; equal evidence is one object."""
    sums, times = _ByDigest(lambda: _sums(store)), _ByDigest(lambda: _times(store))
    known: dict[str, Evidence] = {}

    def evidence(digest: str) -> Evidence:
        found = known.get(digest)
        if found is None:
            found = known[digest] = StoredEvidence(digest, sums, times)
        return found

    return evidence


def stored_fires(store: Store) -> Callable[[str], Fires]:
    """Return how to find fires by their digest; equal ones, of which a sweep has many, are one object."""
    every = _ByDigest(lambda: _fires(store))
    known: dict[str, Fires] = {}

    def fires(digest: str) -> Fires:
        if digest not in known:
            known[digest] = StoredFires(digest, every)
        return known[digest]

    return fires


class StoredEvidence(Evidence):
    """Evidence that a store holds: its sums stay once they were read, its lists are made each time they are asked for.

    Equal values in the store are equal here, bit by bit.
    """

    def __init__(self, digest: str, sums: "_ByDigest[_Sums]", times: "_ByDigest[_Times]") -> None:
        """Note where it is."""
        vars(self).update(digest=digest, _sums=sums, _times=times)

    def __getattr__(self, name: str) -> Any:
        """Read the sums: they are attributes from then on."""
        if name not in {"blocks", "tally"}:
            raise AttributeError(name)
        own = vars(self)
        own["blocks"], own["tally"] = own["_sums"].of(own["digest"])
        return own[name]

    @property
    def mid_times_ms(self) -> NDArray[np.float64]:
        """As `Evidence` has it."""
        return self._list(TIMES[0])

    @property
    def net_times_ms(self) -> NDArray[np.float64]:
        """As `Evidence` has it."""
        return self._list(TIMES[1])

    @property
    def waits_ms(self) -> NDArray[np.float64] | None:
        """As `Evidence` has it."""
        return None if self.blocks.orders is None else self._list(WAITS)

    def _list(self, name: str) -> NDArray[np.float64]:
        lists: _Times = vars(self)["_times"].of(vars(self)["digest"])
        return lists(name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the evidence itself."""
        return Evidence, (self.blocks, self.tally, self.mid_times_ms, self.net_times_ms, self.waits_ms)


class StoredFires(Fires):
    """Fires that a store holds, of which the digest is known, and which are read when they are looked at."""

    def __init__(self, digest: str, every: "_ByDigest[Fires]") -> None:
        """Note where they are."""
        vars(self).update(digest=digest, _every=every)

    def __getattr__(self, name: str) -> Any:
        """Read the fires: their bins and directions are attributes from then on."""
        if name not in {"bins", "directions"}:
            raise AttributeError(name)
        own = vars(self)
        found = own["_every"].of(own["digest"])
        own.update(bins=found.bins, directions=found.directions)
        return own[name]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the fires themselves."""
        return Fires, (self.bins, self.directions)


_Sums = tuple[BlockSums, Tally]
_Times = Callable[[str], NDArray[np.float64]]
"""From the name of a list to its values."""


class _Part(Protocol[Value_co]):
    """What was read of one part of a table."""

    @property
    def digests(self) -> list[str]:
        """The digest of each row."""

    def at(self, row: int) -> Value_co:
        """Return what a row holds."""


class _ByDigest(Generic[Value_co]):
    """What the rows of a table hold, by digest; all parts of it are read when the first is wanted.

    The parts may have been merged since a digest was read: what has a digest is found under it all the same.
    """

    def __init__(self, read: Callable[[], list[_Part[Value_co]]]) -> None:
        self._read = read
        self._known: dict[str, tuple[_Part[Value_co], int]] | None = None

    def of(self, digest: str) -> Value_co:
        """Return what has a digest."""
        part, row = self.place_of(digest)
        return part.at(row)

    def place_of(self, digest: str) -> tuple[_Part[Value_co], int]:
        """Return the part, and the row of it, that have a digest."""
        if self._known is None:
            self._known = {}
            for part in self._read():
                self._known.update(zip(part.digests, zip(itertools.repeat(part), itertools.count()), strict=False))
        return self._known[digest]


@dataclass(frozen=True)
class ManySums:
    """What profits are counted from in several evidences: the sums of their blocks [B], those of one after the other.

    Attributes:
        seconds: [N] the length of each evidence's blocks.
        walks: [3, N] `n_walks`, `n_walks_tp`, `n_walks_sl` of each.
        place, block: [B] whose block it is among the evidences, in whatever order of these, and its number, ascending
            within an evidence.
        sums: [B] each, by the names `SUMS`.
    """

    seconds: NDArray[np.int64]
    walks: NDArray[np.int64]
    place: NDArray[np.int64]
    block: NDArray[np.int64]
    sums: dict[str, NDArray[Any]]


SUMS: Final = ("n_net", "net_tp", "net_sl", "net_pnl")


def sums_together(several: Sequence[Evidence]) -> ManySums:
    """Return the sums of several evidences as columns; of those that a store holds no sums are made one by one."""
    kept: dict[int, tuple[_PartSums, list[int], list[int]]] = {}
    seconds, walks = np.zeros(len(several), np.int64), np.zeros((3, len(several)), np.int64)
    found: list[tuple[NDArray[Any], ...]] = [(np.zeros(0, np.int64),) * 2 + (np.zeros(0),) * len(SUMS)]
    for number, each in enumerate(several):
        own = vars(each)
        if isinstance(each, StoredEvidence) and "blocks" not in own:
            part, row = own["_sums"].place_of(own["digest"])
            _, numbers, rows = kept.setdefault(id(part), (part, [], []))
            numbers.append(number)
            rows.append(row)
            continue
        blocks, tally = each.blocks, each.tally
        seconds[number] = blocks.seconds
        walks[:, number] = tally.n_walks, tally.n_walks_tp, tally.n_walks_sl
        sums = (blocks.tick(name) if name in TICKS else blocks.count(name) for name in SUMS)
        found.append((np.full(len(blocks.block), number, np.int64), blocks.block, *sums))
    for part, listed, its_rows in kept.values():
        # In the order of the file, in which columns need not be copied where all of it is wanted.
        order = np.argsort(np.array(its_rows, np.int64), kind="stable")
        numbers_in_order, rows_in_order = np.array(listed, np.int64)[order], np.array(its_rows, np.int64)[order]
        seconds[numbers_in_order] = part.seconds[rows_in_order]
        for own_walks, column in zip(walks, part.tallies[_FIRST_WALK:], strict=True):
            own_walks[numbers_in_order] = column[rows_in_order]
        found.append(part.of_rows(rows_in_order, numbers_in_order))
    columns = found[1:] if len(found) > 1 else found
    place, block, *sums_of = columns[0] if len(columns) == 1 else map(np.concatenate, zip(*columns, strict=True))
    return ManySums(seconds, walks, place, block, dict(zip(SUMS, sums_of, strict=True)))


def whole_rows(store: Store, keys: Sequence[str]) -> list[pa.Table]:
    """Return the keys of the rows of evidence, and `evidence_digest`, part by part.

    Rows of a version that did not keep one of today's sums are left out: what has no evidence is judged anew from its
    fires.
    """
    names = [*keys, "evidence_digest"]
    kept = ("block", *_TALLIES, *COUNTS, *TICKS, *TIMES)
    parts = read_each_part(store, EVIDENCE, names, lambda part: (part, set(kept) <= whole_columns(part)), repeated=keys)
    if all(is_whole for _, is_whole in parts):
        return [part for part, _ in parts]
    # Of a part of an earlier version that is only known once the columns have been read.
    return read_each_part(store, EVIDENCE, [*names, *kept], lambda part: _without_nulls(part, kept).select(names))


def _without_nulls(part: pa.Table, kept: Sequence[str]) -> pa.Table:
    """Return the rows of a part that hold something in each of some columns."""
    if not set(kept) <= set(part.column_names):
        return part.slice(0, 0)
    for name in kept:
        if part[name].null_count:
            part = part.filter(part[name].is_valid())
    return part


@dataclass(frozen=True)
class _PartSums:
    """The sums of a part: of row r those of the blocks `ends[r]` to `ends[r + 1] - 1`.

    Attributes:
        digests, seconds: [R] of each row.
        tallies: [R] each, in the order of the fields of `Tally`.
        ends: [R + 1].
        block: [B].
        sums: [B] each, by the names of `COUNTS` and `TICKS`.
        orders: of the rows that have them, by row.
    """

    digests: list[str]
    seconds: NDArray[np.int64]
    tallies: list[NDArray[Any]]
    ends: NDArray[np.int64]
    block: NDArray[np.int64]
    sums: dict[str, NDArray[Any]]
    orders: dict[int, NDArray[np.float64]]

    @functools.cached_property
    def counts(self) -> NDArray[np.int32]:
        """[B, len(COUNTS)]."""
        return np.column_stack([self.sums[name] for name in COUNTS]).astype(np.int32, copy=False)

    @functools.cached_property
    def ticks(self) -> NDArray[np.float64]:
        """[B, len(TICKS)]."""
        return np.column_stack([self.sums[name] for name in TICKS])

    def at(self, row: int) -> _Sums:
        """Return the sums of a row."""
        own = slice(self.ends[row], self.ends[row + 1])
        blocks = self.block[own], self.counts[own], self.ticks[own], self.orders.get(row)
        return BlockSums(int(self.seconds[row]), *blocks), Tally(*(each[row].item() for each in self.tallies))

    def of_rows(self, rows: NDArray[np.int64], numbers: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        """Return the columns of `ManySums` that blocks have, of some rows, ascending, that have numbers."""
        begins, sizes = self.ends[rows], self.ends[rows + 1] - self.ends[rows]
        place, several = np.repeat(numbers, sizes), (self.block, *(self.sums[name] for name in SUMS))
        if len(rows) == len(self.seconds) and bool(np.all(np.diff(rows) == 1)):
            return (place, *several)
        before = np.cumsum(sizes) - sizes
        index = np.arange(int(sizes.sum())) + np.repeat(begins - before, sizes)
        return (place, *(each[index] for each in several))


def _sums(store: Store) -> list[_Part[_Sums]]:
    kept = ["evidence_digest", "block_s", *_TALLIES, "block", *COUNTS, *TICKS]

    def made(part: pa.Table) -> _PartSums | None:
        part = _without_nulls(part, kept)
        if not len(part):
            return None
        block, ends = list_columns(part, ["block"])
        return _PartSums(
            texts(part["evidence_digest"]),
            numpy_array(part["block_s"]),
            [numpy_array(part[name]) for name in _TALLIES],
            ends.astype(np.int64),
            block[:, 0],
            {name: list_columns(part, [name])[0][:, 0] for name in (*COUNTS, *TICKS)},
            _orders(part),
        )

    return [each for each in read_each_part(store, EVIDENCE, [*kept, *ORDERS], made) if each is not None]


def _orders(part: pa.Table) -> dict[int, NDArray[np.float64]]:
    """Return the sums over resting orders of the rows that have them."""
    if not set(ORDERS) <= set(part.column_names) or part[ORDERS[0]].null_count == len(part):
        return {}
    sums, ends = list_columns(part, ORDERS)
    there = np.flatnonzero(_valid(part[ORDERS[0]]))
    return {int(row): sums[ends[row] : ends[row + 1]] for row in there}


def _valid(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return [n] which rows hold no null."""
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    return np.array(column.is_valid().to_pylist(), np.bool_)


@dataclass(frozen=True)
class _PartLists:
    """Lists of a part, by the names of their columns: values one after the other, and where each list begins."""

    digests: list[str]
    lists: dict[str, tuple[NDArray[Any], NDArray[np.int32]]]

    def at(self, row: int) -> _Times:
        """Return how to find the lists of a row."""

        def values(name: str) -> NDArray[np.float64]:
            flat, ends = self.lists[name]
            return flat[ends[row] : ends[row + 1]].astype(np.float64)

        return values


def _times(store: Store) -> list[_Part[_Times]]:
    def made(part: pa.Table) -> _PartLists:
        names = [name for name in part.column_names if name != "evidence_digest"]
        lists = {name: list_columns(part, [name]) for name in names}
        packed = {name: (_packed(flat[:, 0], np.float32), ends) for name, (flat, ends) in lists.items()}
        return _PartLists(texts(part["evidence_digest"]), packed)

    return list(read_each_group(store, EVIDENCE, ["evidence_digest", *TIMES, WAITS], made))


def _packed(values: NDArray[Any], kind: type) -> NDArray[Any]:
    """Return values as a smaller kind of number, where every one of them is the same in it."""
    smaller: NDArray[Any] = values.astype(kind)
    return smaller if np.array_equal(smaller, values) else values


@dataclass(frozen=True)
class _PartFires:
    """The fires of a part, one after the other, and where those of each row begin."""

    digests: list[str]
    signed: NDArray[Any]
    ends: NDArray[np.int32]

    def at(self, row: int) -> Fires:
        """Return the fires of a row."""
        return Fires.from_signed(self.signed[self.ends[row] : self.ends[row + 1]])


def _fires(store: Store) -> list[_Part[Fires]]:
    def made(part: pa.Table) -> _PartFires:
        signed, ends = list_columns(part, ["fires"])
        return _PartFires(texts(part["fires_digest"]), _packed(signed[:, 0], np.int32), ends)

    return list(read_each_group(store, FIRES, ["fires_digest", "fires"], made))
