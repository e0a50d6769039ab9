"""The feed of Databento's live service: the market as it happens.

A bin closes with the first event behind it, or, where none comes, by the clock: `close_delay_ms` after its end. What
comes later still is moved into the open bin by the lattice, and counted.

While the connection is cut, bins go on closing by the clock, but with a book that is not valid: nobody knows what it
is. The gateway is called again after a second, two, four, and so on up to `longest_backoff_s`; then a snapshot makes
the book whole.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.feed import NO_EVENTS, FeedContext, FeedFacts, FeedStep, State
from runtime.feeds.gateway_records import GatewayRecords
from runtime.feeds.gateway_session import GatewaySession, Subscription
from vpharness.errors import ConfigError, FeedError
from vpharness.events.mbo_event import CLEAR, EVENT_DTYPE, FLAG_FEED_GAP, FLAG_SNAPSHOT, NO_SIDE, NONE
from vpharness.events.times import SECOND_NS
from vpharness.parameters import parameter, problems
from vpharness.prices import tick_size_to_price

POLL_S: Final = 0.005
"""Interval between two looks at the received records."""

LONGEST_STEP_NS: Final = 3600 * SECOND_NS
"""Most time that one step covers: after the machine was suspended, the feed catches up in steps of this size."""

_NANOSECONDS_PER_MS: Final = 1_000_000
_HEARTBEAT_S: Final = 10  # a gateway that is silent for ten seconds more is given up by the client
_CONNECTING_S: Final = 60.0  # more than the client's own time-outs together
_SETTLING_S: Final = 3.0  # in which a gateway that does not know a symbol has said so

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatabentoParameters:
    """Follow one instrument at Databento's live service. The key is read from the environment, or from a file."""

    default_evict_crossed_ms: ClassVar[int] = 0

    dataset: str = parameter(meaning="Databento's code of the venue, such as GLBX.MDP3")
    symbol: str = parameter(meaning="raw symbol of the instrument, such as ESH4")
    tick_size: float = parameter(meaning="smallest price step of the instrument", unit="price units", above=0)
    key_variable: str = parameter("DATABENTO_API_KEY", meaning="environment variable that holds the key")
    key_file: str | None = parameter(None, meaning="file that holds the key, in place of the variable")
    close_delay_ms: int = parameter(
        250,
        meaning="how long after its end a bin is closed if no later event has arrived",
        unit="ms",
        minimum=0,
        maximum=60_000,
    )
    silent_after_s: float = parameter(10.0, meaning="silence after which the feed counts as silent", unit="s", above=0)
    shortest_backoff_s: float = parameter(1.0, meaning="wait before the first attempt to reconnect", unit="s", above=0)
    longest_backoff_s: float = parameter(
        30.0, meaning="longest wait between attempts to reconnect", unit="s", above=0, maximum=3600
    )
    gateway: str | None = parameter(None, meaning="host to connect to, instead of Databento's own")
    port: int = parameter(13_000, meaning="port to connect to", minimum=1, maximum=65_535)

    def relations(self) -> Iterable[str]:
        """Yield an error for parameters that contradict each other."""
        if self.shortest_backoff_s > self.longest_backoff_s:
            yield (
                f"shortest_backoff_s is {self.shortest_backoff_s:g} and longest_backoff_s is "
                f"{self.longest_backoff_s:g}; the longest must not be shorter"
            )

    @contextmanager
    def open(self, context: FeedContext) -> Iterator["DatabentoFeed"]:
        """Connect and subscribe; what the gateway refuses is a FeedError with its reason."""
        if found := problems(self, "feed."):
            raise ConfigError("; ".join(found))
        tick_size_to_price(self.tick_size)
        feed = DatabentoFeed(self, context)
        try:
            feed.connect()
            yield feed
        finally:
            feed.close()


