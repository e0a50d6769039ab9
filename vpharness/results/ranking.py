"""Ranking: what each candidate came to over all its datasets, against chance and against all that was ever tried.

Everything is worked out from the ledger's fires, by the same functions that judge a single run, so figures of several
datasets pool and nothing depends on when a candidate was tried.
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vpharness.evaluation import (
    TEST,
    FamilyMaxima,
    Judgement,
    family_maxima,
    is_winner,
    p_adjusted,
)
from vpharness.results.judging import ViewOf, judge_part
from vpharness.results.ledger import DatasetKey, LedgerCandidate, Trial

ADAPTIVELY_CHOSEN: Final = "chosen by an adaptive search, only the test part can judge it"

FEW_BLOCKS: Final = 50
"""Below this many blocks an interval is rough, and their number is shown."""


@dataclass(frozen=True)
class Family:
    """All that was ever tried on the same data, split and draws: what a candidate is compared with.

    Attributes:
        n_evaluated: its candidates, those with too little data included.
        newest_ns: when the newest run among them was stored, since the Unix epoch, UTC.
        maxima: the largest T of its rankable candidates under each draw; None where there is no such candidate.
    """

    n_evaluated: int
    newest_ns: int
    maxima: FamilyMaxima | None

    @property
    def size(self) -> int:
        """How many of them can be ranked."""
        return self.maxima.n_candidates if self.maxima else 0


@dataclass(frozen=True)
class Ranked:
    """A candidate with what it came to.

    Attributes:
        candidate: the candidate and its trials.
        judgement: figures and p-value of the part that chooses.
        family: what it is compared with.
        p_adjusted: against its family; None where it is not rankable, or was chosen by an adaptive search.
        winner: beats chance in its family, with the net interval above 0.
        p_campaign: against the rankable candidates of one campaign alone, where one was asked for.
        campaign_size: how many these are.
        test: the judgement of the test part, where it was asked for and there is one.
        test_openings: how often the test part has been opened, this time included.
    """

    candidate: LedgerCandidate
    judgement: Judgement
    family: Family
    p_adjusted: float | None
    winner: bool
    p_campaign: float | None = None
    campaign_size: int = 0
    test: Judgement | None = None
    test_openings: int = 0

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it lacks to be ranked: data, or to have been chosen before anything was known."""
        return (*self.judgement.lacks, *([ADAPTIVELY_CHOSEN] if self.candidate.adaptive else []))


