"""The specification of a run, and the ids derived from everything its results depend on."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

from vpharness.campaigns.memo import ObjectMemo
from vpharness.datasets.find import Dataset
from vpharness.errors import VpharnessError
from vpharness.evaluation import (
    EVALUATION_VERSION,
    EvaluationParameters,
    ResolvedEvaluation,
    SplitParameters,
    parts_within,
)
from vpharness.execution.order_table import require_latencies, require_queue
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.learning import fit_bins, missing_packages, model_identity, training_bins
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.learning.fitting import missing_sentence
from vpharness.learning.learned_run import needs_collection
from vpharness.parameters import problems
from vpharness.recorded_latency import read_latencies
from vpharness.results.audits import FITTED_ON, AuditKey, audit_key
from vpharness.signals import (
    SPREAD_TICKS,
    LearnedParameters,
    LearnedSignal,
    Signal,
    SignalParameters,
    body_scorer,
    digest,
    identifying_parameters,
    number_of_features,
    resolve,
    score_parameters,
)
from vpharness.signals.core.learned import DATASET
from vpharness.wording import did_you_mean


@dataclass(frozen=True)
class RunSpec:
    """One signal with its parameters on one dataset, with the evaluation and split that judge it."""

    dataset: Dataset
    signal_target: str  # "module.name"
    parameters: SignalParameters
    evaluation: EvaluationParameters
    split: SplitParameters
    memo: ObjectMemo = dataclasses.field(
        default_factory=ObjectMemo, compare=False, repr=False
    )  # shared with other runs
    earlier: tuple[Dataset, ...] = ()  # those that a signal with refit_every=dataset is fitted on, in the order of time

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: cached results need not travel to another process."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)} | {"memo": ObjectMemo()}

    @cached_property
    def signal(self) -> Signal[Any]:
        """The signal itself."""
        return resolve(self.signal_target)

    @property
    def learned_parameters(self) -> LearnedParameters:
        """The parameters of a learned signal."""
        return cast("LearnedParameters", self.parameters)

    @cached_property
    def resolved(self) -> ResolvedEvaluation:
        """The evaluation in bins of the dataset."""
        return self.memo.call(EvaluationParameters.resolve, self.evaluation, self.dataset.manifest.cell_width_ms)

    @cached_property
    def score_key(self) -> str:
        """The key of everything the score depends on except the dataset: equal keys mean equal scores."""
        fitted_on = [] if self.earlier_datasets is None else self.earlier_datasets.identity
        return json.dumps([self.signal_target, score_parameters(self.parameters), *fitted_on], sort_keys=True)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything the results depend on, as JSON values."""
        fitted_on = {} if self.earlier_datasets is None else {FITTED_ON: self.earlier_datasets.identity}
        return {
            "code": {
                "signal_digest": self.memo.call(digest, self.signal, self.parameters),
                **_code_of_model(self.signal),
                "evaluation_version": EVALUATION_VERSION,
                "lattice_version": self.dataset.manifest.lattice_version,
            },
            "dataset": {"id": self.dataset.manifest.dataset_id, "checksum": self.dataset.checksum},
            "evaluation": self.memo.call(ResolvedEvaluation.identity, self.resolved),
            "signal": {"target": self.signal_target, "parameters": self.memo.call(_identifying, self.parameters)},
            "split": self.memo.call(_normalised, self.split),
            **fitted_on,
        }

    @property
    def earlier_datasets(self) -> EarlierDatasets | None:
        """The datasets that it is fitted on, where these are others than its own."""
        return EarlierDatasets(self.earlier) if self.earlier else None

    @cached_property
    def audit_key(self) -> AuditKey:
        """The key under which an audit of its scores is stored."""
        return audit_key(self.identity)

    @property
    def is_test(self) -> bool:
        """Whether the whole dataset is kept for the test: its fires are stored, and judged by nobody."""
        return self.split.by_dataset and self.dataset.manifest.dataset_id in self.split.test_datasets

    @cached_property
    def run_id(self) -> str:
        """The hash of the identity: the same run is never executed twice."""
        return _hash(self.identity)

    def candidate_id(self, threshold_label: str) -> str:
        """Return the id of (signal, parameters, evaluation, split, threshold), the same on every dataset.

        Datasets of other lattice parameters show the signal other features, so there it is another candidate; and so it
        is where the datasets that it is fitted on begin with another one.
        """
        fitted_from = {} if self.earlier_datasets is None else {"fitted_from": self.earlier_datasets.identity[0]}
        parts = {
            "code": self.identity["code"],
            "lattice": self.dataset.manifest.lattice,
            "evaluation": self.identity["evaluation"],
            "split": self.memo.call(_of_candidate, self.split),
            "signal": {"target": self.signal_target, "parameters": score_parameters(self.parameters)},
            "threshold": threshold_label,
            **fitted_from,
        }
        return _hash(parts)

    @property
    def candidate_ids(self) -> list[str]:
        """The ids of all its candidates, one a threshold."""
        return [self.candidate_id(label) for label in threshold_labels(self.parameters)]


