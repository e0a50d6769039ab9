"""Families of candidates that grew over many days: all at once gives what pooling every state anew gives."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vpharness.evaluation import (
    BlockSums,
    Draws,
    EvaluationParameters,
    Evidence,
    Fires,
    Market,
    SplitParameters,
    Tally,
    lacking,
    pooled,
)
from vpharness.evaluation.blocks import COUNTS, TICKS, merged
from vpharness.results import families, null_maxima
from vpharness.results.families import Family, _Entrant, families_of
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.null_maxima import null_statistics, null_statistics_as_grown, trials_at_once

DAYS = 6
DAY_NS = 86_400 * 10**9
BINS = 36_000
DRAWS = Draws(199, 3)


def evidence(day: int, fires: int, rng: np.random.Generator) -> Evidence:
    """Return evidence of fires on one day, each of which meets a barrier."""
    wins = rng.random(fires) < 0.5
    block, places = np.unique(day * 5400 + rng.integers(0, 200, fires), return_inverse=True)
    counts, ticks = np.zeros((len(block), len(COUNTS)), np.int32), np.zeros((len(block), len(TICKS)))
    for name, values in {
        "n_mid": wins >= 0,
        "mid_tp": wins,
        "n_net": wins >= 0,
        "net_tp": wins,
        "net_sl": ~wins,
    }.items():
        np.add.at(counts[:, COUNTS.index(name)], places, values.astype(np.int32))
    pnl = np.where(wins, 4.0, -4.0) - rng.random(fires)
    for name in ("mid_pnl", "net_pnl", "excess"):
        np.add.at(ticks[:, TICKS.index(name)], places, pnl)
    tally = Tally(fires, fires, 0, 0, 0, 0, 0, 0.9, float(np.sum(pnl**2)), 900, 400, int(400 * (day % 2)))
    return Evidence(BlockSums(16, block, counts, ticks), tally, np.zeros(0), np.zeros(0))


def candidate(number: int, days: range) -> LedgerCandidate:
    """Return a candidate that ran on some days, one after the other."""
    rng = np.random.default_rng(number)
    evaluation = EvaluationParameters(max_hold_bins=100).resolve(100)
    return LedgerCandidate(
        f"candidate {number}",
        tuple(
            Trial(
                candidate_id=f"candidate {number}",
                run_id=f"run {number} on {day}",
                dataset_id=f"day {day}",
                dataset_checksum="",
                signal="guess",
                parameters={},
                threshold_label="1",
                evaluation=evaluation,
                split=SplitParameters(kind="none"),
                judged_part="all",
                fires=Fires.from_signed([]),
                first_bin_start_ns=day * DAY_NS,
                bins=BINS,
                market=Market("SYN"),
                evidence=evidence(day, int(rng.integers(5, 40)), rng),
                created_ns=day * 100 + number,
            )
            for day in days
        ),
    )


LEDGER = [candidate(number, range(number % 3, DAYS)) for number in range(9)] + [candidate(9, range(2, 3))]


@pytest.mark.parametrize(
    "asked",
    [
        LEDGER,
        LEDGER[2:5],
        [LedgerCandidate(each.candidate_id, each.trials[:2]) for each in LEDGER],
        [LedgerCandidate(each.candidate_id, (trial,)) for each in LEDGER for trial in each.trials],
    ],
    ids=["all", "some", "on their first days", "each day apart"],
)
def test_candidates_that_grew_are_drawn_all_at_once_as_they_are_one_state_after_the_other(
    asked: list[LedgerCandidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked for: the same sizes, and the same greatest T under every draw but for rounding."""
    found = families_of(asked, LEDGER, DRAWS)
    monkeypatch.setattr(families, "_told_apart", lambda entrants: ([], list(entrants)))
    assert_alike(found, families_of(asked, LEDGER, DRAWS))


def assert_alike(several: list[Family], others: list[Family]) -> None:
    """The same sizes, and the same greatest T under every draw but for rounding."""
    for one, other in zip(several, others, strict=True):
        sizes = [(each.market_times, each.n_evaluated, each.n_rankable, each.n_runs) for each in (one, other)]
        assert sizes[0] == sizes[1]
        assert (one.oldest_ns, one.newest_ns) == (other.oldest_ns, other.newest_ns)
        for name in ("greatest_excess", "greatest_profit"):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert (mine is None) == (theirs is None)
            if mine is not None:
                np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("lengths", [(16, 32, 16, 64), (64, 16, 16, 32), (32, 16, 64, 64)])
