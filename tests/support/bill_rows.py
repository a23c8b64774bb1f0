"""Rows of what an organization itself is billed, with sensible values for what a test does not care about."""

from typing import Any

from db.tables import OrganizationInvoice, Renewal, new_id

from .builders import NOW

SECONDS = int(NOW.timestamp())
MONTH = 30 * 86_400
ITEM = "ii_1R3t4Y5u6I7o8P9a"


def a_line(amount: int, description: str = "10 × Starter", **fields: Any) -> dict[str, Any]:
    defaults = {
        "description": description,
        "quantity": 10,
        "amount": amount,
        "period_start": SECONDS,
        "period_end": SECONDS + MONTH,
    }
    return defaults | fields


def an_organization_invoice(organization_id: str, **fields: Any) -> OrganizationInvoice:
    """An open invoice over USD 100.00 whose charge failed, unless `status` and the like say otherwise."""
    total, paid = fields.get("total", 10_000), fields.get("amount_paid", 0)
    defaults: dict[str, Any] = {
        "id": new_id("in"),
        "organization_id": organization_id,
        "number": "PLX-0007",
        "status": "open",
        "reason": "subscription_cycle",
        "currency": "usd",
        "total": total,
        "amount_due": total,
        "amount_paid": paid,
        "amount_remaining": total - paid,
        "collection_method": "charge_automatically",
        "attempts": 1,
        "lines": [a_line(total)],
        "lines_complete": True,
        "finalized_at": NOW,
        "created_at": NOW,
        "synced_at": NOW,
    }
    return OrganizationInvoice(**defaults | fields)


def a_renewal(organization_id: str, **fields: Any) -> Renewal:
    """The next invoice over USD 119.00, with a pending item over USD 19.00."""
    waiting = a_line(1_900, "Remaining time on 2 × Starter", quantity=2)
    defaults: dict[str, Any] = {
        "organization_id": organization_id,
        "invoice": {
            "currency": "usd",
            "date": SECONDS + MONTH + 3600,
            "lines": [waiting | {"pending_item": ITEM}, a_line(10_000, pending_item=None)],
            "lines_complete": True,
            "subtotal": 11_900,
            "tax": 0,
            "total": 11_900,
            "starting_balance": 0,
            "amount_due": 11_900,
        },
        "items": [waiting | {"id": ITEM, "currency": "usd", "proration": True, "date": SECONDS}],
        "synced_at": NOW,
    }
    return Renewal(**defaults | fields)
