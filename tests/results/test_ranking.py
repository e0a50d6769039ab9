"""Ranking: families, campaigns, datasets apart, and the test part that stays closed."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from tests.results.ledgers import NEWEST_NS, candidate, view_of
from vpharness.evaluation import SplitParameters, family_maxima, p_adjusted
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked, open_test, rank, rank_each_dataset, within_campaign

MINE = frozenset({"mine"})


@pytest.fixture(scope="module")
def ledger() -> list[LedgerCandidate]:
    """Guesses, one that knows, one with too little data, and one on both markets."""
    return [
        *(candidate(f"guess {seed}", seed, campaigns=MINE if seed < 2 else frozenset()) for seed in range(4)),
        candidate("knows", 9, knows=True, signal="insider", campaigns=MINE),
        candidate("poor", 7, every=400, campaigns=MINE),
        candidate("both", 8, ("north", "south"), knows=True),
    ]


@pytest.fixture(scope="module")
def ranked(ledger: list[LedgerCandidate]) -> dict[str, Ranked]:
    """The ledger's candidates by id, in the order of the ranking."""
    return {each.candidate.candidate_id: each for each in rank(ledger, view_of)}


def test_a_family_counts_what_was_evaluated_and_knows_its_newest_run(ranked: dict[str, Ranked]) -> None:
    """Six of seven candidates tried on one market can be ranked; the one on two is, on both, compared with itself."""
    family = ranked["knows"].family
    assert (family.size, family.n_evaluated, family.newest_ns) == (6, 7, NEWEST_NS)
    assert ranked["poor"].family is family
    assert (ranked["both"].family.size, ranked["both"].family.n_evaluated) == (1, 1)
    assert ranked["both"].family.newest_ns == NEWEST_NS - 8


def test_a_family_holds_the_maximum_of_its_rankable_candidates_under_each_draw(
    ledger: list[LedgerCandidate], ranked: dict[str, Ranked]
) -> None:
    """Those with too little data are left out of it; one that also ran elsewhere counts by what it did here."""
    rankable = [ranked[name].judgement.scores for name in ("guess 0", "guess 1", "guess 2", "guess 3", "knows")]
    (both,) = [each for each in ledger if each.candidate_id == "both"]
    (here,) = rank([both.on({both.trials[0].dataset})], view_of)
    rankable.append(here.judgement.scores)
    maxima = ranked["guess 2"].family.maxima
    assert maxima is not None
    np.testing.assert_array_equal(maxima.timing, np.max([scores.timing for scores in rankable], axis=0))
    np.testing.assert_array_equal(maxima.direction, np.max([scores.direction for scores in rankable], axis=0))


def test_a_campaign_is_ranked_against_its_own_candidates_beside_the_whole_family(ranked: dict[str, Ranked]) -> None:
    """Those of other campaigns are gone, and the p-value within the campaign is never above the family's."""
    mine = {each.candidate.candidate_id: each for each in within_campaign(list(ranked.values()), "mine")}
    assert set(mine) == {"guess 0", "guess 1", "knows", "poor"}
    own = family_maxima(ranked[name].judgement.scores for name in ("guess 0", "guess 1", "knows"))
    for name in ("guess 0", "guess 1", "knows"):
        assert mine[name].p_campaign == p_adjusted(ranked[name].judgement.scores, own)
        assert mine[name].campaign_size == 3
        assert (mine[name].p_adjusted, mine[name].family) == (ranked[name].p_adjusted, ranked[name].family)
        assert ranked[name].judgement.p_value <= mine[name].p_campaign <= ranked[name].p_adjusted  # type: ignore[operator]  # both are numbers
    assert (mine["poor"].p_campaign, mine["poor"].campaign_size) == (None, 0)


def test_what_an_adaptive_search_chose_has_no_adjusted_p_value(
    ledger: list[LedgerCandidate], ranked: dict[str, Ranked]
) -> None:
    """It is judged by itself, wins nothing, and counts among what the others are compared with."""
    (knows,) = [each for each in ledger if each.candidate_id == "knows"]
    chosen = replace(knows, trials=tuple(replace(trial, adaptive=True) for trial in knows.trials))
    found = {
        each.candidate.candidate_id: each
        for each in rank([chosen if each is knows else each for each in ledger], view_of)
    }
    assert ranked["knows"].winner
    assert (found["knows"].p_adjusted, found["knows"].winner) == (None, False)
    assert found["knows"].lacks == ("chosen by an adaptive search, only the test part can judge it",)
    assert found["knows"].judgement.p_value == ranked["knows"].judgement.p_value
    assert found["guess 0"].p_adjusted == ranked["guess 0"].p_adjusted


