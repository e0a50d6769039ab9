"""Days that came after a candidate was chosen: they are out of sample for it, whatever was tried before.

A candidate is *chosen* when it is promoted, and otherwise when the first of its runs on the datasets concerned is
stored. A day is *later* where it was added to a collection after that moment, and nothing that the ledger knew by then
was judged in training on its market time with the same signal: data that were copied into a collection late were no
less seen before.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vpharness.evaluation import MarketTime
from vpharness.results.ledger import LedgerCandidate, Trial


@dataclass(frozen=True)
class ChosenCandidate:
    """When a candidate was chosen, and its trials on the days that came later.

    Attributes:
        candidate: the candidate, with all its trials.
        at_ns: when it was chosen, ns since the Unix epoch, UTC.
        by_promotion: whether by being promoted.
        later: the candidate on the later days alone; None where it was not run on any.
        days_added: how many datasets were added to a collection after it was chosen.
    """

    candidate: LedgerCandidate
    at_ns: int
    by_promotion: bool
    later: LedgerCandidate | None
    days_added: int

    @property
    def training_days(self) -> int:
        """How many of the later days it was judged on."""
        return 0 if self.later is None else len(self.later.choosing)

    @property
    def test_days(self) -> int:
        """How many of the later days are kept for the test."""
        return 0 if self.later is None else len(self.later.trials) - len(self.later.choosing)


class SeenTimes:
    """The market time on which signals were judged in training, and when each stretch was first known."""

    def __init__(self, ledger: Sequence[LedgerCandidate]) -> None:
        """Take in a ledger."""
        first: dict[str, dict[MarketTime, int]] = defaultdict(dict)
        for candidate in ledger:
            for trial in candidate.choosing:
                for name in _names(trial):
                    known = first[name]
                    time, created_ns = trial.judged_time, trial.created_ns
                    known[time] = min(created_ns, known.get(time, created_ns))
        self._first = dict(first)
        self._seen: dict[tuple[str, MarketTime], int | None] = {}

    def seen_by(self, trial: Trial, at_ns: int) -> bool:
        """Whether the signal of a trial had been judged in training on market time of the trial by a moment."""
        return any(
            (first_ns := self._first_seen(name, trial.judged_time)) is not None and first_ns <= at_ns
            for name in _names(trial)
        )

    def _first_seen(self, name: str, time: MarketTime) -> int | None:
        key = name, time
        if key not in self._seen:
            moments = [at_ns for other, at_ns in self._first.get(name, {}).items() if other.overlaps(time)]
            self._seen[key] = min(moments, default=None)
        return self._seen[key]


def since_chosen(
    candidates: Sequence[LedgerCandidate],
    ledger: Sequence[LedgerCandidate],
    added_ns: Mapping[str, int],
    promoted_ns: Mapping[str, int],
) -> list[ChosenCandidate]:
    """Return for each candidate when it was chosen, and how it stands on the days that came later.

    Args:
        candidates: the candidates, on the trials that are asked for.
        ledger: every candidate that there is.
        added_ns: for each dataset when it was added to a collection; others are never later.
        promoted_ns: for each candidate that was promoted, when it first was.
    """
    seen = SeenTimes(ledger)
    found = []
    for candidate in candidates:
        of_collections = [trial for trial in candidate.trials if trial.dataset_id in added_ns]
        if not of_collections:
            continue
        first_ns = min(trial.created_ns for trial in of_collections)
        at_ns = promoted_ns.get(candidate.candidate_id, first_ns)
        later = tuple(
            trial for trial in of_collections if added_ns[trial.dataset_id] > at_ns and not seen.seen_by(trial, at_ns)
        )
        on_later = LedgerCandidate(candidate.candidate_id, later) if later else None
        added = sum(each > at_ns for each in added_ns.values())
        found.append(ChosenCandidate(candidate, at_ns, candidate.candidate_id in promoted_ns, on_later, added))
    return found


def _names(trial: Trial) -> tuple[str, ...]:
    """Return what a signal is known by: its name, and its program, which a copy under another name shares."""
    return tuple(each for each in (f"name {trial.signal}", f"digest {trial.signal_digest}") if each != "digest ")
