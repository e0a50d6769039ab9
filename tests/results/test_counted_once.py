"""Evidence is counted once: no name, slice, order or repetition of the work makes noise look better."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.results.ledgers import MARKETS, N_BINS, NEWEST_NS, candidate, entered, trial, view_of, with_evidence
from vpharness.commands.text.ranking_lines import ranking_verdict
from vpharness.evaluation import (
    BlockSums,
    EvaluationParameters,
    Evidence,
    Fires,
    Market,
    SplitParameters,
    Tally,
)
from vpharness.evaluation.blocks import COUNTS, TICKS
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ranking import Ranked, rank, rank_each_dataset, restricted

WIDTH_NS = 100_000_000
SAME = frozenset({"file 1"})


def by_id(ledger: Sequence[LedgerCandidate]) -> dict[str, Ranked]:
    """Rank a ledger; return its candidates by id."""
    return {each.candidate.candidate_id: each for each in rank(ledger)}


def named(of: Trial, dataset_id: str, **changes: Any) -> Trial:
    """Return a trial as it is on a copy of its dataset under another name."""
    return replace(of, dataset_id=dataset_id, run_id=f"{of.run_id} as {dataset_id}", **changes)


@pytest.fixture(scope="module")
def sweep() -> list[LedgerCandidate]:
    """Twelve candidates that know nothing, on one market."""
    return [candidate(f"guess {seed}", seed, split="time") for seed in range(12)]


def test_one_market_under_four_names_is_one_market(sweep: list[LedgerCandidate]) -> None:
    """The copies count nowhere, however the instrument is called: p stays what it is on one of them."""
    before = by_id(sweep)
    own = replace(sweep[3].first, market=Market("north", SAME))
    copies = [
        named(own, f"copy {n}", market=Market(f"north {n}", SAME | {f"file {n + 2}"}), created_ns=NEWEST_NS + n)
        for n in range(3)
    ]
    ledger = [each if each is not sweep[3] else LedgerCandidate("guess 3", (own, *copies)) for each in sweep]
    after = by_id(ledger)
    assert after["guess 3"].p_adjusted == before["guess 3"].p_adjusted
    assert after["guess 3"].judgement.figures == before["guess 3"].judgement.figures
    assert [each.dataset_id for each in after["guess 3"].candidate.overlapping] == ["copy 0", "copy 1", "copy 2"]


def test_another_share_of_training_data_is_another_try_on_the_same_market_time(sweep: list[LedgerCandidate]) -> None:
    """Fifteen shares of one candidate stand in the family of all: nobody's p falls, and none of them wins."""
    before = by_id(sweep)
    shares = [
        LedgerCandidate(
            f"share {share:.2f}",
            (
                with_evidence(
                    replace(sweep[3].first, candidate_id=f"share {share:.2f}", split=SplitParameters(train_share=share))
                ),
            ),
        )
        for share in np.linspace(0.3, 0.95, 15)
    ]
    after = by_id([*sweep, *shares])
    for name, each in before.items():
        assert (after[name].p_adjusted or 0) >= (each.p_adjusted or 0)
    assert {each.family.n_evaluated for each in after.values()} == {27}
    assert not any(each.winner for each in after.values())
    assert min(each.p_adjusted for each in after.values() if each.p_adjusted is not None) > 0.05


def test_a_second_dataset_takes_nobody_out_of_the_family_of_the_first(sweep: list[LedgerCandidate]) -> None:
    """Two of twelve that go on to a short and independent dataset are still the best of twelve."""
    before = by_id(sweep)
    wider = [
        LedgerCandidate(
            each.candidate_id,
            (*each.trials, replace(trial("south", each.candidate_id, seed, split="time"), created_ns=NEWEST_NS + 1)),
        )
        if seed in {3, 5}
        else each
        for seed, each in enumerate(sweep)
    ]
    after = by_id(wider)
    for name in ("guess 3", "guess 5"):
        assert after[name].family.n_evaluated == 12
        assert (after[name].p_adjusted or 0) > 0.05
    for name in set(before) - {"guess 3", "guess 5"}:
        assert (after[name].p_adjusted or 0) >= (before[name].p_adjusted or 0)


def test_a_lattice_that_differs_by_a_hundredth_changes_nothing(sweep: list[LedgerCandidate]) -> None:
    """Another candidate on another dataset, with the same fires: all p-values stay as they are."""
    before = by_id(sweep)
    moved = named(replace(sweep[3].first, candidate_id="moved"), "north, decay 30.01 s", created_ns=NEWEST_NS + 9)
    after = by_id([*sweep, LedgerCandidate("moved", (moved,))])
    assert {name: after[name].p_adjusted for name in before} == {name: each.p_adjusted for name, each in before.items()}
    assert after["moved"].p_adjusted == before["guess 3"].p_adjusted


