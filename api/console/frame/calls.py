"""What a page asks of the API, in the name of whoever is signed in: the same routes, checks and answers."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.types import Message


async def send(
    request: Request, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
) -> dict[str, Any]:
    """The answer to a request at `path` of the API, with an Idempotency-Key where one is needed.

    Raises what the route raises: ApiProblem, BillingError, RequestValidationError.
    """
    sent = b"" if body is None else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(sent)).encode())]
    if key:
        headers.append((b"idempotency-key", key.encode()))
    answered = await _answered(request, method, path, headers, sent)
    answer: dict[str, Any] = json.loads(answered) if answered else {}
    return answer


async def read_csv(request: Request, path: str) -> bytes:
    """All of a list of the API as CSV. Raises as `send` does."""
    return await _answered(request, "GET", path, [(b"accept", b"text/csv")])


async def _answered(
    request: Request, method: str, path: str, headers: list[tuple[bytes, bytes]], sent: bytes = b""
) -> bytes:
    path, _, query = path.partition("?")
    scope = {
        **request.scope,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "path_params": {},
        # A copy: the log names the page's own route.
        "state": dict(request.scope["state"]),
    }
    # Refusals come to the page as they are raised, which shows them beside the field.
    scope.pop("starlette.exception_handlers", None)
    answered, told = bytearray(), asyncio.Event()

    async def receive() -> Message:
        if told.is_set():
            await asyncio.Future()  # what streams an answer waits here for a caller who goes away
        told.set()
        return {"type": "http.request", "body": sent, "more_body": False}

    async def answer_with(message: Message) -> None:
        answered.extend(message.get("body", b""))

    await request.app.router(scope, receive, answer_with)
    return bytes(answered)


def wanting_csv(request: Request) -> Request:
    """The request as one that asks for all of a list as CSV: a link can't say what it accepts. The file is
    named by the list."""
    others = [(name, value) for name, value in request.headers.raw if name != b"accept"]
    scope = {**request.scope, "path": request.scope["path"].removesuffix("/csv")}
    return Request({**scope, "headers": [*others, (b"accept", b"text/csv")]}, request.receive)
