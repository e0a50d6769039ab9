"""Execution of runs: the score over the grid, its fires, their outcomes, and the judgement of each candidate.

Runs on one dataset are executed together, at the cost of what differs between them; a single run is a batch of one.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.audit import AuditReport, QuickAudits
from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.campaigns.run_spec import RunSpec, threshold_labels
from vpharness.errors import ConfigError, VpharnessError, out_of_memory
from vpharness.evaluation import (
    CandidateEvaluation,
    DatasetView,
    Fires,
    Judgement,
    find_fires,
    parts_of,
    quantile_thresholds,
)
from vpharness.learning import audit_fits
from vpharness.results.audits import QUICK, AuditKey, AuditRecord
from vpharness.signals import LearnedSignal, Memo, score, score_many


@dataclass(frozen=True)
class Candidate:
    """One threshold of a run: its label, its fires by part, and its judgement on the training part."""

    candidate_id: str
    label: str  # the threshold itself, or its percentile such as "q90"
    evaluation: CandidateEvaluation
    judgement: Judgement | None  # of the part that chooses; None where the whole dataset is kept for the test


@dataclass(frozen=True)
class RunOutcome:
    """The results of one run."""

    spec: RunSpec
    judged_part: str
    bin_seq: NDArray[np.int64]  # [T]
    score: NDArray[np.float64]  # [T]; NaN where the book is not valid
    candidates: tuple[Candidate, ...]
    view: DatasetView
    seconds: float  # from the end of the run before to the end of this one
    audited: AuditRecord | None = None  # the audit that holds for its scores; None where none was asked for
    is_audit_new: bool = False  # whether it was done with this run, and is to be kept

    @property
    def within_memory(self) -> NDArray[np.bool_] | None:
        """[T] whether a score may still depend on where the data began; None where no audit was asked for.

        It no longer does once the signal has seen as many valid bins as it remembers. One that is not shown to forget
        may depend on it always.
        """
        if self.audited is None:
            return None
        memory_bins = self.audited.memory_bins
        if memory_bins is None:
            return np.ones(self.view.n_bins, np.bool_)
        return np.cumsum(self.view.book_valid) <= memory_bins


@dataclass(frozen=True)
class RunFailure:
    """A run that failed, with its error."""

    spec: RunSpec
    error: VpharnessError


def execute(spec: RunSpec) -> RunOutcome:
    """Execute one run.

    Raises DatasetError where the dataset cannot be read, and ConfigError where thresholds cannot be chosen.
    """
    (outcome,) = execute_many([spec], DatasetCache.of(spec.dataset))
    if isinstance(outcome, RunFailure):
        raise outcome.error
    return outcome


def execute_many(
    specs: Sequence[RunSpec], cache: DatasetCache, audits: Mapping[AuditKey, AuditRecord] | None = None
) -> Iterator[RunOutcome | RunFailure]:
    """Execute runs of one signal on one dataset, ordered so that runs with equal scores follow one another.

    Args:
        specs: runs of one signal on the cache's dataset, without `spec_problems`.
        cache: the dataset, with what its runs share.
        audits: the audits that there are; scores that have none are audited in passing. None: nothing is audited.

    Yields: the result or failure of each, in the order in which scores are shared.

    Raises DatasetError where the dataset cannot be read.
    """
    by_score: dict[str, list[RunSpec]] = {}
    for spec in specs:
        by_score.setdefault(spec.score_key, []).append(spec)
    waiting = list(by_score.values())
    while waiting:
        # A body that fails ends the scores of all that come after it: those are begun anew.
        firsts = [first for first, *_ in waiting]
        run_audits = _RunAudits(firsts, cache, audits)
        begun, many = time.perf_counter(), _scores(firsts, cache, run_audits.share_of_memory)
        while waiting:
            sharing = waiting.pop(0)
            try:
                scores = next(many)
            except Exception as error:  # the body is its author's code, and may raise anything
                yield from (RunFailure(spec, _failure(spec, error)) for spec in sharing)
                break
            audited, is_new = run_audits.of(sharing[0], scores)
            known: dict[tuple[object, ...], tuple[Fires, ...]] = {}
            for spec in sharing:
                try:
                    outcome = _outcome(spec, cache, scores, known, begun)
                    yield dataclasses.replace(outcome, audited=audited, is_audit_new=is_new)
                    is_new = False
                except VpharnessError as error:
                    yield RunFailure(spec, error)
                begun = time.perf_counter()


def _failure(spec: RunSpec, error: Exception) -> VpharnessError:
    """Return the error of a run whose scores could not be computed."""
    if isinstance(error, VpharnessError):
        return error
    if (lack := out_of_memory(error)) is not None:
        return lack
    what = " ".join(str(error).split())
    return ConfigError(f"signal {spec.signal.name} fails while it runs: {type(error).__name__}: {what}")


class _RunAudits:
    """The audits of runs with different scores: stored ones where there are any, quick ones otherwise.

    Attributes:
        share_of_memory: how much of what intermediate series may take is left to the runs themselves.
    """

    def __init__(
        self, specs: Sequence[RunSpec], cache: DatasetCache, known: Mapping[AuditKey, AuditRecord] | None
    ) -> None:
        self._known = known
        self._cache = cache
        self._unknown = [] if known is None else [spec for spec in specs if spec.audit_key not in known]
        self._audits: QuickAudits | None = None
        self.share_of_memory = 0.5 if self._unknown else 1.0

    def of(self, spec: RunSpec, scores: NDArray[np.float64]) -> tuple[AuditRecord | None, bool]:
        """Return the audit of a run with these scores, and whether it is new; the runs come in the order given."""
        if self._known is None:
            return None, False
        if spec.audit_key in self._known:
            return self._known[spec.audit_key], False
        try:
            report = self._report(spec, scores)
        except Exception as error:  # the body is its author's code, and may raise anything
            report = AuditReport((), None, int(self._cache.view.book_valid.sum()), str(_failure(spec, error)))
        dataset_id = spec.dataset.manifest.dataset_id
        return AuditRecord.now(spec.audit_key, dataset_id, report.failures, report.memory_bins, QUICK), True

    def _report(self, spec: RunSpec, scores: NDArray[np.float64]) -> AuditReport:
        if isinstance(spec.signal, LearnedSignal):
            run = self._cache.learned_run(spec.signal, spec.learned_parameters, spec.earlier_datasets)
            return audit_fits(run, self._cache.inputs(spec.signal), scores)
        if self._audits is None:
            self._audits = self._begin()
        return self._audits.next(scores)

    def _begin(self) -> QuickAudits:
        signal, cache = self._unknown[0].signal, self._cache
        return QuickAudits(
            signal,
            [spec.parameters for spec in self._unknown],
            cache.inputs(signal),
            cache.view.book_valid,
            cell_width_ms=cache.dataset.manifest.cell_width_ms,
            memory_bytes=int((1 - self.share_of_memory) * cache.memory_bytes // 4),
        )


def _scores(
    specs: Sequence[RunSpec], cache: DatasetCache, share_of_memory: float = 1.0
) -> Iterator[NDArray[np.float64]]:
    """Yield the scores of each run; all are of one signal."""
    signal, width = specs[0].signal, cache.dataset.manifest.cell_width_ms
    if isinstance(signal, LearnedSignal):
        for spec in specs:
            yield cache.learned_run(signal, spec.learned_parameters, spec.earlier_datasets).scores()
        return
    grid, valid = cache.inputs(signal), cache.view.book_valid
    if len(specs) == 1:
        yield score(signal, specs[0].parameters, grid, cell_width_ms=width, valid=valid)
        return
    memo = Memo(int(share_of_memory * cache.memory_bytes // 4))
    yield from score_many(
        signal, [spec.parameters for spec in specs], grid, cell_width_ms=width, valid=valid, memo=memo
    )


def _outcome(
    spec: RunSpec,
    cache: DatasetCache,
    scores: NDArray[np.float64],
    known: dict[tuple[object, ...], tuple[Fires, ...]],
    begun: float,
) -> RunOutcome:
    """Judge the scores of a run; `known` are the fires found in these scores for other runs."""
    evaluation = spec.resolved
    judged = parts_of(cache.view, evaluation, spec.split)[0]
    labels, thresholds = _thresholds(spec, scores, cache)
    key = (thresholds, evaluation.warmup_bins, evaluation.cooldown_bins)
    if key not in known:
        known[key] = find_fires(
            scores, thresholds, warmup_bins=evaluation.warmup_bins, cooldown_bins=evaluation.cooldown_bins
        )
    several = None if spec.is_test else cache.judged(evaluation, judged, known[key])
    candidates = []
    for place, (label, threshold, fires) in enumerate(zip(labels, thresholds, known[key], strict=True)):
        parts = {} if several is None else {judged.name: several[place].evaluation}
        evaluated = CandidateEvaluation(threshold, fires, parts)
        judgement = None if several is None else several[place].judgement
        candidates.append(Candidate(spec.candidate_id(label), label, evaluated, judgement))
    seconds = time.perf_counter() - begun
    return RunOutcome(spec, judged.name, cache.bin_seq, scores, tuple(candidates), cache.view, seconds)


def _thresholds(
    spec: RunSpec, scores: NDArray[np.float64], cache: DatasetCache
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the thresholds with their labels: those given, or quantiles over the training part."""
    given, percentiles = spec.parameters.thresholds, spec.parameters.threshold_quantiles
    labels = tuple(threshold_labels(spec.parameters))
    if given:
        return labels, tuple(float(threshold) for threshold in given)
    part = parts_of(cache.view, spec.resolved, spec.split)[0]
    chosen = quantile_thresholds([scores], [part], [percentile / 100 for percentile in percentiles])
    return labels, chosen
