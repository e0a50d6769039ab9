"""The ledger with the datasets of its lake: what a result needs beside its own rows, read when it is needed."""

import sys
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np

from vpharness.campaigns.dataset_views import view_of
from vpharness.campaigns.market_identity import market_of
from vpharness.commands.text.varied_settings import LatticeOf
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.datasets.read import load
from vpharness.errors import DatasetError, ResultsError
from vpharness.evaluation import DatasetView, parts_of
from vpharness.results.advice import Moves, moves_over
from vpharness.results.ledger import (
    DatasetKey,
    LedgerCandidate,
    Trial,
)
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import Ranked, restricted
from vpharness.results.reevaluation import needs_dataset, trials_without_evidence, with_missing_evidence
from vpharness.results.store import Store


def views_in(lake: Lake, *, computes: bool = True) -> Callable[[str, str], DatasetView]:
    """Return how to find what evaluation sees of a dataset: the last few are kept, however many there are.

    Where it may not compute anything, fates of resting orders are those that the cache has.
    """

    @lru_cache(maxsize=8)
    def view(dataset_id: str, checksum: str) -> DatasetView:
        dataset = find_dataset(lake, dataset_id)
        if dataset.checksum != checksum:
            raise ResultsError(
                f"dataset {dataset_id} is no longer the one that runs in the store were made on; "
                "restore it, or use another lake"
            )
        return view_of(dataset, load(dataset), computes=computes)

    return view


def readable_ledger(store: Store, lake: Lake) -> list[LedgerCandidate]:
    """Return the candidates of the ledger, judged by the rules of this version.

    Rows of an earlier version are judged anew where their dataset is at hand and as it was; those left out are printed.
    """
    ledger = read_ledger(store)
    needed = {trial.dataset for trial in trials_without_evidence(ledger)}
    if not needed:
        return ledger
    lost: dict[DatasetKey, str] = {}
    for key in sorted(needed):
        try:
            changed = find_dataset(lake, key[0]).checksum != key[1]
            lost |= {key: f"dataset {key[0]} is not the one any more that it was"} if changed else {}
        except DatasetError as error:
            lost[key] = str(error)
    for reason in lost.values():
        print(f"vpharness: results of an earlier version are left out: {reason}", file=sys.stderr)
    kept = restricted(ledger, lambda run: not (isinstance(run, Trial) and needs_dataset(run) and run.dataset in lost))
    return with_missing_evidence(kept, views_in(lake), lambda dataset_id, _: market_of(find_dataset(lake, dataset_id)))


def lattices_in(lake: Lake | None) -> LatticeOf:
    """Return how to find the parameters of a dataset's lattice; there are none where it is not in the lake."""

    @cache
    def lattice(dataset_id: str) -> Mapping[str, Any]:
        if lake is None:
            return {}
        try:
            return dict(find_dataset(lake, dataset_id).manifest.lattice or {})
        except DatasetError:
            return {}

    return lattice


def moves_of(ranked: Ranked, lake: Lake | None) -> Moves | None:
    """Return how far price moves over a candidate's hold, in the part of its first dataset that chooses.

    None where that dataset is not at hand, or not what it was.
    """
    trial = ranked.candidate.first
    if lake is None:
        return None
    try:
        view = views_in(lake)(*trial.dataset)
        parts = parts_of(view, trial.evaluation, trial.split)
    except (DatasetError, ResultsError):
        return None
    part = next(each for each in parts if each.name == trial.judged_part)
    chosen = slice(part.start, part.stop)
    valid = view.book_valid[chosen]
    mid = np.where(valid, view.mid[chosen] / view.tick_size, np.nan)
    spread = None
    if view.best_bid is not None and view.best_ask is not None:
        spread = np.where(valid, (view.best_ask - view.best_bid)[chosen] / (view.tick_size * 1e9), np.nan)
    return moves_over(mid, spread, trial.evaluation.max_hold_bins, ranked.hold_s)
