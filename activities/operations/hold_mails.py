"""Whoever asked for an operation that is held hears of it, and that it goes on; of a moment they need not."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import CUSTOMER, SYSTEM
from billing.incidents.states import Component
from billing.mail.messages import MailContext, MailRequest
from billing.operations.payloads import read_subject
from db.incidents import holds
from db.operations import operations, outbox
from db.tables import Hold

TELL_AFTER = timedelta(minutes=5)


async def tell_held(session: AsyncSession, component: Component, at: datetime) -> int:
    """Tells the requesters of what has been held for a while, each once; says of how many holds."""
    found = await holds.tell(session, component, held_before=at - TELL_AFTER, at=at)
    for hold in found:
        await _mail(session, hold, "held", "operation_held", at)
    return len(found)


async def tell_resumed(session: AsyncSession, hold: Hold, at: datetime) -> None:
    """It goes on, for those who were told that it did not."""
    if hold.told_at is not None:
        await _mail(session, hold, "resumed", "operation_resumed", at)


async def _mail(session: AsyncSession, hold: Hold, what: str, template: str, at: datetime) -> None:
    operation = await operations.get_any(session, hold.operation_id)
    if operation is None or operation.requested_by in (SYSTEM, CUSTOMER):
        return
    key = f"{what}:{hold.id}"
    request = MailRequest(
        organization=hold.organization_id,
        operation=hold.operation_id,
        key=key,
        template=template,
        person=operation.requested_by,
        context=MailContext(
            kind=operation.kind,
            subject=read_subject(operation.kind, operation.subject),
            held_by=Component(hold.component),
        ),
    )
    await outbox.mail(session, request, at=at)
