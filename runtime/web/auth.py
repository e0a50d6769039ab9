"""Authorisation: tokens, origins and host names that a request must have."""

import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runtime.config.server_parameters import TOKEN_VARIABLE, RuntimeParameters
from vpharness.errors import ConfigError

LEAST_TOKEN: Final = 16
COOKIE: Final = "vpharness_token"

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Security headers of every answer."""

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def required_token(settings: RuntimeParameters) -> str | None:
    """Return the token that clients must show, from a file or the environment; None where there is none.

    Raises ConfigError where the server listens beyond loopback without one, or it is too short to be a secret.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    if settings.token_file is not None:
        try:
            token = Path(settings.token_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise ConfigError(f"runtime.token_file is {settings.token_file}, which cannot be read: {error}") from error
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii()):
        raise ConfigError(f"the token has {len(token)} characters; at least {LEAST_TOKEN}, in ASCII, are needed")
    if token is None and not settings.is_loopback:
        raise ConfigError(
            f"runtime.host is {settings.host}, which others can reach: set {TOKEN_VARIABLE} or runtime.token_file, or "
            "listen at 127.0.0.1"
        )
    return token


@dataclass(frozen=True)
class AccessPolicy:
    """The rules by which a request is let in.

    Attributes:
        token: what must be shown; None where nothing need be, on loopback.
        origins: web origins beside the server's own.
        is_loopback: whether the server listens for this machine alone.
    """

    token: str | None
    origins: frozenset[str]
    is_loopback: bool

    def refuses_host(self, host: str) -> bool:
        """Return whether a request addresses the server by a name that is not its own.

        On loopback a page from elsewhere whose name has been pointed at 127.0.0.1 is kept out by this.
        """
        return self.is_loopback and _parts(f"//{host}")[1] not in _LOOPBACK_NAMES

    def refuses_origin(self, origin: str | None, host: str) -> bool:
        """Return whether a browser asks for a page of another site; other programs send no origin."""
        return origin is not None and origin not in self.origins and _parts(origin)[0] != host

    def refuses_token(self, authorization: str | None, cookie: str | None) -> bool:
        """Return whether neither a header `Authorization: Bearer TOKEN` nor the page's cookie holds the token."""
        if self.token is None:
            return False
        scheme, _, shown = (authorization or "").partition(" ")
        return not ((scheme == "Bearer" and self.is_token(shown)) or self.is_token(cookie or ""))

    def is_token(self, shown: str) -> bool:
        """Return whether a text is the token, in a time that does not reveal how much of it is right."""
        if self.token is None:
            return False
        return hmac.compare_digest(shown.encode(errors="surrogateescape"), self.token.encode())


def _parts(address: str) -> tuple[str | None, str | None]:
    """Return the host with its port, and the host alone, of an address; None where it is none."""
    try:
        found = urlsplit(address)
        return found.netloc or None, found.hostname
    except ValueError:
        return None, None
