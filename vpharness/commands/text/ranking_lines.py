"""The lines below a ranking: its terms, the size of the search, the verdict, and what is missing."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from vpharness.commands.text.terminal import minute_text
from vpharness.evaluation import TEST, MarketTime, any_overlap, figure_named
from vpharness.evaluation.costs import has_fees, is_free
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL, Lack
from vpharness.results.families import Family
from vpharness.results.ledger import AUDIT_FAILED, AUDIT_UNDECIDED, NOT_AUDITED, LedgerCandidate
from vpharness.results.ranking import Ranked
from vpharness.results.session_names import session_names, with_session
from vpharness.wording import counted, first_named

THETA: Final = "θ"
FOR_ALL: Final = "lower end for all"
P_ADJUSTED: Final = "p adj."
DIRECTIONAL: Final = "T"
_FILLED: Final = figure_named("fill_rate").title()
_TERMS: Final = (
    {
        THETA: "the score at which a signal fires",
        "blocks": "stretches of time that count as independent, shown where they are few",
    },
    {FOR_ALL: "with 95 % confidence, every candidate's true net per fire is above its own number here"},
    {
        "p": "how often random directions do at least as well as this candidate",
        P_ADJUSTED: "how often the best of everything tried on this market time does; judge by this one",
    },
    {
        "break-even %": "the take-profit share at which gains equal losses, spread and costs ignored",
        DIRECTIONAL: "how much better than random its directions are, in standard deviations",
    },
    {
        _FILLED: "resting orders that were filled; the others are no trades, and in neither net per fire nor fires",
        "markout 1 s, ticks": "how far the mid lies on the good side of the price so long after a fill",
    },
)
"""The terms of a ranking, by their headings: a line for each that belong together."""
_RULE: Final = f"{P_ADJUSTED} at most {SIGNIFICANCE_LEVEL:g} and {FOR_ALL} above 0"
"""What a winner meets, beside that nothing which it ran on is left out."""
_OF_ALL_FIRES: Final = (
    "take-profit, stop-loss and timeout %: of all fires, at the mid, their orders filled or not; report=FILE has why "
    "orders were filled, and other markouts"
)
_MOST_NAMED: Final = 3
_MORE: Final = "(python -m vpharness docs glossary)"


def term_lines(headings: Collection[str]) -> list[str]:
    """Return lines that explain those terms of a ranking that have a column; the last one says where there is more."""
    lines = ["; ".join(f"{term}: {meaning}" for term, meaning in terms.items() if term in headings) for terms in _TERMS]
    kept = [line for line in lines if line] + [_OF_ALL_FIRES] * (_FILLED in headings)
    return [*kept[:-1], f"{kept[-1]} {_MORE}"] if kept else []


def ranking_verdict(
    rankable: Sequence[Ranked], ledger: Sequence[LedgerCandidate] = (), sessions: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the verdict, and what keeps candidates from winning or their trials from counting.

    Args:
        rankable: the candidates.
        ledger: all that there are, among which are the runs on what is left out here.
        sessions: the names of datasets' sessions, by id.
    """
    winners = sum(each.winner for each in rankable)
    by_chance_alone = [each for each in rankable if not each.winner and each.beats_chance]
    verdict = "nothing here beats chance"
    if winners:
        verdict = f"{winners} beat chance and costs (*: {_RULE})"
    elif by_chance_alone:
        verdict = f"nothing here beats chance and costs ({_RULE})"
    yield f"{verdict}; net is after {_costs_text(rankable)}"
    if unproven := sum(not each.left_out for each in by_chance_alone):
        more = " more" if winners else ""
        have, their = ("has", "its") if unproven == 1 else ("have", "their")
        yield (
            f"{unproven}{more} {have} {P_ADJUSTED} at most {SIGNIFICANCE_LEVEL:g}, and no {FOR_ALL} above 0: {their} "
            f"directions beat chance, {their} profit is not certain after so many tries"
        )
    if pooled := [each for each in rankable if len(each.candidate.counted) > 1]:
        most = max(len(each.candidate.counted) for each in pooled)
        yield (
            f"{counted(len(pooled), 'candidate')} pooled over up to {most} datasets that they ran on: by=dataset shows "
            "each apart"
        )
    if partial := sum(bool(each.left_out) for each in rankable):
        ran = f"{counted(partial, 'candidate')} ran on more of the same instrument than is judged here"
        yield f"{ran}: a part of the evidence wins nothing"
    would_win = [each for each in rankable if each.would_win]
    for each in would_win[:_MOST_NAMED]:
        yield (
            f"{each.candidate.candidate_id} would win, but also ran on {_left_out_text(each, ledger, sessions or {})}, "
            "which is left out here"
        )
    if len(would_win) > _MOST_NAMED:
        yield f"and so would {len(would_win) - _MOST_NAMED} more (json=true: left_out_datasets)"
    if overlapping := sum(bool(each.candidate.overlapping) for each in rankable):
        again = f"{counted(overlapping, 'candidate')} ran on the same market time more than once"
        yield f"{again}: the longest run counts"


def kept_for_test(ranked: Sequence[Ranked]) -> Iterator[str]:
    """Yield how many of the datasets that candidates ran on are kept for the test, where whole datasets are."""
    trials = [trial for each in ranked for trial in each.candidate.trials]
    kept = {trial.dataset_id for trial in trials if trial.judged_part == TEST}
    if kept:
        are = "is" if len(kept) == 1 else "are"
        datasets = counted(len({trial.dataset_id for trial in trials}), "dataset")
        yield f"{len(kept):,} of {datasets} {are} kept for the test, and not among these figures"


