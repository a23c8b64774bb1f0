"""What the API answers when it can't do as asked: RFC 9457 problem details with stable codes.

`CATALOGUE` is the one table of codes; the OpenAPI document and /docs are made from it. A refusal names the
field and the mend in `detail`, and never shows exception text or what the caller sent as a credential.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from billing.core.errors import BillingError, Forbidden, InvalidRequest, Misconfigured
from billing.core.operations import Problem
from db.core.session import is_away, is_unmigrated

from . import common as common
from .entries import CATALOGUE
from .validation import FieldError, field_errors

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
UNREACHABLE = (DBAPIError, PoolTimeout, OSError)
"""What is raised when the records are away, among other things."""


@dataclass(eq=False)
class ApiProblem(Exception):
    """A refusal on its way to the caller; `more` are further members of the document."""

    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] | None = None
    more: Mapping[str, Any] | None = None

    @classmethod
    def usual(
        cls, code: str, *, headers: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
    ) -> "ApiProblem":
        """A refusal that says just what the catalogue says."""
        entry = CATALOGUE[code]
        blamed = (FieldError(entry.where, entry.pointer, code, entry.detail),) if entry.pointer else ()
        return cls(code, entry.detail, blamed, headers, more)

    @classmethod
    def at(cls, code: str, detail: str, pointer: str, *, where: str = "body") -> "ApiProblem":
        """A refusal for which one field is to blame."""
        return cls(code, detail, (FieldError(where, pointer, code, detail),))


def not_found() -> ApiProblem:
    """The same for an id that does not exist and for another organization's."""
    return ApiProblem.usual("not_found")


def refused_by_workflow(problem: Problem | None) -> ApiProblem:
    """What a workflow said no to after it was recorded here."""
    return ApiProblem(problem.code, problem.message) if problem else ApiProblem.usual("refused")


def problem_response(request_id: str, problem: ApiProblem) -> Response:
    """The document. A code that only a workflow knows has the title and status of `refused`."""
    entry = CATALOGUE.get(problem.code) or CATALOGUE["refused"]
    document = {
        "type": f"/docs#{problem.code if problem.code in CATALOGUE else 'refused'}",
        "title": entry.title,
        "status": entry.status,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": request_id,
        "errors": [error.document() for error in problem.errors],
        **(problem.more or {}),
    }
    return JSONResponse(document, entry.status, headers=dict(problem.headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Map every kind of refusal once, for all routes."""
    app.add_exception_handler(ApiProblem, _own)
    app.add_exception_handler(BillingError, _domain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in UNREACHABLE:
        app.add_exception_handler(kind, _records_away)


def request_id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def _answer(request: Request, problem: ApiProblem) -> Response:
    return problem_response(request_id_of(request), problem)


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)
    return _answer(request, error)


async def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, BillingError)
    return _answer(request, from_domain(error))


def from_domain(error: BillingError) -> ApiProblem:
    """The domain's refusal in HTTP's words: its code and message, and the field to blame."""
    if isinstance(error, Misconfigured):
        log.error("misconfigured: %s", error.message)
        return ApiProblem.usual("internal_error")
    code = error.code
    if code not in CATALOGUE:
        code = _class_code(error)
    detail = _sentence(error.message)
    if error.mend:
        detail = f"{detail} {error.mend}"
    if error.field is None:
        return ApiProblem(code, detail)
    where = {"cursor": "query", "Idempotency-Key": "header"}.get(error.field, "body")
    return ApiProblem.at(code, detail, "/" + error.field.replace(".", "/"), where=where)


def _class_code(error: BillingError) -> str:
    if isinstance(error, InvalidRequest):
        return "invalid_request"
    return "wrong_role" if isinstance(error, Forbidden) else "refused"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return _answer(request, ApiProblem.usual("invalid_json"))
    errors = field_errors(error.errors())
    more = "" if len(errors) == 1 else f" There are {len(errors)} problems, see errors."
    first = errors[0]
    code = first.code if first.code in CATALOGUE else "invalid_request"
    return _answer(request, ApiProblem(code, first.message + more, errors))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            problem = ApiProblem("not_found", "There is no such address; GET /docs lists all of them.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            problem = ApiProblem(
                "method_not_allowed",
                f"{request.method} is not possible here; the Allow header names what is.",
                headers=error.headers,
            )
        case HTTPStatus.BAD_REQUEST:
            problem = ApiProblem.usual("invalid_json")  # FastAPI's answer to a body that it can't parse
        case _:
            log.error("an HTTPException %s that nothing here raises", error.status_code)
            problem = ApiProblem.usual("internal_error")
    return _answer(request, problem)


async def _records_away(request: Request, error: Exception) -> Response:
    return answer_to(request, error)


def answer_to(request: Request, error: Exception) -> Response:
    """The answer to a refusal, or to records that can't be reached or are too busy: then the caller can't
    know how far the request came. Raises any other error again."""
    if isinstance(error, ApiProblem):
        return _answer(request, error)
    if isinstance(error, DBAPIError) and not is_away(error) and not is_unmigrated(error):
        raise error  # a statement that is wrong stays wrong
    log.error("request %s: the records can't be reached: %s", request_id_of(request), type(error).__name__)
    return _answer(request, ApiProblem.usual("temporarily_unavailable", headers={"Retry-After": "1"}))
