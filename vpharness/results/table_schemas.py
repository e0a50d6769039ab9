"""What the store keeps of a run: a row for it, a row for each candidate, and the candidates' fires."""

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from vpharness.evaluation import Evidence, Figures, Market, Tally
from vpharness.evaluation.blocks import COUNTS, TICKS
from vpharness.results.store import ADAPTIVE, CANDIDATES, META, Store, TableRows, append, read

DONE: Final = "done"
FAILED: Final = "failed"

TIMES: Final = ("mid_times_ms", "net_times_ms")
"""Lists of times to the barrier, from which medians are taken."""

# `part` names the part that a row was written with: rows of a run that was cut off while its parts were being put in
# place, or that was carried out twice, are told apart by it.
META_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "status", "error", "signal", "signal_target", "dataset_id")),
        *((name, pa.string()) for name in ("dataset_checksum", "identity", "judged_part", "experiment", "campaign")),
        ("tags", pa.string()),
        ("vpharness_version", pa.string()),
        ("created_ns", pa.int64()),
        ("instrument", pa.string()),  # this and the next two: the market; absent in rows of store version 2
        ("contents", pa.list_(pa.string())),
        ("origin_ns", pa.int64()),
        ("first_bin_start_ns", pa.int64()),
        ("bins", pa.int64()),
        ("cell_width_ms", pa.int64()),
        ("seconds", pa.float64()),
        ("part", pa.string()),
    ]
)
_FIGURE_TYPES: Final = {int: pa.int64(), float: pa.float64()}
CANDIDATE_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "signal", "dataset_id", "threshold_label")),
        ("threshold", pa.float64()),
        ("p_value", pa.float64()),
        ("lacks", pa.string()),
        ("part", pa.string()),
        *((field.name, _FIGURE_TYPES[field.type]) for field in dataclasses.fields(Figures)),  # type: ignore[index]  # int or float
    ]
)
"""Figures are those of the part that was judged; the test part's are worked out only when they are asked for."""

FIRES_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "dataset_id", "fires_digest")),
        ("fires", pa.list_(pa.int64())),  # direction * (bin + 1), the whole span
        ("net_pnl_ticks", pa.list_(pa.float64())),  # of each fire; NaN outside the part that was judged
        ("part", pa.string()),
    ]
)

_TALLY_TYPES: Final = {int: pa.int64(), float: pa.float64()}
EVIDENCE_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "candidate_id", "dataset_id", "evidence_digest")),
        ("block_s", pa.int64()),
        ("block", pa.list_(pa.int64())),  # floor(start of the fire's bin in ns / block_s)
        *((name, pa.list_(pa.int32())) for name in COUNTS),
        *((name, pa.list_(pa.float64())) for name in TICKS),
        *((name, pa.list_(pa.float64())) for name in TIMES),
        *((field.name, _TALLY_TYPES[field.type]) for field in dataclasses.fields(Tally)),  # type: ignore[index]  # int or float
        ("part", pa.string()),
    ]
)
"""Of the part that was judged: sums over blocks of time, from which everything is judged. See `Evidence`."""


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
        **{name: getattr(evidence, name) for name in TIMES},
        **vars(evidence.tally),
    }


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


CAMPAIGNS_SCHEMA: Final = pa.schema(
    [
        ("campaign", pa.string()),
        ("created_ns", pa.int64()),
        ("words", pa.list_(pa.string())),
        ("run_ids", pa.list_(pa.string())),
    ]
)
"""One row each time that a campaign has been begun: what was typed, and the runs of its plan."""

ADAPTIVE_SCHEMA: Final = pa.schema([("run_id", pa.string()), ("created_ns", pa.int64())])
"""One row for each run whose values were chosen by looking at what earlier runs came to."""


def mark_adaptive(store: Store, run_ids: Sequence[str]) -> None:
    """Write down, before they are carried out, that runs were chosen by an adaptive search: that is for good."""
    now_ns = time.time_ns()
    rows = [{"run_id": run_id, "created_ns": now_ns} for run_id in run_ids]
    append(store, TableRows(ADAPTIVE, rows, ADAPTIVE_SCHEMA))


VIEWS_SCHEMA: Final = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("opened_ns", pa.int64()),
        ("instrument", pa.string()),  # this and the next four: the market time; absent in rows of store version 2
        ("contents", pa.list_(pa.string())),
        ("origin_ns", pa.int64()),
        ("start_ns", pa.int64()),
        ("stop_ns", pa.int64()),
    ]
)
"""A row for each stretch of market time of a candidate's test part, each time that it has been opened."""

AUDITS_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("signal_target", "signal_digest", "dataset_id", "dataset_checksum")),
        ("parameters", pa.string()),  # those that scores depend on, as JSON
        ("passed", pa.bool_()),
        ("failed", pa.string()),  # what was found; empty where it passed
        ("memory_bins", pa.int64()),  # null where the signal is not shown to forget where the data began
        ("kind", pa.string()),  # quick or full
        ("vpharness_version", pa.string()),
        ("created_ns", pa.int64()),
    ]
)
"""One row for each audit: the quick one of the first run of a signal on a dataset, and each that was asked for."""
