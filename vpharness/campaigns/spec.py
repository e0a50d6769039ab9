"""What one run is, and the id that stands for everything its results depend on."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import CHECKSUMS_FILE, file_sha256
from vpharness.evaluation import EVALUATION_VERSION, EvaluationParameters, ResolvedEvaluation, SplitParameters
from vpharness.parameters import problems
from vpharness.signals import Signal, SignalParameters, digest, resolve, score_parameters


@dataclass(frozen=True)
class RunSpec:
    """One signal with its parameters on one dataset, judged in one way."""

    dataset: Dataset
    signal_target: str  # "module.name"
    parameters: SignalParameters
    evaluation: EvaluationParameters
    split: SplitParameters

    @cached_property
    def signal(self) -> Signal[Any]:
        """The signal itself."""
        return resolve(self.signal_target)

    @cached_property
    def resolved(self) -> ResolvedEvaluation:
        """The evaluation in bins of the dataset."""
        return self.evaluation.resolve(self.dataset.manifest.cell_width_ms)

    @cached_property
    def dataset_checksum(self) -> str:
        """The SHA-256 that stands for the dataset's files."""
        return file_sha256(self.dataset.path / CHECKSUMS_FILE)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything the results depend on, as JSON values."""
        return {
            "code": {
                "signal_digest": digest(self.signal, self.parameters),
                "evaluation_version": EVALUATION_VERSION,
                "lattice_version": self.dataset.manifest.lattice_version,
            },
            "dataset": {"id": self.dataset.manifest.dataset_id, "checksum": self.dataset_checksum},
            "evaluation": dataclasses.asdict(self.resolved),
            "signal": {"target": self.signal_target, "parameters": dataclasses.asdict(self.parameters)},
            "split": dataclasses.asdict(self.split),
        }

    @cached_property
    def run_id(self) -> str:
        """The hash of the identity: the same run is never carried out twice."""
        return _hash(self.identity)

    def candidate_id(self, threshold_label: str) -> str:
        """Return the id of (signal, parameters, evaluation, split, threshold), the same on every dataset."""
        parts = {
            "code": self.identity["code"],
            "evaluation": {**self.identity["evaluation"], "cell_width_ms": None},
            "split": self.identity["split"],
            "signal": {"target": self.signal_target, "parameters": score_parameters(self.parameters)},
            "threshold": threshold_label,
        }
        return _hash(parts)


def spec_problems(spec: RunSpec) -> Iterator[str]:
    """Say everything that keeps a run from being carried out, before any work."""
    yield from problems(spec.parameters, "signal.")
    yield from problems(spec.evaluation, "eval.")
    yield from problems(spec.split, "split.")
    manifest = spec.dataset.manifest
    absent = [name for name in spec.signal.columns if name not in manifest.columns]
    if absent:
        yield (
            f"signal {spec.signal.name} reads {', '.join(absent)}, which dataset {manifest.dataset_id} does not have; "
            "build the dataset again from its source, or choose another signal"
        )


def _hash(parts: dict[str, Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
