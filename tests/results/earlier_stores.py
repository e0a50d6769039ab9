"""Stores as earlier versions wrote them.

`python -m tests.results.earlier_stores` writes the one of this version, `stores/vN`, which later versions will read.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tests.commands.test_cli import in_process
from vpharness.results.store import STORE_VERSION, store_in

STORES: Final = Path(__file__).parent / "stores"
_MARKET: Final = ("source.minutes=2", "split=none", "tracking=none", "eval.max_hold_bins=20", "eval.sl_ticks=1")
_COMMANDS: Final = (
    ("signal=ads", "signal.thresholds=[0.2,0.4]", "eval.tp_ticks=2", *_MARKET),
    ("-m", "signal=perm_derivative", "signal.thresholds=[0.3]", "eval.tp_ticks=2,3", "campaign=small", *_MARKET),
    ("compare", "walk_forward=true", "signal=ads", "segments=4", "train=1"),
    ("compare", "execution=1ac96f713fc58327", "min_signals=0"),  # ads at 0.2
)


def write_store(place: Path) -> None:
    """Write the small store that this version makes of two minutes of market to a new folder."""
    with tempfile.TemporaryDirectory() as name:
        for words in _COMMANDS:
            said = in_process(Path(name), *words)
            if said.returncode:
                raise SystemExit(said.stderr)
        kept_for_speed = shutil.ignore_patterns("claims", "rankings")
        shutil.copytree(store_in(Path(name) / "lake").root, place, ignore=kept_for_speed)


def as_version_2(root: Path) -> None:
    """Turn a store into one of version 2: without evidence, markets and results of fires, judged by evaluation 1."""
    shutil.rmtree(root / "evidence.parquet", ignore_errors=True)
    shutil.rmtree(root / "audits.parquet", ignore_errors=True)
    _rewrite(
        root / "runs_meta.parquet",
        lambda table: _of_evaluation_1(_without(table, "instrument", "contents", "origin_ns", "first_bin_start_ns")),
    )
    _rewrite(root / "runs.parquet", lambda table: _without(table, "block_s"))
    _rewrite(root / "fires.parquet", lambda table: _without(table, "net_pnl_ticks"))
    (root / "store.json").write_text(json.dumps({"store_version": 2}) + "\n", encoding="utf-8")


def _without(table: pa.Table, *names: str) -> pa.Table:
    return table.drop_columns([name for name in names if name in table.schema.names])


def _of_evaluation_1(table: pa.Table) -> pa.Table:
    identities = []
    for text in table["identity"].to_pylist():
        identity = json.loads(text)
        identity["code"]["evaluation_version"] = 1
        identities.append(json.dumps(identity, sort_keys=True))
    return table.set_column(table.schema.get_field_index("identity"), "identity", pa.array(identities))


def _rewrite(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    for part in sorted(folder.glob("*.parquet")):
        table = pq.read_table(part)
        part.unlink()
        # Parts of that version were named by their time alone.
        pq.write_table(change(table), folder / f"{part.name.partition('.')[0]}.parquet", compression="zstd")


if __name__ == "__main__":
    write_store(STORES / f"v{STORE_VERSION}")
