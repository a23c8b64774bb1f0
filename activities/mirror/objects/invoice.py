"""An invoice: one of an organization's customer, or one of ours to an organization."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from db.cases.cases import CaseRules
from db.mirror.mirror import MirrorRow
from db.portal import troubles
from db.tables import Invoice, InvoiceLines

from .customers_object import CustomersObject
from .snapshot import Document, Owner, taken_out, time_of
from .subscription import open_plan_change, subscriber

MAX_LINES = 10
"""As many lines as an invoice shows without being asked for more."""


@dataclass(frozen=True)
class InvoiceSnapshot(CustomersObject):
    invoice: Document

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        invoice = (await client.v1.invoices.retrieve_async(id_, {"expand": ["customer"]})).to_dict()
        return cls(taken_out(invoice, "customer"), invoice)

    async def owner(self, session: AsyncSession) -> Owner | None:
        details = (self.invoice.get("parent") or {}).get("subscription_details") or {}
        return await super().owner(session) or await subscriber(session, details.get("subscription"))

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        return [
            invoice_row(self.invoice, organization, read_at),
            lines_row(self.invoice, organization, read_at),
        ]

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        if not owner.subscriber:  # the mirror has no invoices of ours, it is of those to customers
            await super().store(session, rules, owner, read_at)

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        """Requests for money about it, and its open trouble with the portal."""
        if owner.subscriber:
            return await open_plan_change(session, owner)
        requests = await self._requests_about(session, owner, self.invoice["id"])
        return (*requests, *await troubles.waiting_for(session, owner.organization, self.invoice["id"]))


def invoice_row(data: Document, organization: str, synced_at: datetime) -> Invoice:
    """The mirror's row of a Stripe invoice of a customer of this organization."""
    due, finalized = data.get("due_date"), data["status_transitions"]["finalized_at"]
    return Invoice(
        id=data["id"],
        organization_id=organization,
        customer_id=data["customer"],
        number=data.get("number"),
        status=data["status"],
        currency=data["currency"],
        total=data["total"],
        amount_due=data["amount_due"],
        amount_paid=data["amount_paid"],
        amount_remaining=data["amount_remaining"],
        due_date=time_of(due) if due else None,
        finalized_at=time_of(finalized) if finalized else None,
        collection_method=data["collection_method"],
        created_at=time_of(data["created"]),
        synced_at=synced_at,
    )


def lines_row(data: Document, organization: str, synced_at: datetime) -> InvoiceLines:
    """The mirror's row of the lines that Stripe lists within an invoice: the first ten."""
    listed = data["lines"]
    lines = [
        {
            "description": line.get("description"),
            "quantity": line.get("quantity"),
            "amount": line["amount"],
            "period_start": line["period"]["start"],
            "period_end": line["period"]["end"],
        }
        for line in listed["data"][:MAX_LINES]
    ]
    return InvoiceLines(
        invoice_id=data["id"],
        organization_id=organization,
        lines=lines,
        complete=not listed["has_more"] and len(listed["data"]) <= MAX_LINES,
        synced_at=synced_at,
    )
