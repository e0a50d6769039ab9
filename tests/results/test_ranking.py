"""Ranking: figures, campaigns and datasets apart, and the test part that stays closed."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tests.results.ledgers import N_BINS, NEWEST_NS, candidate, view_of, with_evidence
from vpharness.evaluation import Lack, SplitParameters, critical_value, p_value
from vpharness.results.families import draws_of
from vpharness.results.holdout import open_holdouts, open_rankable
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.null_maxima import null_statistics
from vpharness.results.ranking import Ranked, rank, rank_each_dataset, restricted, within_campaign
from vpharness.results.store import VIEWS, Store, read, store_in

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
    return {each.candidate.candidate_id: each for each in rank(ledger)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store in which openings are counted."""
    return store_in(tmp_path)


def test_a_family_counts_what_was_evaluated_and_knows_its_runs(ranked: dict[str, Ranked]) -> None:
    """Six of seven candidates tried on one market can be ranked; the one on two is compared with all of them."""
    family = ranked["knows"].family
    assert (family.n_rankable, family.n_evaluated, family.n_runs) == (6, 7, 7), "runs elsewhere are none of it"
    assert (family.oldest_ns, family.newest_ns) == (NEWEST_NS - 9, NEWEST_NS)
    assert ranked["poor"].family is family
    both = ranked["both"].family
    assert (both.n_rankable, both.n_evaluated, both.n_runs) == (6, 7, 8)


def test_a_family_keeps_the_greatest_t_of_all_that_was_tried_on_the_same_market_time(
    ledger: list[LedgerCandidate], ranked: dict[str, Ranked]
) -> None:
    """Those with too little data are left out; one that ran elsewhere too counts as it stands, and as it once stood."""
    rows = []
    for each in ledger:
        for trials in [each.trials[:1], each.trials] if len(each.trials) > 1 else [each.trials]:
            if each.candidate_id != "poor":
                evidence = ranked_alone(LedgerCandidate(each.candidate_id, trials)).judgement.evidence.blocks
                excess, profit = null_statistics([evidence], evidence.seconds, draws_of(each.first))
                rows.append((excess[0], profit[0]))
    family = ranked["guess 2"].family
    assert family.greatest_excess is not None
    assert family.greatest_profit is not None
    np.testing.assert_allclose(family.greatest_excess, np.max([excess for excess, _ in rows], axis=0), atol=1e-12)
    np.testing.assert_allclose(family.greatest_profit, np.max([profit for _, profit in rows], axis=0), atol=1e-9)
    assert family.critical_excess == critical_value(family.greatest_excess)


def ranked_alone(each: LedgerCandidate) -> Ranked:
    """Rank a candidate as if there were no other."""
    (found,) = rank([each])
    return found


def test_alone_on_its_market_time_a_candidate_has_its_own_p_value(ledger: list[LedgerCandidate]) -> None:
    """On one market and on two, where it once stood otherwise."""
    for each in (ledger[0], ledger[-1]):
        alone = ranked_alone(each)
        assert alone.p_adjusted == alone.judgement.p_value


def test_a_profit_holds_for_all_at_once_where_it_is_as_far_above_0_as_the_greatest_of_the_family(
    ranked: dict[str, Ranked],
) -> None:
    """M - c se, with c the 95 % quantile of the greatest studentised T under the draws."""
    for each in (ranked["knows"], ranked["guess 0"]):
        f, blocks = each.judgement.figures, each.judgement.evidence.blocks
        n, total = blocks.count("n_net").sum(), blocks.tick("net_pnl").sum()
        residuals = blocks.tick("net_pnl") - total / n * blocks.count("n_net")
        error = math.sqrt(f.n_net_blocks / (f.n_net_blocks - 1) * (residuals**2).sum()) / n
        assert each.net_low_all == pytest.approx(f.net_pnl_ticks - each.family.critical_profit * error)
        assert each.net_low_all < f.net_pnl_ticks_low, "a family of seven asks for more than a candidate alone"
    assert ranked["knows"].winner
    assert not ranked["guess 0"].winner
    assert next(iter(ranked.values())).winner


