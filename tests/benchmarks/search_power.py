"""Whole searches: who wins among two hundred candidates that are all worth the same, and one edge among 1,152.

Markets are martingales whose moves lean on a direction that turns every 40 s or so, and everything is evaluated and
ranked by the functions that runs and `compare` use.

python -m tests.benchmarks.search_power worth HOURS TICKS CAMPAIGNS [LEAST]
python -m tests.benchmarks.search_power among MARKET CAMPAIGNS [KINSHIP]

LEAST is the least share of all time in which a candidate fires: 0.2 unless given, and 1 for fires at any time.
MARKET is quiet (the one that `martingale` makes unless told otherwise) or lively. KINSHIP is the correlation of the
scores of a dozen, as variants of one signal have it: 0 unless given.
"""

import functools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter  # type: ignore[import-untyped]  # scipy ships no types

from tests.benchmarks.calibration import BINS_PER_HOUR, WHOLE, at_own_time, monte_carlo_error
from tests.evaluation.paths import martingale
from tests.evaluation.plain_signals import along_the_lean
from tests.results.ledgers import entered
from vpharness.evaluation import (
    DatasetView,
    EvaluationParameters,
    Fires,
    ResolvedEvaluation,
    evaluate_fires,
    find_fires,
    first_passage_tables,
    outcome_table,
    parts_of,
)
from vpharness.evaluation.significance import SIGNIFICANCE_LEVEL
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked, rank

DEFAULT: Final = EvaluationParameters().resolve(100.0)
LIVELY: Final = (0.3, 0.9)
QUIET: Final = (0.05, 0.3)

ALIKE: Final = 200
"""Candidates that share a lean: each fires along it, at times of its own."""
SHARES: Final = (0.2, 1.0)
"""Each fires in spells of its own, of a minute on average, which take up a share of all time from this range."""
GAPS: Final = (10.0, 300.0)
"""Mean bins between two fires within a spell, beyond the cooldown: from this range, evenly in ratio."""
SPELL_BINS: Final = 600
WORTH_SEEDS: Final = range(9000, 9006)
"""Markets of 20 hours on which it is measured what a lean is worth."""
WORTH_HOURS: Final = 20
LARGEST_EDGE: Final = 0.16
"""Worth more than two ticks."""

SCORES: Final = 192
KIN: Final = 12
"""Scores that may be variants of one another."""
THRESHOLDS: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
MEMORY_BINS: Final = (30.0, 600.0)
EDGE: Final = 0.25


@dataclass(frozen=True)
class Lean:
    """How far moves lean, and the cost of a round trip, in ticks, that makes fires along it worth what is wanted."""

    edge: float
    cost_ticks: float


@functools.cache
def worth(edge: float) -> float:
    """Return the mean net P&L in ticks of an entry along the lean, over all bins of long markets."""
    total, n = 0.0, 0
    for seed in WORTH_SEEDS:
        view, seen = martingale(seed, WORTH_HOURS * BINS_PER_HOUR, edge, activity=LIVELY)
        table = _table(view, DEFAULT)
        inside = slice(DEFAULT.warmup_bins, view.n_bins - DEFAULT.net_reach_bins)
        pnl = np.asarray(table.net_pnl)[:, inside]
        along = np.where(seen["lean"][inside] > 0, pnl[0], pnl[1])
        total, n = total + float(along.sum()), n + len(along)
    return total / n


