"""The live stream: the state that the engine's events build up, from which any number of clients is served.

All of it lives in the event loop's thread. Nothing is queued for a client: each looks at the state at its own pace.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from runtime.config.server_parameters import RuntimeParameters
from runtime.engine.bridge import (
    BinClosed,
    ChampionChanged,
    CommandCompleted,
    EngineCommand,
    EngineEvent,
    FeedEnded,
    FeedObserved,
    FeedRestarted,
    PastJudged,
    PipelineAbandoned,
    PipelineReady,
    StatisticsUpdated,
)
from runtime.engine.feed_health import FeedHealth
from runtime.engine.models import ServedModel
from runtime.engine.pipeline import PipelineBin
from runtime.engine.ring_buffer import BinRingBuffer
from runtime.feeds.feed import FeedFacts
from runtime.stream.limits import ThrottledLock
from runtime.stream.stream_messages import bin_body, shadow_bodies, shadow_body
from vpharness.errors import PromotionError
from vpharness.lattice.columns import GRID_COLUMNS
from vpharness.live.frames import encode_grid
from vpharness.prices import tick_size_to_price

_FRAMES_KEPT: Final = 32
_PIPELINE_BITS: Final = 40
_CONFIGURATIONS_KEPT: Final = 64
"""A client that lags behind by more changes than these was sent the newest bin only, long before."""


@dataclass(frozen=True)
class ServedConfiguration:
    """The models that are served from a bin on.

    Attributes:
        number: counts the configurations of a stream, from 1.
        seq: the first bin.
        reason: why it changed: "hello", "promotion", "rollback" or "feed".
        champion, challengers: the models.
    """

    number: int
    seq: int
    reason: str
    champion: ServedModel
    challengers: tuple[ServedModel, ...]


class Subscriber(Protocol):
    """A client, as far as the stream knows it."""

    def cut_off_if_stuck(self, now: float) -> None:
        """Close the client's connection where it has taken nothing for too long."""
        ...


