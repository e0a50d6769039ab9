"""The command `compare`: the ledger's candidates, ranked."""

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig

from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError
from vpharness.results.ledger import LedgerCandidate, Trial, read_ledger
from vpharness.results.ranking import TEST, Ranked, ViewOf, judge_part, rank
from vpharness.results.records import VIEWS_SCHEMA
from vpharness.results.store import VIEWS, Rows, Store, append, read, store_in
from vpharness.tasks.commands import CompareCommand
from vpharness.tasks.schema import check_command, instance
from vpharness.tasks.tables import print_ranking, row_of, views_in


def run_compare(config: DictConfig) -> None:
    """Rank what has been run, against chance and against all that was ever tried."""
    asked = check_command(config, CompareCommand)
    choice = instance(config.dataset, "dataset")
    lake = Lake(Path(asked.lake))
    store, view_of = store_in(lake.root), views_in(lake)
    ledger = read_ledger(store)
    if asked.by == "dataset":
        ledger = [LedgerCandidate(each.candidate_id, (trial,)) for each in ledger for trial in each.trials]
    ranked = [each for each in rank(ledger, view_of) if _is_asked_for(each, asked, choice.id)]
    _refuse_mixed_horizons(ranked, asked)
    if asked.sort == "tp_rate":
        ranked.sort(key=lambda each: (-each.judgement.figures.tp_rate, each.candidate.candidate_id))
    ranked = ranked[: asked.top]
    if asked.show_test:
        ranked = _with_test(ranked, store, view_of)
    rows = [row_of(each) for each in ranked]
    if asked.parquet is not None:
        _write_parquet(rows, Path(asked.parquet))
    if asked.json:
        print(json.dumps(rows, indent=1))
    else:
        print_ranking(ranked)


def _is_asked_for(ranked: Ranked, asked: CompareCommand, dataset_id: str | None) -> bool:
    return (
        (asked.of_signal is None or ranked.candidate.first.signal == asked.of_signal)
        and (dataset_id is None or dataset_id in ranked.candidate.dataset_ids)
        and ranked.judgement.figures.n_signals >= asked.min_signals
    )


def _refuse_mixed_horizons(ranked: Sequence[Ranked], asked: CompareCommand) -> None:
    evaluations = [each.candidate.first.evaluation for each in ranked]
    horizons = sorted({evaluation.max_hold_bins * evaluation.cell_width_ms / 1000 for evaluation in evaluations})
    if len(horizons) > 1 and not asked.mixed_horizon:
        shown = ", ".join(f"{seconds:g} s" for seconds in horizons)
        raise ConfigError(
            f"the runs hold for up to {shown}: different holding times do not rank together; choose with signal= or "
            "dataset.id=, or say mixed_horizon=true"
        )


def _with_test(ranked: Sequence[Ranked], store: Store, view_of: ViewOf) -> list[Ranked]:
    """Open the test part of some candidates, and count that it has been opened."""
    found = judge_part([each.candidate for each in ranked], view_of, _test_part)
    opened = [{"candidate_id": candidate_id, "opened_ns": time.time_ns()} for candidate_id in found]
    append(store, Rows(VIEWS, opened, VIEWS_SCHEMA))
    times = Counter(row["candidate_id"] for row in read(store, VIEWS))
    opened_results = []
    for each in ranked:
        candidate_id = each.candidate.candidate_id
        opened_results.append(
            dataclasses.replace(each, test=found.get(candidate_id), test_openings=times[candidate_id])
        )
    return opened_results


def _test_part(trial: Trial) -> str:  # noqa: ARG001  # every trial's test part has this name
    return TEST


def _write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    if path.exists():
        raise ConfigError(f"parquet is {path}, which exists; name a file that does not")
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
