"""A stand-in for the live server: the page and a stream of known bins, published one by one as a test wants them."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from runtime.web.auth import HEADERS
from tests.page import market
from vpharness.lattice.columns import GRID_COLUMNS

DIST: Final = Path(__file__).resolve().parents[2] / "runtime" / "page" / "dist"

HISTORY_BLOCK: Final = 200
STATISTICS: Final = {
    "bins": 36_000, "hours": 1.0, "n_fires": 44, "n_open": 1, "n_tp": 15, "n_sl": 21, "n_timeout": 7, "tp_rate": 0.349,
    "tp_rate_low": 0.21, "tp_rate_high": 0.49, "net_pnl_ticks": -0.42, "net_pnl_ticks_low": -1.6,
    "net_pnl_ticks_high": 0.8, "n_net": 43, "events_per_hour": 44.0,
}  # fmt: skip
PROMISED: Final = {
    "tp_rate": 0.58, "tp_rate_low": 0.52, "tp_rate_high": 0.64, "net_pnl_ticks": 1.9,
    "net_pnl_ticks_low": 1.1, "net_pnl_ticks_high": 2.7, "events_per_hour": 41.5, "n_net": 212,
}  # fmt: skip


@dataclass
class Client:
    """A page that listens, with the columns that it wants."""

    socket: ServerConnection
    columns: tuple[str, ...]


@dataclass
class StandIn:
    """What is served. Everything is public: a test sets what the next message is to say."""

    stream: str = "one"
    version: str = "v0001"
    next_seq: int = 0
    buffer_bins: int = 6000
    status: dict[str, Any] = field(default_factory=dict)
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    port: int = 0
    record: dict[str, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def publish(self, count: int = 1) -> None:
        """Send the next bins to every client."""
        for _ in range(count):
            with self._lock:
                seq, self.next_seq = self.next_seq, self.next_seq + 1
                text = _json(market.update(seq, self.version) | self.changes.get(seq, {}))
                for client in list(self.clients):
                    frames = [market.frame(seq % market.PERIOD, client.columns)] if client.columns else []
                    self._send(client, text, *frames)

    def send(self, *messages: str | bytes) -> None:
        """Send messages as they are to every client."""
        with self._lock:
            for client in list(self.clients):
                self._send(client, *messages)

    def send_status(self, **changes: Any) -> None:
        """Send a status, with changes that last."""
        self.status |= changes
        self.send(_json(self.status_message()))

    def promote(self, version: str) -> None:
        """Let another version speak from the next bin on."""
        with self._lock:
            self.version = version
            for client in list(self.clients):
                self._send(client, _json(self.config("promotion", client.columns, None)))

    def config(self, reason: str, columns: tuple[str, ...], resumed: str | None) -> dict[str, Any]:
        """Return the runtime_config for a client with these columns."""
        schema = base64.b64encode(market.schema(columns).serialize()).decode("ascii")
        first = max(0, self.next_seq - self.buffer_bins)
        return {
            "type": "runtime_config", "protocol": 1, "stream": self.stream, "reason": reason, "reset": False,
            "instrument": "SYN", "tick_size": market.TICK_SIZE, "size_unit": 1.0,
            "cell_width_ms": market.CELL_WIDTH_MS, "radius": market.RADIUS, "columns": list(GRID_COLUMNS),
            "fields": list(columns), "schema": schema,
            "model": {"version": self.version, "signal": "ads", "signal_target": "vpharness.signals.ads.ads",
                      "parameters": {"zscore_window": 200}, "threshold": market.THRESHOLD, "warmup_bins": 300,
                      "cooldown_bins": 30, "run_id": "run", "promoted_at_ns": str(market.START_NS), "forced": None},
            "evaluation": {"tp_ticks": 8, "sl_ticks": 4, "max_hold_bins": 1200},
            "projection": {"horizons_bins": list(market.HORIZONS), "quantiles": list(market.QUANTILES)},
            "promised": {"train": None, "test": PROMISED}, "shadow": None,
            "challengers": [{"name": "c1", "signal": "pfp", "parameters": {}, "threshold": 0.4}],
            "feed": {"kind": "stand-in", "speed": None, "live": True},
            "buffer": {"bins": self.buffer_bins, "first_seq": first, "next_seq": self.next_seq}, "resumed": resumed,
            "server_time_ns": str(market.START_NS), **self.overrides,
        }  # fmt: skip

    def status_message(self) -> dict[str, Any]:
        """Return the status."""
        rows = len(market.HORIZONS)
        scores = {
            "coverage_50": [0.51] * rows,
            "coverage_90": [0.88] * rows,
            "coverage_50_says": ["covers as stated"] * rows,
            "coverage_90_says": ["covers less than stated"] * rows,
            "pinball": [0.3] * rows,
            "n": [900] * rows,
        }
        champion = {"says": "worse than promised", "mean": 0.4, "low": 0.1, "high": 0.7, "n_blocks": 48,
                    "version": self.version, "promised_low": 1.0, "promised_high": 1.5}  # fmt: skip
        challenger = {**champion, "says": "better than the champion", "promised_low": None, "promised_high": None}
        return {
            "type": "status", "server_time_ns": str(market.START_NS),
            "feed": {"state": "live", "lag_ms": 12.3, "last_event_ns": str(market.START_NS), "late_events": 0},
            "bins_per_second": 10.0, "deadline_misses": 0, "deadline_misses_recent": 0, "clients": len(self.clients),
            "ready": True, "reasons": [],
            "statistics": {"champion": {**STATISTICS, "claim": champion}, "projection": scores,
                           "challengers": [{**STATISTICS, "claim": challenger}]}, **self.status,
        }  # fmt: skip

    def handle(self, socket: ServerConnection) -> None:
        """Serve one page until it goes."""
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query, keep_blank_values=True)
        plain = {name: values[0] for name, values in query.items()}
        names = plain.get("fields", ",".join(GRID_COLUMNS))
        client = Client(socket, tuple(name for name in names.split(",") if name))
        with self._lock:
            self.queries.append(plain)
            self._greet(client, plain)
            self.clients.append(client)
        with suppress(ConnectionClosed):
            socket.recv()  # the page never says anything
        with self._lock:
            self.clients.remove(client)

    def _greet(self, client: Client, query: dict[str, str]) -> None:
        resumed, first = None, self.next_seq - int(query.get("history", "0"))
        if "from_seq" in query:
            resumed = "whole" if query.get("stream") == self.stream else "other_stream"
        if resumed == "whole":
            first = int(query["from_seq"])
        self._send(client, _json(self.config("hello", client.columns, resumed)))
        self._send(client, _json(self.status_message()))
        seqs = list(range(max(first, 0, self.next_seq - self.buffer_bins), self.next_seq))
        for begin in range(0, len(seqs), HISTORY_BLOCK):
            block = seqs[begin : begin + HISTORY_BLOCK]
            updates = [market.update(seq, self.version) for seq in block]
            frames = [market.history_frame(block, client.columns)] if client.columns else []
            self._send(client, _json({"type": "grid_history", "updates": updates}), *frames)

    def _send(self, client: Client, *messages: str | bytes) -> None:
        try:
            for message in messages:
                client.socket.send(message)
        except ConnectionClosed:
            return  # its handler takes it off the list


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"), allow_nan=False)


def _respond(stand_in: StandIn, connection: ServerConnection, request: Request) -> Response | None:
    path = urlsplit(request.path).path
    if path == "/v1/stream":
        return None
    if path == "/v1/config":
        return _answer(stand_in.config("hello", tuple(GRID_COLUMNS), None))
    if path == "/v1/promotion":
        record = {"version": "v0001", "signal_target": "vpharness.signals.ads.ads", "threshold": market.THRESHOLD}
        record |= stand_in.record
        gates = [{"gate": "p_adjusted", "wanted": "<= 0.05", "found": 0.004, "passed": True}]
        return _answer({"record": {**record, "evidence": {"gates": gates}}, "history": [{"version": "v0001"}]})
    file = DIST / ("index.html" if path == "/" else path.removeprefix("/"))
    if not file.is_file() or not file.resolve().is_relative_to(DIST):
        return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")
    return _file(file.read_bytes(), guess_type(file.name)[0] or "application/octet-stream")


def _answer(value: dict[str, Any]) -> Response:
    return _file(_json(value).encode(), "application/json")


def _file(body: bytes, kind: str) -> Response:
    headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
    return Response(200, "OK", Headers({**HEADERS, **headers}), body)


@contextmanager
def served(stand_in: StandIn) -> Iterator[StandIn]:
    """Serve a stand-in on its port, or on any free one where it has none yet; all connections end with it."""
    server: Server = serve(
        stand_in.handle,
        "127.0.0.1",
        stand_in.port,
        process_request=partial(_respond, stand_in),
        compression=None,
        max_size=4096,
    )
    stand_in.port = server.socket.getsockname()[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        for client in list(stand_in.clients):
            client.socket.close()
        thread.join()
