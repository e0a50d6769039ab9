"""Carrying out runs: the score over the grid, its fires, their outcomes, and what they come to.

Runs on one dataset are carried out together, for the price of what differs between them; one run alone is the case of
a single one.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.audit import AuditReport, QuickAudits
from vpharness.campaigns.share import DatasetShare
from vpharness.campaigns.spec import RunSpec, threshold_labels
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
from vpharness.results.audits import QUICK, AuditKey, AuditRecord
from vpharness.signals import Memo, score, score_many


@dataclass(frozen=True)
class Candidate:
    """One threshold of a run: its label, its fires by part, and what the part that chooses says of it."""

    candidate_id: str
    label: str  # the threshold itself, or its percentile such as "q90"
    evaluation: CandidateEvaluation
    judgement: Judgement | None  # of the part that chooses; None where the whole dataset is kept for the test


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to."""

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
        """[T] whether a score may still tell where the data began; None where no audit was asked for.

        It no longer does once the signal has been shown as many valid bins as it remembers. One that is not shown to
        forget may tell it always.
        """
        if self.audited is None:
            return None
        memory_bins = self.audited.memory_bins
        if memory_bins is None:
            return np.ones(self.view.n_bins, np.bool_)
        return np.cumsum(self.view.book_valid) <= memory_bins


@dataclass(frozen=True)
class RunFailure:
    """A run that could not be carried out, and why."""

    spec: RunSpec
    error: VpharnessError


def execute(spec: RunSpec) -> RunOutcome:
    """Carry out one run.

    Raises DatasetError where the dataset cannot be read, and ConfigError where thresholds cannot be chosen.
    """
    (outcome,) = execute_many([spec], DatasetShare.of(spec.dataset))
    if isinstance(outcome, RunFailure):
        raise outcome.error
    return outcome


def execute_many(
    specs: Sequence[RunSpec], share: DatasetShare, audits: Mapping[AuditKey, AuditRecord] | None = None
) -> Iterator[RunOutcome | RunFailure]:
    """Carry out runs of one signal on one dataset, each after those that share most of its work.

    Args:
        specs: runs of one signal on the share's dataset, without `spec_problems`.
        share: what is known of the dataset.
        audits: the audits that there are; scores that have none are audited in passing. None: nothing is audited.

    Yields: what each came to, in the order in which scores are shared.

    Raises DatasetError where the dataset cannot be read.
    """
    by_score: dict[str, list[RunSpec]] = {}
    for spec in specs:
        by_score.setdefault(spec.score_key, []).append(spec)
    waiting = list(by_score.values())
    while waiting:
        # A body that fails ends the scores of all that come after it: those are begun anew.
        firsts = [first for first, *_ in waiting]
        auditing = _Auditing(firsts, share, audits)
        begun, many = time.perf_counter(), _scores(firsts, share, auditing.share_of_memory)
        while waiting:
            sharing = waiting.pop(0)
            try:
                scores = next(many)
            except Exception as error:  # the body is its author's code, and may raise anything
                yield from (RunFailure(spec, _failure(spec, error)) for spec in sharing)
                break
            audited, is_new = auditing.of(sharing[0], scores)
            known: dict[tuple[object, ...], tuple[Fires, ...]] = {}
            for spec in sharing:
                try:
                    outcome = _outcome(spec, share, scores, known, begun)
                    yield dataclasses.replace(outcome, audited=audited, is_audit_new=is_new)
                    is_new = False
                except VpharnessError as error:
                    yield RunFailure(spec, error)
                begun = time.perf_counter()


def _failure(spec: RunSpec, error: Exception) -> VpharnessError:
    """Return what is said of a run whose scores could not be computed."""
    if isinstance(error, VpharnessError):
        return error
    if (lack := out_of_memory(error)) is not None:
        return lack
    what = " ".join(str(error).split())
    return ConfigError(f"signal {spec.signal.name} fails while it runs: {type(error).__name__}: {what}")


