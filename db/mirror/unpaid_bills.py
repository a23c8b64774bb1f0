"""Tells the admins and Finance of an organization that Plixo's invoice to them was not paid.

In the transaction that mirrors the invoice, so that nobody is told of what is not there, and everybody of
what is.
"""

from collections.abc import Collection

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Role
from billing.mail.messages import MailContext, MailRequest
from billing.mirror.bill import AUTHENTICATION, CHARGED, UnpaidBill, needs_payment

from ..operations import intents, operations, outbox
from ..tables import Intent, Organization, OrganizationInvoice

RENEWAL, UPDATE = "subscription_cycle", "subscription_update"
"""Stripe's `billing_reason` of a renewal, and of a change within a period."""


async def tell(session: AsyncSession, invoices: Collection[str]) -> None:
    """Once for each failed charge, once when an invoice is overdue, and once when Stripe gives it up; nothing
    is told of an invoice that is older than the organization is here.

    By what the mirror has of these invoices: a reading that came late may be older than that.
    """
    held = await session.exec(
        select(OrganizationInvoice)
        .where(col(OrganizationInvoice.id).in_(invoices))
        .execution_options(populate_existing=True)
    )
    unpaid = [one for one in held if _needs_payment(one)]
    if not unpaid:
        return
    wanted = select(Organization.id, Organization.created_at).where(
        col(Organization.id).in_({one.organization_id for one in unpaid})
    )
    since = dict((await session.exec(wanted)).all())
    for one in unpaid:
        if one.created_at >= since[one.organization_id] and not await _is_of_open_change(session, one):
            await _tell(session, one)


async def _is_of_open_change(session: AsyncSession, invoice: OrganizationInvoice) -> bool:
    """Whether it is of a change that has begun in Stripe and waits for its payment: that tells of it."""
    if invoice.reason != UPDATE:
        return False
    for change in await operations.open_plan_changes(session, invoice.organization_id):
        known = (change.result or {}).get("invoice")
        begun = await intents.of_operation(session, change.id)
        if invoice.id == known or any(_may_have_made(one, invoice, known) for one in begun):
            return True
    return False


def _may_have_made(effect: Intent, invoice: OrganizationInvoice, known: str | None) -> bool:
    """Whether a change of the subscription has made it, as far as Stripe has answered; `known` is the
    change's own invoice, where that was found since."""
    if effect.effect != "subscription.update" or effect.state == intents.REFUSED:
        return False
    if effect.state == intents.OPEN:
        return True
    named = (effect.result or {}).get("latest_invoice")
    return named == invoice.id or (named is None and known is None)


def _needs_payment(invoice: OrganizationInvoice) -> bool:
    return needs_payment(
        invoice.status,
        invoice.amount_remaining,
        charged=invoice.collection_method == CHARGED,
        attempts=invoice.attempts,
        payment_status=invoice.payment_status,
        due_date=invoice.due_date,
        at=invoice.synced_at,
    )


async def _tell(session: AsyncSession, invoice: OrganizationInvoice) -> None:
    charged = invoice.collection_method == CHARGED
    key = f"{invoice.id}-{invoice.status}-{invoice.attempts if charged else 'overdue'}"
    request = MailRequest(
        organization=invoice.organization_id,
        operation="",
        key=key,
        template="bill_unpaid",
        roles=(Role.BILLING_ADMIN, Role.FINANCE),
        context=MailContext(
            bill=UnpaidBill(
                invoice=invoice.id,
                number=invoice.number,
                unpaid=Money(amount_minor=invoice.amount_remaining, currency=invoice.currency),
                is_renewal=invoice.reason == RENEWAL,
                charged=charged,
                confirm=invoice.payment_status == AUTHENTICATION,
                next_attempt_at=invoice.next_attempt_at,
                given_up=invoice.status == "uncollectible",
            )
        ),
    )
    await outbox.mail(session, request, at=invoice.synced_at)
