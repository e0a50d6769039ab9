"""Campaigns whose fires enter with resting orders: what they share, what they keep, and how they are shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vpharness as vp
from tests.commands.test_cli import in_process
from tests.datasets.compact import ALL, as_of_an_earlier_version
from vpharness.datasets.dataset_build import build
from vpharness.datasets.find import find_dataset
from vpharness.datasets.lake import Lake
from vpharness.evaluation import OUTCOME_NAMES
from vpharness.evaluation.figure_registry import TABLE
from vpharness.evaluation.figures import shown_figures
from vpharness.events.synthetic import SyntheticSource
from vpharness.execution import order_table
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.order_fates import REASONS
from vpharness.results.ledger_reader import read_ledger
from vpharness.results.ranking import judged
from vpharness.results.store import CANDIDATES, EXPLORED, read, store_in

WORDS = ["signal=ads", "signal.thresholds=[0.1,0.3]", "source.minutes=4", "split=none", "tracking=none"]
WALKS = ["eval.max_hold_bins=20", "eval.tp_ticks=1", "eval.sl_ticks=1", "eval.warmup_bins=100"]
OF_ORDERS = [figure for figure in shown_figures(TABLE) if figure.of_orders]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose lake has a campaign over latencies and fees, and the same signal entered at the touch."""
    folder, tables = tmp_path_factory.mktemp("queue"), []

    def counted(computed: Callable[..., Any]) -> Callable[..., Any]:
        def compute(*arguments: Any) -> Any:
            tables.append(arguments[1:])
            return computed(*arguments)

        return compute

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_table, "_computed", counted(order_table._computed))
        axes = ["eval.latency_ms=0,100", "eval.max_wait_bins=10,50", "eval.taker_fee_ticks=0,0.25", "eval.tp_ticks=1,2"]
        said = in_process(folder, "-m", *WORDS, *WALKS[:1], *WALKS[2:], "eval.fill=queue", *axes, "campaign=rests")
        assert said.returncode == 0, said.stderr
    # One pass over the events for each latency and wait, however many runs there are.
    assert sorted(tables) == [(latency, wait) for latency in (0, 10**8) for wait in (10**9, 5 * 10**9)]
    said = in_process(folder, *WORDS, *WALKS)
    assert said.returncode == 0, said.stderr
    return folder


