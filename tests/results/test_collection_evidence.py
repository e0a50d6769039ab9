"""Days of a collection as evidence: no name, version, cut or order of them makes noise look better."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.results.ledgers import entered, view_of
from tests.results.test_counted_once import EVALUATION, START_NS, by_id, made_evidence
from vpharness.evaluation import TEST, TRAIN, MarketTime, SplitParameters
from vpharness.results.holdout import _trained_on_since, _View, seen_in_training, trials_with_test
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ranking import rank, restricted, unjudged
from vpharness.results.since_chosen import since_chosen

DAY_NS = 86_400 * 10**9
DAYS = 6


def day_trial(name: str, day: int, created_ns: int, *, seed: int = 0, part: str = TRAIN) -> Trial:
    """Return a candidate's trial on a whole day of noise, which trains or is kept for the test."""
    dataset = f"day{day}"
    start_ns = START_NS + day * DAY_NS
    hour = day * 24
    evidence = made_evidence(seed * 1000 + day, (hour, hour + 3), 64, 0.0)
    (template,) = entered(name, evidence, EVALUATION, view_of("north", "")).trials
    return replace(
        template,
        dataset_id=dataset,
        dataset_checksum=f"checksum of {dataset}",
        run_id=f"{name} {day} {part}",
        signal="noise",
        first_bin_start_ns=start_ns,
        bins=3 * 36_000,
        created_ns=created_ns,
        split=SplitParameters.of_whole_dataset(dataset, is_test=part == TEST),
        judged_part=part,
        evidence=None if part == TEST else evidence,
    )


def ledger_of(history: Sequence[tuple[int, int]], candidates: int = 5) -> list[LedgerCandidate]:
    """Return the ledger after runs on versions of collections: (last day, days that train), one after the other.

    What a later version asks for and the ledger has is not run again, as `read_ledger` joins it.
    """
    found: dict[str, dict[str, Trial]] = {f"c{n}": {} for n in range(candidates)}
    clock = 0
    for last, train in history:
        for day in range(last):
            for n, (name, own) in enumerate(found.items()):
                clock += 1
                trial = day_trial(name, day, clock, seed=n, part=TRAIN if day < train else TEST)
                known = own.get(trial.dataset_id)
                if known is None or (known.judged_part == TEST and trial.judged_part == TRAIN):
                    own[trial.dataset_id] = trial if known is None else known.joined(trial)
    return [LedgerCandidate(name, tuple(own.values())) for name, own in found.items()]


@examples(25)
@given(
    st.lists(st.tuples(st.integers(1, DAYS), st.integers(1, DAYS)).map(lambda each: (max(each), min(each))), max_size=4)
)
def test_no_history_of_versions_makes_noise_look_better(history: list[tuple[int, int]]) -> None:
    """Whoever ran other versions before has p at least as large as who ran the last one alone: looks only add."""
    last = (DAYS, DAYS - 2)
    alone, after = by_id(ledger_of([last])), by_id(ledger_of([*history, last, last]))
    for name, each in alone.items():
        found = after[name]
        trained = {trial.dataset_id for trial in found.candidate.choosing}
        assert {trial.dataset_id for trial in each.candidate.choosing} <= trained
        if trained == {trial.dataset_id for trial in each.candidate.choosing}:
            assert found.judgement.figures.net_pnl_ticks == pytest.approx(each.judgement.figures.net_pnl_ticks)
            assert found.judgement.p_value == each.judgement.p_value
            assert (found.p_adjusted or 0) >= (each.p_adjusted or 0)
        assert not found.winner or each.winner or len(trained) > DAYS - 2


def test_a_version_with_the_good_days_alone_wins_nothing() -> None:
    """What was also judged on other days of the instrument leaves them out: it is shown, and does not win."""
    ledger = ledger_of([(DAYS, DAYS)])
    good = {f"day{day}" for day in range(3)}
    for each in rank(ledger, restricted(ledger, lambda trial: trial.dataset_id in good)):
        assert each.left_out == ("day3", "day4", "day5")
        assert not each.winner


