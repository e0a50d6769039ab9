"""Calibration: how often p-values of signals that know nothing are small, and how often intervals hold the true mean.

Every signal is judged on the same markets, at every pair of barriers and holding time; each market is evaluated by the
functions that runs use, its walks looked up once. A market stands at a time of its own, so that its coins are its own.
Candidates with too little data to rank are left out and counted.

python -m tests.benchmarks.calibration RESULT.json KIND HOURS SEEDS [FIRST_SEED]

KIND is one of MARKETS, "drift" (always long alone, where prices rise) or "together" (four instruments, pooled).
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.evaluation.paths import Calm, martingale, moving_together
from tests.evaluation.plain_signals import (
    Seen,
    Signal,
    after_moves,
    always_long,
    anywhere,
    slowly_turning,
    when_busy,
    when_calm,
    when_narrow,
)
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Evidence,
    PartWalks,
    SplitParameters,
    evaluate_fires,
    find_fires,
    first_passage_tables,
    judge_many,
    outcome_table,
    parts_of,
    pooled,
)
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL

BINS_PER_HOUR: Final = 36_000
SIGNALS: Final[tuple[Signal, ...]] = (anywhere, when_narrow, when_busy, when_calm, slowly_turning, after_moves)
BARRIERS: Final = ((8, 4), (4, 8), (2, 20), (20, 20))
HOLDS: Final = (300, 1200)
MARKETS: Final[Mapping[str, dict[str, Any]]] = {
    "lively": {"activity": (0.3, 0.9), "calm": Calm(share=0.06, mean_bins=300, activity=0.02)},
    "quiet": {"activity": (0.05, 0.3), "calm": Calm(share=0.06, mean_bins=600, activity=0.003)},
}
DRIFT: Final = 0.02
"""Prices that rise go up in (1 + DRIFT) / 2 of their moves."""
INSTRUMENTS: Final = 4
CORRELATION: Final = 0.9
THRESHOLD: Final = 1.0
WHOLE: Final = SplitParameters(kind="none")
_APART_NS: Final = 100 * 3600 * 1_000_000_000 + 7_777_000_000_000
_SAVED_EVERY: Final = 10

View = tuple[DatasetView, Seen]
Cell = tuple[str, int, int, int]
"""A signal's name, take-profit, stop-loss and holding time."""


@dataclass(frozen=True)
class Judged:
    """What one candidate came to on one market.

    Attributes:
        rankable: whether it has enough data; if not it is only counted.
        p: its p-value.
        mid, net: mean, and both ends of its interval, ticks.
        n: fires judged at the mid, and net.
        block_s, n_blocks: length and number of its blocks.
    """

    rankable: bool
    p: float
    mid: tuple[float, float, float]
    net: tuple[float, float, float]
    n: tuple[int, int]
    block_s: int
    n_blocks: int


def markets_of(kind: str, seed: int, n_bins: int) -> list[View]:
    """Return the market of a seed, or the markets that move together, at a time that is the seed's own."""
    if kind == "drift":
        made = [martingale(seed, n_bins, DRIFT, np.ones(n_bins, dtype=np.int64), **MARKETS["lively"])]
    elif kind == "together":
        made = moving_together(seed, n_bins, INSTRUMENTS, CORRELATION, MARKETS["lively"]["activity"])
    else:
        made = [martingale(seed, n_bins, **MARKETS[kind])]
    return [(at_own_time(view, seed), seen) for view, seen in made]


def at_own_time(view: DatasetView, seed: int) -> DatasetView:
    """Return a view at a time that is a seed's own, so that markets share no coins."""
    start, stop = (each + seed * _APART_NS for each in view.span)
    return replace(view, span=(start, stop))


def signals_of(kind: str) -> tuple[Signal, ...]:
    """Return the signals that are judged on markets of a kind."""
    if kind == "drift":
        return (always_long,)
    return tuple(each for each in SIGNALS if kind != "together" or each is not when_calm)


