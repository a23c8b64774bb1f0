"""Rows of the mini-portal, with sensible values for what a test does not care about."""

from datetime import timedelta
from typing import Any

from db.tables import Invoice, PaymentPromise, PortalLink, PortalNetwork, new_id

from .builders import NOW


def a_link(invoice: Invoice, **fields: Any) -> PortalLink:
    defaults: dict[str, Any] = {
        "id": new_id("plk"),
        "organization_id": invoice.organization_id,
        "customer_id": invoice.customer_id,
        "invoice_id": invoice.id,
        "issued_by": "system",
        "reason": "issued",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return PortalLink(**defaults | fields)


def a_promise(link: PortalLink, **fields: Any) -> PaymentPromise:
    """To pay within a week, by who came by the link."""
    defaults: dict[str, Any] = {
        "id": new_id("prm"),
        "organization_id": link.organization_id,
        "customer_id": link.customer_id,
        "invoice_id": link.invoice_id,
        "link_id": link.id,
        "day": (NOW + timedelta(days=7)).date(),
        "ends_at": NOW + timedelta(days=8),
        "amount_minor": 10_000,
        "currency": "usd",
        "promised_at": NOW,
    }
    return PaymentPromise(**defaults | fields)


def a_network(organization_id: str, **fields: Any) -> PortalNetwork:
    defaults: dict[str, Any] = {
        "id": new_id("net"),
        "organization_id": organization_id,
        "action": "block",
        "network": "198.51.100.0/24",
        "reason": "Their former agency.",
        "created_by": "per_1",
        "created_at": NOW,
    }
    return PortalNetwork(**defaults | fields)
