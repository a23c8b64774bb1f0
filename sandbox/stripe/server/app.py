"""The stand-in over HTTP: an ASGI application that takes a request through Stripe's gates in order.

key and version → rate limit → scripted fault → idempotency key → parameters → object locks → execution
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from ..core.errors import StripeError, invalid
from ..engine.dispatch import Answer, Request, serve_request
from ..engine.engine import Engine
from ..portal import hosted
from ..versions import changes, releases  # noqa: F401  (changes declare what differs between versions)
from . import control, resources, restricted_keys  # noqa: F401  (resources declare the routes)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 1 << 20


class App:
    """ASGI application of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        try:
            body = await _body(receive)
        except _BrokenOff:
            return
        answer = await self._answer(scope, body)
        if answer is None:
            await _hang_up(scope, receive)
            return
        headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, body: bytes | None) -> Answer | None:
        """The answer to any request; None: hang up."""
        path, method = scope["path"], scope["method"]
        if path.startswith("/_sandbox/"):
            return await control.answer(self.engine, method, path, scope["query_string"], body or b"")
        if path.startswith(hosted.PREFIXES):
            return hosted.answer(self.engine, method, path, body)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        version = headers.get(b"stripe-version") or self.engine.account.api_version
        request = Request(
            method=method,
            path=path,
            segments=tuple(unquote(part) for part in scope["raw_path"].decode("ascii").split("/")),
            encoded=(body or b"") if method == "POST" else scope["query_string"],
            idempotency_key=headers.get(b"idempotency-key") if method == "POST" else None,
            version=version,
        )
        refused = self._refused(headers, version, body, method, request.segments)
        answer = await serve_request(self.engine, request, refused)
        if answer is not None:
            answer.headers.append((b"stripe-version", version.encode("latin-1")))
        return answer

    def _refused(
        self,
        headers: dict[bytes, str],
        version: str,
        body: bytes | None,
        method: str,
        segments: tuple[str, ...],
    ) -> StripeError | None:
        """Why the request isn't let in: its key, what that may do, its version or its size."""
        try:
            key = authenticate(headers.get(b"authorization"), self.engine.api_keys)
            if (granted := self.engine.permissions.get(key)) is not None:
                restricted_keys.check(self.engine.account, key, granted, method, segments)
            self._require_account(key, headers.get(b"stripe-account"))
        except StripeError as error:
            return error
        if (refusal := releases.refusal(version)) is not None:
            return refusal
        if body is None:
            return invalid("Request body is too large.", status=413)
        return None

    def _require_account(self, key: str, asked: str | None) -> None:
        """`Stripe-Account` may name the key's own account; this stand-in has no connected ones.

        https://docs.stripe.com/connect/authentication; the words of the refusal are recalled.
        """
        if asked is not None and asked != self.engine.account.id:
            message = (
                f"The provided key '{restricted_keys.masked(key)}' does not have access to account '{asked}' "
                "(or that account does not exist). Application access may have been revoked."
            )
            raise StripeError(403, "invalid_request_error", message, code="account_invalid", saved=False)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        background = asyncio.create_task(self.engine.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        background.cancel()
        with suppress(asyncio.CancelledError):
            await background
        self.engine.close()
        await send({"type": "lifespan.shutdown.complete"})


def authenticate(authorization: str | None, configured: frozenset[str]) -> str:
    """Let in test-mode keys and the configured ones, as Bearer or Basic user; raises 401 without a code.

    Gives the key.
    """
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            key = base64.b64decode(key).decode().partition(":")[0]
    if not key:
        raise StripeError(
            401,
            "invalid_request_error",
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            saved=False,
        )
    if key not in configured and not (
        key.startswith(("sk_test_", "rk_test_")) and len(key) > len("sk_test_")
    ):
        shown = f"{key[:8]}{'*' * 4}{key[-4:]}" if len(key) > 16 else "*" * len(key)
        raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: {shown}", saved=False)
    return key


class _BrokenOff(Exception):
    """The connection ended before the request did."""


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None when it is larger than a mebibyte. Raises _BrokenOff: of half a request
    nothing is executed, and its idempotency key stays unused."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _BrokenOff
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body"):
            break
    return b"".join(chunks) if size <= MAX_BODY else None


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer (the server's protocol puts the transport into the scope)."""
    scope["state"]["transport"].abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def create_app(engine: Engine) -> App:
    """The ASGI application of an engine."""
    return App(engine)
