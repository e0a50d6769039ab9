"""A pipeline: one lattice on the feed, and the models that score the bins it closes.

The champion's session takes in the feed's events and closes bins. Challengers, shadow models and the next champion are
shown the same bins, so their scores compare bin by bin, and closing a bin costs the same however many models there are.

Resting orders of one latency and longest wait are followed once for all models that place such: equal orders of two
models are one order. They follow the feed from the first event, or from the resting orders of the book where the first
model that needs them comes later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.engine.differences import Differences, WhatIf
from runtime.engine.live_evaluation import FireOutcome, LiveEvaluator, OrderChange
from runtime.engine.models import OrderDurations, ServedModel, new_orders
from runtime.engine.trades import TradesByBin
from runtime.feeds.feed import NO_EVENTS, FeedFacts, FinishedBin
from vpharness.execution.live_orders import LiveOrders
from vpharness.live import LiveSession, ScoredBin
from vpharness.order_fates import VirtualOrder, no_order

Decided = Mapping[OrderDurations, Sequence[VirtualOrder]]
"""Orders whose fate has become known with a bin, by their durations."""

_BOOK_ALONE: OrderDurations = (0, 0)


@dataclass(frozen=True)
class ModelOutput:
    """The output of one model for a bin, and the outcomes of its earlier fires that the bin has decided.

    Attributes:
        score: the score; NaN where there is none.
        fire: +1, -1, or 0; 0 while the model is not ready.
        ready: whether the model has seen as many bins as it remembers, the book is valid, and there is a score.
        outcomes: fires that this bin has decided.
        orders: resting orders that were placed at this bin, or whose fate it has decided.
        bands: the projection [H, Q], ticks from the mid; None where there is none.
    """

    score: float
    fire: int
    ready: bool
    outcomes: tuple[FireOutcome, ...]
    bands: NDArray[np.float64] | None
    orders: tuple[OrderChange, ...] = ()


@dataclass(frozen=True)
class PipelineBin:
    """A closed bin with the outputs of all models.

    Attributes:
        pipeline: the pipeline's number.
        seq: the bin's place in the stream.
        version: the promoted version of the champion.
        scored: the bin with its grid.
        outputs: by name of a model, the champion's among them.
        trades: price in price units, quantity, and resting side, of what was executed in the bin.
        began_ns: time of the first event that the lattice's cells have taken in.
    """

    pipeline: int
    seq: int
    version: str
    scored: ScoredBin
    outputs: dict[str, ModelOutput]
    trades: list[tuple[float, float, str]]
    began_ns: int | None = None


@dataclass
class RunningModel:
    """A model with its session, and the evaluator of its fires."""

    model: ServedModel
    session: LiveSession
    evaluator: LiveEvaluator
    what_if: WhatIf | None = None
    """When a client asked for it; None where none did."""

    def past_output(self, seq: int, each: FinishedBin) -> ModelOutput:
        """Return the model's output for a finished bin of the past, which its session takes in.

        The events of the bin are gone: where entries rest in the queue, what became of them cannot be found out, so
        that fires are shown and not judged.
        """
        scored = self.session.take_bin(*each)
        if self.model.order_durations is None:
            return self.output(seq, scored, {}, {})
        is_ready = scored.is_ready and bool(np.isfinite(scored.score))
        return ModelOutput(scored.score, scored.fires[0] if scored.is_ready else 0, is_ready, (), None)

    def output(
        self, seq: int, scored: ScoredBin, queues: Mapping[OrderDurations, LiveOrders], decided: Decided
    ) -> ModelOutput:
        """Return the model's output for a bin that its session has taken in, having placed the order of its fire."""
        # A fire before the model is ready keeps its cooldown, as in a run, but is not reported.
        fire = scored.fires[0] if scored.is_ready else 0
        orders, durations = list[VirtualOrder](), self.model.order_durations
        if durations is not None:
            orders += decided.get(durations, ())
            if fire:
                queue = queues.get(durations)
                end_ns = int(scored.row["bin_end_ns"][0])
                orders.append(no_order(end_ns, fire) if queue is None else queue.place(scored.row, fire))
        outcomes, changes, bands = self.evaluator.take(seq, scored, orders)
        is_ready = scored.is_ready and bool(np.isfinite(scored.score))
        return ModelOutput(scored.score, fire, is_ready, outcomes, bands, changes)

    def statistics(self) -> dict[str, Any]:
        """Return the statistics since the model was ready, and how many bins it still needs until it is."""
        bins_to_go = self.session.bins_to_go
        asked = {} if self.what_if is None else {"asked_ns": str(self.what_if.asked_ns)}
        return {**self.evaluator.statistics(), "warm": bins_to_go == 0, "bins_to_go": bins_to_go, **asked}


