"""The simulation: every bin through the session and into its frames, timed; then the comparison with a run."""

import resource
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.errors import ConfigError, VpharnessError
from vpharness.evaluation import (
    ResolvedEvaluation,
    SplitParameters,
    find_fires,
    parts_within,
    quantile_thresholds,
)
from vpharness.evaluation.dataset_view import view_of_bins
from vpharness.lattice.columns import BIN_DTYPE
from vpharness.learning import LearnedRun
from vpharness.live import LiveModel, ScoredBin
from vpharness.live.frames import bin_fields, encode_grid, encode_json, grid_schema
from vpharness.live.latency import Latency
from vpharness.prices import tick_size_to_price
from vpharness.promotion.agreement import Agreement, BinOutputs, compare_fates, compare_outputs
from vpharness.signals import (
    FitsInForce,
    LearnedParameters,
    LearnedSignal,
    Signal,
    SignalParameters,
    features,
    score,
    scorer,
)
from vpharness.simulation.inputs import EventInput, SimulationInput, Step
from vpharness.simulation.pacing import CatchUp, Schedule

WARMING_BINS: Final = 10
"""The first bins belong to the cold start, in which what is met for the first time is compiled, and are not timed."""

ENCODE: Final = "encode"
TOTAL: Final = "total"
_NO_BIN: Final = "no bin came: none ended with a valid book from the start on; check start, end and source"

OVERDUE: Final = "due to frame"
"""With a pace: from when a bin was due to its frame, waits for the processor and for the bin before included."""


@dataclass(frozen=True)
class SimulationSettings:
    """The settings of a simulation.

    Attributes:
        budget_ms: the time that a bin may take.
        speed: how much faster than it happened; None for as fast as possible.
        stall_s: how long the feed stands still; 0 for not at all.
        fields: the columns of the frames; None for all that there are.
    """

    budget_ms: float
    speed: float | None = None
    stall_s: float = 0.0
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SimulationReport:
    """The findings of a simulation.

    Attributes:
        bins, valid_bins: bins that came, and those with a valid book.
        latency: by stage, then in total, then with a pace from when bins were due; bins of a stall stand in none.
        deadline_misses: timed bins whose frame came later than the budget.
        budget_ms: the time that a bin may take.
        peak_memory_mb: the most that the process has held until the last bin.
        cold_start_s: from making the model, which compiles it, to the frame of the first bin with a valid book,
            reading the source left out; None where the run, which came first, had compiled everything.
        catch_up: the recovery from the stall; None where there was none.
        frame_bytes, fields_bytes: size of the binary frame and, at most, of the JSON of a bin's own fields.
        columns: columns of the frame.
        agreements: by threshold, the comparison with the run over all bins.
        n_fires: by threshold, the fires.
        n_orders: resting orders whose fates were compared with those of a run; None where fires enter at the touch.
        orders_differ: in what these differ, a sentence each.
    """

    bins: int
    valid_bins: int
    latency: dict[str, Latency]
    deadline_misses: int
    budget_ms: float
    peak_memory_mb: float
    cold_start_s: float | None
    catch_up: CatchUp | None
    frame_bytes: int
    fields_bytes: int
    columns: tuple[str, ...]
    agreements: dict[float, Agreement]
    n_fires: dict[float, int]
    n_orders: int | None = None
    orders_differ: tuple[str, ...] = ()

    @property
    def differences(self) -> list[str]:
        """The distinct differences from the run over all bins, a sentence each."""
        found = [each for found in self.agreements.values() for each in found.differences]
        return list(dict.fromkeys([*found, *self.orders_differ]))


