"""Walk-forward over made-up evidence: against plain loops, on noise, on edges, and without any look ahead."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.naive_walk_forward import Blocks, Day, chosen_at_each_step, lower_end, overfitting_probability
from tests.results.walk_forward_ledgers import (
    BLOCK_S,
    candidate,
    day_evidence,
    evidence_of_blocks,
    noise,
)
from vpharness.commands.text.walk_forward_tables import overfitting_text, stretch_text, verdict_lines
from vpharness.errors import ConfigError
from vpharness.evaluation import Evidence, pooled
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import rank
from vpharness.results.store import Store, check_store
from vpharness.results.walk_forward import overfitting as cscv
from vpharness.results.walk_forward.choosing import WindowSums
from vpharness.results.walk_forward.judged import WalkForward, walk_forward
from vpharness.results.walk_forward.overfitting import Overfitting, of_groups, overfitting
from vpharness.results.walk_forward.segments import segments_of
from vpharness.results.walk_forward.steps import Step, walk
from vpharness.results.walk_forward.tried import Procedure, tried_procedures


def walked(candidates: Sequence[LedgerCandidate], train: int, step: int) -> list[Step]:
    """Return the steps of a procedure."""
    timeline = segments_of(candidates)
    return walk(timeline, WindowSums(timeline.histories), train, step)


def overfitted(candidates: Sequence[LedgerCandidate]) -> Overfitting | None:
    """Return the probability of backtest overfitting."""
    timeline = segments_of(candidates)
    return overfitting(WindowSums(timeline.histories), timeline.ran)


def judged(
    folder: Path, candidates: Sequence[LedgerCandidate], train: int = 5, step: int = 1, campaign: str | None = "many"
) -> WalkForward:
    """Return a procedure, judged, with its row in the store of a folder."""
    return walk_forward(Procedure(campaign, train, step), candidates, candidates, Store(folder))


@st.composite
def small_histories(draw: st.DrawFn) -> list[list[Day | None]]:
    """Draw days of a few candidates: blocks of two lengths, shared by days that follow closely, some days missing."""
    n_days, n_candidates = draw(st.integers(3, 6)), draw(st.integers(1, 4))
    blocks_a_day = draw(st.sampled_from([7, 8, 13]))
    histories: list[list[Day | None]] = []
    for _ in range(n_candidates):
        days: list[Day | None] = []
        for day in range(n_days):
            if draw(st.integers(0, 9)) == 0:
                days.append(None)
                continue
            seconds = draw(st.sampled_from([64, 64, 64, 128]))
            first = -(-day * blocks_a_day * 64 // seconds)
            last = (day + 1) * blocks_a_day * 64 // seconds
            numbers = draw(st.lists(st.integers(first, max(first, last - 1)), unique=True, max_size=blocks_a_day))
            blocks: Blocks = {}
            for number in sorted(numbers):
                n = draw(st.integers(0, 9))
                tp = draw(st.integers(0, n))
                blocks[number] = (n, float(n and draw(st.integers(-40, 40))), tp, n - tp)
            walks = draw(st.sampled_from([(1000, 400, 400), (1000, 5, 500), (0, 0, 0)]))
            days.append(Day(seconds, blocks, walks))
        histories.append(days)
    return histories


def evidence_of(day: Day) -> Evidence:
    """Return a plain day as the ledger keeps it."""
    numbers = np.array(list(day.blocks), np.int64)
    columns = np.array([*day.blocks.values()], np.float64).reshape(-1, 4)
    found = evidence_of_blocks(
        numbers, columns[:, 0].astype(int), columns[:, 1], seconds=day.seconds, tp=columns[:, 2].astype(int)
    )
    n, tp, sl = day.walks
    return replace(found, tally=replace(found.tally, n_walks=n, n_walks_tp=tp, n_walks_sl=sl))


@examples(60)
@given(small_histories(), st.integers(0, 3), st.integers(1, 3))
def test_what_is_chosen_is_what_plain_loops_choose(histories: list[list[Day | None]], train: int, step: int) -> None:
    """With blocks of several lengths, blocks that two days share, days without a run, and windows of every kind."""
    candidates = [
        candidate(f"c{place}", [None if day is None else evidence_of(day) for day in days])
        for place, days in enumerate(histories)
        if any(day is not None for day in days)
    ]
    there = sorted({trial.dataset_id for each in candidates for trial in each.trials})
    kept = [[day for number, day in enumerate(days) if f"day{number:03d}" in there] for days in histories]
    kept = [days for days in kept if any(day is not None for day in days)]
    if len(there) <= max(train, 1):
        with pytest.raises(ConfigError):
            walked(candidates, train, step)
        return
    found = walked(candidates, train, step)
    expected = chosen_at_each_step(kept, train, step)
    assert [len(each.out_of_sample) for each in found] == [stop - begin for begin, stop, *_ in expected]
    for own, (begin, stop, place, low) in zip(found, expected, strict=True):
        assert (own.chosen is None) == (place is None)
        if own.chosen is None:
            assert own.found == ()
            continue
        assert own.chosen.net.low == pytest.approx(low, abs=1e-9)
        # Of those that are equal but for rounding either may be the one.
        window = kept[own.chosen.place][begin - train if train else 0 : begin]
        assert lower_end([day for day in window if day is not None]) == pytest.approx(low, abs=1e-9)
        behind = [day for day in kept[own.chosen.place][begin:stop] if day is not None]
        assert own.n_net == sum(block[0] for day in behind for block in day.blocks.values())
        assert own.net_total == pytest.approx(sum(block[1] for day in behind for block in day.blocks.values()))


@examples(60)
@given(
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)
def test_overfitting_is_what_plain_loops_give(half: int, candidates: int, copies: int, seed: int) -> None:
    """With candidates that lack fires in some halves, ties, and copies of one another."""
    rng = np.random.default_rng(seed)
    fires = rng.integers(0, 25, (candidates, 2 * half)).astype(np.float64)
    earned = rng.integers(-20, 20, fires.shape) * np.sign(fires)
    again = rng.integers(0, candidates, copies)
    fires, earned = np.concatenate([fires, fires[again]]), np.concatenate([earned, earned[again]])
    probability, logits = overfitting_probability(fires.tolist(), earned.tolist(), 20)
    found = of_groups(fires, earned.astype(np.float64), 20)
    # Each half is followed by the other one, so that the order is another.
    np.testing.assert_allclose(np.sort(found.logits), np.sort(logits), atol=1e-9)
    assert found.probability == pytest.approx(probability, nan_ok=True)


def test_halves_are_judged_in_chunks_of_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the chunks, the halves are the same."""
    rng = np.random.default_rng(1)
    fires, earned = np.full((30, 10), 9.0), rng.normal(size=(30, 10))
    whole = of_groups(fires, earned)
    monkeypatch.setattr(cscv, "_VALUES_AT_ONCE", 7 * 30)
    cut = of_groups(fires, earned)
    np.testing.assert_allclose(np.sort(whole.logits), np.sort(cut.logits), atol=1e-9)
    assert (whole.n_halves, len(whole.logits), whole.n_groups) == (252, 252, 10)


