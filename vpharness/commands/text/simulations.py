"""A simulation as text for people."""

from collections.abc import Iterator

from vpharness.commands.text.terminal import console, print_table
from vpharness.live.latency import PERCENTILES, Latency, bins_needed
from vpharness.simulation.simulate import WARMING_BINS, SimulationReport


def print_simulation(report: SimulationReport, signal: str, replay: str, cell_width_ms: int) -> None:
    """Print the table of latencies, and below it everything else that was found."""
    out, budget = console(), report.budget_ms
    bins = f"{report.bins:,} bins of {cell_width_ms} ms, {report.valid_bins:,} with a valid book"
    out.print(f"online simulation of {signal} on {replay}: {bins}", soft_wrap=True)
    if report.latency and "events" not in report.latency:
        out.print("its bins are finished: taking in events and closing bins take no part in this; source= has them")
    out.print()
    columns: dict[str, list[str]] = {"ms": list(report.latency)}
    for name in PERCENTILES:
        columns[name] = [_ms(each.percentiles[name]) for each in report.latency.values()]
    columns["max"] = [_ms(each.max_ms) for each in report.latency.values()]
    columns[f"p99 of {budget:g} ms"] = [_share(each.percentiles["p99"], budget) for each in report.latency.values()]
    print_table(columns, texts=("ms",), key="ms")
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
        return "stall: none was simulated (stall_s=0), or the data ended before it"
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
    orders = "" if report.n_orders is None else f", and what became of their {report.n_orders:,} resting orders"
    yield (
        f"same as the run over all bins: {report.bins:,} bins, their scores (worst difference {worst:.2g}) and all "
        f"{sum(report.n_fires.values()):,} fires at {len(report.n_fires)} thresholds{orders}{tied}"
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None, budget_ms: float) -> str:
    return "-" if value is None else f"{value / budget_ms:.2%}"
