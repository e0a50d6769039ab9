"""What can be asked over HTTP: the page, the configuration, what has been promoted, health and figures."""

import asyncio
import logging
import re
from typing import Any, Final

from sanic import HTTPResponse, Request, Sanic, raw, redirect
from sanic import json as json_answer
from sanic import text as text_answer
from sanic.exceptions import NotFound, PayloadTooLarge, SanicException

from runtime.door import Door
from runtime.guard import COOKIE, HEADERS, Guard
from runtime.hub import Hub
from runtime.messages import without_nan
from runtime.metrics import metrics_text
from runtime.page_files import INDEX, page_files
from runtime.stream import stream
from runtime.telling import reasons_not_ready, runtime_config
from vpharness.errors import VpharnessError
from vpharness.promotion.serving import history

log = logging.getLogger(__name__)

_FORWARDED_HTTPS: Final = re.compile(r'[^,]*\bproto="?https\b', re.IGNORECASE)
"""In a header Forwarded: the proxy that the browser asked comes first."""

_OPEN: frozenset[str] = frozenset({"/healthz"})
"""What may be asked without a token: it says nothing but that somebody is there."""


def add_endpoints(app: Sanic[Any, Any]) -> None:
    """Add every route, and the checks before each of them."""
    app.on_request(check)
    app.on_response(add_headers)  # type: ignore[no-untyped-call]  # Sanic has it untyped
    app.add_websocket_route(stream, "/v1/stream")
    app.add_route(get_config, "/v1/config")
    app.add_route(get_promotion, "/v1/promotion")
    app.add_route(get_health, "/healthz")
    app.add_route(get_readiness, "/readyz")
    app.add_route(get_metrics, "/metrics")
    app.add_route(get_page, "/")
    app.add_route(get_page_file, "/<path:path>")
    app.ctx.page = page_files()
    app.error_handler.add(SanicException, refused)
    app.error_handler.add(VpharnessError, unavailable)
    app.error_handler.add(Exception, failed)


async def check(request: Request) -> HTTPResponse | None:
    """Let a request in, or answer why not."""
    if not request.head:
        return None  # nothing that could be let in: what is wrong with it is answered by `refused`
    door: Door = request.app.ctx.door
    refusal = refused_by(request, request.app.ctx.guard)
    if not await door.asks(door.address_of(request)):
        refusal = text_answer("too many requests; try again in a few seconds", status=429)
    if refusal is not None:
        request.stream.keep_alive = False  # type: ignore[union-attr]  # a request that comes has one
    return refusal


def refused_by(request: Request, guard: Guard) -> HTTPResponse | None:
    """Return the answer to a request that a guard does not let in, or whose token is taken into a cookie."""
    shown = request.args.get("token") if request.path == "/" else None
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        status, why = 413, "requests have no body here"
    elif guard.refuses_host(request.host):
        status, why = 421, "the server is asked for by a name that is not its own"
    elif guard.refuses_origin(request.headers.get("origin"), request.host):
        status, why = 403, "pages of other sites may not ask"
    elif request.path in _OPEN:
        return None
    elif shown is not None and guard.is_token(shown):
        return _with_cookie(shown, is_secure=is_https(request))
    elif guard.refuses_token(request.headers.get("authorization"), request.cookies.get(COOKIE)):
        status, why = 401, "a token is needed: Authorization: Bearer TOKEN, or /?token=TOKEN for the page"
    else:
        return None
    return text_answer(why, status=status)


def _with_cookie(token: str, *, is_secure: bool) -> HTTPResponse:
    """Return the answer by which the token leaves the address at once; the page shows it as a cookie from then on."""
    answer = redirect("/", status=303)
    answer.add_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=is_secure, path="/")
    return answer


def is_https(request: Request) -> bool:
    """Whether a browser has asked over TLS, of this server or of a proxy in front of it."""
    said = request.headers.get("x-forwarded-proto", "").partition(",")[0]
    return (
        request.scheme == "https"
        or said.strip().lower() == "https"
        or _FORWARDED_HTTPS.match(request.headers.get("forwarded", "")) is not None
    )


async def add_headers(_request: Request, response: HTTPResponse) -> None:
    """Say to browsers what a page of this server may do: nothing but talk to it."""
    if response is not None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


async def refused(request: Request, problem: SanicException) -> HTTPResponse:
    """Answer in one line where something cannot be had."""
    # Sanic knows one status for what is too large: here it is the head of a request that never came to be one.
    status = 431 if isinstance(problem, PayloadTooLarge) and not request.head else problem.status_code
    return text_answer(str(problem).splitlines()[0][:200] if str(problem) else "no", status=status)


async def unavailable(_request: Request, problem: VpharnessError) -> HTTPResponse:
    """Answer in one line where what is asked for is damaged or cannot be read."""
    return text_answer(" ".join(str(problem).split())[:500], status=503)


async def failed(request: Request, problem: Exception) -> HTTPResponse:
    """Tell of a fault of this code in the log, without the query, which may hold a token; answer that there is one."""
    log.error("%s %s failed", request.method, request.path, exc_info=problem)
    return text_answer("the server has failed to answer; why stands in its log", status=500)


async def get_config(request: Request) -> HTTPResponse:
    """Return what is served, as a client of all columns is told it."""
    hub: Hub = request.app.ctx.hub
    return json_answer(without_nan(runtime_config(hub, hub.configuration, hub.columns)))


async def get_promotion(request: Request) -> HTTPResponse:
    """Return the record of what is served with its evidence, what was refused, and the history of the instrument."""
    hub: Hub = request.app.ctx.hub
    entries = await asyncio.to_thread(history, request.app.ctx.lake, request.app.ctx.instrument)
    return json_answer(
        without_nan(
            {
                "record": hub.champion.record.values(),
                "refusals": hub.refusals,
                "history": [vars(entry) for entry in entries],
            }
        )
    )


async def get_health(_request: Request) -> HTTPResponse:
    """Say that the server answers."""
    return json_answer({"healthy": True})


async def get_readiness(request: Request) -> HTTPResponse:
    """Say whether the stream can be relied on, and why not."""
    reasons = reasons_not_ready(request.app.ctx.hub)
    return json_answer({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


async def get_metrics(request: Request) -> HTTPResponse:
    """Return the figures for Prometheus."""
    return text_answer(metrics_text(request.app.ctx.registry), content_type="text/plain; version=0.0.4; charset=utf-8")


async def get_page(request: Request) -> HTTPResponse:
    """Return the page."""
    return await get_page_file(request, INDEX)


async def get_page_file(request: Request, path: str) -> HTTPResponse:
    """Return a file of the page."""
    found = request.app.ctx.page.get(path)
    if found is None:
        raise NotFound(f"there is no /{path[:100]}")
    return raw(found.body, content_type=found.content_type)
