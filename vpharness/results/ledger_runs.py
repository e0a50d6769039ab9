"""The finished runs of the store, as the trials of the ledger have them in common."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from vpharness.evaluation import EVALUATION_VERSION, TEST, Market, MarketTime, ResolvedEvaluation, SplitParameters
from vpharness.results.audits import FITTED_ON, AuditKey, AuditRecord, audit_key, audits_of
from vpharness.results.ledger import (
    AUDIT_FAILED,
    AUDIT_PASSED,
    AUDIT_UNDECIDED,
    NOT_AUDITED,
    UNKNOWN_MARKET,
    DatasetKey,
    LedgerRun,
)
from vpharness.results.store import ADAPTIVE, CAMPAIGNS, META, Store, read, read_table
from vpharness.results.table_schemas import DONE, market_in
from vpharness.storage.arrow import texts

_COLUMNS: Final = (
    *("run_id", "status", "signal", "dataset_id", "dataset_checksum", "identity", "judged_part", "created_ns", "part"),
    *("instrument", "contents", "origin_ns", "first_bin_start_ns", "bins"),
)
"""What is read of a run."""
_REPEATED: Final = ("status", "signal", "dataset_id", "dataset_checksum", "judged_part", "part")


@dataclass(frozen=True)
class FinishedRun:
    """A run in the store.

    Attributes:
        run: what its trials have in common.
        part: the part of the tables that its rows were written with.
        key: its dataset, and what its weights were fitted on.
        is_of_this_evaluation: otherwise its fires are judged anew.
    """

    run: LedgerRun
    part: str
    key: tuple[DatasetKey, str]
    is_of_this_evaluation: bool


def finished_runs(store: Store) -> list[FinishedRun]:
    """Return the runs that are done; of several rows of a run the last holds."""
    campaigns: dict[str, set[str]] = defaultdict(set)
    for row in read(store, CAMPAIGNS, ["campaign", "run_ids"]):
        for run_id in row["run_ids"]:
            campaigns[run_id].add(row["campaign"])
    adaptive = {row["run_id"] for row in read(store, ADAPTIVE)}
    known, audits = _Shared(), audits_of(store)
    found = {
        row["run_id"]: _finished(
            row, known, audits, frozenset(campaigns.get(row["run_id"], ())), adaptive=row["run_id"] in adaptive
        )
        for row in _rows(store)
        if row["status"] == DONE
    }
    return list(found.values())


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the rows of runs."""
    table = read_table(store, META, _COLUMNS, _REPEATED)
    if table is None:
        return
    columns = [_values(table[name]) for name in table.column_names]
    for values in zip(*columns, strict=True):
        yield dict(zip(table.column_names, values, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return texts(column) if pa.types.is_string(kind) and not column.null_count else column.to_pylist()


@dataclass(frozen=True)
class _Identity:
    """What a run depends on beside its dataset."""

    evaluation_version: int
    signal_digest: str
    parameters: dict[str, Any]
    evaluation: ResolvedEvaluation
    split: SplitParameters
    audit_key: AuditKey  # on one of the datasets
    fitted_on: str  # as JSON; empty where the weights were fitted on the dataset itself


class _Shared:
    """What runs have in common, made once: those that agree in a part of what they depend on share the object."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}
        self._datasets: dict[DatasetKey, str] = {}

    def identity(self, row: Mapping[str, Any]) -> _Identity:
        """Return what a run depends on.

        Runs of a sweep over many datasets differ in the words for these alone, so that few texts are parsed. A text
        without the words that are expected for its dataset is known by all of itself.
        """
        text: str = row["identity"]
        key = row["dataset_id"], row["dataset_checksum"]
        dataset = self._datasets.get(key)
        if dataset is None:
            dataset = self._datasets[key] = json.dumps({"checksum": key[1], "id": key[0]})
        found: _Identity = self._once((_Identity, *text.split(dataset)), lambda: self._parsed(text))
        return found

    def market(self, row: Mapping[str, Any]) -> Market:
        """Return the market of a run."""
        key = Market, row.get("instrument"), tuple(row.get("contents") or ()), row.get("origin_ns")
        found: Market = self._once(key, lambda: market_in(row) or UNKNOWN_MARKET)
        return found

    def judged_time(self, run: LedgerRun) -> MarketTime:
        """Return the market time of a run, the same object for runs on the same days.

        Where the judged part of so many bins lies does not depend on the dataset. What a run shares with others is
        known by the number of its object, which is kept here.
        """
        key = MarketTime, id(run.evaluation), id(run.split), run.bins, run.judged_part
        if key not in self._known:
            start_ns = run.first_bin_start_ns or 0
            self._known[key] = run.judged_time.start_ns - start_ns, run.judged_time.stop_ns - start_ns
        begin, end = self._known[key]
        start_ns = (run.first_bin_start_ns or 0) + begin
        length = end - begin
        found: MarketTime = self._once(
            (MarketTime, id(run.market), start_ns, length),
            lambda: MarketTime(run.market, start_ns, start_ns + length),
        )
        return found

    def _parsed(self, text: str) -> _Identity:
        identity = json.loads(text)
        return _Identity(
            int(identity["code"]["evaluation_version"]),
            identity["code"]["signal_digest"],
            self._made(dict, identity["signal"]["parameters"]),
            self._made(ResolvedEvaluation, identity["evaluation"]),
            self._made(SplitParameters, identity["split"]),
            audit_key(identity),
            json.dumps(identity[FITTED_ON], sort_keys=True) if FITTED_ON in identity else "",
        )

    def _made(self, make: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        return self._once((make, json.dumps(values)), lambda: make(**values))

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def _outcome(audited: AuditRecord | None) -> str:
    if audited is None:
        return NOT_AUDITED
    if audited.passed:
        return AUDIT_PASSED
    return AUDIT_UNDECIDED if audited.undecided else AUDIT_FAILED


def _finished(
    row: Mapping[str, Any],
    known: _Shared,
    audits: Mapping[AuditKey, AuditRecord],
    campaigns: frozenset[str],
    *,
    adaptive: bool,
) -> FinishedRun:
    identity = known.identity(row)
    key = identity.audit_key
    audited = audits.get(key._replace(dataset_checksum=row["dataset_checksum"])) if audits else None
    run = LedgerRun(
        run_id=row["run_id"],
        dataset_id=row["dataset_id"],
        dataset_checksum=row["dataset_checksum"],
        signal=row["signal"],
        parameters=identity.parameters,
        evaluation=identity.evaluation,
        split=identity.split,
        judged_part=row["judged_part"],
        market=known.market(row),
        first_bin_start_ns=row.get("first_bin_start_ns"),
        bins=row["bins"],
        campaigns=campaigns,
        created_ns=row["created_ns"],
        adaptive=adaptive,
        signal_digest=identity.signal_digest,
        fitted_on=identity.fitted_on,
        audit=_outcome(audited),
        audit_found="" if audited is None else audited.failed,
    )
    if run.judged_part != TEST:
        vars(run)["judged_time"] = known.judged_time(run)
    is_current = identity.evaluation_version == EVALUATION_VERSION
    return FinishedRun(run, row["part"], (run.dataset, identity.fitted_on), is_current)