def test_sixteen_groups_are_made_of_more_segments_and_an_even_number_of_fewer() -> None:
    """12,870 halves of 40 days; 20 of seven days, in six groups."""
    many, few = overfitted(noise(2, 3, 40)), overfitted(noise(2, 3, 7))
    assert many is not None
    assert few is not None
    assert (many.n_groups, many.n_halves) == (16, 12_870)
    assert (few.n_groups, few.n_halves) == (6, 20)
    assert overfitting_text(few).endswith("; over fewer than 8 groups it means little")
    assert "means little" not in overfitting_text(many)


def test_a_probability_of_overfitting_that_cannot_be_made_is_not_defined() -> None:
    """Of halves of one segment each, of a single candidate, and of candidates that have too few fires in every half."""
    two = of_groups(np.full((5, 2), 40.0), np.arange(10.0).reshape(5, 2))
    assert math.isfinite(two.probability)
    assert overfitting_text(two) == (
        "PBO is not defined: 4 segments or more are needed, for a half to be more than one of them"
    )
    alone = of_groups(np.array([[40.0] * 6, [1.0] * 6]), np.ones((2, 6)))
    assert overfitting_text(alone) == "PBO is not defined: fewer than 2 candidates have enough fires to be ranked"
    nowhere = of_groups(np.full((3, 4), 10.0), np.ones((3, 4)))
    assert overfitting_text(nowhere) == (
        "PBO is not defined: no candidate has enough fires in both halves of the segments"
    )
    assert not of_groups(np.full((3, 4), 40.0), np.arange(12.0).reshape(3, 4)).undefined


