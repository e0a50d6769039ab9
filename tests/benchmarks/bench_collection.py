"""What months cost that are really built and run: build, campaign, compare, report and walk-forward.

    python -m tests.benchmarks.bench_collection FOLDER [--days 10 60] [--minutes 60] [--event-rate 150] [--only-build]

Simulated days are written as DBN files, a market of its own each, then built as one collection; the campaign is
`experiment=tune_perm_derivative`, 192 runs a day at six thresholds. Each number of days has a lake of its own in
FOLDER, which needs 45 MB a day of one hour; files that are there already are used again. Times are of all processes of
a command, imports included; memory is the most that one of them held.
"""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.benchmarks.bench_walk_forward import measured
from vpharness.events.dbn_writer import write_dbn
from vpharness.events.synthetic import SyntheticSource

FIRST_DAY: Final = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
COLLECTION: Final = "dataset.collection=SIM"
RANKING: Final = ("compare", COLLECTION, "json=true", "top=20")
WALK_FORWARD: Final = ("compare", COLLECTION, "walk_forward=true", "train=5", "json=true", "tracking=none")


def main() -> None:
    """Print what each command takes, for each number of days."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, nargs="*", default=[10, 60])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--event-rate", type=float, default=150.0)
    parser.add_argument("--only-build", action="store_true")
    options = parser.parse_args()
    for days in options.days:
        lake = options.folder / f"lake-{days}-{options.minutes}-{options.event_rate:g}"
        files = write_days(options.folder, days, options.minutes, options.event_rate)
        chosen = f"source.path=[{','.join(map(str, files))}]"
        build = ("build", "source=dbn", chosen, "source.tick_size=0.25", "collection.id=SIM")
        campaign = ("-m", "experiment=tune_perm_derivative", COLLECTION, "tracking=none", f"outputs={lake / 'outputs'}")
        commands: dict[str, tuple[str, ...]] = {"build": build}
        if not options.only_build:
            commands |= {
                "campaign": campaign,
                "campaign, nothing left to run": campaign,
                "compare": RANKING,
                "compare, again": RANKING,
                "report": (*RANKING, f"report={lake / 'report.html'}"),
                "walk-forward": WALK_FORWARD,
                "walk-forward, again": WALK_FORWARD,
            }
        lake.mkdir(parents=True, exist_ok=True)
        for what, words in commands.items():
            clock, processor, megabytes = measured(lake, *words)
            print(
                f"{days} days: {what}: {clock:.1f} s, processor {processor:.1f} s, {megabytes:,.0f} MB at most; "
                f"lake {disk_mb(lake):,.0f} MB",
                flush=True,
            )
        for part in sorted(path for path in lake.rglob("*") if path.is_dir() and len(path.relative_to(lake).parts) < 3):
            print(f"    {part.relative_to(lake)}: {disk_mb(part):,.1f} MB")


def write_days(folder: Path, days: int, minutes: int, event_rate: float) -> list[Path]:
    """Write the files of days that are not there yet; return all of them."""
    files = []
    for day in range(days):
        opens = FIRST_DAY + timedelta(days=day)
        path = folder / f"files-{minutes}-{event_rate:g}" / f"{opens:%Y-%m-%d}.dbn"
        if not path.exists():
            source = SyntheticSource(
                seed=day, minutes=minutes, event_rate=event_rate, start_ns=int(opens.timestamp()) * 10**9
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            with source.open() as market:
                write_dbn(path, market, dataset="SIM", symbol="SIMH4", instrument_id=7)
        files.append(path)
    return files


def disk_mb(folder: Path) -> float:
    """Return what a folder takes on disk, in MB."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