def test_each_dataset_is_ranked_by_what_happened_on_it_alone(ledger: list[LedgerCandidate]) -> None:
    """A candidate on two markets stands there twice, with the figures that it has when there is no other market."""
    found = {
        (each.candidate.candidate_id, *each.candidate.dataset_ids): each for each in rank_each_dataset(ledger, view_of)
    }
    assert len(found) == len(ledger) + 1
    (both,) = [each for each in ledger if each.candidate_id == "both"]
    for alone in both.trials:
        (expected,) = rank([LedgerCandidate("both", (alone,))], view_of)
        here = found["both", alone.dataset_id]
        np.testing.assert_equal(asdict(here.judgement.figures), asdict(expected.judgement.figures))
        assert here.judgement.p_value == expected.judgement.p_value
    fires = [found["both", market].judgement.figures.n_fires for market in ("north", "south")]
    assert fires == [100, 100]
    assert found["both", "north"].family.n_evaluated == 7
    assert found["both", "south"].family.n_evaluated == 1


def test_the_test_part_is_judged_only_where_it_is_opened() -> None:
    """By its own fires, over all datasets that were judged together."""
    both = candidate("both", 8, ("north", "south"), knows=True, split="time")
    (closed,) = rank([both], view_of)
    (opened,) = open_test([closed], view_of)
    assert closed.test is None
    assert opened.test is not None
    assert opened.judgement == closed.judgement
    # 60 % of 6000 bins train, 42 bins of embargo follow, and the rest is for the test.
    bins = np.concatenate([each.fires.bins for each in both.trials])
    assert opened.judgement.figures.n_fires == np.sum(bins < 3600)
    assert opened.test.figures.n_fires == np.sum(bins >= 3642)


def test_more_data_for_some_candidates_leaves_the_search_on_the_old_data_as_large_as_it_was() -> None:
    """Trying candidates on another market as well does not take them out of the family of the first."""
    before = rank([candidate(f"guess {seed}", seed) for seed in range(3)], view_of)
    wider = [candidate("guess 0", 0), *(candidate(f"guess {seed}", seed, ("north", "south")) for seed in (1, 2))]
    after = {each.candidate.candidate_id: each for each in rank(wider, view_of)}
    (first,) = [each for each in before if each.candidate.candidate_id == "guess 0"]
    assert after["guess 0"].p_adjusted == first.p_adjusted
    assert after["guess 0"].family.size == 3
    assert after["guess 1"].family.size == 2


def test_a_seed_of_ones_own_is_no_family_of_ones_own() -> None:
    """All candidates are judged under the draws of the one that is compared with them."""
    several = [candidate(f"guess {seed}", seed) for seed in range(3)]
    (odd,) = [with_seed(several[0], 1)]
    found = {each.candidate.candidate_id: each for each in rank([odd, *several[1:]], view_of)}
    assert {each.family.size for each in found.values()} == {3}
    moved = {each.candidate.candidate_id: each for each in rank([with_seed(each, 1) for each in several], view_of)}
    assert found["guess 0"].p_adjusted == moved["guess 0"].p_adjusted


def with_seed(of: LedgerCandidate, null_seed: int) -> LedgerCandidate:
    """Return a candidate with other draws."""
    trials = (replace(trial, evaluation=replace(trial.evaluation, null_seed=null_seed)) for trial in of.trials)
    return LedgerCandidate(of.candidate_id, tuple(trials))


def test_a_dataset_kept_for_the_test_decides_nothing() -> None:
    """Its fires are judged where the test is opened, and nowhere else."""
    both = candidate("both", 8, ("north", "south"), knows=True)
    split = SplitParameters(kind="dataset", test_datasets=["south"])
    north, south = (replace(trial, split=split, judged_part="train") for trial in both.trials)
    kept = LedgerCandidate("both", (north, replace(south, judged_part="test")))
    (judged,) = rank([kept], view_of)
    (alone,) = rank([LedgerCandidate("both", (north,))], view_of)
    assert judged.judgement.figures == alone.judgement.figures
    (opened,) = open_test([judged], view_of)
    assert opened.test is not None
    assert opened.test.figures.n_fires == len(south.fires)
    assert rank([LedgerCandidate("both", (kept.trials[1],))], view_of) == []
