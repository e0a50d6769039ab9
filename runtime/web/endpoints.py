"""The HTTP endpoints: the page, its documentation, the board, configuration, promotion, health and metrics."""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from sanic import HTTPResponse, Request, Sanic, raw, redirect
from sanic import json as json_answer
from sanic import text as text_answer
from sanic.exceptions import NotFound, PayloadTooLarge, SanicException

from runtime.stream.status import reasons_not_ready, runtime_config
from runtime.web.admission import AdmissionControl
from runtime.web.auth import COOKIE, HEADERS, AccessPolicy
from runtime.web.board import add_board
from runtime.web.docs_pages import DOCS_FOLDER, FIGURE_HEADERS, docs_files
from runtime.web.metrics import metrics_text
from runtime.web.page_files import INDEX, page_files
from runtime.web.sanic_adapter import close_after_answer
from runtime.web.served_feed import ServedFeed, feed_named
from runtime.web.stream_endpoint import serve_stream
from vpharness.errors import ConfigError, VpharnessError
from vpharness.evaluation.figure_registry import json_values
from vpharness.promotion.serving import history

log = logging.getLogger(__name__)

_FORWARDED_HTTPS: Final = re.compile(r'[^,]*\bproto="?https\b', re.IGNORECASE)
"""In a header Forwarded: the proxy that the browser asked comes first."""

_OPEN: frozenset[str] = frozenset({"/healthz"})
"""Paths that need no token: they reveal nothing but that a server is there."""


def add_endpoints(app: Sanic[Any, Any]) -> None:
    """Register every route, the checks before each of them, and the answers to errors."""
    app.on_request(check_request)
    app.on_response(add_headers)  # type: ignore[no-untyped-call]  # Sanic has it untyped
    app.add_websocket_route(serve_stream, "/v1/stream")
    app.add_route(get_feeds, "/v1/feeds")
    app.add_route(get_config, "/v1/config")
    app.add_route(get_promotion, "/v1/promotion")
    app.add_route(get_health, "/healthz")
    app.add_route(get_readiness, "/readyz")
    app.add_route(get_metrics, "/metrics")
    app.add_route(get_docs, "/docs")
    app.add_route(get_docs_file, "/docs/<path:path>")
    add_board(app, app.ctx.lake.root)
    app.add_route(get_page, "/")
    app.add_route(get_page_file, "/<path:path>")
    app.ctx.page = page_files()
    app.ctx.docs_folder = DOCS_FOLDER
    app.error_handler.add(SanicException, refused)
    app.error_handler.add(VpharnessError, unavailable)
    app.error_handler.add(Exception, failed)


async def check_request(request: Request) -> HTTPResponse | None:
    """Return None for a request that is admitted, and the answer with the reason for any other."""
    if not request.head:
        return None  # nothing that could be let in: what is wrong with it is answered by `refused`
    admission: AdmissionControl = request.app.ctx.admission
    refusal = refused_by(request, request.app.ctx.access)
    if not await admission.asks(admission.address_of(request)):
        refusal = text_answer("too many requests; try again in a few seconds", status=429)
    if refusal is not None:
        close_after_answer(request)
    return refusal


def refused_by(request: Request, access: AccessPolicy) -> HTTPResponse | None:
    """Return the answer to a request that is not authorised, or whose token is moved into a cookie; else None."""
    shown = request.args.get("token") if request.path == "/" else None
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        status, why = 413, "requests have no body here"
    elif access.refuses_host(request.host):
        status, why = 421, "the server is asked for by a name that is not its own"
    elif access.refuses_origin(request.headers.get("origin"), request.host):
        status, why = 403, "pages of other sites may not ask"
    elif request.path in _OPEN:
        return None
    elif shown is not None and access.is_token(shown):
        return _with_cookie(shown, is_secure=is_https(request))
    elif access.refuses_token(request.headers.get("authorization"), request.cookies.get(COOKIE)):
        status, why = 401, "a token is needed: Authorization: Bearer TOKEN, or /?token=TOKEN for the page"
    else:
        return None
    return text_answer(why, status=status)


def _with_cookie(token: str, *, is_secure: bool) -> HTTPResponse:
    """Return the redirect that moves the token from the address, where it would stay visible, into a cookie."""
    answer = redirect("/", status=303)
    answer.add_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=is_secure, path="/")
    return answer


def is_https(request: Request) -> bool:
    """Whether a request came over TLS, to this server or to a proxy in front of it."""
    said = request.headers.get("x-forwarded-proto", "").partition(",")[0]
    return (
        request.scheme == "https"
        or said.strip().lower() == "https"
        or _FORWARDED_HTTPS.match(request.headers.get("forwarded", "")) is not None
    )


async def add_headers(_request: Request, response: HTTPResponse) -> None:
    """Add the headers that allow a page of this server to talk to it and nothing else."""
    if response is not None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


