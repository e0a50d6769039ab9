"""One client of the stream: what it has been sent, and what it is to be sent next.

It reads from the hub at its own pace. Nothing is queued for it: a client that lags behind is sent the newest bin and
the number of those that it missed.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

from runtime.hub import Configuration, Hub
from runtime.messages import grid_history, grid_update
from runtime.models import ServedModel
from runtime.query import StreamQuery
from runtime.telling import runtime_config
from vpharness.errors import ConfigError
from vpharness.live.frames import encode_grid, encode_json

_MOST_HISTORY_BINS: Final = 200
HISTORY_BYTES: Final = 250_000
_BODY_BYTES: Final = 1_500


class Socket(Protocol):
    """What a client needs of its websocket."""

    async def send(self, message: str | bytes) -> None:
        """Send a message; wait while the connection takes no more."""
        ...


class Client:
    """A client that has been let in.

    Attributes:
        cursor: the place in the stream of the next bin that it is sent.
        missed: how many bins before that one it was not sent, since the last one it was.
        sending_since: since when it has not taken what it is being sent, by the monotonic clock; None between messages.
    """

    def __init__(
        self,
        hub: Hub,
        socket: Socket,
        abort: Callable[[], None],
        query: StreamQuery,
        model: ServedModel | None,
    ) -> None:
        """Begin with the bins that the query asks for; ConfigError where there are no such columns.

        `abort` closes the connection at once, `model` is the shadow that it asked for.
        """
        absent = [name for name in query.fields or () if name not in hub.columns]
        if absent:
            raise ConfigError(f"fields names {absent[0]}, which the dataset lacks; it has {', '.join(hub.columns)}")
        self._hub, self._socket, self._abort, self._model = hub, socket, abort, model
        self.fields = hub.columns if query.fields is None else query.fields
        self.missed = 0
        self.sending_since: float | None = None
        self._config_seen = self._status_seen = 0
        self._reset_seen, self._history = hub.reset_number, query.history
        self._resumed, self._resets, self.cursor = _place(hub, query)
        self._is_catching_up = True

    @property
    def shadow(self) -> str | None:
        """The name of the model that it asked for."""
        return None if self._model is None else self._model.name

    def cut_off_if_stuck(self, now: float) -> None:
        """Close the connection, where nothing has been taken for longer than is allowed."""
        if self.sending_since is not None and now - self.sending_since > self._hub.settings.send_timeout_s:
            self._abort()

    async def send_all(self) -> NoReturn:
        """Send what there is, and then what comes, for ever."""
        while True:
            if not await self._send_next():
                await self._hub.change()

    async def _send_next(self) -> bool:
        """Send the next thing that it has not been sent; return whether there was one."""
        hub = self._hub
        if self._reset_seen < hub.reset_number:
            self._begin_anew()
        if (due := self._due()) is not None:
            await self._send(self._config(due))
        elif self._status_seen < hub.status_number:
            self._status_seen = hub.status_number
            await self._send(hub.status)
        elif self.cursor < hub.ring.next_seq:
            await self._send_bins()
        else:
            return False
        return True

    def _begin_anew(self) -> None:
        """Leave the bins of before behind, and begin with those that are there, as many as were asked for at first."""
        hub, ring = self._hub, self._hub.ring
        self._reset_seen, self._resets, self.missed = hub.reset_number, True, 0
        self.cursor, self._is_catching_up = ring.last(self._history), True

    def _due(self) -> Configuration | None:
        """Return the configuration that it is to be told before anything else: each, in the order of their bins.

        At first it is told the one in force, and once bins are left behind the one of those that it goes on with.
        """
        hub = self._hub
        if not self._config_seen:
            return hub.configuration
        if self._resets:
            return next((each for each in reversed(hub.configurations) if each.seq <= self.cursor), hub.configuration)
        due = hub.configuration_after(self._config_seen)
        return due if due is not None and self.cursor >= due.seq else None

    def _config(self, told: Configuration) -> str:
        hub = self._hub
        model = None if self._model is None else hub.shadow_models.get(self._model.name, self._model)
        values = runtime_config(hub, told, self.fields, model, self._resumed, resets=self._resets)
        if not self._config_seen:
            values["reason"] = "hello"  # whatever happened before
        self._config_seen, self._resumed, self._resets = told.number, None, False
        return encode_json(values)

    async def _send_bins(self) -> None:
        """Send the next bin, or the next bins of history together, or leave out all but the newest."""
        ring = self._hub.ring
        if self.cursor < ring.first_seq:
            self.missed += ring.first_seq - self.cursor
            self.cursor = ring.first_seq
        lag = ring.next_seq - self.cursor
        if self._is_catching_up and lag > 1:
            await self._send_history()
        elif lag > self._hub.settings.backlog_bins:
            self.missed += lag - 1
            self.cursor = ring.next_seq - 1
        else:
            await self._send_bin()

    async def _send_bin(self) -> None:
        hub, seq = self._hub, self.cursor
        text = grid_update(hub.ring.body(seq), self.missed, hub.ring.shadow(seq, self.shadow))
        binary = hub.frame(seq, self.fields) if self.fields else None
        self.cursor, self.missed, self._is_catching_up = seq + 1, 0, False
        await self._send(text)
        if binary is not None:
            await self._send(binary)

    async def _send_history(self) -> None:
        async with self._hub.history_turns.turn():
            found = self._piece_of_history()
        for message in found:
            await self._send(message)

    def _piece_of_history(self) -> list[str | bytes]:
        """Return the next messages of history; none where the bins have gone while it waited for its turn."""
        ring, updates = self._hub.ring, []
        if self._reset_seen < self._hub.reset_number or self.cursor < ring.first_seq:
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
        hub = self._hub
        cells = 2 * hub.champion.live.scorer.radius + 1
        bins = max(1, min(_MOST_HISTORY_BINS, HISTORY_BYTES // (_BODY_BYTES + 8 * cells * len(self.fields))))
        stop = min(self.cursor + bins, hub.ring.next_seq)
        due = hub.configuration_after(self._config_seen)
        return stop if due is None else min(stop, due.seq)

    async def _send(self, message: str | bytes) -> None:
        self.sending_since = time.monotonic()
        await self._socket.send(message)
        self.sending_since = None


def _place(hub: Hub, query: StreamQuery) -> tuple[str | None, bool, int]:
    """Return how a client's bins go on, whether those that it has are to be left behind, and where it begins."""
    ring = hub.ring
    if query.from_seq is None:
        return None, False, ring.last(query.history)
    if query.stream != hub.stream_id or query.from_seq > ring.next_seq:
        return "other_stream", True, ring.last(query.history)
    if query.from_seq < hub.reset_seq:
        return "gap", True, ring.first_seq
    return ("whole" if query.from_seq >= ring.first_seq else "gap"), False, query.from_seq


async def served_until(client: Client, asked: "asyncio.Future[None] | None") -> NoReturn:
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
