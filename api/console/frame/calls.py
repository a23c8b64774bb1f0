"""What a page asks of the API, in the name of whoever is signed in: the same routes, checks and answers."""

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
    answered = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def answer_with(message: Message) -> None:
        answered.extend(message.get("body", b""))

    await request.app.router(scope, receive, answer_with)
    answer: dict[str, Any] = json.loads(answered) if answered else {}
    return answer


def wanting_csv(request: Request) -> Request:
    """The request as one that asks for all of a list as CSV: a link can't say what it accepts. The file is
    named by the list."""
    others = [(name, value) for name, value in request.headers.raw if name != b"accept"]
    scope = {**request.scope, "path": request.scope["path"].removesuffix("/csv")}
    return Request({**scope, "headers": [*others, (b"accept", b"text/csv")]}, request.receive)
