"""Invoices, read by their id, by an invoice payment, or by a credit note.

An invoice is one to a customer of an organization, or Plixo's own to an organization.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.cases.given import given_on_invoice, is_final
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import bills
from db.mirror.mirror import MirrorRow
from db.portal import troubles
from db.stripe import ours
from db.tables import CreditNoteRow, Invoice, InvoiceLines

from ...stripe.failures import ask
from .bill import organization_invoice_row, subscribing
from .customer import CustomersObject, balance_transaction_rows
from .payment import PaymentSnapshot
from .snapshot import Document, Owner, claim_of, taken_out, time_of
from .subscription import changes_of_subscription

MAX_LINES = 10
"""Stripe lists this many lines within an invoice."""
PAGE = 100
"""The most that Stripe gives at a time."""

INVOICE_PARTS = ["customer", "payments.data.payment.payment_intent"]
INVOICE_PAYMENT_PARTS = ["invoice.customer", "payment.payment_intent.latest_charge.refunds"]
CREDIT_NOTE_PARTS = ["customer", "customer_balance_transaction", "invoice"]
"""What to expand in the request for each."""


@dataclass(frozen=True)
class InvoiceSnapshot(CustomersObject):
    invoice: Document

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        invoice = (await client.v1.invoices.retrieve_async(id_, {"expand": INVOICE_PARTS})).to_dict()
        return cls(taken_out(invoice, "customer"), invoice)

    async def owner(self, session: AsyncSession) -> Owner | None:
        return await super().owner(session) or await subscribing(session, self.invoice["customer"])

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        return replace(self, invoice=await ask(with_all_lines(client, self.invoice)))

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        return [
            invoice_row(self.invoice, organization, read_at),
            lines_row(self.invoice, organization, read_at),
        ]

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        if owner.subscriber:
            row = organization_invoice_row(self.invoice, owner.organization, read_at)
            await bills.store_invoice(session, row)
        else:
            await super().store(session, rules, owner, read_at)

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        """Requests for money about the invoice, and its open portal trouble."""
        if owner.subscriber:
            return await changes_of_subscription(session, owner)
        requests = await self._requests_about(session, owner, self.invoice["id"])
        return (*requests, *await troubles.waiting_for(session, owner.organization, self.invoice["id"]))


@dataclass(frozen=True)
class InvoicePaymentSnapshot(InvoiceSnapshot):
    payment: PaymentSnapshot | None
    """None until it is paid, and if it was paid outside of Stripe."""

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


@dataclass(frozen=True)
class CreditNoteSnapshot(InvoiceSnapshot):
    note: Document
    transaction: Document | None
    """None if nothing went to the customer's balance."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls.of(await client.v1.credit_notes.retrieve_async(id_, {"expand": CREDIT_NOTE_PARTS}))

    @classmethod
    def of(cls, answer: stripe.CreditNote) -> Self:
        """From Stripe's answer, with its parts expanded."""
        note = answer.to_dict()
        customer, transaction = taken_out(note, "customer"), taken_out(note, "customer_balance_transaction")
        invoice: Document = note["invoice"]
        return cls(customer, invoice, note | {"invoice": invoice["id"]}, transaction)

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        rows = await super().rows(session, organization, read_at)
        made_by = await ours.makers(session, {self.note["id"]})
        operation = made_by.get((organization, self.note["id"]))
        rows.append(credit_note_row(self.note, organization, operation, read_at))
        transactions = [self.transaction] if self.transaction else []
        return [*rows, *await balance_transaction_rows(session, transactions, organization, read_at)]


async def with_all_lines(client: stripe.StripeClient, invoice: Document) -> Document:
    """A final invoice with all of its lines: a negative one may be any. Raises StripeError."""
    if not (invoice["lines"]["has_more"] and is_final(invoice)):
        return invoice
    page = await client.v1.invoices.line_items.list_async(invoice["id"], {"limit": PAGE})
    lines = [line.to_dict() async for line in page.auto_paging_iter()]
    return invoice | {"lines": invoice["lines"] | {"data": lines, "has_more": False}}


def invoice_row(data: Document, organization: str, synced_at: datetime) -> Invoice:
    """The mirror's row of a Stripe invoice of a customer of this organization."""
    due, finalized = data.get("due_date"), data["status_transitions"]["finalized_at"]
    given = given_on_invoice(data)
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
        from_balance=(data.get("ending_balance") or 0) - data["starting_balance"] if finalized else 0,
        given=None if given is None else [one.model_dump(mode="json") for one in given],
        given_in=None if given is None else data["status"],
    )


def lines_row(data: Document, organization: str, synced_at: datetime) -> InvoiceLines:
    """The mirror's row of the lines that Stripe lists within an invoice."""
    listed = data["lines"]
    lines = [
        {
            "id": line["id"],
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


def _taken(listed: Document) -> list[dict[str, Any]] | None:
    """What a credit note takes of the invoice's lines; None where it has more lines than it lists."""
    if listed["has_more"]:
        return None
    lines = [(line.get("invoice_line_item"), line["amount"]) for line in listed["data"]]
    return [{"line": line, "amount": amount} for line, amount in lines if line]


def credit_note_row(
    note: Document, organization: str, operation: str | None, synced_at: datetime
) -> CreditNoteRow:
    """The mirror's row of a credit note."""
    return CreditNoteRow(
        id=note["id"],
        organization_id=organization,
        customer_id=note["customer"],
        invoice_id=note["invoice"],
        operation_id=operation,
        claims=claim_of(note),
        number=note["number"],
        amount=note["amount"],
        refunded=sum(one["amount_refunded"] for one in note.get("refunds") or ()),
        currency=note["currency"],
        status=note["status"],
        reason=note.get("reason"),
        lines=_taken(note["lines"]),
        created_at=time_of(note["created"]),
        synced_at=synced_at,
    )
