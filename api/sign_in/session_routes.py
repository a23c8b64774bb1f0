"""Who is signed in to the console, and ending that."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from billing.core.operations import Role
from billing.policy.sign_in import SignInPolicy
from db.core.clock import utc_now
from db.sign_in import sessions
from db.tables import ConsoleSession

from ..http.auth import Actor, AnyCaller, Caller
from ..http.context import InContext
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations import views
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND, ROLE_MISSING
from ..problems.problem import not_found
from .schemas import SessionAnswer, SessionsQuery
from .sessions import idle_of

router = APIRouter(prefix="/v1/sessions", tags=["Sessions"])

SEE_ALL = frozenset([Role.BILLING_ADMIN, Role.AUDITOR])


@router.get(
    "",
    summary="List console sessions",
    responses=answers({200: listed(example("sign_in/session"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_sessions(
    query: Annotated[SessionsQuery, Query()], caller: AnyCaller, context: InContext
) -> ListOf[SessionAnswer]:
    """Newest first. Billing admins and auditors see everybody's, others only their own."""
    at, policy = utc_now(), context.policy.sign_in
    person = query.person if caller.roles & SEE_ALL else caller.person
    if query.person not in (None, person):
        return ListOf(data=[], next_cursor=None)
    async with context.database.reading() as session:
        page = await sessions.page(
            session,
            caller.organization,
            person=person,
            live_at=at if query.live else None,
            idle=idle_of(policy),
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, lambda row: _answer(row, policy, at))


@router.post(
    "/{id}/revoke",
    summary="Sign a session out",
    responses=answers({200: example("sign_in/revoked_session")}, ROLE_MISSING, NOT_FOUND),
)
async def revoke(id: Id, caller: Actor, context: InContext) -> SessionAnswer:
    """Its browser is signed out with the next request. Billing admins can end everybody's sessions, others
    only their own. A session that was revoked before does not change."""
    at = utc_now()
    async with context.database.transaction() as session:
        row = await sessions.get(session, caller.organization, id)
        if row is None or not _may_end(caller, row):
            raise not_found()
        await sessions.revoke(session, id, by=caller.person, at=at)
        await session.refresh(row)
    return _answer(row, context.policy.sign_in, at)


def _may_end(caller: Caller, row: ConsoleSession) -> bool:
    return row.person_id == caller.person or Role.BILLING_ADMIN in caller.roles


def _answer(row: ConsoleSession, policy: SignInPolicy, at: datetime) -> SessionAnswer:
    state = sessions.state_of(row, at, idle_of(policy))
    return SessionAnswer.model_validate(row.model_dump() | {"person": row.person_id, "state": state})
