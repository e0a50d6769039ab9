"""The recorder against a stand-in for the exchange: what is written can be read, whatever happened meanwhile."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from websockets.asyncio.server import ServerConnection

from tests.events.recordings import ASKS, BIDS, START, coinbase, coinbase_snapshot
from tests.events.samples import read
from tests.recording.stand_in import Script, StandIn, exchange, send, until_written
from vpharness.datasets.dataset_build import build
from vpharness.datasets.lake import Lake
from vpharness.errors import ConfigError, FeedError
from vpharness.events.coinbase import CoinbaseSource
from vpharness.lattice.lattice_parameters import LatticeParameters
from vpharness.recording.coinbase_protocol import Key, check_symbol, check_urls, key_in
from vpharness.recording.exchange_recorder import Recorder, RecorderProgress, RecorderSettings
from vpharness.recording.message_file import UNFINISHED, new_message_file

KEY = Key("name", b"secret", "pass")
LIMIT_S = 60.0


def opened(sequence: int, seconds: float, price: str, side: str = "buy") -> dict[str, Any]:
    """Return a message of an order that begins to rest."""
    return coinbase(
        "open", sequence, seconds, order_id=f"o{sequence}", side=side, price=price, remaining_size="1.00000000"
    )


async def recorded(
    folder: Path,
    until: Callable[[Recorder], bool],
    *scripts: Script,
    redirects: HTTPStatus | None = None,
    **changes: Any,
) -> tuple[RecorderProgress, StandIn]:
    """Record from a stand-in until a condition holds, and then stop as Ctrl-C does."""
    async with asyncio.timeout(LIMIT_S), exchange(*scripts, redirects=redirects) as stand_in:
        reached = asyncio.Event()
        settings = RecorderSettings(
            "BTC-USD",
            folder,
            stand_in.url,
            stand_in.rest_url,
            shortest_backoff_s=0.01,
            longest_backoff_s=0.05,
            **changes,
        )
        recorder = Recorder(settings, lambda _: reached.set() if until(recorder) else None)
        stand_in.progress = recorder.progress
        running = asyncio.create_task(recorder.run())
        waiting = asyncio.create_task(reached.wait())
        try:
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            for task in (running, waiting):
                task.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            recorder.close()
        return recorder.progress, stand_in


def messages_in(path: Path) -> list[Any]:
    """Return the lines of a finished file."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as text:
        return [json.loads(line) for line in text.read().splitlines()]


async def first_connection(stand_in: StandIn, connection: ServerConnection) -> None:
    """Send orders, leave three messages out, and hang up."""
    stand_in.book = coinbase_snapshot(11, 0.1, BIDS, ASKS)
    await send(connection, {"type": "subscriptions", "channels": []}, opened(10, 0, "1"), opened(11, 0.1, "2"))
    await until_written(stand_in, connection, 1)
    await send(connection, opened(12, 1, "100.25"), opened(13, 2, "100.75", "sell"))
    stand_in.book = coinbase_snapshot(17, 3.5, [["99.00", "1", "b9"]], [["99.50", "1", "a9"]])
    await send(connection, opened(17, 3, "99.25"))
    await until_written(stand_in, connection, 2)
    await send(connection, opened(18, 4, "99.10"))
    await connection.close()


async def second_connection(stand_in: StandIn, connection: ServerConnection) -> None:
    """Send more after the first has broken; the first snapshot is older than the messages."""
    stand_in.book = coinbase_snapshot(18, 4.5, [["1.00", "1", "b"]], [["2.00", "1", "a"]])
    stand_in.asking.clear()
    await send(connection, opened(30, 5, "98.50"))
    await stand_in.asked_again()
    stand_in.book = coinbase_snapshot(30, 5, [["98.00", "1", "b8"], ["98.50", "1", "o30"]], [["98.75", "2", "a8"]])
    await until_written(stand_in, connection, 3)
    await send(connection, opened(31, 6, "98.60"), opened(32, 7, "98.65"))
    await connection.wait_closed()


