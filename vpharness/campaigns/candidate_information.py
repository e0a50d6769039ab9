"""How well the scores of a candidate agree with what came after: computed anew from its datasets, and only described.

Nothing here is kept in the ledger or enters a p-value. A part that was kept for the test stays closed: bins, moves and
labels are those of the part that chose, and end where its walks must.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.campaigns.dataset_cache import DatasetCache
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, DatasetError, ResultsError
from vpharness.evaluation import DatasetView, Part, parts_of
from vpharness.evaluation.information_coefficient import (
    HORIZONS_BINS,
    ScoredMoves,
    blocks_of_bins,
    moves_ahead,
    pooled_coefficient,
    pooled_deciles,
)
from vpharness.evaluation.label_figures import LabelFigures, label_figures
from vpharness.learning import LearnedRun, labels_of
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.learning.importances import permutation_importances
from vpharness.modules import PermittedModules
from vpharness.results.audits import FITTED_ON
from vpharness.results.information_rows import DECILE_BINS, FeatureImportance, Information
from vpharness.results.ledger import LedgerCandidate, Trial
from vpharness.results.store import META, Store, read
from vpharness.results.table_schemas import rows_of_runs
from vpharness.signals import LearnedParameters, LearnedSignal, Signal, digest, feature_names, resolve, score
from vpharness.signals.core.learned import MOVE, NONE

Floats = NDArray[np.float64]
_OF_FITS: Final = frozenset({"first_fit_bins", "min_train_bins"})


@dataclass(frozen=True)
class _Scored:
    """A candidate on one dataset: its view, the part that chose, and its scores [T].

    Attributes:
        threshold: the |score| at which it fires there.
        least_block_s: the length of the blocks that its fires were judged over.
        run: the fits of a learned signal; None for any other.
        radius: of the grid: cells lie at |k| <= radius.
    """

    view: DatasetView
    part: Part
    scores: Floats
    threshold: float
    least_block_s: int
    run: LearnedRun | None
    radius: int

    def followed_by(self, values: Floats, reach_bins: int) -> ScoredMoves:
        """Return scores with values [T] that look so far ahead: those of the part's bins that do so within it."""
        view = self.view
        blocks = blocks_of_bins(view.span[0], view.n_bins, view.cell_width_ms, reach_bins, self.least_block_s)
        shown = slice(self.part.first_fire, max(min(self.part.stop, self.part.limit - reach_bins), 0))
        return ScoredMoves.of(self.scores[shown], values[shown], blocks[shown])


def information_of(
    candidate: LedgerCandidate, lake: Lake, store: Store, modules: PermittedModules, *, importances: bool = True
) -> Information:
    """Return how well a candidate's scores agree with later moves, over the datasets that it was judged on.

    Args:
        candidate: the candidate.
        lake: where its datasets are.
        store: its results.
        modules: those that its signal may come from.
        importances: whether features are shuffled too, which takes longest.

    Raises VpharnessError where a dataset, or the signal as it was, is not at hand.
    """
    found = [_scored(trial, lake, store, modules) for trial in candidate.counted]
    if not found:
        raise ResultsError(
            f"candidate {candidate.candidate_id} was judged on no dataset: there are no scores to look at"
        )
    run = found[0].run
    label = None if run is None else run.params.label
    reach = DECILE_BINS if run is None or label == NONE else run.params.reach_bins
    moves = {h: [each.followed_by(_moves(each.view, h), h) for each in found] for h in {*HORIZONS_BINS, reach}}
    of_labels: LabelFigures | None = None
    features: tuple[FeatureImportance, ...] = ()
    if run is not None:
        of_labels = None if label == NONE else _labels(run.params, found)
        features = _importances(found, reach) if importances else ()
    return Information(
        candidate_id=candidate.candidate_id,
        signal=candidate.first.signal,
        threshold_label=candidate.first.threshold_label,
        datasets=len(found),
        cell_width_ms=found[0].view.cell_width_ms,
        coefficients={h: pooled_coefficient(moves[h]) for h in HORIZONS_BINS},
        decile_bins=reach,
        deciles=pooled_deciles(moves[reach]),
        labels=of_labels,
        importances=features,
    )


def is_learned(candidate: LedgerCandidate) -> bool:
    """Whether a candidate's signal is learned: it has the parameters of fits."""
    return candidate.first.parameters.keys() >= _OF_FITS


def _moves(view: DatasetView, horizon: int) -> Floats:
    return moves_ahead(np.where(view.has_mid, view.mid, np.nan) / view.tick_size, horizon)


