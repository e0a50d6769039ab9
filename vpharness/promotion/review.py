"""The review of a candidate for promotion: gate by gate, and the record to serve where it passes."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vpharness.audit import AuditReport
from vpharness.datasets.find import Dataset
from vpharness.datasets.lake import check_name
from vpharness.errors import PromotionError
from vpharness.evaluation import require_constant_latency
from vpharness.events.event_source import Source
from vpharness.execution.live_orders import LiveOrders
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.live.latency import MachineLoad
from vpharness.modules import PermittedModules
from vpharness.promotion import gates
from vpharness.promotion.batch_run import BatchRun
from vpharness.promotion.bundle import Recording
from vpharness.promotion.bundle_replay import record_lattice
from vpharness.promotion.forward_record import forward_record
from vpharness.promotion.gate import NOT_LOOKED_AT, Gate, all_of, judged_by_defaults
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.live_proof import BatchOutputs, LiveProof, choose_slice, prove
from vpharness.promotion.procedure import chance_gates, procedure_evidence, promised_of
from vpharness.promotion.projection_fit import fit_projection
from vpharness.promotion.promoted_record import (
    PromotedRecord,
    live_model,
    model_with,
    parameters_of,
    record_order_durations,
)
from vpharness.promotion.readiness import CellSettling
from vpharness.promotion.record_evidence import (
    fire_span,
    ledger_facts,
    promotion_evidence,
    record_of_run,
    require_exportable_model,
)
from vpharness.promotion.selection import SelectedCandidate
from vpharness.results.audits import FULL, AuditRecord, audit_key, keep_audits
from vpharness.results.holdout import open_holdouts, trials_with_test
from vpharness.results.ledger import LedgerCandidate
from vpharness.results.reevaluation import ViewOf
from vpharness.results.store import Store
from vpharness.signals import (
    body_scorer,
    digest,
    require_exportable,
)


@dataclass(frozen=True)
class ReviewSettings:
    """The settings of a review.

    Attributes:
        limits: what a run must have.
        store: the results, in which an opening of the test part is counted.
        ledger: every candidate that there is.
        view_of: what evaluation sees of a dataset.
        forced: the reason that overrides gates; None where there is none.
        modules: those that the signal of a run may come from.
        force_unsafe: whether it overrides those too without which something else is served than was run.
    """

    limits: PromotionParameters
    store: Store
    ledger: Sequence[LedgerCandidate]
    view_of: ViewOf
    forced: str | None
    modules: PermittedModules
    force_unsafe: bool = False


@dataclass(frozen=True)
class ProofData:
    """A dataset on which the live proof runs.

    Attributes:
        dataset: the dataset.
        source: its events; None where nobody knows where they lie.
        earlier: the datasets before, where the weights that it is scored with were fitted on these.
    """

    dataset: Dataset
    source: Source | None
    earlier: EarlierDatasets | None = None


@dataclass(frozen=True)
class Review:
    """The findings about a candidate.

    Attributes:
        gates: every gate, in order; those that were not looked at have `passed` None.
        record: what would be served, without a version; None where a gate kept it from being compiled.
        recording: its recorded slice.
    """

    gates: tuple[Gate, ...]
    record: PromotedRecord | None = None
    recording: Recording | None = None


def review(
    candidate: SelectedCandidate,
    dataset: Dataset,
    source: Source | None,
    settings: ReviewSettings,
    report: Callable[[str, float | None], None] = lambda _gate, _share: None,
    newest: ProofData | None = None,
    earlier: EarlierDatasets | None = None,
) -> Review:
    """Return the outcome of every gate, with the record to serve where all pass or are overridden.

    Gates that take long are looked at only where those before them passed or are overridden. The test part is opened
    last of all: it can be opened for the first time but once, and is not spent on what another gate refuses. Where a
    procedure is promoted, its out-of-sample record stands in the place of training and test part.

    Args:
        candidate: the candidate.
        dataset: the dataset of its run.
        source: the events that the dataset was built from; None where nobody knows where they lie.
        settings: what is wanted.
        report: called with the name of a gate that is being looked at and how much of that is done, from 0 to 1, where
            this is known.
        newest: where whole datasets of a collection are kept for the test, the last one of them, of
            `candidate.newest`: the live proof runs on it as well, and the recorded slice is of it.
        earlier: the datasets before that of the run, where its weights were fitted on these.

    Raises ConfigError where orders have recorded latencies, the instrument's name cannot be one of a folder, or the
    run's signal comes from a module that is not permitted, PromotionError where no projection can be fitted or there is
    nothing to record, and DatasetError where entries rest in the queue and the dataset has none.
    """
    require_constant_latency(candidate.trial.evaluation)
    proofs = [ProofData(dataset, source), *([] if newest is None else [newest])]
    names = [each.dataset.manifest.dataset_id for each in proofs]
    check_name(proofs[-1].dataset.manifest.instrument, "the instrument")
    settings.modules.imported(candidate.signal_target)
    limits, manifest = settings.limits, dataset.manifest
    # What cannot be put into a bundle is found out before anything is looked at, and before the test part is opened.
    require_exportable(
        body_scorer(candidate.signal, candidate.params, cell_width_ms=manifest.cell_width_ms, radius=manifest.radius)
    )
    report("dataset", None)
    found = [
        all_of([gates.dataset_gate(each.dataset) for each in proofs], names),
        all_of([gates.lattice_gate(each.dataset.manifest) for each in proofs], names),
        gates.code_gate(candidate.identity, digest(candidate.signal, candidate.params)),
        all_of([gates.events_gate(each.dataset.manifest, each.source) for each in proofs], names),
        *judged_by_defaults(lambda those: chance_gates(candidate, those), limits),
    ]
    if any(each.source is None for each in proofs) or not _goes_on(found, settings):
        return _ended(found, "audit", "memory", "live = batch", "latency", "test", "forward")
    report("audit", None)
    trained = BatchRun.of(candidate, dataset, earlier)
    batch = trained if newest is None else BatchRun.of(_on_newest(candidate), newest.dataset, newest.earlier)
    report_of_audit = _audited(trained, settings)
    memory_bins = report_of_audit.memory_bins
    found.append(gates.audit_gate(report_of_audit))
    found.append(
        gates.memory_gate(
            memory_bins,
            batch.valid,
            batch.parts[-1].stop,
            candidate.trial.evaluation.warmup_bins,
            batch.width_ms,
            _cell_settling(batch),
        )
    )
    if not _goes_on(found, settings):
        return _ended(found, "live = batch", "latency", "test", "forward")
    report("live = batch", None)
    projection = fit_projection(
        trained.scores, trained.mid_ticks, fire_span(trained.parts[0]), limits.horizons_bins, limits.quantiles
    )
    record = record_of_run(batch, projection, memory_bins)
    require_exportable_model(record)
    batches, live = ([trained] if newest is None else [trained, batch]), list[LiveProof]()
    for place, (each, data) in enumerate(zip(batches, proofs, strict=True)):
        own = record if each is batch else record_of_run(each, projection, memory_bins)
        shown = partial(_reported_share, report, place, len(proofs))
        live.append(_proof(own, each, data.source, limits, shown))
    proof = live[-1]
    found.append(
        all_of(
            [
                gates.live_gate(each.agreement, (*each.cells_differ, *each.orders_differ), each.n_orders)
                for each in live
            ],
            names,
        )
    )
    load = MachineLoad.now()
    found += judged_by_defaults(lambda those: [gates.latency_gate(proof.latency, batch.width_ms, those, load)], limits)
    if not _goes_on(found, settings):
        return _ended(found, "test", "forward")
    ranked = candidate.ranked
    if candidate.procedure is None:
        report("test", None)
        (ranked,) = open_holdouts([ranked], settings.ledger, settings.store, settings.view_of)
        found += judged_by_defaults(lambda those: [gates.unseen_gate(ranked, those)], limits)
    forward = forward_record(ranked.candidate.counted, settings.view_of)
    found.append(gates.forward_gate(forward, limits))
    overridden = settings.forced if any(not gate.passed for gate in found) else None
    unsafe = tuple(gate.name for gate in found if gate.unsafe and not gate.passed)
    evidence = promotion_evidence(found, ranked, proof, batch, projection) | {
        "ledger": ledger_facts(ranked, settings.ledger),
        "pooled": _pooled_facts(candidate, names),
        "forward": forward.values(),
    }
    if candidate.procedure is not None:
        evidence |= procedure_evidence(candidate.procedure)
        evidence["promised"] |= {"test": promised_of(candidate.procedure)}
    record = dataclasses.replace(record, evidence=evidence, forced=overridden, unsafe=unsafe)
    return Review(tuple(found), record, proof.recording)


def refuse(reviewed: Review, run_id: str, forced: str | None, *, force_unsafe: bool = False) -> None:
    """Raise PromotionError, naming every gate that failed, unless a reason overrides all of them.

    Some gates need `force_unsafe` in addition to a reason.
    """
    failed = [gate for gate in reviewed.gates if gate.passed is False]
    if not failed:
        return
    told = "; ".join(f"{gate.name}: wanted {gate.wanted}, found {gate.found}" for gate in failed)
    stubborn = [gate.name for gate in failed if not gate.forcible]
    if stubborn:
        raise PromotionError(f"run {run_id} is not promoted, and {', '.join(stubborn)} cannot be forced: {told}")
    if forced is None:
        raise PromotionError(f'run {run_id} is not promoted: {told} (force="REASON" overrides, and is recorded)')
    unsafe = [gate.name for gate in failed if gate.unsafe]
    if unsafe and not force_unsafe:
        raise PromotionError(
            f"run {run_id} is not promoted: {told} ({', '.join(unsafe)}: force_unsafe=true overrides as well; "
            "served scores may then differ from the tested ones, and the page warns of that)"
        )


def _goes_on(found: Sequence[Gate], settings: ReviewSettings) -> bool:
    """Return whether the next gates are worth checking."""
    failed = [gate for gate in found if not gate.passed]
    return not failed or (
        settings.forced is not None
        and all(gate.forcible and (settings.force_unsafe or not gate.unsafe) for gate in failed)
    )


def _ended(found: Sequence[Gate], *others: str) -> Review:
    return Review((*found, *(Gate(name, None, "", NOT_LOOKED_AT) for name in others)))


def _on_newest(candidate: SelectedCandidate) -> SelectedCandidate:
    """Return a candidate as it is on the last dataset that is kept for the test."""
    if candidate.newest is None:
        raise ValueError(f"no dataset is kept for the test of candidate {candidate.trial.candidate_id}")
    return dataclasses.replace(candidate, trial=candidate.newest)


def _cell_settling(batch: BatchRun) -> CellSettling | None:
    """Return how long the cells of a run's lattice take to settle live; None where its parameters are not known."""
    values = batch.dataset.manifest.lattice
    if values is None:
        return None
    lattice = parameters_of(LatticeParameters, values, "lattice")
    return CellSettling.of(lattice, batch.signal.columns)


