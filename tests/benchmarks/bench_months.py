"""What a ledger of months costs to look at: `compare` and walk-forward on 10 and 60 days, by processor and memory.

    python -m tests.benchmarks.bench_months [--days 10 60] [--runs 192] [--fires 60] [--keep FOLDER] [--unmerged]

The ledger is made up as by `bench_compare`: runs at six thresholds on days of one hour each. The first time stands for
a ledger that has changed since it was ranked, as a campaign finds it in its end; the others for the finished one.
"""

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.bench_compare import Made, write
from tests.benchmarks.bench_walk_forward import measured

THRESHOLDS = 6
RANKING = ("compare", "mixed_horizon=true", "json=true")
WORDS = {
    "compare, first": RANKING,
    "compare": RANKING,
    "compare, once more": RANKING,
    "walk-forward, train=5 step=1": ("compare", "walk_forward=true", "train=5", "json=true", "tracking=none"),
    "walk-forward, again": ("compare", "walk_forward=true", "train=5", "json=true", "tracking=none"),
}


def main() -> None:
    """Make ledgers, and look at them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--days", type=int, nargs="*", default=[10, 60])
    parser.add_argument("--runs", type=int, default=192)
    parser.add_argument("--fires", type=float, default=60.0, help="of a candidate in an hour")
    parser.add_argument("--keep", type=Path, help="a folder to leave the ledgers in, and to find them in again")
    parser.add_argument("--unmerged", action="store_true", help="leave the parts of the store as they were written")
    parser.add_argument("--report", action="store_true", help="write a report too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for days in options.days:
            name = f"months-{days}-{options.runs}-{options.fires:g}{'-unmerged' if options.unmerged else ''}"
            lake = (options.keep or Path(folder)) / name
            if not lake.exists():
                hours = (1.0,) * days
                write(lake, Made(options.runs * THRESHOLDS, hours, options.fires, THRESHOLDS, not options.unmerged))
            page = Path(folder) / f"report-{days}.html"
            report = {"report": (*RANKING, f"report={page}")} if options.report else {}
            for what, words in (WORDS | report).items():
                clock, processor, megabytes = measured(lake, *words)
                print(
                    f"{days} days: {what}: {clock:.2f} s, processor {processor:.2f} s, {megabytes:,.0f} MB", flush=True
                )


if __name__ == "__main__":
    main()
