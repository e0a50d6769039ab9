"""Reading speed of Databento's encodings: `python -m tests.benchmarks.bench_databento_exports [RECORDS]`.

The same records as DBN, CSV, JSON lines and Parquet, written by Databento's client; each is read beside a plain decoder
that makes arrays of all columns and checks nothing. Seconds are those of the processor: all of them use one core.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import databento
import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet as pq

from tests.benchmarks.dense_stream import dense_stream
from vpharness.events.dbn import DbnSource
from vpharness.events.dbn_records import MBO_RECORD_DTYPE
from vpharness.events.dbn_writer import write_dbn
from vpharness.events.event_source import CHUNK_EVENTS, EventStream

RECORDS = 1_000_000
TIMES = 3


def seconds_of(work: Callable[[], object]) -> float:
    """Return how much of the processor a call takes, at best of a few."""
    taken = []
    for _ in range(TIMES):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def read(path: Path) -> int:
    """Read a file to its end and return the number of its events."""
    with DbnSource(str(path), 0.25, symbol="ESH4").open() as stream:
        return sum(len(chunk) for chunk in stream.chunks)


def decode_json(path: Path) -> pd.DataFrame:
    """Return JSON lines as a data frame, by the standard library."""
    with path.open() as file:
        return pd.DataFrame([json.loads(line) for line in file])


def main() -> None:
    """Print records a second for each encoding, beside its plain decoder."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"es.{name}" for name in ("dbn", "csv", "json", "parquet")}
        events = dense_stream(count)
        count = len(events)
        chunks = iter([events[start : start + CHUNK_EVENTS] for start in range(0, count, CHUNK_EVENTS)])
        write_dbn(paths["dbn"], EventStream("ESH4", 1.0, chunks), dataset="GLBX.MDP3", symbol="ESH4", instrument_id=7)
        store = databento.DBNStore.from_file(paths["dbn"])
        store.to_csv(paths["csv"])
        store.to_json(paths["json"])
        store.to_parquet(paths["parquet"])
        plain: dict[str, tuple[str, Callable[[], object]]] = {
            "dbn": ("numpy.fromfile", lambda: np.fromfile(paths["dbn"], MBO_RECORD_DTYPE, offset=200).copy()),
            "csv": (
                "pyarrow.csv, one thread",
                lambda: pyarrow.csv.read_csv(paths["csv"], pyarrow.csv.ReadOptions(use_threads=False)),
            ),
            "json": ("json.loads and pandas", lambda: decode_json(paths["json"])),
            "parquet": ("pyarrow.parquet, one thread", lambda: pq.read_table(paths["parquet"], use_threads=False)),
        }
        for name, path in paths.items():
            assert read(path) == count
            ours, theirs = seconds_of(lambda path=path: read(path)), seconds_of(plain[name][1])  # type: ignore[misc]
            print(
                f"{name}: {path.stat().st_size / 1e6:.0f} MB, {count / ours / 1e6:.2f} M records/s; "
                f"{plain[name][0]}: {count / theirs / 1e6:.2f} M records/s"
            )


if __name__ == "__main__":
    main()
