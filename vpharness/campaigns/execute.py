"""Carrying out a run: the score over the grid, its fires, their outcomes, and what they come to."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpharness.campaigns.spec import RunSpec
from vpharness.datasets.find import Dataset
from vpharness.datasets.read import Loaded, load
from vpharness.evaluation import (
    CandidateEvaluation,
    DatasetView,
    Judgement,
    Part,
    evaluate_with,
    first_passage_tables,
    judge,
    outcome_table,
    parts_of,
    quantile_thresholds,
)
from vpharness.signals import score


@dataclass(frozen=True)
class Candidate:
    """One threshold of a run: its label, its fires by part, and what the part that chooses says of it."""

    candidate_id: str
    label: str  # the threshold itself, or its percentile such as "q90"
    evaluation: CandidateEvaluation
    judgement: Judgement  # of the judged part: never the test part of a split by time


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to."""

    spec: RunSpec
    judged_part: str
    bin_seq: NDArray[np.int64]  # [T]
    score: NDArray[np.float64]  # [T]; NaN where the book is not valid
    candidates: tuple[Candidate, ...]
    view: DatasetView
    seconds: float


def view_of(dataset: Dataset, checksum: str, loaded: Loaded) -> DatasetView:
    """Return what evaluation sees of a dataset."""
    manifest, bins = dataset.manifest, loaded.bins
    touch = manifest.has_best_prices
    return DatasetView(
        name=manifest.dataset_id,
        checksum=checksum,
        span=(manifest.first_bin_start_ns, manifest.last_bin_end_ns),
        tick_size=manifest.tick_size,
        cell_width_ms=manifest.cell_width_ms,
        mid=bins["mid_price"].astype(np.float64),
        book_valid=bins["book_valid"].astype(np.bool_),
        best_bid=bins["best_bid_price_int"].astype(np.int64) if touch else None,
        best_ask=bins["best_ask_price_int"].astype(np.int64) if touch else None,
    )


def execute(spec: RunSpec) -> RunOutcome:
    """Carry out one run.

    Raises DatasetError where the dataset is too short or lacks a column, and ConfigError where thresholds cannot be
    chosen.
    """
    begun = time.perf_counter()
    loaded = load(spec.dataset, spec.signal.columns)
    view = view_of(spec.dataset, spec.dataset_checksum, loaded)
    parts = parts_of(view, spec.resolved, spec.split)
    scores = score(
        spec.signal,
        spec.parameters,
        loaded.grid,
        cell_width_ms=spec.dataset.manifest.cell_width_ms,
        valid=view.book_valid,
    )
    labels, thresholds = _thresholds(spec, scores, parts)
    tables = first_passage_tables(view, (spec.resolved.tp_ticks, spec.resolved.sl_ticks), spec.resolved.max_hold_bins)
    found = evaluate_with(view, outcome_table(tables, spec.resolved), parts, scores, thresholds)
    judged = parts[0].name
    candidates = tuple(
        Candidate(spec.candidate_id(label), label, evaluation, judge([evaluation.parts[judged]]))
        for label, evaluation in zip(labels, found, strict=True)
    )
    return RunOutcome(spec, judged, loaded.bins["bin_seq"], scores, candidates, view, time.perf_counter() - begun)


def _thresholds(
    spec: RunSpec, scores: NDArray[np.float64], parts: tuple[Part, ...]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the thresholds with their labels: those given, or quantiles over the training part."""
    given, percentiles = spec.parameters.thresholds, spec.parameters.threshold_quantiles
    if given:
        return tuple(f"{threshold:g}" for threshold in given), tuple(given)
    chosen = quantile_thresholds([scores], [parts[0]], [percentile / 100 for percentile in percentiles])
    return tuple(f"q{percentile:g}" for percentile in percentiles), chosen
