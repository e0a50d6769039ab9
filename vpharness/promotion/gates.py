"""The gates of a promotion: each states what was wanted and what was found, kept in the bundle as evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpharness.audit import AuditReport
from vpharness.datasets.find import Dataset
from vpharness.datasets.manifest import Manifest
from vpharness.datasets.read import verify
from vpharness.errors import DatasetError, VpharnessError, told_apart
from vpharness.evaluation import EVALUATION_VERSION
from vpharness.events.event_source import Source
from vpharness.lattice.lattice_parameters import LATTICE_VERSION
from vpharness.live.latency import Latency, MachineLoad
from vpharness.promotion.agreement import Agreement
from vpharness.promotion.forward_record import ForwardRecord
from vpharness.promotion.gate import Gate
from vpharness.promotion.gate_parameters import PromotionParameters
from vpharness.promotion.readiness import CellSettling, live_readiness
from vpharness.results.holdout import net_low_text
from vpharness.results.ranking import Ranked


def dataset_gate(dataset: Dataset) -> Gate:
    """The dataset is as it was written."""
    try:
        sums = verify(dataset)
    except DatasetError as error:
        return Gate("dataset", False, "files with their checksums", str(error), forcible=False)
    return Gate("dataset", True, "files with their checksums", f"{', '.join(sums)} have theirs", forcible=False)


def lattice_gate(manifest: Manifest) -> Gate:
    """The lattice is known, and still gives these bins."""
    known, version = manifest.lattice is not None, manifest.lattice_version
    found = f"of version {version}" if known else f"dataset {manifest.dataset_id} does not say what it was made with"
    wanted = f"known, of version {LATTICE_VERSION}"
    return Gate("lattice", known and version == LATTICE_VERSION, wanted, found, forcible=False)


def code_gate(identity: Mapping[str, Any], signal_digest: str) -> Gate:
    """The signal and the evaluation are still those that the run was carried out with."""
    code = identity["code"]
    is_now, was = told_apart(signal_digest, str(code["signal_digest"]))
    found = f"signal {is_now}, evaluation {EVALUATION_VERSION}"
    wanted = f"signal {was}, evaluation {code['evaluation_version']}, as in the run"
    same = (code["signal_digest"], code["evaluation_version"]) == (signal_digest, EVALUATION_VERSION)
    return Gate("code", same, wanted, found if same else f"{found}: run it again", forcible=False)


def events_gate(manifest: Manifest, source: Source | None) -> Gate:
    """The events are there, and are those that the dataset was built from."""
    wanted = "the source that the dataset was built from"
    if source is None:
        found = "where its events lie has not been noted; give source= and its keys"
        return Gate("events", False, wanted, found, forcible=False)
    try:
        identity = source.identity()
    except VpharnessError as error:
        return Gate("events", False, wanted, str(error), forcible=False)
    differing = sorted(
        name
        for name in {*identity, *manifest.source}
        if name not in identity or name not in manifest.source or identity[name] != manifest.source[name]
    )
    found = f"another one: {', '.join(differing)} differ" if differing else f"the same, of {manifest.instrument}"
    return Gate("events", not differing, wanted, found, forcible=False)


def train_gates(ranked: Ranked, limits: PromotionParameters) -> list[Gate]:
    """In training there was enough data, and it beat chance and costs."""
    figures, lacks, adjusted = ranked.judgement.figures, ranked.judgement.lacks, ranked.p_adjusted
    size = f"over {ranked.family.n_rankable} rankable of {ranked.family.n_evaluated} candidates"
    rankable = "; ".join(map(str, lacks)) or f"{figures.n_net} net fires"
    if ranked.left_out:
        rankable += f"; it was judged on {', '.join(ranked.left_out)} of the instrument too, which is left out"
    beats = adjusted is not None and adjusted <= limits.max_p_adjusted
    low, least = ranked.net_low_all, limits.min_train_net_low_ticks
    return [
        Gate("rankable", not lacks and not ranked.left_out, "enough data in training, nothing left out", rankable),
        Gate(
            "train chance",
            beats,
            f"p adjusted at most {limits.max_p_adjusted:g}",
            "no p adjusted: not rankable, or chosen by an adaptive search"
            if adjusted is None
            else f"{adjusted:.3f} {size}",
        ),
        Gate(
            "train net",
            bool(low > least),
            f"lower end of the net mean, for all candidates at once, above {least:g} ticks",
            net_low_text(figures, low),
        ),
    ]


def audit_gate(report: AuditReport) -> Gate:
    """The signal is computed from the grid alone, does not look ahead, keeps the chunk law and forgets its start."""
    wanted = "no stored answers, no look-ahead, scores independent of how time is cut, and a bounded memory"
    found = "; ".join(report.failures) or f"{len(report.checks)} checks over {report.bins:,} bins"
    return Gate("audit", report.passed, wanted, found, unsafe=True)


def first_covered_bin(valid: NDArray[np.bool_], memory_bins: int) -> int:
    """Return the first bin before which a signal has been shown as many valid bins as it remembers.

    From there on a state no longer tells where the data began: it is the one that a server comes to that begins
    anywhere else. Where there are too few valid bins it is the number of all bins, which is none of them.
    """
    shown = np.concatenate([[0], np.cumsum(valid)[:-1]]) if len(valid) else np.zeros(0, np.int64)
    return int(np.searchsorted(shown, memory_bins)) if len(shown) and shown[-1] >= memory_bins else len(valid)


def memory_gate(
    memory_bins: int | None,
    valid: NDArray[np.bool_],
    part_stop: int,
    warmup_bins: int,
    cell_width_ms: int,
    cells: CellSettling | None = None,
) -> Gate:
    """A server can come to the run's scores: by a slice whose state has forgotten the start, or by as long a warm-up.

    Args:
        memory_bins: valid bins after which a score no longer tells where the data began; None where it is not shown to
            forget.
        valid: [T] whether the book is valid.
        part_stop: the bin behind the last one that can be recorded.
        warmup_bins: the evaluation's.
        cell_width_ms: the length of a bin.
        cells: how long the cells of a lattice on a feed of events take to settle; None where that is not known.
    """
    wanted = "bounded, and covered by bins before the recorded slice"
    if memory_bins is None:
        # No server could ever be told right from wrong: there is nothing for a reason to override.
        found = "unbounded as far as the audit shows: no warm-up can make a server's scores equal the run's"
        return Gate("memory", False, wanted, found, forcible=False)
    first = first_covered_bin(valid, memory_bins)
    told = f"{memory_bins:,} valid bins, {memory_bins * cell_width_ms / 1000:g} s"
    if not valid[first:part_stop].any():
        found = f"{told}, and no valid bin comes behind as many: run it on a longer dataset"
        return Gate("memory", False, wanted, found)
    ready = f"its score is defined after {max(warmup_bins, memory_bins):,} bins"
    if warmup_bins < memory_bins:
        ready += f", not after the {warmup_bins:,} of evaluation.warmup_bins"
    live = live_readiness(memory_bins, warmup_bins, cell_width_ms, cells)
    return Gate("memory", True, wanted, f"{told}; {ready}; {live}")


def live_gate(agreed: Agreement, others_differ: Sequence[str], n_orders: int | None = None) -> Gate:
    """Events through a live session give the bins, scores and fires of the run, and the fates of its resting orders.

    Args:
        agreed: of bins, scores and fires.
        others_differ: in what cells and orders differ.
        n_orders: how many orders were compared; None where fires enter at the touch.
    """
    differences = [*agreed.differences, *others_differ]
    ties = f", {agreed.ties} ties" if agreed.ties else ""
    found = "; ".join(differences) or f"{agreed.bins:,} bins, worst score difference {agreed.worst:.2g}{ties}"
    wanted = "the same bins, scores and fires from events"
    if n_orders is not None:
        wanted = "the same bins, scores, fires and fates of resting orders from events"
        found += "" if differences else f", {n_orders:,} orders"
    return Gate("live = batch", not differences, wanted, found, unsafe=True)


def latency_gate(
    latency: Latency | None, cell_width_ms: float, limits: PromotionParameters, load: MachineLoad | None = None
) -> Gate:
    """A step takes a small part of its bin on this host.

    Args:
        latency: of the timed steps; None without any.
        cell_width_ms: the length of a bin.
        limits: with the share of a bin that a step may take.
        load: how busy the machine was meanwhile, which explains a miss; None where that is not known.
    """
    most = limits.max_latency_share * cell_width_ms
    wanted = f"99th percentile at most {most:g} ms"
    p99_ms = None if latency is None else latency.percentiles["p99"]
    if p99_ms is None:
        bins = 0 if latency is None else latency.bins
        return Gate("latency", False, wanted, f"{bins} bins were timed, which are too few to tell it")
    found = f"{p99_ms:.2f} ms, {p99_ms / cell_width_ms:.1%} of the bin"
    passed = p99_ms <= most
    return Gate("latency", passed, wanted, found if passed else f"{found}; {_why_late(load)}")


def _why_late(load: MachineLoad | None) -> str:
    """Return what may be the cause of a miss of the latency, and what to do."""
    again = "promote again when nothing else runs here"
    if load is None:
        return f"a busy machine may be the cause: {again}"
    if load.is_busy:
        return f"this machine was busy ({load}), which may be the cause: {again}"
    return f"this machine was not busy ({load}): the step itself is slow; try a faster machine, or wider bins"


def unseen_gate(ranked: Ranked, limits: PromotionParameters) -> Gate:
    """On the part that chose nothing it earns something."""
    least, fires, opening = limits.min_test_net_ticks, limits.min_test_fires, ranked.holdout
    wanted = f"lower end of the net mean above {least:g} ticks over at least {fires} fires"
    if opening is None:
        return Gate("test", False, wanted, ranked.test_refused or "there is no test part: run it with a split")
    figures = opening.judgement.figures
    openings = "once" if opening.times == 1 else f"{opening.times} times"
    found = (
        f"{net_low_text(figures, opening.low)} at an error of {opening.error:.2g}; opened {openings}, as number "
        f"{opening.number} on this market time"
    )
    return Gate("test", figures.n_net >= fires and opening.low > least, wanted, found)


def forward_gate(record: ForwardRecord, limits: PromotionParameters) -> Gate:
    """Since it was first written down, the candidate has fired on new events."""
    wanted = f"at least {limits.min_forward_fires} fires on events later than its first row in the ledger"
    return Gate("forward", record.n_fires >= limits.min_forward_fires, wanted, record.text)
