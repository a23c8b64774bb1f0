"""Disputes of customers' payments: the mirror's rows, and who is told of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Role
from billing.mail.messages import MailContext, MailRequest
from billing.money.dispute import TOLD_OF, UNANSWERED, DisputeNews

from ..cases import dispute_cases
from ..cases.cases import CaseRules
from ..core.pages import FirstOf, PagedRows, order
from ..core.statements import store_reading
from ..operations import outbox
from ..tables import Customer, DisputeRow, Invoice, Organization, PaymentRow

DisputeSort = Literal["created_at", "-created_at", "due_by", "-due_by", "amount", "-amount"]
_KEYS = {
    "created_at": (col(DisputeRow.created_at), col(DisputeRow.id)),
    "due_by": (FirstOf(col(DisputeRow.due_by), col(DisputeRow.created_at)), col(DisputeRow.id)),
    # Amounts of several currencies have no order among each other.
    "amount": (col(DisputeRow.currency), col(DisputeRow.amount), col(DisputeRow.id)),
}


async def store(
    session: AsyncSession, rules: CaseRules, payment_intent: str, rows: Sequence[DisputeRow]
) -> None:
    """Mirror a payment's disputes as they were read at their `synced_at`, and go on as `stored`."""
    for row in sorted(rows, key=lambda row: row.id):
        await store_reading(session, row)
    await stored(session, rules, payment_intent)


async def stored(session: AsyncSession, rules: CaseRules, payment_intent: str) -> None:
    """Of a payment's disputes as they were just mirrored: note on the payment whether they keep it from being
    refunded, tell Finance and the controllers what is new, and open cases for those that were lost.

    Nobody is told of one that was there before the organization was.
    """
    holding = select(DisputeRow.id).where(
        DisputeRow.payment_intent == payment_intent, col(DisputeRow.refundable).is_(False)
    )
    await session.exec(
        update(PaymentRow)
        .where(col(PaymentRow.id) == payment_intent)
        .values(held_by_dispute=holding.exists())
        .execution_options(synchronize_session=False)
    )
    # By what the mirror has: a reading that came late may be older than that.
    of_it = select(DisputeRow).where(DisputeRow.payment_intent == payment_intent).order_by(col(DisputeRow.id))
    found = (await session.exec(of_it.execution_options(populate_existing=True))).all()
    for row in found:
        if row.status in TOLD_OF and row.created_at >= await _joined(session, row.organization_id):
            await _tell(session, row)
    await dispute_cases.notice(session, rules, found)


async def _joined(session: AsyncSession, organization_id: str) -> datetime:
    return (await session.get_one(Organization, organization_id)).created_at


async def _tell(session: AsyncSession, row: DisputeRow) -> None:
    """Once for each status."""
    key = f"{row.id}-{row.status}"
    request = MailRequest(
        organization=row.organization_id,
        operation="",
        key=key,
        template="dispute",
        roles=(Role.FINANCE, Role.CONTROLLER),
        context=MailContext(dispute=await _news(session, row)),
    )
    await outbox.mail(session, request, at=row.synced_at)


async def _news(session: AsyncSession, row: DisputeRow) -> DisputeNews:
    paid = await session.get(PaymentRow, row.payment_intent)
    invoice = await session.get(Invoice, paid.invoice_id) if paid and paid.invoice_id else None
    customer = await session.get(Customer, row.customer_id) if row.customer_id else None
    return DisputeNews(
        dispute=row.id,
        status=row.status,
        amount=Money(amount_minor=row.amount, currency=row.currency),
        reason=row.reason,
        customer=(customer.name or customer.email) if customer else None,
        payment_intent=row.payment_intent,
        invoice=invoice.id if invoice else None,
        number=invoice.number if invoice else None,
        due_by=row.due_by if row.status in UNANSWERED else None,
        refundable=row.refundable,
    )


def paged(
    organization_id: str,
    *,
    unanswered: bool | None = None,
    status: str | None = None,
    customer_id: str | None = None,
    payment_intent: str | None = None,
    sort: DisputeSort = "-created_at",
) -> PagedRows[DisputeRow]:
    """An organization's disputes; `unanswered`: those that have to be answered in Stripe, or the others."""
    wanted = select(DisputeRow).where(DisputeRow.organization_id == organization_id)
    if unanswered is not None:
        open_ = col(DisputeRow.status).in_(UNANSWERED)
        wanted = wanted.where(open_ if unanswered else ~open_)
    if status:
        wanted = wanted.where(DisputeRow.status == status)
    if customer_id:
        wanted = wanted.where(DisputeRow.customer_id == customer_id)
    if payment_intent:
        wanted = wanted.where(DisputeRow.payment_intent == payment_intent)
    return PagedRows(wanted, *order(_KEYS, sort))
