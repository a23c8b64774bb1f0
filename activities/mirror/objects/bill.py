"""What Plixo bills an organization: its invoices, what waits for the next one, and that one's preview."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import stripe
from sqlmodel.ext.asyncio.session import AsyncSession

from db.cases.cases import CaseRules
from db.core.session import Database
from db.mirror import bills
from db.tables import Organization, OrganizationInvoice, Renewal

from ...stripe.failures import translate
from .snapshot import Document, Owner, time_of

MAX_LISTED = 100
"""Stripe's largest page."""


@dataclass(frozen=True)
class PendingItemSnapshot:
    """That something has become of an invoice item of a customer, which an event names instead of the item:
    one that was deleted says no more whose it was. Nothing is read; the next invoice is, afterwards."""

    customer: str

    @classmethod
    async def read(cls, client: stripe.StripeClient, id_: str) -> Self:
        return cls(id_)

    async def owner(self, session: AsyncSession) -> Owner | None:
        """Only an organization itself: what a customer will be billed is on the invoice when it is there."""
        return await subscribing(session, self.customer)

    async def completed(self, client: stripe.StripeClient, database: Database) -> Self:
        return self

    async def store(self, session: AsyncSession, rules: CaseRules, owner: Owner, read_at: datetime) -> None:
        return None

    async def wakes(self, session: AsyncSession, owner: Owner) -> tuple[str, ...]:
        return ()


async def subscribing(session: AsyncSession, customer: str | None) -> Owner | None:
    """The organization that this Stripe customer is."""
    if customer is None:
        return None
    found = await bills.subscribers(session, [customer])
    return Owner(found[customer], subscriber=True) if customer in found else None


def organization_invoice_row(data: Document, organization: str, synced_at: datetime) -> OrganizationInvoice:
    """The mirror's row of a Stripe invoice to this organization."""
    due, finalized = data.get("due_date"), data["status_transitions"]["finalized_at"]
    attempt, listed = data.get("next_payment_attempt"), data["lines"]
    return OrganizationInvoice(
        id=data["id"],
        organization_id=organization,
        number=data.get("number"),
        status=data["status"],
        reason=data.get("billing_reason"),
        currency=data["currency"],
        total=data["total"],
        amount_due=data["amount_due"],
        amount_paid=data["amount_paid"],
        amount_remaining=data["amount_remaining"],
        collection_method=data["collection_method"],
        attempts=data.get("attempt_count") or 0,
        payment_status=_payment_status(data),
        next_attempt_at=time_of(attempt) if attempt else None,
        due_date=time_of(due) if due else None,
        finalized_at=time_of(finalized) if finalized else None,
        lines=[_line(line) for line in listed["data"]],
        lines_complete=not listed["has_more"],
        created_at=time_of(data["created"]),
        synced_at=synced_at,
    )


def _payment_status(invoice: Document) -> str | None:
    """Of the charge by which an open invoice is to be paid; None where the reading does not show it."""
    if invoice["status"] != "open":
        return None
    for link in (invoice.get("payments") or {}).get("data", ()):
        payment = link["payment"].get("payment_intent")
        if link["is_default"] and isinstance(payment, dict):
            return str(payment["status"])
    return None


async def read_renewal(client: stripe.StripeClient, organization: Organization, read_at: datetime) -> Renewal:
    """What Stripe will bill the organization next, were nothing changed: two requests. Raises StripeError."""
    items = await client.v1.invoice_items.list_async(
        {"customer": organization.stripe_customer, "pending": True, "limit": MAX_LISTED}
    )
    waiting = [_item(item.to_dict()) async for item in items.auto_paging_iter()]
    invoice, why_none = await _preview(client, organization)
    return Renewal(
        organization_id=organization.id,
        invoice=invoice,
        why_none=why_none,
        items=waiting[::-1],
        synced_at=read_at,
    )


async def _preview(
    client: stripe.StripeClient, organization: Organization
) -> tuple[dict[str, Any] | None, str | None]:
    """The next invoice, or why there is none. With a schedule, what its phases say counts."""
    schedule = (organization.subscription or {}).get("schedule")
    wanted: Any = {"schedule": schedule} if schedule else {"subscription": organization.stripe_subscription}
    try:
        found = (await client.v1.invoices.create_preview_async(wanted)).to_dict()
    except stripe.InvalidRequestError as error:
        failure = translate(error)
        if failure.verdict != "refusal":
            raise
        return None, failure.problem.message
    return _upcoming(found), None


def _upcoming(data: Document) -> dict[str, Any]:
    """`date` is when it is charged, or sent; times are Unix seconds."""
    taxes = sum(tax["amount"] for tax in data.get("total_taxes") or ())
    return {
        "currency": data["currency"],
        "date": data.get("next_payment_attempt") or data["period_end"],
        "lines": [_line(line) | {"pending_item": _source(line)} for line in data["lines"]["data"]],
        "lines_complete": not data["lines"]["has_more"],
        "subtotal": data["subtotal"],
        "tax": taxes,
        "total": data["total"],
        "starting_balance": data.get("starting_balance") or 0,
        "amount_due": data["amount_due"],
    }


def _line(line: Document) -> dict[str, Any]:
    return {
        "description": line.get("description"),
        "quantity": line.get("quantity"),
        "amount": line["amount"],
        "period_start": line["period"]["start"],
        "period_end": line["period"]["end"],
    }


def _source(line: Document) -> str | None:
    """The invoice item that a line is of; None for a price of the subscription."""
    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    found: str | None = details.get("invoice_item")
    return found


def _item(item: Document) -> dict[str, Any]:
    """`date` is when it was made, in Unix seconds."""
    return _line(item) | {
        "id": item["id"],
        "currency": item["currency"],
        "proration": bool(item.get("proration")),
        "date": item["date"],
    }