def threshold_labels(parameters: SignalParameters) -> list[str]:
    """Return the labels of a run's thresholds: the numbers themselves, or percentiles such as "q90"."""
    if parameters.thresholds:
        return [number_label(threshold) for threshold in parameters.thresholds]
    return [f"q{number_label(percentile)}" for percentile in parameters.threshold_quantiles]


def number_label(number: float) -> str:
    """Return a number as people write it, unless that is another number."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def parameter_problems(
    parameters: SignalParameters, evaluation: EvaluationParameters, split: SplitParameters, memo: ObjectMemo
) -> Iterator[str]:
    """Yield an error for each parameter that is out of range on any dataset."""
    yield from memo.call(_signal_problems, parameters)
    yield from memo.call(_evaluation_problems, evaluation)
    yield from memo.call(_split_problems, split)
    if not parameters.thresholds and split.kind == "none":
        yield (
            "split=none leaves no training part for signal.threshold_quantiles to choose thresholds on; "
            "give signal.thresholds, or split the data"
        )


def spec_problems(spec: RunSpec) -> Iterator[str]:
    """Yield an error for everything else that keeps a run from being executed, before any work."""
    yield from spec.memo.call(_column_problems, spec.signal, spec.dataset)
    grid = _shared_grid(spec.dataset.manifest.cell_width_ms, spec.dataset.manifest.radius)
    wrong = spec.memo.call(_scorer_problems, spec.signal, spec.parameters, grid)
    yield from wrong
    if not wrong and isinstance(spec.signal, LearnedSignal):
        yield from spec.memo.call(_fit_problems, spec.signal, spec.parameters, spec.dataset, spec.earlier)
    yield from spec.memo.call(_part_problems, spec.resolved, spec.split, spec.dataset)
    yield from spec.memo.call(_queue_problems, spec.resolved, spec.evaluation, spec.dataset)
    if not spec.parameters.thresholds and spec.is_test:
        yield (
            f"dataset {spec.dataset.manifest.dataset_id} is kept for the test, so that signal.threshold_quantiles has "
            "nothing to choose thresholds on; give signal.thresholds, or train on it"
        )


def _signal_problems(parameters: SignalParameters) -> list[str]:
    return problems(parameters, "signal.")


def _evaluation_problems(evaluation: EvaluationParameters) -> list[str]:
    return problems(evaluation, "eval.")


def _split_problems(split: SplitParameters) -> list[str]:
    return problems(split, "split.")


def _column_problems(signal: Signal[Any], dataset: Dataset) -> list[str]:
    manifest = dataset.manifest
    absent = [name for name in signal.columns if name not in manifest.columns]
    if unknown := [name for name in absent if name not in GRID_COLUMNS]:
        hint = did_you_mean(unknown[0], manifest.columns).strip() or f"there are {', '.join(manifest.columns)}"
        return [f"signal {signal.name} reads {unknown[0]}, which is no column of a grid; {hint}"]
    sentence = (
        f"signal {signal.name} reads {', '.join(absent)}, which dataset {manifest.dataset_id} does not have; "
        "build the dataset again from its source, or choose another signal"
    )
    if SPREAD_TICKS in signal.series and not manifest.has_best_prices:
        lacking = f"signal {signal.name} reads {SPREAD_TICKS}, and dataset {manifest.dataset_id} has no best prices"
        return [f"{lacking}; build the dataset again from its source, or choose another signal"]
    return [sentence] if absent else []


@lru_cache
def _shared_grid(cell_width_ms: float, radius: int) -> tuple[float, int]:
    """Return the two as one object, the same for all datasets whose grids are alike: a scorer depends on no more."""
    return cell_width_ms, radius


def _scorer_problems(signal: Signal[Any], parameters: SignalParameters, grid: tuple[float, int]) -> list[str]:
    try:
        ready = body_scorer(signal, parameters, cell_width_ms=grid[0], radius=grid[1])
        if isinstance(signal, LearnedSignal):
            number_of_features(ready)
    except VpharnessError as error:
        return [str(error)]
    return []


def _fit_problems(
    signal: LearnedSignal[Any], parameters: SignalParameters, dataset: Dataset, earlier: tuple[Dataset, ...]
) -> list[str]:
    return list(_reasons_not_to_fit(signal, parameters, dataset, earlier))


def _reasons_not_to_fit(
    signal: LearnedSignal[Any], parameters: SignalParameters, dataset: Dataset, earlier: tuple[Dataset, ...]
) -> Iterator[str]:
    """Yield an error where a learned signal cannot be fitted at all."""
    if missing := missing_packages(signal.model):
        yield missing_sentence(signal.model, missing)
    learned, bins = cast("LearnedParameters", parameters), dataset.manifest.bins
    if learned.refit_every == DATASET:
        if not earlier:
            yield needs_collection(signal.name)
    elif not any(
        len(training_bins(learned, place)) >= learned.min_train_bins
        for place in fit_bins(learned, bins, dataset.manifest.cell_width_ms)
    ):
        left_out = learned.reach_bins + learned.embargo_bins
        yield (
            f"signal {signal.name} is never fitted on dataset {dataset.manifest.dataset_id} of {bins} bins: a fit "
            f"needs {learned.min_train_bins} bins (signal.min_train_bins), behind them {left_out} whose label or "
            f"the embargo reaches it, and is first tried at bin {learned.first_fit_bins} (signal.first_fit_bins)"
        )


def _code_of_model(signal: Signal[Any]) -> dict[str, Any]:
    """Return what the weights of a learned signal depend on besides data and parameters; nothing for any other."""
    return {"model": model_identity(signal.model)} if isinstance(signal, LearnedSignal) else {}


def _part_problems(evaluation: ResolvedEvaluation, split: SplitParameters, dataset: Dataset) -> list[str]:
    try:
        parts_within(dataset.manifest.dataset_id, dataset.manifest.bins, evaluation, split)
    except VpharnessError as error:
        return [str(error)]
    return []


def _queue_problems(evaluation: ResolvedEvaluation, given: EvaluationParameters, dataset: Dataset) -> list[str]:
    try:
        if evaluation.in_queue:
            require_queue(dataset)
            if given.latency_path is not None:
                require_latencies(dataset, read_latencies(given.latency_path))
    except VpharnessError as error:
        return [str(error)]
    return []


def _identifying(parameters: SignalParameters) -> dict[str, Any]:
    """Return the parameters, without percentiles that choose nothing since thresholds are given."""
    return identifying_parameters(parameters) | ({"threshold_quantiles": []} if parameters.thresholds else {})


def _normalised(split: SplitParameters) -> dict[str, Any]:
    return dataclasses.asdict(split.normalised())


def _of_candidate(split: SplitParameters) -> dict[str, Any]:
    return dataclasses.asdict(split.of_candidate())


def _hash(parts: dict[str, Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
