"""A client of the stream: what it has been sent, and what it is sent next.

It reads from the stream at its own pace. Nothing is queued for it: a client that lags behind is sent the newest bin and
the number of those that it missed.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

from runtime.engine.models import ServedModel
from runtime.stream.limits import TooManyError
from runtime.stream.live_stream import LiveStream, ServedConfiguration
from runtime.stream.query import StreamQuery
from runtime.stream.status import runtime_config
from runtime.stream.stream_messages import grid_history, grid_update, shadow_history, status_with_shadow
from vpharness.errors import ConfigError
from vpharness.live.frames import encode_grid, encode_json

_MOST_HISTORY_BINS: Final = 200
HISTORY_BYTES: Final = 250_000
_BODY_BYTES: Final = 1_500
_MOST_PAST_BINS: Final = 1_000


class TextSender(Protocol):
    """The part of a websocket that a client uses: sending."""

    async def send(self, message: str | bytes) -> None:
        """Send a message; wait while the connection takes no more."""
        ...


class Client:
    """An admitted client.

    Attributes:
        cursor: the next bin that it is sent.
        missed: bins before that one that it was not sent, since the last one that it was.
        sending_since: when the message that is being sent was begun, by the monotonic clock; None between messages.
    """

    def __init__(
        self,
        stream: LiveStream,
        socket: TextSender,
        abort: Callable[[], None],
        query: StreamQuery,
        model: ServedModel | None,
    ) -> None:
        """Begin with the bins that the query asks for; ConfigError where there are no such columns.

        `abort` closes the connection at once, `model` is the shadow that it asked for.
        """
        absent = [name for name in query.fields or () if name not in stream.columns]
        if absent:
            raise ConfigError(f"fields names {absent[0]}, which the dataset lacks; it has {', '.join(stream.columns)}")
        self._stream, self._socket, self._abort, self._model = stream, socket, abort, model
        self.fields = stream.columns if query.fields is None else query.fields
        self.missed = 0
        self.sending_since: float | None = None
        self._config_seen = self._status_seen = 0
        self._reset_seen, self._history = stream.reset_number, query.history
        self._resumed, self._resets, self.cursor = _place(stream, query)
        self._is_catching_up = True
        # What its shadow says of the bins that it is sent from now on comes with them, if it is known by then. Of those
        # that it has already, it may know what another shadow said.
        resumes = self._resumed is not None and not self._resets
        self._oldest = stream.ring.first_seq if resumes else self.cursor
        self._past_seen = 0 if resumes else stream.past_of(self.shadow)
        self._past = range(0)

    @property
    def shadow(self) -> str | None:
        """The name of the model that it asked for."""
        return None if self._model is None else self._model.name

    def cut_off_if_stuck(self, now: float) -> None:
        """Close the connection where the client has taken nothing for longer than is allowed."""
        if self.sending_since is not None and now - self.sending_since > self._stream.settings.send_timeout_s:
            self._abort()

    async def send_all(self) -> NoReturn:
        """Send what there is, and then what comes, until cancelled."""
        while True:
            if not await self._send_next():
                await self._stream.changed()

    async def _send_next(self) -> bool:
        """Send the next message that the client has not been sent; return whether there was one.

        Raises TooManyError, which asks it to come again, where its stream has been replaced.
        """
        stream = self._stream
        if stream.is_retired:
            raise TooManyError("the feed was opened again; connect again")
        if self._reset_seen < stream.reset_number:
            self._restart()
        if (due := self._due()) is not None:
            await self._send(self._config(due))
        elif self._status_seen < stream.status_number:
            self._status_seen = stream.status_number
            own = None if self.shadow is None else stream.shadow_statuses.get(self.shadow)
            await self._send(status_with_shadow(stream.status, own))
        elif self.cursor < stream.ring.next_seq:
            await self._send_bins()
        elif self._has_past_due():
            await self._send_past()
        else:
            return False
        return True

    def _has_past_due(self) -> bool:
        """Whether there are bins that were sent without what its shadow says of them, which is known now."""
        number = self._stream.past_of(self.shadow)
        if number != self._past_seen:
            self._past_seen, self._past = number, range(self._oldest, self.cursor) if number else range(0)
        self._past = range(max(self._past.start, self._stream.ring.first_seq), self._past.stop)
        return bool(self._past)

    async def _send_past(self) -> None:
        """Send what its shadow says of some of the bins that it has been sent without that."""
        ring = self._stream.ring
        async with self._stream.history_lock.held():
            if not self._has_past_due():  # after the wait for the lock
                return
            piece = self._past[:_MOST_PAST_BINS]
            self._past = self._past[_MOST_PAST_BINS:]
            bodies = [(seq, body) for seq in piece if (body := ring.shadow(seq, self.shadow)) is not None]
        if bodies:
            await self._send(shadow_history(bodies))

    def _restart(self) -> None:
        """Begin again after a reset, with as many past bins as were asked for at first."""
        stream, ring = self._stream, self._stream.ring
        self._reset_seen, self._resets, self.missed = stream.reset_number, True, 0
        self.cursor, self._is_catching_up = ring.last(self._history), True
        self._oldest, self._past, self._past_seen = self.cursor, range(0), stream.past_of(self.shadow)

    def _due(self) -> ServedConfiguration | None:
        """Return the configuration that must be sent before anything else; None where none is due.

        Each is due before the first bin that it applies to. The first one is that in force, and after a reset the one
        that applies to the bin the client goes on with.
        """
        stream = self._stream
        if not self._config_seen:
            return stream.configuration
        if self._resets:
            return next(
                (each for each in reversed(stream.configurations) if each.seq <= self.cursor),
                stream.configuration,
            )
        due = stream.configuration_after(self._config_seen)
        return due if due is not None and self.cursor >= due.seq else None

    def _config(self, told: ServedConfiguration) -> str:
        stream = self._stream
        model = None if self._model is None else stream.shadow_models.get(self._model.name, self._model)
        values = runtime_config(stream, told, self.fields, model, self._resumed, resets=self._resets)
        if not self._config_seen:
            values["reason"] = "hello"  # whatever happened before
        self._config_seen, self._resumed, self._resets = told.number, None, False
        return encode_json(values)

    async def _send_bins(self) -> None:
        """Send the next bin, or the next bins of history together, or leave out all but the newest."""
        ring = self._stream.ring
        if self.cursor < ring.first_seq:
            self.missed += ring.first_seq - self.cursor
            self.cursor = ring.first_seq
        lag = ring.next_seq - self.cursor
        is_behind = lag > self._stream.settings.backlog_bins
        if is_behind and self._stream.stepped_seq >= self.cursor:
            self._is_catching_up = True  # no client keeps up with a span that is stepped through
        if self._is_catching_up and lag > 1:
            await self._send_history()
        elif is_behind:
            self.missed += lag - 1
            self.cursor = ring.next_seq - 1
        else:
            await self._send_bin()

    async def _send_bin(self) -> None:
        stream, seq = self._stream, self.cursor
        text = grid_update(stream.ring.body(seq), self.missed, stream.ring.shadow(seq, self.shadow))
        binary = stream.frame(seq, self.fields) if self.fields else None
        self.cursor, self.missed, self._is_catching_up = seq + 1, 0, False
        await self._send(text)
        if binary is not None:
            await self._send(binary)

    async def _send_history(self) -> None:
        async with self._stream.history_lock.held():
            found = self._piece_of_history()
        for message in found:
            await self._send(message)

    def _piece_of_history(self) -> list[str | bytes]:
        """Return the next messages of history; none where the bins were dropped while it waited for the lock."""
        ring, updates = self._stream.ring, []
        if self._reset_seen < self._stream.reset_number or self.cursor < ring.first_seq:
            return []
        seqs = range(self.cursor, self._stop_of_history())
        if not seqs:
            return []  # another configuration is due first
        for seq in seqs:
            updates.append(grid_update(ring.body(seq), self.missed, ring.shadow(seq, self.shadow)))
            self.missed = 0
        self.cursor = seqs.stop
        text = grid_history(updates)
        return [text, encode_grid([ring.scored(seq) for seq in seqs], self.fields)] if self.fields else [text]

    def _stop_of_history(self) -> int:
        """Return where the next message of history ends: before a change of configuration, and not too large."""
        stream = self._stream
        cells = 2 * stream.champion.live.scorer.radius + 1
        bins = max(1, min(_MOST_HISTORY_BINS, HISTORY_BYTES // (_BODY_BYTES + 8 * cells * len(self.fields))))
        stop = min(self.cursor + bins, stream.ring.next_seq)
        due = stream.configuration_after(self._config_seen)
        return stop if due is None else min(stop, due.seq)

    async def _send(self, message: str | bytes) -> None:
        self.sending_since = time.monotonic()
        await self._socket.send(message)
        self.sending_since = None


def _place(stream: LiveStream, query: StreamQuery) -> tuple[str | None, bool, int]:
    """Return the answer to `from_seq`, whether the client must drop the bins it has, and the first bin it is sent."""
    ring = stream.ring
    if query.from_seq is None:
        return None, False, ring.last(query.history)
    if query.stream != stream.stream_id or query.from_seq > ring.next_seq:
        return "other_stream", True, ring.last(query.history)
    if query.from_seq < stream.reset_seq:
        return "gap", True, ring.first_seq
    return ("whole" if query.from_seq >= ring.first_seq else "gap"), False, query.from_seq


async def serve_client(client: Client, asked: "asyncio.Future[None] | None") -> NoReturn:
    """Serve a client until it goes, or its shadow cannot be scored: that comes as the exception that it is.

    `asked` has its shadow warmed up; where that fails the client is told why.
    """
    sending = asyncio.create_task(client.send_all())
    waiting: set[asyncio.Future[Any]] = {sending, *((asked,) if asked is not None else ())}
    try:
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
