"""What the OpenAPI document says of each route: examples of success and of every problem."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ..limits.problems import RATE_LIMITED, TOO_MANY_OPERATIONS, TOO_MANY_WRONG_KEYS
from ..problems.catalogue import ProblemType
from ..problems.common import (
    ALREADY_ENDED,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    CREDENTIALS_EXPIRED,
    CREDENTIALS_INVALID,
    CREDENTIALS_MISSING,
    CREDENTIALS_REVOKED,
    DUPLICATE_KEY,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_MISSING,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL_ERROR,
    INVALID_JSON,
    INVALID_REQUEST,
    NOT_FOUND,
    REFUSED,
    ROLE_MISSING,
    TEMPORARILY_UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import MEDIA_TYPE
from .examples import filled
from .models import ProblemAnswer

EVERYWHERE = (
    CREDENTIALS_MISSING,
    CREDENTIALS_INVALID,
    CREDENTIALS_EXPIRED,
    CREDENTIALS_REVOKED,
    TOO_MANY_WRONG_KEYS,
    RATE_LIMITED,
    BODY_TOO_SLOW,
    INTERNAL_ERROR,
    TEMPORARILY_UNAVAILABLE,
)
WITH_KEY = (
    IDEMPOTENCY_KEY_MISSING,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_REUSED,
    TOO_MANY_OPERATIONS,
)
TOLD = (ROLE_MISSING, NOT_FOUND, ALREADY_ENDED, REFUSED)
"""What telling a running operation anything can be answered with."""
WITH_BODY = (
    INVALID_JSON,
    DUPLICATE_KEY,
    INVALID_REQUEST,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
)

_REQUEST_ID = "req_01JD0V7KQW8Y5M2S4T6Z9XCVBN"
_HEADERS = {
    "Location": "The URL of the operation",
    "Idempotent-Replayed": "`true` when this is the answer to an earlier request with the same key",
    "WWW-Authenticate": "How to send credentials",
    "Retry-After": "Seconds to wait before the next request",
}
_ON_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

Responses = dict[int | str, dict[str, Any]]


def answers(
    successes: Mapping[int, Any],
    *problems: ProblemType,
    also: tuple[int, type[BaseModel]] | None = None,
    also_as: Mapping[str, Any] | None = None,
    headers: Mapping[int, Iterable[str]] | None = None,
) -> Responses:
    """The responses of a route under /v1: `documented`, and with what any of them can answer.

    `also_as` are the media types that a 200 can have beside JSON.
    """
    responses = documented(successes, *EVERYWHERE, *problems, also=also, headers=headers)
    if also_as:
        responses[200]["content"] |= also_as
    return responses


def documented(
    successes: Mapping[int, Any],
    *problems: ProblemType,
    also: tuple[int, type[BaseModel]] | None = None,
    headers: Mapping[int, Iterable[str]] | None = None,
) -> Responses:
    """The responses of a route: an example for each success, and for each problem.

    `also` is the model of a success beside the route's own status.
    """
    responses: Responses = {}
    for status, example in successes.items():
        responses[status] = {
            "content": {"application/json": {"example": example}},
            "headers": _headers((headers or {}).get(status, ())),
        }
    if also:
        status, model = also
        responses[status] |= {"model": model, "description": "Recorded, but not yet applied"}
    for type_ in problems:
        _add(responses, type_)
    return responses


def body_example(example: Any) -> dict[str, Any]:
    """The part of a route's `openapi_extra` that shows a body."""
    return {"requestBody": {"content": {"application/json": {"example": example}}}}


def problem_example(type_: ProblemType) -> dict[str, Any]:
    """A problem document as the API would write it."""
    error = {
        "where": type_.where,
        "pointer": type_.pointer,
        "code": "not_allowed" if type_ is INVALID_REQUEST else type_.code,
        "message": type_.detail,
    }
    return {
        "type": f"/docs#{type_.code}",
        "title": type_.title,
        "status": type_.status,
        "code": type_.code,
        "detail": type_.detail,
        "request_id": _REQUEST_ID,
        "errors": [error] if type_.pointer else [],
        **type_.more,
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
        # Only now: FastAPI drops every null from what it is given.
        app.openapi_schema = filled(made)
    return app.openapi_schema


def _add(responses: Responses, type_: ProblemType) -> None:
    status = type_.status
    response = responses.setdefault(
        status,
        {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(_ON_STATUS.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
        },
    )
    response["content"][MEDIA_TYPE]["examples"][type_.code] = {
        "summary": type_.title,
        "value": problem_example(type_),
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def _drop_frameworks_own_problem(made: dict[str, Any]) -> None:
    """FastAPI promises a shape for 422 that is never sent here."""
    for path in made["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)
