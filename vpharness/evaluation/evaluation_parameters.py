"""The parameters of an evaluation: barriers, durations, execution, costs, split and null, with their defaults."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from vpharness.errors import ConfigError
from vpharness.parameters import parameter
from vpharness.recorded_latency import read_latencies

EVALUATION_VERSION: Final = 2
"""Raised by hand whenever the same fires on the same dataset would be judged differently than before."""

TOUCH: Final = "touch"
"""A fire is entered at once, at the touch."""
QUEUE: Final = "queue"
"""A fire is entered by a resting order, where that is filled: see `queue_fills`."""

OF_THE_QUEUE: Final = ("latency_ms", "latency_digest", "max_wait_bins", "maker_fee_ticks", "maker_fee_bps")
"""Fields of an evaluation of which nothing comes where every entry is at the touch."""

_DEFAULT_BINS: Final = {"max_hold": 1200, "warmup": 300, "cooldown": 30, "entry_delay": 1}
_DEFAULT_WAIT_BINS: Final = 100
_DURATIONS: Final = ("max_hold", "warmup", "cooldown", "entry_delay", "exit_delay", "max_wait")
_NS_PER_MS: Final = 1_000_000

_LONGEST_BINS: Final = 10_000_000
"""The longest duration: eleven days of 100 ms, longer than any dataset is in one piece. Bins are counted in 32 bits."""
_LONGEST_MS: Final = 1_000_000_000
_FARTHEST_TICKS: Final = 1_000_000_000
"""A barrier as far as this is never touched: it is how one is left out."""
_LARGEST_FEE_BPS: Final = 10_000
_MOST_DRAWS: Final = 100_000
"""A p-value of 0.00001 can be told from 0 with so many; each takes as long as the one before."""


def _bins(name: str, meaning: str, minimum: int = 0) -> Any:
    default = f"{_DEFAULT_BINS[name]}" if name in _DEFAULT_BINS else "entry_delay"
    return parameter(
        None, meaning=f"{meaning} (default {default})", unit="bins", minimum=minimum, maximum=_LONGEST_BINS
    )


def _ms(name: str) -> Any:
    return parameter(
        None,
        meaning=f"{name}_bins as a duration, rounded to whole bins, half up",
        unit="ms",
        minimum=0,
        maximum=_LONGEST_MS,
    )


def _fee(kind: str, unit: str) -> Any:
    who = "a resting order" if kind == "maker" else "an order at the touch"
    meaning = f"fee of {who}, one side, below 0 for a rebate"
    largest = _FARTHEST_TICKS if unit == "ticks" else _LARGEST_FEE_BPS
    if unit != "ticks":
        meaning += f", of the price; in addition to {kind}_fee_ticks"
    return parameter(0.0, meaning=meaning, unit=unit, minimum=-largest, maximum=largest)


@dataclass(frozen=True)
class EvaluationParameters:
    """How fires are found and judged. Each duration is given as `_bins` or as `_ms`, not as both."""

    tp_ticks: float = parameter(
        8.0, meaning="take-profit distance from the mid of entry", unit="ticks", above=0, maximum=_FARTHEST_TICKS
    )
    sl_ticks: float = parameter(
        4.0, meaning="stop-loss distance from the mid of entry", unit="ticks", above=0, maximum=_FARTHEST_TICKS
    )
    cost_ticks: float = parameter(
        0.0, meaning="cost of a round trip in addition to the spread", unit="ticks", minimum=0, maximum=_FARTHEST_TICKS
    )
    max_hold_bins: int | None = _bins("max_hold", "longest walk, the bin of entry included", minimum=1)
    max_hold_ms: float | None = _ms("max_hold")
    warmup_bins: int | None = _bins("warmup", "bins at the start of a dataset that cannot fire")
    warmup_ms: float | None = _ms("warmup")
    cooldown_bins: int | None = _bins("cooldown", "minimum distance between two fires")
    cooldown_ms: float | None = _ms("cooldown")
    entry_delay_bins: int | None = _bins("entry_delay", "from the fire to the entry at the touch")
    entry_delay_ms: float | None = _ms("entry_delay")
    exit_delay_bins: int | None = _bins("exit_delay", "from the barrier to the exit at the touch")
    exit_delay_ms: float | None = _ms("exit_delay")
    fill: str = parameter(
        TOUCH,
        meaning="touch: enter at the touch; queue: enter with a resting order, where the queue fills it",
        choices=(TOUCH, QUEUE),
    )
    latency_ms: float | None = parameter(
        None,
        meaning="with fill=queue: from the decision to the arrival of the resting order (default entry_delay)",
        unit="ms",
        minimum=0,
        maximum=_LONGEST_MS,
    )
    latency_path: str | None = parameter(
        None,
        meaning="with fill=queue: in place of latency_ms, a Parquet file of recorded latencies by time (ts_ns, and "
        "latency_ns or latency_ms); a decision has the latest before it",
    )
    max_wait_bins: int | None = parameter(
        None,
        meaning=f"with fill=queue: how long the order rests before it is withdrawn (default {_DEFAULT_WAIT_BINS})",
        unit="bins",
        minimum=1,
        maximum=_LONGEST_BINS,
    )
    max_wait_ms: float | None = _ms("max_wait")
    maker_fee_ticks: float = _fee("maker", "ticks")
    maker_fee_bps: float = _fee("maker", "bps")
    taker_fee_ticks: float = _fee("taker", "ticks")
    taker_fee_bps: float = _fee("taker", "bps")
    null_draws: int = parameter(
        999,
        meaning="random draws for the p-value; each flips the direction of blocks of fires",
        minimum=19,
        maximum=_MOST_DRAWS,
    )
    null_seed: int = parameter(0, meaning="seed of these draws", minimum=0, maximum=2**53)

    def relations(self) -> Iterator[str]:
        """Yield a sentence for each duration that is given twice, or that nothing comes of."""
        for name in _DURATIONS:
            bins, ms = getattr(self, f"{name}_bins"), getattr(self, f"{name}_ms")
            if bins is not None and ms is not None:
                yield f"{name}_bins is {bins} and {name}_ms is {ms}; give one of them"
        if self.fill != QUEUE:
            of_orders = ("latency_ms", "latency_path", "max_wait_bins", "max_wait_ms")
            idle = [name for name in of_orders if getattr(self, name) is not None]
            if idle:
                value = getattr(self, idle[0])
                yield f"{idle[0]} is {value}, but with fill={self.fill} no order rests; add eval.fill={QUEUE}"
        if self.latency_path is not None:
            if self.latency_ms is not None:
                yield f"latency_ms is {self.latency_ms} and latency_path is {self.latency_path}; give one of them"
            try:
                read_latencies(self.latency_path)
            except ConfigError as error:
                yield f"latency_path: {error}"

    def resolve(self, cell_width_ms: float) -> "ResolvedEvaluation":
        """Return the evaluation with every duration in bins of `cell_width_ms` milliseconds.

        Raises:
            ConfigError: a duration was given both ways or is too many bins, or the longest walk is shorter than half a
                bin.
        """
        twice = list(self.relations())
        if twice:
            raise ConfigError("; ".join(twice))
        entry_delay = self._in_bins("entry_delay", cell_width_ms)
        resolved = ResolvedEvaluation(
            tp_ticks=float(self.tp_ticks),
            sl_ticks=float(self.sl_ticks),
            cost_ticks=float(self.cost_ticks),
            max_hold_bins=self._in_bins("max_hold", cell_width_ms),
            warmup_bins=self._in_bins("warmup", cell_width_ms),
            cooldown_bins=self._in_bins("cooldown", cell_width_ms),
            entry_delay_bins=entry_delay,
            exit_delay_bins=self._in_bins("exit_delay", cell_width_ms, entry_delay),
            null_draws=self.null_draws,
            null_seed=self.null_seed,
            cell_width_ms=float(cell_width_ms),
            taker_fee_ticks=float(self.taker_fee_ticks),
            taker_fee_bps=float(self.taker_fee_bps),
            **(self._resting(entry_delay, cell_width_ms) if self.fill == QUEUE else {}),
        )
        if resolved.max_hold_bins < 1:
            raise ConfigError(
                f"max_hold_ms is {self.max_hold_ms}, which is no whole bin of {cell_width_ms:g} ms; give a longer one"
            )
        if resolved.fill == QUEUE and resolved.max_wait_bins < 1:
            raise ConfigError(
                f"max_wait_ms is {self.max_wait_ms}, which is no whole bin of {cell_width_ms:g} ms; give a longer one"
            )
        return resolved

    def _resting(self, entry_delay_bins: int, cell_width_ms: float) -> dict[str, Any]:
        """Return the fields of an evaluation whose entries rest in the queue."""
        latency_ms = entry_delay_bins * cell_width_ms if self.latency_ms is None else self.latency_ms
        digest = ""
        if self.latency_path is not None:
            recorded = read_latencies(self.latency_path)
            latency_ms, digest = recorded.longest_ns / _NS_PER_MS, recorded.digest
        return {
            "fill": QUEUE,
            "latency_digest": digest,
            "latency_ms": float(latency_ms),
            "max_wait_bins": self._in_bins("max_wait", cell_width_ms, _DEFAULT_WAIT_BINS),
            "maker_fee_ticks": float(self.maker_fee_ticks),
            "maker_fee_bps": float(self.maker_fee_bps),
        }

    def _in_bins(self, name: str, cell_width_ms: float, otherwise: int = 0) -> int:
        bins, ms = getattr(self, f"{name}_bins"), getattr(self, f"{name}_ms")
        if ms is not None:
            bins = math.floor(float(ms) / cell_width_ms + 0.5)
            if bins > _LONGEST_BINS:
                raise ConfigError(
                    f"{name}_ms is {ms}, which is {bins} bins of {cell_width_ms:g} ms; at most {_LONGEST_BINS} are "
                    "possible"
                )
            return bins
        return int(bins) if bins is not None else _DEFAULT_BINS.get(name, otherwise)


@dataclass(frozen=True)
class ResolvedEvaluation:
    """`EvaluationParameters` on one cell width: every duration in bins, every default filled in.

    The fields with a default came later. Their defaults stand for what was done before, and for what has no effect:
    where every entry is at the touch there is no latency, no wait and no maker.

    Where latencies were recorded, `latency_digest` is that of their content, and `latency_ms` the longest of them:
    walks are censored by that, whenever they begin.
    """

    tp_ticks: float
    sl_ticks: float
    cost_ticks: float
    max_hold_bins: int
    warmup_bins: int
    cooldown_bins: int
    entry_delay_bins: int
    exit_delay_bins: int
    null_draws: int
    null_seed: int
    cell_width_ms: float
    fill: str = TOUCH
    latency_ms: float = 0.0
    max_wait_bins: int = 0
    maker_fee_ticks: float = 0.0
    maker_fee_bps: float = 0.0
    taker_fee_ticks: float = 0.0
    taker_fee_bps: float = 0.0
    latency_digest: str = ""

    @property
    def in_queue(self) -> bool:
        """Whether entries are resting orders."""
        return self.fill == QUEUE

    @property
    def latency_ns(self) -> int:
        """From the decision to the arrival of a resting order, ns."""
        return round(self.latency_ms * _NS_PER_MS)

    @property
    def orders_key(self) -> tuple[int | str, int]:
        """What the fates of resting orders depend on beside their dataset: latency, or its digest, and longest wait."""
        return self.latency_digest or self.latency_ns, self.max_wait_ns

    @property
    def max_wait_ns(self) -> int:
        """From the arrival of a resting order to its withdrawal, ns."""
        return self.max_wait_bins * round(self.cell_width_ms * _NS_PER_MS)

    @property
    def entry_reach_bins(self) -> int:
        """From a fire to the last bin in which it can be entered: that of a resting order's withdrawal."""
        if not self.in_queue:
            return self.entry_delay_bins
        # The decision falls together with the beginning of the next bin.
        return 1 + (self.latency_ns + self.max_wait_ns) // round(self.cell_width_ms * _NS_PER_MS)

    @property
    def embargo_bins(self) -> int:
        """Bins between the training and the test part: no walk reaches from one into the other."""
        return self.max_hold_bins + self.entry_reach_bins + self.exit_delay_bins

    @property
    def mid_reach_bins(self) -> int:
        """From a fire to the last bin its outcome at the mid may look at."""
        return self.max_hold_bins - 1

    @property
    def net_reach_bins(self) -> int:
        """From a fire to the last bin of the whole walk with its delays."""
        return self.entry_reach_bins + self.max_hold_bins - 1 + self.exit_delay_bins

    def identity(self) -> dict[str, Any]:
        """Return the values that runs and candidates are named after.

        A field that is added later has a default that stands for what was done before it. Where it has that value it is
        left out, so that runs of before keep their ids.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        unchanged = {field.name: field.default for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value != unchanged[name]}

    def with_barriers(self, tp_ticks: float, sl_ticks: float) -> "ResolvedEvaluation":
        """Return the same evaluation for another pair of barriers, in ticks."""
        return dataclasses.replace(self, tp_ticks=float(tp_ticks), sl_ticks=float(sl_ticks))


WHOLE_DATASETS: Final = "collection"
"""The kind of split of a run on a dataset of a collection that is split by time: the whole dataset trains or tests."""


@dataclass(frozen=True)
class SplitParameters:
    """Which bins thresholds and parameters are chosen on, and which bins judge them.

    Beside the kinds that a user gives there is `WHOLE_DATASETS`: what `kind=time` becomes on a dataset of a collection.
    Such a split says of its dataset alone whether it is kept for the test (`test_datasets` has its id then), and
    nothing of the others: a collection that grows changes no run on the datasets that it has.
    """

    kind: str = parameter(
        "time",
        meaning="time: split each dataset by time, a collection by days (shown as split=collection); dataset: keep "
        "whole datasets for the test; none: no test part",
        choices=("time", "dataset", "none"),
    )
    train_share: float = parameter(
        0.6, meaning="share of a dataset's bins to train on, from its start", above=0, maximum=0.99
    )
    test_datasets: list[str] = parameter([], meaning="datasets kept for the test; naming any sets kind to dataset")

    @property
    def by_dataset(self) -> bool:
        """Whether whole datasets are kept for the test."""
        return self.kind in ("dataset", WHOLE_DATASETS) or bool(self.test_datasets)

    @classmethod
    def of_whole_dataset(cls, dataset_id: str, *, is_test: bool) -> "SplitParameters":
        """Return the split of a whole dataset of a collection, for training or kept for the test."""
        return cls(kind=WHOLE_DATASETS, test_datasets=[dataset_id] if is_test else [])

    def of_candidate(self) -> "SplitParameters":
        """Return what candidates are named after: the same on all datasets of a collection, in every version of it."""
        return SplitParameters(kind=WHOLE_DATASETS) if self.kind == WHOLE_DATASETS else self.normalised()

    def normalised(self) -> "SplitParameters":
        """Return what cuts every dataset in the same way and says nothing that has no effect."""
        if self.kind == WHOLE_DATASETS:
            return SplitParameters(kind=WHOLE_DATASETS, test_datasets=sorted(set(self.test_datasets)))
        if self.by_dataset:
            return SplitParameters(kind="dataset", test_datasets=sorted(set(self.test_datasets)))
        return SplitParameters(kind="none") if self.kind == "none" else dataclasses.replace(self, test_datasets=[])

    def relations(self) -> Iterator[str]:
        """Yield a sentence where kind and test_datasets contradict each other."""
        if self.kind == "none" and self.test_datasets:
            yield f"kind is none but test_datasets names {', '.join(self.test_datasets)}; drop one of them"
        if self.kind == "dataset" and not self.test_datasets:
            yield "kind is dataset but test_datasets is empty; name the datasets to keep for the test"
