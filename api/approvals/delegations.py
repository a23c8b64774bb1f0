"""Who decides in whose place, for one approval or while somebody is away: one asks, the other agrees."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import already_decided, join_roles
from billing.approvals.delegation import (
    check_delegate,
    check_of_approval,
    check_period,
    decided_already,
    not_held,
)
from billing.core.errors import BillingError
from billing.core.events import EventCode
from billing.core.operations import Role
from db.approvals import approvals, deciders, delegations
from db.core import timeline
from db.core.clock import utc_now
from db.operations import operations
from db.people import people
from db.tables import Approval, Delegation, new_id

from ..http.auth import Actor, AnyCaller, Caller
from ..http.context import Context, InContext
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..limits.problems import TOO_MANY_DELEGATIONS
from ..operations import views
from ..operations.problems import OWN_REQUEST, REQUESTERS_DELEGATE
from ..problems.common import (
    BODY_TOO_LARGE,
    INVALID_CURSOR,
    INVALID_REQUEST,
    NOT_FOUND,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import ApiProblem, not_found
from . import delegation_mails
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
from .views import viewer

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
async def delegate(id: Id, body: DelegateBody, who: Actor, context: InContext) -> DelegationAnswer:
    """Once they accept, they decide under their own name, with your role and within your authority."""
    at = utc_now()
    async with context.database.transaction() as session:
        found = await approvals.get(session, who.organization, id)
        if found is None:
            raise not_found()
        approval = await approvals.lock(session, found.id)
        await _check_own(session, approval, body.to, who)
        row = _offered(body, who, at, approval=approval.id, starts_at=body.from_, ends_at=body.until)
        stored = await _store(session, context, row, ("from", "until"))
        if stored is row:
            await _tell(session, approval, row, EventCode.DELEGATION_OFFERED, at)
            start = await delegation_mails.offered(session, row, approval, at)
    if stored is row:
        context.dispatcher.hand_over(start)
    return shown(stored, at)


@router.post(
    "/delegations",
    status_code=201,
    summary="Delegate approvals",
    responses=answers({201: example("approvals/delegation")}, *WITH_BODY, *WRONG),
    openapi_extra=body_example(example("approvals/delegation_body")),
)
async def create(body: DelegationBody, who: Actor, context: InContext) -> DelegationAnswer:
    """Covers every approval that you could decide from `starts_at` until just before `ends_at`, once the
    delegate accepts. Repeating the request returns the same delegation.
    """
    at = utc_now()
    if body.role is not None and body.role not in who.roles:
        raise ApiProblem.at(
            ROLE_NOT_HELD, f"You don't hold the role {body.role} yourself; choose one of yours.", "/role"
        )
    row = _offered(body, who, at, role=body.role, starts_at=body.starts_at, ends_at=body.ends_at)
    async with context.database.transaction() as session:
        stored = await _store(session, context, row, ("starts_at", "ends_at"))
        if stored is row:
            start = await delegation_mails.offered(session, row, None, at)
    if stored is row:
        context.dispatcher.hand_over(start)
    return shown(stored, at)


@router.get(
    "/delegations",
    summary="List delegations",
    responses=answers({200: listed(example("approvals/delegation"))}, INVALID_REQUEST, INVALID_CURSOR),
)
async def list_delegations(
    query: Annotated[DelegationsQuery, Query()], who: AnyCaller, context: InContext
) -> ListOf[DelegationAnswer]:
    """Newest first. Lists the delegations that you gave or received; auditors see all of them."""
    at = utc_now()
    async with context.database.reading() as session:
        page = await delegations.page(
            session,
            who.organization,
            person=None if Role.AUDITOR in who.roles else who.person,
            at=at if query.active else None,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, lambda row: shown(row, at))


@router.get(
    "/delegations/{id}",
    summary="Read a delegation",
    responses=answers({200: example("approvals/delegation")}, NOT_FOUND),
)
async def read_delegation(id: Id, who: AnyCaller, context: InContext) -> DelegationAnswer:
    """You can read delegations that you gave or received; auditors can read all of them."""
    async with context.database.reading() as session:
        return shown(await _seen(session, id, who), utc_now())


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
async def accept(id: Id, who: Actor, context: InContext) -> DelegationAnswer:
    """Only the delegate can accept. Takes no body; repeating the request changes nothing.

    From then on you act for the delegator, so you cannot decide anything that they requested, revised, or
    retried while the delegation was active.
    """
    return await _answer(context, who, id, accepts=True)


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
async def decline(id: Id, who: Actor, context: InContext) -> DelegationAnswer:
    """Only the delegate can decline, and then never acted for the delegator. Takes no body; repeating the
    request changes nothing."""
    return await _answer(context, who, id, accepts=False)


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
async def revoke(id: Id, who: Actor, context: InContext) -> DelegationAnswer:
    """Takes effect immediately. The delegator and the delegate can revoke it. Takes no body; repeating the
    request changes nothing."""
    at = utc_now()
    async with context.database.transaction() as session:
        await _seen(session, id, who)
        row = await delegations.revoke(session, id, by=who.person, at=at)
        if row.approval_id is not None:
            approval = await approvals.get_any(session, row.approval_id)
            await _tell(session, approval, row, EventCode.DELEGATION_REVOKED, row.revoked_at or at)
    return shown(row, at)


async def _answer(context: Context, who: Caller, id_: str, *, accepts: bool) -> DelegationAnswer:
    at = utc_now()
    async with context.database.transaction() as session:
        found = await _seen(session, id_, who)
        if found.to_person != who.person:
            message = "Only the person named as the delegate can accept or decline a delegation."
            raise ApiProblem(NOT_YOUR_DELEGATION, message)
        approval = await approvals.lock(session, found.approval_id) if found.approval_id else None
        if accepts and approval is not None:
            await _check_open(session, approval, who)
        answered = found.accepted_at if accepts else found.declined_at
        row = await delegations.answer(session, id_, accepts=accepts, at=at)
        if (row.accepted_at if accepts else row.declined_at) is None or row.revoked_at is not None:
            raise _closed(row, at)
        if answered is not None:
            return shown(row, at)
        if approval is not None:
            event = EventCode.DELEGATION_ACCEPTED if accepts else EventCode.DELEGATION_DECLINED
            await _tell(session, approval, row, event, at)
        start = await delegation_mails.answered(session, row, approval, at, accepts=accepts)
    context.dispatcher.hand_over(start)
    return shown(row, at)


def _closed(row: Delegation, at: datetime) -> ApiProblem:
    state = _state(row, at)
    if row.accepted_at is not None and row.revoked_at is None:
        return ApiProblem(DELEGATION_CLOSED, f"You accepted this delegation ({state}): revoke it instead.")
    return ApiProblem(DELEGATION_CLOSED, f"This delegation is {state}: create a new one.")


async def _seen(session: AsyncSession, id_: str, who: Caller) -> Delegation:
    """One that the caller gave or was given, or audits. Raises ApiProblem `not_found`."""
    found = await delegations.get(session, who.organization, id_)
    sees_all = Role.AUDITOR in who.roles
    if found is None or not (sees_all or who.person in (found.from_person, found.to_person)):
        raise not_found()
    return found


async def _check_open(session: AsyncSession, approval: Approval, who: Caller) -> None:
    """Whether there is still something to decide in which whoever agrees may have a say."""
    refusal = deciders.progress_of(approval, (await viewer(session, who)).pool).deciders.refusal(who.person)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)
    if approval.state != approvals.OPEN:
        raise ApiProblem(
            APPROVAL_CLOSED, f"This approval is already {approval.state}; there is nothing to decide."
        )


async def _check_own(session: AsyncSession, approval: Approval, to: str, who: Caller) -> None:
    """Whether the caller has a say of their own to give away, and this person may have it."""
    progress = deciders.progress_of(approval, (await viewer(session, who)).pool)
    refusal = progress.deciders.refusal(who.person)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)
    roles = {role for rung in progress.ladder for role in rung.roles}
    if not roles & who.roles:
        lent = any(one.role in roles for one in progress.deciders.capacities(who.person))
        raise not_held(join_roles(roles), lent=lent)
    if approval.state != approvals.OPEN:
        raise ApiProblem(
            APPROVAL_CLOSED, f"This approval is already {approval.state}; there is nothing to delegate."
        )
    if who.person in already_decided(progress.signatures):
        raise decided_already()
    check_of_approval(to, progress.deciders)


async def _store(
    session: AsyncSession, context: Context, row: Delegation, fields: tuple[str, str]
) -> Delegation:
    """The delegation, or the one that says the same already."""
    check_period(row.starts_at, row.ends_at, row.created_at, fields=fields)
    person = await people.get(session, row.organization_id, row.to_person)
    active, roles = (person.active, person.roles) if person else (None, [])
    check_delegate(row.from_person, row.to_person, active, roles)
    same = await delegations.same(session, row)
    if same is not None:
        return same
    await context.limits.check_delegations(session, row.organization_id, row.created_by, row.created_at)
    return await delegations.add(session, row)


def _offered(
    body: DelegateBody | DelegationBody,
    who: Caller,
    at: datetime,
    *,
    starts_at: datetime | None,
    ends_at: datetime,
    role: Role | None = None,
    approval: str | None = None,
) -> Delegation:
    return Delegation(
        id=new_id("dlg"),
        organization_id=who.organization,
        from_person=who.person,
        to_person=body.to,
        role=role,
        approval_id=approval,
        starts_at=starts_at or at,
        ends_at=ends_at,
        reason=body.reason,
        created_by=who.person,
        created_at=at,
    )


async def _tell(
    session: AsyncSession, approval: Approval, row: Delegation, event: EventCode, at: datetime
) -> None:
    """On the timeline of what it is about."""
    await operations.lock(session, approval.operation_id)
    answered = row.accepted_at == at or row.declined_at == at
    await timeline.append(
        session,
        approval.operation_id,
        key=f"{event}:{row.id}",
        event=event,
        actor=row.to_person if answered else row.revoked_by or row.from_person,
        at=at,
        detail={
            "approval": approval.id,
            "by": row.from_person,
            "to": row.to_person,
            "from": row.starts_at.isoformat(),
            "until": row.ends_at.isoformat(),
            "reason": row.reason,
        },
    )


def _state(row: Delegation, at: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.declined_at is not None:
        return "declined"
    if row.ends_at <= at:
        return "over"
    if row.accepted_at is None:
        return "offered"
    return "upcoming" if row.starts_at > at else "active"


def shown(row: Delegation, at: datetime) -> DelegationAnswer:
    """A delegation as it stands at this time."""
    return DelegationAnswer.model_validate(
        row.model_dump()
        | {
            "delegator": row.from_person,
            "delegate": row.to_person,
            "approval": row.approval_id,
            "state": _state(row, at),
        }
    )
