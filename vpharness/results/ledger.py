"""The trial ledger: every candidate ever evaluated, with its evidence, its fires and the runs it came from."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, overload

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


@dataclass(frozen=True, kw_only=True)
class LedgerRun:
    """What all trials of a run have in common: one dataset, judged by one set of rules."""

    run_id: str
    dataset_id: str
    dataset_checksum: str
    signal: str
    parameters: dict[str, Any]
    evaluation: ResolvedEvaluation
    split: SplitParameters
    judged_part: str
    first_bin_start_ns: int | None  # None in rows of an earlier version, until it is read off the dataset
    bins: int
    market: Market = UNKNOWN_MARKET
    campaigns: frozenset[str] = frozenset()  # every campaign that the run was part of
    created_ns: int = 0  # when the run was stored, since the Unix epoch, UTC
    adaptive: bool = False  # whether its values were chosen by looking at the results of earlier runs
    audit: str = NOT_AUDITED  # outcome of the audit of its scores on this dataset
    audit_found: str = ""  # what that audit found, in words; empty where it passed
    signal_digest: str = ""  # of the signal's program: equal for a copy under another name
    fitted_on: str = ""  # the datasets that its weights were fitted on, as JSON, where these are others than its own

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that this stands for, the first one first."""
        return (self.run_id,)

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


@dataclass(frozen=True, kw_only=True)
class Trial(LedgerRun):
    """One candidate on one dataset."""

    candidate_id: str
    threshold_label: str
    fires: Fires
    evidence: Evidence | None = None  # of the part that was judged; None in rows of an earlier version, and of a test
    other_run_ids: tuple[str, ...] = ()  # later runs of the same trial, with other thresholds beside its own

    @classmethod
    def of(
        cls, run: LedgerRun, candidate_id: str, threshold_label: str, fires: Fires, evidence: Evidence | None
    ) -> "Trial":
        """Return a trial of a run. What was worked out of the run, such as its market time, is not worked out anew."""
        made = cls.__new__(cls)
        own = {"candidate_id": candidate_id, "threshold_label": threshold_label, "fires": fires, "evidence": evidence}
        vars(made).update(vars(run), **own, other_run_ids=())
        return made

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


def _parts(dataset_id: str, bins: int, evaluation: ResolvedEvaluation, split: SplitParameters) -> tuple[Any, ...]:
    return _known_parts(dataset_id, bins, evaluation, split.kind, split.train_share, tuple(split.test_datasets))


@functools.lru_cache(maxsize=4096)
def _known_parts(
    dataset_id: str, bins: int, evaluation: ResolvedEvaluation, kind: str, train_share: float, kept: tuple[str, ...]
) -> tuple[Any, ...]:
    return parts_within(dataset_id, bins, evaluation, SplitParameters(kind, train_share, list(kept)))


class LedgerRuns:
    """The runs of a candidate, and what follows from them alone; candidates of the same runs share the object."""

    def __init__(self, runs: Sequence[LedgerRun]) -> None:
        """Take runs in the order of a candidate's trials."""
        self.runs = tuple(runs)

    @functools.cached_property
    def dataset_ids(self) -> tuple[str, ...]:
        """Their datasets."""
        return tuple(run.dataset_id for run in self.runs)

    @functools.cached_property
    def run_ids(self) -> tuple[str, ...]:
        """Their ids, and those of later runs of the same trials."""
        return tuple(run_id for run in self.runs for run_id in run.run_ids)

    @functools.cached_property
    def campaigns(self) -> frozenset[str]:
        """The campaigns that any of them was part of."""
        return frozenset[str]().union(*(run.campaigns for run in self.runs))

    @functools.cached_property
    def newest_ns(self) -> int:
        """When the last of them was stored, since the Unix epoch, UTC."""
        return max(run.created_ns for run in self.runs)

    @functools.cached_property
    def choosing(self) -> tuple[int, ...]:
        """The places of those on datasets that choose, in the order of running."""
        places = [place for place, run in enumerate(self.runs) if run.judged_part != TEST]
        return tuple(sorted(places, key=lambda place: (self.runs[place].created_ns, self.runs[place].dataset)))

    @functools.cached_property
    def counted(self) -> tuple[int, ...]:
        """The places of those that count: of those that choose and overlap in market time the longest alone."""
        if len(self.choosing) == 1:
            return self.choosing
        return tuple(self.choosing[place] for place in _counted_places(self.market_times))

    @functools.cached_property
    def market_times(self) -> tuple[MarketTime, ...]:
        """The market time of those that choose."""
        return tuple(self.runs[place].judged_time for place in self.choosing)


