"""A new link to an invoice, mailed to its customer: the link, the mail's row and what sends it, together."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession
from ulid import ULID

from billing.core.operations import CUSTOMER, SYSTEM
from billing.policy.portal import PortalPolicy
from billing.portal.links import link_expiry

from ..mail import single_mails
from ..tables import CustomerSettings, Invoice, Outbox, PortalLink
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
    step: str | None = None,
) -> Outbox:
    """Issue a link, ending the one before, and have it mailed: all of it with the caller's transaction.

    With `keep_live` a link that still opens is mailed once more and not ended: who holds an old one can't
    take the new one from anybody.

    `reason` is the link's (resent, asked, trouble …) and says why the mail is due; `step` is never repeated.
    `head_start` is as for `single_mails.add`. The token is made only when the mail is sent.
    """
    await portal_links.lock(session, invoice.id)
    link = await portal_links.live(session, invoice.id) if keep_live else None
    if link is None or portal_links.state_of(link, at) != "live":
        link = await _issue(session, policy, invoice, by=by, reason=reason, at=at, operation_id=operation_id)
    return await single_mails.add(
        session,
        invoice,
        template=TEMPLATE,
        step=step or f"link:{ULID()}",
        reason=reason,
        at=at,
        head_start=head_start,
        asked_by=None if by in (SYSTEM, CUSTOMER) else by,
        operation_id=operation_id,
        link_id=link.id,
    )


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