def poisoned(candidates: Sequence[LedgerCandidate], from_day: int) -> list[LedgerCandidate]:
    """Return candidates with other results from a day on: gains where there were losses, and ten times as large."""
    found = []
    for each in candidates:
        trials = []
        for trial in each.trials:
            evidence = trial.evidence
            if evidence is not None and int(trial.dataset_id[3:]) >= from_day:
                ticks = evidence.blocks.ticks * -10 + 1
                evidence = replace(evidence, blocks=replace(evidence.blocks, ticks=ticks))
            trials.append(replace(trial, evidence=evidence))
        found.append(LedgerCandidate(each.candidate_id, tuple(trials)))
    return found


@pytest.mark.parametrize("train", [0, 4])
@pytest.mark.parametrize("day", [6, 9, 11])
def test_poisoning_a_later_day_changes_nothing_that_was_chosen_before(train: int, day: int) -> None:
    """Nor what was earned before it."""
    candidates = noise(3, 12, 12)
    for own, other in zip(walked(candidates, train, 2), walked(poisoned(candidates, day), train, 2), strict=True):
        ends = len(own.in_sample) if not train else int(own.in_sample[-1].name[3:]) + 1
        if ends <= day:
            assert own.chosen == other.chosen
            assert own.candidate is not None
            assert other.candidate is not None
            assert own.candidate.candidate_id == other.candidate.candidate_id
        if own.out_of_sample and int(own.out_of_sample[-1].name[3:]) < day:
            assert own.net_total == other.net_total


def test_a_day_that_is_added_changes_nothing_that_was_said_of_the_days_before() -> None:
    """Steps that were complete stay as they were, and the choice that was due is the one that is in force."""
    candidates = noise(4, 8, 12)
    before = [
        LedgerCandidate(each.candidate_id, tuple(t for t in each.trials if t.dataset_id < "day011"))
        for each in candidates
    ]
    first, later = walked(before, 4, 1), walked(candidates, 4, 1)
    assert first[-1].is_open
    assert len(later) == len(first) + 1
    for own, other in zip(first, later, strict=False):
        assert own.chosen == other.chosen
        assert own.is_open or own.net_total == other.net_total


def test_the_last_step_is_the_choice_in_force_or_due() -> None:
    """With a step of four days, of which two are over, the choice still holds; after four the next one is due."""
    in_force, due = walked(noise(5, 4, 11), 5, 4)[-1], walked(noise(5, 4, 13), 5, 4)[-1]
    assert [each.name for each in in_force.out_of_sample] == ["day009", "day010"]
    assert not in_force.is_open
    assert due.is_open
    assert [each.name for each in due.in_sample] == [f"day{day:03d}" for day in range(8, 13)]


def test_an_edge_that_switches_is_found_by_walk_forward_and_by_no_fixed_candidate(tmp_path: Path) -> None:
    """One signal leads in the first half, another in the second, and each loses when it does not lead."""
    rng = np.random.default_rng(6)
    lead, days = 2.0, 40
    candidates = [
        candidate("early", [day_evidence(day, rng, lead if day < 20 else -lead, cost=0.5) for day in range(days)]),
        candidate("late", [day_evidence(day, rng, -lead if day < 20 else lead, cost=0.5) for day in range(days)]),
        *noise(7, 20, days, cost=0.5),
    ]
    found = judged(tmp_path, candidates, train=5)
    assert found.winner
    assert found.judgement is not None
    assert found.judgement.figures.net_pnl_ticks_low > 0
    assert found.share_above_zero > 0.7
    names = [step.candidate.candidate_id for step in found.steps if step.candidate is not None]
    assert names[:15] == ["early"] * 15
    assert names[-10:] == ["late"] * 10
    assert not any(each.winner for each in rank(candidates))
    assert found.best_fixed is not None
    assert found.best_fixed.chosen.net.low < found.judgement.figures.net_pnl_ticks_low


