"""What the OpenAPI document says of each route: examples of success and of every problem."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ..problems.entries import CATALOGUE
from ..problems.problems import MEDIA_TYPE
from .models import ProblemAnswer

EVERYWHERE = (
    "credentials_missing",
    "credentials_invalid",
    "credentials_expired",
    "credentials_revoked",
    "too_many_wrong_keys",
    "rate_limited",
    "body_too_slow",
    "internal_error",
    "temporarily_unavailable",
)
WITH_KEY = (
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "too_many_operations",
)
TOLD = ("role_missing", "not_found", "already_ended", "refused")
"""What telling a running operation anything can be answered with."""
WITH_BODY = (
    "invalid_json",
    "duplicate_key",
    "invalid_request",
    "body_too_large",
    "unsupported_media_type",
)

_REQUEST_ID = "req_01JD0V7KQW8Y5M2S4T6Z9XCVBN"
_HEADERS = {
    "Location": "The address of the operation",
    "Idempotent-Replayed": "`true` when this request was answered before",
    "WWW-Authenticate": "How to send credentials",
    "Retry-After": "Seconds to wait before the next request",
}
_ON_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

Responses = dict[int | str, dict[str, Any]]


def answers(
    successes: Mapping[int, Any],
    *codes: str,
    also: tuple[int, type[BaseModel]] | None = None,
    headers: Mapping[int, Iterable[str]] | None = None,
) -> Responses:
    """The responses of a route under /v1: `documented`, and with what any of them can answer."""
    return documented(successes, *EVERYWHERE, *codes, also=also, headers=headers)


def documented(
    successes: Mapping[int, Any],
    *codes: str,
    also: tuple[int, type[BaseModel]] | None = None,
    headers: Mapping[int, Iterable[str]] | None = None,
) -> Responses:
    """The responses of a route: an example for each success, and for each problem code.

    `also` is the model of a success beside the route's own status.
    """
    responses: Responses = {}
    for status, example in successes.items():
        responses[status] = {
            "content": {"application/json": {"example": _nulls_kept(example)}},
            "headers": _headers((headers or {}).get(status, ())),
        }
    if also:
        status, model = also
        responses[status] |= {"model": model, "description": "Recorded, and on its way to be applied"}
    for code in codes:
        _add(responses, code)
    return responses


def body_example(example: Any) -> dict[str, Any]:
    """The part of a route's `openapi_extra` that shows a body."""
    return {"requestBody": {"content": {"application/json": {"example": _nulls_kept(example)}}}}


def problem_example(code: str) -> dict[str, Any]:
    """A problem document as the API would write it."""
    entry = CATALOGUE[code]
    error = {"where": entry.where, "pointer": entry.pointer, "code": code, "message": entry.detail}
    if code == "invalid_request":
        error["code"] = "not_allowed"
    return {
        "type": f"/docs#{code}",
        "title": entry.title,
        "status": entry.status,
        "code": code,
        "detail": entry.detail,
        "request_id": _REQUEST_ID,
        "errors": [error] if entry.pointer else [],
        **entry.more,
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        _drop_frameworks_own_problem(made)
        # What people call comes before what machines call.
        made["paths"] = dict(sorted(made["paths"].items(), key=lambda path: not path[0].startswith("/v1")))
        schemas = made["components"]["schemas"]
        problem = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs")
        schemas["Problem"] = problem
        app.openapi_schema = _nulls_back(made)
    return app.openapi_schema


def _add(responses: Responses, code: str) -> None:
    status = CATALOGUE[code].status
    response = responses.setdefault(
        status,
        {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(_ON_STATUS.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
        },
    )
    response["content"][MEDIA_TYPE]["examples"][code] = {
        "summary": CATALOGUE[code].title,
        "value": problem_example(code),
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


_NULL = "\x00null"


def _nulls_kept(example: Any) -> Any:
    """FastAPI drops every null from the document, examples included: they go through in disguise."""
    return _mapped(example, lambda leaf: _NULL if leaf is None else leaf)


def _nulls_back(made: dict[str, Any]) -> dict[str, Any]:
    restored: dict[str, Any] = _mapped(made, lambda leaf: None if leaf == _NULL else leaf)
    return restored


def _mapped(value: Any, of_leaf: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _mapped(inner, of_leaf) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, of_leaf) for inner in value]
    return of_leaf(value)


def _drop_frameworks_own_problem(made: dict[str, Any]) -> None:
    """FastAPI promises a shape for 422 that is never sent here."""
    for path in made["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)
