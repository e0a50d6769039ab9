"""What a year of research costs, from measured parts: `python -m tests.benchmarks.year_of_research` prints the table.

Nothing is run. Each part is a figure of RESULTS.md, per bin, event or run, and a year is their sum: measure a part
anew, change it here, and print the table again. `vpharness/docs/how-to/clusters.md` shows it.
"""

from dataclasses import dataclass
from typing import Final

from vpharness.lattice.lattice_parameters import LatticeParameters

HOUR_S: Final = 3_600.0


@dataclass(frozen=True)
class Parts:
    """Measured parts; seconds are of one core of the machine of RESULTS.md.

    Attributes:
        build_s_per_bin, build_s_per_event: building without columns, from an hour of CME ESH4 (35,995 bins, 68,792
            events, 0.22 s) and eight simulated hours (288,000 bins, 5,349,270 events, 8.0 s).
        bytes_per_bin, bytes_per_event: of a dataset without columns, from the same two.
        columns_s_per_bin: four columns from events, 10.7 s for 288,000 bins; once for a dataset and its signals.
        cached_bytes_per_cell: of a column in the cache.
        run_s_per_bin: a run among 1,000 on one dataset, 4.5 ms on 35,995 bins, of which 2.1 ms are written.
        run_s: writing a run's folder and rows.
        track_s: tracking a run, in a process of its own.
        group_s: what a process takes for a group beside its runs: reading the dataset, a compiled signal, tables.
        run_bytes, run_bytes_per_hour: of a run of six thresholds in the store and in its folder, without scores: its
            configuration and rows, and its fires and evidence at 4,000 fires an hour.
        process_mb: a process with Python, JAX and Arrow.
    """

    build_s_per_bin: float = 3.6e-6
    build_s_per_event: float = 1.3e-6
    bytes_per_bin: float = 25.0
    bytes_per_event: float = 6.0
    columns_s_per_bin: float = 3.7e-5
    cached_bytes_per_cell: float = 8.0
    run_s_per_bin: float = 6.7e-8
    run_s: float = 2.1e-3
    track_s: float = 1.6e-3
    group_s: float = 6.0
    run_bytes: float = 16.5e3
    run_bytes_per_hour: float = 31e3
    process_mb: float = 600.0


@dataclass(frozen=True)
class Year:
    """The work of a year: each run on every day of every instrument.

    Attributes:
        name: of the case.
        events_per_day: of one instrument.
        hours_per_day: of its sessions.
    """

    name: str
    events_per_day: float
    hours_per_day: float
    instruments: int = 20
    days: int = 252
    runs: int = 1_000
    columns: int = 4
    cell_width_ms: float = 100.0

    @property
    def datasets(self) -> int:
        """Days of all instruments."""
        return self.instruments * self.days

    @property
    def bins_per_day(self) -> float:
        """Bins of a dataset."""
        return self.hours_per_day * HOUR_S * 1000 / self.cell_width_ms


YEARS: Final = (
    Year("quiet futures, 23 hours, 1.6 million events a day", 1.6e6, 23.0),
    Year("busy futures, 23 hours, 20 million events a day", 20e6, 23.0),
    Year("stocks, 6.5 hours, 5 million events a day", 5e6, 6.5),
)


def costs(year: Year, parts: Parts) -> dict[str, str]:
    """Return what a year costs, by what is counted."""
    bins, cells = year.bins_per_day, 2 * LatticeParameters().radius + 1
    build_s = bins * parts.build_s_per_bin + year.events_per_day * parts.build_s_per_event
    run_s = bins * parts.run_s_per_bin + parts.run_s + parts.track_s
    campaign_s = parts.group_s + bins * parts.columns_s_per_bin + year.runs * run_s
    column_bytes = bins * cells * parts.cached_bytes_per_cell
    dataset_bytes = bins * parts.bytes_per_bin + year.events_per_day * parts.bytes_per_event
    run_bytes = year.runs * (parts.run_bytes + year.hours_per_day * parts.run_bytes_per_hour)
    hours = year.datasets / HOUR_S
    shared_mb = min(1024.0, year.columns * column_bytes / 2**20 + 64 * bins * year.runs / 2**20)
    process_gb = (parts.process_mb + 2 * column_bytes / 1e6 + shared_mb) / 1e3
    total = hours * (build_s + campaign_s)
    return {
        "runs on a day of an instrument": f"{year.datasets * year.runs:,}",
        "building, core hours": f"{hours * build_s:,.0f}",
        "columns from events, core hours": f"{hours * bins * parts.columns_s_per_bin:,.0f}",
        "runs, core hours": f"{hours * (parts.group_s + year.runs * run_s):,.0f}",
        "in all on 2 cores; on ten machines of 32": f"{total / 2 / 24:,.1f} days; {total / 320:,.1f} hours",
        "datasets on disk": f"{year.datasets * dataset_bytes / 1e9:,.0f} GB",
        "one dataset, which is what travels": f"{dataset_bytes / 1e6:,.0f} MB",
        "results on disk, without scores": f"{year.datasets * run_bytes / 1e9:,.0f} GB",
        "cache of one dataset's columns": f"{year.columns * column_bytes / 1e9:,.1f} GB",
        "memory of a process, memory_mb=1024": f"{process_gb:,.1f} GB",
    }


def table(parts: Parts = Parts()) -> str:
    """Return the costs as a table in Markdown."""
    found = [costs(year, parts) for year in YEARS]
    lines = ["| 20 instruments, 252 days, 1,000 runs | " + " | ".join(year.name for year in YEARS) + " |"]
    lines.append("|---" * (len(YEARS) + 1) + "|")
    lines += [f"| {name} | " + " | ".join(each[name] for each in found) + " |" for name in found[0]]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
