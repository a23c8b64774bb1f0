"""The mails of a review, to those whom the rung that is open waits for: with the step that asks them."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import Deciders, already_decided, outstanding
from billing.approvals.ladder import Rung
from billing.approvals.subject_changes import SinceLastRound
from billing.mail.messages import MailContext, MailRequest
from billing.operations.payloads import read_subject
from db.approvals.deciders import ladder_of, signatures_of
from db.operations import outbox
from db.tables import Approval

from .events import why_this_rung


async def ask(session: AsyncSession, row: Approval, who: Deciders, at: datetime) -> None:
    """The rung that is open now waits for an answer; and says why it is this one."""
    template = "review_escalated" if row.rung > 0 else "review_requested"
    why = why_this_rung(row, who)
    await outbox.mail(session, _request(row, who, f"rung:{row.rung}", template, why), at=at)


async def remind(session: AsyncSession, row: Approval, who: Deciders, number: int, at: datetime) -> None:
    """Likewise, of what it still waits for."""
    key = f"reminder:{row.rung}:{number}"
    await outbox.mail(session, _request(row, who, key, "review_reminder", None), at=at)


def _request(row: Approval, who: Deciders, key: str, template: str, why: str | None) -> MailRequest:
    """Neither the requester is asked nor who has had their say."""
    ladder, signatures = ladder_of(row), signatures_of(row)
    rung = ladder[row.rung]
    following: Rung | None = ladder[row.rung + 1] if row.rung + 1 < len(ladder) else None
    return MailRequest(
        organization=row.organization_id,
        operation=row.operation_id,
        key=f"{row.id}:{key}",
        template=template,
        roles=outstanding(rung, signatures),
        people=who.delegates(rung, signatures),
        excluding=tuple(sorted(who.excluded | already_decided(signatures))),
        about=row.id,
        context=MailContext(
            approval=row.id,
            kind=row.kind,
            subject=read_subject(row.kind, row.subject),
            subject_hash=row.subject_hash,
            requested_by=row.requested_by,
            reason=row.reason,
            rule=row.rule,
            since=SinceLastRound.model_validate(row.since) if row.since else None,
            deadline=rung.deadline,
            needs=rung.needs,
            why=why,
            next_roles=following.roles if following else (),
        ),
    )
