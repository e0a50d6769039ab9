"""Stores that every earlier version wrote are read, and added to: `stores/vN` holds a small one of each.

They were written by the code of their time: one run of ads at two thresholds, and a campaign of two runs of
perm_derivative, on two minutes of the simulated market; from version 5 on, a procedure that chose nothing.
`earlier_stores` writes the one of today's version.
"""

import dataclasses
import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.commands.test_cli import in_process
from tests.results.earlier_stores import STORES
from vpharness.evaluation import EvaluationParameters, Evidence, ResolvedEvaluation
from vpharness.evaluation.blocks import COUNTS, ORDERS
from vpharness.results import stored_evidence
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.part_files import merge_small_parts
from vpharness.results.store import (
    CANDIDATES,
    EVIDENCE,
    FIRES,
    META,
    READABLE_VERSIONS,
    STORE_VERSION,
    Store,
    TableRows,
    append,
    check_store,
    merge_parts,
    read,
    read_table,
)
from vpharness.results.store_columns import TABLES
from vpharness.results.table_schemas import META_SCHEMA, finished_runs

ADDED_IN_3 = {
    META: ("instrument", "contents", "origin_ns", "first_bin_start_ns"),
    CANDIDATES: ("block_s",),
    FIRES: ("net_pnl_ticks",),
}


