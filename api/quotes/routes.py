"""What the routes of all kinds of quotes have in common."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query

from ..http.examples import example
from ..http.models import OtherId
from ..http.openapi import WITH_BODY, answers, body_example
from ..limits.problems import TOO_MANY_QUOTES
from ..operations.problems import NOT_REVISABLE
from ..problems.common import NOT_FOUND, ROLE_MISSING, STRIPE_UNAVAILABLE

Revises = Annotated[
    OtherId | None,
    Query(
        description="The operation that a request like this one would revise: what it has set aside does not "
        "stand in the way, and nobody who shaped it is asked. A revision names no quote."
    ),
]
"""Of which operation a quote is, where it is of no new one."""

Handler = TypeVar("Handler", bound=Callable[..., Any])


REFUSALS = (ROLE_MISSING, NOT_FOUND, NOT_REVISABLE, TOO_MANY_QUOTES, STRIPE_UNAVAILABLE)


def quote_route(
    router: APIRouter, *, summary: str, description: str | None = None, body: str, quoted: str
) -> Callable[[Handler], Handler]:
    """The POST that answers what would come of a request. `body` and `quoted` name examples."""
    return router.post(
        "/quote",
        summary=summary,
        description=description,
        responses=answers({200: example(quoted)}, *WITH_BODY, *REFUSALS),
        openapi_extra=body_example(example(body)),
    )
