"""A payment with its refunds and disputes: read by its id, its charge, one refund or one dispute."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import stripe
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Kind
from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import disputes
from db.mirror.mirror import MirrorRow
from db.stripe import ours
from db.tables import Operation, PaymentRow, RefundRow

from ...stripe.failures import ask
from .customer import CustomersObject
from .dispute import dispute_row, disputes_of
from .snapshot import Document, Owner, claim_of, taken_out, time_of

PAYMENT_PARTS = ["customer", "latest_charge.refunds"]
CHARGE_PARTS = ["customer", "payment_intent", "refunds"]
DISPUTE_PARTS = ["payment_intent.customer", "payment_intent.latest_charge.refunds"]
REFUND_PARTS = ["payment_intent.customer", "payment_intent.latest_charge"]
"""What to expand in the request for each."""


@dataclass(frozen=True)
class PaymentSnapshot(CustomersObject):
    payment: Document
    charge: Document | None
    """The last attempt, if there was any."""
    refunds: tuple[Document, ...] = ()
    """The charge's ten newest, or the one that was read. Each has its own event."""
    invoice: str | None = None
    """The invoice that it paid, where known: neither the payment nor its charge says so."""
    disputes: tuple[Document, ...] | None = None
    """All of the payment's; None where they were not asked for."""

    @property
    def held_by_dispute(self) -> bool | None:
        """Whether a dispute keeps it from being refunded; None: not known. That the charge was disputed stays
        true for ever (`charge.disputed`), also once that was won, or was only asked about."""
        if self.disputes is None:
            return None if (self.charge or {}).get("disputed") else False
        return any(not one["is_charge_refundable"] for one in self.disputes)

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        payment = (await client.v1.payment_intents.retrieve_async(id_, {"expand": PAYMENT_PARTS})).to_dict()
        return cls.of_parts(taken_out(payment, "customer"), payment)

    @classmethod
    def of_parts(cls, customer: Document | None, payment: Document, invoice: str | None = None) -> Self:
        """From a payment whose last charge, with its refunds, is expanded."""
        charge = taken_out(payment, "latest_charge")
        return cls(customer, payment, charge, _refunds(charge), invoice)

    @classmethod
    async def read_charge(cls, client: stripe.StripeClient, id_: str) -> Self | None:
        """The payment that a charge belongs to; None for an old charge without a payment intent."""
        charge = (await client.v1.charges.retrieve_async(id_, {"expand": CHARGE_PARTS})).to_dict()
        customer, payment = taken_out(charge, "customer"), taken_out(charge, "payment_intent")
        return cls(customer, payment, charge, _refunds(charge)) if payment is not None else None

    @classmethod
    async def read_dispute(cls, client: stripe.StripeClient, id_: str) -> Self | None:
        """The payment that a dispute is about; None for one of an old charge without a payment intent."""
        dispute = (await client.v1.disputes.retrieve_async(id_, {"expand": DISPUTE_PARTS})).to_dict()
        payment = taken_out(dispute, "payment_intent")
        return cls.of_parts(taken_out(payment, "customer"), payment) if payment is not None else None

    @classmethod
    async def read_refund(cls, client: stripe.StripeClient, id_: str) -> Self | None:
        """The payment that a refund belongs to, with this refund; None if it has no payment intent."""
        return cls.of_refund(await client.v1.refunds.retrieve_async(id_, {"expand": REFUND_PARTS}))

    @classmethod
    def of_refund(cls, answer: stripe.Refund) -> Self | None:
        """As `read_refund`, from Stripe's answer with its parts expanded."""
        refund = answer.to_dict()
        payment = taken_out(refund, "payment_intent")
        if payment is None:
            return None
        customer, charge = taken_out(payment, "customer"), taken_out(payment, "latest_charge")
        return cls(customer, payment, charge, (refund,))

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        """The snapshot with the disputes, if it was ever disputed, and the invoice, which is looked up until
        there is one."""
        disputed = self.held_by_dispute is None
        found = await ask(disputes_of(client, self.payment["id"])) if disputed else self.disputes
        return replace(self, disputes=found, invoice=await self._known_invoice(client, database))

    async def _known_invoice(self, client: stripe.StripeClient, database: Database) -> str | None:
        async with database.reading() as session:
            known = await session.get(PaymentRow, self.payment["id"])
        if known is not None and known.invoice_id is not None:
            return known.invoice_id
        found = await ask(invoice_of(client, self.payment["id"]))
        return found["id"] if found else None

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        await super().store(session, rules, owner, read_at)
        if self.disputes is None or owner.subscriber:
            return
        customer = self.payment["customer"]
        rows = [dispute_row(one, owner.organization, read_at, customer=customer) for one in self.disputes]
        await disputes.store(session, rules, self.payment["id"], rows)

    async def rows(self, session: AsyncSession, organization: str, read_at: datetime) -> list[MirrorRow]:
        made_by = await ours.makers(session, {refund["id"] for refund in self.refunds})
        rows: list[MirrorRow] = [
            refund_row(
                refund,
                organization,
                made_by.get((organization, refund["id"])),
                read_at,
                customer=self.payment["customer"],
            )
            for refund in self.refunds
        ]
        if self.payment["status"] == "succeeded":  # a failed attempt moved no money
            rows.append(payment_row(self.payment, self.charge, organization, read_at, invoice=self.invoice))
        return rows

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        requests = await self._requests_about(session, owner, self.payment["id"], self.invoice)
        return (*requests, *await _refunding(session, owner, [refund["id"] for refund in self.refunds]))


