"""A pipeline: one lattice on the feed, and the models that score the bins it closes.

The champion's session takes in the feed's events and closes bins. Challengers, shadow models and the next champion are
shown the same bins, so their scores compare bin by bin, and closing a bin costs the same however many models there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.engine.live_evaluation import FireOutcome, LiveEvaluator
from runtime.engine.models import ServedModel
from runtime.engine.trades import TradesByBin
from runtime.feeds.feed import FeedFacts, FinishedBin
from vpharness.live import LiveSession, ScoredBin


@dataclass(frozen=True)
class ModelOutput:
    """The output of one model for a bin, and the outcomes of its earlier fires that the bin has decided.

    Attributes:
        score: the score; NaN where there is none.
        fire: +1, -1, or 0; 0 while the model is not ready.
        ready: whether the model has seen as many bins as it remembers, the book is valid, and there is a score.
        outcomes: fires that this bin has decided.
        bands: the projection [H, Q], ticks from the mid; None where there is none.
    """

    score: float
    fire: int
    ready: bool
    outcomes: tuple[FireOutcome, ...]
    bands: NDArray[np.float64] | None


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

    def output(self, seq: int, scored: ScoredBin) -> ModelOutput:
        """Return the model's output for a bin that its session has taken in."""
        outcomes, bands = self.evaluator.take(seq, scored)
        is_ready = scored.is_ready and bool(np.isfinite(scored.score))
        # A fire before the model is ready keeps its cooldown, as in a run, but is not reported.
        fire = scored.fires[0] if scored.is_ready else 0
        return ModelOutput(scored.score, fire, is_ready, outcomes, bands)

    def statistics(self) -> dict[str, Any]:
        """Return the statistics since the model was ready, and how many bins it still needs until it is."""
        bins_to_go = self.session.bins_to_go
        return {**self.evaluator.statistics(), "warm": bins_to_go == 0, "bins_to_go": bins_to_go}


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
    """

    number: int
    champion: RunningModel
    trades: TradesByBin
    others: dict[str, RunningModel] = field(default_factory=dict)
    coming: RunningModel | None = None
    next_seq: int = 0

    @property
    def running_models(self) -> Iterator[RunningModel]:
        """All models whose outputs are reported, the champion first."""
        yield self.champion
        yield from self.others.values()

    def take(self, events: NDArray[np.void], complete_to_ns: int | None) -> Iterator[PipelineBin]:
        """Take in events and yield the bins that they finish. All must be taken before the pipeline goes on."""
        self.trades.take(events)
        for scored in self.champion.session.iterate(events, complete_to_ns):
            yield self._judged(scored)

    def take_bins(self, bins: Sequence[FinishedBin]) -> Iterator[PipelineBin]:
        """Take in finished bins from a dataset."""
        for row, grid in bins:
            yield self._judged(self.champion.session.take_bin(row, grid))

    def _judged(self, scored: ScoredBin) -> PipelineBin:
        seq, champion = self.next_seq, self.champion
        self.next_seq += 1
        outputs = {champion.model.name: champion.output(seq, scored)}
        for name, running in self.others.items():
            outputs[name] = running.output(seq, running.session.take_bin(scored.row, scored.grid))
        if self.coming is not None:
            self.coming.session.take_bin(scored.row, scored.grid)
        trades, began_ns = self.trades.until(int(scored.row["bin_end_ns"][0])), champion.session.began_ns
        return PipelineBin(self.number, seq, champion.model.record.version, scored, outputs, trades, began_ns)


def new_pipeline(
    number: int, model: ServedModel, session: LiveSession, facts: FeedFacts, next_seq: int = 0
) -> Pipeline:
    """Return a pipeline on a feed; the champion's session has taken in nothing yet."""
    return Pipeline(number, running_model(model, session, facts), TradesByBin.on(model.live, facts), next_seq=next_seq)


def running_model(model: ServedModel, session: LiveSession, facts: FeedFacts) -> RunningModel:
    """Return a model with its session, however far that has come, and an evaluator that has seen nothing yet."""
    has_best_prices = facts.bins is None or facts.bins.has_best_prices
    return RunningModel(model, session, LiveEvaluator(model, facts.tick_size, has_best_prices=has_best_prices))
