"""A procedure judged: all its out-of-sample fires together, against chance, costs and the other procedures tried."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from vpharness.errors import ConfigError
from vpharness.evaluation import (
    Evidence,
    Judgement,
    MarketTime,
    any_overlap,
    figures_of,
    is_winner,
    lacking,
    observed_excess,
    p_value,
    pooled,
)
from vpharness.evaluation.evaluate import p_values_alone
from vpharness.results.families import Family
from vpharness.results.ledger import LedgerCandidate, with_explored
from vpharness.results.omitted_evidence import TrialIndex
from vpharness.results.ranking import COMMON_DRAWS, net_low_all
from vpharness.results.reevaluation import ViewOf
from vpharness.results.store import Store
from vpharness.results.walk_forward.choosing import WindowSums
from vpharness.results.walk_forward.opened import with_tests
from vpharness.results.walk_forward.out_of_sample_fires import WalkForwardFires, fires_of
from vpharness.results.walk_forward.overfitting import Overfitting, overfitting
from vpharness.results.walk_forward.segments import Segment, segments_of
from vpharness.results.walk_forward.steps import BestFixed, Step, best_fixed, walk
from vpharness.results.walk_forward.tried import (
    Procedure,
    chosen_ids,
    family_of_procedures,
    is_kept,
    keep_try,
    tried_procedures,
)


@dataclass(frozen=True)
class WalkForward:
    """A procedure with what it chose and earned.

    Attributes:
        procedure: its settings.
        segments: the segments that choose, in the order of time.
        n_candidates: the candidates that it could choose from.
        n_adaptive: of these, chosen by an adaptive search, which has looked at the segments that choose. Where there
            are any, segments kept for the test alone are judged; without these nothing is known of chance.
        n_fires_dropped: out-of-sample fires that were left out since their walks may cross a cut.
        steps: the steps; the last one that is no test is the choice that is in force.
        judgement: of all out-of-sample fires together; None where nothing was ever chosen.
        family: the procedures that were tried on overlapping market time, and those that keep to one candidate which
            this one could not choose from.
        p_adjusted: against that family; None where the procedure is not rankable, or chose from an adaptive search and
            no segment was kept from it.
        net_low_all: lower end of its net mean that holds for the family at once, ticks; NaN where there is none.
        best_fixed: the best candidate of the out-of-sample segments with hindsight.
        overfitting: the probability of backtest overfitting over the segments that choose; None where it has none.
        fires: the out-of-sample fires in the order of time.
        left_out: datasets of their instruments on which the chosen ones were judged too, and that are no segments:
            whoever has seen all days can choose those on which it did well, so that such a procedure wins nothing.
        n_others: the candidates of the ledger on its market time that it could not choose from; they are in the family.
        n_kept: stretches of datasets that are kept for the test, and stayed closed: they are no segments.
    """

    procedure: Procedure
    segments: tuple[Segment, ...]
    n_candidates: int
    n_adaptive: int
    n_fires_dropped: int
    steps: tuple[Step, ...]
    judgement: Judgement | None
    family: Family
    p_adjusted: float | None
    net_low_all: float
    best_fixed: BestFixed | None
    overfitting: Overfitting | None
    fires: WalkForwardFires
    left_out: tuple[str, ...] = ()
    n_others: int = 0
    n_kept: int = 0

    @property
    def winner(self) -> bool:
        """Whether it beats chance among procedures, with a lower end above 0 that holds for all of them at once."""
        return (
            self.judgement is not None
            and not self.left_out
            and self.p_adjusted is not None
            and is_winner(self.judgement.lacks, self.p_adjusted, self.net_low_all)
        )

    @property
    def last(self) -> Step:
        """The last step: the choice that is in force, or due, behind the newest segment."""
        return [step for step in self.steps if not step.is_test][-1]

    @functools.cached_property
    def judged_steps(self) -> tuple[Step, ...]:
        """The steps that have net fires out of sample."""
        return tuple(step for step in self.steps if step.n_net)

    @property
    def share_above_zero(self) -> float:
        """The share of these steps that earned more than nothing; NaN without any."""
        steps = self.judged_steps
        return sum(step.net_total > 0 for step in steps) / len(steps) if steps else math.nan

    @property
    def in_sample_net(self) -> float:
        """The mean over these steps of what was chosen earned per fire in sample, weighted by fires out of sample."""
        steps = [(step.chosen.net.mean, step.n_net) for step in self.judged_steps if step.chosen is not None]
        fires = sum(n for _, n in steps)
        return sum(mean * n for mean, n in steps) / fires if fires else math.nan


def walk_forward(
    procedure: Procedure,
    candidates: Sequence[LedgerCandidate],
    ledger: Sequence[LedgerCandidate],
    store: Store,
    view_of: ViewOf | None = None,
    *,
    keeps: bool = True,
) -> WalkForward:
    """Return a procedure, judged, and write down in the ledger that it was tried.

    Args:
        procedure: its settings.
        candidates: those that it chooses from, each with the trials that are meant.
        ledger: all candidates that there are.
        store: the results.
        view_of: from a dataset's id and checksum to its prices: given, segments that are kept for the test are opened,
            which is counted.
        keeps: whether it is written down; otherwise only a procedure is judged that is written down as it is now.

    Raises ConfigError where there are too few segments, or nothing may be written down and there is something new, and
    ResultsError where the store cannot be written.
    """
    timeline = segments_of(candidates, procedure.segments)
    sums = WindowSums(timeline.histories)
    steps = walk(timeline, sums, procedure.train, procedure.step)
    if view_of is not None:
        steps = with_tests(steps, timeline, sums, procedure.train, ledger, store, view_of)
    n_adaptive = sum(each.candidate.adaptive for each in timeline.histories)
    # A search has looked at all segments that choose: only days kept for the test can judge what it found.
    unseen = [step for step in steps if step.is_test] if n_adaptive else steps
    evidence = evidence_of_steps(unseen or steps)
    times = market_times(unseen or steps)
    if keeps:
        keep_try(store, procedure, steps, times, evidence)
    elif not is_kept(store, procedure, steps, times, evidence):
        raise ConfigError(
            "candidates or days have come since this procedure was tried: python -m vpharness compare "
            "walk_forward=true with its settings judges it as it is now, and counts that"
        )
    others = _not_chosen_from(candidates, ledger, times)
    family = family_of_procedures(procedure.id, times, evidence, tried_procedures(store), chosen_ids(steps), others)
    judgement = None if evidence is None else judged(evidence, unseen or steps)
    is_ranked = bool(unseen) and judgement is not None and not judgement.lacks and family.greatest_excess is not None
    found = [own for step in steps for own in step.found]
    return WalkForward(
        procedure=procedure,
        segments=timeline.segments,
        n_candidates=len(timeline.histories),
        n_adaptive=n_adaptive,
        n_fires_dropped=sum(own.n_dropped for own in found),
        steps=tuple(steps),
        judgement=judgement,
        family=family,
        p_adjusted=p_value(judgement.t, family.greatest_excess)  # type: ignore[union-attr, arg-type]  # it is ranked
        if is_ranked
        else None,
        net_low_all=net_low_all(judgement.evidence, family) if is_ranked and judgement is not None else math.nan,
        best_fixed=best_fixed(timeline, sums, procedure.train),
        overfitting=overfitting(sums, timeline.ran),
        fires=fires_of(store, steps),
        left_out=_left_out(steps, ledger),
        n_others=len(others),
        n_kept=len(timeline.tests) if view_of is None else 0,
    )


def _not_chosen_from(
    candidates: Sequence[LedgerCandidate], ledger: Sequence[LedgerCandidate], times: Sequence[MarketTime]
) -> list[tuple[str, Evidence]]:
    """Return the other candidates of the ledger, each with its evidence on some market time."""
    own = {each.candidate_id for each in candidates}
    is_there: dict[MarketTime, bool] = {}
    found = []
    for other in with_explored(ledger):
        if other.candidate_id in own:
            continue
        some = []
        for trial in other.counted:
            if trial.judged_time not in is_there:
                is_there[trial.judged_time] = any_overlap([trial.judged_time], times)
            if is_there[trial.judged_time] and trial.evidence is not None:
                some.append(trial.evidence)
        if some:
            found.append((other.candidate_id, pooled(some)))
    return found


def _left_out(steps: Sequence[Step], ledger: Sequence[LedgerCandidate]) -> tuple[str, ...]:
    """Return the datasets on which what was chosen was judged too, of the same instruments, and that are not meant."""
    index = TrialIndex([each for each in ledger if each.choosing])
    chosen = {step.candidate.candidate_id: step.candidate for step in steps if step.candidate is not None}
    return tuple(sorted({name for each in chosen.values() if each.choosing for name in index.left_out(each)}))


def evidence_of_steps(steps: Sequence[Step]) -> Evidence | None:
    """Return the evidence of all out-of-sample fires together; None where nothing was chosen."""
    some = [own.evidence for step in steps for own in step.found]
    if not some:
        return None
    # Lists of times to the barrier, and of waits, are of no figure that is shown of a procedure.
    return pooled([each.without_times() for each in some])


def judged(evidence: Evidence, steps: Sequence[Step]) -> Judgement:
    """Return the judgement of a procedure's out-of-sample fires, under the draws that everybody is judged under.

    Where the candidates that were chosen differ in their barriers, figures that depend on these are NaN.
    """
    chosen = [step.candidate.first.evaluation for step in steps if step.candidate is not None and step.found]
    barriers = {(each.tp_ticks, each.sl_ticks) for each in chosen}
    return judged_alone(evidence, *(barriers.pop() if len(barriers) == 1 else ()))


def judged_alone(evidence: Evidence, tp_ticks: float = math.nan, sl_ticks: float = math.nan) -> Judgement:
    """Return the judgement of out-of-sample fires by themselves; figures of barriers are NaN where none are given."""
    return Judgement(
        evidence,
        figures_of(evidence, tp_ticks, sl_ticks),
        observed_excess(evidence.blocks),
        p_values_alone([evidence], COMMON_DRAWS)[0],
        lacking(evidence),
    )


def market_times(steps: Sequence[Step]) -> tuple[MarketTime, ...]:
    """Return all market time out of sample, whether something was chosen on it or not."""
    segments = [segment for step in steps for segment in step.out_of_sample if not step.refused]
    return tuple(dict.fromkeys(time for segment in segments for time in segment.times))