def rows_of(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Return the candidates that `compare` gives as JSON."""
    said = in_process(folder, "compare", "json=true", "min_signals=0", "top=1000", *words)
    assert said.returncode == 0, said.stderr
    rows: list[dict[str, Any]] = json.loads(said.stdout)
    return rows


def test_fees_and_barriers_cost_look_ups_and_change_what_they_should(folder: Path) -> None:
    """A fee comes off each trade and changes no fill; all latencies, waits, fees and barriers are candidates."""
    rows = [row for row in rows_of(folder) if row["eval.fill"] == "queue"]
    assert len(rows) == 2 * 2 * 2 * 2 * 2
    keys = ("threshold", "eval.latency_ms", "eval.max_wait_bins", "eval.tp_ticks")
    free = {tuple(row[key] for key in keys): row for row in rows if row["eval.taker_fee_ticks"] == 0}
    paid = {tuple(row[key] for key in keys): row for row in rows if row["eval.taker_fee_ticks"] == 0.25}
    assert free.keys() == paid.keys()
    for key, row in free.items():
        assert paid[key]["net_pnl_ticks"] == pytest.approx(row["net_pnl_ticks"] - 0.25)
        assert (paid[key]["fill_rate"], paid[key]["n_net"]) == (row["fill_rate"], row["n_net"])
        assert row["n_orders"] == pytest.approx(
            row["n_orders_rejected"]
            + row["n_orders_withdrawn"]
            + row["n_orders_cleared"]
            + row["fill_rate"] * row["n_orders"]
        )
        assert row["through_share"] + row["behind_share"] + row["crossed_share"] == pytest.approx(1)


def test_the_ledger_judges_evidence_as_the_run_did(folder: Path) -> None:
    """Sums over orders are kept beside the others; those of entries at the touch have none."""
    store = store_in(folder / "lake")
    stored = {row["candidate_id"]: row for row in read(store, CANDIDATES)}
    ledger = read_ledger(store)
    assert len(ledger) >= 34
    for candidate, judgement in zip(ledger, judged(ledger), strict=True):
        in_queue = candidate.first.evaluation.in_queue
        assert candidate.first.evidence is not None
        assert (candidate.first.evidence.blocks.orders is not None) == in_queue
        for figure in OF_ORDERS:
            for name in figure.names:
                found, kept = getattr(judgement.figures, name), stored[candidate.candidate_id][name]
                assert (found == kept) if in_queue and found == found else kept != kept, name  # noqa: PLR0124  # NaN


def test_figures_of_orders_are_shown_where_there_are_orders(folder: Path) -> None:
    """In the table of resting orders; where every entry is at the touch, columns and words are what they were."""
    rests = in_process(folder, "compare", "campaign=rests", "min_signals=0").stdout
    assert "filled" in rests
    assert "markout" in rests
    assert "fill=queue" in rests
    runs = [row["run_ids"][0] for row in rows_of(folder) if row["eval.fill"] == "touch"]
    touch = in_process(folder, *WORDS, *WALKS).stdout
    assert runs
    assert "filled" not in touch
    assert "fill=" not in touch
    assert "latency" not in touch
    (row, *_) = [row for row in rows_of(folder) if row["eval.fill"] == "touch"]
    assert {row[name] for figure in OF_ORDERS for name in figure.names} == {None}
    assert (row["eval.latency_ms"], row["eval.max_wait_bins"]) == (None, None)


def test_the_runs_folder_says_what_became_of_each_order(folder: Path) -> None:
    """Fires have the fate of their order, its wait and its markouts."""
    row = next(row for row in rows_of(folder) if row["eval.fill"] == "queue")
    table = pq.read_table(next(folder.glob(f"outputs/**/{row['run_ids'][0]}/fires.parquet"))).to_pydict()
    assert set(table["order"]) <= set(REASONS)
    unfilled = {"rejected", "withdrawn", "cleared"}
    outcomes = dict.fromkeys(OUTCOME_NAMES, 0)
    for order, outcome, wait in zip(table["order"], table["net_outcome"], table["order_wait_ms"], strict=True):
        outcomes[outcome] += 1
        if outcome != "censored":
            assert (outcome == "unfilled") == (order in unfilled)
            assert (wait == wait) == (order not in unfilled)  # noqa: PLR0124  # NaN
    assert outcomes["tp"]
    assert outcomes["sl"]


def test_the_ways_of_entering_a_candidate_are_judged_together(folder: Path) -> None:
    """Those that ran are the ledger's own; the others are looked up, equal what a run finds, count, and win nothing."""
    before = {row["candidate_id"]: row for row in rows_of(folder)}
    own = next(
        row
        for row in before.values()
        if (row["eval.latency_ms"], row["eval.max_wait_bins"], row["eval.taker_fee_ticks"]) == (0, 10, 0)
    )
    said = in_process(folder, "compare", f"execution={own['candidate_id'][:10]}", "json=true", "min_signals=0")
    assert said.returncode == 0, said.stderr
    rows = json.loads(said.stdout)
    ways = {(row["fill"], row["latency_ms"], row["max_wait_bins"]): row for row in rows}
    assert set(ways) == {
        ("touch", None, None),
        *(("queue", float(latency), 10) for latency in (0, 10, 50, 100, 250)),
        *(("queue", 0.0, wait) for wait in (30, 100, 300)),
    }
    assert [row["candidate_id"] for row in rows if row["is_own"]] == [own["candidate_id"]]
    for way, row in ways.items():
        assert row["is_explored"] == (row["candidate_id"] is None)
        assert row["is_explored"] == (way not in {("touch", None, None), ("queue", 0.0, 10), ("queue", 100.0, 10)})
        if not row["is_explored"]:
            assert row["net_pnl_ticks"] == before[row["candidate_id"]]["net_pnl_ticks"]
        if row["fill"] == "queue":
            assert row["executed_mean"] > 0
            assert row["net_per_order_ticks"] == pytest.approx(row["net_pnl_ticks"] * row["n_net"] / row["n_orders"])
        else:
            assert (row["executed_mean"], row["net_per_order_ticks"]) == (None, pytest.approx(row["net_pnl_ticks"]))
    # A longer wait fills no fewer orders, and more can have been executed within it.
    waits = [ways["queue", 0.0, wait] for wait in (10, 30, 100)]
    assert [row["executed_mean"] for row in waits] == sorted(row["executed_mean"] for row in waits)
    frame = vp.execution(own["candidate_id"], lake=folder / "lake")
    assert frame["net_pnl_ticks"].tolist() == [row["net_pnl_ticks"] for row in rows]
    # What was looked at counts from then on, once, and stays what it was.
    explored = [row for row in rows if row["is_explored"]]
    after = {row["candidate_id"]: row for row in rows_of(folder)}
    assert after.keys() == before.keys()
    store = store_in(folder / "lake")
    assert len(read(store, EXPLORED)) == len(explored)
    again = json.loads(
        in_process(folder, "compare", f"execution={own['candidate_id'][:10]}", "json=true", "min_signals=0").stdout
    )
    assert again == rows
    assert len(read(store, EXPLORED)) == len(explored)
    rankable = sum(not row["lacks"] for row in explored)
    for name, row in after.items():
        assert row["family_size"] == before[name]["family_size"] + rankable
        assert (row["p_adjusted"] or 1.0) >= (before[name]["p_adjusted"] or 0.0)


def test_traders_questions_are_answered_below_the_table(folder: Path) -> None:
    """Each in a sentence; what nobody ran says so, and an id that is not there is refused in one line."""
    own = next(row for row in rows_of(folder) if row["eval.fill"] == "queue")["candidate_id"]
    said = in_process(folder, "compare", f"execution={own}", "min_signals=0").stdout
    for begins in ("taker or maker: an order earns", "which latency still pays:", "which wait:", "how much: within"):
        assert begins in said
    assert "not run" in said
    assert "rows not run are an exploration" in said
    wrong = in_process(folder, "compare", "execution=nobody", "min_signals=0")
    assert wrong.returncode == 2
    assert "execution is 'nobody', with which the id of no candidate here begins" in wrong.stderr
    both = in_process(folder, "compare", f"execution={own}", "surface=true")
    assert both.returncode == 2
    assert "surface and execution were given; give one of them" in both.stderr


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Path:
    """The same signal under latencies that were recorded: 0 ms at first, 100 ms from the middle on."""
    (dataset_id,) = {row["datasets"][0] for row in rows_of(folder)}
    found = vp.dataset(dataset_id, lake=folder / "lake")
    begins, ends = found.manifest.first_bin_start_ns, found.manifest.last_bin_end_ns
    path = folder / "latencies.parquet"
    times = pa.array([begins, (begins + ends) // 2], pa.int64())
    pq.write_table(pa.table({"ts_ns": times, "latency_ms": [0.0, 100.0]}), path)
    words = ["eval.fill=queue", f"eval.latency_path={path}", "eval.max_wait_bins=10"]
    said = in_process(folder, *WORDS, *WALKS, *words)
    assert said.returncode == 0, said.stderr
    path.unlink()
    return path


def test_recorded_latencies_are_those_of_their_time(folder: Path, recorded: Path) -> None:
    """Orders before the change are those of latency 0, orders after it those of 100 ms; the lake keeps the file."""
    assert not recorded.exists()
    (row, _) = [row for row in rows_of(folder) if row["eval.latency_digest"] is not None]
    assert row["eval.latency_ms"] == 100
    (dataset_id,) = row["datasets"]
    found = find_dataset(Lake(folder / "lake"), dataset_id)
    latencies = order_table.kept_latencies(found, row["eval.latency_digest"])
    assert latencies.latency_ns.tolist() == [0, 10**8]
    wait_ns, half = 10**9, np.searchsorted(order_table.decisions_of(found), latencies.ts_ns[1])
    fates = order_table.order_table(found, latency=latencies, max_wait_ns=wait_ns).fates
    for part, latency in ((slice(None, half), 0), (slice(half, None), 10**8)):
        expected = order_table.order_table(found, latency=latency, max_wait_ns=wait_ns).fates
        np.testing.assert_array_equal(fates[part], expected[part])
    said = in_process(folder, "compare", f"execution={row['candidate_id']}", "min_signals=0").stdout
    assert "recorded" in said


def test_the_report_draws_taker_and_maker_by_latency(folder: Path, recorded: Path) -> None:
    """One picture for the leading candidates, with what was explored told apart, and the recorded latencies."""
    page = folder / "execution.html"
    words = (f"report={page}", "min_signals=0", f"dataset.id={dataset_of(folder)}")
    said = in_process(folder, "compare", *words, draws=True)
    assert said.returncode == 0, said.stderr
    text = page.read_text(encoding="utf-8")
    assert '<section id="execution">' in text
    assert "Taker or maker" in text
    assert "explored" in text
    assert not recorded.exists()


def dataset_of(folder: Path) -> str:
    """Return the dataset that the runs are on."""
    (dataset_id,) = {name for row in rows_of(folder) for name in row["datasets"]}
    return str(dataset_id)


def test_a_dataset_without_queues_is_refused_before_any_run(tmp_path: Path) -> None:
    """In one line, with what to do; nothing is stored."""
    build(Lake(tmp_path / "lake"), SyntheticSource(minutes=2), LatticeParameters(), dataset_id="old", columns=ALL)
    as_of_an_earlier_version(find_dataset(Lake(tmp_path / "lake"), "old"))
    said = in_process(tmp_path, "signal=ads", "dataset.id=old", "eval.fill=queue", "split=none", *WALKS)
    assert said.returncode == 2
    assert "dataset old keeps no events" in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "lake" / "research" / "vp_harness" / "results").exists()


def test_a_latency_without_a_queue_is_refused(tmp_path: Path) -> None:
    """Nothing would come of it."""
    said = in_process(tmp_path, *WORDS, *WALKS, "eval.latency_ms=50")
    assert said.returncode == 2
    assert "eval.latency_ms is 50" in said.stderr
    assert "add eval.fill=queue" in said.stderr


def test_a_venues_fees_are_a_choice(folder: Path) -> None:
    """They set the four keys, which can still be given."""
    said = in_process(folder, *WORDS, *WALKS, "fees=us_equity_maker_taker", "eval.fill=queue", "json=true")
    assert said.returncode == 0, said.stderr
    row = json.loads(said.stdout)["candidates"][0]
    assert (row["eval.maker_fee_ticks"], row["eval.taker_fee_ticks"]) == (-0.16, 0.3)
    wrong = in_process(folder, *WORDS, "fees=nasdac")
    assert wrong.returncode == 2
    assert "fees has no choice 'nasdac'" in wrong.stderr