def test_a_recording_is_built_with_the_right_best_prices(tmp_path: Path) -> None:
    """Through a gap, a connection that broke and a snapshot that came too early."""
    done = lambda recorder: recorder.sequence == 32  # noqa: E731
    progress, stand_in = asyncio.run(recorded(tmp_path / "r", done, first_connection, second_connection))
    assert (progress.snapshots, progress.gaps, progress.connections) == (3, 1, 2)
    assert stand_in.subscriptions == 2 * [
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["full", "heartbeat"]}
    ]
    (path,) = progress.files
    assert list((tmp_path / "r").iterdir()) == [path]
    assert progress.bytes_written == path.stat().st_size
    assert path.name.startswith("coinbase-BTC-USD-20")
    source = CoinbaseSource(str(path), 0.01)
    events, stream = read(source)
    assert stream.counts["gap_in_sequence"] == 2
    assert sum(action == "R" for _, action, *_ in events) == 3

    built = build(Lake(tmp_path / "lake"), source, LatticeParameters(cell_width_ms=1000), dataset_id="recorded")
    bins = pq.read_table(built.path / "bins.parquet").to_pydict()
    rows = zip(*(bins[name] for name in ("bin_end_ns", "best_bid_price_int", "best_ask_price_int")), strict=True)
    best = {round((end - START) / 1e9): (bid / 1e9, ask / 1e9) for end, bid, ask in rows}
    assert {second: best[second] for second in (1, 2, 3, 7, 8)} == {
        1: (100.0, 101.0),
        2: (100.25, 101.0),
        3: (100.25, 100.75),
        7: (98.6, 98.75),
        8: (98.65, 98.75),
    }


def test_every_line_is_the_message_as_it_came_in_its_envelope(tmp_path: Path) -> None:
    """With the time it was received; a snapshot says which product it is of, for its own text does not."""
    odd = '{"type": "open",\n "sequence": 10, "product_id": "BTC-USD", "time": "2024-01-01T00:00:00Z", "price": 1.50}'

    async def script(stand_in: StandIn, connection: ServerConnection) -> None:
        stand_in.book = coinbase_snapshot(10, 0, [], [])
        await connection.send(odd)
        await until_written(stand_in, connection, 1)
        await send(connection, opened(11, 0, "1"))
        await connection.wait_closed()

    progress, _ = asyncio.run(
        recorded(tmp_path, lambda recorder: recorder.progress.snapshots == 1 and recorder.sequence == 11, script)
    )
    first, *rest = messages_in(progress.files[0])
    assert set(first) == {"received_ns", "message"}
    assert first["message"] == json.loads(odd)
    (snapshot,) = [line for line in rest if "symbol" in line]
    assert (snapshot["symbol"], snapshot["message"]) == ("BTC-USD", coinbase_snapshot(10, 0, [], []))
    assert first["received_ns"] < snapshot["received_ns"]


def test_a_file_that_is_large_enough_is_followed_by_another_with_its_own_snapshot(tmp_path: Path) -> None:
    """Each can be read by itself, and none replaces another."""

    async def script(stand_in: StandIn, connection: ServerConnection) -> None:
        sequence = 0
        while True:
            sequence += 1
            stand_in.book = coinbase_snapshot(sequence, sequence, BIDS, ASKS)
            await send(connection, opened(sequence, sequence % 50, "1"))
            if sequence % 5 == 0:
                await asyncio.sleep(0)

    def enough(recorder: Recorder) -> bool:
        return len(recorder.progress.files) >= 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vpharness.recording.message_file.FLUSH_SECONDS", 0.0)
        progress, _ = asyncio.run(recorded(tmp_path, enough, script, rotate_bytes=2_000))
    assert len(progress.files) >= 3
    assert sorted(tmp_path.iterdir()) == sorted(progress.files)
    assert sum(path.stat().st_size for path in progress.files) == progress.bytes_written


def test_a_key_signs_the_subscription_and_the_snapshot_and_is_written_nowhere(tmp_path: Path) -> None:
    """As the exchange documents: HMAC-SHA-256 of time, method and path, in base64."""

    async def script(stand_in: StandIn, connection: ServerConnection) -> None:
        stand_in.book = coinbase_snapshot(10, 0, [], [])
        await send(connection, opened(10, 0, "1"))
        await until_written(stand_in, connection, 1)
        await send(connection, opened(11, 0, "1"))
        await connection.wait_closed()

    done = lambda recorder: recorder.progress.snapshots == 1 and recorder.sequence == 11  # noqa: E731
    progress, stand_in = asyncio.run(recorded(tmp_path, done, script, key=KEY))
    (asked,) = stand_in.subscriptions
    signed = f"{asked['timestamp']}GET/users/self/verify".encode()
    expected = base64.b64encode(hmac.digest(b"secret", signed, hashlib.sha256)).decode()
    assert (asked["key"], asked["passphrase"], asked["signature"]) == ("name", "pass", expected)
    headers = {name.lower(): value for name, value in stand_in.headers[0].items()}
    signed = f"{headers['cb-access-timestamp']}GET/products/BTC-USD/book?level=3".encode()
    assert headers["cb-access-sign"] == base64.b64encode(hmac.digest(b"secret", signed, hashlib.sha256)).decode()
    assert "pass" not in json.dumps(messages_in(progress.files[0]))
    assert "secret" not in repr(KEY)


