"""Stores as earlier versions wrote them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


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
