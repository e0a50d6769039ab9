"""Evidence and fires as the store holds them: known by their digests, and read where they are first looked at.

A ranking that has not changed needs digests alone, walk-forward needs sums over blocks, and the medians of a new
ranking need lists of times, which take most of the room. So each of these is read for itself, part by part, once, and
stays in memory as the columns of the parts: a list is a stretch of its column.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.evaluation import BlockSums, Evidence, Fires, Tally
from vpharness.evaluation.blocks import COUNTS, ORDERS, TICKS
from vpharness.results.part_files import whole_columns
from vpharness.results.store import EVIDENCE, FIRES, Store, read_each_part
from vpharness.results.table_schemas import TIMES, WAITS
from vpharness.storage.arrow import list_columns, numpy_array, texts

EvidenceKey = tuple[str, str, str]
"""Run, candidate and part of the table."""

_OF: Final = ("run_id", "candidate_id", "part")
_KEYS: Final = (*_OF, "evidence_digest")
_TALLIES: Final = tuple(Tally.__dataclass_fields__)

Value_co = TypeVar("Value_co", covariant=True)


def stored_evidence(store: Store) -> dict[EvidenceKey, Evidence]:
    """Return the evidence by run, candidate and part of the table; equal evidence is one object.

    Rows of a version that did not keep one of today's sums are left out: what has no evidence is judged anew from its
    fires.
    """
    sums, times = _ByDigest(lambda: _sums(store)), _ByDigest(lambda: _times(store))
    known: dict[str, Evidence] = {}
    found: dict[EvidenceKey, Evidence] = {}
    for keys in _whole_rows(store):
        for run_id, candidate_id, part, digest in zip(*(texts(keys[name]) for name in _KEYS), strict=True):
            if digest not in known:
                known[digest] = StoredEvidence(digest, sums, times)
            found[run_id, candidate_id, part] = known[digest]
    return found


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
        if self._known is None:
            self._known = {}
            for part in self._read():
                self._known.update((each, (part, row)) for row, each in enumerate(part.digests))
        part, row = self._known[digest]
        return part.at(row)


def _whole_rows(store: Store) -> Iterator[pa.Table]:
    """Yield of each part the keys of the rows that lack no sum of today's."""
    kept = ("block", *_TALLIES, *COUNTS, *TICKS, *TIMES)
    parts = read_each_part(store, EVIDENCE, _KEYS, lambda part: (part, set(kept) <= whole_columns(part)), repeated=_OF)
    if not all(is_whole for _, is_whole in parts):
        # Of a part of an earlier version that is only known once the columns have been read.
        yield from read_each_part(
            store, EVIDENCE, [*_KEYS, *kept], lambda part: _without_nulls(part, kept).select(_KEYS)
        )
        return
    yield from (part for part, _ in parts)


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
    """The sums of a part: of row r those of the blocks `ends[r]` to `ends[r + 1] - 1`."""

    digests: list[str]
    seconds: list[int]
    tallies: list[tuple[Any, ...]]
    ends: list[int]
    block: NDArray[np.int64]
    counts: NDArray[np.int32]
    ticks: NDArray[np.float64]
    orders: dict[int, NDArray[np.float64]]

    def at(self, row: int) -> _Sums:
        """Return the sums of a row."""
        own = slice(self.ends[row], self.ends[row + 1])
        sums = BlockSums(self.seconds[row], self.block[own], self.counts[own], self.ticks[own], self.orders.get(row))
        return sums, Tally(*self.tallies[row])


def _sums(store: Store) -> list[_Part[_Sums]]:
    kept = ["evidence_digest", "block_s", *_TALLIES, "block", *COUNTS, *TICKS]

    def made(part: pa.Table) -> _PartSums | None:
        part = _without_nulls(part, kept)
        if not len(part):
            return None
        block, ends = list_columns(part, ["block"])
        counts, ticks = list_columns(part, COUNTS)[0], list_columns(part, TICKS)[0]
        return _PartSums(
            texts(part["evidence_digest"]),
            numpy_array(part["block_s"]).tolist(),
            list(zip(*(numpy_array(part[name]).tolist() for name in _TALLIES), strict=True)),
            ends.tolist(),
            block[:, 0],
            counts.astype(np.int32, copy=False),
            ticks,
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

    return list(read_each_part(store, EVIDENCE, ["evidence_digest", *TIMES, WAITS], made))


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

    return list(read_each_part(store, FIRES, ["fires_digest", "fires"], made))