def test_a_dataset_and_its_first_half_are_the_longer_one() -> None:
    """Fires and blocks are those of the whole, and the half's test part has been seen in training."""
    whole = trial("north", "ads", 3, knows=True, split="time")
    bins = N_BINS // 2
    inside = whole.fires.bins < bins
    fires = Fires(whole.fires.bins[inside], whole.fires.directions[inside])
    half = named(whole, "first half", bins=bins, fires=fires, created_ns=NEWEST_NS + 1)
    both, alone = LedgerCandidate("ads", (half, whole)), LedgerCandidate("ads", (whole,))
    assert both.counted == (whole,)
    (pooled,), (single,) = rank([both]), rank([alone])
    assert pooled.judgement.figures == single.judgement.figures
    assert half.test_time is not None
    assert half.test_time.overlaps(whole.judged_time)


def test_what_is_asked_of_one_dataset_is_answered_by_the_trials_on_it_alone() -> None:
    """A candidate that loses here and wins there loses here."""
    losing = replace(trial("north", "x", 3), created_ns=1)
    winning = replace(trial("south", "x", 4, knows=True), created_ns=2)
    mixed = LedgerCandidate("x", (losing, winning))
    (here,) = rank([mixed], restricted([mixed], lambda each: each.dataset_id == "north"))
    (alone,) = rank([LedgerCandidate("x", (losing,))])
    assert here.judgement.figures == alone.judgement.figures
    assert here.p_adjusted == alone.judgement.p_value
    assert not here.winner
    apart = {each.candidate.first.dataset_id: each.winner for each in rank_each_dataset([mixed])}
    assert apart == {"north": False, "south": True}


def test_days_that_are_chosen_by_what_came_of_them_make_no_winner() -> None:
    """Under a campaign's name, another seed of draws or another split: what was judged on all days wins on all or none.

    The candidate wins on the one market time and loses on the other, of one instrument.
    """
    first = replace(trial("north", "x", 3, knows=True), market=Market("ES"), created_ns=1)
    later_ns = first.judged_time.stop_ns
    second = replace(
        trial("south", "x", 4), market=Market("ES"), first_bin_start_ns=later_ns, created_ns=2, campaigns=frozenset("c")
    )
    whole = LedgerCandidate("x", (first, second))
    (good,) = rank([whole], restricted([whole], lambda each: each.dataset_id == "north"))
    assert good.p_adjusted is not None
    assert good.p_adjusted <= 0.05
    assert (good.winner, good.would_win, good.left_out) == (False, True, ("south",))
    told = "x would win, but also ran on 2024-03-15 (split=none), which is left out here"
    assert told in list(ranking_verdict([good], [whole], {"south": "2024-03-15"}))
    assert next(ranking_verdict([good])).startswith(
        "nothing here beats chance and costs (p adj. at most 0.05 and lower end for all above 0); net is after "
    )
    reseeded = replace(first, candidate_id="y", evaluation=replace(first.evaluation, null_seed=5))
    resplit = with_evidence(
        replace(first, candidate_id="z", split=SplitParameters(train_share=0.9), judged_part="train")
    )
    found = by_id([whole, LedgerCandidate("y", (reseeded,)), LedgerCandidate("z", (resplit,))])
    assert {name: each.left_out for name, each in found.items()} == {
        "x": (),
        "y": ("south",),
        "z": ("north", "south"),
    }
    assert not found["y"].winner
    assert not found["z"].winner
    assert rank([LedgerCandidate("y", (reseeded,))])[0].winner, "alone it would be one"


def test_a_seed_of_draws_cannot_be_searched_for() -> None:
    """The stricter of its own draws and the common ones holds."""
    ledger = [candidate(f"guess {seed}", seed) for seed in range(6)]
    common = by_id(ledger)
    for seed in range(1, 6):
        own = replace(ledger[0].first, evaluation=replace(ledger[0].first.evaluation, null_seed=seed, null_draws=99))
        found = by_id([LedgerCandidate("guess 0", (own,)), *ledger[1:]])
        assert (found["guess 0"].p_adjusted or 0) >= (common["guess 0"].p_adjusted or 0)
        assert not found["guess 0"].net_low_all > common["guess 0"].net_low_all


