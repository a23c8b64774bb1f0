"""Requests that other sites have a browser send: none of them reaches a page of the console."""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..http.context import context_of
from ..http.site import Site
from . import pages
from .places import is_console

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOriginMiddleware:
    """Answers 403 to every request under /console that may change something and is not from our own pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_console(scope["path"]) and scope["method"] not in READING:
            request = Request(scope)
            if not is_ours(request, (await context_of(request)).site):
                await pages.from_elsewhere(request)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_ours(request: Request, site: Site) -> bool:
    """Whether a page of ours sent it, as the browser says. One that does not say is not believed."""
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return request.headers.get("origin") == site.origin
