"""The examples of what the organization itself is billed, as the API answers."""

import pytest

from billing.portal.links import InvoiceFetched
from db.tables import InvoicePdf

from ...support.bill_rows import a_renewal, an_organization_invoice
from ...support.builders import NOW
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE

INVOICE = "in_1R3t4Y5u6I7o8P9b"


async def test_what_the_organization_is_billed(house: ExampleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    organization = house.acme.organization
    pdf = InvoicePdf(
        id="pdf_01JD0W4C7P0S3V6X9A2D5G8K1N",
        organization_id=organization.id,
        invoice_id=INVOICE,
        sha256="0c9d4b1c7f3e5a628d90b1f2e3a4c5d6978899aabbccddeeff00112233445567",
        size=48_213,
        content=b"%PDF",
        fetched_at=NOW,
        requested_by=house.acme.admin.id,
    )
    await house.store(
        an_organization_invoice(organization.id, id=INVOICE),
        a_renewal(organization.id),
        pdf,
    )
    path = "/v1/organization"
    await house.get("organization_invoice", f"{path}/invoices", part=first)
    await house.get("organization_invoice_detail", f"{path}/invoices/{INVOICE}")
    await house.get("pending_item", f"{path}/pending-items", part=first)
    await house.get("renewal", f"{path}/renewal")

    async def fetch(*_: object) -> InvoiceFetched:
        return InvoiceFetched(state="ready", status="open", read_at=NOW, pdf=pdf.id)

    monkeypatch.setattr("api.portal_admin.fetching.fetch", fetch)
    await house.request("pdf", "POST", f"{path}/invoices/{INVOICE}/pdf")