async def refused(request: Request, problem: SanicException) -> HTTPResponse:
    """Return one line for a request that cannot be answered."""
    # Sanic knows one status for what is too large: here it is the head of a request that never came to be one.
    status = 431 if isinstance(problem, PayloadTooLarge) and not request.head else problem.status_code
    return text_answer(str(problem).splitlines()[0][:200] if str(problem) else "no", status=status)


async def unavailable(_request: Request, problem: VpharnessError) -> HTTPResponse:
    """Return one line where the data asked for are damaged or cannot be read."""
    return text_answer(" ".join(str(problem).split())[:500], status=503)


async def failed(request: Request, problem: Exception) -> HTTPResponse:
    """Log an unexpected error, without the query, which may hold a token, and answer that there was one."""
    log.error("%s %s failed", request.method, request.path, exc_info=problem)
    return text_answer("the server has failed to answer; its log has the reason", status=500)


async def get_feeds(request: Request) -> HTTPResponse:
    """Return the feeds that are served, and how each stands."""
    return json_answer({"feeds": [feed_facts(each) for each in _feeds(request).values()]})


def feed_facts(feed: ServedFeed) -> dict[str, Any]:
    """Return the fields that describe a feed that is served."""
    stream, health = feed.stream, feed.stream.health
    reasons = reasons_not_ready(stream)
    return {
        "name": feed.name or None,
        "instrument": stream.facts.instrument,
        "kind": stream.facts.kind,
        "live": stream.facts.live,
        "stream": stream.stream_id,
        "version": stream.champion.record.version,
        "signal": stream.champion.live.scorer.name,
        "state": health.state,
        "problem": health.problem,
        "bins": health.bins,
        "clients": len(stream.clients),
        "ready": not reasons,
        "reasons": reasons,
    }


async def get_config(request: Request) -> HTTPResponse:
    """Return the `runtime_config` of a client of all columns."""
    stream = _feed(request).stream
    return json_answer(json_values(runtime_config(stream, stream.configuration, stream.columns)))


async def get_promotion(request: Request) -> HTTPResponse:
    """Return the served record with its evidence, refused versions, and the history of the instrument."""
    feed = _feed(request)
    entries = await asyncio.to_thread(history, request.app.ctx.lake, feed.setup.instrument)
    return json_answer(
        json_values(
            {
                "record": feed.stream.champion.record.values(),
                "refusals": feed.stream.refusals,
                "history": [vars(entry) for entry in entries],
            }
        )
    )


async def get_health(_request: Request) -> HTTPResponse:
    """Return that the server answers."""
    return json_answer({"healthy": True})


async def get_readiness(request: Request) -> HTTPResponse:
    """Return whether a feed, or every feed, can be relied on, and the reasons where one cannot."""
    if "feed" in request.args:
        reasons = reasons_not_ready(_feed(request).stream)
    else:
        reasons = [
            f"{each.name}: {reason}" if each.name else reason
            for each in _feeds(request).values()
            for reason in reasons_not_ready(each.stream)
        ]
    return json_answer({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


def _feeds(request: Request) -> Mapping[str, ServedFeed]:
    feeds: Mapping[str, ServedFeed] = request.app.ctx.feeds
    return feeds


def _feed(request: Request) -> ServedFeed:
    """Return the feed that a request names with `feed=`, or the first; NotFound for a name that is none's."""
    try:
        return feed_named(_feeds(request), request.args.get("feed"))
    except ConfigError as error:
        raise NotFound(str(error)) from error


async def get_metrics(request: Request) -> HTTPResponse:
    """Return the metrics for Prometheus."""
    return text_answer(metrics_text(request.app.ctx.registry), content_type="text/plain; version=0.0.4; charset=utf-8")


async def get_page(request: Request) -> HTTPResponse:
    """Return the page."""
    return await get_page_file(request, INDEX)


async def get_page_file(request: Request, path: str) -> HTTPResponse:
    """Return a file of the page."""
    found = request.app.ctx.page.get(path)
    if found is None:
        raise NotFound(f"there is no /{path[:100]}; the stream's messages and all addresses are described at /docs")
    return raw(found.body, content_type=found.content_type)


async def get_docs(request: Request) -> HTTPResponse:
    """Return the first page of the documentation, at an address below which its links lead to the others."""
    if not request.path.endswith("/"):
        query = f"?{request.query_string}" if request.query_string else ""
        return redirect(f"docs/{query}")  # relative: a proxy may serve all of this below a path of its own
    return await get_docs_file(request, "")


async def get_docs_file(request: Request, path: str) -> HTTPResponse:
    """Return a page or a figure of the documentation."""
    files = await asyncio.to_thread(docs_files, request.app.ctx.docs_folder)
    if not files:
        raise NotFound("the documentation is not installed: the package has no folder vpharness/docs")
    found = files.get(path)
    if found is None:
        raise NotFound(f"there is no page /docs/{path[:100]}; /docs lists those that there are")
    headers = FIGURE_HEADERS if found.content_type.startswith("image/") else None
    return raw(found.body, headers=headers, content_type=found.content_type)
