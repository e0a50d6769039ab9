"""The tables of the results store, column by column: name, type, unit and meaning, each said once.

Schemas of what is written (`table_schemas`) and the reference in `docs/reference/store.md` are both made from these.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from vpharness.evaluation import all_figures
from vpharness.evaluation.blocks import ORDERS
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
)

TEXT: Final = "text"
WHOLE: Final = "int"
FLOAT: Final = "float"
FLAG: Final = "bool"
_SMALL: Final = "int32"

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    TEXT: pa.string(),
    WHOLE: pa.int64(),
    FLOAT: pa.float64(),
    FLAG: pa.bool_(),
    _SMALL: pa.int32(),
}


@dataclass(frozen=True)
class Column:
    """One column of a table: its type is one of ARROW_TYPES, or a list of it."""

    name: str
    kind: str
    meaning: str
    unit: str = ""
    is_list: bool = False
    since: int = 1  # the first version of the store that has it


@dataclass(frozen=True)
class StoreTable:
    """One table: the name of its folder, what a row is, and its columns, which figures may be among."""

    name: str
    row: str
    columns: Callable[[], list[Column]]

    def schema(self) -> pa.Schema:
        """Return the table's columns as Arrow has them."""
        return pa.schema(
            [
                (each.name, pa.list_(ARROW_TYPES[each.kind]) if each.is_list else ARROW_TYPES[each.kind])
                for each in self.columns()
            ]
        )


def _market(since: int) -> list[Column]:
    return [
        Column("instrument", TEXT, "the instrument; null where the market has no name", since=since),
        Column("contents", TEXT, "digests of the event files, which identify copies of the same data", "", True, since),
        Column("origin_ns", WHOLE, "where the market's own clock begins", "ns since 1970, UTC", since=since),
    ]


_RUN: Final = Column("run_id", TEXT, "hash of all that the run depends on")
_CANDIDATE: Final = Column("candidate_id", TEXT, "hash of signal, parameters, evaluation, split and threshold")
_DATASET: Final = Column("dataset_id", TEXT, "name of the dataset")
_PART: Final = Column("part", TEXT, "the file that the row was first written to; joins the rows of one run")
_CREATED: Final = Column("created_ns", WHOLE, "when the row was written", "ns since 1970, UTC")

_META_COLUMNS: Final = [
    _RUN,
    Column("status", TEXT, "done, or failed"),
    Column("error", TEXT, "why it failed; empty otherwise"),
    Column("signal", TEXT, "name of the signal"),
    Column("signal_target", TEXT, "module and name that the signal is imported by"),
    _DATASET,
    Column("dataset_checksum", TEXT, "the dataset's checksum, whichever columns of its grid are stored"),
    Column("identity", TEXT, "all that the run depends on, as JSON: the run id is its hash"),
    Column("judged_part", TEXT, "the part of the dataset that is judged: train, all or test"),
    Column("experiment", TEXT, "the experiment in the tracking store"),
    Column("campaign", TEXT, "the campaign that executed it; empty for a single run"),
    Column("tags", TEXT, "the tags given with tracking.tags, as JSON"),
    Column("vpharness_version", TEXT, "the version that wrote the row"),
    _CREATED,
    *_market(3),
    Column("first_bin_start_ns", WHOLE, "when the dataset's first bin begins", "ns since 1970, UTC", since=3),
    Column("bins", WHOLE, "length of the dataset", "bins"),
    Column("cell_width_ms", WHOLE, "width of a bin", "ms"),
    Column("seconds", FLOAT, "how long the run took", "s"),
    _PART,
]

_ORDER_MEANINGS: Final = {
    "orders": "in each block, resting orders placed for fires; null, as all of these sums, with fill=touch",
    "orders_filled": "of these, filled",
    "filled_through": "of those filled, because an order at a worse price was executed",
    "filled_behind": "of those filled, because an order behind in the queue was executed",
    "filled_crossed": "of those filled, because the other side came to rest at the price",
    "orders_rejected": "of the orders placed, rejected on arrival",
    "orders_withdrawn": "of the orders placed, withdrawn after the longest wait",
    "orders_cleared": "of the orders placed, ended because the book was restated",
}


def _order_sum(name: str) -> Column:
    if name in _ORDER_MEANINGS:
        return Column(name, FLOAT, _ORDER_MEANINGS[name], "orders", True, 4)
    kind, _, after = name.partition("_")
    if kind == "markout":
        return Column(name, FLOAT, f"sum of the markouts {after} after fills in each block", "ticks", True, 4)
    return Column(name, FLOAT, f"orders with a markout {after} after their fill", "orders", True, 4)


_ORDER_SUMS: Final = [_order_sum(name) for name in ORDERS]

