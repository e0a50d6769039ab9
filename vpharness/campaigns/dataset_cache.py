"""A cache of what the runs on one dataset share: its columns, outcome tables, and judged fires."""

import dataclasses
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vpharness.campaigns.dataset_views import view_of
from vpharness.datasets.find import Dataset
from vpharness.datasets.grid_columns import keep_columns, to_compute
from vpharness.datasets.read import load
from vpharness.evaluation import (
    DatasetView,
    Fires,
    Judgement,
    OutcomeTable,
    Part,
    PartEvaluation,
    PartWalks,
    PassageTables,
    QueueFills,
    ResolvedEvaluation,
    evaluate_fires,
    fills_needed,
    first_passage_tables,
    judge_many,
    outcome_table,
)
from vpharness.evaluation.costs import cost_key
from vpharness.learning import LearnedRun
from vpharness.learning.earlier_datasets import EarlierDatasets
from vpharness.signals import LearnedParameters, LearnedSignal, Signal, body_parameters, features

DEFAULT_MEMORY_MB: Final = 1024
_MEGABYTE: Final = 2**20
_FEATURES_BYTES: Final = 2**28
"""What features of learned signals may take: models that are fitted to the same ones share them."""
_JUDGED_BYTES: Final = 4_000
"""Of one candidate: its figures; its blocks and fires come on top."""
_BYTES_PER_BLOCK: Final = 64
_BYTES_PER_FIRE: Final = 96

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class LruCache(Generic[Key, Value]):
    """A cache bounded in bytes that drops the least recently used value first."""

    limit_bytes: int
    size_of: Callable[[Value], int]
    _kept: OrderedDict[Key, Value] = field(default_factory=OrderedDict)
    _used_bytes: int = 0

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made and cached where it is absent."""
        known = self.get(key)
        return self.put(key, make()) if known is None else known

    def get(self, key: Key) -> Value | None:
        """Return the cached value of a key, or None."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: Key, value: Value) -> Value:
        """Cache a value, and return it."""
        self._kept[key] = value
        self._used_bytes += self.size_of(value)
        while self._used_bytes > self.limit_bytes and len(self._kept) > 1:
            self._used_bytes -= self.size_of(self._kept.popitem(last=False)[1])
        return value


@dataclass(frozen=True)
class JudgedFires:
    """The evaluation and judgement of the fires of one part."""

    evaluation: PartEvaluation
    judgement: Judgement


