"""A new link to an invoice, mailed to its customer: the link, the mail's row and what sends it, together."""

from datetime import datetime, timedelta

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from ulid import ULID

from billing.mail.customer_mails import CUSTOMER_MAIL, CustomerMailInput, customer_mail_workflow
from billing.policy.portal import PortalPolicy
from billing.portal.links import link_expiry

from ..operations import outbox
from ..tables import CustomerMail, CustomerSettings, Invoice, Outbox, PortalLink, new_id
from . import links as portal_links

TEMPLATE = "portal_link"
AT_ONCE = timedelta(0)


async def mail_link(
    session: AsyncSession,
    policy: PortalPolicy,
    *,
    invoice: Invoice,
    by: str,
    reason: str,
    at: datetime,
    operation_id: str | None = None,
    keep_live: bool = False,
    head_start: timedelta = AT_ONCE,
) -> Outbox:
    """Issue a link, ending the one before, and have it mailed: all of it with the caller's transaction.

    With `keep_live` a link that still opens is mailed once more and not ended: who holds an old one can't
    take the new one from anybody.

    `reason` is the link's (resent, asked, trouble …) and says why the mail is due. The outbox row starts the
    mail's workflow; who delivers it right after the commit keeps the sweep away for `head_start`. The token
    is made only when the mail is sent.
    """
    await portal_links.lock(session, invoice.id)
    link = await portal_links.live(session, invoice.id) if keep_live else None
    if link is None or portal_links.state_of(link, at) != "live":
        link = await _issue(session, policy, invoice, by=by, reason=reason, at=at, operation_id=operation_id)
    mail = CustomerMail(
        id=new_id("cml"),
        organization_id=invoice.organization_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        step=f"link:{ULID()}",
        template=TEMPLATE,
        operation_id=operation_id,
        state="due",
        reason=reason,
        amount_minor=invoice.amount_remaining,
        currency=invoice.currency,
        decided_at=at,
        due_at=at,
        link_id=link.id,
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


async def last_decided(session: AsyncSession, invoice_id: str) -> datetime | None:
    """When a link to this invoice was last mailed, or was to be."""
    found = await session.exec(
        select(func.max(CustomerMail.decided_at)).where(
            CustomerMail.invoice_id == invoice_id,
            CustomerMail.template == TEMPLATE,
            CustomerMail.dry_run == "",
        )
    )
    return found.one()


async def _issue(
    session: AsyncSession,
    policy: PortalPolicy,
    invoice: Invoice,
    *,
    by: str,
    reason: str,
    at: datetime,
    operation_id: str | None,
) -> PortalLink:
    settings = await session.get(CustomerSettings, invoice.customer_id)
    return await portal_links.issue(
        session,
        organization_id=invoice.organization_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        by=by,
        reason=reason,
        at=at,
        expires_at=link_expiry(policy, at, settings.approval_cycle_days if settings else None),
        operation_id=operation_id,
    )
