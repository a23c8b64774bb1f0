"""Who decides in whose place: for one approval, or while somebody is away."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.deciders import named, taken
from billing.delegation import check_delegate, check_of_approval, check_period, decided_already, not_held
from billing.errors import BillingError
from billing.messages import Delegated
from billing.operations import Role
from db import approvals, deciders, delegations, operations, outbox, people, timeline
from db.tables import Approval, Delegation, Outbox, new_id

from . import examples, views
from .approval_models import DelegateBody, DelegationAnswer, DelegationBody, DelegationsQuery
from .approval_views import viewer
from .auth import AnyCaller, Caller
from .context import InContext, now
from .dispatcher import HEAD_START
from .ids import Id
from .models import Listed
from .openapi import WITH_BODY, answers, body_example
from .problems import ApiProblem, not_found

router = APIRouter(prefix="/v1", tags=["Delegations"])

WRONG = (
    "delegate_is_self",
    "delegate_unknown",
    "delegate_inactive",
    "delegation_inverted",
    "delegation_in_past",
    "delegation_too_long",
    "role_not_held",
)


@router.post(
    "/approvals/{id}/delegate",
    status_code=201,
    summary="Let somebody decide in your place",
    responses=answers(
        {201: examples.APPROVAL_DELEGATION},
        *WITH_BODY,
        "not_found",
        "own_request",
        "requesters_delegate",
        "approval_closed",
        "already_decided",
        "delegate_is_requester",
        *WRONG,
    ),
    openapi_extra=body_example(examples.DELEGATE),
)
async def delegate(id: Id, body: DelegateBody, who: AnyCaller, context: InContext) -> DelegationAnswer:
    """For this approval only. They decide under their own name, by your role, within your authority."""
    at = now()
    async with context.database.transaction() as session:
        found = await approvals.get(session, who.organization, id)
        if found is None:
            raise not_found()
        approval = await approvals.lock(session, found.id)
        await _check_own(session, approval, body.to, who)
        row = Delegation(
            id=new_id("dlg"),
            organization_id=who.organization,
            from_person=who.person,
            to_person=body.to,
            approval_id=approval.id,
            starts_at=body.from_ or at,
            ends_at=body.until,
            reason=body.reason,
            created_by=who.person,
            created_at=at,
        )
        stored = await _store(session, row, ("from", "until"))
        passed_on = await _pass_on(session, approval, stored) if stored is row else None
    if passed_on is not None:
        context.dispatcher.hand_over(passed_on)
    return _shown(stored, at)


@router.post(
    "/delegations",
    status_code=201,
    summary="Be away",
    responses=answers({201: examples.DELEGATION}, *WITH_BODY, *WRONG),
    openapi_extra=body_example(examples.DELEGATION_BODY),
)
async def create(body: DelegationBody, who: AnyCaller, context: InContext) -> DelegationAnswer:
    """For every approval that you could decide, from `starts_at` until before `ends_at`. Sent again it is
    the same delegation."""
    at = now()
    if body.role is not None and body.role not in who.roles:
        raise ApiProblem.at(
            "role_not_held", f"You do not have the role {body.role} yourself; name one of yours.", "/role"
        )
    row = Delegation(
        id=new_id("dlg"),
        organization_id=who.organization,
        from_person=who.person,
        to_person=body.to,
        role=body.role,
        starts_at=body.starts_at or at,
        ends_at=body.ends_at,
        reason=body.reason,
        created_by=who.person,
        created_at=at,
    )
    async with context.database.transaction() as session:
        stored = await _store(session, row, ("starts_at", "ends_at"))
    return _shown(stored, at)


@router.get(
    "/delegations",
    summary="List delegations",
    responses=answers({200: examples.listed(examples.DELEGATION)}, "invalid_request", "invalid_cursor"),
)
async def list_delegations(
    query: Annotated[DelegationsQuery, Query()], who: AnyCaller, context: InContext
) -> Listed[DelegationAnswer]:
    """The newest first: those that you gave or were given, to an auditor everybody's."""
    at = now()
    async with context.database.reading() as session:
        page = await delegations.page(
            session,
            who.organization,
            person=None if Role.AUDITOR in who.roles else who.person,
            at=at if query.active else None,
            limit=query.limit,
            cursor=query.cursor,
        )
    return views.listed(page, lambda row: _shown(row, at))