def _reported_share(report: Callable[[str, float | None], None], place: int, number: int, share: float) -> None:
    """Report how much of several proofs is done, given how much of one of them is."""
    report("live = batch", (place + share) / number)


def _pooled_facts(candidate: SelectedCandidate, proven_on: Sequence[str]) -> dict[str, Any] | None:
    """Return over which datasets of a collection the evidence is pooled; None where it is an instrument's."""
    if candidate.collection is None:
        return None
    of_candidate = candidate.ranked.candidate
    return {
        "collection": candidate.collection,
        "train": [trial.dataset_id for trial in of_candidate.counted],
        "test": [trial.dataset_id for trial in trials_with_test(of_candidate)],
        "live_proof": list(proven_on),
    }


def _audited(batch: BatchRun, settings: ReviewSettings) -> AuditReport:
    """Return the full audit of the signal, having stored it with the results."""
    report = batch.audit(settings.limits.audit_seed)
    key = audit_key(batch.candidate.identity)
    dataset_id = batch.dataset.manifest.dataset_id
    keep_audits(settings.store, [AuditRecord.now(key, dataset_id, report.failures, report.memory_bins, FULL)])
    return report


def _proof(
    record: PromotedRecord,
    batch: BatchRun,
    source: Source | None,
    limits: PromotionParameters,
    report: Callable[[float], None],
) -> LiveProof:
    if source is None:
        raise ValueError(f"the events of dataset {record.dataset_id} are not at hand")
    span, part, outputs = batch.dataset.manifest.span, batch.parts[-1], batch.outputs
    # The state before the slice is one between two bins, so the slice does not begin with the very first one, and it
    # is to tell nothing of where the data began, so that a server which begins elsewhere comes to the same scores.
    first = max(part.first_fire, 1)
    if record.memory_bins is not None:
        covered = gates.first_covered_bin(batch.valid, record.memory_bins)
        first = max(first, covered) if batch.valid[covered : part.stop].any() else first
    start = choose_slice(batch.valid, outputs.fires, first, part.stop, limits.slice_bins)
    recorded = (start, min(start + limits.slice_bins, part.stop))
    whole = BatchOutputs(outputs, batch.loaded.grid, (part.start, part.stop), recorded, batch.fates)
    lattice, orders = record_lattice(record, span["start_ns"]), None
    if (durations := record_order_durations(record)) is not None:
        orders = LiveOrders(record_lattice(record), latency_ns=durations[0], max_wait_ns=durations[1])
    judged = None if batch.learned is None else model_with(record, batch.learned.in_force)
    proof = prove(live_model(record), lattice, source, span["end_ns"], whole, report, orders, judged)
    if not len(proof.recording.outputs.bins):
        raise PromotionError(f"the events end before bin {start} of dataset {record.dataset_id}: nothing to record")
    return proof
