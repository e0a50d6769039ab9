"""Ranking: the results of each candidate over all its datasets, against chance and against all that was ever tried.

Everything is worked out from the evidence that the ledger keeps, sums over blocks of time: no dataset is read, figures
of several datasets pool, and nothing depends on how the work was named, cut or ordered.
"""

import functools
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from vpharness.evaluation import (
    Draws,
    EvaluationParameters,
    Evidence,
    Judgement,
    is_winner,
    judge_many,
    p_value,
)
from vpharness.evaluation.evidence import PooledLater, empty_evidence
from vpharness.evaluation.intervals import ratio_of_totals
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL
from vpharness.results.families import Family, draws_of, families_of
from vpharness.results.holdout import HoldoutResult
from vpharness.results.ledger import LedgerCandidate, LedgerRun, Trial, with_explored
from vpharness.results.omitted_evidence import TrialIndex

ADAPTIVELY_CHOSEN: Final = "chosen by an adaptive search, only the test part can judge it"

COMMON_DRAWS: Final = Draws(EvaluationParameters.null_draws, EvaluationParameters.null_seed)
"""The draws that every candidate is judged under, beside its own."""


@dataclass(frozen=True)
class Ranked:
    """A candidate with its results.

    Attributes:
        candidate: the candidate and its trials.
        judgement: figures and p-value of the part that chooses.
        family: what it is compared with.
        p_adjusted: against its family; None where it is not rankable, or was chosen by an adaptive search.
        net_low_all: lower end of its net mean that holds for the whole family at once, ticks; NaN where there is none.
        winner: beats chance in its family, with `net_low_all` above 0 and nothing left out.
        left_out: datasets of its instruments on which it was judged too, under whatever draws, split or lattice, and
            that are not part of this evidence: who chooses among them can make noise win.
        p_campaign: against the rankable candidates of one campaign alone, where one was asked for.
        campaign_size: how many these are.
        holdout: the result of its test part, where that was opened.
        test_refused: why its test part was not opened, where it was asked for.
    """

    candidate: LedgerCandidate
    judgement: Judgement
    family: Family
    p_adjusted: float | None
    net_low_all: float
    winner: bool
    left_out: tuple[str, ...] = ()
    p_campaign: float | None = None
    campaign_size: int = 0
    holdout: HoldoutResult | None = None
    test_refused: str = ""

    @property
    def test(self) -> Judgement | None:
        """The judgement of its test part, where that was opened."""
        return None if self.holdout is None else self.holdout.judgement

    @property
    def beats_chance(self) -> bool:
        """Whether its adjusted p-value is small, whatever it earns."""
        return self.p_adjusted is not None and self.p_adjusted <= SIGNIFICANCE_LEVEL

    @property
    def hold_s(self) -> float:
        """How long it holds at most, seconds."""
        evaluation = self.candidate.first.evaluation
        return evaluation.max_hold_bins * evaluation.cell_width_ms / 1000

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it lacks to be ranked: data, or to have been chosen before anything was known."""
        return (*map(str, self.judgement.lacks), *([ADAPTIVELY_CHOSEN] if self.candidate.adaptive else []))

    @property
    def would_win(self) -> bool:
        """Whether it wins nothing only since a part of what it was judged on is left out."""
        return (
            bool(self.left_out)
            and self.p_adjusted is not None
            and is_winner(self.judgement.lacks, self.p_adjusted, self.net_low_all)
        )

    @property
    def could_win(self) -> bool:
        """Whether any result could: T is at most √B, and the family's critical T may lie above that."""
        n_blocks = self.judgement.figures.n_net_blocks
        if self.candidate.first.evaluation.in_queue:
            # Orders that are not filled are compared with chance as well: their blocks count.
            n_blocks = int(np.count_nonzero(self.judgement.evidence.blocks.tick("excess")))
        return n_blocks > self.family.critical_excess**2


