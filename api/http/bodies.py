"""What is true of every body: at most 1 MiB, declared as JSON, and JSON that says nothing twice.

Browsers and mail programs (RFC 8058) send forms to the portal, at most 4 KiB, and to the console.
"""

import asyncio
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.core import strict_json
from billing.core.strict_json import RepeatedKey

from ..problems.common import (
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    DUPLICATE_KEY,
    INVALID_JSON,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.field_errors import pointer_to
from ..problems.problem import ApiProblem, problem_response

MAX_BYTES = 1024 * 1024
MAX_FORM_BYTES = {"/portal": 4096, "/console": 64 * 1024, "/docs": 64 * 1024}
"""Of a form, by where it is sent. Notes of thousands of characters are written in the console."""
DRAINED_BYTES = 16 * MAX_BYTES
"""So much is read, if only to be thrown away: a client that is still sending would miss the answer."""

WITHIN = 20.0
"""Seconds from the headers to the body's end."""

JSON_TYPES = frozenset({"application/json"})
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class BodyLimitMiddleware:
    """Reads the body and hands it on whole. (Starlette's own limit answers in plain text.)"""

    def __init__(self, app: ASGIApp, unread: Collection[str] = ()) -> None:
        """`unread` are the paths whose handlers read the body themselves."""
        self._app = app
        self._unread = unread

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._unread:
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(receive, _most_of_form(scope["path"]) or MAX_BYTES)
            if body is None:
                raise ApiProblem.of(BODY_TOO_LARGE)
            _check_declared(body, Headers(scope=scope), scope["path"])
            if body and _most_of_form(scope["path"]) is None:
                _check_json(body)
        except ClientDisconnect:
            return
        except ApiProblem as problem:
            await problem_response(scope["state"]["request_id"], problem)(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


async def read_body(receive: Receive, most: int) -> bytes | None:
    """The whole body, or None when it is over `most` bytes. Raises ApiProblem `body_too_slow`, and
    ClientDisconnect when the rest will not come."""
    try:
        async with asyncio.timeout(WITHIN):
            return await _read(receive, most)
    except TimeoutError:
        raise ApiProblem.of(BODY_TOO_SLOW, headers={"Connection": "close"}) from None


async def _read(receive: Receive, most: int) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
        elif size > DRAINED_BYTES:
            return None
        if not message.get("more_body", False):
            break
    return b"".join(chunks) if size <= most else None


def _check_declared(body: bytes, headers: Headers, path: str) -> None:
    declared = headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = JSON_TYPES if _most_of_form(path) is None else FORM_TYPES
    if body and declared not in taken:
        raise ApiProblem.of(UNSUPPORTED_MEDIA_TYPE)


def _check_json(body: bytes) -> None:
    """The routes read it again; here is refused what their reader would take without a word."""
    try:
        strict_json.read(body)
    except RepeatedKey as repeated:
        pointer = pointer_to(repeated.path)
        detail = f"{pointer} is given twice; send each name once."
        raise ApiProblem.at(DUPLICATE_KEY, detail, pointer) from repeated
    except ValueError as unreadable:
        raise ApiProblem.of(INVALID_JSON) from unreadable


def _most_of_form(path: str) -> int | None:
    """How long a form may be that is sent there; None where no form is taken."""
    return MAX_FORM_BYTES.get(f"/{path[1:].partition('/')[0]}")
