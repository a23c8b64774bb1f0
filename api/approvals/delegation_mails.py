"""The mails about a delegation: the delegate is asked, and whoever gave it hears the answer."""

from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.customer_mails import PERSON_MAIL, person_mail_workflow
from billing.mail.messages import MailRequest
from db.operations import outbox
from db.tables import Approval, Delegation, Outbox

from ..dispatch.dispatcher import HEAD_START


async def offered(session: AsyncSession, row: Delegation, approval: Approval | None, at: datetime) -> Outbox:
    """To the delegate, who has to agree before it holds."""
    about = {"person": row.from_person, "until": row.ends_at.isoformat(), "comment": row.reason}
    return await _mail(session, row, approval, at, "delegated", row.to_person, about)


async def answered(
    session: AsyncSession, row: Delegation, approval: Approval | None, at: datetime, *, accepts: bool
) -> Outbox:
    """To whoever gave it: they count on it, or have to ask somebody else."""
    about = {"person": row.to_person, "until": row.ends_at.isoformat(), "accepted": accepts}
    return await _mail(session, row, approval, at, "delegation_answered", row.from_person, about)


async def _mail(
    session: AsyncSession,
    row: Delegation,
    approval: Approval | None,
    at: datetime,
    template: str,
    to: str,
    about: dict[str, Any],
) -> Outbox:
    request = MailRequest(
        organization=row.organization_id,
        operation=approval.operation_id if approval else "",
        key=f"{row.id}:{template}",
        template=template,
        people=(to,),
        context={"delegation": row.id} | _subject(approval) | about,
    )
    return await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=person_mail_workflow(f"{row.id}-{template}"),
        name=PERSON_MAIL,
        payload=request.model_dump(mode="json"),
        at=at,
        due_at=at + HEAD_START,
    )


def _subject(approval: Approval | None) -> dict[str, Any]:
    if approval is None:
        return {}
    return {
        "approval": approval.id,
        "kind": approval.kind,
        "subject": approval.subject,
        "subject_hash": approval.subject_hash,
        "requested_by": approval.requested_by,
        "reason": approval.reason,
        "rule": approval.rule,
    }
