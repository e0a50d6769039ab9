"""The run that is to be promoted, computed again over its whole dataset: the reference for the live session."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.audit import AuditReport, audit
from vpharness.datasets.find import Dataset
from vpharness.datasets.read import Loaded, load
from vpharness.errors import PromotionError
from vpharness.evaluation import Part, find_fires, parts_within
from vpharness.evaluation.dataset_view import view_of_bins
from vpharness.execution.order_table import order_table
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.learning import AUDITED_FITS, FitRecord, LearnedRun, audit_fits
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.promotion.agreement import BinOutputs
from vpharness.promotion.selection import SelectedCandidate
from vpharness.signals import LearnedParameters, LearnedSignal, Signal, SignalParameters, features, score


@dataclass(frozen=True)
class BatchRun:
    """A candidate on its dataset of T bins.

    Attributes:
        candidate: the candidate and its run.
        dataset: its dataset.
        loaded: the dataset's bins, and the columns that the signal reads.
        parts: the parts of the dataset: the training part, and behind it the test part where there is one.
        earlier: the datasets before, where its weights are fitted on these.
    """

    candidate: SelectedCandidate
    dataset: Dataset
    loaded: Loaded
    parts: tuple[Part, ...]
    earlier: EarlierDatasets | None = None

    @classmethod
    def of(cls, candidate: SelectedCandidate, dataset: Dataset, earlier: EarlierDatasets | None = None) -> "BatchRun":
        """Read the dataset. Raises DatasetError where it cannot be read."""
        trial, manifest = candidate.trial, dataset.manifest
        parts = parts_within(manifest.dataset_id, manifest.bins, trial.evaluation, trial.split)
        return cls(candidate, dataset, load(dataset, candidate.signal.columns), parts, earlier)

    @property
    def signal(self) -> Signal[Any]:
        """The signal."""
        return self.candidate.signal

    @property
    def params(self) -> SignalParameters:
        """Its parameters."""
        return self.candidate.params

    @property
    def width_ms(self) -> int:
        """The length of a bin, ms."""
        return self.dataset.manifest.cell_width_ms

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """[T] whether the book is valid."""
        return self.loaded.bins["book_valid"].astype(np.bool_)

    @cached_property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """The columns [T, K] and series [T] that the signal reads."""
        return self.signal.with_series(self.loaded.grid, self.loaded.bins, self.dataset.manifest.tick_size)

    @cached_property
    def learned(self) -> LearnedRun | None:
        """The fits of a learned signal: those that the run has left, or the same done again; None for any other."""
        signal, params, manifest = self.signal, self.params, self.dataset.manifest
        if not isinstance(signal, LearnedSignal) or not isinstance(params, LearnedParameters):
            return None
        shown = features(signal, params, self.inputs, cell_width_ms=self.width_ms, valid=self.valid)
        view = view_of_bins(
            self.loaded.bins,
            name=manifest.dataset_id,
            checksum=self.dataset.checksum,
            span=(manifest.first_bin_start_ns, manifest.last_bin_end_ns),
            tick_size=manifest.tick_size,
            cell_width_ms=self.width_ms,
            has_best_prices=manifest.has_best_prices,
        )
        return LearnedRun.of(signal, params, shown, view, self.dataset.models, self.earlier)

    @cached_property
    def served_fit(self) -> FitRecord | None:
        """The fit of a learned signal whose weights are in force at the end of the last part; None for any other.

        Raises PromotionError where no fit took place before.
        """
        if self.learned is None:
            return None
        found = self.learned.newest_fit(self.parts[-1].stop)
        if found is None:
            raise PromotionError(
                f"signal {self.signal.name} has no fit before the end of the part {self.parts[-1].name} of dataset "
                f"{self.dataset.manifest.dataset_id}: there are no weights to serve"
            )
        return found

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """[T] the scores; NaN where the book is not valid."""
        if self.learned is not None:
            return self.learned.scores()
        return score(self.signal, self.params, self.inputs, cell_width_ms=self.width_ms, valid=self.valid)

    def audit(self, seed: int) -> AuditReport:
        """Audit the signal in full on its dataset."""
        if self.learned is not None:
            return audit_fits(self.learned, self.inputs, self.scores, seed=seed, most=AUDITED_FITS, full=True)
        return audit(self.signal, self.params, self.inputs, self.valid, cell_width_ms=self.width_ms, seed=seed)

    @cached_property
    def mid_ticks(self) -> NDArray[np.float64]:
        """[T] the mid, ticks; NaN where the book is not valid."""
        mid = self.loaded.bins["mid_price"].astype(np.float64)
        return np.where(self.valid, mid, np.nan) / self.dataset.manifest.tick_size

    @cached_property
    def fates(self) -> NDArray[np.void] | None:
        """[T, 2] FATE_DTYPE, what becomes of a buy and a sell at every bin; None where fires enter at the touch.

        Raises DatasetError where the dataset has no queues.
        """
        evaluation = self.candidate.trial.evaluation
        if not evaluation.in_queue:
            return None
        return order_table(self.dataset, latency=evaluation.latency_ns, max_wait_ns=evaluation.max_wait_ns).fates

    @cached_property
    def outputs(self) -> BinOutputs:
        """Bins (those columns of BIN_DTYPE that the dataset has), scores, and the fires of the one threshold."""
        evaluation, bins = self.candidate.trial.evaluation, self.loaded.bins
        names = [name for name in BIN_DTYPE.names or () if name in bins]
        rows = np.zeros(len(self.scores), [(name, BIN_DTYPE[name]) for name in names])
        for name in names:
            rows[name] = bins[name]
        warmup_bins, cooldown_bins = evaluation.warmup_bins, evaluation.cooldown_bins
        (fires,) = find_fires(
            self.scores, [self.candidate.threshold], warmup_bins=warmup_bins, cooldown_bins=cooldown_bins
        )
        signed = np.zeros(len(self.scores), np.int8)
        signed[fires.bins] = fires.directions
        return BinOutputs(rows, self.scores, signed)