_EVIDENCE_COLUMNS: Final = [
    _RUN,
    _CANDIDATE,
    _DATASET,
    Column("evidence_digest", TEXT, "SHA-256 of the evidence: candidates with equal evidence are judged alike"),
    Column("block_s", WHOLE, "length of a block", "s"),
    Column("block", WHOLE, "each block: start of the fire's bin by block_s, rounded down", "blocks", True),
    Column("n_mid", _SMALL, "in each block, fires judged at the mid", "fires", True),
    Column("mid_tp", _SMALL, "of these, take-profit touched first", "fires", True),
    Column("mid_sl", _SMALL, "of these, stop-loss touched first", "fires", True),
    Column("mid_timeout", _SMALL, "of these, neither touched", "fires", True),
    Column("n_net", _SMALL, "in each block, fires judged net", "fires", True),
    Column("net_tp", _SMALL, "of these, take-profit touched first", "fires", True),
    Column("net_sl", _SMALL, "of these, stop-loss touched first", "fires", True),
    Column("net_win", _SMALL, "of these, net P&L above 0", "fires", True),
    Column("mid_pnl", FLOAT, "sum of the P&L at the mid in each block", "ticks", True),
    Column("net_pnl", FLOAT, "sum of the net P&L in each block", "ticks", True),
    Column("excess", FLOAT, "sum of the directional excess in each block", "ticks", True),
    *_ORDER_SUMS,
    Column("mid_times_ms", FLOAT, "from each fire to its barrier, of those that met one at the mid", "ms", True),
    Column("net_times_ms", FLOAT, "from each entry to the barrier, of those that met one", "ms", True),
    Column(
        "waits_ms", FLOAT, "from the arrival of each resting order to its fill; null with fill=touch", "ms", True, 4
    ),
    Column("n_fires", WHOLE, "all fires of the part", "fires"),
    Column("n_up", WHOLE, "of those judged at the mid, upwards", "fires"),
    Column("n_down", WHOLE, "of those judged at the mid, downwards", "fires"),
    Column("n_censored", WHOLE, "fires censored: walk at the mid does not fit into the data", "fires"),
    Column("n_skipped", WHOLE, "fires skipped: no mid", "fires"),
    Column("n_net_censored", WHOLE, "fires censored: walk with its delays does not fit into the data", "fires"),
    Column("n_net_skipped", WHOLE, "fires skipped: no valid book to enter or exit at", "fires"),
    Column("hours", FLOAT, "time from the warm-up on", "h"),
    Column("net_pnl_squares", FLOAT, "sum of the squares of the net P&L", "ticks²"),
    Column("n_walks", WHOLE, "net walks from every valid bin, in both directions, that fit into the part", "walks"),
    Column("n_walks_tp", WHOLE, "of these, those that end at take-profit", "walks"),
    Column("n_walks_sl", WHOLE, "of these, those that end at stop-loss", "walks"),
    _PART,
]


def _candidate_columns() -> list[Column]:
    return [
        _RUN,
        _CANDIDATE,
        Column("signal", TEXT, "name of the signal"),
        _DATASET,
        Column("threshold_label", TEXT, "the threshold as it was given: a number, or a percentile such as q90"),
        Column("threshold", FLOAT, "the threshold", "score"),
        Column("p_value", FLOAT, "p-value of the candidate alone, not adjusted"),
        Column("lacks", TEXT, "what it lacks to be ranked; empty where it lacks nothing"),
        _PART,
        *figure_columns(),
    ]


def _walk_forward_columns() -> list[Column]:
    own = [
        Column("procedure_id", TEXT, "hash of the settings below"),
        Column("campaign", TEXT, "whose candidates it chooses from; null for all in the ledger"),
        Column("train", WHOLE, "how many segments before a step choose; 0 for all", "segments"),
        Column("step", WHOLE, "how many segments a choice is in force", "segments"),
        Column("segments", WHOLE, "into how many spans a dataset is cut; null where each dataset is a segment"),
        Column("collection", TEXT, "the collection whose datasets are the segments; null for all there are"),
        Column("dataset_id", TEXT, "the dataset that is meant alone; null for all"),
        Column("signal", TEXT, "the signal that is meant alone; null for all"),
        _CREATED,
        Column("candidate_ids", TEXT, "what each step chose; empty where nothing could be ranked", is_list=True),
        Column("market_times", TEXT, "the out-of-sample market time, as JSON: market, start and stop of each stretch"),
    ]
    return [replace(each, since=5) for each in (*own, *_evidence_alone())]


def _explored_columns() -> list[Column]:
    own = [
        _CANDIDATE,
        Column("explored_id", TEXT, "the candidate with how it enters: equal for the same way on several datasets"),
        _DATASET,
        Column("dataset_checksum", TEXT, "the dataset's checksum, whichever columns of its grid are stored"),
        Column("evaluation", TEXT, "how its fires were judged, as JSON: resolved, in bins and ticks"),
        Column("evaluation_version", WHOLE, "of the rules that judged them"),
        _CREATED,
    ]
    return [replace(each, since=6) for each in (*own, *_evidence_alone())]


