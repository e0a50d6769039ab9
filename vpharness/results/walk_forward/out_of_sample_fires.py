"""The out-of-sample fires of a procedure, one after the other, and what they earned."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.evaluation.blocks import NS_PER_SECOND
from vpharness.results.ledger import Trial
from vpharness.results.store import FIRES, Store, read_each_part
from vpharness.results.walk_forward.segments import SegmentEvidence
from vpharness.results.walk_forward.steps import Step
from vpharness.storage.arrow import text_numbers

_NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class WalkForwardFires:
    """Fires in the order of time: [n] each.

    Attributes:
        step: the number of the step.
        dataset: the dataset's id.
        candidate: the id of the candidate that was chosen.
        time_ns: when the fire's bin begins; of sums, when their block does.
        direction: 1 or -1; 0 where a row is the sum over a block.
        fires: 1; more where a row is the sum over a block, as of test segments and of rows of an earlier version.
        net_ticks: what they earned net.
    """

    step: NDArray[np.int64]
    dataset: NDArray[np.object_]
    candidate: NDArray[np.object_]
    time_ns: NDArray[np.int64]
    direction: NDArray[np.int64]
    fires: NDArray[np.int64]
    net_ticks: NDArray[np.float64]

    @functools.cached_property
    def equity(self) -> NDArray[np.float64]:
        """[n] the sum of the net ticks so far."""
        return np.cumsum(self.net_ticks)

    @property
    def drawdown_ticks(self) -> float:
        """How far the sum ever fell below where it had been before, 0 at the beginning included."""
        path = np.concatenate([[0.0], self.equity])
        return float(np.max(np.maximum.accumulate(path) - path))


def fires_of(store: Store, steps: Sequence[Step]) -> WalkForwardFires:
    """Return the out-of-sample fires of some steps, with what the ledger keeps of each."""
    trials = [trial for step in steps if not step.is_test for own in step.found for trial in own.trials]
    net = _net_of(store, trials)
    columns: list[tuple[Any, ...]] = []
    for step in steps:
        for own in step.found:
            results = [None if step.is_test else net.get((trial.run_id, trial.candidate_id)) for trial in own.trials]
            if any(
                each is None or len(each) != len(trial.fires) for each, trial in zip(results, own.trials, strict=True)
            ):
                columns.append(_of_blocks(step, own))
            else:
                columns += [_of_fires(step, own, trial, each) for trial, each in zip(own.trials, results, strict=True)]
    kinds = (np.int64, object, object, np.int64, np.int64, np.int64, np.float64)
    joined = [
        np.concatenate([np.zeros(0, kind), *(each[place] for each in columns)]).astype(kind)
        for place, kind in enumerate(kinds)
    ]
    order = np.argsort(joined[3], kind="stable")
    return WalkForwardFires(*(each[order] for each in joined))


def _of_fires(step: Step, own: SegmentEvidence, trial: Trial, net: Any) -> tuple[Any, ...]:
    earned = np.asarray(net, np.float64)
    times = (trial.first_bin_start_ns or 0) + trial.fires.bins * round(trial.evaluation.cell_width_ms * _NS_PER_MS)
    kept = np.isfinite(earned) & (times >= own.first_ns) & (times < own.stop_ns)
    if own.dropped:
        blocks = times // (own.evidence.blocks.seconds * NS_PER_SECOND)
        kept &= ~np.isin(blocks, np.array(sorted(own.dropped)))
    directions = trial.fires.directions[kept].astype(np.int64)
    ones = np.ones(int(kept.sum()), np.int64)
    return (*_named(step, trial, len(ones)), times[kept], directions, ones, earned[kept])


def _of_blocks(step: Step, own: SegmentEvidence) -> tuple[Any, ...]:
    blocks = own.evidence.blocks
    fires = blocks.count("n_net").astype(np.int64)
    held = fires > 0
    times = blocks.block[held] * blocks.seconds * NS_PER_SECOND
    names = _named(step, own.trials[0], int(held.sum()))
    return (*names, times, np.zeros(int(held.sum()), np.int64), fires[held], blocks.tick("net_pnl")[held])


def _named(step: Step, trial: Trial, count: int) -> tuple[Any, ...]:
    texts = [np.full(count, text, dtype=object) for text in (trial.dataset_id, trial.candidate_id)]
    return np.full(count, step.number), *texts


def _net_of(store: Store, trials: Sequence[Trial]) -> dict[tuple[str, str], Any]:
    """Return what each fire of some trials earned net, ticks, by run and candidate."""
    run_ids, candidate_ids = {each.run_id for each in trials}, {each.candidate_id for each in trials}
    found: dict[tuple[str, str], Any] = {}

    def rows_of(part: pa.Table) -> dict[tuple[str, str], Any]:
        if "net_pnl_ticks" not in part.column_names:
            return {}
        is_mine = np.ones(len(part), np.bool_)
        for name, ids in (("run_id", run_ids), ("candidate_id", candidate_ids)):
            is_mine &= text_numbers(part[name], {each: place for place, each in enumerate(ids)}) < len(ids)
        rows = np.flatnonzero(is_mine).tolist()
        columns = (part[name] for name in ("run_id", "candidate_id", "net_pnl_ticks"))
        return {(a[row].as_py(), b[row].as_py()): c[row].as_py() for a, b, c in [tuple(columns)] for row in rows}

    wanted = ["run_id", "candidate_id", "net_pnl_ticks"]
    for rows in read_each_part(store, FIRES, wanted, rows_of, repeated=wanted[:2]):
        found |= rows
    return found