class _Auditing:
    """The audits of runs with different scores: those that are known, and quick ones of the others.

    Attributes:
        share_of_memory: how much of what intermediate series may take is left to the runs themselves.
    """

    def __init__(
        self, specs: Sequence[RunSpec], share: DatasetShare, known: Mapping[AuditKey, AuditRecord] | None
    ) -> None:
        self._known = known
        self._share = share
        self._unknown = [] if known is None else [spec for spec in specs if spec.audit_key not in known]
        self._audits: QuickAudits | None = None
        self.share_of_memory = 0.5 if self._unknown else 1.0

    def of(self, spec: RunSpec, scores: NDArray[np.float64]) -> tuple[AuditRecord | None, bool]:
        """Return the audit of a run with these scores, and whether it is new; the runs come in the order given."""
        if self._known is None:
            return None, False
        if spec.audit_key in self._known:
            return self._known[spec.audit_key], False
        if self._audits is None:
            self._audits = self._begin()
        try:
            report = self._audits.next(scores)
        except Exception as error:  # the body is its author's code, and may raise anything
            report = AuditReport((), None, self._audits.bins, str(_failure(spec, error)))
        dataset_id = spec.dataset.manifest.dataset_id
        return AuditRecord.now(spec.audit_key, dataset_id, report.failures, report.memory_bins, QUICK), True

    def _begin(self) -> QuickAudits:
        signal, share = self._unknown[0].signal, self._share
        return QuickAudits(
            signal,
            [spec.parameters for spec in self._unknown],
            share.grid(signal.columns),
            share.view.book_valid,
            cell_width_ms=share.dataset.manifest.cell_width_ms,
            memory_bytes=int((1 - self.share_of_memory) * share.memory_bytes // 4),
        )


def _scores(
    specs: Sequence[RunSpec], share: DatasetShare, share_of_memory: float = 1.0
) -> Iterator[NDArray[np.float64]]:
    """Yield the scores of each run; all are of one signal."""
    signal, width = specs[0].signal, share.dataset.manifest.cell_width_ms
    grid, valid = share.grid(signal.columns), share.view.book_valid
    if len(specs) == 1:
        yield score(signal, specs[0].parameters, grid, cell_width_ms=width, valid=valid)
        return
    memo = Memo(int(share_of_memory * share.memory_bytes // 4))
    yield from score_many(
        signal, [spec.parameters for spec in specs], grid, cell_width_ms=width, valid=valid, memo=memo
    )


def _outcome(
    spec: RunSpec,
    share: DatasetShare,
    scores: NDArray[np.float64],
    known: dict[tuple[object, ...], tuple[Fires, ...]],
    begun: float,
) -> RunOutcome:
    """Judge the scores of a run; `known` are the fires found in these scores for other runs."""
    evaluation = spec.resolved
    judged = parts_of(share.view, evaluation, spec.split)[0]
    labels, thresholds = _thresholds(spec, scores, share)
    key = (thresholds, evaluation.warmup_bins, evaluation.cooldown_bins)
    if key not in known:
        known[key] = find_fires(
            scores, thresholds, warmup_bins=evaluation.warmup_bins, cooldown_bins=evaluation.cooldown_bins
        )
    several = None if spec.is_test else share.judged(evaluation, judged, known[key])
    candidates = []
    for place, (label, threshold, fires) in enumerate(zip(labels, thresholds, known[key], strict=True)):
        parts = {} if several is None else {judged.name: several[place].evaluation}
        evaluated = CandidateEvaluation(threshold, fires, parts)
        judgement = None if several is None else several[place].judgement
        candidates.append(Candidate(spec.candidate_id(label), label, evaluated, judgement))
    seconds = time.perf_counter() - begun
    return RunOutcome(spec, judged.name, share.bin_seq, scores, tuple(candidates), share.view, seconds)


def _thresholds(
    spec: RunSpec, scores: NDArray[np.float64], share: DatasetShare
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the thresholds with their labels: those given, or quantiles over the training part."""
    given, percentiles = spec.parameters.thresholds, spec.parameters.threshold_quantiles
    labels = tuple(threshold_labels(spec.parameters))
    if given:
        return labels, tuple(float(threshold) for threshold in given)
    part = parts_of(share.view, spec.resolved, spec.split)[0]
    chosen = quantile_thresholds([scores], [part], [percentile / 100 for percentile in percentiles])
    return labels, chosen