def test_a_subscription_that_is_refused_ends_the_recording_with_the_reason(tmp_path: Path) -> None:
    """Asking again would be refused again; what an exchange says is shown, and no file is left."""

    async def script(_: StandIn, connection: ServerConnection) -> None:
        await send(connection, {"type": "error", "message": "Failed to subscribe", "reason": "authentication required"})
        await connection.wait_closed()

    with pytest.raises(FeedError, match="Failed to subscribe: authentication required; a key in COINBASE_API_KEY"):
        asyncio.run(recorded(tmp_path, lambda _: False, script))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.FOUND, HTTPStatus.PERMANENT_REDIRECT])
def test_a_websocket_that_redirects_is_not_followed(tmp_path: Path, status: HTTPStatus) -> None:
    """The subscription holds the key: nothing is sent, neither there nor elsewhere, and the recording ends."""
    sent: list[StandIn] = []

    async def script(stand_in: StandIn, _: ServerConnection) -> None:
        sent.append(stand_in)

    with pytest.raises(FeedError, match=rf"redirects \(HTTP status {status}\), which is not followed; give url="):
        asyncio.run(recorded(tmp_path, lambda r: r.progress.connections > 0, script, redirects=status, key=KEY))
    assert sent == []


def test_what_is_sent_to_this_machine_passes_through_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment would get the key unencrypted; here it is one that nobody could reach."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def script(stand_in: StandIn, connection: ServerConnection) -> None:
        stand_in.book = coinbase_snapshot(10, 0, [], [])
        await send(connection, opened(10, 0, "1"))
        await until_written(stand_in, connection, 1)
        await send(connection, opened(11, 0, "1"))
        await connection.wait_closed()

    done = lambda recorder: recorder.progress.snapshots == 1 or "again" in recorder.progress.state  # noqa: E731
    progress, _ = asyncio.run(recorded(tmp_path, done, script, key=KEY))
    assert (progress.state, progress.snapshots) == ("recording", 1)


@pytest.mark.parametrize(
    ("status", "limit", "complaint"),
    [
        (HTTPStatus.UNAUTHORIZED, 1 << 20, "refuses the snapshot with HTTP status 401"),
        (HTTPStatus.FOUND, 1 << 20, "refuses the snapshot with HTTP status 302"),
        (HTTPStatus.OK, 700, "the snapshot has more than"),
    ],
)
def test_a_snapshot_that_cannot_be_had_ends_the_recording(
    tmp_path: Path, status: HTTPStatus, limit: int, complaint: str
) -> None:
    """A refusal, or an answer beyond the limit; what was recorded is a whole file."""

    async def script(stand_in: StandIn, connection: ServerConnection) -> None:
        stand_in.book, stand_in.status = coinbase_snapshot(1, 0, 20 * BIDS, ASKS), status
        for sequence in range(1, 10_000):
            await send(connection, opened(sequence, 0, "1"))
            await asyncio.sleep(0.005)

    with pytest.raises(FeedError, match=complaint):
        asyncio.run(recorded(tmp_path, lambda _: False, script, largest_message_bytes=limit))
    (path,) = tmp_path.iterdir()
    assert messages_in(path)[0]["message"]["sequence"] == 1


def test_a_message_beyond_the_limit_breaks_the_connection_and_is_not_written(tmp_path: Path) -> None:
    """The recorder connects again."""

    async def script(_: StandIn, connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "x" * 2_000}))
        await connection.wait_closed()

    progress, _ = asyncio.run(
        recorded(tmp_path, lambda recorder: recorder.progress.connections >= 3, script, largest_message_bytes=1_000)
    )
    assert progress.messages == 0
    assert progress.files == []