def rank(candidates: Sequence[LedgerCandidate], view_of: ViewOf) -> list[Ranked]:
    """Judge candidates, and each family of them together: winners first, then by the lower end of the net interval.

    Give all candidates of the ledger: leaving some out makes families smaller than the search was.
    """
    alike: dict[FamilyKey, list[LedgerCandidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.datasets:
            alike[FamilyKey.of(candidate)].append(candidate)
    found = []
    for key, own in alike.items():
        members = [key.drawn(each.on(key.datasets)) for each in candidates if key.holds(each)]
        judged = judge_part(members, view_of, lambda trial: trial.judged_part)
        family = _family(members, judged)
        found += [_ranked(candidate, judged[candidate.candidate_id], family) for candidate in own]
    return sorted(found, key=rank_order)


@dataclass(frozen=True)
class FamilyKey:
    """What candidates are compared by: the datasets, how they are split, and the draws that all are judged under.

    A candidate that has run on more datasets than these was tried on these as well, and stays in the family; so does
    one that an adaptive search chose, which makes the others' p-values larger, if anything.
    """

    datasets: frozenset[DatasetKey]
    splitting: Hashable
    null_draws: int
    null_seed: int

    @classmethod
    def of(cls, candidate: LedgerCandidate) -> "FamilyKey":
        """Return what a candidate is compared by."""
        evaluation = candidate.first.evaluation
        return cls(candidate.datasets, candidate.splitting, evaluation.null_draws, evaluation.null_seed)

    def holds(self, candidate: LedgerCandidate) -> bool:
        """Whether a candidate was tried on these datasets, split in this way."""
        return candidate.splitting == self.splitting and candidate.datasets >= self.datasets

    def drawn(self, candidate: LedgerCandidate) -> LedgerCandidate:
        """Return a candidate as it is judged under these draws."""
        own = candidate.first.evaluation
        if (own.null_draws, own.null_seed) == (self.null_draws, self.null_seed):
            return candidate
        evaluation = dataclasses.replace(own, null_draws=self.null_draws, null_seed=self.null_seed)
        trials = tuple(dataclasses.replace(trial, evaluation=evaluation) for trial in candidate.trials)
        return LedgerCandidate(candidate.candidate_id, trials)


def rank_each_dataset(candidates: Sequence[LedgerCandidate], view_of: ViewOf) -> list[Ranked]:
    """Rank what candidates did on each dataset alone: a candidate stands there once for each of its datasets."""
    return sorted((each for alone in _alone(candidates) for each in rank(alone, view_of)), key=rank_order)


def judge_each_dataset(
    candidates: Sequence[LedgerCandidate], view_of: ViewOf, part_of: Callable[[Trial], str]
) -> dict[tuple[str, DatasetKey], Judgement]:
    """Judge candidates in one part of each dataset alone, by candidate id and dataset."""
    return {
        (candidate_id, alone[0].first.dataset): judgement
        for alone in _alone(candidates)
        for candidate_id, judgement in judge_part(alone, view_of, part_of).items()
    }


def _alone(candidates: Iterable[LedgerCandidate]) -> list[list[LedgerCandidate]]:
    """Return the candidates as they are on each dataset alone, a list for each dataset."""
    datasets: dict[DatasetKey, list[LedgerCandidate]] = defaultdict(list)
    for candidate in candidates:
        for trial in candidate.trials:
            datasets[trial.dataset].append(LedgerCandidate(candidate.candidate_id, (trial,)))
    return list(datasets.values())


def within_campaign(ranked: Sequence[Ranked], campaign: str) -> list[Ranked]:
    """Return the candidates of a campaign's runs, each with its p-value against these alone."""
    mine = [each for each in ranked if any(campaign in trial.campaigns for trial in each.candidate.trials)]
    families: dict[FamilyKey, list[Ranked]] = defaultdict(list)
    for each in mine:
        if each.p_adjusted is not None:
            families[FamilyKey.of(each.candidate)].append(each)
    maxima = {key: family_maxima(each.judgement.scores for each in members) for key, members in families.items()}
    return [
        each
        if each.p_adjusted is None
        else dataclasses.replace(
            each,
            p_campaign=p_adjusted(each.judgement.scores, maxima[FamilyKey.of(each.candidate)]),
            campaign_size=maxima[FamilyKey.of(each.candidate)].n_candidates,
        )
        for each in mine
    ]


def open_test(ranked: Sequence[Ranked], view_of: ViewOf) -> list[Ranked]:
    """Return candidates with the judgement of their test part, where they have one. Count that it has been opened."""
    together: dict[tuple[str, ...], list[LedgerCandidate]] = defaultdict(list)
    for each in ranked:
        together[each.candidate.dataset_ids].append(each.candidate)
    judged = {
        datasets: judge_part(members, view_of, lambda trial: TEST)  # noqa: ARG005  # every trial's has this name
        for datasets, members in together.items()
    }
    return [
        dataclasses.replace(each, test=judged[each.candidate.dataset_ids].get(each.candidate.candidate_id))
        for each in ranked
    ]


def _family(members: Sequence[LedgerCandidate], judged: dict[str, Judgement]) -> Family:
    judgements = [judged[candidate.candidate_id] for candidate in members]
    rankable = [judgement.scores for judgement in judgements if not judgement.lacks]
    newest_ns = max(trial.created_ns for candidate in members for trial in candidate.trials)
    return Family(len(members), newest_ns, family_maxima(rankable) if rankable else None)


def _ranked(candidate: LedgerCandidate, judgement: Judgement, family: Family) -> Ranked:
    if family.maxima is None or judgement.lacks or candidate.adaptive:
        return Ranked(candidate, judgement, family, None, winner=False)
    adjusted = p_adjusted(judgement.scores, family.maxima)
    return Ranked(candidate, judgement, family, adjusted, is_winner(judgement.figures, adjusted))


def rank_order(ranked: Ranked) -> tuple[bool, bool, float, str, tuple[str, ...]]:
    """Return the key by which candidates rank: the first is the best."""
    low = ranked.judgement.figures.net_pnl_ticks_low
    last = ranked.p_adjusted is None or math.isnan(low)
    # Ids make the order of equals the same every time.
    ids = ranked.candidate.candidate_id, ranked.candidate.dataset_ids
    return last, not ranked.winner, 0.0 if last else -low, *ids


def alike(ranked: Sequence[Ranked]) -> list[tuple[Ranked, int]]:
    """Return the first of those candidates of a signal that came to just the same, and how many they are."""
    found: dict[tuple[str, str], list[Ranked]] = {}
    for each in ranked:
        # Texts are compared, since a figure that is not there (NaN) differs from itself.
        found.setdefault((each.candidate.first.signal, repr(each.judgement.figures)), []).append(each)
    return [(members[0], len(members)) for members in found.values()]
