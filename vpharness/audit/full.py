"""The full audit: does a signal look ahead, does it keep the chunk law, and how long does it remember its start?

Every check is done on the signal as it is, a user's own included, by scoring again what must not have changed. Bin by
bin, from the state alone, a body has nothing else to look at than its own bin: that is the sharpest check, and the
others catch a body that behaves itself only then. What no scoring shows, answers that the program carries in itself or
fetches from outside, is seen in the program.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.audit.audit_report import AuditReport, MeasuredMemory
from vpharness.audit.probes import (
    LEAST_BINS,
    Columns,
    Scores,
    bins_until_agreement,
    compare,
    garbage_check,
    inconclusive_reason,
    later_start,
    measured_memory,
    poisoned,
    program_footprint,
    renumbered,
)
from vpharness.audit.scored_pieces import between, scored_in_pieces
from vpharness.signals import Signal, SignalParameters, capacity_for, score, scorer

CUTS: Final = 3
"""Random bins from which on the whole future is poisoned."""

START_SHARES: Final = (1 / 16, 1 / 8, 3 / 16, 1 / 4, 1 / 3)
"""Where the data are begun later: a memory that ends when something happens is longer after some starts than others."""

SHORT_STARTS: Final = 48
"""As many random starts more, each for twice as many bins as those above have shown to be remembered."""

SINGLE_BINS: Final = 6_000
"""The most bins that are scored one by one, at a quarter of a millisecond each: all of a short run, or bursts."""


def audit(
    signal: Signal[Any],
    params: SignalParameters,
    columns: Columns,
    valid: NDArray[np.bool_],
    *,
    cell_width_ms: float,
    seed: int = 0,
) -> AuditReport:
    """Return the full audit of a signal on its columns [T, K], its series [T], and the validity [T] of their bins.

    Cuts, chunks and garbage are drawn from `seed`. Raises ConfigError where the signal cannot be scored on these
    columns.
    """
    shown = {name: np.asarray(columns[name])[valid] for name in signal.inputs}
    bins = int(np.count_nonzero(valid))

    def scored(cells: Columns) -> Scores:
        return score(signal, params, cells, cell_width_ms=cell_width_ms)

    radius = shown[signal.columns[0]].shape[1] // 2
    ready = scorer(signal, params, cell_width_ms=cell_width_ms, radius=radius)
    program = program_footprint(ready, shown, max(bins, 1), 1)
    whole = scored(shown) if bins else np.zeros(0)
    if reason := inconclusive_reason(whole):
        return AuditReport((), None, bins, reason, program)
    rng = np.random.default_rng(seed)
    cuts = sorted(int(cut) for cut in rng.integers(bins // 4, bins, CUTS))
    behind_cuts = [garbage_check(cut, scored(poisoned(shown, cut, rng)), whole) for cut in cuts]
    pieces = scored_in_pieces(ready, shown, bins, rng, SINGLE_BINS)
    checks = [
        *behind_cuts,
        *(compare(each.name, each.found, whole[each.bins], each.bins) for each in pieces),
    ]
    memory = measured_memory(scored, shown, whole, [later_start(bins, share) for share in START_SHARES])
    memory = _with_short_starts(memory, scored, shown, whole, rng)
    return AuditReport(tuple(checks), memory, bins, None, program)


def _with_short_starts(
    memory: MeasuredMemory,
    scored: Callable[[Columns], Scores],
    columns: Columns,
    whole: Scores,
    rng: np.random.Generator,
) -> MeasuredMemory:
    """Return the memory over many more starts, of a few bins each: its length depends on what it begins with."""
    length = 2 * capacity_for(max(memory.at_least, LEAST_BINS))
    if memory.bins is None or 2 * length > len(whole):
        return memory
    most, starts = memory.bins, sorted(int(start) for start in rng.integers(1, len(whole) - length, SHORT_STARTS))
    for start in starts:
        cells = {name: renumbered(name, each) for name, each in between(columns, start, start + length).items()}
        found = bins_until_agreement(scored(cells), whole[start : start + length])
        if 2 * found > length:  # longer than any before: to be seen to its end
            longer = measured_memory(scored, columns, whole, [min(start, len(whole) // 3)])
            if longer.bins is None:
                return longer
            found = longer.bins
        most = max(most, found)
    return MeasuredMemory(most, most, memory.starts + len(starts))