def test_a_planted_edge_is_hardly_overfitted() -> None:
    """The best of one half is among the best of the other."""
    rng = np.random.default_rng(8)
    edge = candidate("edge", [day_evidence(day, rng, 2.0) for day in range(20)])
    found = overfitted([edge, *noise(9, 60, 20)])
    assert found is not None
    assert found.probability < 0.1
    assert found.loss_share < 0.1


def test_on_noise_p_values_are_as_small_as_they_should_be_and_half_of_the_best_are_overfitted(tmp_path: Path) -> None:
    """Ten collections of 12 days here; the slow proof has 100 of 20 days."""
    p_values, probabilities = sizes(tmp_path, range(100, 110), candidates=8, days=12)
    assert np.mean(p_values < 0.05) <= 0.2
    assert 0.25 < p_values.mean() < 0.75
    assert 0.3 < probabilities.mean() < 0.7


@pytest.mark.slow
def test_p_values_keep_their_size_on_100_noise_collections_of_20_days(tmp_path: Path) -> None:
    """0.02 to 0.09 of them are under 0.05, and PBO has a mean of 0.5; figures in tests/benchmarks/RESULTS.md."""
    p_values, probabilities = sizes(tmp_path, range(1000, 1100), candidates=40, days=20)
    share = float(np.mean(p_values < 0.05))
    print(
        f"p < 0.05: {share:.3f}; p mean {p_values.mean():.3f}, median {np.median(p_values):.3f}; PBO mean "
        f"{probabilities.mean():.3f}, sd {probabilities.std():.3f}"
    )
    assert 0.02 <= share <= 0.09
    assert abs(probabilities.mean() - 0.5) <= 0.1


