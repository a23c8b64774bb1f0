"""HEAD for everything that has a GET: the same status and headers, and no body (RFC 9110, section 9.3.2)."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MARK = "is_head"


class HeadMiddleware:
    """Has the GET answer a HEAD. A handler that would write or fetch something asks `is_head` first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})[_MARK] = True
        # A copy: the server looks at its own scope to know that no body follows.
        as_get = {**scope, "method": "GET"}

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(as_get, receive, without_body)
        finally:
            if "route" in as_get:
                scope["route"] = as_get["route"]  # for the log and the figures


def is_head(request: Request) -> bool:
    """Whether a HEAD is being answered: it must not use anything up."""
    return bool(getattr(request.state, _MARK, False))
