"""The audit of a signal: does it look ahead, does it keep the chunk law, and how long does it remember its start?

Every check is done on the signal as it is, a user's own included, by scoring again what must not have changed. Bin by
bin, from the state alone, a body has nothing else to look at than its own bin: that is the sharpest check, and the
others catch a body that behaves itself only then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.signals import CHUNK_TOLERANCE, Scorer, ScorerState, Signal, SignalParameters, score, scorer

LEAST_BINS: Final = 100
"""Below so many valid bins nothing is said: a signal may not yet have begun to look at anything."""

CUTS: Final = 3
"""Random bins from which on the whole future is poisoned."""

SINGLE_BINS: Final = 6_000
"""The most bins that are scored one by one, at a quarter of a millisecond each: all of a short run, or bursts."""

BURST_BINS: Final = 20
"""Bins of a burst."""

CHUNK_LENGTHS: Final = (7, 45, 250)
"""Random chunks are of these lengths: the signal is compiled anew for each."""

Columns = Mapping[str, NDArray[Any]]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: what was done.
        worst: the largest difference between scores that must be equal, a missing one against a number being infinite.
        first_bin: the first valid bin at which they differ by more than rounding; None where none does.
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
        not_checked: why nothing can be said of this signal on these data; None where something can.
    """

    checks: tuple[Check, ...]
    warm_up_bins: int | None
    bins: int
    not_checked: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the signal was checked, and every check passed."""
        return self.not_checked is None and all(check.passed for check in self.checks)


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

    Cuts, chunks and garbage are drawn from `seed`. Raises ConfigError where the signal cannot be scored on these
    columns.
    """
    shown = {name: np.asarray(columns[name])[valid] for name in signal.columns}
    bins = int(np.count_nonzero(valid))
    if bins < LEAST_BINS:
        too_few = f"{bins} bins have a valid book, at least {LEAST_BINS} are needed: take a longer dataset"
        return AuditReport((), None, bins, too_few)

    def scored(cells: Columns) -> Scores:
        return score(signal, params, cells, cell_width_ms=cell_width_ms)

    rng = np.random.default_rng(seed)
    whole = scored(shown)
    if reason := _says_nothing(whole):
        return AuditReport((), None, bins, reason)
    radius = next(iter(shown.values())).shape[1] // 2
    ready = scorer(signal, params, cell_width_ms=cell_width_ms, radius=radius)
    cuts = sorted(int(cut) for cut in rng.integers(bins // 4, bins, CUTS))
    checks = [
        *(_garbage_from(cut, scored(_poisoned(shown, cut, rng)), whole) for cut in cuts),
        *_pieces(ready, shown, whole, rng),
    ]
    return AuditReport(tuple(checks), _warm_up_bins(scored, shown, whole), bins)


def _says_nothing(whole: Scores) -> str | None:
    """Return why scores prove nothing by being equal, or None."""
    finite = whole[np.isfinite(whole)]
    if not len(finite):
        return "no score is a finite number"
    if np.ptp(finite) <= CHUNK_TOLERANCE:
        return f"every score is {finite[0]:g}: take a dataset that is longer, or livelier"
    return None


def _compare(name: str, found: Scores, wanted: Scores, bins: NDArray[np.int64]) -> Check:
    """Compare the scores [n] of n bins.

    The tolerance is that of the chunk law for scores up to 1; rounding, and so the tolerance, grows with larger ones.
    """
    missing = np.isnan(found) != np.isnan(wanted)
    with np.errstate(invalid="ignore"):
        differences = np.where(missing, np.inf, np.nan_to_num(np.abs(found - wanted), nan=0.0))
    size = np.nan_to_num(np.abs(wanted), nan=0.0, posinf=0.0)
    wrong = bins[differences > CHUNK_TOLERANCE * np.maximum(1.0, size)]
    return Check(name, float(differences.max(initial=0.0)), int(wrong.min()) if len(wrong) else None)


def _garbage_from(cut: int, found: Scores, whole: Scores) -> Check:
    return _compare(f"with garbage from bin {cut} on", found[:cut], whole[:cut], np.arange(cut))


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


def _between(columns: Columns, start: int, stop: int) -> Columns:
    return {name: cells[start:stop] for name, cells in columns.items()}


def _pieces(ready: Scorer, columns: Columns, whole: Scores, rng: np.random.Generator) -> list[Check]:
    """Score the run in random chunks, each with and without garbage in the place of its end, and one by one."""
    chunks: list[Scores] = []
    before_garbage: list[tuple[int, Scores]] = []
    states: dict[int, ScorerState] = {}
    state, start = ready.start(), 0
    while start < len(whole):
        fitting = [length for length in CHUNK_LENGTHS if start + length <= len(whole)]
        stop = start + int(rng.choice(fitting or [1]))
        cells, states[start] = _between(columns, start, stop), state
        if stop - start > 1:
            cut = int(rng.integers(1, stop - start))
            found = np.asarray(ready.step(state, _poisoned(cells, cut, rng))[1])
            before_garbage.append((start, found[:cut]))
        state, scores = ready.step(state, cells)
        chunks.append(np.asarray(scores))
        start = stop
    bins = np.arange(len(whole))
    seen = np.concatenate([np.arange(start, start + len(scores)) for start, scores in before_garbage])
    found = np.concatenate([scores for _, scores in before_garbage])
    return [
        _compare(f"in {len(chunks)} random chunks", np.concatenate(chunks), whole, bins),
        _compare(f"in {len(before_garbage)} chunks that end in garbage", found, whole[seen], seen),
        _one_by_one(ready, columns, whole, states, rng),
    ]


def _one_by_one(
    ready: Scorer, columns: Columns, whole: Scores, states: Mapping[int, ScorerState], rng: np.random.Generator
) -> Check:
    """Score all bins one by one, or bursts of them from some of the states, by the first bin behind each."""
    starts, burst = [0], len(whole)
    if len(whole) > SINGLE_BINS:
        burst, most = BURST_BINS, min(SINGLE_BINS // BURST_BINS, len(states))
        starts = sorted(rng.choice(list(states), most, replace=False).tolist())
    found: list[Any] = []
    bins: list[int] = []
    for start in starts:
        state = states[start]
        for index in range(start, min(start + burst, len(whole))):
            state, scores = ready.step(state, _between(columns, index, index + 1))
            found.append(scores)
            bins.append(index)
    return _compare(f"{len(bins)} bins one by one", np.concatenate(found), whole[bins], np.array(bins))


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
