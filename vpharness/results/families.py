"""Families: what a candidate is compared with, which is everything that was tried on the same market time.

For each draw of coins a family keeps the greatest T of its candidates, once for directional excess and once for profit.
A candidate is in it as it stands now and, for the others, as it stood after each of its earlier trials: whatever is
added to a ledger, nothing that was compared with is ever taken away, so nobody's adjusted p-value falls for it.
"""

import functools
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import (
    BlockSums,
    Draws,
    Evidence,
    MarketTime,
    any_overlap,
    critical_value,
    lacking,
    pooled,
)
from vpharness.evaluation.significance import LEAST_CRITICAL_T, has_enough
from vpharness.results.ledger import LedgerCandidate, Trial, counted_trials
from vpharness.results.null_maxima import (
    FloatArray,
    NullMaxima,
    null_statistics,
    null_statistics_as_grown,
    trials_at_once,
)

_ROWS_AT_ONCE: Final = 1024


@dataclass(frozen=True)
class Family:
    """All that was ever tried on the market time of a candidate, under its draws.

    Attributes:
        market_times: the market time.
        n_evaluated: candidates that were tried on it, those with too little data included.
        n_rankable: how many of them can be ranked.
        n_runs: runs that they come from.
        oldest_ns, newest_ns: when the first and the last of these runs was stored, since the Unix epoch, UTC.
        greatest_excess: [D] the greatest T of directional excess under each draw; None without a rankable candidate.
        greatest_profit: [D] the greatest studentised T of profit under each draw; None likewise.
    """

    market_times: tuple[MarketTime, ...]
    n_evaluated: int
    n_rankable: int
    n_runs: int
    oldest_ns: int
    newest_ns: int
    greatest_excess: FloatArray | None
    greatest_profit: FloatArray | None

    @functools.cached_property
    def critical_excess(self) -> float:
        """What T must exceed to have an adjusted p-value of at most 0.05; NaN without a rankable candidate."""
        return float("nan") if self.greatest_excess is None else critical_value(self.greatest_excess)

    @functools.cached_property
    def critical_profit(self) -> float:
        """By how many standard errors a net mean must lie above 0; infinite where no number of them is enough."""
        if self.greatest_profit is None:
            return float("nan")
        return max(critical_value(self.greatest_profit), LEAST_CRITICAL_T)


