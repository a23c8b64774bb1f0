"""The mails about a delegation: the delegate is asked, and whoever gave it hears the answer."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.messages import MailContext, MailRequest
from billing.operations.payloads import read_subject
from db.operations import outbox
from db.tables import Approval, Delegation


async def offered(session: AsyncSession, row: Delegation, approval: Approval | None, at: datetime) -> None:
    """To the delegate, who has to agree before it holds."""
    context = _context(row, approval).model_copy(update={"person": row.from_person, "comment": row.reason})
    await _mail(session, row, approval, at, "delegated", row.to_person, context)


async def answered(
    session: AsyncSession, row: Delegation, approval: Approval | None, at: datetime, *, accepts: bool
) -> None:
    """To whoever gave it: they count on it, or have to ask somebody else."""
    context = _context(row, approval).model_copy(update={"person": row.to_person, "accepted": accepts})
    await _mail(session, row, approval, at, "delegation_answered", row.from_person, context)


async def _mail(
    session: AsyncSession,
    row: Delegation,
    approval: Approval | None,
    at: datetime,
    template: str,
    to: str,
    context: MailContext,
) -> None:
    request = MailRequest(
        organization=row.organization_id,
        operation=approval.operation_id if approval else "",
        key=f"{row.id}:{template}",
        template=template,
        people=(to,),
        context=context,
    )
    await outbox.mail(session, request, at=at)


def _context(row: Delegation, approval: Approval | None) -> MailContext:
    context = MailContext(delegation=row.id, until=row.ends_at)
    if approval is None:
        return context
    return context.model_copy(
        update={
            "approval": approval.id,
            "kind": approval.kind,
            "subject": read_subject(approval.kind, approval.subject),
            "subject_hash": approval.subject_hash,
            "requested_by": approval.requested_by,
            "reason": approval.reason,
            "rule": approval.rule,
        }
    )