def test_a_day_that_was_a_test_and_trains_counts_as_training_whichever_came_first() -> None:
    """The trial is the one that trained, with its own time in the order of running, and nothing is forgotten."""
    kept, trained = day_trial("c", 3, 10, part=TEST), day_trial("c", 3, 20)
    for joined in (kept.joined(trained), trained.joined(kept)):
        assert (joined.judged_part, joined.created_ns, joined.run_id) == (TRAIN, 20, "c 3 train")
        assert joined.run_ids == ("c 3 train", "c 3 test")
        assert joined.evidence is trained.evidence


def test_the_test_of_a_grown_collection_is_what_nothing_of_the_signal_trained_on() -> None:
    """The candidate's own moved day is no part of it; one that another candidate trained on refuses it."""
    first, second = ledger_of([(4, 2), (6, 4)], candidates=2)
    assert [trial.dataset_id for trial in trials_with_test(first)] == ["day4", "day5"]
    assert seen_in_training(first, [first, second]) == ""
    other = LedgerCandidate("other", (day_trial("other", 5, 99),))
    assert "was judged in training on dataset day5" in seen_in_training(first, [first, second, other])


def test_a_test_that_was_opened_and_moved_into_training_makes_the_next_one_harder() -> None:
    """Each different stretch counts once, however often it was opened; one that only grew does not."""
    (candidate,) = ledger_of([(6, 4)], candidates=1)

    def view(opened_ns: int, *days: int) -> _View:
        times = tuple(
            MarketTime(candidate.first.market, START_NS + day * DAY_NS, START_NS + day * DAY_NS + 3_600 * 10**9)
            for day in days
        )
        return _View(candidate.candidate_id, opened_ns, times)

    assert _trained_on_since(candidate, [view(1, 4), view(2, 4, 5)]) == 0
    assert _trained_on_since(candidate, [view(1, 2, 3), view(2, 2, 3), view(3, 3, 4), view(4, 4, 5)]) == 2
    assert _trained_on_since(candidate, [replace(view(1, 2), candidate_id="another")]) == 0


def test_days_are_later_than_a_choice_where_they_were_added_and_first_seen_after_it() -> None:
    """A first run chooses, a promotion overrules it; a day that was seen before is not later, whenever it was added."""
    (candidate,) = ledger_of([(5, 5)], candidates=1)
    at_ns = [trial.created_ns for trial in candidate.trials]
    added = {f"day{day}": -1 if day < 3 else at_ns[0] + 1 for day in range(5)}
    (found,) = since_chosen([candidate], [candidate], added, {})
    assert (found.at_ns, found.by_promotion, found.days_added) == (at_ns[0], False, 2)
    assert found.later is not None
    assert found.later.dataset_ids == ("day3", "day4")
    (promoted,) = since_chosen([candidate], [candidate], {**added, "day4": 100}, {"c0": 50})
    assert (promoted.at_ns, promoted.by_promotion, promoted.later, promoted.days_added) == (50, True, None, 1)
    seen = LedgerCandidate("other", (day_trial("other", 3, at_ns[0]),))
    (known,) = since_chosen([candidate], [candidate, seen], added, {})
    assert known.later is not None
    assert known.later.dataset_ids == ("day4",)


def test_a_candidate_on_test_days_alone_is_judged_nowhere() -> None:
    """It has no figures and no p, and lacks everything."""
    only = LedgerCandidate("c", (day_trial("c", 1, 1, part=TEST),))
    found = unjudged(only)
    assert (found.judgement.figures.n_net, found.p_adjusted, found.winner) == (0, None, False)
    assert found.judgement.lacks


def test_evidence_of_days_shares_no_block() -> None:
    """Days that follow one another are blocks of their own, so pooling adds them up."""
    (candidate,) = ledger_of([(DAYS, DAYS)], candidates=1)
    blocks = [trial.evidence.blocks.block for trial in candidate.choosing if trial.evidence is not None]
    assert all(before[-1] < after[0] for before, after in pairwise(blocks))
    (found,) = rank([candidate])
    assert found.judgement.figures.n_net == pytest.approx(
        sum(int(np.sum(trial.evidence.blocks.count("n_net"))) for trial in candidate.choosing if trial.evidence)
    )
