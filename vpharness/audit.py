"""The audit of a signal: does it look ahead, does it keep the chunk law, and how long does it remember its start?

Every check is done on the signal as it is, a user's own included, by scoring again what must not have changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.signals import CHUNK_TOLERANCE, Signal, SignalParameters, score, scorer

CUTS: Final = 3
"""Random bins at which the future is taken away, and poisoned."""

SINGLE_BINS: Final = 400
"""Bins that are scored one by one."""

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: what was done.
        worst: the largest difference between scores that must be equal, a missing one against a number being infinite.
        first_bin: the first valid bin at which they differ by more than the chunk law allows; None where none does.
    """

    name: str
    worst: float
    first_bin: int | None

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return self.first_bin is None


@dataclass(frozen=True)
class AuditReport:
    """What the audit of a signal found.

    Attributes:
        checks: what was tried.
        warm_up_bins: bins after which a score no longer tells where the data began; None where it still does at the
            end of the data.
        bins: valid bins that were looked at.
    """

    checks: tuple[Check, ...]
    warm_up_bins: int | None
    bins: int

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def audit(
    signal: Signal[Any],
    params: SignalParameters,
    columns: Columns,
    valid: NDArray[np.bool_],
    *,
    cell_width_ms: float,
    seed: int = 0,
) -> AuditReport:
    """Audit a signal on columns [T, K] and the validity [T] of their bins.

    The cuts are drawn from `seed`. Raises ConfigError where the signal cannot be scored on these columns.
    """
    shown = {name: np.asarray(columns[name])[valid] for name in signal.columns}
    bins = int(np.count_nonzero(valid))

    def scored(cells: Columns) -> NDArray[np.float64]:
        return score(signal, params, cells, cell_width_ms=cell_width_ms)

    rng = np.random.default_rng(seed)
    whole = scored(shown)
    cuts = sorted(int(cut) for cut in rng.integers(bins // 4, bins, CUTS)) if bins >= 4 else []
    single = _one_by_one(signal, params, shown, cell_width_ms)
    checks = [
        *(_compare(f"without the bins from {cut} on", scored(_until(shown, cut)), whole, cut) for cut in cuts),
        *(_compare(f"with garbage from bin {cut} on", scored(_poisoned(shown, cut, rng)), whole, cut) for cut in cuts),
        _compare(f"the first {len(single)} bins one by one", single, whole, len(single)),
    ]
    return AuditReport(tuple(checks), _warm_up_bins(scored, shown, whole), bins)


def _compare(name: str, found: NDArray[np.float64], wanted: NDArray[np.float64], until: int) -> Check:
    """Compare the scores of the bins before `until`."""
    found, wanted = found[:until], wanted[:until]
    missing = np.isnan(found) != np.isnan(wanted)
    differences = np.where(missing, np.inf, np.nan_to_num(np.abs(found - wanted), nan=0.0))
    worst = float(differences.max(initial=0.0))
    wrong = np.flatnonzero(differences > CHUNK_TOLERANCE)
    return Check(name, worst, int(wrong[0]) if len(wrong) else None)


def _until(columns: Columns, cut: int) -> Columns:
    return {name: cells[:cut] for name, cells in columns.items()}


def _poisoned(columns: Columns, cut: int, rng: np.random.Generator) -> Columns:
    """Replace the bins from a cut on by what no market is: for floats large numbers of both signs."""
    poisoned = {}
    for name, cells in columns.items():
        copy = cells.copy()
        if np.issubdtype(cells.dtype, np.floating):
            copy[cut:] = rng.normal(scale=1e6, size=copy[cut:].shape)
        else:
            copy[cut:] = rng.integers(-2, 3, size=copy[cut:].shape)
        poisoned[name] = copy
    return poisoned


def _one_by_one(
    signal: Signal[Any], params: SignalParameters, columns: Columns, cell_width_ms: float
) -> NDArray[np.float64]:
    cells = next(iter(columns.values())).shape
    ready = scorer(signal, params, cell_width_ms=cell_width_ms, radius=cells[1] // 2)
    state, scores = ready.start(), []
    for index in range(min(SINGLE_BINS, cells[0])):
        state, found = ready.step(state, {name: values[index : index + 1] for name, values in columns.items()})
        scores.append(float(found[0]))
    return np.array(scores)


def _warm_up_bins(
    scored: Callable[[Columns], NDArray[np.float64]], columns: Columns, whole: NDArray[np.float64]
) -> int | None:
    """Return how many bins a score needs to forget that the data began a third later."""
    start = len(whole) // 3
    late = scored({name: cells[start:] for name, cells in columns.items()})
    missing = np.isnan(late) != np.isnan(whole[start:])
    differs = missing | (np.nan_to_num(np.abs(late - whole[start:]), nan=0.0) > CHUNK_TOLERANCE)
    still = np.flatnonzero(differs)
    if not len(still):
        return 0
    return None if still[-1] == len(late) - 1 else int(still[-1]) + 1
