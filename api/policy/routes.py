"""The policy in force, and whom a request would go to by it."""

from typing import Annotated

from fastapi import APIRouter, Query

from billing.policy.sentences import policy_in_words

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example
from ..http.openapi import answers
from ..problems.common import INVALID_REQUEST, NOT_FOUND, ROLE_MISSING
from .schemas import PolicyAnswer, SimulationAnswer, SimulationQuery
from .simulations import simulate

router = APIRouter(prefix="/v1/policy", tags=["Policy"])


@router.get("", summary="Read the policy", responses=answers({200: example("policy/policy")}))
async def read_policy(caller: AnyCaller, context: InContext) -> PolicyAnswer:
    """The business rules in words, grouped, and as values."""
    return PolicyAnswer(
        hash=context.policy_hash,
        groups=list(policy_in_words(context.policy)),
        document=context.policy_document,
    )


@router.get(
    "/simulation",
    summary="Simulate a request",
    responses=answers({200: example("policy/simulation")}, INVALID_REQUEST, ROLE_MISSING, NOT_FOUND),
)
async def read_simulation(
    query: Annotated[SimulationQuery, Query()], caller: AnyCaller, context: InContext
) -> SimulationAnswer:
    """Who would be asked for it, by which rule, why and until when, and how much authority would be left.

    Nobody is told and nothing is recorded. Billing admins, controllers and auditors can simulate everybody's
    requests, others only their own.
    """
    return await simulate(context, caller, query)