def judged(
    markets: Sequence[View],
    signals: Sequence[Signal],
    barriers: Sequence[tuple[int, int]] = BARRIERS,
    holds: Sequence[int] = HOLDS,
    base: EvaluationParameters | None = None,
) -> dict[Cell, Judged]:
    """Judge signals at every pair of barriers and holding time, on all the markets together."""
    resolved = (EvaluationParameters() if base is None else base).resolve(markets[0][0].cell_width_ms)
    evaluations = [replace(resolved.with_barriers(tp, sl), max_hold_bins=hold) for tp, sl in barriers for hold in holds]
    evidence: dict[Cell, list[Evidence]] = defaultdict(list)
    for view, seen in markets:
        passages = first_passage_tables(view, {each for pair in barriers for each in pair}, max(holds))
        timing = {"warmup_bins": resolved.warmup_bins, "cooldown_bins": resolved.cooldown_bins}
        fires = [find_fires(signal(seen), [THRESHOLD], **timing)[0] for signal in signals]
        for each in evaluations:
            table = outcome_table(passages, each)
            (part,) = parts_of(view, each, WHOLE)
            evaluated = evaluate_fires(view, table, part, fires, PartWalks.of(table, part))
            for signal, found in zip(signals, evaluated, strict=True):
                evidence[signal.__name__, int(each.tp_ticks), int(each.sl_ticks), each.max_hold_bins].append(
                    found.evidence
                )
    judgements: dict[Cell, Judged] = {}
    for each in evaluations:
        cells = [cell for cell in evidence if cell[1:] == (each.tp_ticks, each.sl_ticks, each.max_hold_bins)]
        for cell, one in zip(cells, judge_many([pooled(evidence[cell]) for cell in cells], each), strict=True):
            figures = one.figures
            judgements[cell] = Judged(
                rankable=not one.lacks,
                p=one.p_value,
                mid=(figures.mean_pnl_ticks, figures.mean_pnl_ticks_low, figures.mean_pnl_ticks_high),
                net=(figures.net_pnl_ticks, figures.net_pnl_ticks_low, figures.net_pnl_ticks_high),
                n=(figures.n_signals, figures.n_net),
                block_s=figures.block_s,
                n_blocks=figures.n_net_blocks,
            )
    return judgements


def of_seeds(kind: str, n_bins: int, seeds: Sequence[int]) -> Iterator[dict[Cell, Judged]]:
    """Yield what the signals of a kind of market came to, for each seed."""
    for seed in seeds:
        yield judged(markets_of(kind, seed, n_bins), signals_of(kind))


def summary(found: Sequence[Judged], *, fair: bool = True) -> dict[str, float]:
    """Return what one cell came to over its markets.

    Args:
        found: of each market.
        fair: the true mean at the mid is 0; otherwise it is, as the net one always is, the mean over all markets.
    """
    kept = [each for each in found if each.rankable]
    if not kept:
        return {"judged": 0, "left_out": len(found)}
    true_mid = 0.0 if fair else _pooled_mean([(each.mid[0], each.n[0]) for each in found])
    true_net = _pooled_mean([(each.net[0], each.n[1]) for each in found])
    return {
        "judged": len(kept),
        "left_out": len(found) - len(kept),
        "significant": float(np.mean([each.p <= SIGNIFICANCE_LEVEL for each in kept])),
        "covered_mid": float(np.mean([each.mid[1] <= true_mid <= each.mid[2] for each in kept])),
        "covered_net": float(np.mean([each.net[1] <= true_net <= each.net[2] for each in kept])),
        "true_net": true_net,
        "blocks": float(np.median([each.n_blocks for each in kept])),
        "block_s": float(np.median([each.block_s for each in kept])),
        "fires": float(np.median([each.n[1] for each in kept])),
    }


def monte_carlo_error(share: float, n: float) -> float:
    """Return the standard error of a share that was seen in n markets."""
    return float(np.sqrt(share * (1 - share) / n)) if n else float("nan")


def _pooled_mean(means: Sequence[tuple[float, int]]) -> float:
    total = sum(n for _, n in means)
    return sum(mean * n for mean, n in means if n) / total


def record(path: Path, kind: str, hours: float, seeds: Sequence[int]) -> dict[str, dict[str, float]]:
    """Judge markets one after the other and return the summary of each cell; a file holds it, and every market's."""
    cells: dict[Cell, list[Judged]] = defaultdict(list)
    found: dict[str, dict[str, float]] = {}
    for count, of_seed in enumerate(of_seeds(kind, round(hours * BINS_PER_HOUR), seeds), 1):
        for cell, each in of_seed.items():
            cells[cell].append(each)
        if count % _SAVED_EVERY and count != len(seeds):
            continue
        found = {label(cell): summary(each, fair=kind != "drift") for cell, each in cells.items()}
        rows = {label(cell): [list(vars(each).values()) for each in several] for cell, several in cells.items()}
        settings = {"kind": kind, "hours": hours, "seeds": [seeds[0], seeds[count - 1]]}
        path.write_text(json.dumps({**settings, "summary": found, "rows": rows}) + "\n", encoding="utf-8")
        print(f"{count} of {len(seeds)} markets", file=sys.stderr, flush=True)
    return found


def label(cell: Cell) -> str:
    """Return a cell in words."""
    signal, tp, sl, hold = cell
    return f"{signal} {tp}/{sl} hold {hold}"


def main(words: Sequence[str]) -> None:
    """Carry out what the command line asks for and print a line for each cell."""
    path, kind, hours, n = Path(words[0]), words[1], float(words[2]), int(words[3])
    first = int(words[4]) if len(words) > 4 else 0
    for name, each in record(path, kind, hours, range(first, first + n)).items():
        print(f"{name:32}", " ".join(f"{key} {value:.4g}" for key, value in each.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
