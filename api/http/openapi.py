"""What the OpenAPI document says of each route: examples of success and of every problem."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Union

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, TypeAdapter
from starlette.routing import BaseRoute

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
    HEADERS_TOO_LARGE,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_MISSING,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL_ERROR,
    INVALID_JSON,
    INVALID_REQUEST,
    NOT_FOUND,
    REFUSED,
    ROLE_MISSING,
    SCOPE_MISSING,
    TEMPORARILY_UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import MEDIA_TYPE
from .examples import filled
from .models import ProblemAnswer
from .scopes import scope_of
from .tags import tag_groups, tags

EVERYWHERE = (
    CREDENTIALS_MISSING,
    CREDENTIALS_INVALID,
    CREDENTIALS_EXPIRED,
    CREDENTIALS_REVOKED,
    SCOPE_MISSING,
    TOO_MANY_WRONG_KEYS,
    RATE_LIMITED,
    BODY_TOO_SLOW,
    HEADERS_TOO_LARGE,
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

_REF = "#/components/schemas/{model}"
_PROBLEM = _REF.format(model="ProblemDetails")
_LEFT_OUT = frozenset({"a", "an", "the", "your"})
"""Words of a summary that its id does without."""

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
        "message": type_.told,
    }
    return {
        "type": f"/docs#{type_.code}",
        "title": type_.title,
        "status": type_.status,
        "code": type_.code,
        "detail": type_.told,
        "request_id": _REQUEST_ID,
        "errors": [error] if type_.pointer else [],
        **type_.more,
    }


def operation_id(route: APIRoute) -> str:
    """The summary as a name: `Read an operation's timeline` is `read_operation_timeline`."""
    words = re.findall(r"[a-z]+", (route.summary or route.name).lower().replace("'s", "").replace("'", ""))
    return "_".join(word for word in words if word not in _LEFT_OUT)


def document(
    routes: Sequence[BaseRoute],
    by_kind: Mapping[type[BaseModel], Sequence[type[BaseModel]]],
    by_path: Mapping[str, tuple[type[BaseModel], type[BaseModel]]],
    *,
    title: str,
    version: str,
    description: str,
) -> dict[str, Any]:
    """The OpenAPI document of these routes. `by_kind` are answers of which each kind has documents of its
    own, with what each has; `by_path` are which of them is answered, in place of which, below a path."""
    made = get_openapi(
        title=title,
        version=version,
        description=description,
        routes=routes,
        tags=tags(),
        servers=[{"url": "/"}],
    )
    made["x-tagGroups"] = tag_groups()
    _drop_frameworks_own_problem(made)
    for template, path in made["paths"].items():
        for method, operation in path.items():
            operation.setdefault("security", [])  # said of those that need no key
            for one in operation["security"]:
                one |= {name: [scope_of(method.upper(), template).value] for name in one}
    # What people call comes before what machines call.
    made["paths"] = dict(sorted(made["paths"].items(), key=lambda path: not path[0].startswith("/v1")))
    schemas = made["components"]["schemas"]
    problem = ProblemAnswer.model_json_schema(ref_template=_REF)
    schemas |= problem.pop("$defs")
    schemas["ProblemDetails"] = problem
    for answer, kinds in by_kind.items():
        _tell_apart(schemas, answer, kinds)
    for prefix, (answer, narrower) in by_path.items():
        for path in made["paths"]:
            if path.startswith(prefix):
                made["paths"][path] = _renamed(made["paths"][path], answer, narrower)
    # Only now: FastAPI drops every null from what it is given.
    found: dict[str, Any] = filled(made)
    return found


def _tell_apart(schemas: dict[str, Any], answer: type[BaseModel], kinds: Sequence[type[BaseModel]]) -> None:
    """Replaces what the document says of an answer by what it is for each kind."""
    one_of: Any = Annotated[Union[tuple(kinds)], Field(discriminator="kind")]  # noqa: UP007
    made = TypeAdapter(one_of).json_schema(ref_template=_REF, mode="serialization")
    for name, schema in made.pop("$defs").items():
        schemas.setdefault(name, schema)
    schemas[answer.__name__] = made | {"description": schemas[answer.__name__]["description"]}


def _renamed(value: Any, answer: type[BaseModel], narrower: type[BaseModel]) -> Any:
    """The same with references to another schema."""
    if isinstance(value, list):
        return [_renamed(one, answer, narrower) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("$ref") == _REF.format(model=answer.__name__):
        return {"$ref": _REF.format(model=narrower.__name__)}
    return {name: _renamed(one, answer, narrower) for name, one in value.items()}


def _add(responses: Responses, type_: ProblemType) -> None:
    status = type_.status
    response = responses.setdefault(
        status,
        {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(_ON_STATUS.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}, "examples": {}}},
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
