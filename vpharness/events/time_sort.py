"""Stable sort of records by time in bounded memory: sorted runs on disk, merged block by block."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import SourceError

RUN_RECORDS: Final = 1 << 19
"""How many records are held in memory at once, roughly."""


@dataclass
class SortedRecords:
    """Records in the order of their field `ts_ns`; where it is equal, in the order they came in."""

    total: int
    blocks: Iterator[NDArray[np.void]]


@contextmanager
def sorted_by_time(
    blocks: Iterator[NDArray[np.void]], dtype: np.dtype[np.void], run_records: int = RUN_RECORDS
) -> Iterator[SortedRecords]:
    """Read all records, and yield them sorted by `ts_ns`, stably.

    What fits into one run never touches the disk. Raises SourceError where the temporary folder is full.
    """
    with ExitStack() as stack:
        file: IO[bytes] | None = None
        lengths = []
        run = np.empty(0, dtype)
        try:
            for run in _runs(blocks, dtype, run_records):
                if file is None and len(run) >= run_records:
                    file = stack.enter_context(tempfile.TemporaryFile(prefix="vpharness-sort-"))
                if file is not None:
                    file.write(run.tobytes())
                    lengths.append(len(run))
            if file is not None:
                file.flush()
        except OSError as error:
            raise SourceError(f"{tempfile.gettempdir()}: cannot hold the records being sorted: {error}") from error
        if file is None:
            yield SortedRecords(len(run), iter([run]))
        else:
            yield SortedRecords(sum(lengths), _merged(file, dtype, lengths, run_records))


def _runs(blocks: Iterator[NDArray[np.void]], dtype: np.dtype[np.void], size: int) -> Iterator[NDArray[np.void]]:
    """Yield the records in sorted runs of at least `size`, the last one shorter and perhaps empty."""
    parts: list[NDArray[np.void]] = [np.empty(0, dtype)]
    for block in blocks:
        parts.append(block)
        if sum(map(len, parts)) >= size:
            yield _sorted(parts)
            parts = [np.empty(0, dtype)]
    yield _sorted(parts)


def _sorted(parts: list[NDArray[np.void]]) -> NDArray[np.void]:
    joined = np.concatenate(parts)
    return joined[np.argsort(joined["ts_ns"], kind="stable")]


def _merged(
    file: IO[bytes], dtype: np.dtype[np.void], lengths: list[int], run_records: int
) -> Iterator[NDArray[np.void]]:
    """Merge runs that lie one behind another in `file`.

    Of each run one block is held. Everything up to the least (time, run) at which a block ends is complete in memory.
    """
    block_records = max(1, run_records // len(lengths))
    ends = np.cumsum(lengths)
    places = ends - lengths
    held = [np.empty(0, dtype) for _ in lengths]
    while True:
        for run, block in enumerate(held):
            if not len(block):
                count = int(min(block_records, ends[run] - places[run]))
                file.seek(int(places[run]) * dtype.itemsize)
                held[run] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
                places[run] += count
        unfinished = [(int(held[run]["ts_ns"][-1]), run) for run in range(len(held)) if places[run] < ends[run]]
        if not unfinished:
            yield _sorted(held)
            return
        until, last_run = min(unfinished)
        cuts = [
            int(np.searchsorted(block["ts_ns"], until, side="right" if run <= last_run else "left"))
            for run, block in enumerate(held)
        ]
        yield _sorted([block[:cut] for block, cut in zip(held, cuts, strict=True)])
        held = [block[cut:] for block, cut in zip(held, cuts, strict=True)]
