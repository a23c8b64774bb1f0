"""Around every request: its id, security headers, figures, and the answer when something breaks."""

import asyncio
import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.tables import new_id
from db.tracing import trace
from settings.logs import about, learned

from ..monitoring.metrics import Metrics
from ..problems.common import HEADERS_TOO_LARGE, INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE
from ..problems.problem import ApiProblem, problem_response

log = logging.getLogger(__name__)

_TOO_LONG = "It took too long. Send the same request again; nothing is done twice."
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""A year in which browsers come by https alone. Of this host: what else is below its domain isn't ours."""

MAX_HEADER_BYTES = 32 * 1024
ANSWER_BEGUN_WITHIN = 60.0
"""Seconds from the headers to the beginning of the answer, the body included; a file may take longer."""


UNTRACED = frozenset({"/healthz", "/readyz"})
"""What only watches this process, every few seconds."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Any other is a stranger's word."""


class RequestMiddleware:
    """The outermost middleware: nothing raised inside reaches the server or the caller."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, over_tls: bool = False) -> None:
        """`over_tls`: people and customers reach us by https."""
        self._app = app
        self._metrics = metrics
        self._headers = _HEADERS | (OVER_TLS if over_tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["path"] in UNTRACED:
            with about(request=request_id):
                await self._answered(scope, receive, send, request_id, INVALID_SPAN)
            return
        with trace.arrived("request") as span, about(request=request_id):
            trace.link(span, Headers(scope=scope).get("traceparent"))
            span.set_attribute("plixo.request", request_id)
            await self._answered(scope, receive, send, request_id, span)

    async def _answered(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, span: Span
    ) -> None:
        status: int | None = None
        began = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if (operation := _started(scope, message)) is not None:
                    learned(operation=operation)
                    span.set_attribute("plixo.operation", operation)
                self._add_headers(message, request_id)
            await send(message)

        async def send_in_time(message: Message) -> None:
            limit.reschedule(None)
            await send_with_headers(message)

        async def refuse(problem: ApiProblem) -> None:
            await problem_response(request_id, problem)(scope, receive, send_with_headers)

        limit = asyncio.timeout(ANSWER_BEGUN_WITHIN)
        try:
            async with limit:
                if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
                    await refuse(ApiProblem.of(HEADERS_TOO_LARGE, headers={"Connection": "close"}))
                else:
                    await self._app(scope, receive, send_in_time)
        except Exception:
            if status is None and limit.expired():
                log.error("gave up after %.0f s: %s %s", ANSWER_BEGUN_WITHIN, scope["method"], _route(scope))
                await refuse(ApiProblem(TEMPORARILY_UNAVAILABLE, _TOO_LONG, headers={"Retry-After": "10"}))
                return
            # Whatever it is, the caller gets its id and no more, and the log gets all of it.
            log.exception("failed: %s %s", scope["method"], _route(scope))
            if status is not None:
                raise  # the server has to cut the half-sent answer off
            await refuse(ApiProblem.of(INTERNAL_ERROR))
        finally:
            took, route = time.perf_counter() - began, _route(scope)
            self._metrics.request(scope["method"], route, status or 0, took)
            _note(span, scope["method"], route, status)
            # The route and not the path: who reads logs need not learn ids, and must not learn tokens.
            log.info("%s %s %s %.1f ms", scope["method"], route, status, took * 1000)

    def _add_headers(self, message: MutableMapping[str, Any], request_id: str) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        headers["X-Request-Id"] = request_id


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _USABLE_ID.fullmatch(sent) else new_id("req")


def _note(span: Span, method: str, route: str, status: int | None) -> None:
    """Of the route and not the path, as the log has it."""
    method = method if method in METHODS else "_OTHER"
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route})
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if status is None or status >= 500:
        span.set_status(StatusCode.ERROR)


def _started(scope: Scope, message: MutableMapping[str, Any]) -> str | None:
    """The id of the operation that was started, where there is one, so that a log can be searched for it."""
    location = MutableHeaders(scope=message).get("location", "") if scope["path"].startswith("/v1/") else ""
    return location.rpartition("/")[2] or None


def _route(scope: Scope) -> str:
    """The path's template, so that ids don't make a series each."""
    return str(getattr(scope.get("route"), "path", "none"))
