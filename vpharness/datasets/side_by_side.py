"""Independent pieces of work, one after another in this process, or side by side on an engine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from joblib import effective_n_jobs

from vpharness.engines.calls import Engine, carry_out_each
from vpharness.engines.joblib_engine import JoblibEngine

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")


def engine_of(processes: int) -> Engine | None:
    """Return so many processes of this machine as an engine, and None for one: then all is done in this process.

    Args:
        processes: how many; -1: one for each core.
    """
    return None if effective_n_jobs(processes) <= 1 else JoblibEngine(processes)


def carry_out(
    function: Callable[[Work], Outcome],
    works: Sequence[Work],
    engine: Engine | None,
    died: Callable[[Work], Outcome],
    ended: Callable[[int, Outcome], None],
    folders: tuple[Path, ...] = (),
) -> None:
    """Carry out pieces of work, and pass on the place and the outcome of each as they end.

    Where a process dies, such as for a lack of memory, the pieces that it was at are tried again; one whose process
    dies again has the outcome that `died` gives it.

    Args:
        function: of a module, so that other processes can import it.
        works: what it is called with, one by one; with an engine each must be picklable.
        engine: what carries them out, unless there is one alone; None: this process.
        died: returns the outcome of a piece of work that ends its process.
        ended: is called with each place and outcome, in one thread at a time.
        folders: those that every piece reads and writes, which all machines must see.

    Raises what a piece of work raises, and EngineError where the engine cannot work.
    """
    if engine is None or len(works) <= 1:
        for place, work in enumerate(works):
            ended(place, function(work))
        return
    carry_out_each(engine, function, works, died, ended, folders)
