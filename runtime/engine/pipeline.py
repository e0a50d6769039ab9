"""A lattice on the feed with the models that score its bins: the champion's session, and those beside it."""

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
    """What one model says of a bin, and what became of its fires of before.

    Attributes:
        score: NaN where there is none.
        fire: +1, -1, or 0; a model that is not ready has none.
        ready: whether the model has been shown as much as it remembers, the book is valid, and there is a score.
        outcomes: fires that this bin has decided.
        bands: its projection [H, Q], ticks from the mid; None where it has none.
    """

    score: float
    fire: int
    ready: bool
    outcomes: tuple[FireOutcome, ...]
    bands: NDArray[np.float64] | None


@dataclass(frozen=True)
class PipelineBin:
    """A bin of a pipeline.

    Attributes:
        pipeline: the pipeline's number.
        seq: the bin's place in the stream.
        version: of the record that the champion was made of.
        scored: the bin with its grid.
        readings: by name of a model, the champion's among them.
        trades: price in price units, quantity, and resting side, of what was executed in the bin.
        began_ns: when the flow began that the cells of the pipeline know of.
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
    """A model with its session and the judge of its fires."""

    model: ServedModel
    session: LiveSession
    evaluator: LiveEvaluator

    def output(self, seq: int, scored: ScoredBin) -> ModelOutput:
        """Return what the model says of a bin, which its session has taken in."""
        outcomes, bands = self.evaluator.take(seq, scored)
        is_ready = scored.is_ready and bool(np.isfinite(scored.score))
        # Fires before it is ready keep their cooldown, as all fires of a run do, but nobody is told of them.
        fire = scored.fires[0] if scored.is_ready else 0
        return ModelOutput(scored.score, fire, is_ready, outcomes, bands)

    def statistics(self) -> dict[str, Any]:
        """Return what the model has come to since it is ready, and how many bins are missing until it is."""
        bins_to_go = self.session.bins_to_go
        return {**self.evaluator.statistics(), "warm": bins_to_go == 0, "bins_to_go": bins_to_go}


@dataclass
class Pipeline:
    """The state of a pipeline; its engine's thread alone touches it.

    Attributes:
        number: tells its bins from those of another pipeline.
        champion: the model whose session takes in the feed.
        trades: what was executed in the bins that are open.
        others: challengers and shadow models by name, shown the champion's bins.
        coming: the next champion, while it is shown bins until it is ready.
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
        """All models, the champion first."""
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
    """Return a pipeline on a feed, whose champion's session has taken in nothing yet."""
    return Pipeline(number, running_model(model, session, facts), TradesByBin.on(model.live, facts), next_seq=next_seq)


def running_model(model: ServedModel, session: LiveSession, facts: FeedFacts) -> RunningModel:
    """Return a model with its session, however far that has come, and a judge who has seen nothing yet."""
    has_best_prices = facts.bins is None or facts.bins.has_best_prices
    return RunningModel(model, session, LiveEvaluator(model, facts.tick_size, has_best_prices=has_best_prices))