@dataclass
class DatasetCache:
    """One dataset, read once, with everything about it that several runs need.

    Attributes:
        dataset: the dataset.
        view: its bins as evaluation reads them.
        bin_seq: [T] int64, the numbers of its bins.
        memory_bytes: what may be kept of columns, tables, judged fires and (by the caller) intermediate series, each
            up to a quarter of it.
        report_fit: is called after each fit of a learned signal with the number of those done, and of all of its run.
    """

    dataset: Dataset
    view: DatasetView
    bin_seq: NDArray[np.int64]
    memory_bytes: int
    _columns: LruCache[str, NDArray[Any]]
    _tables: LruCache[tuple[Any, ...], OutcomeTable]
    _passages: LruCache[tuple[float, float, int], PassageTables]
    _fills: LruCache[tuple[int | str, int], QueueFills]
    _walks: dict[tuple[Any, ...], PartWalks]
    _judged: LruCache[tuple[Any, ...], JudgedFires]
    _features: LruCache[tuple[str, str], NDArray[np.float64]] = field(
        default_factory=lambda: LruCache(_FEATURES_BYTES, lambda features: features.nbytes)
    )
    report_fit: Callable[[int, int], None] | None = None

    @classmethod
    def of(cls, dataset: Dataset, memory_mb: int = DEFAULT_MEMORY_MB) -> "DatasetCache":
        """Read the bins of a dataset. Raises DatasetError where they cannot be read."""
        loaded = load(dataset)
        memory = memory_mb * _MEGABYTE
        return cls(
            dataset,
            view_of(dataset, loaded),
            loaded.bins["bin_seq"].astype(np.int64),
            memory,
            LruCache(memory // 4, lambda column: column.nbytes),
            LruCache(memory // 4, _table_bytes),
            LruCache(memory // 16, _passage_bytes),
            LruCache(memory // 16, lambda fills: fills.nbytes),
            {},
            LruCache(memory // 4, _judged_bytes),
        )

    def prepare(self, columns: Sequence[str]) -> None:
        """Compute columns that several groups of runs will read, in one pass over the events.

        They are kept in the lake's cache; where nothing can be kept there, each group computes its own. Raises
        DatasetError where the dataset cannot be read.
        """
        if computed := to_compute(self.dataset, columns):
            keep_columns(self.dataset, load(self.dataset).bins, computed)

    def grid(self, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of the grid, each [T, K]. Raises DatasetError for those that are not there."""
        found = {name: column for name in columns if (column := self._columns.get(name)) is not None}
        absent = [name for name in columns if name not in found]
        computed = to_compute(self.dataset, absent) if absent else []
        # What is computed is so in one pass; what is stored is read one by one, for memory.
        for together in [computed, *([name] for name in absent if name not in computed)]:
            if together:
                found |= {
                    name: self._columns.put(name, each) for name, each in load(self.dataset, together).grid.items()
                }
        return {name: found[name] for name in columns}

    def inputs(self, signal: Signal[Any]) -> dict[str, NDArray[Any]]:
        """Return the columns of the grid [T, K] that a signal reads, and its series of the bins [T].

        Raises DatasetError for columns that are not there.
        """
        view = self.view
        bins = {"mid_price": view.mid, "best_bid_price_int": view.best_bid, "best_ask_price_int": view.best_ask}
        known = {name: values for name, values in bins.items() if values is not None}
        return signal.with_series(self.grid(signal.columns), known, view.tick_size)

    def learned_run(
        self,
        signal: LearnedSignal[Any],
        params: LearnedParameters,
        earlier: EarlierDatasets | None = None,
    ) -> LearnedRun:
        """Return a learned signal's run over the dataset: its fits are read where an earlier run has left them.

        Raises ConfigError where a package is missing, and DatasetError where a column or kept weights cannot be read.
        """
        key = f"{signal.body.__module__}.{signal.name}", json.dumps(body_parameters(params), sort_keys=True)
        shown = self._features.get_or_make(key, lambda: self._make_features(signal, params))
        return LearnedRun.of(signal, params, shown, self.view, self.dataset.models, earlier, self.report_fit)

    def _make_features(self, signal: LearnedSignal[Any], params: LearnedParameters) -> NDArray[np.float64]:
        width_ms, valid = self.dataset.manifest.cell_width_ms, self.view.book_valid
        return features(signal, params, self.inputs(signal), cell_width_ms=width_ms, valid=valid)

    def table(self, evaluation: ResolvedEvaluation) -> OutcomeTable:
        """Return the outcomes of every bin; evaluations that differ only in values no walk depends on share them.

        Raises DatasetError where entries rest in a queue and the dataset has none.
        """
        key = _walk_key(evaluation)
        found = self._tables.get_or_make(key, partial(self._make_table, evaluation))
        return dataclasses.replace(found, evaluation=evaluation)

    def _make_table(self, evaluation: ResolvedEvaluation) -> OutcomeTable:
        barriers, hold = (evaluation.tp_ticks, evaluation.sl_ticks), evaluation.max_hold_bins
        passages = self._passages.get_or_make(
            (*barriers, hold), lambda: first_passage_tables(self.view, barriers, hold)
        )
        return outcome_table(passages, evaluation, self._fills_of(evaluation))

    def _fills_of(self, evaluation: ResolvedEvaluation) -> QueueFills | None:
        key = evaluation.orders_key
        known = self._fills.get(key) if evaluation.in_queue else None
        if known is None and (found := fills_needed(self.view, evaluation)) is not None:
            return self._fills.put(key, found)
        return known

    def _walks_of(self, table: OutcomeTable, part: Part) -> PartWalks:
        key = _walk_key(table.evaluation), cost_key(table.evaluation), part
        if key not in self._walks:
            self._walks[key] = PartWalks.of(table, part)
        return self._walks[key]

    def judged(self, evaluation: ResolvedEvaluation, part: Part, candidates: Sequence[Fires]) -> list[JudgedFires]:
        """Evaluate and judge the fires of candidates that lie in a part; equal fires once, whatever run they are of."""
        # The cooldown has already decided which fires there are, the warm-up where the part begins.
        shared = dataclasses.replace(evaluation, cooldown_bins=0, warmup_bins=0), part
        inside = [fires.within(part) for fires in candidates]
        known = {fires.digest: self._judged.get((*shared, fires.digest)) for fires in inside}
        unknown = {fires.digest: fires for fires in inside if known[fires.digest] is None}
        if unknown:
            table = self.table(evaluation)
            found = evaluate_fires(self.view, table, part, list(unknown.values()), self._walks_of(table, part))
            judgements = judge_many([each.evidence for each in found], evaluation)
            for digest, evaluated, judgement in zip(unknown, found, judgements, strict=True):
                known[digest] = self._judged.put((*shared, digest), JudgedFires(evaluated, judgement))
        return [judged for fires in inside if (judged := known[fires.digest]) is not None]


def _judged_bytes(judged: JudgedFires) -> int:
    evaluation = judged.evaluation
    blocks, fires = len(evaluation.evidence.blocks.block), len(evaluation.outcomes.fires)
    return _JUDGED_BYTES + _BYTES_PER_BLOCK * blocks + _BYTES_PER_FIRE * fires


def _walk_key(evaluation: ResolvedEvaluation) -> tuple[Any, ...]:
    """Return the fields that the outcomes of bins depend on: costs, warm-up, cooldown and draws do not matter."""
    return (
        evaluation.tp_ticks,
        evaluation.sl_ticks,
        evaluation.max_hold_bins,
        evaluation.entry_delay_bins,
        evaluation.exit_delay_bins,
        *(evaluation.orders_key if evaluation.in_queue else ()),
    )


def _table_bytes(table: OutcomeTable) -> int:
    arrays = (table.mid_code, table.mid_exit, table.mid_pnl, table.net_code, table.net_exit, table.net_pnl)
    return sum(array.nbytes for array in (*arrays, table.net_start, table.net_price))


def _passage_bytes(passages: PassageTables) -> int:
    arrays = (*passages.rises, *passages.falls, passages.mid, passages.last_mid, passages.next_book)
    touch = (passages.best_bid, passages.best_ask)
    return sum(array.nbytes for array in (*arrays, *(each for each in touch if each is not None)))