def test_a_search_on_too_few_blocks_says_that_nothing_could_win(ranked: dict[str, Ranked]) -> None:
    """T is at most the root of the number of blocks."""
    each = ranked["guess 0"]
    assert each.could_win
    assert each.family.greatest_excess is not None
    harder = replace(each.family, greatest_excess=np.full(199, math.sqrt(each.judgement.figures.n_net_blocks) + 0.01))
    assert not replace(each, family=harder).could_win


def test_a_campaign_is_ranked_against_its_own_candidates_beside_the_whole_family(
    ledger: list[LedgerCandidate], ranked: dict[str, Ranked]
) -> None:
    """Those of other campaigns are gone, and the p-value within the campaign is never above the family's."""
    chosen = restricted(ledger, lambda trial: "mine" in trial.campaigns)
    mine = {each.candidate.candidate_id: each for each in within_campaign(rank(ledger, chosen))}
    assert set(mine) == {"guess 0", "guess 1", "knows", "poor"}
    own = {each.candidate.candidate_id: each for each in rank(chosen)}
    for name in ("guess 0", "guess 1", "knows"):
        assert mine[name].p_campaign == own[name].p_adjusted
        assert mine[name].campaign_size == 3
        assert mine[name].p_adjusted == ranked[name].p_adjusted
        assert ranked[name].judgement.p_value <= mine[name].p_campaign <= ranked[name].p_adjusted  # type: ignore[operator]  # both are numbers
    assert (mine["poor"].p_campaign, mine["poor"].campaign_size) == (None, 0)


def test_a_campaign_is_one_family_where_its_market_times_overlap(ledger: list[LedgerCandidate]) -> None:
    """They need not be equal: a candidate whose dataset is a little shorter is compared with all others, too."""
    chosen = restricted(ledger, lambda trial: "mine" in trial.campaigns)
    shorter = [
        replace(each, trials=tuple(replace(trial, bins=trial.bins - 1) for trial in each.trials))
        if each.candidate_id == "knows"
        else each
        for each in chosen
    ]
    times = {each.candidate_id: each.market_times for each in shorter}
    assert times["knows"] != times["guess 0"]
    found = {each.candidate.candidate_id: each for each in within_campaign(rank(shorter))}
    assert [found[name].campaign_size for name in ("guess 0", "guess 1", "knows")] == [3, 3, 3]


def test_what_an_adaptive_search_chose_has_no_adjusted_p_value(
    ledger: list[LedgerCandidate], ranked: dict[str, Ranked]
) -> None:
    """It is judged by itself, wins nothing, and counts among what the others are compared with."""
    (knows,) = [each for each in ledger if each.candidate_id == "knows"]
    chosen = replace(knows, trials=tuple(replace(trial, adaptive=True) for trial in knows.trials))
    found = {each.candidate.candidate_id: each for each in rank([chosen if each is knows else each for each in ledger])}
    assert ranked["knows"].winner
    assert (found["knows"].p_adjusted, found["knows"].winner) == (None, False)
    assert found["knows"].lacks == ("chosen by an adaptive search, only the test part can judge it",)
    assert found["knows"].judgement.p_value == ranked["knows"].judgement.p_value
    assert found["guess 0"].p_adjusted == ranked["guess 0"].p_adjusted


def test_each_dataset_is_ranked_by_what_happened_on_it_alone(ledger: list[LedgerCandidate]) -> None:
    """A candidate on two markets stands there twice, with the figures that it has when there is no other market."""
    found = {(each.candidate.candidate_id, *each.candidate.dataset_ids): each for each in rank_each_dataset(ledger)}
    assert len(found) == len(ledger) + 1
    (both,) = [each for each in ledger if each.candidate_id == "both"]
    for alone in both.trials:
        expected = ranked_alone(LedgerCandidate("both", (alone,)))
        here = found["both", alone.dataset_id]
        np.testing.assert_equal(asdict(here.judgement.figures), asdict(expected.judgement.figures))
        assert here.judgement.p_value == expected.judgement.p_value
    fires = [found["both", market].judgement.figures.n_fires for market in ("north", "south")]
    assert fires == [100, 100]
    assert found["both", "north"].family.n_evaluated == 7
    assert found["both", "south"].family.n_evaluated == 1
    assert found["both", "south"].p_adjusted == found["both", "south"].judgement.p_value


