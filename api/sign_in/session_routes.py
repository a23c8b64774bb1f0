"""Who is signed in to the console, and ending that."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from billing.policy.sign_in import SignInPolicy
from db.core.clock import utc_now
from db.core.pages import NOTHING
from db.people import people
from db.sign_in import sessions
from db.tables import ConsoleSession

from ..http.auth import Actor, AnyCaller, may_end, whose
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations import views
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import existing, not_found
from .schemas import SessionAnswer, SessionsQuery, SignOutAnswer, SignOutBody
from .sessions import idle_of

router = APIRouter(prefix="/v1/sessions", tags=["Sessions"])


@router.get(
    "",
    summary="List console sessions",
    response_model=ListOf[SessionAnswer],
    responses=list_answers("sign_in/session", SessionAnswer),
)
async def list_sessions(
    query: Annotated[SessionsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all that the filters find. Billing admins and
    auditors see everybody's, others only their own."""
    at, policy = utc_now(), context.policy.sign_in
    person, visible = whose(caller, query.person)
    listing = sessions.paged(
        caller.organization,
        person=person,
        live_at=at if query.live else None,
        idle=idle_of(policy),
        sort=query.sort,
    )
    rows = listing if visible else NOTHING
    return await answer_list(
        request, context, query, rows, views.each(lambda row: _answer(row, policy, at)), SessionAnswer
    )


@router.post(
    "/revoke",
    summary="Sign a person out everywhere",
    responses=answers({200: example("sign_in/signed_out")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND),
    openapi_extra=body_example(example("sign_in/sign_out_body")),
)
async def sign_out(body: SignOutBody, caller: Actor, context: InContext) -> SignOutAnswer:
    """All of their sessions end but for one that you name. Billing admins can sign everybody out, others only
    themselves."""
    whom = body.person or caller.person
    if not may_end(caller, whom):
        raise not_found()
    async with context.database.transaction() as session:
        person = existing(await people.get(session, caller.organization, whom))
        revoked = await sessions.revoke_all(
            session, person, keep=body.except_, by=caller.person, at=utc_now()
        )
    return SignOutAnswer(revoked=revoked)


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
        if row is None or not may_end(caller, row.person_id):
            raise not_found()
        await sessions.revoke(session, id, by=caller.person, at=at)
        await session.refresh(row)
    return _answer(row, context.policy.sign_in, at)


def _answer(row: ConsoleSession, policy: SignInPolicy, at: datetime) -> SessionAnswer:
    state = sessions.state_of(row, at, idle_of(policy))
    return SessionAnswer.model_validate(row.model_dump() | {"person": row.person_id, "state": state})
