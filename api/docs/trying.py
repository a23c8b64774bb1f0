"""Trying a route from its page: what is typed is sent to this app as any client would send it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import Request
from httpx import ASGITransport, AsyncClient
from ulid import ULID

SHOWN_CHARACTERS = 50_000
"""Of an answer; a CSV can be any size."""
PARAMETER = "parameter."
"""What the names of fields of parameters begin with."""


class DocumentedRoute(NamedTuple):
    """A route as the OpenAPI document has it."""

    method: str
    path: str
    operation: Mapping[str, Any]

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self.operation.get("parameters", [])
        return found

    @property
    def body(self) -> Mapping[str, Any] | None:
        media: Mapping[str, Any] | None = (
            self.operation.get("requestBody", {}).get("content", {}).get("application/json")
        )
        return media

    @property
    def needs_key(self) -> bool:
        return bool(self.operation["security"])

    @property
    def is_csv_offered(self) -> bool:
        return "text/csv" in self.operation["responses"].get("200", {}).get("content", {})


class TriedAnswer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    text: str


async def send(request: Request, route: DocumentedRoute, typed: Mapping[str, str]) -> TriedAnswer:
    """What the app answers; the sender's address is the visitor's, by which wrong keys are counted."""
    path, query, headers = route.path, {}, {"Accept": typed.get("accept") or "application/json"}
    for parameter in route.parameters:
        name, value = parameter["name"], typed.get(PARAMETER + parameter["name"], "")
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value or "-", safe=""))
        elif value and parameter["in"] == "query":
            query[name] = value
        elif value:
            headers[name] = value
    if typed.get("key"):
        headers["Authorization"] = f"Bearer {typed['key']}"
    body = typed.get("body", "") if route.body is not None else ""
    if body:
        headers["Content-Type"] = "application/json"
    sender = (request.client.host, request.client.port) if request.client else ("", 0)
    transport = ASGITransport(app=request.app, client=sender, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url=str(request.base_url)) as http:
        answer = await http.request(
            route.method, path, params=query, headers=_sendable(headers), content=body.encode()
        )
    return TriedAnswer(answer.status_code, list(answer.headers.items()), _readable(answer.text))


def first_values(route: DocumentedRoute) -> dict[str, str]:
    """What the form starts with: the example of the body, and a new Idempotency-Key."""
    values = {"body": json.dumps(route.body["example"], indent=2, ensure_ascii=False)} if route.body else {}
    for parameter in route.parameters:
        if parameter["name"] == "Idempotency-Key":
            values[PARAMETER + parameter["name"]] = str(ULID())
    return values


def _sendable(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Without what no header may hold."""
    return {
        name.encode(): "".join(character for character in value if character.isprintable()).encode()
        for name, value in headers.items()
    }


def _readable(text: str) -> str:
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}\n…"
