"""How long the evaluation takes, warm, and against its plain twin in the same run.

python -m tests.benchmarks.bench_evaluation
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from tests.evaluation.paths import martingale
from tests.evaluation.twins import as_pairs, outcome_at_mid, outcome_net
from tests.naive_evaluation import (
    naive_clustered_interval,
    naive_figures,
    naive_fires,
    naive_sums_by_block,
    naive_t,
)
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Evidence,
    PartEvaluation,
    SplitParameters,
    evaluate,
    evaluate_with,
    figures_of,
    find_fires,
    first_passage_tables,
    judge_many,
    outcome_table,
    parts_of,
)

N_BINS: Final = 36_000
THRESHOLDS: Final = (0.03, 0.05, 0.08, 0.10, 0.15, 0.20)
BARRIERS: Final = tuple(range(1, 25))
EVERY: Final = 40
EVALUATION: Final = EvaluationParameters().resolve(100.0)
SPLIT: Final = SplitParameters()
UNSPLIT: Final = SplitParameters(kind="none")
BLOCK_BINS: Final = 2560
"""Bins of a block of 256 s."""
INTERVALS: Final = 7
"""Means with an interval, of each candidate."""


def best_of(run: Callable[[], Any], repeats: int = 5) -> float:
    """Return the shortest of several runs after a first one that compiles, seconds."""
    once(run)
    return min(once(run) for _ in range(repeats))


def once(run: Callable[[], Any]) -> float:
    """Return the time of one run, seconds."""
    start = time.perf_counter()
    jax.block_until_ready(run())  # type: ignore[no-untyped-call]  # jax leaves it untyped
    return time.perf_counter() - start


def report(what: str, seconds: float, twin_seconds: float | None = None) -> None:
    """Print one line."""
    ratio = "" if twin_seconds is None else f"   plain twin {twin_seconds:9.3f} s   {twin_seconds / seconds:9.0f} x"
    print(f"{what:<62} {1000 * seconds:9.1f} ms{ratio}")


def judged_all(candidates: Sequence[Any]) -> list[Any]:
    """Judge every candidate in every part."""
    parts: list[PartEvaluation] = [part for each in candidates for part in each.parts.values()]
    return judge_many([part.evidence for part in parts], EVALUATION)


def twin_seconds(dataset: DatasetView, score: NDArray[np.float64]) -> float:
    """Return how long the twin takes for all candidates in one part: the net outcomes of every bin included."""
    (part,) = parts_of(dataset, EVALUATION, UNSPLIT)
    coins = (
        2 * np.random.default_rng(0).integers(0, 2, (EVALUATION.null_draws, N_BINS // BLOCK_BINS + 1)) - 1
    ).tolist()

    def walk_some_bins() -> None:
        for t in range(0, N_BINS, EVERY):
            for side in (1, -1):
                outcome_net(dataset, EVALUATION, (t, side), part.limit)

    def judge_plainly() -> None:
        for threshold in THRESHOLDS:
            pairs = naive_fires(score.tolist(), threshold, EVALUATION.warmup_bins, EVALUATION.cooldown_bins)
            mid = [outcome_at_mid(dataset, EVALUATION, pair, part.limit) for pair in pairs]
            net = [outcome_net(dataset, EVALUATION, pair, part.limit) for pair in pairs]
            naive_figures(mid, net, [side for _, side in pairs], hours=1.0)
            blocks = [t // BLOCK_BINS for t, _ in pairs]
            for _ in range(INTERVALS):
                naive_clustered_interval([each["pnl"] for each in net], blocks, 2.0)
            sums = naive_sums_by_block([t for t, _ in pairs], [each["pnl"] for each in net], BLOCK_BINS, 1)
            for coin in coins:
                naive_t(sums, coin.__getitem__)

    return once(judge_plainly) + once(walk_some_bins) * EVERY


def main() -> None:
    """Time each step on its own, then the whole."""
    dataset, seen = martingale(0, N_BINS)
    score = 0.3 * seen["noise"]
    parts = parts_of(dataset, EVALUATION, SPLIT)
    tables = first_passage_tables(dataset, BARRIERS, EVALUATION.max_hold_bins)
    table = outcome_table(tables, EVALUATION)
    rules = {"warmup_bins": EVALUATION.warmup_bins, "cooldown_bins": EVALUATION.cooldown_bins}
    fires = [each.within(parts[0]) for each in find_fires(score, THRESHOLDS, **rules)]
    print(f"{N_BINS} bins, {len(THRESHOLDS)} thresholds, {len(fires[0])} fires of the first in train, 999 draws\n")

    def walk_some_bins() -> None:
        # Both directions of one pair of barriers, at every 40th bin: what 2 of the 24 barriers are asked for.
        for t in range(0, N_BINS, EVERY):
            outcome_at_mid(dataset, EVALUATION, (t, 1), N_BINS)
            outcome_at_mid(dataset, EVALUATION, (t, -1), N_BINS)

    whole_walk = once(walk_some_bins) * EVERY * len(BARRIERS) / 2
    tabled = best_of(lambda: first_passage_tables(dataset, BARRIERS, EVALUATION.max_hold_bins).rises)
    report(f"first-passage tables, {len(BARRIERS)} barriers (twin: a {EVERY}th, extrapolated)", tabled, whole_walk)
    report("outcomes of every bin, one pair of barriers", best_of(lambda: outcome_table(tables, EVALUATION).net_pnl))

    twin_fires = once(lambda: [naive_fires(score.tolist(), each, **_twin_rules(rules)) for each in THRESHOLDS])
    report("fires", best_of(lambda: find_fires(score, THRESHOLDS, **rules)), twin_fires)

    limit = parts[0].limit
    pairs = as_pairs(fires[0])
    twin_outcomes = once(lambda: [outcome_net(dataset, EVALUATION, pair, limit) for pair in pairs])
    one = evaluate_with(dataset, table, parts, score, THRESHOLDS[:1])[0].parts["train"].evidence
    report(
        "figures and intervals of one candidate (twin: net outcomes alone)",
        best_of(lambda: _figures(one)),
        twin_outcomes,
    )

    coins = (2 * np.random.default_rng(0).integers(0, 2, (EVALUATION.null_draws, N_BINS)) - 1).tolist()
    sums = dict(zip(range(len(one.blocks.block)), one.blocks.tick("excess").tolist(), strict=True))

    def flip_plainly() -> None:
        for coin in coins:
            naive_t(sums, coin.__getitem__)

    flipped = best_of(lambda: judge_many([one], EVALUATION))
    report("judging one candidate from its blocks (twin: its draws alone)", flipped, once(flip_plainly))

    print()
    report("evaluate: tables, fires, outcomes, evidence, both parts", best_of(lambda: _whole(dataset, score)))
    report("the same with judging: figures, intervals, p-values", best_of(lambda: judged_all(_whole(dataset, score))))
    one_part = best_of(lambda: judged_all(evaluate(dataset, score, THRESHOLDS, EVALUATION, UNSPLIT)))
    report("the same in one part (twin: outcomes of all bins extrapolated)", one_part, twin_seconds(dataset, score))
    longer, seen_longer = martingale(0, 10 * N_BINS)
    long_score = 0.3 * seen_longer["noise"]
    tenfold = best_of(lambda: judged_all(evaluate(longer, long_score, THRESHOLDS, EVALUATION, UNSPLIT)), 2)
    report(f"the same on {10 * N_BINS} bins, {tenfold / one_part:.1f} times as long", tenfold)


def _whole(dataset: Any, score: Any) -> Any:
    return evaluate(dataset, score, THRESHOLDS, EVALUATION, SPLIT)


def _figures(evidence: Evidence) -> Any:
    return figures_of(evidence, EVALUATION.tp_ticks, EVALUATION.sl_ticks).n_net


def _twin_rules(rules: dict[str, int]) -> dict[str, int]:
    return {"warmup": rules["warmup_bins"], "cooldown": rules["cooldown_bins"]}


if __name__ == "__main__":
    main()
