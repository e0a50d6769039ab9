"""Live evaluation of a served model: the outcomes of its fires, and whether its projection covers what it claims.

Where entries rest in the queue, the orders of its fires are told as they are placed and as their fate becomes known.

A fire is judged by the rule of a run: it ends where price first touches take-profit or stop-loss, or times out. The
projection issued at a bin is compared with the mid's move over each of its horizons once that many bins have passed:
its coverage is the share of moves inside an interval, its pinball loss the mean over quantiles q of
max(q · d, (q - 1) · d), where d is the move less the projected quantile, in ticks.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.engine.models import ServedModel
from vpharness.evaluation.bands import BandScores
from vpharness.evaluation.confidence_sequences import ERROR
from vpharness.evaluation.live_claims import CoverageWatch, Judged, NetBlocks, Promise, promise_of
from vpharness.evaluation.live_statistics import LiveStatistics
from vpharness.evaluation.running_claims import Claim
from vpharness.evaluation.walks import OpenFire, Quote, WalkOutcome
from vpharness.live import ScoredBin
from vpharness.order_fates import NONE, OPEN, REASONS, VirtualOrder
from vpharness.prices import PRICE_SCALE
from vpharness.promotion.serving import PromotedRecord


@dataclass(frozen=True)
class FireOutcome:
    """The outcome of a fire, at the mid price and net; `seq` is the bin of the fire in the stream."""

    seq: int
    direction: int
    at_mid: WalkOutcome
    net: WalkOutcome

    def facts(self) -> dict[str, Any]:
        """Return the outcome as the stream's fields; ticks may be NaN."""
        return {
            "seq": self.seq,
            "direction": self.direction,
            "outcome": self.at_mid.name,
            "pnl_ticks": self.at_mid.pnl_ticks,
            "net_outcome": self.net.name,
            "net_pnl_ticks": self.net.pnl_ticks,
        }


@dataclass(frozen=True)
class OrderChange:
    """A resting order that was placed, or whose fate has become known; `seq` is the bin of its fire in the stream."""

    seq: int
    order: VirtualOrder

    def facts(self) -> dict[str, Any]:
        """Return the change as the stream's fields."""
        order = self.order
        return {
            "seq": self.seq,
            "direction": order.direction,
            "state": order.state,
            "price": order.price / PRICE_SCALE,
            "reason": REASONS[order.reason] if order.is_filled else None,
            "fill_ns": str(order.fill_ns) if order.is_filled else None,
        }


def promised_block_s(record: PromotedRecord) -> int | None:
    """Return the length in seconds of the blocks of time in a record's evidence; None where it is not recorded."""
    train = (record.evidence.get("promised") or {}).get("train") or {}
    found = train.get("block_s")
    return int(found) if found else None


