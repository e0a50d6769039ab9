"""Rows of the results store: their schemas, and runs, markets and evidence as rows."""

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from vpharness.evaluation import BlockSums, Evidence, Market, Tally
from vpharness.evaluation.blocks import COUNTS, ORDERS, TICKS
from vpharness.results.store import (
    ADAPTIVE,
    AUDITS,
    CAMPAIGNS,
    CANDIDATES,
    EVIDENCE,
    EXPLORED,
    FIRES,
    META,
    VIEWS,
    WALK_FORWARDS,
    Store,
    TableRows,
    append,
    read,
)
from vpharness.results.store_columns import TABLES

DONE: Final = "done"
FAILED: Final = "failed"

TIMES: Final = ("mid_times_ms", "net_times_ms")
"""Lists of times to the barrier, from which medians are taken."""
WAITS: Final = "waits_ms"
"""Times that resting orders waited for their fill."""

META_SCHEMA: Final = TABLES[META].schema()
"""`part` names the part that a row was written with: it tells rows apart of a run that was cut off while its parts were
being put in place, or that was carried out twice."""
FIRES_SCHEMA: Final = TABLES[FIRES].schema()
EVIDENCE_SCHEMA: Final = TABLES[EVIDENCE].schema()
VIEWS_SCHEMA: Final = TABLES[VIEWS].schema()
CAMPAIGNS_SCHEMA: Final = TABLES[CAMPAIGNS].schema()
ADAPTIVE_SCHEMA: Final = TABLES[ADAPTIVE].schema()
AUDITS_SCHEMA: Final = TABLES[AUDITS].schema()
WALK_FORWARDS_SCHEMA: Final = TABLES[WALK_FORWARDS].schema()
EXPLORED_SCHEMA: Final = TABLES[EXPLORED].schema()


def candidate_schema() -> pa.Schema:
    """Return the columns of the table of candidates: what each is, and every figure that is registered."""
    return TABLES[CANDIDATES].schema()


def market_row(market: Market) -> dict[str, Any]:
    """Return a market as the values of a row."""
    return {
        "instrument": market.instrument,
        "contents": sorted(market.contents),
        "origin_ns": market.origin_ns,
    }


def market_in(row: Mapping[str, Any]) -> Market | None:
    """Return the market that a row names; None in a row of an earlier version, which names none."""
    if row.get("origin_ns") is None:
        return None
    return Market(row["instrument"], frozenset(row["contents"] or ()), row["origin_ns"])


def evidence_row(evidence: Evidence) -> dict[str, Any]:
    """Return evidence as the values of a row, without the keys that say whose it is."""
    blocks = evidence.blocks
    return {
        "evidence_digest": evidence.digest,
        "block_s": blocks.seconds,
        "block": blocks.block,
        **{name: blocks.count(name) for name in COUNTS},
        **{name: blocks.tick(name) for name in TICKS},
        **{name: None if blocks.orders is None else blocks.order(name) for name in ORDERS},
        **{name: getattr(evidence, name) for name in TIMES},
        WAITS: evidence.waits_ms,
        **vars(evidence.tally),
    }


def evidence_in(row: Mapping[str, Any]) -> Evidence:
    """Return the evidence that a row holds."""

    def lists(names: Sequence[str], kind: type) -> Any:
        return np.column_stack([np.asarray(row[name], kind) for name in names])

    orders = None if row[ORDERS[0]] is None else lists(ORDERS, np.float64)
    blocks = BlockSums(
        row["block_s"], np.asarray(row["block"], np.int64), lists(COUNTS, np.int32), lists(TICKS, np.float64), orders
    )
    tally = Tally(**{name: row[name] for name in Tally.__dataclass_fields__})
    waits = None if row[WAITS] is None else np.asarray(row[WAITS], np.float64)
    mid_times_ms, net_times_ms = (np.asarray(row[name], np.float64) for name in TIMES)
    return Evidence(blocks, tally, mid_times_ms, net_times_ms, waits)


@dataclasses.dataclass(frozen=True)
class Labels:
    """What a user calls a run."""

    experiment: str = ""
    campaign: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


def finished_runs(store: Store) -> set[str]:
    """Return the ids of the runs that need not be carried out again."""
    return {row["run_id"] for row in read(store, META, ["run_id", "status"]) if row["status"] == DONE}


def rows_of_runs(store: Store, run_ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the candidates of finished runs, by run, in the order of their thresholds' places."""
    wanted = set(run_ids)
    parts = {
        row["run_id"]: row["part"] for row in read(store, META, ["run_id", "status", "part"]) if row["status"] == DONE
    }
    found: dict[str, list[dict[str, Any]]] = {run_id: [] for run_id in wanted}
    for row in read(store, CANDIDATES):
        if row["run_id"] in wanted and row["part"] == parts.get(row["run_id"]):
            found[row["run_id"]].append(row)
    return found


def mark_adaptive(store: Store, run_ids: Sequence[str]) -> None:
    """Write down, before they are carried out, that runs were chosen by an adaptive search: that is for good."""
    now_ns = time.time_ns()
    rows = [{"run_id": run_id, "created_ns": now_ns} for run_id in run_ids]
    append(store, TableRows(ADAPTIVE, rows, ADAPTIVE_SCHEMA))
