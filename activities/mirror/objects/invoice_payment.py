"""What says which payment paid which invoice, with both."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from db.mirror.mirror import MirrorRow

from .invoice import InvoiceSnapshot
from .payment import PaymentSnapshot
from .snapshot import Owner, taken_out

INVOICE_PAYMENT_PARTS = ["invoice.customer", "payment.payment_intent.latest_charge.refunds"]
"""What it is to be asked for with (`expand`), so that it is seen whole."""


@dataclass(frozen=True)
class InvoicePaymentSnapshot(InvoiceSnapshot):
    payment: PaymentSnapshot | None
    """None while it is not paid, or where it was paid outside of Stripe."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        parts = INVOICE_PAYMENT_PARTS
        link = (await client.v1.invoice_payments.retrieve_async(id_, {"expand": parts})).to_dict()
        invoice = link["invoice"]
        customer = taken_out(invoice, "customer")
        paid = link["payment"].get("payment_intent") if link["status"] == "paid" else None
        payment = PaymentSnapshot.of_parts(customer, paid, invoice["id"]) if paid else None
        return cls(customer, invoice, payment)

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        rows = await super().rows(session, organization, read_at)
        return [*rows, *await self.payment.rows(session, organization, read_at)] if self.payment else rows

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        waiting = await super().wakes(session, owner)
        if self.payment is None or owner.subscriber:
            return waiting
        return tuple(dict.fromkeys([*waiting, *await self.payment.wakes(session, owner)]))
