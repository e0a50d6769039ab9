"""The probes of an audit: garbage in place of the future, a later start of the data, comparison of scores."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.audit.audit_report import Check, MeasuredMemory
from vpharness.signals import CHUNK_TOLERANCE, Program, Scorer, program_of

LEAST_BINS: Final = 100
"""Below so many valid bins nothing is said: a signal may not yet have begun to look at anything."""

EVENT_NUMBERS: Final = "last_event_id"
"""The one column that counts from where the data began."""
_LATER_BY: Final = 1_000_003

Columns = Mapping[str, NDArray[Any]]
Scores = NDArray[np.float64]


def inconclusive_reason(whole: Scores) -> str | None:
    """Return why equal scores would prove nothing, or None."""
    if len(whole) < LEAST_BINS:
        return f"{len(whole)} bins have a valid book, at least {LEAST_BINS} are needed: take a longer dataset"
    finite = whole[np.isfinite(whole)]
    if not len(finite):
        return "no score is a finite number"
    if np.ptp(finite) <= CHUNK_TOLERANCE:
        return f"every score is {finite[0]:g}: take a dataset that is longer, or livelier"
    return None


def compare(name: str, found: Scores, wanted: Scores, bins: NDArray[np.int64]) -> Check:
    """Return the check of the scores [n] of n bins."""
    differences, wrong = _differences(found, wanted)
    first = int(bins[wrong].min()) if wrong.any() else None
    finite = int(np.count_nonzero(np.isfinite(found) & np.isfinite(wanted)))
    return Check(name, float(differences.max(initial=0.0)), first, finite=finite)


def _differences(found: Scores, wanted: Scores) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the differences of scores, and where they exceed rounding.

    The tolerance is that of the chunk law for scores up to 1; rounding, and so the tolerance, grows with larger ones.
    """
    missing = np.isnan(found) != np.isnan(wanted)
    with np.errstate(invalid="ignore"):
        differences = np.where(missing, np.inf, np.nan_to_num(np.abs(found - wanted), nan=0.0))
    size = np.nan_to_num(np.abs(wanted), nan=0.0, posinf=0.0)
    return differences, differences > CHUNK_TOLERANCE * np.maximum(1.0, size)


def garbage_check(cut: int, found: Scores, wanted: Scores) -> Check:
    """Return the check of scores before a cut from which on there was garbage."""
    return compare(f"with garbage from bin {cut} on", found[:cut], wanted[:cut], np.arange(cut))


def poisoned(columns: Columns, cut: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Return the columns with garbage from a cut on: for floats large numbers of both signs."""
    changed = {}
    for name, cells in columns.items():
        copy = cells.copy()
        if np.issubdtype(cells.dtype, np.floating):
            copy[cut:] = rng.normal(scale=1e6, size=copy[cut:].shape)
        else:
            copy[cut:] = rng.integers(-2, 3, size=copy[cut:].shape)
        changed[name] = copy
    return changed


def starting_later(columns: Columns, start: int) -> dict[str, NDArray[Any]]:
    """Return the bins from a later start on, with those before it behind them, so that there are as many.

    Events count from where the data begin, so their numbers are moved: to a signal they must say what came after what.
    """
    return {name: renumbered(name, np.roll(cells, -start, axis=0)) for name, cells in columns.items()}


def renumbered(name: str, cells: NDArray[Any]) -> NDArray[Any]:
    """Return a column as it is where the events are numbered from elsewhere; 0, no event, stays 0."""
    return np.where(cells != 0, cells + _LATER_BY, cells) if name == EVENT_NUMBERS else cells


def later_start(bins: int, share: float) -> int:
    """Return the first prime from a share of the bins on: what repeats every few bins does not hide behind it."""
    first = max(2, int(bins * share))
    return next(n for n in count(first) if all(n % divisor for divisor in range(2, int(n**0.5) + 1)))


def bins_until_agreement(found: Scores, wanted: Scores) -> int:
    """Return the number of bins after a later start until the scores agree."""
    (wrong,) = np.nonzero(_differences(found, wanted)[1])
    return int(wrong[-1]) + 1 if len(wrong) else 0


def measured_memory(
    scored: Callable[[Columns], Scores], columns: Columns, whole: Scores, starts: Sequence[int]
) -> MeasuredMemory:
    """Return how long scores depend on where the data began: the longest over several later starts."""
    bins = len(whole)
    found = [
        bins_until_agreement(scored(starting_later(columns, start))[: bins - start], whole[start:]) for start in starts
    ]
    forgets = all(2 * each <= bins - start for each, start in zip(found, starts, strict=True))
    most = max(found)
    return MeasuredMemory(most if forgets else None, most, len(starts))


def program_footprint(ready: Scorer, columns: Columns, *several: int) -> Program:
    """Return the largest constants, and all outside calls, of the programs that score these numbers of bins."""
    programs = [program_of(ready, columns, bins) for bins in several]
    return Program(
        max(each.largest_bytes for each in programs),
        max(each.total_bytes for each in programs),
        tuple(sorted({name for each in programs for name in each.calls_out})),
    )