class LaterTrials(Sequence[Trial]):
    """Trials of a candidate in the store, each made where it is first looked at; its runs are known without that.

    Those that choose have evidence by today's rules: others are made at once, as `Trial` itself.
    """

    def __init__(
        self,
        runs: LedgerRuns,
        rows: Sequence[int],
        trial_of: Callable[[int, LedgerRun], Trial],
        evidence_of: Callable[[int], Evidence | None],
    ) -> None:
        """Note what they are made of.

        Args:
            runs: a run for each trial.
            rows: the row of the store that each trial stands in.
            trial_of: from a row and its run to the trial: the same object each time.
            evidence_of: from a row to its evidence.
        """
        self.runs, self._rows, self._trial_of, self._evidence_of = runs, rows, trial_of, evidence_of

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Trial: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Trial, ...]: ...

    def __getitem__(self, place: int | slice) -> Trial | tuple[Trial, ...]:
        """Return a trial, or some of them."""
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        return self._trial_of(self._rows[place], self.runs.runs[place])

    def __eq__(self, other: object) -> bool:
        """Whether others are the same trials, in whatever sequence."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as trials themselves, whose parameters are a dictionary

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the trials themselves."""
        return tuple, (list(self),)

    def at(self, places: Sequence[int]) -> "LaterTrials":
        """Return those at some places."""
        if tuple(places) == tuple(range(len(self))):
            return self
        runs = LedgerRuns([self.runs.runs[place] for place in places])
        return LaterTrials(runs, [self._rows[place] for place in places], self._trial_of, self._evidence_of)

    def evidence(self, place: int) -> Evidence | None:
        """Return the evidence of a trial."""
        return self._evidence_of(self._rows[place])


def at_places(trials: Sequence[Trial], places: Sequence[int]) -> Sequence[Trial]:
    """Return the trials at some places; none of them is made for that."""
    return trials.at(places) if isinstance(trials, LaterTrials) else tuple(trials[place] for place in places)


def evidence_at(trials: Sequence[Trial], place: int) -> Evidence | None:
    """Return the evidence of one of some trials, which is not made for that."""
    return trials.evidence(place) if isinstance(trials, LaterTrials) else trials[place].evidence


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
    trials: Sequence[Trial]
    explored: tuple["LedgerCandidate", ...] = ()
    refitted: tuple["LedgerCandidate", ...] = ()

    @functools.cached_property
    def runs(self) -> LedgerRuns:
        """The runs of its trials, one each: what is asked of these alone makes no trial."""
        return self.trials.runs if isinstance(self.trials, LaterTrials) else LedgerRuns(self.trials)

    @property
    def first(self) -> Trial:
        """Any of its trials: what does not depend on the dataset is the same in all."""
        return self.trials[0]

    @property
    def dataset_ids(self) -> tuple[str, ...]:
        """The datasets it ran on."""
        return self.runs.dataset_ids

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that hold this candidate, those for which the first on their dataset stands among them."""
        return self.runs.run_ids + tuple(run_id for each in self.refitted for run_id in each.runs.run_ids)

    @property
    def adaptive(self) -> bool:
        """Whether an adaptive search chose it: such a search is no family, and only the test part can judge it."""
        return any(run.adaptive for run in self.runs.runs)

    @property
    def audit(self) -> str:
        """The outcome of the audits of its scores on all datasets: the worst of FAILED, undecided, none and passed."""
        found = {run.audit for run in self.runs.runs}
        return next(each for each in (AUDIT_FAILED, AUDIT_UNDECIDED, NOT_AUDITED, AUDIT_PASSED) if each in found)

    @property
    def audit_found(self) -> str:
        """What an audit of this outcome found, in words; empty where all passed."""
        outcome = self.audit
        return next((run.audit_found for run in self.runs.runs if run.audit == outcome), "")

    @property
    def chooses(self) -> bool:
        """Whether any of its trials is on a dataset that chooses."""
        return bool(self.runs.choosing)

    @functools.cached_property
    def choosing(self) -> Sequence[Trial]:
        """Its trials on the datasets that choose, in the order of running; not those that are kept for the test."""
        return at_places(self.trials, self.runs.choosing)

    @functools.cached_property
    def counted(self) -> Sequence[Trial]:
        """Those of them that count: of trials that overlap in market time the longest alone."""
        return at_places(self.trials, self.runs.counted)

    @property
    def overlapping(self) -> tuple[Trial, ...]:
        """Those of them that count nowhere, since a longer one covers their market time."""
        counted = set(self.runs.counted)
        return tuple(self.trials[place] for place in self.runs.choosing if place not in counted)

    @property
    def market_times(self) -> tuple[MarketTime, ...]:
        """All market time that it was judged on, whether that counts or not."""
        return self.runs.market_times

    def on(self, keep: Callable[[LedgerRun], bool]) -> "LedgerCandidate | None":
        """Return the candidate as it is in some of its runs alone; None where that leaves none."""
        runs = self.runs.runs
        places = [place for place, run in enumerate(runs) if keep(run)]
        if len(places) == len(runs):
            return self
        explored, refitted = (
            tuple(some for each in several if (some := each.on(keep)) is not None)
            for several in (self.explored, self.refitted)
        )
        kept = at_places(self.trials, places)
        return LedgerCandidate(self.candidate_id, kept, explored, refitted) if places else None


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
