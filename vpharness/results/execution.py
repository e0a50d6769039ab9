"""Execution of one candidate: the same fires entered at the touch, and as resting orders by latency and wait.

Fires do not depend on how they are entered, so each alternative is a look-up: in stored runs, or of the candidate's
fires in the tables of virtual orders. An alternative that nobody has run is an exploration. It is judged as if it had
been run: all that are shown together enter the family that p-values are adjusted for, each beside the others, and stay
there (see `explored`). So the best of a table is not flattered by standing in it, nor by being the only one that is run
afterwards. An exploration wins nothing and cannot be promoted.
"""

import dataclasses
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import VpharnessError
from vpharness.evaluation import ResolvedEvaluation, evaluate_fires, outcomes_of_bins, parts_of
from vpharness.evaluation.evaluation_parameters import QUEUE, TOUCH
from vpharness.evaluation.intervals import Interval, ratio_of_totals
from vpharness.evaluation.outcomes import DOWN_ROW, UP_ROW
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL
from vpharness.results.explored import explored_trial, keep_explored, settings_key
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ranking import Ranked, rank
from vpharness.results.reevaluation import ViewOf
from vpharness.results.store import Store

LATENCIES_MS: Final = (0.0, 10.0, 50.0, 100.0, 250.0)
WAITS_BINS: Final = (10, 30, 100, 300)
DEFAULT_WAIT_BINS: Final = 100

_NO_QUANTITY: Final = np.zeros(0)
_EXPLORED: Final = "explored"


@dataclass(frozen=True)
class Alternative:
    """A candidate as it would be with another way of entering.

    Attributes:
        candidate: the stored one, or an exploration, which has an id of its own.
        executed: for each order placed, what was executed at its side and price within the longest wait, in the
            instrument's quantity; empty at the touch, and where the dataset is not at hand.
        is_stored: whether runs of the ledger have it.
    """

    candidate: LedgerCandidate
    executed: NDArray[np.float64]
    is_stored: bool


@dataclass(frozen=True)
class Execution:
    """One way of entering the fires of a candidate, judged beside the others that are shown.

    Attributes:
        ranked: its judgement; one that is not stored never wins.
        executed: see `Alternative`.
        is_stored: whether runs of the ledger have it.
        is_own: whether it is the candidate itself.
    """

    ranked: Ranked
    executed: NDArray[np.float64]
    is_stored: bool
    is_own: bool

    @property
    def evaluation(self) -> ResolvedEvaluation:
        """How its fires are judged."""
        return self.ranked.candidate.first.evaluation

    @property
    def net_per_order(self) -> Interval:
        """What an order earned, ticks, those that were not filled with 0; at the touch what a fire did."""
        blocks = self.ranked.judgement.evidence.blocks
        orders = blocks.count("n_net").astype(np.float64) if blocks.orders is None else blocks.order("orders")
        return ratio_of_totals(blocks.tick("net_pnl"), orders).interval()

    @property
    def pays(self) -> bool:
        """Whether it beats chance among all that was tried and is shown, with an interval of its own above 0."""
        p, low = self.ranked.p_adjusted, self.ranked.judgement.figures.net_pnl_ticks_low
        return p is not None and p <= SIGNIFICANCE_LEVEL and low > 0


def at_touch(evaluation: ResolvedEvaluation) -> ResolvedEvaluation:
    """Return an evaluation that enters at the touch, and is the same otherwise."""
    return dataclasses.replace(
        evaluation,
        fill=TOUCH,
        latency_ms=0.0,
        latency_digest="",
        max_wait_bins=0,
        maker_fee_ticks=0.0,
        maker_fee_bps=0.0,
    )


def in_queue(evaluation: ResolvedEvaluation) -> ResolvedEvaluation:
    """Return an evaluation whose entries rest, with the defaults of latency and wait where it has none.

    What makers pay is not known of entries at the touch: it is taken to be what takers pay.
    """
    if evaluation.in_queue:
        return evaluation
    return dataclasses.replace(
        evaluation,
        fill=QUEUE,
        latency_ms=evaluation.entry_delay_bins * evaluation.cell_width_ms,
        max_wait_bins=DEFAULT_WAIT_BINS,
        maker_fee_ticks=evaluation.taker_fee_ticks,
        maker_fee_bps=evaluation.taker_fee_bps,
    )


def at_latencies(evaluation: ResolvedEvaluation) -> list[ResolvedEvaluation]:
    """Return evaluations of resting orders at the latencies that are shown, with the longest wait of its own."""
    rests = in_queue(evaluation)
    return [dataclasses.replace(rests, latency_ms=latency_ms, latency_digest="") for latency_ms in LATENCIES_MS]


def ways_of_entering(evaluation: ResolvedEvaluation) -> list[ResolvedEvaluation]:
    """Return all that a table of execution compares: the touch, latencies, and waits at its own latency; each once."""
    rests = in_queue(evaluation)
    waits = [dataclasses.replace(rests, max_wait_bins=wait) for wait in WAITS_BINS]
    return list(dict.fromkeys([evaluation, at_touch(evaluation), rests, *at_latencies(evaluation), *waits]))


class StoredWays:
    """Candidates of a ledger by all that they are, so that one with another way of entering is found."""

    def __init__(self, ledger: Sequence[LedgerCandidate]) -> None:
        self._found = {settings_key(each.first, each.first.evaluation): each for each in ledger}

    def of(self, candidate: LedgerCandidate, evaluation: ResolvedEvaluation) -> LedgerCandidate | None:
        """Return the stored candidate that enters so, on the same datasets; None where there is none."""
        if evaluation == candidate.first.evaluation:
            return candidate
        found = self._found.get(settings_key(candidate.first, evaluation))
        if found is None or _datasets(found) != _datasets(candidate):
            return None
        return found


