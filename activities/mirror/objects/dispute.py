"""Disputes, which are read and mirrored with the payment that they are about."""

from datetime import datetime

import stripe

from db.tables import DisputeRow

from .snapshot import Document, time_of

MOST = 100
"""Stripe's largest page."""


async def disputes_of(client: stripe.StripeClient, payment_intent: str) -> tuple[Document, ...]:
    """A payment's disputes, the newest first. Raises StripeError."""
    found = await client.v1.disputes.list_async({"payment_intent": payment_intent, "limit": MOST})
    return tuple(one.to_dict() for one in found.data)


def dispute_row(
    data: Document, organization: str, synced_at: datetime, *, customer: str | None
) -> DisputeRow:
    """The mirror's row of a Stripe dispute of a customer's payment."""
    evidence = data["evidence_details"]
    due_by = evidence.get("due_by")
    return DisputeRow(
        id=data["id"],
        organization_id=organization,
        customer_id=customer,
        payment_intent=data["payment_intent"],
        charge=data["charge"],
        amount=data["amount"],
        currency=data["currency"],
        reason=data["reason"],
        status=data["status"],
        refundable=data["is_charge_refundable"],
        due_by=time_of(due_by) if due_by else None,
        answered=evidence["submission_count"] > 0,
        created_at=time_of(data["created"]),
        synced_at=synced_at,
    )
