"""The command `online-sim`."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from vpharness.campaigns.plan import Job, job_problems
from vpharness.campaigns.tracked import flat
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.durable import replace_file
from vpharness.errors import ConfigError, TrackingError, VpharnessError
from vpharness.results.tracking import TrackedRun, Tracking, TrackingParameters
from vpharness.signals import resolve
from vpharness.simulation.latency import PERCENTILES, Latency, bins_needed
from vpharness.simulation.replays import DatasetReplay, EventReplay
from vpharness.simulation.simulate import WARMING_BINS, SimulationReport, Wanted, simulate
from vpharness.tasks.commands import MAX_SPEED, OnlineSimCommand
from vpharness.tasks.compose import job_of
from vpharness.tasks.schema import check, check_command, instance
from vpharness.tasks.text import console, table_of

_REPORT_FILE = "report.json"


def run_online_sim(config: DictConfig) -> None:
    """Simulate a signal as it would be served; a difference from the run over all bins is an error."""
    asked = check_command(config, OnlineSimCommand)
    tracking: TrackingParameters = instance(config.tracking, "tracking")
    check(tracking=tracking)
    job = job_of(config, list(HydraConfig.get().overrides.task))
    lake = Lake(Path(asked.lake))
    if found := job_problems([job], lake):
        raise ConfigError("; ".join(found))
    replay = _replay(job, lake)
    wanted = Wanted(
        budget_ms=asked.bin_budget_ms or float(replay.cell_width_ms),
        speed=None if asked.speed == MAX_SPEED else asked.factor,
        stall_s=asked.stall_s,
        fields=None if asked.fields is None else tuple(asked.fields),
    )
    signal = resolve(job.signal_target)
    report = simulate(replay, signal, job.parameters, job.evaluation.resolve(replay.cell_width_ms), job.split, wanted)
    facts = _facts(report, signal.name, replay)
    if asked.json:
        print(json.dumps(facts, indent=1))
    else:
        _print(report, signal.name, replay)
    if tracking.kind != "none":
        _track(tracking, Path(asked.outputs), job, replay, facts)
    if report.differences:
        raise VpharnessError(
            f"what would be served is not what a run says: {'; '.join(report.differences)}; "
            "python -m vpharness audit says whether the signal keeps the rules"
        )


def _replay(job: Job, lake: Lake) -> EventReplay | DatasetReplay:
    if isinstance(job.data, str):
        return DatasetReplay(find_dataset(lake, job.data))
    return EventReplay(job.data.source, job.data.lattice, job.data.start_ns, job.data.end_ns)


def _name(replay: EventReplay | DatasetReplay) -> str:
    if isinstance(replay, DatasetReplay):
        return f"dataset {replay.dataset.manifest.dataset_id}"
    return f"source {replay.source.identity().get('kind', type(replay.source).__name__)}"


def _facts(report: SimulationReport, signal: str, replay: EventReplay | DatasetReplay) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "signal": signal,
        "replay": _name(replay),
        **dataclasses.asdict(report),
        "agreements": [
            {"threshold": threshold, "n_fires": report.n_fires[threshold], **dataclasses.asdict(found)}
            for threshold, found in report.agreements.items()
        ],
        "agrees": not report.differences,
    }


def _print(report: SimulationReport, signal: str, replay: EventReplay | DatasetReplay) -> None:
    out = console()
    budget = report.budget_ms
    out.print(
        f"online simulation of {signal} on {_name(replay)}: {report.bins:,} bins of {replay.cell_width_ms} ms, "
        f"{report.valid_bins:,} with a valid book",
        soft_wrap=True,
    )
    if isinstance(replay, DatasetReplay):
        out.print("its bins are finished: taking in events and closing bins take no part in this; source= has them")
    out.print()
    columns: dict[str, list[str]] = {"ms": list(report.latency)}
    for name in PERCENTILES:
        columns[name] = [_ms(each.percentiles[name]) for each in report.latency.values()]
    columns["max"] = [_ms(each.max_ms) for each in report.latency.values()]
    columns[f"p99 of {budget:g} ms"] = [_share(each.percentiles["p99"], budget) for each in report.latency.values()]
    out.print(table_of(columns, texts=("ms",)))
    out.print()
    for line in _lines(report):
        out.print(line, soft_wrap=True)


def _lines(report: SimulationReport) -> Iterator[str]:
    timed = next(iter(report.latency.values()), None)
    if timed is None:
        yield f"no bin was timed: the first {WARMING_BINS} belong to the cold start, and those of the stall to no table"
    else:
        yield from _too_few(timed)
        yield f"{report.deadline_misses:,} of {timed.bins:,} timed bins came later than {report.budget_ms:g} ms"
    cold = "not measured, the run that chose the thresholds had compiled everything"
    if report.cold_start_s is not None:
        cold = f"{report.cold_start_s:.2f} s to the frame of the first bin with a valid book"
    yield f"cold start: {cold}"
    yield f"memory: at most {report.peak_memory_mb:,.0f} MB"
    yield (
        f"a bin on the wire: {report.frame_bytes:,} bytes for {len(report.columns)} columns, and up to "
        f"{report.fields_bytes:,} of JSON"
    )
    yield _stall_line(report)
    yield from _agreement_lines(report)


def _too_few(timed: Latency) -> Iterator[str]:
    told = [name for name, share in PERCENTILES.items() if timed.bins >= bins_needed(share)]
    untold = [f"{name} needs {bins_needed(share):,}" for name, share in PERCENTILES.items() if name not in told]
    if untold:
        yield f"too few bins for some percentiles: {timed.bins:,} were timed, {', '.join(untold)}"


def _stall_line(report: SimulationReport) -> str:
    found = report.catch_up
    if found is None:
        return "stall: none was tried, or the data ended before it"
    level = "not made up for before the data ended"
    if found.level_after_ms is not None:
        level = f"made up for in {found.level_after_ms:,.0f} ms"
    return (
        f"stall of {found.stall_s:g} s: {found.bins_at_once:,} bins due at once, {level}; at worst a frame came "
        f"{found.worst_behind_ms / 1e3:.2f} s ({found.worst_behind_bins:,} bins) late, the stall included"
    )


def _agreement_lines(report: SimulationReport) -> Iterator[str]:
    if report.differences:
        yield "NOT what the run over all bins says:"
        yield from (f"  {each}" for each in report.differences)
        return
    worst = max(each.worst for each in report.agreements.values())
    ties = sum(each.ties for each in report.agreements.values())
    tied = f"; {ties} scores stand on a threshold, where fires may differ" if ties else ""
    yield (
        f"same as the run over all bins: {report.bins:,} bins, their scores (worst difference {worst:.2g}) and all "
        f"{sum(report.n_fires.values()):,} fires at {len(report.n_fires)} thresholds{tied}"
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None, budget_ms: float) -> str:
    return "-" if value is None else f"{value / budget_ms:.2%}"


def _track(
    tracking: TrackingParameters,
    outputs: Path,
    job: Job,
    replay: EventReplay | DatasetReplay,
    facts: Mapping[str, Any],
) -> None:
    """Track a simulation; where that fails it is said, and what was printed stands."""
    moment = datetime.fromtimestamp(time.time(), UTC)
    name = f"{facts['signal']}-{moment:%Y%m%dT%H%M%S%f}"
    folder = outputs / "online_sim" / name
    chosen = {key: job.config[key] for key in ("signal", "eval", "bin_budget_ms", "speed", "stall_s")}
    dataset = None
    if isinstance(replay, DatasetReplay):
        found = replay.dataset
        dataset = (found.manifest.dataset_id, found.checksum, str(found.path))
    try:
        folder.mkdir(parents=True)
        replace_file(folder / _REPORT_FILE, json.dumps(facts, indent=1) + "\n")
        run = TrackedRun(
            name=f"online-sim {name}",
            parameters={**dict(flat(chosen)), "replay": facts["replay"]},
            metrics=list(_metrics(facts)),
            tags={"kind": "online-sim", "signal": str(facts["signal"])},
            dataset=dataset,
            folder=str(folder),
            artifacts=[_REPORT_FILE],
        )
        Tracking(tracking, outputs).log(run)
    except (OSError, TrackingError) as error:
        print(f"vpharness: the simulation could not be tracked: {error}", file=sys.stderr)


def _metrics(facts: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    for stage, latency in facts["latency"].items():
        for name, value in {**latency["percentiles"], "max": latency["max_ms"]}.items():
            if value is not None:
                yield f"{stage.replace(' ', '_')}_{name}_ms", value, 0
    for name in ("deadline_misses", "peak_memory_mb", "cold_start_s", "frame_bytes"):
        if facts[name] is not None:
            yield name, float(facts[name]), 0
    yield "agrees", float(facts["agrees"]), 0