async def invoice_of(client: stripe.StripeClient, payment_intent: str) -> Document | None:
    """The invoice that a payment paid. Raises StripeError."""
    found = await client.v1.invoice_payments.list_async(
        {
            "payment": {"type": "payment_intent", "payment_intent": payment_intent},
            "status": "paid",
            "limit": 1,
            "expand": ["data.invoice"],
        }
    )
    return dict(found.data[0].to_dict()["invoice"]) if found.data else None


async def _refunding(session: AsyncSession, owner: Owner, refunds: Sequence[str]) -> list[str]:
    """The workflows that made these refunds, by our rows: these stay right where somebody has cleared the
    metadata in Stripe."""
    if not refunds:
        return []
    found = await session.exec(
        select(Operation.workflow_id)
        .distinct()
        .join(RefundRow, col(RefundRow.operation_id) == col(Operation.id))
        .where(
            col(RefundRow.id).in_(refunds),
            Operation.organization_id == owner.organization,
            Operation.kind == Kind.REFUND.value,
        )
    )
    return sorted(found)


def payment_row(
    intent: Document,
    charge: Document | None,
    organization: str,
    synced_at: datetime,
    *,
    invoice: str | None,
) -> PaymentRow:
    """The mirror's row of a payment intent of a customer, with the charge that paid it."""
    charge = charge or {}
    return PaymentRow(
        id=intent["id"],
        organization_id=organization,
        customer_id=intent["customer"],
        invoice_id=invoice,
        charge=charge.get("id"),
        currency=intent["currency"],
        amount=charge.get("amount_captured") or intent["amount"],
        amount_refunded=charge.get("amount_refunded", 0),
        disputed=charge.get("disputed", False),
        status=intent["status"],
        created_at=time_of(intent["created"]),
        synced_at=synced_at,
    )


def refund_row(
    refund: Document, organization: str, operation: str | None, synced_at: datetime, *, customer: str | None
) -> RefundRow:
    """The mirror's row of a refund of a payment intent."""
    return RefundRow(
        id=refund["id"],
        organization_id=organization,
        customer_id=customer,
        payment_intent=refund["payment_intent"],
        operation_id=operation,
        claims=claim_of(refund),
        amount=refund["amount"],
        currency=refund["currency"],
        status=refund["status"],
        reason=refund.get("reason"),
        failure_reason=refund.get("failure_reason"),
        created_at=time_of(refund["created"]),
        synced_at=synced_at,
    )


def _refunds(charge: Document | None) -> tuple[Document, ...]:
    listed = (charge or {}).get("refunds") or {"data": []}
    return tuple(listed["data"])