def sizes(
    folder: Path, seeds: Sequence[int], *, candidates: int, days: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the p-value of walk-forward and the probability of overfitting on many noise collections."""
    p_values, probabilities = [], []
    for seed in seeds:
        found = judged(folder / str(seed), noise(seed, candidates, days))
        assert found.judgement is not None
        assert found.overfitting is not None
        p_values.append(found.judgement.p_value)
        probabilities.append(found.overfitting.probability)
    return np.array(p_values), np.array(probabilities)


def test_procedures_that_were_tried_are_rows_and_are_adjusted_for_one_another(tmp_path: Path) -> None:
    """Whoever tries many and shows the best has searched; trying the same again is no other try."""
    candidates = noise(10, 10, 14)
    alone = judged(tmp_path, candidates, train=4)
    assert alone.judgement is not None
    assert alone.p_adjusted == alone.judgement.p_value
    for train in (0, 2, 3, 5, 6):
        judged(tmp_path, candidates, train=train)
    later = judged(tmp_path, candidates, train=4)
    assert (later.family.n_evaluated, later.family.n_rankable, later.family.n_runs) == (6, 6, 6)
    assert later.p_adjusted is not None
    assert later.p_adjusted > alone.p_adjusted
    assert later.net_low_all <= alone.net_low_all
    rows = tried_procedures(Store(tmp_path))
    assert len(rows) == 6
    assert rows[0].evidence is not None
    assert later.judgement is not None
    assert rows[0].evidence.blocks.digest == later.judgement.evidence.blocks.digest
    assert check_store(Store(tmp_path)).without_checksum == 0


def test_a_procedure_is_not_compared_with_itself_on_fewer_days_but_others_are(tmp_path: Path) -> None:
    """A day that is added is another row of it; its own past is no other try."""
    candidates = noise(11, 10, 14)
    short = [LedgerCandidate(each.candidate_id, each.trials[:12]) for each in candidates]
    judged(tmp_path, short, train=4)
    grown = judged(tmp_path, candidates, train=4)
    assert grown.judgement is not None
    assert (grown.family.n_runs, grown.family.n_rankable) == (2, 1)
    assert grown.p_adjusted == grown.judgement.p_value
    other = judged(tmp_path, candidates, train=5)
    assert (other.family.n_runs, other.family.n_rankable) == (3, 2)


def test_the_same_settings_on_other_candidates_or_with_days_left_out_again_are_another_try(tmp_path: Path) -> None:
    """Whoever adds candidates until a procedure looks good has searched, and so has whoever picks a good last day."""
    candidates = noise(11, 10, 14)
    first = judged(tmp_path / "more", candidates[:4], train=4)
    assert first.family.n_rankable == 1
    more = judged(tmp_path / "more", candidates, train=4)
    assert more.judgement is not None
    assert more.p_adjusted is not None
    assert (more.family.n_evaluated, more.family.n_rankable) == (2, 2)
    assert more.p_adjusted >= more.judgement.p_value
    again = judged(tmp_path / "more", candidates, train=4)
    assert again.p_adjusted == more.p_adjusted
    judged(tmp_path / "fewer", candidates, train=4)
    short = [LedgerCandidate(each.candidate_id, each.trials[:12]) for each in candidates]
    assert judged(tmp_path / "fewer", short, train=4).family.n_rankable == 2


def test_a_procedure_on_the_good_days_alone_wins_nothing(tmp_path: Path) -> None:
    """What it chose was judged on other days too: these are named, and the same days as all that there is do win."""
    rng = np.random.default_rng(3)
    lead = candidate("lead", [day_evidence(day, rng, 2.0) for day in range(14)])
    good = [LedgerCandidate("lead", lead.trials[:12])]
    whole = walk_forward(Procedure("many", 4, 1), good, good, Store(tmp_path / "whole"))
    assert whole.winner
    part = walk_forward(Procedure("many", 4, 1), good, [lead], Store(tmp_path / "part"))
    assert part.left_out == ("day012", "day013")
    told = "\n".join(verdict_lines(part, {"day012": "2024-03-12"}))
    assert "was judged on 2024-03-12 (day012), day013 of the instrument too" in told
    assert "with hindsight the best rankable candidate of these segments earned" in told
    assert stretch_text(part.steps[0], {"day004": "2024-03-04"}) == "2024-03-04"
    assert not part.winner
    assert part.p_adjusted == whole.p_adjusted


def test_a_procedure_that_chose_from_an_adaptive_search_has_no_p_adjusted_and_wins_nothing(tmp_path: Path) -> None:
    """The search looked at every segment before it came up with its candidates; without it the same days do win."""

    def led(*, adaptive: bool) -> list[LedgerCandidate]:
        rng = np.random.default_rng(3)
        return [candidate("lead", [day_evidence(day, rng, 2.0) for day in range(12)], adaptive=adaptive)]

    plain = walk_forward(Procedure("many", 4, 1), led(adaptive=False), led(adaptive=False), Store(tmp_path / "plain"))
    assert plain.winner
    searched = walk_forward(
        Procedure("many", 4, 1), led(adaptive=True), led(adaptive=True), Store(tmp_path / "searched")
    )
    assert (searched.n_adaptive, searched.p_adjusted, searched.winner) == (1, None, False)
    assert searched.judgement is not None
    assert plain.judgement is not None
    assert searched.judgement.figures == plain.judgement.figures


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_campaign_that_was_picked_after_its_results_were_known_wins_nothing(tmp_path: Path, seed: int) -> None:
    """Of 100 candidates of noise the best, walked forward alone, has a small p-value; those left out count."""
    candidates = noise(seed, 100, 20)
    best = rank(candidates)[0].candidate
    alone = walk_forward(Procedure("picked", 1, 1), [best], [best], Store(tmp_path / "alone"))
    assert alone.p_adjusted is not None
    assert alone.p_adjusted < 0.05
    found = walk_forward(Procedure("picked", 1, 1), [best], candidates, Store(tmp_path / "known"))
    assert found.n_others == 99
    assert found.p_adjusted is not None
    assert found.p_adjusted > 0.05
    assert not found.winner


def test_out_of_sample_evidence_is_the_chosen_ones_pooled(tmp_path: Path) -> None:
    """Segment by segment, whatever was chosen in it; fires without a row of their own stand as sums over blocks."""
    candidates = noise(12, 6, 10)
    found = judged(tmp_path, candidates, train=3)
    of = {each.candidate_id: each for each in candidates}
    some: list[Evidence] = []
    for step in found.steps:
        for segment in step.out_of_sample:
            assert step.candidate is not None
            own = [t for t in of[step.candidate.candidate_id].trials if t.dataset_id == segment.name]
            some += [trial.evidence for trial in own if trial.evidence is not None]
    assert found.judgement is not None
    assert found.judgement.evidence.blocks.digest == pooled(some).blocks.digest
    assert found.fires.fires.sum() == found.judgement.figures.n_net
    assert found.fires.equity[-1] == pytest.approx(found.judgement.evidence.blocks.tick("net_pnl").sum())
    assert found.fires.drawdown_ticks >= 0


def test_instruments_that_run_at_one_time_are_one_segment() -> None:
    """Nothing that a day of one instrument shows may choose what the other one does on it."""
    first = noise(13, 1, 6)[0]
    other = tuple(
        replace(trial, dataset_id=f"b {trial.dataset_id}", market=replace(trial.market, instrument="OTHER"))
        for trial in first.trials
    )
    timeline = segments_of([LedgerCandidate(first.candidate_id, (*first.trials, *other))])
    assert [each.name for each in timeline.segments][:2] == ["b day000+day000", "b day001+day001"]
    whole = timeline.histories[0].in_segments[2]
    assert whole is not None
    assert whole.evidence.tally.n_fires == 80


def test_where_nothing_can_be_ranked_nothing_is_chosen_and_the_try_is_counted(tmp_path: Path) -> None:
    """Too few fires in every window: no step has a candidate, and there is no p-value."""
    rng = np.random.default_rng(14)
    few = [candidate(f"f{n}", [day_evidence(day, rng, fires=2) for day in range(8)]) for n in range(3)]
    found = judged(tmp_path, few, train=3)
    assert {step.candidate for step in found.steps} == {None}
    assert (found.judgement, found.p_adjusted, found.winner) == (None, None, False)
    assert math.isnan(found.share_above_zero)
    assert len(tried_procedures(Store(tmp_path))) == 1


def test_too_few_segments_are_said_with_what_to_do() -> None:
    """One dataset, or fewer than a window and a segment behind it."""
    with pytest.raises(ConfigError, match=r"there is one: day000; .* segments=K"):
        segments_of(noise(15, 2, 1))
    with pytest.raises(ConfigError, match="train=20 needs 21 segments or more, and there are 6"):
        walked(noise(15, 2, 6), 20, 1)


def test_a_single_dataset_is_cut_into_equal_spans_and_no_block_is_in_two() -> None:
    """What may cross a cut is left out and counted; the rest of the blocks is all there."""
    rng = np.random.default_rng(16)
    whole = candidate("one", [day_evidence(0, rng, fires=300)])
    timeline = segments_of([whole], 4)
    own = [each for each in timeline.histories[0].in_segments if each is not None]
    assert [each.name for each in timeline.segments] == [f"day000 {place}/4" for place in (1, 2, 3, 4)]
    assert all(each.start_ns % (BLOCK_S * 10**9) == 0 for each in timeline.segments)
    assert sum(int(each.evidence.blocks.count("n_net").sum()) + each.n_dropped for each in own) == 300
    numbers = np.concatenate([each.evidence.blocks.block for each in own])
    assert len(np.unique(numbers)) == len(numbers)
    with pytest.raises(ConfigError, match="less than one block of 64 s; give at most"):
        segments_of([whole], 400)
    with pytest.raises(ConfigError, match="cuts a single dataset, and there are day000, day001"):
        segments_of(noise(15, 2, 2), 4)
