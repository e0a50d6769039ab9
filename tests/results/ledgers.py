"""A small ledger to rank: two made-up markets, a signal that knows what is coming, and others that do not."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.evaluation.paths import martingale
from vpharness.commands.ledger_access import views_in
from vpharness.datasets.lake import Lake
from vpharness.evaluation import (
    TEST,
    DatasetView,
    EvaluationParameters,
    Evidence,
    Fires,
    Market,
    ResolvedEvaluation,
    SplitParameters,
)
from vpharness.results.holdout import HoldoutResult, open_holdouts
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import rank
from vpharness.results.reevaluation import reevaluate
from vpharness.results.store import store_in

EVALUATION: Final = EvaluationParameters(max_hold_bins=40, warmup_bins=10, null_draws=999)
N_BINS: Final = 6000
ACTIVITY: Final = (0.3, 0.9)
EDGE: Final = 0.6
ERRING: Final = 0.12
"""Who knows which way moves lean errs now and then, as often as it takes to have met both barriers."""
NEWEST_NS: Final = 1_704_205_800_000_000_000
MARKETS: Final = {"north": 1, "south": 2}


@functools.cache
def view_of(dataset_id: str, checksum: str) -> DatasetView:  # the shape of a ViewOf
    """Return one of the two markets."""
    return replace(martingale(MARKETS[dataset_id], N_BINS, EDGE, activity=ACTIVITY)[0], name=dataset_id)


def trial(
    dataset_id: str,
    candidate_id: str,
    seed: int,
    *,
    every: int = 60,
    knows: bool = False,
    signal: str = "guess",
    threshold: str = "0.1",
    parameters: dict[str, Any] | None = None,
    split: str = "none",
    campaigns: frozenset[str] = frozenset(),
    **evaluation: float,
) -> Trial:
    """Return a candidate's trial on one market: a fire at random every so many bins, or where moves lean to."""
    rng = np.random.default_rng([seed, MARKETS[dataset_id]])
    bins = np.sort(rng.choice(np.arange(10, N_BINS - 100), N_BINS // every, replace=False))
    lean = martingale(MARKETS[dataset_id], N_BINS, EDGE, activity=ACTIVITY)[1]["lean"]
    known = np.where(rng.random(len(bins)) < ERRING, -1, 1) * lean[bins]
    directions = (known if knows else rng.choice([-1, 1], len(bins))).astype(np.int8)
    resolved = EVALUATION.resolve(100)
    barriers = {"tp_ticks": evaluation.pop("tp_ticks", 6.0), "sl_ticks": evaluation.pop("sl_ticks", 3.0)}
    return with_evidence(
        Trial(
            candidate_id=candidate_id,
            run_id=f"{candidate_id} on {dataset_id}",
            dataset_id=dataset_id,
            dataset_checksum=f"checksum of {dataset_id}",
            signal=signal,
            parameters={"window": 50, "thresholds": [0.1, 0.2], **(parameters or {})},
            threshold_label=threshold,
            evaluation=resolved.with_barriers(**barriers),
            split=SplitParameters(kind=split),
            judged_part="all" if split == "none" else "train",
            fires=Fires(bins, directions),
            campaigns=campaigns,
            created_ns=NEWEST_NS - seed,
            market=Market(dataset_id),
            first_bin_start_ns=view_of(dataset_id, "").span[0],
            bins=N_BINS,
        )
    )


def with_evidence(trial: Trial) -> Trial:
    """Return a trial with the evidence of its fires on its market, unless the market is kept for the test."""
    if trial.judged_part == TEST:
        return replace(trial, evidence=None)
    (found,) = reevaluate([trial], view_of, lambda each: each.judged_part).values()
    return replace(trial, evidence=found)


def candidate(candidate_id: str, seed: int, markets: tuple[str, ...] = ("north",), **trials: Any) -> LedgerCandidate:
    """Return a candidate with a trial on each of some markets."""
    return LedgerCandidate(candidate_id, tuple(trial(market, candidate_id, seed, **trials) for market in markets))


def entered(
    name: str,
    evidence: Evidence,
    evaluation: ResolvedEvaluation,
    view: DatasetView,
    *,
    market: Market | None = None,
    created_ns: int = NEWEST_NS,
) -> LedgerCandidate:
    """Return evidence from the whole of a market as a candidate with one trial, to be ranked among others."""
    trial = Trial(
        candidate_id=name,
        run_id=f"{name} on {view.name}",
        dataset_id=view.name,
        dataset_checksum=view.checksum,
        signal=name,
        parameters={},
        threshold_label="1",
        evaluation=evaluation,
        split=SplitParameters(kind="none"),
        judged_part="all",
        fires=Fires.from_signed([]),
        market=Market(view.name) if market is None else market,
        first_bin_start_ns=view.span[0],
        bins=view.n_bins,
        evidence=evidence,
        created_ns=created_ns,
    )
    return LedgerCandidate(name, (trial,))


def opened_test(folder: Path, candidate_id: str) -> HoldoutResult:
    """Open the test of a candidate that has too little data for the command to open it."""
    lake = Lake(folder / "lake")
    store = store_in(lake.root)
    ledger = read_ledger(store)
    (found,) = [each for each in rank(ledger) if each.candidate.candidate_id == candidate_id]
    (opened,) = open_holdouts([found], ledger, store, views_in(lake))
    assert opened.holdout is not None
    return opened.holdout
