"""The hub: what the engine says, kept for any number of readers. All of it lives in the event loop's thread."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from runtime.condition import Condition
from runtime.feeds.feed import FeedFacts
from runtime.guard import Turns
from runtime.lane import LaneBin
from runtime.messages import bin_body, shadow_bodies
from runtime.models import ServedModel
from runtime.orders import Order
from runtime.ring import BinRing
from runtime.sayings import Abandoned, Answered, Closed, Counted, Ended, Heard, Ready, Restarted, Said, Switched
from runtime.settings import RuntimeParameters
from vpharness.errors import PromotionError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live.frames import encode_grid
from vpharness.prices import tick_size_to_price

_FRAMES_KEPT: Final = 32
_LANE_BITS: Final = 40
_CONFIGURATIONS_KEPT: Final = 64
"""A client that lags behind by more switches than these has been sent the newest bin alone long before."""


@dataclass(frozen=True)
class Configuration:
    """What is served from a bin on.

    Attributes:
        number: counts them, from 1.
        seq: the first bin.
        reason: why it changed.
        champion, challengers: the models.
    """

    number: int
    seq: int
    reason: str
    champion: ServedModel
    challengers: tuple[ServedModel, ...]


class Reader(Protocol):
    """A client of the stream, as far as the hub knows it."""

    def cut_off_if_stuck(self, now: float) -> None:
        """Close its connection, where it has taken nothing for too long."""
        ...


class Hub:
    """The stream: its bins, its configuration, and its condition.

    A reader looks at the ring, `config_number` and `status_number`, sends what it has not sent yet, and then waits for
    a change. So a slow one costs nothing but its own socket.

    Attributes:
        champion, challengers, shadow_models: the models, as they are served now, by name.
        ring: the bins of the lane that is served.
        configurations: what has been served of late, the last of them in force; those of before a reset are left out.
        reset_number, reset_seq: the configuration with which bins of before were left behind, and the first bin then.
        lane, epoch: which lane is served, and which run of bins without a break these are of.
        ready_lane: the lane on its way, once it could be served.
        coming_reason: why the next champion is one: "promotion" or "rollback".
        coming: the version that is on its way, and how many bins are missing until it is ready.
        history_turns: turns at encoding bins of before for readers who ask for them.
        awaited: orders to the engine, and who waits for their answers.
        troubles: what has failed for good.
        recording: says why recording has stopped, or None while it goes on; None where nothing is recorded.
        refusals: why a promoted version is not served, by version.
    """

    def __init__(
        self,
        settings: RuntimeParameters,
        facts: FeedFacts,
        champion: ServedModel,
        challengers: Sequence[ServedModel] = (),
    ) -> None:
        """Begin a stream with lane 0, before its first bin."""
        self.settings, self.facts, self.champion = settings, facts, champion
        self.stream_id = secrets.token_hex(8)
        self.challengers = {each.name: each for each in challengers}
        self.shadow_models: dict[str, ServedModel] = {}
        self.ring = BinRing(settings.buffer_bins, champion.live.scorer.radius)
        self.condition = Condition()
        self.statistics: dict[str, dict[str, Any]] = {}
        first = Configuration(1, 0, "hello", champion, tuple(challengers))
        self.configurations: deque[Configuration] = deque([first], maxlen=_CONFIGURATIONS_KEPT)
        self.reset_number, self.reset_seq = 1, 0
        self.status_number, self.status = 0, ""
        self.refusals: dict[str, str] = {}
        self.clients: set[Reader] = set()
        self.history_turns = Turns()
        self.lane = 0
        self.epoch = 0
        self.ready_lane: int | None = None
        self.coming_reason = "promotion"
        self.coming: tuple[str, int | None] | None = None
        self.awaited: dict[Order, asyncio.Future[str | None]] = {}
        self.troubles: list[str] = []
        self.recording: Callable[[], str | None] | None = None
        self._tick_price = tick_size_to_price(facts.tick_size)
        self._joining: tuple[int, BinRing] | None = None
        self._changed = asyncio.Event()
        self._frames: dict[tuple[int, tuple[str, ...]], bytes] = {}

    def accept(self, said: Said) -> None:
        """Take in what the engine says."""
        match said:
            case Closed(each, late_s):
                self._closed(each, late_s)
            case Switched():
                self._switched(said)
            case Restarted(epoch):
                self._restarted(epoch)
            case Ready(lane):
                self.ready_lane = lane
            case Abandoned(lane):
                self.forget(lane)
            case Answered(order, problem):
                answer = self.awaited.pop(order, None)
                if answer is not None and not answer.done():
                    answer.set_result(problem)
            case Heard(state, late_events, last_event_ns):
                condition = self.condition
                condition.state, condition.late_events, condition.last_event_ns = state, late_events, last_event_ns
            case Counted(statistics, coming):
                self.statistics, self.coming = statistics, coming
            case Ended(problem):
                self.condition.state, self.condition.problem = "ended", problem
                print(f"runtime: the feed has ended{f': {problem}' if problem else ''}", flush=True)
        self.wake()

    def expect(self, lane: int, radius: int, first_seq: int) -> None:
        """Keep the bins of a lane that is on its way to be served."""
        self._joining = lane, BinRing(self.settings.buffer_bins, radius, first_seq)
        self.ready_lane = None

    @property
    def is_expecting(self) -> bool:
        """Whether a lane is on its way."""
        return self._joining is not None

    def forget(self, lane: int) -> None:
        """Forget a lane that was on its way."""
        if self._joining is not None and self._joining[0] == lane:
            self._joining = None

    def next_lane_seq(self) -> int:
        """Return a place in the stream behind all that the lane that is served can come to within days."""
        return ((self.ring.next_seq >> _LANE_BITS) + 1) << _LANE_BITS

    def announce(self, reason: str, seq: int, *, resets: bool = False) -> None:
        """Have every reader told of the configuration again, before the bin at `seq`."""
        models = self.champion, tuple(self.challengers.values())
        told = Configuration(self.configuration.number + 1, seq, reason, *models)
        if resets:
            self.reset_number, self.reset_seq = told.number, seq
            self._frames.clear()
            self.configurations.clear()
        self.configurations.append(told)
        self.wake()

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self.configurations[-1]

    def configuration_after(self, number: int) -> Configuration | None:
        """Return the first configuration that came after another one; None where that is in force."""
        return next((each for each in self.configurations if each.number > number), None)

    def tell(self, status: str) -> None:
        """Have every reader told how things stand."""
        self.status_number += 1
        self.status = status
        self.wake()

    def wake(self) -> None:
        """Have readers look for what is new."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def columns(self) -> tuple[str, ...]:
        """The grid columns that bins have."""
        bins = self.facts.bins
        return tuple(GRID_COLUMNS) if bins is None else tuple(name for name in GRID_COLUMNS if name in bins.columns)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that the engine brings about; PromotionError once the feed has ended."""
        while not holds():
            if self.condition.state == "ended":
                raise PromotionError("the feed has ended")
            await self.change()

    async def change(self) -> None:
        """Wait until there is something new."""
        await self._changed.wait()

    def frame(self, seq: int, fields: tuple[str, ...]) -> bytes:
        """Return the binary frame of one bin, encoded once for all readers of the same fields."""
        key = seq, fields
        if key not in self._frames:
            while len(self._frames) >= _FRAMES_KEPT:
                self._frames.pop(next(iter(self._frames)))
            self._frames[key] = encode_grid([self.ring.scored(seq)], fields)
        return self._frames[key]

    def _closed(self, each: LaneBin, late_s: float) -> None:
        ring = self.ring if each.lane == self.lane else None
        if self._joining is not None and each.lane == self._joining[0]:
            ring = self._joining[1]
        if ring is None:
            return  # of a lane that has been abandoned
        if ring is self.ring:
            is_late = late_s > self.champion.live.scorer.cell_width_ms / 1000
            bin_end_ns = int(each.scored.row["bin_end_ns"][0])
            is_live = self.facts.live
            self.condition.count(time.monotonic(), is_late=is_late, is_live=is_live, bin_end_ns=bin_end_ns)
        ring.began_ns = each.began_ns
        ring.append(each.scored, bin_body(each, self._tick_price, late_s), shadow_bodies(each))

    def _restarted(self, epoch: int) -> None:
        self.epoch, self.ready_lane = epoch, None
        self.ring.clear()
        if self._joining is not None:
            self._joining[1].clear()
        self.announce("feed", self.ring.next_seq, resets=True)

    def _switched(self, said: Switched) -> None:
        before, after = self.champion.record.version, said.champion.record.version
        print(
            f"runtime: {after} is served from bin {said.next_seq} on, {before} was ({self.coming_reason})", flush=True
        )
        self.epoch, self.champion = said.epoch, said.champion
        if said.lane == self.lane:
            self.announce(self.coming_reason, said.next_seq)
        elif self._joining is not None and self._joining[0] == said.lane:
            (self.lane, self.ring), self._joining = self._joining, None
            self.challengers = {each.name: each for each in said.beside}
            self.shadow_models.clear()
            self.announce(self.coming_reason, self.ring.first_seq, resets=True)
