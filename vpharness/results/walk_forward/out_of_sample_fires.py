"""The out-of-sample fires of a procedure, one after the other, and what they earned."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vpharness.evaluation import Fires
from vpharness.evaluation.blocks import NS_PER_SECOND
from vpharness.results.ledger import Trial
from vpharness.results.store import FIRES, Store, read_chosen_rows
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
    kept = _kept_fires(store, trials)
    columns: list[tuple[Any, ...]] = []
    for step in steps:
        for own in step.found:
            keys = [(trial.run_id, trial.candidate_id) for trial in own.trials]
            if step.is_test or not all(key in kept for key in keys):
                columns.append(_of_blocks(step, own))
            else:
                columns += [
                    _of_fires(step, own, trial, *kept[key]) for key, trial in zip(keys, own.trials, strict=True)
                ]
    kinds = (np.int64, object, object, np.int64, np.int64, np.int64, np.float64)
    joined = [
        np.concatenate([np.zeros(0, kind), *(each[place] for each in columns)]).astype(kind)
        for place, kind in enumerate(kinds)
    ]
    order = np.argsort(joined[3], kind="stable")
    return WalkForwardFires(*(each[order] for each in joined))


def _of_fires(step: Step, own: SegmentEvidence, trial: Trial, fires: Fires, net: Any) -> tuple[Any, ...]:
    earned = np.asarray(net, np.float64)
    times = (trial.first_bin_start_ns or 0) + fires.bins * round(trial.evaluation.cell_width_ms * _NS_PER_MS)
    kept = np.isfinite(earned) & (times >= own.first_ns) & (times < own.stop_ns)
    if own.dropped:
        blocks = times // (own.evidence.blocks.seconds * NS_PER_SECOND)
        kept &= ~np.isin(blocks, np.array(sorted(own.dropped)))
    directions = fires.directions[kept].astype(np.int64)
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


def _kept_fires(store: Store, trials: Sequence[Trial]) -> dict[tuple[str, str], tuple[Fires, Any]]:
    """Return the fires of some trials, and what each of them earned net, ticks, by run and candidate.

    Those of an earlier version, which kept no results of single fires, are missing.
    """
    names = ("run_id", "candidate_id")
    wanted = {name: sorted({getattr(trial, name) for trial in trials}) for name in names}

    def is_mine(keys: pa.Table) -> NDArray[np.bool_]:
        found = np.ones(len(keys), np.bool_)
        for name, texts in wanted.items():
            # Texts that are not there yet are numbered behind those that are.
            found &= text_numbers(keys[name], {text: place for place, text in enumerate(texts)}) < len(texts)
        return found

    found: dict[tuple[str, str], tuple[Fires, Any]] = {}
    for part in read_chosen_rows(store, FIRES, names, is_mine, (*names, "fires", "net_pnl_ticks")):
        if "net_pnl_ticks" in part.column_names:
            for row in part.to_pylist():
                if row["net_pnl_ticks"] is not None and len(row["net_pnl_ticks"]) == len(row["fires"]):
                    key = (row["run_id"], row["candidate_id"])
                    found[key] = Fires.from_signed(row["fires"]), row["net_pnl_ticks"]
    return found
