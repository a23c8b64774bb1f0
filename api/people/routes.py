"""Who there is in an organization: whom one can name, and what each may do."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Role
from db.approvals import delegations
from db.core.clock import utc_now
from db.people import keys, people
from db.sign_in import sessions
from db.tables import Person

from ..approvals import delegation_views
from ..http.auth import SEE_AUTHORITY, AnyCaller, whose
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import answers
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import existing
from . import views
from .schemas import PeopleQuery, PersonAnswer, PersonDetailAnswer

router = APIRouter(prefix="/v1/people", tags=["People"])


@router.get(
    "",
    summary="List people",
    response_model=ListOf[PersonAnswer],
    responses=list_answers("people/person", PersonAnswer),
)
async def list_people(
    query: Annotated[PeopleQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find. Includes people who
    are no longer active, unless you filter by `active`."""
    listing = people.paged(
        caller.organization, q=query.q, role=query.role, active=query.active, sort=query.sort
    )

    async def shown(session: AsyncSession, rows: Sequence[Person]) -> list[PersonAnswer]:
        came = await sessions.last_begun(session, [row.id for row in rows])
        return [views.person_answer(row, caller, came.get(row.id)) for row in rows]

    return await answer_list(request, context, query, listing, shown, PersonAnswer)


@router.get(
    "/{id}",
    summary="Read a person",
    responses=answers({200: example("people/person_detail")}, ROLE_MISSING, NOT_FOUND),
)
async def read_person(id: Id, caller: AnyCaller, context: InContext) -> PersonDetailAnswer:
    """With what they may give alone and have given, whom they act for, and how they come in.

    Billing admins, controllers and auditors see everybody, others themselves.
    """
    if id != caller.person:
        caller.needs(*sorted(SEE_AUTHORITY))
    at = utc_now()
    _, visible = whose(caller, id)
    async with context.database.reading() as session:
        person, organization = existing(await people.of_organization(session, caller.organization, id))
        roles = views.acting_roles([Role(role) for role in person.roles] if person.active else [])
        authority = await views.authority(session, context, person, roles, at)
        standing = await delegations.standing(session, caller.organization, id, at)
        came = await sessions.last_begun(session, [id])
        live_keys = await keys.count_live(session, id, at) if visible else None
        idle = timedelta(minutes=context.policy.sign_in.idle_minutes)
        live_sessions = await sessions.count_live(session, id, at, idle) if visible else None
    shown = [delegation_views.shown(row, at) for row in standing]
    return PersonDetailAnswer(
        **views.person_answer(person, caller, came.get(id)).model_dump(),
        zone=person.zone or organization.zone,
        created_at=person.created_at,
        known_by="subject" if person.subject else "address",
        authority=authority,
        delegations_given=[one for one in shown if one.delegator == id],
        delegations_received=[one for one in shown if one.delegate == id],
        live_keys=live_keys,
        live_sessions=live_sessions,
    )
