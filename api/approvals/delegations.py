"""Who decides in whose place, for one approval or while somebody is away: one asks, the other agrees."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from billing.core.events import EventCode
from billing.core.operations import Role
from db.approvals import approvals, delegations
from db.core.clock import utc_now

from ..http.auth import Actor, AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..limits.problems import TOO_MANY_DELEGATIONS
from ..operations import views
from ..operations.problems import OWN_REQUEST, REQUESTERS_DELEGATE
from ..problems.common import (
    BODY_TOO_LARGE,
    NOT_FOUND,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import ApiProblem, existing
from . import delegation_checks, delegation_mails, delegation_records, delegation_views
from .problems import (
    ALREADY_DECIDED,
    APPROVAL_CLOSED,
    DELEGATE_INACTIVE,
    DELEGATE_IS_AUDITOR,
    DELEGATE_IS_REQUESTER,
    DELEGATE_IS_SELF,
    DELEGATE_UNKNOWN,
    DELEGATION_CLOSED,
    DELEGATION_IN_PAST,
    DELEGATION_INVERTED,
    DELEGATION_TOO_LONG,
    NOT_YOUR_DELEGATION,
    ROLE_NOT_HELD,
)
from .schemas import DelegateBody, DelegationAnswer, DelegationBody, DelegationsQuery

router = APIRouter(prefix="/v1", tags=["Delegations"])

WRONG = (
    DELEGATE_IS_SELF,
    DELEGATE_UNKNOWN,
    DELEGATE_INACTIVE,
    DELEGATE_IS_AUDITOR,
    ROLE_MISSING,
    DELEGATION_INVERTED,
    DELEGATION_IN_PAST,
    DELEGATION_TOO_LONG,
    ROLE_NOT_HELD,
    TOO_MANY_DELEGATIONS,
)


@router.post(
    "/approvals/{id}/delegate",
    status_code=201,
    summary="Delegate one approval",
    responses=answers(
        {201: example("approvals/approval_delegation")},
        *WITH_BODY,
        NOT_FOUND,
        OWN_REQUEST,
        REQUESTERS_DELEGATE,
        APPROVAL_CLOSED,
        ALREADY_DECIDED,
        DELEGATE_IS_REQUESTER,
        *WRONG,
    ),
    openapi_extra=body_example(example("approvals/delegate_body")),
)
async def delegate(id: Id, body: DelegateBody, caller: Actor, context: InContext) -> DelegationAnswer:
    """Once they accept, they decide under their own name, with your role and within your authority."""
    caller.acts_with_all_roles()
    at = utc_now()
    async with context.database.transaction() as session:
        found = existing(await approvals.get(session, caller.organization, id))
        approval = await approvals.lock(session, found.id)
        await delegation_checks.check_own(session, approval, body.to, caller)
        row = delegation_records.offered(
            body, caller, at, approval=approval.id, starts_at=body.from_, ends_at=body.until
        )
        stored = await delegation_records.store(session, context, row, ("from", "until"))
        if stored is row:
            await delegation_records.tell(session, approval, row, EventCode.DELEGATION_OFFERED, at)
            await delegation_mails.offered(session, row, approval, at)
    return delegation_views.shown(stored, at)


@router.post(
    "/delegations",
    status_code=201,
    summary="Delegate approvals",
    responses=answers({201: example("approvals/delegation")}, *WITH_BODY, *WRONG),
    openapi_extra=body_example(example("approvals/delegation_body")),
)
async def create(body: DelegationBody, caller: Actor, context: InContext) -> DelegationAnswer:
    """Covers every approval that you could decide from `starts_at` until just before `ends_at`, once the
    delegate accepts. Repeating the request returns the same delegation.
    """
    caller.acts_with_all_roles()
    at = utc_now()
    if body.role is not None and body.role not in caller.roles:
        raise ApiProblem.at(
            ROLE_NOT_HELD, f"You don't hold the role {body.role} yourself; choose one of yours.", "/role"
        )
    row = delegation_records.offered(
        body, caller, at, role=body.role, starts_at=body.starts_at, ends_at=body.ends_at
    )
    async with context.database.transaction() as session:
        stored = await delegation_records.store(session, context, row, ("starts_at", "ends_at"))
        if stored is row:
            await delegation_mails.offered(session, row, None, at)
    return delegation_views.shown(stored, at)


@router.get(
    "/delegations",
    summary="List delegations",
    response_model=ListOf[DelegationAnswer],
    responses=list_answers("approvals/delegation", DelegationAnswer),
)
async def list_delegations(
    query: Annotated[DelegationsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Newest first unless `sort` says otherwise; as `text/csv` all of them. Lists the delegations that you
    gave or received; auditors see all of them."""
    at = utc_now()
    listing = delegations.paged(
        caller.organization,
        person=None if Role.AUDITOR in caller.roles else caller.person,
        at=at if query.active else None,
        sort=query.sort,
    )
    return await answer_list(
        request,
        context,
        query,
        listing,
        views.each(lambda row: delegation_views.shown(row, at)),
        DelegationAnswer,
    )


