"""What a recorder says to Coinbase Exchange, and what it must understand of its answers.

The websocket is documented at https://docs.cdp.coinbase.com/exchange/websocket-feed/overview, and its authentication,
which the exchange asks of the channel `full` and of the level 3 order book, at
https://docs.cdp.coinbase.com/exchange/rest-api/authentication.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from vpharness.errors import ConfigError

WEBSOCKET_URL: Final = "wss://ws-feed.exchange.coinbase.com"
REST_URL: Final = "https://api.exchange.coinbase.com"
VARIABLES: Final = ("COINBASE_API_KEY", "COINBASE_API_SECRET", "COINBASE_API_PASSPHRASE")
"""Environment variables that hold a key; without all three the recorder asks without one."""

_SYMBOL: Final = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Heard(msgspec.Struct, frozen=True):
    """What a recorder reads of a message."""

    type: str | None = None
    product_id: str | None = None
    sequence: int | None = None
    message: str | None = None
    reason: str | None = None


_DECODER: Final = msgspec.json.Decoder(Heard)


@dataclass(frozen=True)
class Key:
    """A key of the exchange, which signs what is asked; its parts are written nowhere."""

    key: str
    secret: bytes
    passphrase: str

    def __repr__(self) -> str:
        return "Key(…)"

    def signature(self, timestamp: str, method: str, path: str) -> str:
        """Return the signature of a request: HMAC-SHA-256 of time, method and path."""
        digest = hmac.digest(self.secret, f"{timestamp}{method}{path}".encode(), hashlib.sha256)
        return base64.b64encode(digest).decode()


def key_in(environment: Mapping[str, str]) -> Key | None:
    """Return the key that environment variables hold; None where none of them is set."""
    found = [environment.get(name, "") for name in VARIABLES]
    if not any(found):
        return None
    if not all(found):
        absent = ", ".join(name for name, value in zip(VARIABLES, found, strict=True) if not value)
        raise ConfigError(f"a key of Coinbase needs {', '.join(VARIABLES)}; not set: {absent}")
    for name, value in zip(VARIABLES, found, strict=True):
        if not (value.isascii() and value.isprintable()):  # an HTTP header cannot hold it, and says so with the value
            raise ConfigError(
                f"{name} holds a character that no key has, such as the end of a line; set it to the text that the "
                "exchange shows, and nothing else"
            )
    try:
        secret = base64.b64decode(found[1], validate=True)
    except ValueError:  # binascii.Error is one
        raise ConfigError(f"{VARIABLES[1]} is no base64 text; it is the secret as the exchange shows it") from None
    return Key(found[0], secret, found[2])


def check_urls(url: str, rest_url: str, key: Key | None) -> None:
    """Raise ConfigError where an address is none, or would carry a key unencrypted to another machine."""
    for name, value, schemes in (("url", url, ("wss", "ws")), ("rest_url", rest_url, ("https", "http"))):
        if not _is_address(value, schemes):
            raise ConfigError(
                f"{name} is {value!r}; expected an address that begins with {schemes[0]}://, such as "
                f"{WEBSOCKET_URL if name == 'url' else REST_URL}"
            )
        parts = urlsplit(value)
        if key is not None and parts.scheme == schemes[1] and not is_loopback(value):
            raise ConfigError(f"{name} is {value!r}, which would carry your key unencrypted; use {schemes[0]}://")


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine itself, so that nothing sent there may pass through another."""
    return urlsplit(address).hostname in _LOOPBACK


def _is_address(value: str, schemes: tuple[str, str]) -> bool:
    """Whether a text is an address of one of two schemes, with a host, and a port where it names one."""
    try:
        parts = urlsplit(value)
        is_plain = value.isascii() and value.isprintable() and " " not in value and not parts.fragment
        is_host = bool((parts.hostname or "").encode("idna"))
        return parts.scheme in schemes and is_host and parts.port != 0 and is_plain
    except ValueError:  # of a host that is none, or of a port that is no number up to 65535
        return False


def check_symbol(symbol: str | None) -> str:
    """Return a product's id, or raise ConfigError where it is none."""
    if symbol is None or not _SYMBOL.fullmatch(symbol):
        raise ConfigError(f"source.symbol is {symbol!r}; expected the id of a product, such as BTC-USD")
    return symbol


def subscription(symbol: str, key: Key | None, timestamp: str) -> str:
    """Return the message that asks for every order of a product, and for heartbeats, so that silence is noticed."""
    message = {"type": "subscribe", "product_ids": [symbol], "channels": ["full", "heartbeat"]}
    if key is not None:
        message |= {
            "key": key.key,
            "passphrase": key.passphrase,
            "timestamp": timestamp,
            "signature": key.signature(timestamp, "GET", "/users/self/verify"),
        }
    return json.dumps(message)


def snapshot_request(rest_url: str, symbol: str, key: Key | None, timestamp: str) -> tuple[str, dict[str, str]]:
    """Return the address of a product's whole book, order by order, and the headers to ask with."""
    path = f"/products/{quote(symbol, safe='')}/book?level=3"
    headers = {"User-Agent": "vpharness", "Accept": "application/json"}
    if key is not None:
        headers |= {
            "CB-ACCESS-KEY": key.key,
            "CB-ACCESS-PASSPHRASE": key.passphrase,
            "CB-ACCESS-TIMESTAMP": timestamp,
            "CB-ACCESS-SIGN": key.signature(timestamp, "GET", path),
        }
    return rest_url.rstrip("/") + path, headers


def heard(message: bytes | str) -> Heard:
    """Return what a recorder reads of a message; msgspec's DecodeError where it is no JSON object."""
    return _DECODER.decode(message)