def _labels(params: LearnedParameters, found: Sequence[_Scored]) -> LabelFigures:
    reach = params.reach_bins
    parts = [each.followed_by(labels_of(each.view, params), reach) for each in found]
    words = (
        f"the move over {params.horizon_bins} bins"
        if params.label == MOVE
        else f"a touch of {params.label_ticks:g} ticks within {params.label_bins} bins"
    )
    return label_figures(words, parts, [each.threshold for each in found])


def _importances(found: Sequence[_Scored], reach: int) -> tuple[FeatureImportance, ...]:
    """Return the importances on the last dataset: each has fits of its own."""
    each = found[-1]
    if each.run is None:
        return ()
    params, view = each.run.params, each.view
    wanted = _moves(view, reach) if params.label == NONE else labels_of(view, params)
    blocks = blocks_of_bins(view.span[0], view.n_bins, view.cell_width_ms, reach, each.least_block_s)
    stop = max(min(each.part.stop, each.part.limit - reach), 0)
    bins = np.arange(each.part.first_fire, stop)
    bins = bins[np.isfinite(each.scores[bins]) & np.isfinite(wanted[bins])]
    losses = permutation_importances(each.run, bins, wanted[bins], blocks[bins])
    names = feature_names(each.run.signal, params, cell_width_ms=view.cell_width_ms, radius=each.radius)
    return tuple(FeatureImportance(lost.feature, lost.loss, names[lost.feature]) for lost in losses)


def _scored(trial: Trial, lake: Lake, store: Store, modules: PermittedModules) -> _Scored:
    dataset = find_dataset(lake, trial.dataset_id)
    if dataset.checksum != trial.dataset_checksum:
        raise ResultsError(
            f"dataset {trial.dataset_id} is no longer the one that run {trial.run_id} was made on; restore it"
        )
    row = next(row for row in read(store, META) if row["run_id"] == trial.run_id)
    modules.check(row["signal_target"])
    signal: Signal[Any] = resolve(row["signal_target"])
    params = _parameters(signal, trial)
    if digest(signal, params) != trial.signal_digest:
        raise ConfigError(
            f"the code of {row['signal_target']} has changed since run {trial.run_id}: its scores would be others; run "
            "the signal again, and look at that candidate"
        )
    rows = rows_of_runs(store, [trial.run_id])[trial.run_id]
    threshold = next(float(each["threshold"]) for each in rows if each["candidate_id"] == trial.candidate_id)
    cache, run = DatasetCache.of(dataset), None
    if isinstance(signal, LearnedSignal):
        run = cache.learned_run(signal, params, datasets_fitted_on(store, lake)(trial.run_id))
        scores = run.scores()
    else:
        width, valid = dataset.manifest.cell_width_ms, cache.view.book_valid
        scores = score(signal, params, cache.inputs(signal), cell_width_ms=width, valid=valid)
    (part,) = [each for each in parts_of(cache.view, trial.evaluation, trial.split) if each.name == trial.judged_part]
    least_s = 1 if trial.evidence is None else trial.evidence.blocks.seconds
    return _Scored(cache.view, part, scores, threshold, least_s, run, dataset.manifest.radius)


def datasets_fitted_on(store: Store, lake: Lake) -> Callable[[str], EarlierDatasets | None]:
    """Return how to find the datasets before that a run was fitted on, by its id; None for one fitted on its own.

    That raises DatasetError where one of them is not at hand, or not what it was.
    """

    def of(run_id: str) -> EarlierDatasets | None:
        row = next(row for row in read(store, META) if row["run_id"] == run_id)
        named = json.loads(row["identity"]).get(FITTED_ON, ())
        found = tuple(find_dataset(lake, each["id"]) for each in named)
        for dataset, each in zip(found, named, strict=True):
            if dataset.checksum != each["checksum"]:
                raise DatasetError(
                    f"dataset {each['id']}, which run {run_id} was fitted on, is not what it was; restore it, or run "
                    "again"
                )
        return EarlierDatasets(found) if found else None

    return of


def _parameters(signal: Signal[Any], trial: Trial) -> Any:
    known = {field.name for field in dataclasses.fields(signal.parameters)}
    if unknown := [name for name in trial.parameters if name not in known]:
        raise ConfigError(
            f"signal {trial.signal} has no parameter {', '.join(unknown)} any more, which run {trial.run_id} had; run "
            "the signal again"
        )
    return signal.parameters(**trial.parameters)