@pytest.fixture(params=READABLE_VERSIONS, ids=lambda version: f"v{version}")
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A copy of the store of one version, where a lake has it."""
    found = Store(tmp_path / "lake" / "research" / "vp_harness" / "results")
    shutil.copytree(STORES / f"v{request.param}", found.root)
    return found


def version_of(store: Store) -> int:
    """Return the version that wrote last."""
    return int(json.loads((store.root / "store.json").read_text(encoding="utf-8"))["store_version"])


def test_every_version_that_is_read_has_its_store() -> None:
    """Whoever raises the version leaves one of the version before."""
    assert {path.name for path in STORES.iterdir()} == {f"v{version}" for version in READABLE_VERSIONS}
    assert max(READABLE_VERSIONS) == STORE_VERSION


def test_its_candidates_are_read_with_their_fires_and_settings(store: Store) -> None:
    """As many fires as its own rows count, and what was varied is what was asked for."""
    ledger = read_ledger(store)
    assert sorted((each.first.signal, each.first.threshold_label) for each in ledger) == [
        ("ads", "0.2"),
        ("ads", "0.4"),
        ("perm_derivative", "0.3"),
        ("perm_derivative", "0.3"),
    ]
    counts = {row["candidate_id"]: row["n_fires"] for row in read(store, CANDIDATES)}
    assert {each.candidate_id: len(each.first.fires) for each in ledger} == counts
    assert all(count > 0 for count in counts.values())
    swept = [each.first for each in ledger if each.first.signal == "perm_derivative"]
    assert {trial.evaluation.tp_ticks for trial in swept} == {2.0, 3.0}
    assert {trial.campaigns for trial in swept} == {frozenset({"small"})}
    assert {trial.evaluation.max_hold_bins for trial in swept} == {20}


def test_columns_that_it_does_not_have_are_null(store: Store) -> None:
    """Where rows of this version stand beside its own; values are what they were."""
    version = version_of(store)
    before = {table: read(store, table) for table in (META, CANDIDATES, FIRES)}
    append(store, TableRows(META, [{"run_id": "later", "status": "failed", "origin_ns": 5}], META_SCHEMA))
    assert version_of(store) == STORE_VERSION
    *rows, later = read(store, META)
    assert later["run_id"] == "later"
    assert {name for name, values in zip(META_SCHEMA.names, META_SCHEMA, strict=True) if values} <= rows[0].keys()
    for old, new in zip(before[META], rows, strict=True):
        assert {name: new[name] for name in old} == old
    if version < 3:
        for name in ADDED_IN_3[META]:
            assert {row[name] for row in rows} == {None}


def test_the_reference_says_since_when_a_column_is_there(store: Store) -> None:
    """Of its tables: what a version lacks came later, and nothing that it has did."""
    version = version_of(store)
    for name, table in TABLES.items():
        rows = read(store, name)
        if rows:
            assert {each.name for each in table.columns() if each.since <= version} == rows[0].keys(), name


def test_it_is_verified_and_merged_as_a_store_of_today(store: Store) -> None:
    """Merging leaves every row as it is."""
    before = read(store, META)
    assert check_store(store).problems == ()
    merge_parts(store)
    assert read(store, META) == before
    assert finished_runs(store) == {row["run_id"] for row in before}


def test_compare_says_which_dataset_would_be_needed(store: Store, tmp_path: Path) -> None:
    """What was judged by rules of before is judged anew where its dataset is at hand, and named where it is not."""
    said = in_process(tmp_path, "compare", "min_signals=0")
    assert said.returncode == 0, said.stderr
    if version_of(store) < 3:
        (dataset,) = {row["dataset_id"] for row in read(store, META)}
        assert f"results of an earlier version are left out: no dataset {dataset}" in said.stderr
    else:
        assert said.stderr == ""
        assert "4 candidates of 3 runs" in said.stdout


def test_a_later_field_of_the_evaluation_leaves_ids_of_before(store: Store) -> None:
    """It has a default that means what was done before: absent in old rows, and in the identity where it has it."""
    later = dataclasses.make_dataclass(
        "Later", [("latency_bins", int, dataclasses.field(default=0))], bases=(ResolvedEvaluation,), frozen=True
    )
    for row in read(store, META):
        stored = json.loads(row["identity"])["evaluation"]
        assert later(**stored).identity() == stored
        assert later(**stored).latency_bins == 0
        assert later(**stored, latency_bins=3).identity() == {**stored, "latency_bins": 3}


def test_every_field_of_today_is_part_of_the_identity() -> None:
    """Those that came later only where they are not what was done before; each of them is then."""
    fields = {field.name: field.default for field in dataclasses.fields(ResolvedEvaluation)}
    later = {name for name, default in fields.items() if default is not dataclasses.MISSING}
    before = EvaluationParameters().resolve(100)
    assert before.identity() == {name: getattr(before, name) for name in fields.keys() - later}
    every = EvaluationParameters(
        fill="queue", latency_ms=1, maker_fee_ticks=1, maker_fee_bps=1, taker_fee_ticks=1, taker_fee_bps=1
    ).resolve(100)
    every = dataclasses.replace(every, latency_digest="0123456789abcdef")
    assert every.identity() == dataclasses.asdict(every)


def test_rows_of_today_are_those_of_the_version_before() -> None:
    """Of the same runs: figures, fires and evidence are the same to the last bit, candidates have the same ids.

    Only the dataset has another checksum since, and the rows more columns, which are null with entries at the touch.
    """
    for table, more in ((CANDIDATES, set[str]()), (EVIDENCE, {*ORDERS, "waits_ms"}), (FIRES, set[str]())):
        old, new = (_by_candidate(Store(STORES / version), table) for version in ("v3", "v4"))
        assert old.keys() == new.keys()
        for key, row in old.items():
            assert [name for name in row if repr(row[name]) != repr(new[key][name])] == ["run_id", "part"], key
            added = {name: value for name, value in new[key].items() if name not in row}
            assert added.keys() >= more
            assert all(value is None or math.isnan(value) for value in added.values())


def _by_candidate(store: Store, table: str) -> dict[tuple[str, float], dict[str, Any]]:
    """Return the rows of a table by candidate, and by take-profit, which campaigns vary."""
    tp_ticks = {row["run_id"]: json.loads(row["identity"])["evaluation"]["tp_ticks"] for row in read(store, META)}
    return {(row["candidate_id"], tp_ticks[row["run_id"]]): row for row in read(store, table)}


@pytest.mark.parametrize("merged", [False, True], ids=["parts", "merged"])
def test_evidence_without_a_sum_that_is_kept_today_is_left_out(tmp_path: Path, merged: bool) -> None:
    """A row written before a sum was kept is judged anew from its fires; the others keep their evidence."""
    store = Store(tmp_path / "results")
    shutil.copytree(STORES / "v3", store.root)
    whole = {
        each.candidate_id: each.trials[0].evidence for each in read_ledger(store) if each.trials[0].evidence is not None
    }
    assert len(whole) > 1
    table = read_table(store, EVIDENCE)
    assert table is not None
    folder = store.root / EVIDENCE
    for part in folder.iterdir():
        part.unlink()
    pq.write_table(table.slice(0, 1).drop_columns(["net_win"]), folder / "0.parquet")
    pq.write_table(table.slice(1), folder / "1.parquet")
    if merged:
        assert merge_small_parts(folder, 2) == 2
    without = table["candidate_id"][0].as_py()
    found = {each.candidate_id: each.trials[0].evidence for each in read_ledger(store)}
    assert {name for name, evidence in found.items() if evidence is None} & set(whole) == {without}
    kept = {name: evidence.digest for name, evidence in found.items() if evidence is not None}
    assert kept == {name: evidence.digest for name, evidence in whole.items() if name != without}
    for name, evidence in found.items():
        if evidence is not None:
            # Read from the store, the content has the digest that was worked out when it was written.
            assert _again(evidence).digest == evidence.digest
            assert _again(pickle.loads(pickle.dumps(evidence))).digest == evidence.digest, name  # noqa: S301  # ours


def _again(evidence: Evidence) -> Evidence:
    return Evidence(evidence.blocks, evidence.tally, evidence.mid_times_ms, evidence.net_times_ms, evidence.waits_ms)


def test_a_store_of_before_a_new_sum_is_read_without_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row of it has the column: every candidate is there, and waits to be judged anew."""
    known = {each.candidate_id for each in read_ledger(Store(STORES / "v3"))}
    monkeypatch.setattr(stored_evidence, "COUNTS", (*COUNTS, "net_over_one"))
    ledger = read_ledger(Store(STORES / "v3"))
    assert {each.candidate_id for each in ledger} == known
    assert all(each.trials[0].evidence is None for each in ledger)
