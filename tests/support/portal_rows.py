"""Rows of the mini-portal, with sensible values for what a test does not care about."""

from datetime import timedelta
from typing import Any

from db.tables import Invoice, PortalLink, PortalNetwork, new_id

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