class DatabentoFeed:
    """A feed that is being connected, is connected, or is cut."""

    def __init__(self, live: DatabentoParameters, context: FeedContext) -> None:
        """Begin to connect. Raises ConfigError where there is no key, or no client."""
        self.facts = FeedFacts(
            kind="databento",
            instrument=live.symbol,
            tick_size=live.tick_size,
            size_unit=1.0,
            default_evict_crossed_ms=live.default_evict_crossed_ms,
            live=True,
            speed=None,
        )
        self._live, self._clock = live, context.clock
        self._width_ns = context.cell_width_ms * _NANOSECONDS_PER_MS
        self._where = f"Databento's live service, {live.dataset}, {live.symbol}"
        self._client = client_of(live)
        self._state: State = "connecting"
        self._early = NO_EVENTS  # what came before the first step
        self._latest_ns: int | None = None  # the time of the last event; None while the book is not known
        self._publishers: set[int] = set()  # whose events have been received, in this session or an earlier one
        self._active_ns = self._clock.running_ns()
        self._backoff_s = live.shortest_backoff_s
        self._call_at_ns: int | None = None  # when the gateway is called again; None while there is a session
        self._call()

    def connect(self) -> None:
        """Wait until the gateway has named the instrument, or has had time to say what is wrong.

        Raises FeedError where it cannot be reached, refuses the key, or complains.
        """
        never, begun_ns = threading.Event(), self._clock.running_ns()
        up_ns: int | None = None
        while not self._records.is_known and (up_ns is None or self._since_s(up_ns) < _SETTLING_S):
            if self._since_s(begun_ns) > _CONNECTING_S:
                raise FeedError(f"{self._where}: there is no session after {_CONNECTING_S:g} s; try again")
            if up_ns is None and not self._session.is_connecting:
                up_ns = self._clock.running_ns()
            failure = self._session.failure()
            self._early = np.concatenate([self._early, self._records.events(self._session.take())])
            if reason := self._records.error or failure:
                raise FeedError(f"{self._where}: {reason}")
            self._clock.wait(never, POLL_S)

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def steps(self, stop: threading.Event) -> Iterator[FeedStep]:
        """Yield events as they arrive, and the watermark as time passes."""
        complete_ns: int | None = None
        said: State | None = None
        while not stop.is_set():
            due_ns = self._due_ns()
            if complete_ns is not None and due_ns - complete_ns > LONGEST_STEP_NS:  # this machine has slept
                complete_ns += LONGEST_STEP_NS // self._width_ns * self._width_ns
                yield FeedStep(NO_EVENTS, complete_ns, self._state)
                continue
            events = self._received()
            if complete_ns is not None or len(events):  # time begins with the first event
                is_news = len(events) > 0 or complete_ns is None or due_ns > complete_ns
                complete_ns = due_ns if complete_ns is None else max(complete_ns, due_ns)
            else:
                is_news = False
            if is_news or said != self._state:
                said = self._state
                yield FeedStep(events, complete_ns, said)
            if self._clock.wait(stop, POLL_S):
                return

    def _due_ns(self) -> int:
        """Return up to when the clock closes bins."""
        now_ns = self._clock.now_ns() - self._live.close_delay_ms * _NANOSECONDS_PER_MS
        return now_ns // self._width_ns * self._width_ns

    def _since_s(self, running_ns: int) -> float:
        return (self._clock.running_ns() - running_ns) / SECOND_NS

    def _call(self) -> None:
        """Begin a session."""
        client, errors = self._client
        self._session = GatewaySession(client, Subscription(self._live.dataset, self._live.symbol), errors)
        self._records = GatewayRecords(self._where, self._live.symbol)
        self._call_at_ns = None

    def _received(self) -> NDArray[np.void]:
        """Return the events that have come since the last call, and keep up the session and the state."""
        if self._call_at_ns is not None:
            if self._clock.running_ns() < self._call_at_ns:
                return NO_EVENTS
            self._call()
        failure = self._session.failure()  # first: what came before a cut is taken after it
        events = np.concatenate([self._early, self._records.events(self._session.take())])
        self._early = NO_EVENTS
        if len(events):
            self._publishers.update(np.unique(events["publisher"]).tolist())
            self._state, self._latest_ns = "live", int(events["ts_ns"].max())
            self._active_ns, self._backoff_s = self._clock.running_ns(), self._live.shortest_backoff_s
        elif self._state == "live" and self._since_s(self._active_ns) > self._live.silent_after_s:
            self._state = "silent"
        if reason := self._records.error or failure:
            events = np.concatenate([events, self._cut(reason)])
        return events

    def _cut(self, reason: str) -> NDArray[np.void]:
        """End the session and fix when the next one begins; return what makes the book unknown until then."""
        log.warning("%s: connection lost: %s; reconnecting in %g s", self._where, reason, self._backoff_s)
        self._session.close()
        self._state = "disconnected"
        self._call_at_ns = self._clock.running_ns() + round(self._backoff_s * SECOND_NS)
        self._backoff_s = min(2 * self._backoff_s, self._live.longest_backoff_s)
        latest_ns, self._latest_ns = self._latest_ns, None
        return NO_EVENTS if latest_ns is None else _unknown_book(max(latest_ns, self._due_ns()), self._publishers)


def _unknown_book(time_ns: int, publishers: Iterable[int]) -> NDArray[np.void]:
    """Return the beginning of each publisher's snapshot, which is not there yet: until all are, the book is not valid.

    A book of several venues is whole with the last of their snapshots, so that each of them is in doubt for itself.
    """
    venues = sorted(publishers)
    doubts = venues if len(venues) > 1 else []
    events = np.zeros(len(venues) + len(doubts), EVENT_DTYPE)
    events["ts_ns"], events["side"], events["flags"] = time_ns, NO_SIDE, FLAG_SNAPSHOT
    events["action"], events["publisher"] = CLEAR, [*venues, *doubts]
    events["action"][len(venues) :] = NONE
    events["flags"][len(venues) :] |= FLAG_FEED_GAP
    return events


def client_of(live: DatabentoParameters) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """Return a function that makes a client, and the exceptions that the client raises where it cannot connect.

    The key stays in here. Raises ConfigError where there is none, or where Databento's client is not installed.
    """
    try:
        import databento  # noqa: PLC0415  # an extra, and it takes a second to import
    except ImportError as error:
        raise ConfigError("feed=databento needs Databento's client: install vpharness[live]") from error
    key = _key(live)
    # At its finest level the client logs how it answers the gateway's challenge, with the end of the key.
    logging.getLogger("databento.live.protocol").setLevel(logging.INFO)

    def make() -> Any:
        return databento.Live(key, gateway=live.gateway, port=live.port, heartbeat_interval_s=_HEARTBEAT_S)

    return make, (databento.BentoError, ValueError, OSError)


def _key(live: DatabentoParameters) -> str:
    """Return the key; error messages name its place and never its content."""
    if live.key_file is None:
        key = os.environ.get(live.key_variable, "")
        where, remedy = f"the environment variable {live.key_variable}", "set it, or name a file with feed.key_file"
    else:
        where, remedy = live.key_file, "let feed.key_file name a file with nothing but the key"
        try:
            key = Path(live.key_file).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise ConfigError(f"{where}: the key cannot be read: {reason}; {remedy}") from None
    if len(key.split()) != 1:
        raise ConfigError(f"{where} {'holds no key' if not key.strip() else 'holds more than a key'}; {remedy}")
    return key.strip()