@dataclass
class Pipeline:
    """The state of a pipeline; only the engine's thread touches it.

    Attributes:
        number: distinguishes its bins from those of another pipeline.
        champion: the model whose session takes in the feed.
        trades: executions in the bins that are still open.
        others: challengers and shadow models by name, shown the champion's bins.
        coming: the next champion, until it is ready.
        next_seq: the place of the next bin in the stream.
        facts: those of the feed.
        queues: the resting orders that are followed, by their durations.
        differences: what challengers have earned less what the champion has.
    """

    number: int
    champion: RunningModel
    trades: TradesByBin
    facts: FeedFacts
    others: dict[str, RunningModel] = field(default_factory=dict)
    coming: RunningModel | None = None
    next_seq: int = 0
    queues: dict[OrderDurations, LiveOrders] = field(default_factory=dict)
    differences: Differences = field(default_factory=Differences)

    @property
    def running_models(self) -> Iterator[RunningModel]:
        """All models whose outputs are reported, the champion first."""
        yield self.champion
        yield from self.others.values()

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Return the statistics of all models by name, with what may be claimed of the champion and of challengers."""
        claims = {self.champion.model.name: self.champion.evaluator.claim_facts(), **self.differences.facts()}
        return {
            each.model.name: {**each.statistics(), "claim": claims.get(each.model.name)} for each in self.running_models
        }

    def take(self, events: NDArray[np.void], complete_to_ns: int | None) -> Iterator[PipelineBin]:
        """Take in events and yield the bins that they finish. All must be taken before the pipeline goes on."""
        self._follow_queues()
        self.trades.take(events)
        bins = self.champion.session.iterate(events, complete_to_ns)
        for queue in self.queues.values():
            queue.take(events)
        for scored in bins:
            yield self._judged(scored, self._closed(scored.row))
        for queue in self.queues.values():
            queue.catch_up(complete_to_ns)

    def take_bins(self, bins: Sequence[FinishedBin], events: NDArray[np.void] = NO_EVENTS) -> Iterator[PipelineBin]:
        """Take in finished bins from a dataset, and where there are such the events that made them."""
        self._follow_queues()
        if len(bins):  # what came before the first one is no trade of it
            self.trades.take(events)
        for queue in self.queues.values():
            queue.take(events)
        for row, grid in bins:
            decided = self._closed(row)
            yield self._judged(self.champion.session.take_bin(row, grid), decided)
        for queue in self.queues.values():
            queue.catch_up()

    def _follow_queues(self) -> None:
        """Follow the resting orders that the models need, and no others."""
        models = [*self.running_models, *([] if self.coming is None else [self.coming])]
        needed = {each.model.order_durations for each in models} - {None}
        bins = self.facts.bins
        if bins is not None:
            # The session of finished bins has no book: the book is followed in case that a model needs it later.
            needed = (needed or {_BOOK_ALONE}) if bins.has_events else set()
        elif self.champion.session.is_in_snapshot:
            return  # what rests in the book is not whole
        if needed == self.queues.keys():
            return
        book = next(iter(self.queues.values())).book() if bins is not None and self.queues else None
        for durations in needed - self.queues.keys():
            assert durations is not None  # noqa: S101  # None was taken out
            queue = new_orders(self.champion.model, self.facts, durations)
            queue.take(self.champion.session.book() if book is None else book)
            queue.catch_up()
            self.queues[durations] = queue
        self.queues = {durations: queue for durations, queue in self.queues.items() if durations in needed}

    def _closed(self, row: NDArray[np.void]) -> Decided:
        """Return the orders whose fate is known since a bin that is over."""
        return {durations: queue.close(int(row["bin_end_ns"][0])) for durations, queue in self.queues.items()}

    def _judged(self, scored: ScoredBin, decided: Decided) -> PipelineBin:
        seq, champion, queues = self.next_seq, self.champion, self.queues
        self.next_seq += 1
        outputs = {champion.model.name: champion.output(seq, scored, queues, decided)}
        for name, running in self.others.items():
            scored_by = running.session.take_bin(scored.row, scored.grid)
            outputs[name] = running.output(seq, scored_by, queues, decided)
        what_ifs = {name: each.what_if for name, each in self.others.items() if each.what_if is not None}
        others = {name: each.evaluator for name, each in self.others.items()}
        self.differences.take(champion.evaluator, others, what_ifs)
        if self.coming is not None:
            self.coming.session.take_bin(scored.row, scored.grid)
        trades, began_ns = self.trades.until(int(scored.row["bin_end_ns"][0])), champion.session.began_ns
        return PipelineBin(self.number, seq, champion.model.record.version, scored, outputs, trades, began_ns)


def new_pipeline(
    number: int,
    model: ServedModel,
    session: LiveSession,
    facts: FeedFacts,
    next_seq: int = 0,
    *,
    allows_what_ifs: bool = False,
) -> Pipeline:
    """Return a pipeline on a feed; the champion's session has taken in nothing yet.

    `allows_what_ifs` says whether clients may ask for models beside it.
    """
    champion, trades = running_model(model, session, facts), TradesByBin.on(model.live, facts)
    differences = Differences(allows_what_ifs=allows_what_ifs)
    return Pipeline(number, champion, trades, facts, next_seq=next_seq, differences=differences)


def running_model(
    model: ServedModel, session: LiveSession, facts: FeedFacts, what_if: WhatIf | None = None
) -> RunningModel:
    """Return a model with its session, however far that has come, and an evaluator that has seen nothing yet."""
    has_best_prices = facts.bins is None or facts.bins.has_best_prices
    evaluator = LiveEvaluator(model, facts.tick_size, has_best_prices=has_best_prices)
    return RunningModel(model, session, evaluator, what_if)
