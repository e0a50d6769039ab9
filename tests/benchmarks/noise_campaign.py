"""One campaign of the noise tournament: scores that compete, the market, the ranking, and what is kept of it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.evaluation.paths import martingale
from vpharness.config.command_schemas import CompareCommand
from vpharness.evaluation import (
    TEST,
    TRAIN,
    DatasetView,
    EvaluationParameters,
    Evidence,
    Fires,
    Judgement,
    Market,
    OutcomeTable,
    Part,
    ResolvedEvaluation,
    SplitParameters,
    evaluate_fires,
    find_fires,
    first_passage_tables,
    judge,
    outcome_table,
    parts_within,
)
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ranking import Ranked, rank

EVALUATION: Final = EvaluationParameters().resolve(100.0)


@dataclass(frozen=True)
class Rules:
    """What every campaign of a tournament has in common.

    Attributes:
        n_bins: length of the market, bins.
        activity: chance of a move in a bin, in quiet and in busy times: lively enough for most walks to meet a barrier.
        n_scores: scores that compete.
        memory_bins: the shortest and the longest of the scores' decay times, evenly spread in ratio.
        thresholds: of every score, in its standard deviations.
        leading_score: the score on which moves lean where there is an edge, with a decay time of 10 s.
        leading_threshold: they lean to the side on which it stood beyond this,
        leading_bins: for so many bins after it did.
        evaluation: how fires are judged.
        split: judged on its training part.
    """

    n_bins: int = 720_000
    activity: tuple[float, float] = (0.3, 0.9)
    n_scores: int = 100
    memory_bins: tuple[float, float] = (30.0, 3000.0)
    thresholds: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    leading_score: int = 26
    leading_threshold: float = 3.0
    leading_bins: int = 300
    evaluation: ResolvedEvaluation = EVALUATION
    split: SplitParameters = dataclasses.field(default_factory=SplitParameters)


RULES: Final = Rules()


def score_of(campaign: int, number: int, rules: Rules = RULES) -> NDArray[np.float64]:
    """Return [T] one of a campaign's scores: x_t = φ x_{t-1} + noise, of variance 1 from the first bin on."""
    decay = np.exp(-1.0 / np.geomspace(*rules.memory_bins, rules.n_scores)[number])
    from scipy import signal  # type: ignore[import-untyped]  # noqa: PLC0415  # takes a second; no types

    noise = np.random.default_rng([campaign, number, 1]).normal(size=rules.n_bins)
    noise[1:] *= np.sqrt(1.0 - decay**2)
    score: NDArray[np.float64] = signal.lfilter([1.0], [1.0, -decay], noise)
    return score


def leader_of(score: NDArray[np.float64], rules: Rules = RULES) -> NDArray[np.int64]:
    """Return [T] where moves lean to: the side on which a score stood beyond the leading threshold lately, or 0."""
    side = np.where(np.abs(score) >= rules.leading_threshold, np.sign(score), 0.0).astype(np.int64)
    now = np.arange(len(score))
    last = np.maximum.accumulate(np.where(side != 0, now, -1))
    return np.where((last >= 0) & (now - last < rules.leading_bins), side[last], 0)


def entrants(campaign: int, rules: Rules = RULES) -> dict[str, Fires]:
    """Return the fires of every score at every threshold in the training part, which is all that ranks."""
    (train,) = (part for part in _parts(rules) if part.name == TRAIN)
    found: dict[str, Fires] = {}
    for number in range(rules.n_scores):
        fires = _fires(score_of(campaign, number, rules)[: train.stop], rules.thresholds, rules)
        found |= {label(number, theta): each for theta, each in zip(rules.thresholds, fires, strict=True)}
    return found


def _parts(rules: Rules) -> tuple[Part, ...]:
    return parts_within("campaign", rules.n_bins, rules.evaluation, rules.split)


def label(number: int, threshold: float) -> str:
    """Return the name of a candidate."""
    return f"{_score_name(number)} at {threshold:g}"


def _score_and_threshold(name: str) -> tuple[int, float]:
    _, number, _, threshold = name.split()
    return int(number), float(threshold)


def _score_name(number: int) -> str:
    return f"score {number:02d}"


def _fires(score: NDArray[np.float64], thresholds: Sequence[float], rules: Rules) -> tuple[Fires, ...]:
    evaluation = rules.evaluation
    return find_fires(score, thresholds, warmup_bins=evaluation.warmup_bins, cooldown_bins=evaluation.cooldown_bins)


def table_of(market: DatasetView, rules: Rules = RULES) -> OutcomeTable:
    """Look up the walks of a market, once for all that is judged on it."""
    evaluation = rules.evaluation
    barriers = (evaluation.tp_ticks, evaluation.sl_ticks)
    return outcome_table(first_passage_tables(market, barriers, evaluation.max_hold_bins), evaluation)


def evidence_in(market: DatasetView, table: OutcomeTable, part: Part, candidates: Sequence[Fires]) -> list[Evidence]:
    """Return the evidence of candidates in a part of a market, which is looked up in the table no further than it."""
    names = ("mid_code", "mid_exit", "mid_pnl", "net_code", "net_exit", "net_pnl")
    until = dataclasses.replace(table, **{name: getattr(table, name)[:, : part.stop] for name in names})
    return [each.evidence for each in evaluate_fires(market, until, part, candidates)]