def rank(ledger: Sequence[LedgerCandidate], asked: Sequence[LedgerCandidate] | None = None) -> list[Ranked]:
    """Judge candidates, and each family of them together: winners first, then by the lower end that holds for all.

    Args:
        ledger: all candidates that there are: leaving some out makes families smaller than the search was.
        asked: those that are asked for, each on the trials that are asked for; all unless given.
    """
    chosen = [each for each in (ledger if asked is None else asked) if each.chooses]
    judgements = judged(chosen)
    choosing = [each for each in ledger if each.chooses]
    tried, kin = with_explored(choosing), TrialIndex(choosing)
    families = families_of(chosen, tried)
    strict = _under_common_draws(chosen, tried, families)
    found = [_ranked(*each, kin.left_out(each[0])) for each in zip(chosen, judgements, families, strict, strict=True)]
    return sorted(found, key=rank_order)


def _under_common_draws(
    chosen: Sequence[LedgerCandidate], ledger: Sequence[LedgerCandidate], own: Sequence[Family]
) -> list[Family]:
    """Return the families under the draws that are the defaults: whoever chooses draws could try many.

    Those of candidates that have these draws are their own.
    """
    others = [each for each in chosen if draws_of(each.first) != COMMON_DRAWS]
    found = iter(families_of(others, ledger, COMMON_DRAWS) if others else [])
    return [
        family if draws_of(each.first) == COMMON_DRAWS else next(found)
        for each, family in zip(chosen, own, strict=True)
    ]


def unjudged(candidate: LedgerCandidate) -> Ranked:
    """Return a candidate on datasets that are kept for the test alone: nothing of it was judged, and it is in no rank.

    Its test part can be opened all the same.
    """
    nothing = empty_evidence()
    family = Family(candidate.market_times, 0, 0, 0, 0, 0, None, None)
    judgement = judge_many([nothing], candidate.first.evaluation)[0]
    return Ranked(candidate, judgement, family, None, math.nan, winner=False)


def rank_each_dataset(ledger: Sequence[LedgerCandidate]) -> list[Ranked]:
    """Rank what candidates did on each dataset alone: a candidate stands there once for each of its datasets."""
    return rank(ledger, each_dataset_apart(ledger))


def each_dataset_apart(candidates: Sequence[LedgerCandidate]) -> list[LedgerCandidate]:
    """Return candidates as they are on each of their datasets that choose alone, in the order of running."""
    return [LedgerCandidate(each.candidate_id, (trial,)) for each in candidates for trial in each.choosing]


def restricted(ledger: Sequence[LedgerCandidate], keep: Callable[[LedgerRun], bool]) -> list[LedgerCandidate]:
    """Return the candidates in some of their runs alone; those without any are left out."""
    return [kept for each in ledger if (kept := each.on(keep)) is not None]


