"""What every handler stands on, made once for an app."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request

from billing.policy import Policy
from db.session import Database

from .dispatcher import Dispatcher
from .metrics import Metrics
from .rates import Rates


@dataclass(frozen=True)
class Context:
    """`policy_document` is the policy as operations keep it, made once."""

    policy: Policy
    policy_document: dict[str, Any]
    database: Database
    dispatcher: Dispatcher
    rates: Rates
    metrics: Metrics


async def context_of(request: Request) -> Context:
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


InContext = Annotated[Context, Depends(context_of)]


def now() -> datetime:
    return datetime.now(UTC)