class LiveEvaluator:
    """Evaluates one model while it is served, from the first bin at which it is ready; earlier bins do not count.

    Attributes:
        promise: what it was promoted with; None where nothing is known of that.
    """

    def __init__(self, model: ServedModel, tick_size: float, *, has_best_prices: bool) -> None:
        """Begin before the first bin; net figures need best prices in the bins."""
        self._tick_size, self._has_best_prices = tick_size, has_best_prices
        projection = model.record.projection
        self._projection = projection
        self._bands = (
            None
            if projection is None
            else BandScores.start(projection.horizons_bins, projection.quantiles, projection.intervals())
        )
        self._first_seq: int | None = None
        self._resting: dict[tuple[int, int], int] = {}
        # A ready model has its warm-up behind it: every bin from here on counts.
        evaluation = dataclasses.replace(model.evaluation, warmup_bins=0)
        self._statistics = LiveStatistics.for_model(evaluation, tick_size, promised_block_s(model.record))
        self.promise = promise_of(model.record.evidence.get("promised"))
        self._version, self._net = model.record.version, NetBlocks(self._statistics.block_s)
        self._judged: Judged = ()
        self._claim: tuple[NetBlocks, Claim] | None = None
        self._coverage = None
        if projection is not None:
            stated = [float(percent) / 100 for percent in projection.intervals()]
            self._coverage = CoverageWatch(projection.horizons_bins, stated)

    def take(
        self, seq: int, scored: ScoredBin, orders: Sequence[VirtualOrder] = ()
    ) -> tuple[tuple[FireOutcome, ...], tuple[OrderChange, ...], NDArray[np.float64] | None]:
        """Take in the next bin; return the fires that it has decided, changes of orders, and its projection in ticks.

        Args:
            seq: the bin's place in the stream.
            scored: the bin.
            orders: where entries rest, the order of its fire, and those whose fate has become known in it, other
                models' included.

        Returns: the projection is [H, Q]; None where there is none.
        """
        self._judged = ()
        if not scored.is_ready:
            return (), (), None
        self._first_seq = seq if self._first_seq is None else self._first_seq
        quote = Quote.of_row(scored.row, has_best_prices=self._has_best_prices)
        self._statistics, known = self._statistics.advance(quote, scored.fires[0], orders)
        self._judged = self._statistics.judged
        self._net = self._net.take(self._judged, self._statistics.settled_ns)
        bands = None
        if self._projection is not None and self._bands is not None:
            bands = self._projection.bands(scored.score) if math.isfinite(scored.score) else None
            mid_ticks = quote.mid / self._tick_size if quote.book_valid else math.nan
            self._bands = self._bands.advance(mid_ticks, bands)
        if self._coverage is not None and self._bands is not None:
            self._coverage.take(self._bands.n, self._bands.covered)
        return tuple(self._outcome(fire) for fire in known), self._changes(seq, orders), bands

    def statistics(self) -> dict[str, Any]:
        """Return the statistics so far as JSON values."""
        bands = None if self._bands is None else {**self._bands.facts(), **self._coverage_facts()}
        return {**self._statistics.facts(), "projection": bands}

    @property
    def block_s(self) -> int:
        """The length of its blocks, seconds."""
        return self._net.block_s

    @property
    def since_ns(self) -> int | None:
        """When its first bin began, ns since the Unix epoch; None before it."""
        return self._statistics.first_start_ns

    @property
    def judged(self) -> Judged:
        """The fires judged net in the last bin: the start of the bin of each, and its result, ticks."""
        return self._judged

    @property
    def settled_ns(self) -> int:
        """The time before which all of its fires have been judged, ns since the Unix epoch."""
        return self._statistics.settled_ns

    def claim_facts(self) -> dict[str, Any]:
        """Return what may be claimed of its net result, against what was promised, as the stream's fields."""
        moments = self._net.blocks.closed
        if self._claim is None or self._claim[0].blocks.closed != moments:
            self._claim = self._net, self._net.claim(self.promise)
        return self.claim_facts_of(self._claim[1], self.promise)

    def claim_facts_of(self, claim: Claim, promise: Promise | None = None, error: float = ERROR) -> dict[str, Any]:
        """Return a claim of this model, made with some error, as the stream's fields; ticks may not be finite."""
        return {
            "says": claim.says,
            "version": self._version,
            "mean": claim.interval.mean,
            "low": claim.interval.low,
            "high": claim.interval.high,
            "n_blocks": claim.n_blocks,
            "error": error,
            "block_s": self.block_s,
            "promised_low": math.nan if promise is None else promise.low,
            "promised_high": math.nan if promise is None else promise.high,
            "since_ns": None if self.since_ns is None else str(self.since_ns),
        }

    def _coverage_facts(self) -> dict[str, list[Any]]:
        """Return what may be claimed of each interval's coverage, a list of horizons each."""
        if self._coverage is None or self._projection is None:
            return {}
        found: dict[str, list[Any]] = {}
        for name, claims in zip(self._projection.intervals(), self._coverage.claims(), strict=True):
            found[f"coverage_{name}_says"] = [claim.says for claim in claims]
            found[f"coverage_{name}_low"] = [claim.interval.low for claim in claims]
            found[f"coverage_{name}_high"] = [claim.interval.high for claim in claims]
        return found

    def _changes(self, seq: int, orders: Sequence[VirtualOrder]) -> tuple[OrderChange, ...]:
        """Return the changes of this model's own orders."""
        found = []
        for order in orders:
            key = order.decided_ns, order.direction
            if order.reason == OPEN:
                self._resting[key] = seq
                found.append(OrderChange(seq, order))
            elif order.reason != NONE and key in self._resting:
                found.append(OrderChange(self._resting.pop(key), order))
        return tuple(found)

    def _outcome(self, fire: OpenFire) -> FireOutcome:
        assert fire.at_mid is not None  # noqa: S101  # a decided fire has both outcomes
        assert fire.net is not None  # noqa: S101  # see above
        return FireOutcome((self._first_seq or 0) + fire.bin, fire.direction, fire.at_mid, fire.net)
