"""A lattice on the feed with the models that score its bins: the champion's session, and those beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import FeedFacts, FinishedBin
from runtime.judging import Judge, Outcome
from runtime.models import ServedModel
from runtime.trades import Trades
from vpharness.live import LiveSession, ScoredBin


@dataclass(frozen=True)
class Reading:
    """What one model says of a bin, and what became of its fires of before.

    Attributes:
        score: NaN where there is none.
        fire: +1, -1, or 0.
        ready: whether the model is past its warm-up, the book is valid, and there is a score.
        outcomes: fires that this bin has decided.
        bands: its projection [H, Q], ticks from the mid; None where it has none.
    """

    score: float
    fire: int
    ready: bool
    outcomes: tuple[Outcome, ...]
    bands: NDArray[np.float64] | None


@dataclass(frozen=True)
class LaneBin:
    """A bin of a lane.

    Attributes:
        lane: the lane's number.
        seq: the bin's place in the stream.
        version: of the record that the champion was made of.
        scored: the bin with its grid.
        readings: by name of a model, the champion's among them.
        trades: price in price units, quantity, and resting side, of what was executed in the bin.
    """

    lane: int
    seq: int
    version: str
    scored: ScoredBin
    readings: dict[str, Reading]
    trades: list[tuple[float, float, str]]


@dataclass
class Watched:
    """A model with its session and the judge of its fires."""

    model: ServedModel
    session: LiveSession
    judge: Judge

    def reading(self, seq: int, scored: ScoredBin) -> Reading:
        """Return what the model says of a bin, which its session has taken in."""
        is_warm = self.session.bins_taken > self.model.live.warmup_bins
        outcomes, bands = self.judge.take(seq, scored, is_warm=is_warm)
        is_ready = is_warm and bool(np.isfinite(scored.score))
        return Reading(scored.score, scored.fires[0], is_ready, outcomes, bands)


@dataclass
class Lane:
    """The state of a lane; its engine's thread alone touches it.

    Attributes:
        number: tells its bins from those of another lane.
        champion: the model whose session takes in the feed.
        trades: what was executed in the bins that are open.
        beside: the others, by name, shown the champion's bins.
        next_seq: the place of the next bin in the stream.
    """

    number: int
    champion: Watched
    trades: Trades
    beside: dict[str, Watched] = field(default_factory=dict)
    next_seq: int = 0

    @property
    def watched(self) -> Iterator[Watched]:
        """All models, the champion first."""
        yield self.champion
        yield from self.beside.values()

    def take(self, events: NDArray[np.void], complete_to_ns: int | None) -> Iterator[LaneBin]:
        """Take in events and yield the bins that they finish. All must be taken before the lane goes on."""
        self.trades.take(events)
        for scored in self.champion.session.iterate(events, complete_to_ns):
            yield self._judged(scored)

    def take_bins(self, bins: Sequence[FinishedBin]) -> Iterator[LaneBin]:
        """Take in finished bins from a dataset."""
        for row, grid in bins:
            yield self._judged(self.champion.session.take_bin(row, grid))

    def _judged(self, scored: ScoredBin) -> LaneBin:
        seq, champion = self.next_seq, self.champion
        self.next_seq += 1
        readings = {champion.model.name: champion.reading(seq, scored)}
        for name, watched in self.beside.items():
            readings[name] = watched.reading(seq, watched.session.take_bin(scored.row, scored.grid))
        trades = self.trades.until(int(scored.row["bin_end_ns"][0]))
        return LaneBin(self.number, seq, champion.model.record.version, scored, readings, trades)


def lane_of(number: int, model: ServedModel, session: LiveSession, facts: FeedFacts, next_seq: int = 0) -> Lane:
    """Return a lane on a feed, whose champion's session has taken in nothing yet."""
    return Lane(number, watched(model, session, facts), Trades.on(model.live, facts), next_seq=next_seq)


def watched(model: ServedModel, session: LiveSession, facts: FeedFacts) -> Watched:
    """Return a model with its session, however far that has come, and a judge who has seen nothing yet."""
    has_best_prices = facts.bins is None or facts.bins.has_best_prices
    return Watched(model, session, Judge(model, facts.tick_size, session.bins_taken, has_best_prices=has_best_prices))