def test_the_test_part_is_judged_only_where_it_is_opened(store: Store) -> None:
    """By its own fires, over all datasets that were judged together, one-sided at the error of the first opening."""
    both = candidate("both", 8, ("north", "south"), knows=True, split="time")
    (closed,) = rank([both])
    (opened,) = open_holdouts([closed], [both], store, view_of)
    assert closed.test is None
    assert opened.test is not None
    assert opened.holdout is not None
    assert opened.judgement == closed.judgement
    # 60 % of 6000 bins train, 42 bins of embargo follow, and the rest is for the test.
    bins = np.concatenate([each.fires.bins for each in both.trials])
    assert opened.judgement.figures.n_fires == np.sum(bins < 3600)
    assert opened.test.figures.n_fires == np.sum(bins >= 3642)
    assert (opened.holdout.number, opened.holdout.times) == (1, 1)
    assert opened.holdout.error == pytest.approx(0.05 * 6 / math.pi**2)
    assert opened.test.figures.net_pnl_ticks_low < opened.holdout.low < opened.test.figures.net_pnl_ticks
    assert opened.holdout.holds


def test_each_further_candidate_on_the_same_market_time_is_allowed_less(store: Store) -> None:
    """Whoever is shown again keeps the place of the first time; market time of its own is a first opening."""
    ledger = [candidate(f"guess {seed}", seed, knows=True, split="time", signal=f"s{seed}") for seed in range(3)]
    elsewhere = candidate("elsewhere", 5, ("south",), knows=True, split="time", signal="e")
    ranked = {each.candidate.candidate_id: each for each in rank([*ledger, elsewhere])}

    def opened(*names: str) -> list[tuple[int, int]]:
        found = open_holdouts([ranked[name] for name in names], [*ledger, elsewhere], store, view_of)
        return [(each.holdout.number, each.holdout.times) for each in found if each.holdout is not None]

    assert opened("guess 1", "guess 0") == [(1, 1), (2, 1)]
    assert opened("elsewhere") == [(1, 1)]
    assert opened("guess 2", "guess 1") == [(3, 1), (1, 2)]


def test_an_opening_elsewhere_is_no_opening_here(store: Store) -> None:
    """Whoever has been shown something small first is not the first on what comes later."""
    both = [candidate(f"guess {seed}", seed, ("north", "south"), split="time", signal=f"s{seed}") for seed in range(3)]

    def opened(market: str) -> list[int]:
        ranked = sorted(
            rank(both, restricted(both, lambda trial: trial.dataset_id == market)),
            key=lambda each: each.candidate.candidate_id,
        )
        found = open_holdouts(ranked, both, store, view_of)
        return [each.holdout.number for each in found if each.holdout is not None]

    assert opened("south") == [1, 2, 3]
    assert opened("north") == [1, 2, 3]
    assert opened("north") == [1, 2, 3], "shown again they keep their places"


def test_a_test_part_that_the_signal_was_judged_on_in_training_is_no_test(store: Store) -> None:
    """At whatever parameters: the refusal names the dataset, and nothing is counted. Another signal may have been."""
    tested = candidate("tested", 1, knows=True, split="time")
    whole = candidate("whole", 2, split="none", parameters={"window": 7})
    other = candidate("other", 3, split="none", signal="other")
    (first,) = [each for each in rank([tested, other]) if each.candidate.candidate_id == "tested"]
    (fine,) = open_holdouts([first], [tested, other], store, view_of)
    assert fine.holdout is not None
    (refused,) = open_holdouts([first], [tested, whole, other], store, view_of)
    assert refused.holdout is None
    assert refused.test_refused == (
        "its test part is no test: guess was judged in training on dataset north over the same market time "
        "(run whole on north)"
    )
    (again,) = open_holdouts([first], [tested, other], store, view_of)
    assert again.holdout is not None
    assert again.holdout.times == 2


def test_more_data_for_some_candidates_leaves_the_search_on_the_old_data_as_large_as_it_was() -> None:
    """Trying candidates on another market as well takes nothing out of the family of the first."""
    before = rank([candidate(f"guess {seed}", seed) for seed in range(3)])
    wider = [candidate("guess 0", 0), *(candidate(f"guess {seed}", seed, ("north", "south")) for seed in (1, 2))]
    after = {each.candidate.candidate_id: each for each in rank(wider)}
    (first,) = [each for each in before if each.candidate.candidate_id == "guess 0"]
    assert first.p_adjusted is not None
    assert (after["guess 0"].p_adjusted or 0) >= first.p_adjusted
    assert after["guess 0"].family.n_rankable == 3
    assert after["guess 1"].family.n_rankable == 3, "it was tried among three on the first market"


