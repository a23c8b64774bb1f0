"""What the stand-in's own endpoints are made of."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..core.errors import StripeError
from ..core.kernel import Ctx
from ..engine.engine import Engine

Query = dict[str, list[str]]
Endpoint = Callable[[Engine, Any, Query], Any]


class Body(BaseModel):
    """A body in which nothing unknown is allowed."""

    model_config = ConfigDict(extra="forbid")


def visit(engine: Engine, action: Callable[[Ctx], Any]) -> Any:
    """Do what a person does who is no client of the API; what Stripe refuses is a ValueError."""
    try:
        return engine.visit(action)
    except StripeError as error:
        raise ValueError(error.message) from error
