"""The audit of a learned signal: garbage from a bin on must change no feature, score or weight before it.

Features and scores are audited as the score of any signal is, with the weights held that are in force in the run:

- Columns and series are garbage from a bin inside a stretch between two fits on. A look ahead is seen at the bins just
  before. Such bins are drawn where the score before them is a finite number: before the first fit every score is
  missing, and equal ones would prove nothing. A look ahead that is shorter than the labels' reach changes no weight,
  since the bins before a fit are left out, so the weights alone do not show it.
- In full also in random chunks, in chunks that end in garbage, and bin by bin.

Weights: some fits of the run are done again, with features and labels computed anew from columns and a mid that are
garbage from the fit's bin on. Every bit must be the same: whatever a label, a scaler or a feature had taken from there
would show in them.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpharness.audit import AuditReport
from vpharness.audit.audit_report import Check, MeasuredMemory
from vpharness.audit.probes import compare, inconclusive_reason, poisoned, program_footprint
from vpharness.audit.scored_pieces import scored_in_pieces
from vpharness.learning.fitting import FitAt, fit_at
from vpharness.learning.labels import labels_of
from vpharness.learning.learned_run import LearnedRun, with_garbage
from vpharness.signals import FitsInForce, Scorer, ScorerState, Weights, body_scorer, features, reach_of
from vpharness.signals.core.fits_in_force import rounded
from vpharness.signals.core.learned_step import Combination, learned_start, learned_step

Floats = NDArray[np.float64]
AUDITED_FITS: Final = 3
"""How many fits of a learned signal a full audit does again."""
CUTS: Final = 8
"""Bins inside the stretches between fits from which on a full audit puts garbage."""
QUICK_CUTS: Final = 2
"""The same of a quick one."""
SINGLE_BINS: Final = 2_000
"""The most bins that are scored one by one: weights are handed over for each."""
_TOLERANCE: Final = 1e-6
"""What a feature may differ by, in its own size or spread: it has single precision."""
_LEAST_SIZE: Final = 1e-3
_COMPARED_BINS: Final = 4_096
"""Bins whose features are compared at once, for memory."""


def audit_fits(
    run: LearnedRun,
    inputs: dict[str, NDArray[Any]],
    scores: Floats,
    *,
    seed: int = 0,
    most: int = 1,
    full: bool = False,
) -> AuditReport:
    """Return the audit of a learned run: of its features and scores, and of up to `most` of its fits, done again.

    Its memory is that of its features, derived from their body: what was fitted before it began is not counted. Bins
    are numbered as those of the dataset.

    Args:
        run: the run.
        inputs: the columns [T, K] and series [T] that it reads.
        scores: [T] its scores.
        seed: what bins, chunks and garbage are drawn from.
        most: how many fits are done again.
        full: whether it is also scored in chunks and bin by bin, and with garbage from more bins on.
    """
    signal, params, view = run.signal, run.params, run.view
    radius = inputs[signal.columns[0]].shape[1] // 2
    ready = body_scorer(signal, params, cell_width_ms=view.cell_width_ms, radius=radius)
    valid = view.book_valid
    bins = int(np.count_nonzero(valid))
    program = program_footprint(ready, inputs, max(bins, 1))
    if reason := inconclusive_reason(scores[valid]):
        return AuditReport((), None, bins, reason, program)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(run.fits), min(most, len(run.fits)), replace=False).tolist())
    checks = [check for place in chosen for check in _fit_checks(run, run.fits[place], inputs, scores, rng)]
    cuts = cuts_behind_fits(run, scores, CUTS if full else QUICK_CUTS, rng)
    behind = [check for cut in cuts for check in _garbage_checks(run, cut, _poisoned(run, cut, inputs, rng), scores)]
    if full:
        shown = {name: np.asarray(inputs[name])[valid] for name in signal.inputs}
        behind += _piece_checks(run, ready, shown, scores, rng)
    reach = reach_of(signal, params, cell_width_ms=view.cell_width_ms, radius=radius).whole
    memory = MeasuredMemory(reach, reach or bins, 1)
    undecided = None
    if not any(check.finite for check in behind if check.compared == "scores"):
        undecided = (
            "no finite score behind a fit could be compared; build a longer dataset, or begin to fit earlier "
            "(first_fit_bins)"
        )
    return AuditReport((*checks, *behind), memory, bins, None, program, undecided)


def cuts_behind_fits(run: LearnedRun, scores: Floats, most: int, rng: np.random.Generator) -> list[int]:
    """Return bins inside stretches between fits, up to `most`, ascending, each behind a bin with a finite score.

    One lies in the last half of the first stretch; then come the last and others in a random order, a bin of each
    before a second one of any.
    """
    edges = [*(fit.bin for fit in run.fits), len(scores)]
    found = [first + 1 + np.flatnonzero(np.isfinite(scores[first : stop - 1])) for first, stop in pairwise(edges)]
    stretches = [places for places in found if len(places)]
    if not stretches:
        return []
    first, *others = stretches
    order = [first[len(first) // 2 :], *others[-1:], *(others[place] for place in rng.permutation(len(others[:-1])))]
    drawn = [rng.permutation(places)[:most] for places in order[:most]]
    rounds = [int(places[turn]) for turn in range(most) for places in drawn if turn < len(places)]
    return sorted(rounds[:most])


def _poisoned(run: LearnedRun, cut: int, inputs: dict[str, NDArray[Any]], rng: np.random.Generator) -> Floats:
    """Return the features [T, F] where columns and series are garbage from a cut on."""
    width_ms, valid = run.view.cell_width_ms, run.view.book_valid
    return features(run.signal, run.params, poisoned(inputs, cut, rng), cell_width_ms=width_ms, valid=valid)


def _garbage_checks(run: LearnedRun, cut: int, found: Floats, scores: Floats) -> Iterator[Check]:
    """Yield the checks of features, and of scores where there are any, before a cut with garbage behind it."""
    (bins,) = np.nonzero(run.view.book_valid[:cut])
    where = f"with garbage from bin {cut} on"
    # Bins without a valid book have no feature in either: all are compared, so that none is copied.
    yield compare_features(where, found[:cut], run.features[:cut], np.arange(cut), spread_of(run))
    if np.isfinite(scores[bins]).any():
        again = dataclasses.replace(run, features=found).scores()
        yield compare(where, again[bins], scores[bins], bins)


def _fit_checks(
    run: LearnedRun, fit: FitAt, inputs: dict[str, NDArray[Any]], scores: Floats, rng: np.random.Generator
) -> Iterator[Check]:
    """Yield the checks of a fit that is done again with garbage from its bin on, and of what lies before it."""
    found = _poisoned(run, fit.bin, inputs, rng)
    view = with_garbage(run.view, fit.bin, int(rng.integers(2**31)))
    before = None if run.earlier is None else run.earlier.bins(run.signal, run.params)
    again = fit_at(run.signal.model, run.params, found, labels_of(view, run.params), fit.bin, before)
    worst = np.inf if again is None else _difference(again.fitted.weights, fit.fitted.weights)
    yield Check(f"with garbage from bin {fit.bin} on", worst, None if worst == 0 else fit.bin, "weights")
    yield from _garbage_checks(run, fit.bin, found, scores)


def _difference(found: Weights, wanted: Weights) -> float:
    """Return the largest difference between weights: 0 where every bit is the same, infinite where shapes differ."""
    if found.keys() != wanted.keys() or any(found[name].shape != wanted[name].shape for name in wanted):
        return np.inf
    if all(found[name].tobytes() == wanted[name].tobytes() for name in wanted):
        return 0.0
    gaps = [np.max(np.abs(np.asarray(found[name], np.float64) - wanted[name]), initial=0.0) for name in wanted]
    return float(max(gaps)) or np.inf


@dataclass(frozen=True)
class _FeaturesAndScores:
    """The step of a learned signal that gives [T, F + 1]: its features, and its score behind them."""

    body: Scorer
    fits: FitsInForce
    combination: Combination | None

    def start(self) -> ScorerState:
        return learned_start(self.body.start(), self.combination)

    def step(self, state: ScorerState, columns: Mapping[str, ArrayLike], /) -> tuple[ScorerState, Floats]:
        seen: list[Any] = []

        def body(before: ScorerState) -> tuple[ScorerState, Any]:
            after, found = self.body.step(before, columns)
            seen.append(found)
            return after, found

        after, scores = learned_step(state, body, self.fits, self.combination)
        return after, np.column_stack([rounded(seen[0]), np.asarray(scores)])


def _piece_checks(
    run: LearnedRun, ready: Scorer, shown: dict[str, NDArray[Any]], scores: Floats, rng: np.random.Generator
) -> Iterator[Check]:
    """Yield the checks of features and scores in chunks, in chunks that end in garbage, and bin by bin."""
    (places,) = np.nonzero(run.view.book_valid)
    steps = _FeaturesAndScores(ready, run.in_force, ready.with_fits(run.in_force).combination)
    spread = spread_of(run)
    for each in scored_in_pieces(steps, shown, len(places), rng, SINGLE_BINS):
        bins = places[each.bins]
        yield compare_features(each.name, each.found[:, :-1], run.features[bins], bins, spread)
        yield compare(each.name, each.found[:, -1], scores[bins], bins)


def spread_of(run: LearnedRun) -> Floats:
    """Return the standard deviation [F] of each feature over its finite values; 0 where there are none."""
    columns = (column[np.isfinite(column)] for column in run.features.T)
    return np.array([column.std() if len(column) else 0.0 for column in columns])


def compare_features(name: str, found: Floats, wanted: Floats, bins: NDArray[np.int64], spread: Floats) -> Check:
    """Return the check of the features [n, F] of n bins.

    They may differ by single precision, of their own size or of their `spread` [F], whichever is larger.
    """
    worst, finite, wrong = 0.0, 0, list[NDArray[np.int64]]()
    for start in range(0, len(bins), _COMPARED_BINS):
        block = slice(start, start + _COMPARED_BINS)
        ours, theirs = found[block], wanted[block]
        with np.errstate(invalid="ignore"):
            gaps = np.nan_to_num(np.abs(ours - theirs), nan=0.0, posinf=np.inf)
        gaps[np.isnan(ours) != np.isnan(theirs)] = np.inf
        size = np.maximum(np.nan_to_num(np.abs(theirs), nan=0.0, posinf=0.0), np.maximum(spread, _LEAST_SIZE))
        wrong.append(bins[block][(gaps > _TOLERANCE * size).any(axis=1)])
        finite += int(np.count_nonzero((np.isfinite(ours) & np.isfinite(theirs)).any(axis=1)))
        worst = max(worst, float(gaps.max(initial=0.0)))
    first = min((int(each.min()) for each in wrong if len(each)), default=None)
    return Check(name, worst, first, "features", finite)
