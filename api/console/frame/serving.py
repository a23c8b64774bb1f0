"""How pages answer: to people who are signed in, and with a page when something can't be done."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from billing.core.errors import BillingError

from ...http.auth import NotSignedIn
from ...problems.common import INTERNAL_ERROR, NOT_FOUND
from ...problems.handlers import UNREACHABLE, from_domain, records_away
from ...problems.problem import ApiProblem, not_found, request_id_of
from .page import page

log = logging.getLogger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ConsoleRoute(APIRoute):
    """What the API refuses is told as a page too."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except ApiProblem as problem:
                return problem_page(request, problem)
            except BillingError as error:
                return problem_page(request, from_domain(error))
            except (RequestValidationError, HTTPException):
                # An address that no page of ours links to.
                return problem_page(request, ApiProblem.of(NOT_FOUND))
            except NotSignedIn:
                raise  # whoever signs people in answers that
            except Exception as error:
                return problem_page(request, _fault(request, error))

        return told


def _fault(request: Request, error: Exception) -> ApiProblem:
    """What a page says of what is nobody's mistake."""
    try:
        if isinstance(error, UNREACHABLE):
            return records_away(request, error)
        raise error
    except Exception:
        log.exception("failed: %s %s", request.method, request.scope["route"].path)
        return ApiProblem.of(INTERNAL_ERROR)


def pages(prefix: str) -> APIRouter:
    """A router of pages under `/console`."""
    return APIRouter(prefix=f"/console{prefix}", include_in_schema=False, route_class=ConsoleRoute)


def problem_page(request: Request, problem: ApiProblem) -> Response:
    """What went wrong, without what is around other pages: that may be what is missing."""
    return page(
        request,
        None,
        "problem",
        title=problem.type.title,
        status=problem.type.status,
        problem=problem,
        request_id=request_id_of(request),
    )


nowhere = pages("")
"""Comes last: whatever no other page is at."""


@nowhere.get("/{path:path}")
async def find_nothing(path: str) -> Response:
    raise not_found()
