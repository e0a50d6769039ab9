"""The trial ledger: every candidate ever evaluated, with its evidence, its fires and the runs it came from."""

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vpharness.evaluation import (
    TEST,
    Evidence,
    Fires,
    Market,
    MarketTime,
    ResolvedEvaluation,
    SplitParameters,
    counted_once,
    parts_within,
)

AUDIT_PASSED: Final = "passed"
NOT_AUDITED: Final = "none"
AUDIT_FAILED: Final = "FAILED"
AUDIT_UNDECIDED: Final = "undecided"

UNKNOWN_MARKET: Final = Market(None)

DatasetKey = tuple[str, str]
"""A dataset's id and checksum."""


@dataclass(frozen=True)
class Trial:
    """One candidate on one dataset."""

    candidate_id: str
    run_id: str
    dataset_id: str
    dataset_checksum: str
    signal: str
    parameters: dict[str, Any]
    threshold_label: str
    evaluation: ResolvedEvaluation
    split: SplitParameters
    judged_part: str
    fires: Fires
    first_bin_start_ns: int | None  # None in rows of an earlier version, until it is read off the dataset
    bins: int
    market: Market = UNKNOWN_MARKET
    evidence: Evidence | None = None  # of the part that was judged; None in rows of an earlier version, and of a test
    campaigns: frozenset[str] = frozenset()  # every campaign that its run was part of
    created_ns: int = 0  # when its run was stored, since the Unix epoch, UTC
    adaptive: bool = False  # whether its values were chosen by looking at the results of earlier runs
    audit: str = NOT_AUDITED  # outcome of the audit of its scores on this dataset
    audit_found: str = ""  # what that audit found, in words; empty where it passed
    signal_digest: str = ""  # of the signal's program: equal for a copy under another name
    fitted_on: str = ""  # the datasets that its weights were fitted on, as JSON, where these are others than its own
    other_run_ids: tuple[str, ...] = ()  # later runs of the same trial, with other thresholds beside its own

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that hold this trial, the first one first."""
        return self.run_id, *self.other_run_ids

    def joined(self, other: "Trial") -> "Trial":
        """Return this trial and the same one of another run as one: nothing of what is known of either is forgotten.

        A dataset that was kept for the test, and trains in a later version of its collection, is one that trains: it
        is no test any more. The trial is that of the run that trained on it, which came later in the order of running.
        """
        if (self.judged_part == TEST) != (other.judged_part == TEST):
            first, later = (other, self) if self.judged_part == TEST else (self, other)
        else:
            first, later = sorted((self, other), key=lambda trial: trial.created_ns)
        return replace(
            first,
            other_run_ids=(*first.other_run_ids, *later.run_ids),
            campaigns=first.campaigns | later.campaigns,
            adaptive=first.adaptive or later.adaptive,
            evidence=later.evidence if first.evidence is None else first.evidence,
        )

    @property
    def dataset(self) -> DatasetKey:
        """Its dataset: one that was made anew under the same id is another."""
        return self.dataset_id, self.dataset_checksum

    @functools.cached_property
    def judged_time(self) -> MarketTime:
        """The market time of the part that chooses, or of a dataset kept for the test."""
        return self._time(self.judged_part)

    @functools.cached_property
    def test_time(self) -> MarketTime | None:
        """The market time of its test part; None where there is none."""
        names = [part.name for part in _parts(self.dataset_id, self.bins, self.evaluation, self.split)]
        return self._time(TEST) if TEST in names else None

    def _time(self, name: str) -> MarketTime:
        parts = _parts(self.dataset_id, self.bins, self.evaluation, self.split)
        (part,) = [each for each in parts if each.name == name]
        start_ns, width_ns = self.first_bin_start_ns or 0, round(self.evaluation.cell_width_ms * 1_000_000)
        return MarketTime(self.market, start_ns + part.start * width_ns, start_ns + part.stop * width_ns)


def _parts(dataset_id: str, bins: int, evaluation: ResolvedEvaluation, split: SplitParameters) -> tuple[Any, ...]:
    return _known_parts(dataset_id, bins, evaluation, split.kind, split.train_share, tuple(split.test_datasets))


@functools.lru_cache(maxsize=4096)
def _known_parts(
    dataset_id: str, bins: int, evaluation: ResolvedEvaluation, kind: str, train_share: float, kept: tuple[str, ...]
) -> tuple[Any, ...]:
    return parts_within(dataset_id, bins, evaluation, SplitParameters(kind, train_share, list(kept)))


@dataclass(frozen=True)
class LedgerCandidate:
    """One candidate with all the datasets it ran on.

    Attributes:
        candidate_id: its id.
        trials: in the order of datasets.
        explored: other ways of entering its fires that were looked at and never run. They are of no rank, and count in
            the families of all.
        refitted: the same on datasets that it has a trial on already, with weights that were fitted on others before
            them. The first trial on a dataset stands for it; these are of no rank, and count in the families of all.
    """

    candidate_id: str
    trials: tuple[Trial, ...]
    explored: tuple["LedgerCandidate", ...] = ()
    refitted: tuple["LedgerCandidate", ...] = ()

    @property
    def first(self) -> Trial:
        """Any of its trials: what does not depend on the dataset is the same in all."""
        return self.trials[0]

    @property
    def dataset_ids(self) -> tuple[str, ...]:
        """The datasets it ran on."""
        return tuple(trial.dataset_id for trial in self.trials)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that hold this candidate, those for which the first on their dataset stands among them."""
        trials = [*self.trials, *(trial for each in self.refitted for trial in each.trials)]
        return tuple(run_id for trial in trials for run_id in trial.run_ids)

    @property
    def adaptive(self) -> bool:
        """Whether an adaptive search chose it: such a search is no family, and only the test part can judge it."""
        return any(trial.adaptive for trial in self.trials)

    @property
    def audit(self) -> str:
        """The outcome of the audits of its scores on all datasets: the worst of FAILED, undecided, none and passed."""
        found = {trial.audit for trial in self.trials}
        return next(each for each in (AUDIT_FAILED, AUDIT_UNDECIDED, NOT_AUDITED, AUDIT_PASSED) if each in found)

    @property
    def audit_found(self) -> str:
        """What an audit of this outcome found, in words; empty where all passed."""
        return next((trial.audit_found for trial in self.trials if trial.audit == self.audit), "")

    @property
    def chooses(self) -> bool:
        """Whether any of its trials is on a dataset that chooses."""
        return any(trial.judged_part != TEST for trial in self.trials)

    @functools.cached_property
    def choosing(self) -> tuple[Trial, ...]:
        """Its trials on the datasets that choose, in the order of running; not those that are kept for the test."""
        return in_order([trial for trial in self.trials if trial.judged_part != TEST])

    @functools.cached_property
    def counted(self) -> tuple[Trial, ...]:
        """Those of them that count: of trials that overlap in market time the longest alone."""
        return counted_trials(self.choosing)

    @property
    def overlapping(self) -> tuple[Trial, ...]:
        """Those of them that count nowhere, since a longer one covers their market time."""
        counted = set(map(id, self.counted))
        return tuple(trial for trial in self.choosing if id(trial) not in counted)

    @functools.cached_property
    def market_times(self) -> tuple[MarketTime, ...]:
        """All market time that it was judged on, whether that counts or not."""
        return tuple(trial.judged_time for trial in self.choosing)

    def on(self, keep: Callable[[Trial], bool]) -> "LedgerCandidate | None":
        """Return the candidate as it is on some of its trials alone; None where that leaves none."""
        kept = tuple(trial for trial in self.trials if keep(trial))
        if len(kept) == len(self.trials):
            return self
        explored, refitted = (
            tuple(some for each in several if (some := each.on(keep)) is not None)
            for several in (self.explored, self.refitted)
        )
        return LedgerCandidate(self.candidate_id, kept, explored, refitted) if kept else None


