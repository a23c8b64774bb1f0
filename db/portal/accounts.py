"""A customer's other invoices, for whoever came in by a link that was mailed to the customer themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..mail.customer_mails import SENT
from ..tables import Customer, CustomerMail, Invoice, PaymentPromise, PortalLink, PortalToken
from . import promises
from .links import hash_token

MOST_OPEN, MOST_PAID = 50, 10
"""Invoices of each kind that are listed."""


class CustomerAccount(NamedTuple):
    """What a customer has to pay, the first due first, and what they have paid lately, the newest first."""

    unpaid: Sequence[Invoice]
    paid: Sequence[Invoice]
    promises: dict[str, Sequence[PaymentPromise]]
    """By the unpaid invoice, the newest first."""


async def is_customers_own(session: AsyncSession, plain: str) -> bool:
    """Whether the token stood in a mail to the address that the customer has in Stripe now.

    Not so of one that was handed to a person to pass on, nor of one mailed to an address they had before.
    """
    found = await session.exec(
        select(PortalToken.link_id)
        .join(CustomerMail, col(CustomerMail.id) == PortalToken.mail_id)
        .join(Customer, col(Customer.id) == CustomerMail.customer_id)
        .where(
            PortalToken.token_hash == hash_token(plain),
            CustomerMail.state == SENT,
            CustomerMail.address == Customer.email,
            col(Customer.deleted).is_(False),
        )
    )
    return found.first() is not None


async def invoice(session: AsyncSession, link: PortalLink, invoice_id: str) -> Invoice | None:
    """Another invoice of the link's customer, unless it is still a draft."""
    found = await session.get(Invoice, invoice_id, populate_existing=True)
    theirs = (link.organization_id, link.customer_id)
    if found is None or (found.organization_id, found.customer_id) != theirs or found.status == "draft":
        return None
    return found


async def read(session: AsyncSession, link: PortalLink, since: datetime) -> CustomerAccount:
    """The account of the link's customer; of what is paid, the invoices created from `since` on."""
    theirs = select(Invoice).where(
        Invoice.organization_id == link.organization_id, Invoice.customer_id == link.customer_id
    )
    unpaid = await session.exec(
        theirs.where(col(Invoice.status).in_(("open", "uncollectible")), Invoice.amount_remaining > 0)
        .order_by(col(Invoice.due_date).is_(None), col(Invoice.due_date), col(Invoice.id))
        .limit(MOST_OPEN)
    )
    paid = await session.exec(
        theirs.where(Invoice.status == "paid", Invoice.created_at >= since)
        .order_by(col(Invoice.created_at).desc(), col(Invoice.id).desc())
        .limit(MOST_PAID)
    )
    open_ = unpaid.all()
    made = await promises.of_invoices(session, [one.id for one in open_])
    return CustomerAccount(open_, paid.all(), made)
