"""How pages answer: to people who are signed in, and with a page when something can't be done."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from billing.core.errors import BillingError

from ...problems.common import NOT_FOUND, TEMPORARILY_UNAVAILABLE
from ...problems.handlers import UNREACHABLE, from_domain
from ...problems.problem import ApiProblem, not_found, request_id_of
from .page import page

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
            except UNREACHABLE:
                return problem_page(request, ApiProblem.of(TEMPORARILY_UNAVAILABLE))

        return told


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
