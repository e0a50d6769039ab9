"""The quick audit of a signal's first run on a dataset, at the cost of two more scorings.

The first one puts garbage in the place of the future. The second begins later, and ends in garbage too: its scores must
come to those of the run, and stay there up to the cut. Where they do not, a third one tells a memory that does not end
from a look ahead. A run by itself is scored again over all of its bins, so that nothing is compiled anew; the runs of a
sweep, which share what they have in common, over a part of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.audit.audit_report import AuditReport, Check, MeasuredMemory
from vpharness.audit.probes import (
    LEAST_BINS,
    Columns,
    Scores,
    bins_until_agreement,
    garbage_check,
    inconclusive_reason,
    later_start,
    poisoned,
    program_footprint,
    renumbered,
    starting_later,
)
from vpharness.signals import Memo, Scorer, Signal, SignalParameters, score, score_ready, scorer

SWEEP_BINS: Final = 4_096
"""The bins that the runs of a sweep are scored again over; four times as many are few enough to take all of them."""

WHOLE_BINS: Final = 131_072
"""The most bins over which a run by itself is scored again: beyond that the copies of its columns take too much."""

START_SHARE: Final = 1 / 3
"""Where the data are begun later."""


def quick_audit(
    signal: Signal[Any],
    params: SignalParameters,
    columns: Columns,
    valid: NDArray[np.bool_],
    whole: Scores,
    *,
    cell_width_ms: float,
    seed: int = 0,
) -> AuditReport:
    """Return the audit of a signal by two more scorings.

    `whole` [T] are the scores of its run over the same bins, NaN where the book is not valid.

    Raises ConfigError where the signal cannot be scored on these columns.
    """
    return QuickAudits(signal, [params], columns, valid, cell_width_ms=cell_width_ms, seed=seed).next(whole)


@dataclass(frozen=True)
class _Probe:
    """Columns of which the first bins, before the cut, are those of the run from `start` on."""

    columns: Columns
    start: int
    cut: int


class QuickAudits:
    """The quick audits of many parameter sets of one signal on one grid, one by one, as their scores come."""

    def __init__(
        self,
        signal: Signal[Any],
        many: Sequence[SignalParameters],
        columns: Columns,
        valid: NDArray[np.bool_],
        *,
        cell_width_ms: float,
        seed: int = 0,
        memory_bytes: int = 2**27,
    ) -> None:
        """Prepare audits of parameter sets in the order given, on columns [T, K] and the validity [T] of their bins.

        Cuts and garbage are drawn from `seed`; up to `memory_bytes` of intermediate series are kept.
        """
        self._signal, self._many, self._width_ms = signal, list(many), cell_width_ms
        self._columns = {name: np.asarray(columns[name]) for name in signal.inputs}
        (self._places,) = np.nonzero(valid)
        self._seed, self._memory_bytes = seed, memory_bytes
        self._probes: tuple[_Probe, ...] = ()
        self._ready: list[Scorer] = []
        self._scores: list[Iterator[Scores]] = []

    @property
    def bins(self) -> int:
        """The number of valid bins."""
        return len(self._places)

    def next(self, whole: Scores) -> AuditReport:
        """Audit the next parameter set, whose scores [T] over the run are these.

        Raises ConfigError, and whatever the signal's body raises; the sets behind it can be audited all the same.
        """
        try:
            if not self._scores:
                self._begin()
            ready = self._ready.pop(0)
            return self._audit(ready, whole[self._places], [next(scores) for scores in self._scores])
        except Exception:
            self._scores = []  # a body that fails ends the scores of all that come after it
            raise
        finally:
            self._many.pop(0)

    def _audit(self, ready: Scorer, whole: Scores, probed: Sequence[Scores]) -> AuditReport:
        program = program_footprint(ready, self._columns, max(self.bins, 1))
        if reason := inconclusive_reason(whole):
            return AuditReport((), None, self.bins, reason, program)
        (first, later), (head, tail) = self._probes, probed
        check, wanted = garbage_check(first.cut, head, whole), whole[later.start :]
        bins = bins_until_agreement(tail[: later.cut], wanted[: later.cut])
        if 2 * bins <= min(len(tail), len(wanted)):
            return AuditReport((check, _passed(later)), MeasuredMemory(bins, bins, 1), self.bins, None, program)
        other, memory = self._told_apart(ready.params, later, tail, whole)
        return AuditReport((check, other), memory, self.bins, None, program)

    def _begin(self) -> None:
        """Begin to score the parameter sets that are left over both probes; nothing is where too few bins are valid."""
        radius = self._columns[self._signal.columns[0]].shape[1] // 2
        self._ready = [
            scorer(self._signal, params, cell_width_ms=self._width_ms, radius=radius) for params in self._many
        ]
        if self.bins < LEAST_BINS:
            self._scores = [iter(np.zeros((len(self._many), 0)))]
            return
        alone = len(self._many) == 1
        if not self._probes:
            self._probes = self._made_probes(alone=alone)
        memory_bytes = self._memory_bytes // len(self._probes)
        self._scores = [
            iter([score(self._signal, self._many[0], probe.columns, cell_width_ms=self._width_ms)])
            if alone
            else score_ready(tuple(self._ready), probe.columns, None, Memo(memory_bytes))
            for probe in self._probes
        ]

    def _made_probes(self, *, alone: bool) -> tuple[_Probe, _Probe]:
        most = WHOLE_BINS if alone else 4 * SWEEP_BINS
        length = self.bins if self.bins <= most else SWEEP_BINS
        rng = np.random.default_rng(self._seed)
        cut = int(rng.integers(length // 4, length))
        first = poisoned({name: cells[self._places[:length]] for name, cells in self._columns.items()}, cut, rng)
        start = later_start(self.bins, START_SHARE)
        shared = min(length, self.bins - start)
        later_cut = int(rng.integers(3 * shared // 4, shared))
        places = np.roll(self._places, -start)[:length]
        shown = {name: renumbered(name, cells[places]) for name, cells in self._columns.items()}
        return _Probe(first, 0, cut), _Probe(poisoned(shown, later_cut, rng), start, later_cut)

    def _told_apart(
        self, params: SignalParameters, later: _Probe, tail: Scores, whole: Scores
    ) -> tuple[Check, MeasuredMemory]:
        """Begin later without garbage, over all bins: what differs then is memory, and the rest a look ahead."""
        shown = {name: cells[self._places] for name, cells in self._columns.items()}
        found = score(self._signal, params, starting_later(shown, later.start), cell_width_ms=self._width_ms)
        shared = self.bins - later.start
        bins = bins_until_agreement(found[:shared], whole[later.start :])
        check = garbage_check(later.cut, tail, found)
        moved = None if check.first_bin is None else later.start + check.first_bin
        memory = MeasuredMemory(bins if 2 * bins <= shared else None, bins, 1)
        return Check(_passed(later).name, check.worst, moved), memory


def _passed(later: _Probe) -> Check:
    return Check(f"with garbage from bin {later.start + later.cut} on", 0.0, None)
