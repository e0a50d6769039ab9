"""Independent pieces of work, one after another in this process or side by side in several."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from joblib import Parallel, delayed, effective_n_jobs

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")


def carried_out(
    function: Callable[[Work], Outcome],
    works: Sequence[Work],
    processes: int,
    died: Callable[[Work], Outcome],
) -> Iterator[tuple[int, Outcome]]:
    """Yield the place and the outcome of each piece of work, as they end.

    Where a process dies, such as for a lack of memory, the pieces that it may have been at are tried again, each alone;
    one whose process dies again has the outcome that `died` gives it.

    Args:
        function: of a module, so that other processes can import it.
        works: what it is called with, one by one; each must be picklable.
        processes: how many; -1: one for each core. With one, everything is done in this process.
        died: returns the outcome of a piece of work that ends its process.
    """
    count = min(effective_n_jobs(processes), len(works))
    if count <= 1:
        for place, work in enumerate(works):
            yield place, function(work)
        return
    waiting = dict(enumerate(works))
    while waiting:
        try:
            for place, outcome in _in_processes(function, waiting, count):
                del waiting[place]
                yield place, outcome
        except BrokenProcessPool:
            # Work is begun in its order: the first that have not ended are those that were under way.
            for place in list(waiting)[:count]:
                work = waiting.pop(place)
                try:
                    ((_, outcome),) = _in_processes(function, {place: work}, 2)
                except BrokenProcessPool:
                    outcome = died(work)
                yield place, outcome


def _in_processes(
    function: Callable[[Work], Outcome], works: dict[int, Work], processes: int
) -> Iterator[tuple[int, Outcome]]:
    calls = [delayed(_numbered)(function, place, work) for place, work in works.items()]
    yield from Parallel(n_jobs=processes, backend="loky", batch_size=1, return_as="generator_unordered")(calls)


def _numbered(function: Callable[[Work], Outcome], place: int, work: Work) -> tuple[int, Outcome]:
    return place, function(work)
