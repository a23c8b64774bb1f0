"""A credit note, with its invoice and what it changed of the customer's balance."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from db.mirror.mirror import MirrorRow
from db.stripe import ours
from db.tables import CreditNoteRow

from .balance import balance_transaction_rows
from .invoice import InvoiceSnapshot
from .snapshot import Document, claim_of, taken_out, time_of

CREDIT_NOTE_PARTS = ["customer", "customer_balance_transaction", "invoice"]
"""What it is to be asked for with (`expand`), so that it is seen whole."""


@dataclass(frozen=True)
class CreditNoteSnapshot(InvoiceSnapshot):
    note: Document
    transaction: Document | None
    """None where it gave nothing to the balance."""

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls.of(await client.v1.credit_notes.retrieve_async(id_, {"expand": CREDIT_NOTE_PARTS}))

    @classmethod
    def of(cls, answer: stripe.CreditNote) -> Self:
        """Of Stripe's answer, its parts expanded."""
        note = answer.to_dict()
        customer, transaction = taken_out(note, "customer"), taken_out(note, "customer_balance_transaction")
        invoice: Document = note["invoice"]
        return cls(customer, invoice, note | {"invoice": invoice["id"]}, transaction)

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        rows = await super().rows(session, organization, read_at)
        made_by = await ours.makers(session, {self.note["id"]})
        operation = made_by.get((organization, self.note["id"]))
        rows.append(
            credit_note_row(self.note, organization=organization, operation=operation, synced_at=read_at)
        )
        given = [self.transaction] if self.transaction else []
        return [*rows, *await balance_transaction_rows(session, given, organization, read_at)]


def credit_note_row(
    note: Document, *, organization: str, operation: str | None, synced_at: datetime
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
        created_at=time_of(note["created"]),
        synced_at=synced_at,
    )
