"""Reading the trial ledger from the store: rows of runs, candidates, fires, evidence and audits become candidates."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.evaluation import (
    EVALUATION_VERSION,
    BlockSums,
    Evidence,
    Fires,
    ResolvedEvaluation,
    SplitParameters,
    Tally,
)
from vpharness.evaluation.blocks import COUNTS, ORDERS, TICKS
from vpharness.results.audits import AuditKey, AuditRecord, audit_key, audits_of
from vpharness.results.ledger import (
    AUDIT_FAILED,
    AUDIT_PASSED,
    AUDIT_UNDECIDED,
    NOT_AUDITED,
    UNKNOWN_MARKET,
    DatasetKey,
    LedgerCandidate,
    Trial,
)
from vpharness.results.store import ADAPTIVE, CAMPAIGNS, CANDIDATES, EVIDENCE, FIRES, META, Store, read, read_table
from vpharness.results.table_schemas import DONE, TIMES, WAITS, market_in


def read_ledger(store: Store) -> list[LedgerCandidate]:
    """Return every candidate of the finished runs; runs of the same trial give one."""
    finished = [row for row in read(store, META) if row["status"] == DONE]
    campaigns: dict[str, set[str]] = defaultdict(set)
    for row in read(store, CAMPAIGNS):
        for run_id in row["run_ids"]:
            campaigns[run_id].add(row["campaign"])
    adaptive = {row["run_id"] for row in read(store, ADAPTIVE)}
    identities, audits = _Identities(), audits_of(store)
    runs = {
        row["run_id"]: _run(
            row, identities, audits, frozenset(campaigns[row["run_id"]]), adaptive=row["run_id"] in adaptive
        )
        for row in finished
    }
    named = read(store, CANDIDATES, ["run_id", "candidate_id", "threshold_label", "part"])
    labels = {(row["run_id"], row["candidate_id"], row["part"]): row["threshold_label"] for row in named}
    known = _evidence(store)
    grouped: dict[str, dict[DatasetKey, Trial]] = defaultdict(dict)
    for row, fires in _fires(store):
        run = runs.get(row["run_id"])
        if run is None or row["part"] != run.part:
            continue  # its run was not finished when it was written
        key = row["run_id"], row["candidate_id"], row["part"]
        trial = Trial(
            row["candidate_id"],
            row["run_id"],
            row["dataset_id"],
            threshold_label=labels[key],
            fires=fires,
            evidence=known.get(key) if run.is_of_this_evaluation else None,
            **run.shared,
        )
        own = grouped[row["candidate_id"]]
        own[trial.dataset] = own[trial.dataset].joined(trial) if trial.dataset in own else trial
    return [
        LedgerCandidate(candidate_id, tuple(trials[dataset] for dataset in sorted(trials)))
        for candidate_id, trials in grouped.items()
    ]


@dataclass(frozen=True)
class _Run:
    part: str
    is_of_this_evaluation: bool  # otherwise its fires are judged anew
    shared: dict[str, Any]  # what the trials of a run have in common


class _Identities:
    """What runs depend on, read from their rows: those that agree in a part of it share the part."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def read(self, identity: Mapping[str, Any]) -> tuple[int, dict[str, Any], ResolvedEvaluation, SplitParameters]:
        """Return the version that judged a run, the parameters of its signal, its evaluation and its split."""
        return (
            int(identity["code"]["evaluation_version"]),
            self._once(identity["signal"]["parameters"], dict),
            self._once(identity["evaluation"], ResolvedEvaluation),
            self._once(identity["split"], SplitParameters),
        )

    def _once(self, values: dict[str, Any], make: Callable[..., Any]) -> Any:
        key = f"{make.__name__} {json.dumps(values)}"
        if key not in self._known:
            self._known[key] = make(**values)
        return self._known[key]


def _run(
    row: dict[str, Any],
    identities: _Identities,
    audits: Mapping[AuditKey, AuditRecord],
    campaigns: frozenset[str],
    *,
    adaptive: bool,
) -> _Run:
    identity = json.loads(row["identity"])
    audited = audits.get(audit_key(identity))
    version, parameters, evaluation, split = identities.read(identity)
    shared = {
        "dataset_checksum": row["dataset_checksum"],
        "signal": row["signal"],
        "parameters": parameters,
        "evaluation": evaluation,
        "split": split,
        "judged_part": row["judged_part"],
        "market": market_in(row) or UNKNOWN_MARKET,
        "first_bin_start_ns": row.get("first_bin_start_ns"),
        "bins": row["bins"],
        "campaigns": campaigns,
        "created_ns": row["created_ns"],
        "adaptive": adaptive,
        "signal_digest": identity["code"]["signal_digest"],
        "audit": _outcome(audited),
        "audit_found": "" if audited is None else audited.failed,
    }
    return _Run(row["part"], version == EVALUATION_VERSION, shared)


def _outcome(audited: AuditRecord | None) -> str:
    if audited is None:
        return NOT_AUDITED
    if audited.passed:
        return AUDIT_PASSED
    return AUDIT_UNDECIDED if audited.undecided else AUDIT_FAILED