def test_a_file_without_a_date_is_one_day_however_it_is_dated() -> None:
    """Four dates given to the same file are the same evidence."""
    day_ns = 86_400 * 10**9
    own = trial("north", "x", 3, knows=True)
    days = [
        replace(
            own,
            dataset_id=f"day {day}",
            market=Market("MSFT", SAME, origin_ns=day * day_ns),
            first_bin_start_ns=(own.first_bin_start_ns or 0) + day * day_ns,
            created_ns=day,
        )
        for day in range(4)
    ]
    (found,) = rank([LedgerCandidate("x", tuple(days))])
    assert [each.dataset_id for each in found.candidate.counted] == ["day 0"]


# --- whatever is added --------------------------------------------------------------------------------------------

EVALUATION = EvaluationParameters(null_draws=199).resolve(100.0)
START_NS = 1_704_205_824_000_000_000  # where blocks of 64 s begin


def made_evidence(seed: int, hours: tuple[int, int], seconds: int, edge: float) -> Evidence:
    """Return evidence with some fires in each block of some hours."""
    rng = np.random.default_rng(seed)
    first = (START_NS // 10**9 + hours[0] * 3600) // seconds
    n_blocks = (hours[1] - hours[0]) * 3600 // seconds
    counts = np.zeros((n_blocks, len(COUNTS)), np.int32)
    counts[:, COUNTS.index("n_net")] = rng.integers(1, 6, n_blocks)
    for name in ("net_tp", "net_sl"):
        counts[:, COUNTS.index(name)] = 1
    ticks = rng.normal(edge, 1.0, (n_blocks, len(TICKS)))
    tally = Tally(100, 50, 50, 0, 0, 0, 0, float(hours[1] - hours[0]), 100.0, 1000, 300, 300)
    return Evidence(BlockSums(seconds, first + np.arange(n_blocks), counts, ticks), tally, np.zeros(0), np.zeros(0))


def made_trial(data: st.DataObject, name: str, created_ns: int) -> Trial:
    """Return a trial on any hours of any of three markets, in blocks of any of three lengths."""
    draw = data.draw
    start = draw(st.integers(0, 5))
    hours = (start, start + draw(st.integers(1, 3)))
    instrument = draw(st.sampled_from(["A", "B", None]))
    evidence = made_evidence(
        draw(st.integers(0, 10**6)), hours, draw(st.sampled_from([32, 64, 128])), draw(st.sampled_from([0.0, 0.3]))
    )
    (template,) = entered(name, evidence, EVALUATION, view_of("north", "")).trials
    return replace(
        template,
        dataset_id=f"{instrument} {hours} {created_ns}",
        run_id=str(created_ns),
        market=Market(instrument),
        first_bin_start_ns=START_NS + hours[0] * 3600 * 10**9,
        bins=(hours[1] - hours[0]) * 36_000,
        created_ns=created_ns,
    )


@examples(60)
@given(data=st.data())
def test_whatever_is_added_nobody_else_looks_better_for_it(data: st.DataObject) -> None:
    """Any trial, of a candidate that was there or a new one, on any market and time: p never falls, no end rises."""
    trials: dict[str, list[Trial]] = {}
    for created in range(data.draw(st.integers(2, 8))):
        name = data.draw(st.sampled_from("pqrs"))
        trials.setdefault(name, []).append(made_trial(data, name, created))
    before = by_id([LedgerCandidate(name, tuple(own)) for name, own in trials.items()])
    name = data.draw(st.sampled_from("pqrstu"))
    added = made_trial(data, name, 100)
    trials[name] = [*trials.get(name, []), added]
    after = by_id([LedgerCandidate(other, tuple(own)) for other, own in trials.items()])
    for other, each in before.items():
        if other == name or each.p_adjusted is None:
            continue
        found = after[other]
        assert found.p_adjusted is not None
        assert found.p_adjusted >= each.p_adjusted
        # Sums in another order differ in their last bit.
        assert not found.net_low_all > each.net_low_all + 1e-9
        assert found.family.n_evaluated >= each.family.n_evaluated
        assert found.judgement.p_value == each.judgement.p_value


def test_the_order_of_datasets_in_a_ledger_does_not_matter() -> None:
    """The same trials in any order of candidates come to the same."""
    ledger = [candidate(f"guess {seed}", seed, tuple(MARKETS)) for seed in range(4)]
    forward, backward = by_id(ledger), by_id(ledger[::-1])
    assert {name: each.p_adjusted for name, each in forward.items()} == {
        name: backward[name].p_adjusted for name in forward
    }
