"""The rows that a delegation writes: itself, once, and what the timeline of its approval says of it."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.delegation import check_delegate, check_period
from billing.core.events import EventCode
from billing.core.operations import Role
from db.approvals import delegations
from db.core import timeline
from db.operations import operations
from db.people import people
from db.tables import Approval, Delegation, new_id

from ..http.auth import Caller
from ..http.context import Context
from .schemas import DelegateBody, DelegationBody


def offered(
    body: DelegateBody | DelegationBody,
    caller: Caller,
    at: datetime,
    *,
    starts_at: datetime | None,
    ends_at: datetime,
    role: Role | None = None,
    approval: str | None = None,
) -> Delegation:
    return Delegation(
        id=new_id("dlg"),
        organization_id=caller.organization,
        from_person=caller.person,
        to_person=body.to,
        role=role,
        approval_id=approval,
        starts_at=starts_at or at,
        ends_at=ends_at,
        reason=body.reason,
        created_by=caller.person,
        created_at=at,
    )


async def store(
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


async def tell(
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
