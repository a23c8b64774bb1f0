"""Rows of what belongs to an invoice."""

from datetime import timedelta
from typing import Any

from db.tables import Invoice, InvoiceLines, PortalLink, new_id

from ...support.builders import NOW, Tenant

SEATS = "il_1T4mHx2eZvKYlo2CQx8fR9aB"


def some_lines(invoice: Invoice, **fields: Any) -> InvoiceLines:
    """One line over the whole invoice, for March."""
    line = {
        "id": SEATS,
        "description": "12 × Seat",
        "quantity": 12,
        "amount": invoice.total,
        "period_start": 1772323200,
        "period_end": 1775001600,
    }
    defaults = {"lines": [line], "complete": True, "synced_at": NOW}
    return InvoiceLines(invoice_id=invoice.id, organization_id=invoice.organization_id, **defaults | fields)


def a_link(acme: Tenant, invoice: Invoice, **fields: Any) -> PortalLink:
    """A live link, issued by the billing admin."""
    defaults: dict[str, Any] = {
        "id": new_id("plk"),
        "organization_id": acme.id,
        "customer_id": invoice.customer_id,
        "invoice_id": invoice.id,
        "issued_by": acme.admin.id,
        "reason": "issued",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return PortalLink(**defaults | fields)
