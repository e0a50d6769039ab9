"""Plots as Matplotlib figures, drawn as the report draws them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vpharness.api.data import DatasetTables
from vpharness.api.folders import Folder, lake_in
from vpharness.commands.compare import compared
from vpharness.commands.ledger_access import readable_ledger, views_in
from vpharness.config.command_schemas import CompareCommand
from vpharness.errors import ConfigError
from vpharness.prices import has_mid
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.report.candidates import varied_names
from vpharness.results.report.charts import GOOD_COLOUR, GREY, painted, thinned, zero_line
from vpharness.results.report.equity import HEIGHT_INCHES, MOST_DATASETS, PRICE_COLUMNS, paint_paths, path_of
from vpharness.results.report.threshold_curves import MOST_CURVES, curves_of, curves_size, paint_curves
from vpharness.results.store import store_in


def plot_equity(candidate: str | Mapping[str, Any] | pd.Series, *, lake: Folder | None = None) -> Figure:
    """Return a candidate's fires over the price, and below it what they earned net, summed in their order.

    Args:
        candidate: its id or how that begins, or a row of `results`.
        lake: the folder of datasets and results.

    Raises VpharnessError where no candidate or several are meant, and where the dataset is not as it was.
    """
    found = lake_in(lake)
    wanted = candidate if isinstance(candidate, str) else str(candidate["candidate_id"])
    chosen = _the_candidate(readable_ledger(store_in(found.root), found), wanted)
    view_of = views_in(found)
    paths = [path_of(trial, view_of(*trial.dataset)) for trial in chosen.choosing[:MOST_DATASETS]]
    if not paths:
        raise ConfigError(f"candidate {wanted} ran on datasets that are kept for the test alone; nothing was judged")
    return painted(HEIGHT_INCHES, partial(paint_paths, paths))


def _the_candidate(ledger: list[LedgerCandidate], wanted: str) -> LedgerCandidate:
    found = [each for each in ledger if each.candidate_id.startswith(wanted)]
    if len(found) != 1:
        known = f"{len(found)} candidates begin so" if found else "no candidate of the ledger begins so"
        raise ConfigError(f"candidate is {wanted!r}; {known}: vp.results() has the ids")
    return found[0]


def plot_thresholds(
    *,
    signal: str | None = None,
    dataset: str | None = None,
    campaign: str | None = None,
    min_signals: int = CompareCommand.min_signals,
    lake: Folder | None = None,
) -> Figure:
    """Return the net mean with its interval at each threshold, a panel for each of the best parameter sets.

    Hollow marks have too little data to be ranked. The arguments choose candidates as those of `results` do.

    Raises VpharnessError where no parameter set was tried at several thresholds.
    """
    asked = CompareCommand(
        lake=str(lake_in(lake).root),
        of_signal=signal,
        campaign=campaign,
        min_signals=min_signals,
        mixed_horizon=True,
    )
    ranked = compared(asked, dataset).ranked
    curves = curves_of(ranked)[:MOST_CURVES]
    if not curves:
        raise ConfigError("nothing that can be ranked was tried at several thresholds; give signal.thresholds several")
    height, share = curves_size(len(curves))
    return painted(height, partial(paint_curves, curves, varied_names(ranked)), share=share)


def plot_scores(scores: NDArray[np.float64], dataset: DatasetTables, *, threshold: float | None = None) -> Figure:
    """Return the mid price of a dataset, and below it the scores of a signal, with the threshold where one is given.

    Args:
        scores: [bins] as `score` gives them.
        dataset: as `dataset` gives it.
        threshold: a score of more than this, or less than its negative, fires.

    Raises ConfigError where there is not one score for each bin.
    """
    bins = dataset.manifest.bins
    if np.shape(scores) != (bins,):
        raise ConfigError(f"scores have the shape {np.shape(scores)}; dataset {dataset.id} has {bins} bins")
    hours: NDArray[np.float64] = np.arange(bins, dtype=np.float64) * (dataset.manifest.cell_width_ms / 3_600_000)
    mid = dataset.bins["mid_price"].to_numpy(np.float64)
    price: NDArray[np.float64] = np.where(has_mid(mid, dataset.bins["book_valid"].to_numpy(np.bool_)), mid, np.nan)

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        above.plot(*thinned(hours, price, PRICE_COLUMNS), color=GREY, linewidth=0.7)
        above.set_ylabel("mid price")
        above.set_title(dataset.id)
        zero_line(below)
        below.plot(*thinned(hours, np.asarray(scores, np.float64), PRICE_COLUMNS), color=GOOD_COLOUR, linewidth=0.7)
        _mark_threshold(below, threshold)
        below.set_ylabel("score")
        below.set_xlabel("hours from the first bin on")

    return painted(HEIGHT_INCHES, paint)


def _mark_threshold(axes: Axes, threshold: float | None) -> None:
    for level in () if threshold is None else (threshold, -threshold):
        axes.axhline(level, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