def _fires(store: Store) -> Iterator[tuple[dict[str, Any], Fires]]:
    """Yield the rows of fires with the fires themselves; equal ones, of which a sweep has many, are one object.

    The fires are read where they are first looked at: a ranking needs their digests alone, and those of a sweep over
    months take seconds to read.
    """
    table = read_table(store, FIRES, ["run_id", "candidate_id", "dataset_id", "fires_digest", "part"])
    if table is None:
        return
    every = _EveryFires(store)
    known: dict[str, Fires] = {}
    for row in table.to_pylist():
        digest = row["fires_digest"]
        if digest not in known:
            known[digest] = StoredFires(digest, every)
        yield row, known[digest]


class _EveryFires:
    """All fires of a store by their digest, read when the first are wanted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Fires] | None = None

    def of(self, digest: str) -> Fires:
        """Return the fires of a digest."""
        if self._known is None:
            self._known = self._read()
        return self._known[digest]

    def _read(self) -> dict[str, Fires]:
        table = read_table(self._store, FIRES, ["fires_digest", "fires"])
        if table is None:
            return {}
        values, offsets = _flat(table["fires"])
        found: dict[str, Fires] = {}
        bounds = zip(table["fires_digest"].to_pylist(), offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        for digest, start, stop in bounds:
            if digest not in found:
                found[digest] = Fires.from_signed(values[start:stop])
        return found


class StoredFires(Fires):
    """Fires that a store holds, of which the digest is known, and which are read when they are looked at."""

    def __init__(self, digest: str, every: _EveryFires) -> None:
        """Note where they are."""
        vars(self).update(digest=digest, _every=every)

    def __getattr__(self, name: str) -> Any:
        """Read the fires: their bins and directions are attributes from then on."""
        if name not in {"bins", "directions"}:
            raise AttributeError(name)
        own = vars(self)
        found = own["_every"].of(own["digest"])
        own.update(bins=found.bins, directions=found.directions)
        return own[name]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the fires themselves."""
        return Fires, (self.bins, self.directions)


def _evidence(store: Store) -> dict[tuple[str, str, str], Evidence]:
    """Return the evidence by run, candidate and part of the table; equal evidence is one object.

    Rows of a version that did not keep one of today's sums are left out: what has no evidence is judged anew from its
    fires.
    """
    table = read_table(store, EVIDENCE)
    kept = ("block", *Tally.__dataclass_fields__, *COUNTS, *TICKS, *TIMES)
    if table is None or not set(kept) <= set(table.column_names):
        return {}
    for name in kept:
        if table[name].null_count:
            table = table.filter(table[name].is_valid())
    keys = zip(*(table[name].to_pylist() for name in ("run_id", "candidate_id", "part")), strict=True)
    digests, seconds = table["evidence_digest"].to_pylist(), table["block_s"].to_pylist()
    tallies = table.select(list(Tally.__dataclass_fields__)).to_pylist()
    block, of_block = _flat(table["block"])
    counts = np.column_stack([_flat(table[name])[0] for name in COUNTS]).astype(np.int32, copy=False)
    ticks = np.column_stack([_flat(table[name])[0] for name in TICKS])
    times = [_flat(table[name]) for name in TIMES]
    orders = _orders(table)
    known: dict[str, Evidence] = {}
    found = {}
    for row, (key, digest) in enumerate(zip(keys, digests, strict=True)):
        if digest not in known:
            own = slice(of_block[row], of_block[row + 1])
            of_orders, waits = orders.get(row, (None, None))
            sums = BlockSums(seconds[row], block[own], counts[own], ticks[own], of_orders)
            mid_times, net_times = (values[offsets[row] : offsets[row + 1]] for values, offsets in times)
            known[digest] = Evidence(sums, Tally(**tallies[row]), mid_times, net_times, waits)
            vars(known[digest])["digest"] = digest  # as it was worked out when the row was written
        found[key] = known[digest]
    return found


def _orders(table: pa.Table) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the sums over resting orders and their waits, by the place of the row; of rows that have them."""
    if not {*ORDERS, WAITS} <= set(table.column_names):
        return {}
    places = np.flatnonzero(_numbers(table[WAITS].is_valid().combine_chunks().cast(pa.uint8())))
    kept = table.select([*ORDERS, WAITS]).take(pa.array(places))
    sums, offsets = np.column_stack([_flat(kept[name])[0] for name in ORDERS]), _flat(kept[ORDERS[0]])[1]
    waits, of_waits = _flat(kept[WAITS])
    return {
        int(place): (sums[offsets[row] : offsets[row + 1]], waits[of_waits[row] : of_waits[row + 1]])
        for row, place in enumerate(places)
    }


def _flat(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """Return the values of a column of lists one after the other, and where each list begins, and the last ends."""
    lists = column.combine_chunks()
    return _numbers(lists.values), _numbers(lists.offsets)


def _numbers(array: pa.Array) -> Any:
    """Return numbers without nulls as NumPy has them. `to_numpy` would do, but imports pandas, which takes a second."""
    if array.null_count:
        raise ValueError("a list of numbers in the ledger holds a null")
    dtype = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]
