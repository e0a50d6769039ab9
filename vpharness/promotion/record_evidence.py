"""The record that a promotion serves, and the evidence for it, of a run that has passed its gates."""

import dataclasses
import json
import math
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from vpharness.evaluation import EVALUATION_VERSION, TEST, Part
from vpharness.events.times import time_text
from vpharness.lattice.lattice_parameters import LATTICE_VERSION
from vpharness.learning import FitRecord
from vpharness.promotion.batch_run import BatchRun
from vpharness.promotion.gate import Gate
from vpharness.promotion.live_proof import LiveProof
from vpharness.promotion.procedure import promised_figures
from vpharness.promotion.projection import Projection
from vpharness.promotion.projection_fit import BinRange, coverage
from vpharness.promotion.promoted_record import PromotedRecord, live_model
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.ranking import Ranked
from vpharness.signals import (
    Scorer,
    digest,
    export_scorer,
    identifying_parameters,
)

NOT_NAMED_YET: Final = ""
"""The version of a record that has not been published."""

_PACKAGES: Final = ("jax", "jaxlib", "numba", "numpy", "vpharness")


def record_of_run(batch: BatchRun, projection: Projection, memory_bins: int | None) -> PromotedRecord:
    """Return the record of a run, without its evidence: what is served, and on which cells."""
    candidate, manifest, fit = batch.candidate, batch.dataset.manifest, batch.served_fit
    cells = {"cell_width_ms": manifest.cell_width_ms, "radius": manifest.radius}
    return PromotedRecord(
        instrument=manifest.instrument,
        version=NOT_NAMED_YET,
        signal_target=candidate.signal_target,
        signal_digest=digest(batch.signal, batch.params),
        parameters=identifying_parameters(batch.params),
        threshold=candidate.threshold,
        threshold_label=candidate.trial.threshold_label,
        evaluation=candidate.trial.evaluation.identity(),
        lattice=dict(manifest.lattice or {}),
        lattice_version=LATTICE_VERSION,
        evaluation_version=EVALUATION_VERSION,
        tick_size=manifest.tick_size,
        size_unit=manifest.size_unit,
        projection=projection,
        run_id=candidate.run_id,
        candidate_id=candidate.trial.candidate_id,
        dataset_id=manifest.dataset_id,
        dataset_checksum=batch.dataset.checksum,
        packages={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        created_ns=time.time_ns(),
        evidence={},
        forced=None,
        memory_bins=memory_bins,
        fit=None if fit is None else {"weights": fit.digest, "card": _plain_card(fit), **cells},
        weights=None if fit is None else fit.fit.fitted.weights,
    )


def require_exportable_model(record: PromotedRecord) -> None:
    """Raise ConfigError where the model cannot be put into a bundle: the test part is not opened then."""
    model = live_model(record)
    if isinstance(model.scorer, Scorer):
        export_scorer(model.scorer)


def _plain_card(fit: FitRecord) -> dict[str, Any]:
    """Return the card of a fit as JSON reads it."""
    plain: dict[str, Any] = json.loads(json.dumps(fit.card))
    return plain


def promotion_evidence(
    found: Sequence[Gate], ranked: Ranked, proof: LiveProof, batch: BatchRun, projection: Projection
) -> dict[str, Any]:
    """Return the evidence for a promotion as JSON values: gates, promised figures, and further measurements."""
    part = batch.parts[-1]
    covered = coverage(projection, batch.scores, batch.mid_ticks, fire_span(part)) if part.name == TEST else None
    return {
        "gates": [{**gate.values(), "forced": not gate.passed} for gate in found],
        "promised": {
            "train": promised_figures(ranked.judgement),
            "test": ranked.test and promised_figures(ranked.test),
        },
        "p_adjusted": ranked.p_adjusted,
        "net_low_all": _known(ranked.net_low_all),
        "family": {"rankable": ranked.family.n_rankable, "evaluated": ranked.family.n_evaluated},
        "test_openings": 0 if ranked.holdout is None else ranked.holdout.times,
        "test_opening_number": None if ranked.holdout is None else ranked.holdout.number,
        "projection": covered,
        "latency": None if proof.latency is None else dataclasses.asdict(proof.latency),
        "host": {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()},
        "live": {"bins": proof.agreement.bins, "worst": _known(proof.agreement.worst), "ties": proof.agreement.ties}
        | ({} if proof.n_orders is None else {"orders": proof.n_orders}),
        "recorded_bins": len(proof.recording.outputs.bins),
    }


def ledger_facts(ranked: Ranked, ledger: Sequence[LedgerCandidate]) -> dict[str, Any]:
    """Return the size and age of the ledger, and of the family that the candidate was compared with."""
    trials, family = [trial for each in ledger for trial in each.trials], ranked.family
    created = [trial.created_ns for trial in trials]
    return {
        "candidates": len(ledger),
        "runs": len({run_id for trial in trials for run_id in trial.run_ids}),
        "oldest_run": time_text(min(created)),
        "newest_run": time_text(max(created)),
        "family_runs": family.n_runs,
        "family_oldest_run": time_text(family.oldest_ns),
        "family_newest_run": time_text(family.newest_ns),
    }


def _known(value: float) -> float | None:
    """Return a number for JSON; None for one that is not finite."""
    return value if math.isfinite(value) else None


def fire_span(part: Part) -> BinRange:
    """Return the bins of a part in which fires may lie, and the bin before which their moves must end."""
    return BinRange(part.first_fire, part.stop, part.limit)