def _evidence_alone() -> list[Column]:
    """Return the columns of evidence without those that say whose it is."""
    of_a_trial = {each.name for each in (_RUN, _CANDIDATE, _DATASET, _PART)}
    return [each for each in _EVIDENCE_COLUMNS if each.name not in of_a_trial]


def figure_columns() -> Iterable[Column]:
    """Yield the columns of all figures, with those of the ends of their intervals."""
    for each in all_figures():
        kind = WHOLE if each.is_whole else FLOAT
        yield Column(each.name, kind, each.meaning, each.unit, since=each.since)
        for name, end in zip(each.names[1:], ("lower", "upper"), strict=False):
            yield Column(name, kind, f"{end} end of its 95 % interval", each.unit, since=each.since)


TABLES: Final[Mapping[str, StoreTable]] = {
    META: StoreTable(META, "A run.", lambda: _META_COLUMNS),
    CANDIDATES: StoreTable(
        CANDIDATES,
        "A candidate: a run at one of its thresholds, with the figures of the part that was judged. Those of the test "
        "part are computed when it is opened, and kept nowhere.",
        _candidate_columns,
    ),
    FIRES: StoreTable(
        FIRES,
        "The fires of a candidate on the whole dataset.",
        lambda: [
            _RUN,
            _CANDIDATE,
            _DATASET,
            Column("fires_digest", TEXT, "SHA-256 of the fires"),
            Column("fires", WHOLE, "each fire: its direction (1 or -1) times its bin + 1", "bins", True),
            Column("net_pnl_ticks", FLOAT, "what each earned net; NaN outside the judged part", "ticks", True, 3),
            _PART,
        ],
    ),
    EVIDENCE: StoreTable(
        EVIDENCE,
        "The evidence of a candidate in the part that was judged: its figures and p-values are computed from it. "
        "Since version 3.",
        lambda: _EVIDENCE_COLUMNS,
    ),
    VIEWS: StoreTable(
        VIEWS,
        "A stretch of market time of a candidate's test part, each time that it was opened.",
        lambda: [
            _CANDIDATE,
            Column("opened_ns", WHOLE, "when it was opened", "ns since 1970, UTC"),
            *_market(3),
            Column("start_ns", WHOLE, "where the stretch begins", "ns since 1970, UTC", since=3),
            Column("stop_ns", WHOLE, "where it ends", "ns since 1970, UTC", since=3),
        ],
    ),
    CAMPAIGNS: StoreTable(
        CAMPAIGNS,
        "A start of a campaign.",
        lambda: [
            Column("campaign", TEXT, "its name"),
            _CREATED,
            Column("words", TEXT, "the command line", is_list=True),
            Column("run_ids", TEXT, "the runs of its plan", is_list=True),
        ],
    ),
    ADAPTIVE: StoreTable(
        ADAPTIVE, "A run whose values were chosen by looking at earlier results.", lambda: [_RUN, _CREATED]
    ),
    AUDITS: StoreTable(
        AUDITS,
        "An audit: the quick one of a signal's first run on a dataset, or a full one on demand. Since version 3.",
        lambda: [
            Column("signal_target", TEXT, "module and name that the signal is imported by"),
            Column("signal_digest", TEXT, "digest of the signal's compiled program"),
            _DATASET,
            Column("dataset_checksum", TEXT, "the dataset's checksum, whichever columns of its grid are stored"),
            Column("parameters", TEXT, "the parameters that scores depend on, as JSON"),
            Column("passed", FLAG, "whether it was checked and nothing was found"),
            Column("failed", TEXT, "what was found; empty where it passed"),
            Column("memory_bins", WHOLE, "valid bins after which it forgets where data began; null: not shown", "bins"),
            Column("kind", TEXT, "quick, full, or shuffled labels"),
            Column("vpharness_version", TEXT, "the version that audited it"),
            _CREATED,
        ],
    ),
    WALK_FORWARDS: StoreTable(
        WALK_FORWARDS,
        "A procedure that `compare walk_forward=true` tried, with the evidence of its out-of-sample fires. Tried again "
        "with the same choices and results it adds no row. Since version 5.",
        _walk_forward_columns,
    ),
    EXPLORED: StoreTable(
        EXPLORED,
        "A way of entering a candidate's fires on a dataset that was looked at and never run, as `compare execution=` "
        "shows them: it counts in every family, wins nothing, and is listed nowhere. Once it is run, its run counts in "
        "its place. Since version 6.",
        _explored_columns,
    ),
}
"""Every table of the store, by the name of its folder."""
