"""What `compare` costs on ledgers that are made up: processor time of the whole command, from the shell.

    python -m tests.benchmarks.bench_compare [--repeats 3] [--only NAME] [--keep FOLDER]

Each ledger is written to a lake of its own as campaigns write theirs; its fires and block sums are drawn, and its
candidates bet on nothing. The first time stands for a ledger that has changed, the others for one that has not. Times
are [by the clock, of the processor], seconds.
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpharness.evaluation import (
    EVALUATION_VERSION,
    BlockSums,
    EvaluationParameters,
    Evidence,
    Fires,
    Market,
    SplitParameters,
    Tally,
    figures_of,
)
from vpharness.evaluation.blocks import COUNTS, TICKS
from vpharness.results.store import CANDIDATES, EVIDENCE, FIRES, META, TableRows, append, merge_parts, store_in
from vpharness.results.table_schemas import (
    DONE,
    EVIDENCE_SCHEMA,
    FIRES_SCHEMA,
    META_SCHEMA,
    candidate_schema,
    evidence_row,
    market_row,
)

PROJECT: Final = Path(__file__).resolve().parents[2]
BLOCK_S: Final = 16
DAY_NS: Final = 86_400 * 10**9
START_NS: Final = 19_724 * DAY_NS
TRAIN: Final = 0.6
THRESHOLDS: Final = 12
TP_TICKS: Final = (4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Made:
    """A ledger to be made up.

    Attributes:
        candidates: how many.
        hours: of market time of each dataset, by the day that it is of: candidates run on all of them.
        fires_per_hour: of a candidate, on average.
        thresholds: candidates that share a run.
        is_merged: whether small parts are merged in the end, as campaigns do.
    """

    candidates: int
    hours: tuple[float, ...]
    fires_per_hour: float = 60.0
    thresholds: int = THRESHOLDS
    is_merged: bool = True


LEDGERS: Final = {
    "1,152 candidates, an hour": Made(1152, (1.0,)),
    "1,152 candidates, an hour, and 384 on 8 hours": Made(1152, (1.0, 8.0)),
    "192 candidates on 60 days of 2 hours": Made(192, (2.0,) * 60),
}


def main() -> None:
    """Make the ledgers, and compare each several times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help="a part of a ledger's name")
    parser.add_argument("--keep", type=Path, help="a folder to leave the ledgers in, and to find them in again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, made) in enumerate(LEDGERS.items()):
            if options.only is not None and options.only not in name:
                continue
            lake = (options.keep or Path(folder)) / f"lake-{number}"
            if not lake.exists():
                write(lake, made)
            for words in (("json=true", "top=20"), ()):
                times = [shell(lake, "compare", "mixed_horizon=true", *words) for _ in range(options.repeats)]
                shown = ", ".join(f"[{clock:.2f}, {processor:.2f}]" for clock, processor in times)
                print(f"{name}: compare {' '.join(words)}: {shown}", flush=True)


def shell(lake: Path, *words: str) -> tuple[float, float]:
    """Run a command on a lake and return its time."""
    environment = {**os.environ, "VPHARNESS_LAKE": str(lake)}
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "vpharness", *words]
    subprocess.run(command, check=True, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL)  # noqa: S603  # ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write(lake: Path, made: Made) -> None:
    """Write a ledger to the store of a lake, a part for each dataset and eight runs."""
    rng = np.random.default_rng(7)
    store = store_in(lake)
    for day, hours in enumerate(made.hours):
        runs = range(made.candidates // made.thresholds)
        for begin in range(0, len(runs), 8):
            rows = [row for run in runs[begin : begin + 8] for row in run_rows(made, run, day, hours, rng)]
            append(
                store,
                TableRows(FIRES, [row for table, row in rows if table == FIRES], FIRES_SCHEMA),
                TableRows(EVIDENCE, [row for table, row in rows if table == EVIDENCE], EVIDENCE_SCHEMA),
                TableRows(CANDIDATES, [row for table, row in rows if table == CANDIDATES], candidate_schema()),
                TableRows(META, [row for table, row in rows if table == META], META_SCHEMA),
            )
    if made.is_merged:
        merge_parts(store)


def run_rows(
    made: Made, run: int, day: int, hours: float, rng: np.random.Generator
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a run's candidates on a dataset, and of the run, with the tables that they are for."""
    bins, dataset_id = round(hours * 36_000), f"day{day:03d}"
    tp_ticks = TP_TICKS[run % len(TP_TICKS)]
    evaluation = EvaluationParameters(tp_ticks=tp_ticks, max_hold_bins=300).resolve(100)
    keys = {"run_id": f"run{run:06d}{day:06d}", "dataset_id": dataset_id}
    for label in (f"{0.1 * number:g}" for number in range(1, made.thresholds + 1)):
        fires = np.sort(rng.choice(bins - 1000, round(hours * made.fires_per_hour), replace=False))
        directions = rng.choice([-1, 1], len(fires))
        evidence = _evidence(fires[fires < TRAIN * bins], day, hours, tp_ticks, rng)
        own = {**keys, "candidate_id": f"candidate{run:06d}{label}"}
        found = Fires(fires, directions.astype(np.int8))
        yield FIRES, {**own, "fires_digest": found.digest, "fires": found.signed(), "net_pnl_ticks": None}
        yield EVIDENCE, {**own, **evidence_row(evidence)}
        figures = vars(figures_of(evidence, tp_ticks, tp_ticks))
        labels = {"signal": "made_up", "threshold_label": label, "threshold": float(label)}
        yield CANDIDATES, {**own, **labels, "p_value": 0.5, "lacks": "", **figures}
    identity = {
        "code": {"signal_digest": "made up", "evaluation_version": EVALUATION_VERSION, "lattice_version": 1},
        "dataset": {"id": dataset_id, "checksum": f"of {dataset_id}"},
        "evaluation": dataclasses.asdict(evaluation),
        "signal": {"target": "made.up", "parameters": {"window": run}},
        "split": dataclasses.asdict(SplitParameters(kind="time", train_share=TRAIN)),
    }
    yield (
        META,
        {
            **keys,
            "status": DONE,
            "error": "",
            "signal": "made_up",
            "signal_target": "made.up",
            "dataset_checksum": f"of {dataset_id}",
            "identity": json.dumps(identity, sort_keys=True),
            "judged_part": "train",
            "experiment": "bench",
            "campaign": "bench",
            "tags": "{}",
            "vpharness_version": "0",
            "created_ns": START_NS + run + day * DAY_NS,
            **market_row(Market("MADE", frozenset({dataset_id}))),
            "first_bin_start_ns": START_NS + day * DAY_NS,
            "bins": bins,
            "cell_width_ms": 100.0,
            "seconds": 0.1,
        },
    )


def _evidence(
    fires: "np.ndarray[Any, np.dtype[np.int64]]", day: int, hours: float, ticks: float, rng: np.random.Generator
) -> Evidence:
    """Return evidence of fires each of which meets a barrier, as a fair game would have it."""
    wins = rng.random(len(fires)) < 0.5
    first = (START_NS + day * DAY_NS) // (BLOCK_S * 10**9)
    block, places = np.unique(first + fires // (10 * BLOCK_S), return_inverse=True)
    counts = np.zeros((len(block), len(COUNTS)), np.int32)
    sums: NDArray[np.float64] = np.zeros((len(block), len(TICKS)))
    pnl = np.where(wins, ticks, -ticks).astype(np.float64)
    for name, values in {
        "n_mid": np.ones(len(fires)),
        "mid_tp": wins,
        "mid_sl": ~wins,
        "n_net": np.ones(len(fires)),
        "net_tp": wins,
        "net_sl": ~wins,
        "net_win": wins,
    }.items():
        np.add.at(counts[:, COUNTS.index(name)], places, values.astype(np.int32))
    for name, values in {"mid_pnl": pnl, "net_pnl": pnl - 1, "excess": pnl}.items():
        np.add.at(sums[:, TICKS.index(name)], places, values)
    n = len(fires)
    tally = Tally(n, n // 2, n - n // 2, 0, 0, 0, 0, TRAIN * hours, float(np.sum((pnl - 1) ** 2)), 9000, 4000, 4000)
    times = (rng.integers(1, 300, n) * 100.0).astype(np.float64)
    return Evidence(BlockSums(BLOCK_S, block, counts, sums), tally, times, times)


if __name__ == "__main__":
    main()