def test_days_whose_blocks_differ_in_length_are_drawn_all_at_once_too(
    lengths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks have the coarsest length of its days so far: the families are those of one state after the other."""
    ledger = [
        LedgerCandidate(each.candidate_id, tuple(map(_at, each.trials, lengths[number % 2 :]))) if number < 6 else each
        for number, each in enumerate(LEDGER)
    ]
    grown, _ = families._told_apart([_Entrant(each, 0, as_it_stands=True) for each in ledger])
    assert len(grown) == 9
    found = families_of(ledger, ledger, DRAWS)
    monkeypatch.setattr(families, "_told_apart", lambda entrants: ([], list(entrants)))
    assert_alike(found, families_of(ledger, ledger, DRAWS))
    assert all(_drawn(each.greatest_excess).size and _drawn(each.greatest_profit).size for each in found)


def _at(trial: Trial, seconds: int) -> Trial:
    """Return a trial whose blocks are of a coarser length."""
    assert trial.evidence is not None
    return replace(trial, evidence=replace(trial.evidence, blocks=trial.evidence.blocks.at(seconds)))


def test_statistics_as_grown_are_those_of_each_beginning_pooled() -> None:
    """Day by day, and where no net fire was there yet."""
    own = [trial.evidence for trial in LEDGER[0].trials if trial.evidence is not None]
    silent = replace(
        own[0], blocks=replace(own[0].blocks, counts=own[0].blocks.counts * 0, ticks=own[0].blocks.ticks * 0)
    )
    for several in (own, [silent, *own[1:]]):
        ((excess, profit),) = null_statistics_as_grown([[each.blocks for each in several]], 16, DRAWS)
        for count in range(1, len(several) + 1):
            blocks = pooled(several[:count]).blocks
            of_excess, of_profit = null_statistics([blocks], 16, DRAWS)
            np.testing.assert_allclose(excess[count - 1], of_excess[0], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(profit[count - 1], of_profit[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pnl", [-0.1, 1 / 3, 1e6 / 7, 1e-6 / 3])
def test_where_every_fire_earned_the_same_profit_is_zero_under_every_draw(
    pnl: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Day by day and pooled, whatever rounding leaves of the residuals; one fire that earned otherwise counts."""
    own = [trial.evidence for trial in LEDGER[0].trials if trial.evidence is not None]
    several = []
    for each in own:
        counts, ticks = each.blocks.counts * 7, each.blocks.ticks.copy()
        # As fires are added up, one by one.
        ticks[:, TICKS.index("net_pnl")] = [sum([pnl] * count) for count in counts[:, COUNTS.index("n_net")].tolist()]
        several.append(replace(each.blocks, counts=counts, ticks=ticks))
    with monkeypatch.context() as patched:
        patched.setattr(null_maxima, "_ROUNDING", 0.0)
        ((_, of_rounding),) = null_statistics_as_grown([several], 16, DRAWS)
        assert np.abs(of_rounding).max() > 1, "otherwise nothing is shown here"
    ((_, profit),) = null_statistics_as_grown([several], 16, DRAWS)
    np.testing.assert_array_equal(profit, np.zeros((DAYS, DRAWS.n)))
    _, of_profit = null_statistics([merged(several[:count]) for count in range(1, DAYS + 1)], 16, DRAWS)
    np.testing.assert_array_equal(of_profit, profit)
    last = several[-1].ticks.copy()
    last[0, TICKS.index("net_pnl")] += 1e-6 * pnl
    several[-1] = replace(several[-1], ticks=last)
    ((_, profit),) = null_statistics_as_grown([several], 16, DRAWS)
    _, of_profit = null_statistics([merged(several)], 16, DRAWS)
    assert np.count_nonzero(profit[-1]) == DRAWS.n
    np.testing.assert_array_equal(profit[:-1], 0.0)
    np.testing.assert_allclose(profit[-1], of_profit[0], rtol=1e-4)


def test_what_can_be_ranked_as_grown_is_what_lacks_nothing_once_pooled() -> None:
    """On each beginning of each candidate's trials."""
    coarser = [LedgerCandidate("coarser", tuple(map(_at, each.trials, (16, 256, 16, 1024)))) for each in LEDGER]
    for each in (*LEDGER, *coarser):
        own = [trial.evidence for trial in each.trials if trial.evidence is not None]
        expected = [not lacking(pooled(own[: count + 1])) for count in range(len(own))]
        lengths = _Entrant(each, 0, as_it_stands=True).lengths
        assert families._rankable_as_grown(each.choosing, lengths).tolist() == expected  # the twin of `lacking`
    assert any(map(any, ([not lacking(pooled(own))] for own in [[t.evidence for t in LEDGER[0].trials if t.evidence]])))


class Drawn:
    """What was drawn of candidates that grew: for each call its draws, and the number of trials of each candidate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, list[int]]] = []
        monkeypatch.setattr(families, "null_statistics_as_grown", self._counting)

    def _counting(self, several: Sequence[Sequence[BlockSums]], seconds: int, draws: Draws) -> Any:
        self.calls.append((draws.n, [len(own) for own in several]))
        return null_statistics_as_grown(several, seconds, draws)


def elsewhere(each: LedgerCandidate, **evaluation: Any) -> LedgerCandidate:
    """Return the same evidence under another name, of another instrument or under other draws."""
    changed = (
        {"evaluation": replace(each.first.evaluation, **evaluation)} if evaluation else {"market": Market("OTHER")}
    )
    name = f"{each.candidate_id} {changed}"
    return LedgerCandidate(name, tuple(replace(one, candidate_id=name, **changed) for one in each.trials))


def test_candidates_that_nobody_who_is_asked_for_is_compared_with_are_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of other instruments, or of other days; nor under draws whose market time they do not touch."""
    others = [elsewhere(each) for each in LEDGER[:4]]
    few = elsewhere(LEDGER[1], null_draws=99)
    here, there = few, others[0]
    expected = families_of([few], [*LEDGER[:6], few])[0]
    drawn = Drawn(monkeypatch)
    found, apart = families_of([here, there], [*LEDGER[:6], *others, few])
    grown = [len(each.trials) for each in LEDGER[:6]]
    # The one that is asked for has the evidence of another one, and is drawn with it.
    assert sorted((n, sorted(trials)) for n, trials in drawn.calls) == [(99, sorted(grown)), (999, sorted(grown[:4]))]
    assert (found.n_evaluated, found.n_rankable) == (expected.n_evaluated, expected.n_rankable) == (7, 7)
    assert apart.n_evaluated == 4
    for name in ("greatest_excess", "greatest_profit"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_equal_evidence_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of those that have it is in the family, and is compared with what the others once were."""
    twins = [elsewhere(LEDGER[0], cooldown_bins=number) for number in (3, 5, 7)]
    ledger = [LEDGER[0], LEDGER[1], *twins]
    drawn = Drawn(monkeypatch)
    found = families_of(ledger, ledger, DRAWS)
    assert drawn.calls == [(DRAWS.n, [len(LEDGER[0].trials), len(LEDGER[1].trials)])]
    assert [each.n_rankable for each in found] == [5] * 5
    monkeypatch.setattr(families, "_told_apart", lambda entrants: ([], list(entrants)))
    for one, other in zip(found, families_of(ledger, ledger, DRAWS), strict=True):
        np.testing.assert_allclose(_drawn(one.greatest_excess), _drawn(other.greatest_excess), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(_drawn(one.greatest_profit), _drawn(other.greatest_profit), rtol=1e-9, atol=1e-12)


def test_batches_hold_no_more_trials_than_the_memory_for_their_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """But one candidate at least; however they are cut, the families are the same."""
    whole = families_of(LEDGER, LEDGER, DRAWS)
    drawn = Drawn(monkeypatch)
    for budget, most in ((96 * DRAWS.n * 12, 12), (96 * DRAWS.n * 13 - 1, 12), (1, 1)):
        monkeypatch.setattr(null_maxima, "_BUDGET_BYTES", budget)
        assert trials_at_once(DRAWS) == most
        drawn.calls.clear()
        for one, other in zip(families_of(LEDGER, LEDGER, DRAWS), whole, strict=True):
            np.testing.assert_allclose(_drawn(one.greatest_excess), _drawn(other.greatest_excess), rtol=1e-12)
            np.testing.assert_allclose(_drawn(one.greatest_profit), _drawn(other.greatest_profit), rtol=1e-12)
        assert sum(sum(trials) for _, trials in drawn.calls) == sum(len(each.trials) for each in LEDGER[:9])
        assert all(sum(trials) <= most or len(trials) == 1 for _, trials in drawn.calls)
    assert len(drawn.calls) == 9


@pytest.mark.parametrize("candidates", [1, 8])
def test_drawing_takes_no_more_memory_than_it_is_counted_with(candidates: int) -> None:
    """Temporaries included, beside the coins of 512 blocks: in one candidate of many trials, or in many."""
    draws, rng = Draws(4001, 1), np.random.default_rng(0)
    trials = [evidence(day, 4, rng).blocks for day in range(160)]
    several = [trials[start::candidates] for start in range(candidates)]
    for _ in null_statistics_as_grown([trials[:2]], 16, draws):
        pass
    tracemalloc.start()
    for _ in null_statistics_as_grown(several, 16, draws):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    coins_of_blocks = 512 * draws.n * 12
    assert peak < null_maxima._BYTES_GROWN * draws.n * len(trials) + coins_of_blocks  # what batches are counted with


def test_days_that_meet_or_come_twice_are_no_growth() -> None:
    """Such candidates are pooled state by state."""
    whole = LEDGER[0]
    again = replace(whole.trials[0], dataset_id="again", created_ns=10**6)
    twice = LedgerCandidate("twice", (*whole.trials, again))
    entrants = [_Entrant(each, number, as_it_stands=True) for number, each in enumerate([whole, twice, LEDGER[-1]])]
    grown, others = families._told_apart(entrants)  # what chooses the faster way
    assert [each.owner for each in grown] == [0]
    assert [each.owner for each in others] == [1, 2]


def _drawn(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return what was drawn, of which there must be something."""
    assert values is not None
    return values
