"""Networks from which links to the mini-portal may, or may not, be opened."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, StringConstraints

from billing.portal.networks import Action, parse_network
from db.core.clock import utc_now
from db.mirror import mirror
from db.people import people
from db.portal import networks
from db.tables import PortalNetwork, new_id

from ..http.auth import AnyCaller, BillingAdmin
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import DOWNWARDS, Answer, Body, ListOf, OtherId, Reason
from ..http.models import Query as ListQuery
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations import views
from ..problems.common import (
    BODY_TOO_LARGE,
    CUSTOMER_UNKNOWN,
    NOT_FOUND,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import ApiProblem, existing
from .problems import NETWORK_LISTED, NETWORK_MALFORMED

router = APIRouter(prefix="/v1/portal-networks", tags=["Portal"])

Cidr = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class NetworkBody(Body):
    """A customer's own networks come before those of the whole organization."""

    action: Action = Field(description="allow: if any network is allowed, all others are blocked")
    network: Cidr = Field(description="In CIDR notation, or one address")
    customer: OtherId | None = Field(
        default=None, description="A customer from GET /v1/customers; null: all customers"
    )
    reason: Reason = Field(description="Why, for people who look at the rule later")


class NetworksQuery(ListQuery):
    customer: OtherId | None = Field(default=None, description="Only rules that apply to this customer")
    removed: bool = Field(default=False, description="true: only removed rules")
    sort: networks.NetworkSort = Field(default="-created_at", description=DOWNWARDS)


class NetworkAnswer(Answer):
    """Of the networks around an address the smallest counts, and of a tie the block."""

    id: str
    customer: str | None = Field(description="null: all customers")
    action: Action
    network: str
    reason: str
    created_by: str
    created_at: datetime
    removed_by: str | None
    removed_at: datetime | None


@router.post(
    "",
    status_code=201,
    summary="Allow or block a network",
    responses=answers(
        {201: example("portal_admin/network")},
        *WITH_BODY,
        ROLE_MISSING,
        NETWORK_MALFORMED,
        CUSTOMER_UNKNOWN,
        NETWORK_LISTED,
    ),
    openapi_extra=body_example(example("portal_admin/network_body")),
)
async def add(body: NetworkBody, caller: BillingAdmin, context: InContext) -> NetworkAnswer:
    """Applies to everybody who opens a link from now on. Repeating the request returns the same rule."""
    row = PortalNetwork(
        id=new_id("net"),
        organization_id=caller.organization,
        customer_id=body.customer,
        action=body.action,
        network=str(parse_network(body.network)),
        reason=body.reason,
        created_by=caller.person,
        created_at=utc_now(),
    )
    async with context.database.transaction() as session:
        if body.customer and await mirror.customer(session, caller.organization, body.customer) is None:
            message = "There is no such customer: name another one."
            raise ApiProblem.at(CUSTOMER_UNKNOWN, message, "/customer")
        await people.lock_organization(session, caller.organization)
        earlier = await networks.same_network(session, row)
        if earlier is None:
            session.add(row)
        elif earlier.action != row.action:
            raise _listed(earlier)
    return _answer(earlier or row)


@router.get(
    "",
    summary="List networks",
    response_model=ListOf[NetworkAnswer],
    responses=list_answers("portal_admin/network", NetworkAnswer),
)
async def list_networks(
    query: Annotated[NetworksQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find."""
    listing = networks.paged(
        caller.organization, removed=query.removed, customer_id=query.customer, sort=query.sort
    )
    return await answer_list(request, context, query, listing, views.each(_answer), NetworkAnswer)


@router.delete(
    "/{id}",
    summary="Remove a network",
    responses=answers(
        {200: example("portal_admin/removed_network")},
        ROLE_MISSING,
        NOT_FOUND,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def remove(id: Id, caller: BillingAdmin, context: InContext) -> NetworkAnswer:
    """The rule no longer applies, and stays in the list of removed ones. Repeating the request changes
    nothing.
    """
    async with context.database.transaction() as session:
        found = existing(await networks.get(session, caller.organization, id))
        row = await networks.remove(session, found.id, by=caller.person, at=utc_now())
    return _answer(row)


def _listed(earlier: PortalNetwork) -> ApiProblem:
    done = "allowed" if earlier.action == "allow" else "blocked"
    whom = "this customer" if earlier.customer_id else "all customers"
    return ApiProblem(
        NETWORK_LISTED,
        f"{earlier.network} is {done} for {whom} already: remove that rule first.",
        more={"portal_network": earlier.id},
    )


def _answer(row: PortalNetwork) -> NetworkAnswer:
    return NetworkAnswer.model_validate(row.model_dump() | {"customer": row.customer_id})