@router.get(
    "/delegations/{id}",
    summary="Read a delegation",
    responses=answers({200: example("approvals/delegation")}, NOT_FOUND),
)
async def read_delegation(id: Id, caller: AnyCaller, context: InContext) -> DelegationAnswer:
    """You can read delegations that you gave or received; auditors can read all of them."""
    async with context.database.reading() as session:
        return delegation_views.shown(await delegation_checks.seen(session, id, caller), utc_now())


@router.post(
    "/delegations/{id}/accept",
    summary="Accept a delegation",
    responses=answers(
        {200: example("approvals/accepted_delegation")},
        ROLE_MISSING,
        NOT_FOUND,
        NOT_YOUR_DELEGATION,
        OWN_REQUEST,
        REQUESTERS_DELEGATE,
        DELEGATION_CLOSED,
        APPROVAL_CLOSED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def accept(id: Id, caller: Actor, context: InContext) -> DelegationAnswer:
    """Only the delegate can accept. Takes no body; repeating the request changes nothing.

    From then on you act for the delegator, so you cannot decide anything that they requested, revised, or
    retried while the delegation was active.
    """
    return await _answer(context, caller, id, accepts=True)


@router.post(
    "/delegations/{id}/decline",
    summary="Decline a delegation",
    responses=answers(
        {200: example("approvals/declined_delegation")},
        ROLE_MISSING,
        NOT_FOUND,
        NOT_YOUR_DELEGATION,
        DELEGATION_CLOSED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def decline(id: Id, caller: Actor, context: InContext) -> DelegationAnswer:
    """Only the delegate can decline. A delegation that was declined never took effect. Takes no body;
    repeating the request changes nothing."""
    return await _answer(context, caller, id, accepts=False)


@router.post(
    "/delegations/{id}/revoke",
    summary="Revoke a delegation",
    responses=answers(
        {200: example("approvals/revoked_delegation")},
        ROLE_MISSING,
        NOT_FOUND,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def revoke(id: Id, caller: Actor, context: InContext) -> DelegationAnswer:
    """Takes effect immediately. The delegator and the delegate can revoke it. Takes no body; repeating the
    request changes nothing."""
    at = utc_now()
    async with context.database.transaction() as session:
        await delegation_checks.seen(session, id, caller)
        row = await delegations.revoke(session, id, by=caller.person, at=at)
        if row.approval_id is not None:
            approval = await approvals.get_any(session, row.approval_id)
            await delegation_records.tell(
                session, approval, row, EventCode.DELEGATION_REVOKED, row.revoked_at or at
            )
    return delegation_views.shown(row, at)


async def _answer(context: Context, caller: Caller, delegation_id: str, *, accepts: bool) -> DelegationAnswer:
    at = utc_now()
    async with context.database.transaction() as session:
        found = await delegation_checks.seen(session, delegation_id, caller)
        if found.to_person != caller.person:
            message = "Only the person named as the delegate can accept or decline a delegation."
            raise ApiProblem(NOT_YOUR_DELEGATION, message)
        approval = await approvals.lock(session, found.approval_id) if found.approval_id else None
        if accepts and approval is not None:
            await delegation_checks.check_open(session, approval, caller)
        answered = found.accepted_at if accepts else found.declined_at
        row = await delegations.answer(session, delegation_id, accepts=accepts, at=at)
        if (row.accepted_at if accepts else row.declined_at) is None or row.revoked_at is not None:
            raise delegation_views.closed(row, at)
        if answered is not None:
            return delegation_views.shown(row, at)
        if approval is not None:
            event = EventCode.DELEGATION_ACCEPTED if accepts else EventCode.DELEGATION_DECLINED
            await delegation_records.tell(session, approval, row, event, at)
        await delegation_mails.answered(session, row, approval, at, accepts=accepts)
    return delegation_views.shown(row, at)