@router.post(
    "/delegations/{id}/revoke",
    summary="End a delegation",
    responses=answers(
        {200: examples.REVOKED_DELEGATION},
        "not_found",
        "not_your_delegation",
        "body_too_large",
        "unsupported_media_type",
    ),
)
async def revoke(id: Id, who: AnyCaller, context: InContext) -> DelegationAnswer:
    """At once, by whoever gave it. No body. Again changes nothing."""
    at = now()
    async with context.database.transaction() as session:
        found = await delegations.get(session, who.organization, id)
        if found is None or not _may_see(found, who):
            raise not_found()
        if found.from_person != who.person:
            raise ApiProblem.usual("not_your_delegation")
        row = await delegations.revoke(session, id, by=who.person, at=at)
        if row.approval_id is not None:
            await _tell(session, row, "delegation revoked", row.revoked_at or at)
    return _shown(row, at)


async def _check_own(session: AsyncSession, approval: Approval, to: str, who: Caller) -> None:
    """Whether the caller has a say of their own to give away, and this person may have it."""
    case = deciders.case_of(approval, (await viewer(session, who)).bench)
    refusal = case.deciders.refusal(who.person)
    if refusal is not None:
        raise BillingError(refusal.code, refusal.message)
    roles = {role for rung in case.ladder for role in rung.roles}
    if not roles & who.roles:
        lent = any(one.role in roles for one in case.deciders.capacities(who.person))
        raise not_held(named(roles), lent=lent)
    if approval.state != approvals.OPEN:
        raise ApiProblem(
            "approval_closed", f"This approval is already {approval.state}; there is nothing to delegate."
        )
    if who.person in taken(case.signatures):
        raise decided_already()
    check_of_approval(to, case.deciders.requester, case.deciders.barred)


async def _store(session: AsyncSession, row: Delegation, fields: tuple[str, str]) -> Delegation:
    """The delegation, or the one that says the same already."""
    check_period(row.starts_at, row.ends_at, row.created_at, fields=fields)
    person = await people.get(session, row.organization_id, row.to_person)
    check_delegate(row.from_person, row.to_person, person.active if person else None)
    return await delegations.same(session, row) or await delegations.add(session, row)


async def _pass_on(session: AsyncSession, approval: Approval, row: Delegation) -> Outbox:
    """Its event, and the word to the workflow, which mails the delegate."""
    await _tell(session, row, "delegated", row.created_at)
    message = Delegated(
        delegation=row.id, person=row.from_person, to=row.to_person, until=row.ends_at, comment=row.reason
    )
    return await outbox.enqueue(
        session,
        action=outbox.UPDATE,
        workflow_id=approval.workflow_id,
        name="delegate",
        payload=message.model_dump(mode="json"),
        at=row.created_at,
        update_id=row.id,
        due_at=row.created_at + HEAD_START,
    )


async def _tell(session: AsyncSession, row: Delegation, event: str, at: datetime) -> None:
    approval = await approvals.get_any(session, row.approval_id or "")
    await operations.lock(session, approval.operation_id)
    await timeline.append(
        session,
        approval.operation_id,
        key=f"{event}:{row.id}",
        event=event,
        actor=row.from_person,
        at=at,
        detail={
            "approval": approval.id,
            "to": row.to_person,
            "from": row.starts_at.isoformat(),
            "until": row.ends_at.isoformat(),
            "reason": row.reason,
        },
    )


def _may_see(row: Delegation, who: Caller) -> bool:
    return who.person in (row.from_person, row.to_person) or Role.AUDITOR in who.roles


def _shown(row: Delegation, at: datetime) -> DelegationAnswer:
    state = "active"
    if row.revoked_at is not None:
        state = "revoked"
    elif row.ends_at <= at:
        state = "over"
    elif row.starts_at > at:
        state = "upcoming"
    return DelegationAnswer.model_validate(
        row.model_dump()
        | {
            "delegator": row.from_person,
            "delegate": row.to_person,
            "approval": row.approval_id,
            "state": state,
        }
    )