@dataclass
class _Class:
    """Candidates that share market time and draws, and all that is compared with them."""

    market_times: tuple[MarketTime, ...]
    draws: Draws
    excess: NullMaxima = field(init=False)
    profit: NullMaxima = field(init=False)
    evaluated: set[str] = field(default_factory=set)
    rankable: set[str] = field(default_factory=set)
    run_ids: set[str] = field(default_factory=set)
    created: list[int] = field(default_factory=list)
    overlapping: dict[MarketTime, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.excess, self.profit = NullMaxima.start(self.draws.n), NullMaxima.start(self.draws.n)

    def overlaps(self, time: MarketTime) -> bool:
        """Whether a stretch of market time overlaps that of the class."""
        if time not in self.overlapping:
            self.overlapping[time] = any_overlap([time], self.market_times)
        return self.overlapping[time]

    def family(self, owner: int) -> Family:
        """Return the family as it is for one of the candidates."""
        some = bool(self.rankable)
        return Family(
            self.market_times,
            len(self.evaluated),
            len(self.rankable),
            len(self.run_ids),
            min(self.created, default=0),
            max(self.created, default=0),
            self.excess.for_owner(owner) if some else None,
            self.profit.for_owner(owner) if some else None,
        )


@dataclass(frozen=True)
class _Entrant:
    """A candidate that enters families: its number, and whether it stands now as all of its trials have it."""

    candidate: LedgerCandidate
    owner: int
    as_it_stands: bool

    @functools.cached_property
    def blocks(self) -> list[BlockSums]:
        """The block sums of its trials that choose, in the order of running."""
        return [trial.evidence.blocks for trial in self.candidate.choosing if trial.evidence is not None]

    @functools.cached_property
    def lengths(self) -> NDArray[np.int64]:
        """[K] the length of its pooled blocks after each of these trials, seconds: the coarsest until then."""
        return np.maximum.accumulate(np.array([each.seconds for each in self.blocks], np.int64))


@dataclass(frozen=True)
class _State:
    """A candidate as it stands, or once stood: its evidence, and the places of the classes that it is compared with."""

    owner: int
    evidence: Evidence
    classes: tuple[int, ...]
    is_now: bool


def families_of(
    asked: Sequence[LedgerCandidate], ledger: Sequence[LedgerCandidate], draws: Draws | None = None
) -> list[Family]:
    """Return the family of each candidate that is asked for, within the whole ledger, under its own draws or others.

    A candidate that is asked for on some of its trials alone is compared with all that was tried on their market time,
    and with the others that are asked for as they are asked for.
    """
    owners = {each.candidate_id: place for place, each in enumerate(ledger)}
    owners |= {each.candidate_id: len(owners) for each in asked if each.candidate_id not in owners}
    of_key: dict[Hashable, int] = {}
    classes: list[_Class] = []
    mine: list[int] = []
    for each in asked:
        key = (draws or draws_of(each.first), frozenset(each.market_times))
        if key not in of_key:
            of_key[key] = len(classes)
            classes.append(_Class(each.market_times, key[0]))
        mine.append(of_key[key])
    same = {id(each) for each in ledger}
    partly = [each for each in asked if id(each) not in same]
    asked_partly = {each.candidate_id for each in partly}
    entrants = [
        _Entrant(each, owners[each.candidate_id], id(each) not in same or each.candidate_id not in asked_partly)
        for each in (*ledger, *partly)
    ]
    grown, others = _told_apart(entrants)
    with_past = _enter_grown(grown, classes)
    for some in _batches(state for each in others for state in _states(each, classes)):
        with_past |= {state.owner for state in some if not state.is_now}
        for tossed in {each.draws for each in classes}:
            of_draws = {place for place, each in enumerate(classes) if each.draws == tossed}
            _enter([each for each in some if of_draws.intersection(each.classes)], classes, of_draws, tossed)
    alone: dict[int, Family] = {}
    found = []
    for each, place in zip(asked, mine, strict=True):
        if owners[each.candidate_id] in with_past:
            found.append(classes[place].family(owners[each.candidate_id]))
        else:
            # Candidates that never stood otherwise share the object.
            alone[place] = alone.get(place) or classes[place].family(-1)
            found.append(alone[place])
    return found


def _batches(states: Iterable[_State]) -> Iterator[list[_State]]:
    """Yield states in batches: those of all candidates at once would take memory that grows with the ledger."""
    batch: list[_State] = []
    for state in states:
        batch.append(state)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def draws_of(trial: Trial) -> Draws:
    """Return the draws that a trial is judged under."""
    return Draws(trial.evaluation.null_draws, trial.evaluation.null_seed)


def _told_apart(entrants: Sequence[_Entrant]) -> tuple[list[_Entrant], list[_Entrant]]:
    """Return the candidates that only ever grew, by datasets that have nothing in common, and the others."""
    apart: dict[tuple[MarketTime, ...], bool] = {}
    grown, others = list[_Entrant](), list[_Entrant]()
    for each in entrants:
        trials = each.candidate.choosing
        evidence = [trial.evidence for trial in trials if trial.evidence is not None]
        times = each.candidate.market_times
        if len(evidence) == len(trials) > 1 and times not in apart:
            apart[times] = len(counted_trials(trials)) == len(trials)
        grows = len(evidence) == len(trials) > 1 and apart[times] and _share_no_block(each.blocks)
        (grown if grows else others).append(each)
    return grown, others


def _share_no_block(several: Sequence[BlockSums]) -> bool:
    """Return whether no two datasets have fires in the same block, of the coarsest length among them."""
    coarsest = max(each.seconds for each in several)
    spans = sorted(
        (int(each.block[0]) * each.seconds // coarsest, int(each.block[-1]) * each.seconds // coarsest)
        for each in several
        if len(each.block)
    )
    return all(before[1] < after[0] for before, after in pairwise(spans))


@dataclass(frozen=True)
class _Entry:
    """A candidate that only ever grew, behind those of its trials at which its pooled blocks have one length.

    Attributes:
        entrant: the candidate.
        seconds: the length: the coarsest of its trials until then.
        n_trials: how many of its trials had this length at the most.
        rows: the numbers of the trials behind which it can be ranked.
        first: the classes that it enters, by their places, with the number of its first trial that overlaps each.
    """

    entrant: _Entrant
    seconds: int
    n_trials: int
    rows: NDArray[np.int64]
    first: Mapping[int, int]

    @property
    def blocks(self) -> list[BlockSums]:
        """The block sums of its trials, of one length."""
        return [each.at(self.seconds) for each in self.entrant.blocks[: self.n_trials]]


def _enter_grown(entrants: Sequence[_Entrant], classes: Sequence[_Class]) -> set[int]:
    """Take candidates that only ever grew into the classes; return the owners that once stood otherwise.

    Those with equal evidence are drawn once, those that enter no class of some draws not at all.
    """
    with_past: set[int] = set()
    for draws in dict.fromkeys(each.draws for each in classes):
        of_draws = [each for each in classes if each.draws == draws]
        of_length: dict[int, dict[tuple[str, ...], list[_Entry]]] = {}
        for each in entrants:
            for entry in _entries(each, of_draws):
                alike = of_length.setdefault(entry.seconds, {})
                alike.setdefault(tuple(blocks.digest for blocks in each.blocks[: entry.n_trials]), []).append(entry)
        for seconds, groups in of_length.items():
            for some in _batches_of_trials(groups.values(), trials_at_once(draws)):
                drawn = null_statistics_as_grown([entries[0].blocks for entries in some], seconds, draws)
                for entries, (excess, profit) in zip(some, drawn, strict=True):
                    with_past |= {each.entrant.owner for each in entries if _enter_rows(each, of_draws, excess, profit)}
    return with_past


def _batches_of_trials(groups: Iterable[list[_Entry]], most: int) -> Iterator[list[list[_Entry]]]:
    """Yield groups of equal candidates in batches that have at most so many trials to draw, or are one group."""
    batch: list[list[_Entry]] = []
    trials = 0
    for group in groups:
        more = group[0].n_trials
        if batch and trials + more > most:
            yield batch
            batch, trials = [], 0
        batch.append(group)
        trials += more
    if batch:
        yield batch


def _entries(entrant: _Entrant, classes: Sequence[_Class]) -> list[_Entry]:
    """Return where a candidate enters: the classes that it overlaps, from then on and when it can be ranked.

    In those that it overlaps it is counted, whether it can be ranked or not.
    """
    times = entrant.candidate.market_times
    first = {
        place: number
        for place, each in enumerate(classes)
        if (number := next((number for number, time in enumerate(times) if each.overlaps(time)), None)) is not None
    }
    if not first:
        return []
    _count(entrant.candidate, first, classes)
    lengths, found = entrant.lengths, []
    could = _rankable_as_grown(entrant.candidate.choosing, lengths)
    for seconds in np.unique(lengths).tolist():
        rows = np.flatnonzero(could & (lengths == seconds))
        if len(rows) and rows[-1] >= min(first.values()):
            found.append(_Entry(entrant, seconds, int(np.count_nonzero(lengths <= seconds)), rows, first))
    return found


def _enter_rows(entry: _Entry, classes: Sequence[_Class], excess: FloatArray, profit: FloatArray) -> bool:
    """Take in the statistics behind the trials of an entry; return whether the candidate once stood otherwise."""
    entrant, last, once = entry.entrant, len(entry.entrant.blocks) - 1, False
    for place, number in entry.first.items():
        into, rows = classes[place], entry.rows[entry.rows >= number]
        is_now = entrant.as_it_stands and last in rows
        past = rows[rows < last] if is_now else rows
        if len(past):
            into.excess.add_before(entrant.owner, excess[past].max(axis=0))
            into.profit.add_before(entrant.owner, profit[past].max(axis=0))
            once = True
        if is_now:
            into.rankable.add(entrant.candidate.candidate_id)
            into.excess.now = np.maximum(into.excess.now, excess[last])
            into.profit.now = np.maximum(into.profit.now, profit[last])
    return once


def _rankable_as_grown(trials: Sequence[Trial], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return [K] whether a candidate could be ranked on its first 1, 2, … K trials: whether `lacking` finds nothing.

    `lengths` [K] are those of its blocks behind each of them, seconds.
    """
    some = [trial.evidence for trial in trials if trial.evidence is not None]
    n_net, n_tp, n_sl = (
        np.cumsum([int(each.blocks.count(name).sum()) for each in some]) for name in ("n_net", "net_tp", "net_sl")
    )
    n_blocks = np.zeros(len(some), np.int64)
    for seconds in np.unique(lengths).tolist():
        own = np.cumsum([_blocks_with_net_fires(each.blocks, seconds) for each in some[: np.sum(lengths <= seconds)]])
        n_blocks[lengths == seconds] = own[lengths[: len(own)] == seconds]
    n_walks, walks_tp, walks_sl = (
        np.cumsum([getattr(each.tally, name) for each in some]) for name in ("n_walks", "n_walks_tp", "n_walks_sl")
    )
    found: NDArray[np.bool_] = has_enough(n_net, n_blocks, (n_tp, n_sl), n_walks, (walks_tp, walks_sl))
    return found


def _blocks_with_net_fires(blocks: BlockSums, seconds: int) -> int:
    """Return in how many blocks of a length, their own or a coarser one, there are net fires."""
    held = blocks.block[blocks.count("n_net") > 0] * blocks.seconds // seconds
    return int(np.count_nonzero(np.diff(held))) + bool(len(held))


def _states(entrant: _Entrant, classes: Sequence[_Class]) -> Iterator[_State]:
    """Yield a candidate as it stood after each of its trials, where that overlaps a class and can be ranked.

    The last of these is how it stands now, unless it is asked for on some of its trials alone: then those are.
    """
    candidate, owner, as_it_stands = entrant.candidate, entrant.owner, entrant.as_it_stands
    touched: frozenset[int] = frozenset()
    trials = candidate.choosing
    for count, trial in enumerate(trials, 1):
        touched |= {place for place, each in enumerate(classes) if each.overlaps(trial.judged_time)}
        if not touched:
            continue
        if count == len(trials):
            _count(candidate, touched, classes)
        counted = counted_trials(trials[:count])
        evidence = pooled([each.evidence.without_times() for each in counted if each.evidence is not None])
        if lacking(evidence):
            continue
        is_now = as_it_stands and count == len(trials)
        if is_now:
            for place in touched:
                classes[place].rankable.add(candidate.candidate_id)
        yield _State(owner, evidence, tuple(sorted(touched)), is_now)


def _count(candidate: LedgerCandidate, touched: Iterable[int], classes: Sequence[_Class]) -> None:
    for each in (classes[place] for place in touched):
        here = [trial for trial in candidate.choosing if each.overlaps(trial.judged_time)]
        each.evaluated.add(candidate.candidate_id)
        each.run_ids.update(run_id for trial in here for run_id in trial.run_ids)
        each.created += [trial.created_ns for trial in here]


def _enter(states: Sequence[_State], classes: Sequence[_Class], of_draws: set[int], draws: Draws) -> None:
    """Take candidates into the classes of some draws; those with equal evidence are drawn once."""
    of_length: dict[int, dict[str, list[_State]]] = {}
    for state in states:
        alike = of_length.setdefault(state.evidence.blocks.seconds, {})
        alike.setdefault(state.evidence.digest, []).append(state)
    for seconds, alike in of_length.items():
        groups = list(alike.values())
        for start in range(0, len(groups), _ROWS_AT_ONCE):
            batch = groups[start : start + _ROWS_AT_ONCE]
            excess, profit = null_statistics([group[0].evidence.blocks for group in batch], seconds, draws)
            now: dict[int, list[int]] = {}
            for row, group in enumerate(batch):
                for state in group:
                    for place in of_draws.intersection(state.classes):
                        if state.is_now:
                            now.setdefault(place, []).append(row)
                        else:
                            classes[place].excess.add_before(state.owner, excess[row])
                            classes[place].profit.add_before(state.owner, profit[row])
            for place, rows in now.items():
                for greatest, drawn in ((classes[place].excess, excess), (classes[place].profit, profit)):
                    greatest.now = np.maximum(greatest.now, drawn[sorted(set(rows))].max(axis=0))
