"""A round was decided, and its operation goes on: whoever else was asked need not answer it."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.ladder import ApprovalState
from billing.approvals.messages import ApprovalOutcome
from billing.mail.messages import MailContext, MailRequest
from billing.operations.payloads import read_subject

from ..operations import outbox, told
from ..tables import Approval

GOES_ON = (ApprovalState.APPROVED, ApprovalState.CHANGES_REQUESTED)
"""After any other decision the operation ends, and that is what is told."""


async def tell_decided(session: AsyncSession, approval: Approval, outcome: ApprovalOutcome) -> None:
    """Mails everybody who was asked, but whoever decided and whoever asked for it."""
    people = await told.of(session, [approval.id]) - {outcome.person, approval.requested_by}
    if outcome.state not in GOES_ON or approval.closed_at is None or not people:
        return
    request = MailRequest(
        organization=approval.organization_id,
        operation=approval.operation_id,
        key=f"{approval.id}:decided",
        template="review_over",
        people=tuple(sorted(people)),
        context=MailContext(
            subject=read_subject(approval.kind, approval.subject),
            kind=approval.kind,
            requested_by=approval.requested_by,
            decision=outcome.state,
            person=outcome.person,
            for_person=outcome.for_person,
            comment=outcome.comment,
        ),
    )
    await outbox.mail(session, request, at=approval.closed_at)