def lean_worth(ticks: float, step: float = 0.01) -> Lean:
    """Return the least lean, in steps, that is worth at least so many ticks, and the cost that takes off the rest."""
    low, high = 0, round(LARGEST_EDGE / step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if worth(middle * step) >= ticks else (middle, high)
    return Lean(high * step, worth(high * step) - ticks)


def alike(seed: int, hours: float, lean: Lean, least_share: float = SHARES[0]) -> list[Ranked]:
    """Rank candidates that all fire along the lean of one market."""
    view, seen = martingale(seed, round(hours * BINS_PER_HOUR), lean.edge, activity=LIVELY)
    rng = np.random.default_rng([seed, 4])
    direction = seen["lean"].astype(np.int8)
    fires = []
    shares = rng.uniform(least_share, SHARES[1], size=ALIKE)
    gaps = np.exp(rng.uniform(math.log(GAPS[0]), math.log(GAPS[1]), size=ALIKE))
    for share, gap in zip(shares, gaps, strict=True):
        bins = _times(rng, view.n_bins, share, gap)
        fires.append(Fires(bins, direction[bins]))
    return rank(_entered(at_own_time(view, seed), fires, replace(DEFAULT, cost_ticks=lean.cost_ticks)))


def _times(rng: np.random.Generator, n_bins: int, share: float, gap: float) -> NDArray[np.int64]:
    """Return the bins of fires at random times in random spells."""
    between = DEFAULT.cooldown_bins + rng.geometric(1 / gap, 1 + int(n_bins / (DEFAULT.cooldown_bins + gap / 2)))
    bins = DEFAULT.warmup_bins + np.cumsum(between)
    bins = bins[bins < n_bins]
    # A spell of its own begins anew, or not, at the end of each.
    spell = np.cumsum(rng.random(n_bins) < 1 / SPELL_BINS)
    on = rng.random(spell[-1] + 1) < share
    kept: NDArray[np.int64] = bins[on[spell[bins]]].astype(np.int64)
    return kept


def among(seed: int, activity: tuple[float, float], edge: float = EDGE, kinship: float = 0.0) -> Ranked:
    """Return what became of the one candidate that fires along the lean, in an hour, among many that know nothing."""
    view, seen = martingale(seed, BINS_PER_HOUR, edge, activity=activity)
    timing: dict[str, Any] = {"warmup_bins": DEFAULT.warmup_bins, "cooldown_bins": DEFAULT.cooldown_bins}
    fires = list(find_fires(along_the_lean(seen), [1.0], **timing))
    for score in _scores(seed, view.n_bins, kinship):
        fires += find_fires(score, THRESHOLDS, **timing)
    candidates = _entered(at_own_time(view, seed), fires[: SCORES * len(THRESHOLDS)], DEFAULT)
    (right,) = rank(candidates, candidates[:1])
    return right


def _scores(seed: int, n_bins: int, kinship: float) -> Iterator[NDArray[np.float64]]:
    """Yield scores x_t = φ x_{t-1} + noise of variance 1; those of a dozen share a part of their noise."""
    common = np.zeros(n_bins)
    for number, memory in enumerate(np.geomspace(*MEMORY_BINS, SCORES)):
        if kinship and number % KIN == 0:
            common = np.random.default_rng([seed, 6, number]).normal(size=n_bins)
        decay = np.exp(-1 / memory)
        noise = np.random.default_rng([seed, 5, number]).normal(size=n_bins)
        noise = np.sqrt(kinship) * common + np.sqrt(1 - kinship) * noise
        noise[1:] *= np.sqrt(1 - decay**2)
        yield lfilter([1.0], [1.0, -decay], noise)


def _table(view: DatasetView, evaluation: ResolvedEvaluation) -> Any:
    barriers = (evaluation.tp_ticks, evaluation.sl_ticks)
    return outcome_table(first_passage_tables(view, barriers, evaluation.max_hold_bins), evaluation)


def _entered(view: DatasetView, fires: Sequence[Fires], evaluation: ResolvedEvaluation) -> list[LedgerCandidate]:
    (part,) = parts_of(view, evaluation, WHOLE)
    evaluated = evaluate_fires(view, _table(view, evaluation), part, fires)
    return [entered(f"candidate {n:04d}", each.evidence, evaluation, view) for n, each in enumerate(evaluated)]


def _share(hits: Sequence[bool]) -> str:
    share = float(np.mean(hits))
    return f"{sum(hits)} of {len(hits)} ({100 * share:.0f} ± {100 * monte_carlo_error(share, len(hits)):.0f} %)"


def worth_campaigns(
    hours: float, ticks: float, campaigns: Sequence[int], least_share: float = SHARES[0]
) -> Iterator[str]:
    """Yield what campaigns among candidates worth so many ticks came to, after every tenth and the last."""
    lean = lean_worth(ticks)
    yield f"worth {ticks:g} ticks: edge {lean.edge:g}, cost {lean.cost_ticks:.3f} ticks"
    found: list[list[Ranked]] = []
    for campaign in campaigns:
        found.append([each for each in alike(campaign, hours, lean, least_share) if each.p_adjusted is not None])
        if len(found) % 10 and len(found) != len(campaigns):
            continue
        own = [any(each.judgement.figures.net_pnl_ticks_low > 0 for each in ranked) for ranked in found]
        means = [np.mean([each.judgement.figures.net_pnl_ticks for each in ranked]) for ranked in found]
        yield (
            f"{hours:g} h at {ticks:g} ticks: a winner in {_share([ranked[0].winner for ranked in found])}, p_adjusted "
            f"<= 0.05 in {_share([any(map(_significant, ranked)) for ranked in found])}, some own "
            f"interval above 0 in {_share(own)}; "
            f"rankable {np.median([len(ranked) for ranked in found]):g}, net {np.mean(means):.3f} "
            f"± {np.std(means) / np.sqrt(len(means)):.3f} ticks"
        )


def among_campaigns(market: str, campaigns: Sequence[int], kinship: float = 0.0) -> Iterator[str]:
    """Yield what the one edge among many came to, after every tenth campaign and the last."""
    found: list[Ranked] = []
    for campaign in campaigns:
        found.append(among(campaign, LIVELY if market == "lively" else QUIET, kinship=kinship))
        if len(found) % 10 and len(found) != len(campaigns):
            continue
        figures = [each.judgement.figures for each in found]
        yield (
            f"{market} hour at edge {EDGE:g}: p_adjusted <= 0.05 in {_share([_significant(each) for each in found])}, "
            f"p_value in {_share([each.judgement.p_value <= SIGNIFICANCE_LEVEL for each in found])}, a winner in "
            f"{_share([each.winner for each in found])}, could win {_share([each.could_win for each in found])}; "
            f"rankable {np.median([each.family.n_rankable for each in found]):g}, "
            f"{np.median([each.n_net_blocks for each in figures]):g} blocks of "
            f"{np.median([each.block_s for each in figures]):g} s, "
            f"net {np.mean([each.net_pnl_ticks for each in figures]):.2f} ticks"
        )


def _significant(ranked: Ranked) -> bool:
    return ranked.p_adjusted is not None and ranked.p_adjusted <= SIGNIFICANCE_LEVEL


def main(words: Sequence[str]) -> None:
    """Carry out what the command line asks for, and print how far it has come."""
    if words[0] == "worth":
        lines = worth_campaigns(float(words[1]), float(words[2]), range(int(words[3])), *map(float, words[4:]))
    else:
        lines = among_campaigns(words[1], range(int(words[2])), *map(float, words[3:]))
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
