"""What the routes of all kinds of quotes have in common."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter

from ..http.examples import example
from ..http.openapi import WITH_BODY, answers, body_example
from ..limits.problems import TOO_MANY_QUOTES
from ..problems.common import ROLE_MISSING, STRIPE_UNAVAILABLE

Handler = TypeVar("Handler", bound=Callable[..., Any])


def quote_route(
    router: APIRouter, *, summary: str, description: str | None = None, body: str, quoted: str
) -> Callable[[Handler], Handler]:
    """The POST that answers what would come of a request. `body` and `quoted` name examples."""
    return router.post(
        "/quote",
        summary=summary,
        description=description,
        responses=answers(
            {200: example(quoted)}, *WITH_BODY, ROLE_MISSING, TOO_MANY_QUOTES, STRIPE_UNAVAILABLE
        ),
        openapi_extra=body_example(example(body)),
    )