def within_campaign(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the candidates of a campaign, restricted to its trials, each with its p-value against these alone."""
    mine = [each.candidate for each in ranked]
    return [
        each
        if each.p_adjusted is None or family.greatest_excess is None
        else replace(
            each,
            p_campaign=p_value(each.judgement.t, family.greatest_excess),
            campaign_size=family.n_rankable,
        )
        for each, family in zip(ranked, families_of(mine, mine), strict=True)
    ]


def judged_apart(candidate: LedgerCandidate) -> list[Judgement]:
    """Judge a candidate on each of its datasets that choose by itself, in the order of running."""
    return judged(each_dataset_apart([candidate]))


def judged(candidates: Sequence[LedgerCandidate]) -> list[Judgement]:
    """Judge candidates by themselves; those with equal evidence once."""
    keys = []
    kinds: dict[tuple[object, ...], tuple[Evidence, Trial]] = {}
    for each in candidates:
        trials, first = each.counted, each.first
        known = tuple(trial.evidence for trial in trials if trial.evidence is not None)
        barriers = first.evaluation.tp_ticks, first.evaluation.sl_ticks
        key = (*(evidence.digest for evidence in known), *barriers, draws_of(first))
        if key not in kinds:
            kinds[key] = known[0] if len(known) == 1 else PooledLater(functools.partial(tuple, known)), first
        keys.append(key)
    of_kind: dict[tuple[object, ...], Judgement] = {}
    together: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for key, (_, first) in kinds.items():
        evaluation = first.evaluation
        together.setdefault((evaluation.tp_ticks, evaluation.sl_ticks, draws_of(first)), []).append(key)
    for members in together.values():
        found = judge_many([kinds[key][0] for key in members], kinds[members[0]][1].evaluation)
        of_kind |= dict(zip(members, found, strict=True))
    return [of_kind[key] for key in keys]


def _ranked(
    candidate: LedgerCandidate, judgement: Judgement, family: Family, strict: Family, left_out: tuple[str, ...]
) -> Ranked:
    """Judge a candidate in its family, under its own draws and the common ones: the stricter of both holds."""
    both = [each for each in (family, strict) if each.greatest_excess is not None]
    if not both or judgement.lacks or candidate.adaptive:
        return Ranked(candidate, judgement, family, None, math.nan, winner=False, left_out=left_out)
    adjusted = max(p_value(judgement.t, each.greatest_excess) for each in both if each.greatest_excess is not None)
    lows = [net_low_all(judgement.evidence, each) for each in both]
    low = math.nan if any(map(math.isnan, lows)) else min(lows)
    winner = not left_out and is_winner(judgement.lacks, adjusted, low)
    return Ranked(candidate, judgement, family, adjusted, low, winner, left_out)


def net_low_all(evidence: Evidence, family: Family) -> float:
    """Return m - c·se, the lower end of a net mean that holds for the whole family at once; NaN where c is infinite."""
    net = ratio_of_totals(evidence.blocks.tick("net_pnl"), evidence.blocks.count("n_net"))
    low = net.mean - family.critical_profit * net.standard_error
    return low if math.isfinite(low) else math.nan


def rank_order(ranked: Ranked) -> tuple[bool, bool, bool, float, str, tuple[str, ...]]:
    """Return the key by which candidates rank: the first is the best."""
    low = ranked.net_low_all
    if math.isnan(low):
        low = ranked.judgement.figures.net_pnl_ticks_low
    last = ranked.p_adjusted is None or math.isnan(low)
    # What an adaptive search chose comes behind all that ranks, and before what has too little data.
    ordered = not math.isnan(low) and not ranked.judgement.lacks
    # Ids make the order of equals the same every time.
    ids = ranked.candidate.candidate_id, ranked.candidate.dataset_ids
    return last, not ranked.winner, math.isnan(ranked.net_low_all), -low if ordered else math.inf, *ids


def net_order(ranked: Ranked) -> tuple[float, str]:
    """Return the key by which candidates are in the order of the lower end of their own net interval, highest first."""
    low = ranked.judgement.figures.net_pnl_ticks_low
    return math.inf if math.isnan(low) else -low, ranked.candidate.candidate_id


def duplicates(ranked: Sequence[Ranked]) -> list[list[Ranked]]:
    """Return candidates together with those of the same signal that have equal figures on the same data."""
    found: dict[tuple[object, ...], list[Ranked]] = {}
    for each in ranked:
        # Texts are compared, since a figure that is not there (NaN) differs from itself.
        datasets = tuple(trial.dataset_id for trial in each.candidate.counted)
        found.setdefault((each.candidate.first.signal, datasets, repr(each.judgement.figures)), []).append(each)
    return list(found.values())


def alike(ranked: Sequence[Ranked]) -> list[tuple[Ranked, int]]:
    """Return the first of those candidates of a signal that came to the same on the same data, and how many."""
    return [(members[0], len(members)) for members in duplicates(ranked)]


def best_lows(ranked: Collection[Ranked]) -> dict[str, float]:
    """Return for each run the highest lower end of a net interval of its candidates, ticks; -∞ without one."""
    lows: dict[str, float] = {}
    for each in ranked:
        low = each.judgement.figures.net_pnl_ticks_low
        for run_id in each.candidate.run_ids:
            lows[run_id] = max(lows.get(run_id, -math.inf), -math.inf if math.isnan(low) else low)
    return lows