def simulate(
    replay: SimulationInput,
    signal: Signal[Any],
    params: SignalParameters,
    evaluation: ResolvedEvaluation,
    split: SplitParameters,
    wanted: SimulationSettings,
) -> SimulationReport:
    """Replay bins through a live session, one by one, and compare its outputs with a run over all of them.

    A signal whose thresholds are quantiles of its scores takes them from the training part of that run, which then
    comes first. So it does for a learned signal: its fits are those of the run, each in force from its own bin on.

    Raises ConfigError and SourceError or DatasetError where the signal, its parameters and the data do not fit, and
    VpharnessError where no bin came.
    """
    columns = replay.columns if wanted.fields is None else wanted.fields
    grid_schema(columns)
    run = None
    thresholds = tuple(map(float, params.thresholds))
    if not thresholds or isinstance(signal, LearnedSignal):
        run = _run_over_all(replay, signal, params)
        thresholds = thresholds or _chosen(run, params, evaluation, split)
    fits = None if run is None else run.fits
    begun = time.perf_counter_ns()
    ready = scorer(signal, params, cell_width_ms=replay.cell_width_ms, radius=replay.radius, fits=fits)
    model = LiveModel(ready, thresholds, evaluation.warmup_bins, evaluation.cooldown_bins)
    simulation = _Simulation(replay, wanted, columns, spent_ns=time.perf_counter_ns() - begun)
    durations = (evaluation.latency_ns, evaluation.max_wait_ns) if evaluation.in_queue else None
    with replay.opened(model, durations) as (session, steps):
        for step in steps:
            simulation.take(step)
    if not simulation.scores:
        raise VpharnessError(_NO_BIN)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cold_start_s = simulation.cold_start_s if run is None else None
    run = run or _run_over_all(replay, signal, params)
    report = _report(simulation, model, run, peak_mb, cold_start_s)
    if durations is None or session.followed is None:
        return report
    rows = run.rows
    n_orders, differ = compare_fates(session.followed.fates_from(), replay.fates(rows, durations), rows["bin_seq"])
    return replace(report, n_orders=n_orders, orders_differ=differ)


@dataclass(frozen=True)
class Run:
    """A run over all T bins.

    Attributes:
        rows: [T] BIN_DTYPE.
        scores: [T].
        fits: of a learned signal the weights that it was scored with; None for any other.
    """

    rows: NDArray[np.void]
    scores: NDArray[np.float64]
    fits: FitsInForce | None = None


def _run_over_all(replay: SimulationInput, signal: Signal[Any], params: SignalParameters) -> Run:
    """Score all bins at once, as a run does."""
    whole, width_ms = replay.whole(signal.columns), replay.cell_width_ms
    valid = whole.rows["book_valid"]
    rows = {name: whole.rows[name] for name in whole.rows.dtype.names or ()}
    shown = signal.with_series(whole.columns, rows, replay.tick_size)
    if not isinstance(signal, LearnedSignal) or not isinstance(params, LearnedParameters):
        return Run(whole.rows, score(signal, params, shown, cell_width_ms=width_ms, valid=valid))
    if not len(whole.rows):
        raise VpharnessError(_NO_BIN)
    found = features(signal, params, shown, cell_width_ms=width_ms, valid=valid)
    view = view_of_bins(
        rows,
        name="simulated bins",
        checksum="",
        span=(int(rows["bin_start_ns"][0]), int(rows["bin_end_ns"][-1])),
        tick_size=replay.tick_size,
        cell_width_ms=width_ms,
    )
    learned = LearnedRun.of(signal, params, found, view, models=None)
    if not learned.fits:
        raise ConfigError(
            f"signal {signal.name} is never fitted on these {len(valid)} bins: its first fit is at bin "
            f"{params.first_fit_bins} (signal.first_fit_bins), with at least {params.min_train_bins} labelled bins"
        )
    return Run(whole.rows, learned.scores(), learned.in_force)


def _chosen(
    run: Run, params: SignalParameters, evaluation: ResolvedEvaluation, split: SplitParameters
) -> tuple[float, ...]:
    """Return the thresholds that a run chooses on its training part."""
    rows, scores = run.rows, run.scores
    part = parts_within("these bins", len(rows), evaluation, split)[0]
    return quantile_thresholds([scores], [part], [percentile / 100 for percentile in params.threshold_quantiles])