def test_a_seed_of_ones_own_is_no_family_of_ones_own() -> None:
    """All candidates are judged under the draws of the one that is compared with them."""
    several = [candidate(f"guess {seed}", seed) for seed in range(3)]
    (odd,) = [with_seed(several[0], 1)]
    found = {each.candidate.candidate_id: each for each in rank([odd, *several[1:]])}
    assert {each.family.n_rankable for each in found.values()} == {3}
    moved = {each.candidate.candidate_id: each for each in rank([with_seed(each, 1) for each in several])}
    assert found["guess 0"].p_adjusted == moved["guess 0"].p_adjusted
    drawn = moved["guess 0"].family.greatest_excess
    assert drawn is not None
    assert moved["guess 0"].p_adjusted == p_value(moved["guess 0"].judgement.t, drawn)


def with_seed(of: LedgerCandidate, null_seed: int) -> LedgerCandidate:
    """Return a candidate with other draws."""
    trials = (replace(trial, evaluation=replace(trial.evaluation, null_seed=null_seed)) for trial in of.trials)
    return LedgerCandidate(of.candidate_id, tuple(trials))


def test_a_dataset_kept_for_the_test_decides_nothing(store: Store) -> None:
    """Its fires are judged where the test is opened, and nowhere else."""
    both = candidate("both", 8, ("north", "south"), knows=True)
    split = SplitParameters(kind="dataset", test_datasets=["south"])
    north, south = (replace(trial, split=split, judged_part="train") for trial in both.trials)
    north, south = with_evidence(north), with_evidence(replace(south, judged_part="test"))
    kept = LedgerCandidate("both", (north, south))
    (judged,) = rank([kept])
    alone = ranked_alone(LedgerCandidate("both", (north,)))
    assert judged.judgement.figures == alone.judgement.figures
    (opened,) = open_holdouts([judged], [kept], store, view_of)
    assert opened.test is not None
    assert opened.test.figures.n_fires == len(south.fires)
    assert rank([LedgerCandidate("both", (south,))]) == []
    assert north.bins == N_BINS


def test_what_was_chosen_adaptively_ranks_by_its_net_lower_end_before_what_lacks_data(
    ledger: list[LedgerCandidate],
) -> None:
    """Whatever the ids are, so that the first of them is the one whose test is worth an opening."""
    chosen = [
        replace(each, trials=tuple(replace(trial, adaptive=True) for trial in each.trials))
        for each in ledger
        if len(each.trials) == 1
    ]
    found = rank(chosen)
    lacking = [bool(each.judgement.lacks) for each in found]
    assert lacking == sorted(lacking)
    assert any(lacking)
    lows = [each.judgement.figures.net_pnl_ticks_low for each in found if not each.judgement.lacks]
    assert len(lows) > 2
    assert lows == sorted(lows, reverse=True)
    assert found[0].candidate.candidate_id == "knows"


def test_the_test_of_what_lacks_data_is_not_opened(store: Store) -> None:
    """It is said in a sentence and counted nowhere; one that an adaptive search chose is opened as the first."""
    rich = candidate("rich", 1, knows=True, split="time", signal="rich")
    adaptive = replace(rich, trials=tuple(replace(trial, adaptive=True) for trial in rich.trials))
    poor = candidate("poor", 3, split="time", signal="poor")
    (first,), (second,) = rank([adaptive]), rank([poor])
    first = replace(first, judgement=replace(first.judgement, lacks=()))
    lack = Lack("net fires", 29, 30)
    second = replace(second, judgement=replace(second.judgement, lacks=(lack,)))
    refused, opened = open_rankable([second, first], [poor, adaptive], store, view_of)
    assert refused.holdout is None
    assert refused.test_refused == f"not opened, since it cannot be ranked and a test could confirm nothing: {lack}"
    assert opened.holdout is not None
    assert opened.holdout.number == 1
    assert {row["candidate_id"] for row in read(store, VIEWS)} == {"rich"}
