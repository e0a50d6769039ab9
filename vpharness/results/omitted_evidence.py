"""What a candidate was judged on under other names: the same scores and rules with other draws, splits or lattices.

Whoever has seen its results on all days can choose the days on which it did well. So a candidate wins, and
is promoted, only on all that it was ever judged on of an instrument; a part of the evidence is shown, and wins nothing.
"""

import json
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Final

from vpharness.evaluation import MarketTime, ResolvedEvaluation
from vpharness.results.audits import NOT_OF_SCORES
from vpharness.results.ledger import LedgerCandidate, Trial

ENOUGH: Final = 0.99
"""The share of a stretch of market time that must be among what a candidate is judged on."""


class TrialIndex:
    """The candidates of a ledger by what they are of, whatever their draws, splits and lattices."""

    def __init__(self, ledger: Sequence[LedgerCandidate]) -> None:
        """Sort candidates."""
        self._texts: dict[int, str] = {}
        self._evaluations: dict[ResolvedEvaluation, ResolvedEvaluation] = {}
        self._candidates: dict[Hashable, list[LedgerCandidate]] = defaultdict(list)
        for candidate in ledger:
            # What the key says is the same in all trials of a candidate.
            self._candidates[self._key(candidate.first)].append(candidate)

    def left_out(self, candidate: LedgerCandidate) -> tuple[str, ...]:
        """Return the datasets of its instruments on which it was judged, and that are not among what counts here."""
        times = [trial.judged_time for trial in candidate.counted]
        counted = set(map(id, candidate.counted))
        found = {
            trial.dataset_id
            for each in self._candidates[self._key(candidate.first)]
            for trial in each.choosing
            if id(trial) not in counted
            and any(trial.market.is_known_as(time.market) for time in times)
            and sum(_shared_ns(trial.judged_time, time) for time in times) < ENOUGH * trial.judged_time.length_ns
        }
        return tuple(sorted(found))

    def _key(self, trial: Trial) -> Hashable:
        # Trials share the objects that they have in common, so that few texts are made.
        parameters = trial.parameters
        if id(parameters) not in self._texts:
            scores = {name: value for name, value in parameters.items() if name not in NOT_OF_SCORES}
            self._texts[id(parameters)] = json.dumps(scores, sort_keys=True)
        if trial.evaluation not in self._evaluations:
            self._evaluations[trial.evaluation] = replace(trial.evaluation, null_draws=0, null_seed=0)
        return (
            trial.signal,
            self._texts[id(parameters)],
            trial.threshold_label,
            self._evaluations[trial.evaluation],
        )


def _shared_ns(one: MarketTime, other: MarketTime) -> int:
    """Return how much of one stretch lies in another one, ns."""
    return one.shared_ns(other) if one.overlaps(other) else 0
