"""The stable sort in bounded memory."""

import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vpharness.errors import SourceError
from vpharness.events.time_sort import sorted_by_time

DTYPE = np.dtype([("ts_ns", np.int64), ("place", np.int64)])


def blocks_of(times: list[int], size: int) -> Iterator[NDArray[np.void]]:
    """Yield records of these times that know their place."""
    records = np.zeros(len(times), DTYPE)
    records["ts_ns"] = times
    records["place"] = np.arange(len(times))
    for start in range(0, len(times), size):
        yield records[start : start + size]


@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 12), st.integers(1, 100))
def test_sorts_stably_whatever_fits_into_memory(times: list[int], block: int, run: int) -> None:
    """Records come out by time, and by place where times are equal, for any size of runs."""
    with sorted_by_time(blocks_of(times, block), DTYPE, run) as found:
        out = [tuple(record) for part in found.blocks for record in part.tolist()]
    assert found.total == len(times)
    assert out == sorted((time, place) for place, time in enumerate(times))


def test_what_is_held_stays_near_the_size_of_a_run() -> None:
    """However long the input, a merged block is not much larger than a run."""
    times = np.random.default_rng(1).integers(0, 10**6, 20_000).tolist()
    with sorted_by_time(blocks_of(times, 100), DTYPE, 1000) as found:
        sizes = [len(part) for part in found.blocks]
    assert sum(sizes) == 20_000
    assert max(sizes) <= 1100


def test_a_full_disk_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the folder that is full."""

    class FullDisk:
        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FullDisk())
    with (
        pytest.raises(SourceError, match=r"cannot hold the records being sorted.*No space left"),
        sorted_by_time(blocks_of([3, 2, 1], 1), DTYPE, 2),
    ):
        pass