class LiveStream:
    """The stream: its last bins, its configuration, the feed's health, and the models' statistics.

    A client compares its own place with the ring, `configurations` and `status_number`, sends what it has not sent yet,
    and waits for a change. So a slow client costs nothing but its own socket.

    Attributes:
        name: of its feed; empty where a server has one.
        is_retired: whether another stream of the feed has taken its place.
        champion, challengers, shadow_models: the models that are served now, the latter two by name.
        shadow_statuses: the figures of shadow models as JSON, by name.
        shown_ns: the end of the latest bin that has been shown, ns since the Unix epoch, whatever began anew since.
        stepped_seq: the last bin that a replay did not wait for; -1 before one.
        ring: the last bins of the served pipeline.
        configurations: the last configurations since the last reset; the last of them is in force.
        reset_number, reset_seq: the configuration of the last reset, and the first bin after it.
        pipeline, epoch: the number of the served pipeline, and of the unbroken run of bins that it is in.
        ready_pipeline: the number of the pipeline that waits to be served, once it is ready.
        coming_reason: why the next champion becomes it: "promotion" or "rollback".
        coming: the version that is getting ready, and how many bins it still needs.
        history_lock: throttles the encoding of past bins.
        pending_commands: commands to the engine, with the futures of their answers.
        troubles: parts of the server that have failed for good.
        recording: returns why recording has stopped, or None while it goes on; None where nothing is recorded.
        refusals: why a promoted version is not served, by version.
    """

    def __init__(
        self,
        settings: RuntimeParameters,
        facts: FeedFacts,
        champion: ServedModel,
        challengers: Sequence[ServedModel] = (),
        name: str = "",
        history_lock: ThrottledLock | None = None,
    ) -> None:
        """Begin a stream with pipeline 0, before its first bin.

        `name` is its feed's, where there are several; these share `history_lock`.
        """
        self.name, self.is_retired = name, False
        self.settings, self.facts, self.champion = settings, facts, champion
        self.stream_id = secrets.token_hex(8)
        self.challengers = {each.name: each for each in challengers}
        self.shadow_models: dict[str, ServedModel] = {}
        self.shadow_statuses: dict[str, str] = {}
        self.shown_ns, self.stepped_seq = 0, -1
        self._judged_pasts: dict[str, int] = {}
        self._pasts = 0
        self.ring = BinRingBuffer(settings.buffer_bins, champion.live.scorer.radius)
        self.health = FeedHealth()
        self.statistics: dict[str, dict[str, Any]] = {}
        first = ServedConfiguration(1, 0, "hello", champion, tuple(challengers))
        self.configurations: deque[ServedConfiguration] = deque([first], maxlen=_CONFIGURATIONS_KEPT)
        self.reset_number, self.reset_seq = 1, 0
        self.status_number, self.status = 0, ""
        self.refusals: dict[str, str] = {}
        self.clients: set[Subscriber] = set()
        self.history_lock = history_lock or ThrottledLock()
        self.pipeline = 0
        self.epoch = 0
        self.ready_pipeline: int | None = None
        self.coming_reason = "promotion"
        self.coming: tuple[str, int | None] | None = None
        self.pending_commands: dict[EngineCommand, asyncio.Future[str | None]] = {}
        self.troubles: list[str] = []
        self.recording: Callable[[], str | None] | None = None
        self._tick_price = tick_size_to_price(facts.tick_size)
        self._joining: tuple[int, BinRingBuffer] | None = None
        self._changed = asyncio.Event()
        self._frames: dict[tuple[int, tuple[str, ...]], bytes] = {}

    def handle(self, said: EngineEvent) -> None:
        """Apply an event of the engine."""
        match said:
            case BinClosed(each, late_s, is_stepped):
                self._add_bin(each, late_s, is_stepped=is_stepped)
            case ChampionChanged():
                self._switched(said)
            case FeedRestarted(epoch):
                self._restarted(epoch)
            case PipelineReady(pipeline):
                self.ready_pipeline = pipeline
            case PipelineAbandoned(pipeline):
                self.forget_pipeline(pipeline)
            case CommandCompleted(command, problem):
                answer = self.pending_commands.pop(command, None)
                if answer is not None and not answer.done():
                    answer.set_result(problem)
            case FeedObserved(state, late_events, last_event_ns):
                health = self.health
                health.state, health.late_events, health.last_event_ns = state, late_events, last_event_ns
            case StatisticsUpdated(statistics, coming):
                self.statistics, self.coming = statistics, coming
            case PastJudged(pipeline, name, outputs):
                if pipeline == self.pipeline:
                    self.ring.add_shadows(name, {seq: shadow_body(output) for seq, output in outputs})
            case FeedEnded(problem, was_stopped):
                self.health.state, self.health.problem = "ended", problem
                how = "stopped" if was_stopped else "the feed has ended"
                self.log(f"{how}{f': {problem}' if problem else ''}")
        self.notify()

    def add_shadow(self, model: ServedModel, past: Mapping[int, str]) -> None:
        """Begin to show a shadow model that is scored now, with what it says of the past bins by their places."""
        self._pasts += 1
        self._judged_pasts[model.name] = self._pasts
        self.ring.add_shadows(model.name, past)
        self.shadow_models[model.name] = model
        self.notify()

    def drop_shadow(self, name: str) -> None:
        """Stop showing a shadow model."""
        self.shadow_models.pop(name, None)
        self.shadow_statuses.pop(name, None)
        self._judged_pasts.pop(name, None)
        self.ring.drop_shadow(name)

    def past_of(self, name: str | None) -> int:
        """Return the number of the past that a shadow model has judged: another one has to be sent; 0 for none."""
        return 0 if name is None else self._judged_pasts.get(name, 0)

    def log(self, line: str) -> None:
        """Print a line about this feed."""
        print(f"runtime: {self.name}: {line}" if self.name else f"runtime: {line}", flush=True)

    def expect_pipeline(self, pipeline: int, radius: int, first_seq: int) -> None:
        """Keep the bins of a pipeline that is getting ready to be served."""
        self._joining = pipeline, BinRingBuffer(self.settings.buffer_bins, radius, first_seq)
        self.ready_pipeline = None

    @property
    def is_expecting(self) -> bool:
        """Whether a pipeline is getting ready."""
        return self._joining is not None

    def forget_pipeline(self, pipeline: int) -> None:
        """Drop a pipeline that was getting ready."""
        if self._joining is not None and self._joining[0] == pipeline:
            self._joining = None

    def next_pipeline_seq(self) -> int:
        """Return a first bin for the next pipeline, beyond all that the served one can reach within days."""
        return ((self.ring.next_seq >> _PIPELINE_BITS) + 1) << _PIPELINE_BITS

    def announce_configuration(self, reason: str, seq: int, *, resets: bool = False) -> None:
        """Make a configuration of the models served now; clients are sent it before the bin `seq`."""
        models = self.champion, tuple(self.challengers.values())
        told = ServedConfiguration(self.configuration.number + 1, seq, reason, *models)
        if resets:
            self.reset_number, self.reset_seq = told.number, seq
            self._frames.clear()
            self.configurations.clear()
        self.configurations.append(told)
        self.notify()

    @property
    def configuration(self) -> ServedConfiguration:
        """The configuration in force."""
        return self.configurations[-1]

    def configuration_after(self, number: int) -> ServedConfiguration | None:
        """Return the first configuration that came after another one; None where that is in force."""
        return next((each for each in self.configurations if each.number > number), None)

    def set_status(self, status: str) -> None:
        """Set the status message that clients are sent next."""
        self.status_number += 1
        self.status = status
        self.notify()

    def retire(self) -> None:
        """Let another stream of the feed take this one's place: clients are asked to connect again."""
        self.is_retired = True
        self.notify()

    def notify(self) -> None:
        """Wake all clients that wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def columns(self) -> tuple[str, ...]:
        """The grid columns that bins have."""
        bins = self.facts.bins
        return tuple(GRID_COLUMNS) if bins is None else tuple(name for name in GRID_COLUMNS if name in bins.columns)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition that the engine brings about holds; PromotionError once the feed has ended."""
        while not holds():
            if self.health.state == "ended":
                raise PromotionError("the feed has ended")
            await self.changed()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def frame(self, seq: int, fields: tuple[str, ...]) -> bytes:
        """Return the binary frame of one bin, encoded once for all clients of the same fields."""
        key = seq, fields
        if key not in self._frames:
            while len(self._frames) >= _FRAMES_KEPT:
                self._frames.pop(next(iter(self._frames)))
            self._frames[key] = encode_grid([self.ring.scored(seq)], fields)
        return self._frames[key]

    def _add_bin(self, each: PipelineBin, late_s: float, *, is_stepped: bool) -> None:
        ring = self.ring if each.pipeline == self.pipeline else None
        if self._joining is not None and each.pipeline == self._joining[0]:
            ring = self._joining[1]
        if ring is None:
            return  # of a pipeline that has been abandoned
        if ring is self.ring:
            is_late = late_s > self.champion.live.scorer.cell_width_ms / 1000
            bin_end_ns = int(each.scored.row["bin_end_ns"][0])
            is_live = self.facts.live
            self.health.count(time.monotonic(), is_late=is_late, is_live=is_live, bin_end_ns=bin_end_ns)
            self.shown_ns = max(self.shown_ns, bin_end_ns)
            self.stepped_seq = each.seq if is_stepped else self.stepped_seq
        ring.began_ns = each.began_ns
        ring.append(each.scored, bin_body(each, self._tick_price, late_s), shadow_bodies(each))

    def _restarted(self, epoch: int) -> None:
        self.epoch, self.ready_pipeline = epoch, None
        self.ring.clear()
        if self._joining is not None:
            self._joining[1].clear()
        self.announce_configuration("feed", self.ring.next_seq, resets=True)

    def _switched(self, said: ChampionChanged) -> None:
        before, after = self.champion.record.version, said.champion.record.version
        self.log(f"{after} replaces {before} from bin {said.next_seq} on ({self.coming_reason})")
        self.epoch, self.champion = said.epoch, said.champion
        if said.pipeline == self.pipeline:
            self.announce_configuration(self.coming_reason, said.next_seq)
        elif self._joining is not None and self._joining[0] == said.pipeline:
            (self.pipeline, self.ring), self._joining = self._joining, None
            self.challengers = {each.name: each for each in said.others}
            self.shadow_models.clear()
            self._judged_pasts.clear()
            self.announce_configuration(self.coming_reason, self.ring.first_seq, resets=True)
