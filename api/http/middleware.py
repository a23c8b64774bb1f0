"""Around every request: its id, security headers, figures, and the answer when something breaks."""

import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.tables import new_id
from settings.logs import about, learned

from ..monitoring.metrics import Metrics
from ..problems.common import INTERNAL_ERROR
from ..problems.problem import ApiProblem, problem_response

log = logging.getLogger(__name__)

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class RequestMiddleware:
    """The outermost middleware: nothing raised inside reaches the server or the caller."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        with about(request=request_id):
            await self._answered(scope, receive, send, request_id)

    async def _answered(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        status: int | None = None
        began = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                learned(operation=_started(scope, message))
                _add_headers(message, request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # Whatever it is, the caller gets its id and no more, and the log gets all of it.
            log.exception("failed: %s %s", scope["method"], _route(scope))
            if status is not None:
                raise  # the server has to cut the half-sent answer off
            response = problem_response(request_id, ApiProblem.of(INTERNAL_ERROR))
            await response(scope, receive, send_with_headers)
        finally:
            took, route = time.perf_counter() - began, _route(scope)
            self._metrics.request(scope["method"], route, status or 0, took)
            # The route and not the path: who reads logs need not learn ids, and must not learn tokens.
            log.info("%s %s %s %.1f ms", scope["method"], route, status, took * 1000)


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _USABLE_ID.fullmatch(sent) else new_id("req")


def _started(scope: Scope, message: MutableMapping[str, Any]) -> str | None:
    """The id of the operation that was started, where there is one, so that a log can be searched for it."""
    location = MutableHeaders(scope=message).get("location", "") if scope["path"].startswith("/v1/") else ""
    return location.rpartition("/")[2] or None


def _add_headers(message: MutableMapping[str, Any], request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers["X-Request-Id"] = request_id


def _route(scope: Scope) -> str:
    """The path's template, so that ids don't make a series each."""
    return str(getattr(scope.get("route"), "path", "none"))
