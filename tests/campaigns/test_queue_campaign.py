"""Campaigns whose fires enter with resting orders: what they share, what they keep, and how they are shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.commands.test_cli import in_process
from tests.datasets.compact import ALL, as_of_an_earlier_version
from vpharness.datasets.build import build
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
from vpharness.results.store import CANDIDATES, read, store_in

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
    assert len(ledger) == 34
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


def test_resting_orders_are_not_simulated_live_yet(folder: Path) -> None:
    """Live fires are entered at the touch alone: the command says so before it does anything."""
    said = in_process(folder, "online-sim", *WORDS, *WALKS, "eval.fill=queue")
    assert said.returncode == 2
    assert "live fires are entered at the touch alone" in said.stderr


def test_a_venues_fees_are_a_choice(folder: Path) -> None:
    """They set the four keys, which can still be given."""
    said = in_process(folder, *WORDS, *WALKS, "fees=us_equity_maker_taker", "eval.fill=queue", "json=true")
    assert said.returncode == 0, said.stderr
    row = json.loads(said.stdout)["candidates"][0]
    assert (row["eval.maker_fee_ticks"], row["eval.taker_fee_ticks"]) == (-0.16, 0.3)
    wrong = in_process(folder, *WORDS, "fees=nasdac")
    assert wrong.returncode == 2
    assert "fees has no choice 'nasdac'" in wrong.stderr
