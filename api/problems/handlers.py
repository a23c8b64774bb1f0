"""Every kind of error that a request can raise, and the problem that it is answered with."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from billing.core.errors import BillingError, ConfigurationError, Forbidden, InvalidRequest
from db.core.session import is_away, is_unmigrated

from .catalogue import CATALOGUE, ProblemType
from .common import (
    INTERNAL_ERROR,
    INVALID_JSON,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    REFUSED,
    TEMPORARILY_UNAVAILABLE,
    WRONG_ROLE,
)
from .field_errors import field_errors
from .problem import ApiProblem, problem_response, request_id_of

log = logging.getLogger(__name__)

UNREACHABLE = (DBAPIError, PoolTimeout, OSError)
"""What is raised when the records are away, among other things."""


def install(app: FastAPI) -> None:
    """Map every kind of refusal once, for all routes."""
    app.add_exception_handler(ApiProblem, _own)
    app.add_exception_handler(BillingError, _domain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in UNREACHABLE:
        app.add_exception_handler(kind, _records_away)


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
    if isinstance(error, ConfigurationError):
        log.error("misconfigured: %s", error.message)
        return ApiProblem.of(INTERNAL_ERROR)
    type_ = CATALOGUE.get(error.code) or _class_type(error)
    detail = _sentence(error.message)
    if error.remedy:
        detail = f"{detail} {error.remedy}"
    if error.field is None:
        return ApiProblem(type_, detail)
    where = {"cursor": "query", "Idempotency-Key": "header"}.get(error.field, "body")
    return ApiProblem.at(type_, detail, "/" + error.field.replace(".", "/"), where=where)


def _class_type(error: BillingError) -> ProblemType:
    if isinstance(error, InvalidRequest):
        return INVALID_REQUEST
    return WRONG_ROLE if isinstance(error, Forbidden) else REFUSED


def _sentence(text: str) -> str:
    named = text.partition(" ")[0].partition("_")[1] != ""  # an id stays as it is
    return (text if named else text[:1].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else ".")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return _answer(request, ApiProblem.of(INVALID_JSON))
    errors = field_errors(error.errors())
    more = "" if len(errors) == 1 else f" There are {len(errors)} problems; see errors."
    first = errors[0]
    type_ = CATALOGUE.get(first.code, INVALID_REQUEST)
    return _answer(request, ApiProblem(type_, first.message + more, errors))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            problem = ApiProblem(NOT_FOUND, "There is no such path; GET /docs lists all of them.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            problem = ApiProblem(
                METHOD_NOT_ALLOWED,
                f"{request.method} is not supported here; the Allow header lists what is.",
                headers=error.headers,
            )
        case HTTPStatus.BAD_REQUEST:
            problem = ApiProblem.of(INVALID_JSON)  # FastAPI's answer to a body that it can't parse
        case _:
            log.error("unexpected HTTPException %s", error.status_code)
            problem = ApiProblem.of(INTERNAL_ERROR)
    return _answer(request, problem)


async def _records_away(request: Request, error: Exception) -> Response:
    return answer_to(request, error)


def answer_to(request: Request, error: Exception) -> Response:
    """The answer to a refusal, or to records that can't be reached. Raises any other error again."""
    return _answer(request, error if isinstance(error, ApiProblem) else records_away(request, error))


def records_away(request: Request, error: Exception) -> ApiProblem:
    """What is said of records that can't be reached or are too busy: the caller can't know how far the
    request came. Raises any other error again."""
    if isinstance(error, DBAPIError) and not is_away(error) and not is_unmigrated(error):
        raise error  # a statement that is wrong stays wrong
    log.error("request %s: the database can't be reached: %s", request_id_of(request), type(error).__name__)
    return ApiProblem.of(TEMPORARILY_UNAVAILABLE, headers={"Retry-After": "1"})