def ranked(market: DatasetView, table: OutcomeTable, fires: dict[str, Fires], rules: Rules = RULES) -> list[Ranked]:
    """Rank candidates by the ranking that `compare` shows."""
    (train,) = (part for part in _parts(rules) if part.name == TRAIN)
    evidence = evidence_in(market, table, train, list(fires.values()))
    trials = [_trial(market, name, each, rules) for name, each in fires.items()]
    return rank(
        [
            LedgerCandidate(trial.candidate_id, (dataclasses.replace(trial, evidence=each),))
            for trial, each in zip(trials, evidence, strict=True)
        ]
    )


def _trial(market: DatasetView, name: str, fires: Fires, rules: Rules) -> Trial:
    return Trial(
        candidate_id=name,
        run_id=name,
        dataset_id=market.name,
        dataset_checksum=market.checksum,
        signal="autoregressive",
        parameters={},
        threshold_label=name,
        evaluation=rules.evaluation,
        split=rules.split,
        judged_part=TRAIN,
        fires=fires,
        market=Market(market.name),
        first_bin_start_ns=market.span[0],
        bins=market.n_bins,
    )


def campaign_of(number: int, edge: float, rules: Rules = RULES) -> dict[str, Any]:
    """Carry out one campaign, without and with an edge, and return its figures as JSON values."""
    fires = entrants(number, rules)
    fair, led = market_of(number, 0.0, rules), market_of(number, edge, rules)
    table = table_of(fair, rules)
    return {
        "campaign": number,
        "noise": _noise_figures(number, fair, table, ranked(fair, table, fires, rules), rules),
        "edge": _edge_figures(ranked(led, table_of(led, rules), fires, rules), rules),
    }


def market_of(campaign: int, edge: float, rules: Rules = RULES) -> DatasetView:
    """Return a campaign's market, whose moves lean on the leading score as far as `edge` says."""
    leader = leader_of(score_of(campaign, rules.leading_score, rules), rules)
    return martingale(campaign, rules.n_bins, edge, leader, rules.activity)[0]


def _noise_figures(
    campaign: int, market: DatasetView, table: OutcomeTable, found: Sequence[Ranked], rules: Rules
) -> dict[str, Any]:
    counts = [each.judgement.figures.n_signals for each in found]
    successes = [n * each.judgement.figures.tp_rate for n, each in zip(counts, found, strict=True) if n]
    rankable = [each for each in found if each.p_adjusted is not None]

    def crowned(min_signals: int) -> dict[str, Any]:
        first = _first_by_tp_rate(found, min_signals)
        test = _in_test(campaign, market, table, first, rules)
        figures = first.judgement.figures
        return {
            "candidate": first.candidate.candidate_id,
            "n_signals": figures.n_signals,
            "tp_rate": figures.tp_rate,
            "break_even": figures.break_even_tp_share,
            "test_signals": test.figures.n_signals,
            "test_tp_rate": test.figures.tp_rate if test.figures.n_signals else None,
        }

    return {
        "rankable": len(rankable),
        "tp_rate_of_all_fires": sum(successes) / sum(counts),
        "crowned_by_tp_rate": crowned(CompareCommand.min_signals),
        "crowned_by_tp_rate_of_100": crowned(100),
        "least_p_value": min(each.judgement.p_value for each in rankable),
        "least_p_adjusted": min(each.p_adjusted for each in rankable if each.p_adjusted is not None),
        "winners": [each.candidate.candidate_id for each in found if each.winner],
    }


def _first_by_tp_rate(found: Sequence[Ranked], min_signals: int) -> Ranked:
    shown = [each for each in found if each.judgement.figures.n_signals >= min_signals]
    return min(shown, key=lambda each: (-each.judgement.figures.tp_rate, each.candidate.candidate_id))


def _in_test(campaign: int, market: DatasetView, table: OutcomeTable, found: Ranked, rules: Rules) -> Judgement:
    """Return what became of a candidate in the test part."""
    (test,) = (part for part in _parts(rules) if part.name == TEST)
    number, threshold = _score_and_threshold(found.candidate.candidate_id)
    fires = _fires(score_of(campaign, number, rules), [threshold], rules)
    return judge(evidence_in(market, table, test, fires), rules.evaluation)


def _edge_figures(found: Sequence[Ranked], rules: Rules) -> dict[str, Any]:
    name = label(rules.leading_score, rules.leading_threshold)
    (right,) = (each for each in found if each.candidate.candidate_id == name)
    winners = [each.candidate.candidate_id for each in found if each.winner]
    return {
        "rankable": sum(each.p_adjusted is not None for each in found),
        "right_net_fires": right.judgement.figures.n_net,
        "right_p_value": right.judgement.p_value,
        "right_p_adjusted": right.p_adjusted,
        "right_net_pnl_ticks": right.judgement.figures.net_pnl_ticks,
        "right_net_pnl_ticks_low": right.net_low_all,
        "winners": winners,
        "false_winners": [name for name in winners if not name.startswith(_score_name(rules.leading_score))],
        "right_is_crowned": winners[:1] == [name],
    }


def right_p_value(campaign: int, edge: float, rules: Rules = RULES) -> float:
    """Return the p-value of the right candidate by itself: 1 where it has too little data to be ranked."""
    name = label(rules.leading_score, rules.leading_threshold)
    (fires,) = _fires(score_of(campaign, rules.leading_score, rules), [rules.leading_threshold], rules)
    market = market_of(campaign, edge, rules)
    (right,) = ranked(market, table_of(market, rules), {name: fires}, rules)
    return 1.0 if right.judgement.lacks else right.judgement.p_value