@dataclass
class _Simulation:
    """A simulation in progress: of each bin as little as the comparison needs."""

    replay: SimulationInput
    wanted: SimulationSettings
    columns: tuple[str, ...]
    spent_ns: int  # until the first bin with a valid book
    rows: bytearray = field(default_factory=bytearray)
    scores: "array[float]" = field(default_factory=lambda: array("d"))
    fires: "array[int]" = field(default_factory=lambda: array("b"))
    durations_ns: dict[str, "array[int]"] = field(default_factory=dict)
    deadline_misses: int = 0
    cold_start_s: float | None = None
    frame_bytes: int = 0
    fields_bytes: int = 0

    def __post_init__(self) -> None:
        wanted, width_ms = self.wanted, self.replay.cell_width_ms
        bins_at_once = Schedule(width_ms, wanted.speed, wanted.stall_s, 0).bins_at_once
        # Late enough that what the bins of the stall do is no longer done for the first time.
        self.schedule = Schedule(width_ms, wanted.speed, wanted.stall_s, WARMING_BINS + bins_at_once)
        self._tick_price = tick_size_to_price(self.replay.tick_size)

    def take(self, step: Step) -> None:
        """Take a step when its bin is due, encode the bins that it gives, and record the times."""
        number = len(self.scores)
        if number:
            self.schedule.wait(number)
        bins, spent = step()
        if bins and not number:
            self.schedule.wait(0)
        begun = time.perf_counter_ns()
        for each in bins:
            self._encode(each)
        spent[ENCODE] = time.perf_counter_ns() - begun
        in_stall = self.schedule.is_catching_up
        overdue_ns = self.schedule.done(number) if bins else None
        self._note_cold_start(bins, spent)
        # A step that closes no bin, or several, is no bin's latency: there are none but before the first bin.
        if len(bins) == 1 and number >= WARMING_BINS and not in_stall:
            self._note_latency(spent, overdue_ns)
        for each in bins:
            self.rows += each.row.tobytes()
            self.scores.append(each.score)
            self.fires.extend(each.fires)

    def _encode(self, scored: ScoredBin) -> None:
        """Encode the frames of a bin as the server does."""
        text = encode_json({**bin_fields(scored, self._tick_price), "fire": scored.fires[0]})
        frame = encode_grid([scored], self.columns)
        self.fields_bytes, self.frame_bytes = max(self.fields_bytes, len(text)), len(frame)

    def _note_cold_start(self, bins: Sequence[ScoredBin], spent: Mapping[str, int]) -> None:
        if self.cold_start_s is None:
            self.spent_ns += sum(spent.values())
            if any(each.row["book_valid"][0] for each in bins):
                self.cold_start_s = self.spent_ns / 1e9

    def _note_latency(self, spent: Mapping[str, int], overdue_ns: int | None) -> None:
        total = sum(spent.values())
        late = {} if overdue_ns is None else {OVERDUE: overdue_ns}
        self.deadline_misses += late.get(OVERDUE, total) > self.wanted.budget_ms * 1e6
        for stage, duration_ns in {**spent, TOTAL: total, **late}.items():
            self.durations_ns.setdefault(stage, array("q")).append(duration_ns)


def _report(
    simulation: _Simulation, model: LiveModel, run: Run, peak_memory_mb: float, cold_start_s: float | None
) -> SimulationReport:
    rows = np.frombuffer(simulation.rows, BIN_DTYPE)
    fires = np.frombuffer(simulation.fires, np.int8).reshape(len(rows), len(model.thresholds))
    latencies = {stage: Latency.of(durations) for stage, durations in simulation.durations_ns.items()}
    # The bins of a dataset are the same by having been read from it.
    compared = list(BIN_DTYPE.names or ()) if isinstance(simulation.replay, EventInput) else ["bin_seq"]
    found = [BinOutputs(rows[compared], np.frombuffer(simulation.scores, np.float64), each) for each in fires.T]
    return SimulationReport(
        bins=len(rows),
        valid_bins=int(np.count_nonzero(rows["book_valid"])),
        latency={stage: latency for stage, latency in latencies.items() if latency is not None},
        deadline_misses=simulation.deadline_misses,
        budget_ms=simulation.wanted.budget_ms,
        peak_memory_mb=peak_memory_mb,
        cold_start_s=cold_start_s,
        catch_up=simulation.schedule.catch_up(),
        frame_bytes=simulation.frame_bytes,
        fields_bytes=simulation.fields_bytes,
        columns=simulation.columns,
        agreements=_agreements(found, run.rows[compared], run.scores, model),
        n_fires={each: int(n) for each, n in zip(model.thresholds, np.count_nonzero(fires, axis=0), strict=True)},
    )


def _agreements(
    found: Sequence[BinOutputs], rows: NDArray[np.void], scores: NDArray[np.float64], model: LiveModel
) -> dict[float, Agreement]:
    """Return by threshold the comparison of the live outputs with the rows and scores [T] of a run over all bins."""
    wanted = find_fires(scores, model.thresholds, warmup_bins=model.warmup_bins, cooldown_bins=model.cooldown_bins)
    agreements = {}
    for threshold, live, fires in zip(model.thresholds, found, wanted, strict=True):
        directions = np.zeros(len(rows), np.int8)
        directions[fires.bins] = fires.directions
        agreements[threshold] = compare_outputs(live, BinOutputs(rows, scores, directions), threshold)
    return agreements