def stored_ways(own: Ranked, ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return the candidates of a ranking that are one with another way of entering, itself among them, in its order."""
    candidate = own.candidate
    signal, key, datasets = candidate.first.signal, _key_at_touch(candidate), _datasets(candidate)
    alike = (each for each in ranked if each.candidate.first.signal == signal)
    return [each for each in alike if _datasets(each.candidate) == datasets and _key_at_touch(each.candidate) == key]


def _key_at_touch(candidate: LedgerCandidate) -> Hashable:
    """Return all that a candidate is but its way of entering."""
    return settings_key(candidate.first, at_touch(candidate.first.evaluation))


def _datasets(candidate: LedgerCandidate) -> set[tuple[str, str]]:
    return {trial.dataset for trial in candidate.trials}


def alternative(
    candidate: LedgerCandidate, evaluation: ResolvedEvaluation, view_of: ViewOf, stored: StoredWays
) -> Alternative:
    """Return a candidate with another way of entering, from its fires and its datasets' tables of virtual orders.

    Where a dataset is not at hand a stored one is returned as it is. Raises VpharnessError where there is none either.
    """
    known, now_ns = stored.of(candidate, evaluation), time.time_ns()
    try:
        trials, executed = zip(
            *(_entered(each, evaluation, view_of, now_ns) for each in candidate.choosing), strict=True
        )
    except VpharnessError:
        if known is None:
            raise
        return Alternative(known, _NO_QUANTITY, is_stored=True)
    quantities = np.concatenate(executed)
    if known is not None:
        return Alternative(known, quantities, is_stored=True)
    before = {each.candidate_id: each for each in candidate.explored}.get(trials[0].candidate_id)
    if before is not None and {each.dataset for each in before.trials} == {each.dataset for each in trials}:
        return Alternative(before, quantities, is_stored=False)
    return Alternative(LedgerCandidate(trials[0].candidate_id, trials), quantities, is_stored=False)


def _entered(
    trial: Trial, evaluation: ResolvedEvaluation, view_of: ViewOf, now_ns: int
) -> tuple[Trial, NDArray[np.float64]]:
    """Return a trial with another way of entering, and what was executed at the prices of its orders."""
    view = view_of(*trial.dataset)
    table = outcomes_of_bins(view, evaluation)
    (part,) = [each for each in parts_of(view, evaluation, trial.split) if each.name == trial.judged_part]
    (found,) = evaluate_fires(view, table, part, [trial.fires])
    executed, outcomes = _NO_QUANTITY, found.outcomes
    if table.fills is not None and outcomes.orders is not None:
        rows = np.where(outcomes.fires.directions > 0, UP_ROW, DOWN_ROW)
        quantities = table.fills.executed[rows, outcomes.fires.bins][outcomes.orders.placed]
        executed = quantities[~np.isnan(quantities)]
    way = f"{evaluation.latency_digest or f'{evaluation.latency_ms:g}'}/{evaluation.max_wait_bins}"
    candidate_id = f"{trial.candidate_id} {_EXPLORED} {evaluation.fill} {way}"
    return explored_trial(trial, candidate_id, evaluation, found.evidence, now_ns), executed


def executions(
    candidate: LedgerCandidate, ledger: Sequence[LedgerCandidate], view_of: ViewOf, store: Store
) -> list[Execution]:
    """Return a candidate's ways of entering, judged together within all that was ever tried.

    Those that were never run are written down, so that they count from now on. Raises VpharnessError where its datasets
    are not at hand or have no queues, and the ledger lacks the runs too, or where the store cannot be written.
    """
    stored = StoredWays(ledger)
    ways = [alternative(candidate, each, view_of, stored) for each in ways_of_entering(candidate.first.evaluation)]
    new = looked_at(candidate, ways)
    keep_explored(store, {candidate.candidate_id: new})
    judged = {each.candidate.candidate_id: each for each in rank([*ledger, *new], [each.candidate for each in ways])}
    found = []
    for each in ways:
        ranked = judged[each.candidate.candidate_id]
        is_own = each.candidate.candidate_id == candidate.candidate_id
        if not each.is_stored:
            ranked = dataclasses.replace(ranked, winner=False)
        found.append(Execution(ranked, each.executed, each.is_stored, is_own))
    return found


def looked_at(candidate: LedgerCandidate, ways: Sequence[Alternative]) -> list[LedgerCandidate]:
    """Return those ways of entering that neither runs nor earlier looks have left in the ledger."""
    known = set(map(id, candidate.explored))
    return [each.candidate for each in ways if not each.is_stored and id(each.candidate) not in known]


def longest_paying_latency(found: Sequence[Execution], wait_bins: int) -> float | None:
    """Return the longest latency up to which all that are shown pay, ms, at one longest wait; None where none does."""
    longest = None
    rests = [
        each for each in found if each.evaluation.max_wait_bins == wait_bins and not each.evaluation.latency_digest
    ]
    for each in sorted(rests, key=lambda each: each.evaluation.latency_ms):
        if not each.pays:
            break
        longest = each.evaluation.latency_ms
    return longest


def median_and_mean(executed: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median and the mean of quantities; NaN where there are none."""
    return (float(np.median(executed)), float(np.mean(executed))) if len(executed) else (math.nan, math.nan)
