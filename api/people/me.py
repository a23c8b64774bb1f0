"""Who calls: what they may do, and what waits for them."""

from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Role
from db.approvals import approvals
from db.approvals import delegations as delegation_rows
from db.operations import notices
from db.people import people

from ..approvals import delegation_views
from ..approvals.views import viewer
from ..http.auth import AnyCaller, Caller
from ..http.context import InContext
from ..http.examples import example
from ..http.openapi import answers
from . import views
from .schemas import MeAnswer, MyOrganization, WaitingCounts

router = APIRouter(prefix="/v1", tags=["People"])

MOST_APPROVALS = 100


@router.get("/me", summary="Read who you are", responses=answers({200: example("people/me")}))
async def read_me(caller: AnyCaller, context: InContext) -> MeAnswer:
    """The person whose API key it is, their authority under the current policy, and how much awaits them.

    Operations that are under way keep the policy that they started under.
    """
    async with context.database.reading() as session:
        person, organization = await people.with_organization(session, caller.person)
        seen_by = await viewer(session, caller)
        roles = views.acting_roles(caller.roles)
        authority = await views.authority(session, context, person, roles, seen_by.at)
        standing = await delegation_rows.standing(session, caller.organization, caller.person, seen_by.at)
        mine = approvals.paged(caller.organization, waits_for=caller.person, keep=seen_by.may_have_a_say)
        page = await mine.page(session, limit=MOST_APPROVALS)
        waiting = WaitingCounts(
            approvals=len(page.rows), notices=await _notices_waiting(session, caller, roles)
        )
    shown = [delegation_views.shown(row, seen_by.at) for row in standing]
    return MeAnswer(
        id=person.id,
        name=person.name,
        email=person.email,
        zone=person.zone or organization.zone,
        organization=MyOrganization.model_validate(organization),
        roles=[Role(role) for role in person.roles],
        authority=authority,
        delegations_given=[one for one in shown if one.delegator == person.id],
        delegations_received=[one for one in shown if one.delegate == person.id],
        waiting=waiting,
    )


async def _notices_waiting(session: AsyncSession, caller: Caller, roles: frozenset[Role]) -> int:
    """As many as their role may acknowledge: Finance all, controllers those that are escalated."""
    if Role.FINANCE in roles:
        return await notices.count(session, caller.organization, notices.WAITING)
    if Role.CONTROLLER in roles:
        return await notices.count(session, caller.organization, [notices.ESCALATED])
    return 0
