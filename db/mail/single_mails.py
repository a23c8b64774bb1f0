"""A mail that somebody wants sent by itself: its row, and what sends it, in one transaction."""

from datetime import datetime, timedelta

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.mail.customer_mails import CUSTOMER_MAIL, CustomerMailInput, customer_mail_workflow

from ..operations import outbox
from ..tables import CustomerMail, Invoice, Outbox, new_id
from .customer_mails import BOUNCED, REMINDER, SKIPPED


async def add(
    session: AsyncSession,
    invoice: Invoice,
    *,
    template: str,
    step: str,
    reason: str,
    at: datetime,
    head_start: timedelta,
    asked_by: str | None = None,
    operation_id: str | None = None,
    link_id: str | None = None,
) -> Outbox:
    """The outbox row starts the mail's workflow; who delivers it right after the commit keeps the sweep away
    for `head_start`."""
    mail = CustomerMail(
        id=new_id("cml"),
        organization_id=invoice.organization_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        step=step,
        template=template,
        operation_id=operation_id,
        asked_by=asked_by,
        state="due",
        reason=reason,
        amount_minor=invoice.amount_remaining,
        currency=invoice.currency,
        decided_at=at,
        due_at=at,
        link_id=link_id,
    )
    session.add(mail)
    await session.flush()
    return await outbox.enqueue(
        session,
        action=outbox.START,
        workflow_id=customer_mail_workflow(mail.id),
        name=CUSTOMER_MAIL,
        payload=CustomerMailInput(organization=invoice.organization_id, mail=mail.id).model_dump(),
        at=at,
        due_at=at + head_start,
    )


async def of_step(session: AsyncSession, invoice_id: str, step: str) -> CustomerMail | None:
    """The mail of this step, if there is one."""
    found = await session.exec(
        select(CustomerMail).where(
            CustomerMail.dry_run == "", CustomerMail.invoice_id == invoice_id, CustomerMail.step == step
        )
    )
    return found.one_or_none()


async def last_decided(session: AsyncSession, invoice_id: str, template: str) -> datetime | None:
    """When a mail about the invoice was last sent, or was to be; reminders that were skipped don't count."""
    query = select(func.max(CustomerMail.decided_at)).where(
        CustomerMail.invoice_id == invoice_id, CustomerMail.template == template, CustomerMail.dry_run == ""
    )
    if template == REMINDER:
        query = query.where(col(CustomerMail.state).not_in((SKIPPED, BOUNCED)))
    return (await session.exec(query)).one()