def test_no_name_is_taken_twice(tmp_path: Path) -> None:
    """Not that of a finished file, and not that of one being written."""
    times = iter([1.0, 1.0, 2.0, 2.0, 3.0])
    now = lambda: next(times)  # noqa: E731
    first = new_message_file(tmp_path, "x", "gzip", now)
    second = new_message_file(tmp_path, "x", "gzip", now)
    assert second.path.name == "x-19700101T000002.000000Z.jsonl.gz"
    first.write(b"{}")
    assert first.close() == tmp_path / "x-19700101T000001.000000Z.jsonl.gz"
    second.write(b"{}")
    second.path.write_bytes(b"another's")
    with pytest.raises(FileExistsError):
        second.close()
    assert second.path.read_bytes() == b"another's"
    assert second.unfinished.name.endswith(UNFINISHED)


def test_a_key_is_whole_or_absent_and_never_sent_in_the_clear() -> None:
    """But to this machine."""
    assert key_in({}) is None
    full = {"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": "c2VjcmV0", "COINBASE_API_PASSPHRASE": "p"}
    assert key_in(full) == Key("k", b"secret", "p")
    with pytest.raises(ConfigError, match="not set: COINBASE_API_SECRET, COINBASE_API_PASSPHRASE"):
        key_in({"COINBASE_API_KEY": "k"})
    with pytest.raises(ConfigError, match="COINBASE_API_SECRET is no base64"):
        key_in({**full, "COINBASE_API_SECRET": "?"})
    check_urls("ws://127.0.0.1:1", "http://localhost:1", KEY)
    check_urls("ws://elsewhere", "https://elsewhere", None)
    with pytest.raises(ConfigError, match="url is 'ws://elsewhere', which would carry your key unencrypted"):
        check_urls("ws://elsewhere", "https://elsewhere", KEY)
    with pytest.raises(ConfigError, match="rest_url is 'file:///etc'; expected an address"):
        check_urls("wss://elsewhere", "file:///etc", None)


@pytest.mark.parametrize("odd", ["\r", "\n", "\u00e9", "\x00", "\u2028"])
@pytest.mark.parametrize("name", ["COINBASE_API_KEY", "COINBASE_API_SECRET", "COINBASE_API_PASSPHRASE"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(name: str, odd: str) -> None:
    """A file of variables written on Windows leaves a return behind each."""
    full = {"COINBASE_API_KEY": "mine", "COINBASE_API_SECRET": "bWluZQ==", "COINBASE_API_PASSPHRASE": "mine"}
    with pytest.raises(ConfigError, match=f"{name} holds a character that no key has") as caught:
        key_in({**full, name: full[name] + odd})
    assert full[name] not in str(caught.value)


def test_a_snapshot_that_cannot_be_asked_for_shows_no_key(tmp_path: Path) -> None:
    """Whatever the library that sends it says of its headers."""
    settings = RecorderSettings(
        "BTC-USD", tmp_path, "ws://127.0.0.1:1", "http://127.0.0.1:1", Key("a\rb", b"s", "pass")
    )
    with pytest.raises(FeedError, match="the snapshot cannot be asked for: look at source") as c:
        Recorder(settings, lambda _: None)._fetch()
    assert c.value.__cause__ is None
    assert c.value.__suppress_context__
    assert "pass" not in str(c.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "[bad",
        "//[bad",
        f"//{'a' * 64}",
        "//",
        "//host:999999/",
        "//host:x",
        "//host:0",
        "//h\u00f6st",
        "//a b",
        "//a#b",
    ],
)
def test_an_address_that_is_none_is_refused_in_one_line(address: str) -> None:
    """Whatever is wrong with it: brackets, port, letters."""
    for key in (None, KEY):
        with pytest.raises(ConfigError, match=r"^url is 'ws:.*; expected an address that begins with wss://, such as"):
            check_urls(f"ws:{address}", "https://elsewhere", key)
        with pytest.raises(ConfigError, match=r"^rest_url is 'http:.*; expected an address that begins with https://"):
            check_urls("wss://elsewhere", f"http:{address}", key)


@pytest.mark.parametrize("symbol", [None, "", "BTC", "../x-y", "btc-usd", "BTC-USD/x"])
def test_a_product_is_named_as_the_exchange_does(symbol: str | None) -> None:
    """It becomes part of a file's name and of an address."""
    with pytest.raises(ConfigError, match="expected the id of a product, such as BTC-USD"):
        check_symbol(symbol)
