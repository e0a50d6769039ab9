"""How long the evaluation takes, warm, and against its plain twin in the same run.

python -m tests.benchmarks.bench_evaluation
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
import numpy as np
from numpy.typing import NDArray
from vpharness.evaluation.draws import TIMING, null_key, timing_shifts

from tests.evaluation.paths import martingale
from tests.evaluation.twins import as_pairs, outcome_at_mid, outcome_net
from tests.naive_evaluation import (
    Fire,
    naive_clustered_interval,
    naive_direction_draw,
    naive_figures,
    naive_fires,
    naive_timing_draw,
)
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Part,
    PartEvaluation,
    SplitParameters,
    chance_of,
    evaluate,
    evaluate_with,
    figures_of,
    find_fires,
    first_passage_tables,
    judge,
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
    return [judge([part]) for part in parts]


def twin_seconds(dataset: DatasetView, score: NDArray[np.float64]) -> float:
    """Return how long the twin takes for all candidates in one part: the net outcomes that nulls look up included."""
    (part,) = parts_of(dataset, EVALUATION, UNSPLIT)
    barriers = (EVALUATION.tp_ticks, EVALUATION.sl_ticks)
    table = outcome_table(first_passage_tables(dataset, barriers, EVALUATION.max_hold_bins), EVALUATION)
    pnl = np.asarray(table.net_pnl).tolist()
    shifts = timing_shifts(null_key(dataset, 0, TIMING), part, EVALUATION.null_draws).tolist()
    coins = np.random.default_rng(0).random((EVALUATION.null_draws, part.stop // EVALUATION.block_bins + 1)) < 0.5

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
            blocks = [t // EVALUATION.block_bins for t, _ in pairs]
            for _ in range(INTERVALS):
                naive_clustered_interval([each["pnl"] for each in net], blocks, 2.0)
            _draw_plainly(pnl, pairs, part, shifts, coins)

    return once(judge_plainly) + once(walk_some_bins) * EVERY


def _draw_plainly(
    pnl: list[list[float]], pairs: list[Fire], part: Part, shifts: list[int], coins: NDArray[np.bool_]
) -> None:
    def looked_up(t: int, side: int) -> float:
        return pnl[0 if side > 0 else 1][t]

    for shift, coin in zip(shifts, coins.tolist(), strict=True):
        naive_timing_draw(looked_up, pairs, part.first_fire, part.stop, shift)
        naive_direction_draw(looked_up, pairs, part.start, EVALUATION.block_bins, coin.__getitem__)


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
    one = evaluate_with(dataset, table, parts, score, THRESHOLDS[:1])[0].parts["train"].sample
    report(
        "figures and intervals of one candidate (twin: net outcomes alone)",
        best_of(lambda: _figures(one)),
        twin_outcomes,
    )

    pnl = np.asarray(table.net_pnl)
    shifts = timing_shifts(null_key(dataset, 0, TIMING), parts[0], EVALUATION.null_draws).tolist()

    def looked_up(t: int, side: int) -> float:
        return float(pnl[0 if side > 0 else 1, t])

    def shift_plainly() -> None:
        for shift in shifts:
            naive_timing_draw(looked_up, pairs, parts[0].first_fire, parts[0].stop, shift)

    both = best_of(lambda: chance_of(dataset, table, parts[0], fires[:1]))
    report("both nulls of one candidate (twin: timing alone, table given)", both, once(shift_plainly))

    print()
    report("evaluate: tables, fires, outcomes, nulls, both parts", best_of(lambda: _whole(dataset, score)))
    report("the same with judging: figures, intervals, p-values", best_of(lambda: judged_all(_whole(dataset, score))))
    one_part = best_of(lambda: judged_all(evaluate(dataset, score, THRESHOLDS, EVALUATION, UNSPLIT)))
    report("the same in one part (twin: outcomes of all bins extrapolated)", one_part, twin_seconds(dataset, score))
    longer, seen_longer = martingale(0, 10 * N_BINS)
    long_score = 0.3 * seen_longer["noise"]
    tenfold = best_of(lambda: judged_all(evaluate(longer, long_score, THRESHOLDS, EVALUATION, UNSPLIT)), 2)
    report(f"the same on {10 * N_BINS} bins, {tenfold / one_part:.1f} times as long", tenfold)


def _whole(dataset: Any, score: Any) -> Any:
    return evaluate(dataset, score, THRESHOLDS, EVALUATION, SPLIT)


def _figures(sample: Any) -> Any:
    return figures_of([sample]).n_net


def _twin_rules(rules: dict[str, int]) -> dict[str, int]:
    return {"warmup": rules["warmup_bins"], "cooldown": rules["cooldown_bins"]}


if __name__ == "__main__":
    main()