def _left_out_text(ranked: Ranked, ledger: Sequence[LedgerCandidate], sessions: Mapping[str, str]) -> str:
    """Return the datasets that are left out of a candidate's evidence, each with the split that it was run with."""
    first, names = ranked.candidate.first, ranked.left_out[:_MOST_NAMED]
    told = []
    for name, shown in zip(names, session_names(names, sessions), strict=True):
        kinds = sorted(
            {
                trial.split.of_candidate().kind
                for each in ledger
                for trial in each.choosing
                if (trial.dataset_id, trial.signal, trial.threshold_label)
                == (name, first.signal, first.threshold_label)
            }
        )
        told.append(f"{shown} (split={'|'.join(kinds)})" if kinds else shown)
    more = len(ranked.left_out) - len(names)
    return ", ".join(told) + (f" and {more} more" if more else "")


def audits(ranked: Sequence[Ranked]) -> Iterator[str]:
    """Yield what is to be known of candidates whose audit failed, or that have none."""
    counts = Counter(each.candidate.audit for each in ranked)
    for outcome, told in ((AUDIT_FAILED, "audit not passed"), (AUDIT_UNDECIDED, "audit not passed yet")):
        found = Counter(each.candidate.audit_found for each in ranked if each.candidate.audit == outcome)
        for reason, count in found.most_common(_MOST_NAMED):
            yield f"{told} by {counted(count, 'candidate')}: {reason}; cannot be promoted as it is"
        if rest := sum(count for _, count in found.most_common()[_MOST_NAMED:]):
            yield f"{told} by {counted(rest, 'candidate')} more: python -m vpharness audit says why"
    if counts[NOT_AUDITED]:
        yield f"no audit of {counted(counts[NOT_AUDITED], 'candidate')}: python -m vpharness audit makes one"


def _costs_text(rankable: Sequence[Ranked]) -> str:
    """Return what is taken off the figures, and whether no fees are among it."""
    evaluations = [each.candidate.first.evaluation for each in rankable]
    fees = ", fees" if any(map(has_fees, evaluations)) else ""
    free = ", before fees" if all(map(is_free, evaluations)) else ""
    resting = "; with fill=queue only the exit pays the spread" if any(each.in_queue for each in evaluations) else ""
    return f"the spread{fees} and cost_ticks{free}{resting}"


def shortages(ranked: Sequence[Ranked]) -> Iterator[str]:
    """Yield how many candidates have too little data, counted by what they lack, with the nearest of each reason."""
    poor = [each.judgement.lacks for each in ranked if each.judgement.lacks]
    if poor:
        yield shortage_text(poor)


def shortage_text(poor: Sequence[Sequence[Lack]]) -> str:
    """Return how many candidates lack what, and the one that lacks the least of it, given what each of them lacks."""
    by_what: dict[str, list[Lack]] = {}
    for lack in (lack for lacks in poor for lack in lacks):
        by_what.setdefault(lack.what, []).append(lack)
    reasons = []
    for what, lacks in by_what.items():
        nearest = min(lacks, key=lambda lack: lack.needed - lack.found)
        if len(lacks) == 1:
            reasons.append(f"one has {nearest}")
        else:
            many = "all" if len(lacks) == len(poor) else f"{len(lacks):,}"
            reasons.append(f"{many} have fewer than {nearest.needed} {what}, the nearest has {nearest}")
    return f"too little data: {counted(len(poor), 'candidate')}: {'; '.join(reasons)}"


def searches(
    rankable: Sequence[Ranked], ledger: Sequence[LedgerCandidate] = (), labels: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield how large the searches were that p-values are adjusted for, since when, and on which market time.

    Datasets of `ledger` on which nothing of what is shown was run are named where their candidates count as well, by
    their `labels` where they have one.
    """
    families = {each.family.market_times: each.family for each in rankable}
    for family in families.values():
        yield f"{family_text(family)}{_others_text(family, rankable, ledger, labels or {})}"
    hopeless = [each for each in rankable if not each.could_win]
    if hopeless:
        blocks = max(each.judgement.figures.n_net_blocks for each in hopeless)
        yield (
            f"no result could win on so few blocks as {len(hopeless):,} of these have (at most {blocks}): a search of "
            "this size needs more time"
        )


def family_text(family: Family) -> str:
    """Return what p-values of a family are adjusted for, in words."""
    evaluated, runs = counted(family.n_evaluated, "candidate"), counted(family.n_runs, "run")
    return (
        f"p adj. is against {family.n_rankable:,} rankable of {evaluated} of {runs} since "
        f"{minute_text(family.oldest_ns)}, on {market_times_text(family.market_times)}"
    )


def _others_text(
    family: Family, rankable: Sequence[Ranked], ledger: Sequence[LedgerCandidate], labels: Mapping[str, str]
) -> str:
    """Return which other datasets' candidates count in a family, since they are of the same market time."""
    shown = {dataset_id for each in rankable for dataset_id in each.candidate.dataset_ids}
    times = {(trial.dataset_id, trial.judged_time) for each in ledger for trial in each.choosing}
    others = {
        dataset_id for dataset_id, time in times if dataset_id not in shown and any_overlap([time], family.market_times)
    }
    if not others:
        return ""
    names = [with_session(each, labels) for each in sorted(others, key=lambda each: labels.get(each, each))]
    return f"; those on {first_named(names, _MOST_NAMED)} count too, since it is the same market time"


def market_times_text(times: Sequence[MarketTime]) -> str:
    """Return market time in words: the instruments, and from when to when."""
    names = sorted({each.market.instrument or "an unnamed market" for each in times})
    start_ns, stop_ns = min(each.start_ns for each in times), max(each.stop_ns for each in times)
    return f"{', '.join(names)}, {minute_text(start_ns)} to {minute_text(stop_ns)}"
