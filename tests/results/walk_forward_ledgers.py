"""Made-up evidence for walk-forward: candidates that fire in blocks of many days, without any dataset."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import (
    TEST,
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

DAY_NS: Final = 86_400 * 10**9
HOURS: Final = 4.0
BINS: Final = int(HOURS * 36_000)
BLOCK_S: Final = 64
BLOCKS: Final = int(HOURS * 3600) // BLOCK_S
EVALUATION: Final = EvaluationParameters(max_hold_bins=100, tp_ticks=4, sl_ticks=4).resolve(100)
MARKET: Final = Market("SIM")


def evidence_of_blocks(
    block: NDArray[np.int64],
    n: NDArray[Any],
    net: NDArray[np.float64],
    excess: NDArray[np.float64] | None = None,
    *,
    seconds: int = BLOCK_S,
    tp: NDArray[Any] | None = None,
) -> Evidence:
    """Return evidence with so many net fires in each block and what they earned; half of them end at each barrier."""
    counts, ticks = np.zeros((len(block), len(COUNTS)), np.int32), np.zeros((len(block), len(TICKS)))
    wins = (n + 1) // 2 if tp is None else tp
    values = {"n_mid": n, "n_net": n, "net_tp": wins, "net_sl": n - wins}
    for name, each in values.items():
        counts[:, COUNTS.index(name)] = each
    for name, own in {"mid_pnl": net, "net_pnl": net, "excess": net if excess is None else excess}.items():
        ticks[:, TICKS.index(name)] = own
    fires = int(np.sum(n))
    tally = Tally(fires, fires, 0, 0, 0, 0, 0, HOURS, 0.0, 1000, 400, 400)
    return Evidence(BlockSums(seconds, block.astype(np.int64), counts, ticks), tally, np.zeros(0), np.zeros(0))


def day_evidence(
    day: int, rng: np.random.Generator, edge: float = 0.0, *, fires: int = 40, cost: float = 0.0
) -> Evidence:
    """Return a day of fires at random times, each worth 4 ticks up or down, `edge` more and `cost` less."""
    blocks = np.sort(rng.integers(0, BLOCKS, fires)) + day * (86_400 // BLOCK_S)
    won = rng.random(fires) < 0.5
    each = np.where(won, 4.0, -4.0) + edge
    block, first = np.unique(blocks, return_index=True)
    n = np.diff(np.append(first, fires))
    excess, tp = np.add.reduceat(each, first), np.add.reduceat(won.astype(np.int64), first)
    return evidence_of_blocks(block, n, excess - cost * n, excess, tp=tp)


def candidate(
    name: str,
    days: Sequence[Evidence | None],
    *,
    tests: Sequence[int] = (),
    campaign: str = "many",
    signal: str = "guess",
    adaptive: bool = False,
) -> LedgerCandidate:
    """Return a candidate that ran on the days that it has evidence of; on `tests` it is kept for the test."""
    trials = tuple(
        Trial(
            candidate_id=name,
            run_id=f"{name}-{day}",
            dataset_id=f"day{day:03d}",
            dataset_checksum=f"checksum {day}",
            signal=signal,
            parameters={"name": name},
            threshold_label="0.1",
            evaluation=EVALUATION,
            split=SplitParameters(kind="none"),
            judged_part="all",
            fires=Fires.from_signed([]),
            first_bin_start_ns=day * DAY_NS,
            bins=BINS,
            market=MARKET,
            evidence=evidence,
            campaigns=frozenset({campaign}),
            created_ns=day + 1,
            adaptive=adaptive,
        )
        for day, evidence in enumerate(days)
        if evidence is not None and day not in tests
    )
    kept = tuple(
        Trial(
            candidate_id=name,
            run_id=f"{name}-{day}",
            dataset_id=f"day{day:03d}",
            dataset_checksum=f"checksum {day}",
            signal=signal,
            parameters={"name": name},
            threshold_label="0.1",
            evaluation=EVALUATION,
            split=SplitParameters(kind="dataset", test_datasets=[f"day{day:03d}"]),
            judged_part=TEST,
            fires=Fires.from_signed([]),
            first_bin_start_ns=day * DAY_NS,
            bins=BINS,
            market=MARKET,
            campaigns=frozenset({campaign}),
            created_ns=day + 1,
        )
        for day in tests
    )
    return LedgerCandidate(name, trials + kept)


def noise(seed: int, candidates: int, days: int, *, cost: float = 0.0) -> list[LedgerCandidate]:
    """Return candidates whose directions are tosses of coins."""
    rng = np.random.default_rng(seed)
    return [
        candidate(f"c{number:03d}", [day_evidence(day, rng, cost=cost) for day in range(days)])
        for number in range(candidates)
    ]