class StoredLedger(list[LedgerCandidate]):
    """The candidates of a store.

    Attributes:
        parts_digest: of the parts of tables that they were read from: where it is the same, so are they. None where
            parts of an earlier version were read, whose names do not say what they hold, or some were added meanwhile.
    """

    def __init__(self, candidates: Iterable[LedgerCandidate], parts_digest: str | None) -> None:
        """Take candidates as they were read."""
        super().__init__(candidates)
        self.parts_digest = parts_digest


def with_explored(ledger: Iterable[LedgerCandidate]) -> list[LedgerCandidate]:
    """Return candidates, and all that was tried of them beside: everything that was ever tried."""
    return [found for each in ledger for found in (each, *each.explored, *each.refitted)]


def in_order(trials: Collection[Trial]) -> tuple[Trial, ...]:
    """Return trials in the order in which they were run."""
    return tuple(sorted(trials, key=lambda trial: (trial.created_ns, trial.dataset)))


def counted_trials(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return those of some trials that count: of those that overlap in market time the longest alone."""
    if len(trials) == 1:
        return tuple(trials)
    return tuple(trials[place] for place in _counted_places(tuple(trial.judged_time for trial in trials)))


def _counted_places(times: tuple[MarketTime, ...]) -> tuple[int, ...]:
    """Return which of some stretches count; candidates that ran on the same days ask alike, mostly with the objects."""
    key = tuple(map(id, times))
    known = _COUNTED.get(key)
    if known is None:
        if len(_COUNTED) >= _MOST_COUNTED:
            _COUNTED.clear()
        # The stretches are kept, so that no other ones come to have their numbers.
        known = _COUNTED[key] = _counted_once(times), times
    return known[0]


@functools.lru_cache(maxsize=4096)
def _counted_once(times: tuple[MarketTime, ...]) -> tuple[int, ...]:
    return tuple(counted_once(times))


_MOST_COUNTED: Final = 4096
_COUNTED: Final[dict[tuple[int, ...], tuple[tuple[int, ...], tuple[MarketTime, ...]]]] = {}
