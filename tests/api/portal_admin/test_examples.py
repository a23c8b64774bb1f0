"""The examples of links, networks, troubles and customers' settings, as the API answers."""

from datetime import timedelta

import pytest

from billing.portal.diagnosis import Action
from billing.portal.links import InvoiceFetched
from billing.portal.trouble import AccessTroubleSubject
from db.tables import InvoicePdf, PortalAccess, PortalTrouble, new_id

from ...support.builders import NOW, an_operation
from ...support.portal_rows import a_link
from ..conftest import ON_ONE_DATABASE
from ..recording import CUSTOMER, INVOICE, ExampleHouse, first

pytestmark = ON_ONE_DATABASE
LINKS = f"/v1/invoices/{INVOICE}/portal-links"
TROUBLE = "op_01JD0V9K2M5P8R1T4W7Z0C3F6H"


async def test_a_link_is_issued_listed_and_revoked(house: ExampleHouse) -> None:
    issued = await house.request("issued_link", "POST", LINKS, body=house.body("link_body"))
    await house.get("link", LINKS, part=first)
    revoke = f"/v1/portal-links/{issued['id']}/revoke"
    await house.request("revoked_link", "POST", revoke, body=house.body("revoke_body"))


async def test_a_new_link_is_mailed(house: ExampleHouse) -> None:
    await house.request("mailed_link", "POST", f"{LINKS}/resend")


async def test_a_customers_settings_are_changed(house: ExampleHouse) -> None:
    path = f"/v1/customers/{CUSTOMER}/settings"
    await house.request("settings", "PATCH", path, body=house.body("settings_body"))


async def test_a_network_is_blocked_and_unblocked(house: ExampleHouse) -> None:
    path = "/v1/portal-networks"
    blocked = await house.request("network", "POST", path, body=house.body("network_body"))
    await house.request("removed_network", "DELETE", f"{path}/{blocked['id']}")


async def test_a_trouble_is_reported(house: ExampleHouse) -> None:
    body = house.body("trouble_body")
    await house.request(
        "accepted_trouble", "POST", "/v1/portal-troubles", body=body, **{"Idempotency-Key": "key"}
    )


async def test_a_trouble_is_seen_to(house: ExampleHouse) -> None:
    deadline = NOW + timedelta(hours=6)
    description = house.body("trouble_body")["description"]
    about = {"invoice": INVOICE, "customer": CUSTOMER, "cause": "reported", "description": description}
    subject = AccessTroubleSubject(
        **about,
        invoice_number=house.invoice.number,
        noticed_at=NOW,
        deadline=deadline,
        found=("expired",),
        since=NOW - timedelta(days=1),
        words="Their link has expired.",
        action=Action(method="POST", path=f"{LINKS}/resend", does="Mails the customer a new link."),
        new_link=True,
    )
    operation = an_operation(
        house.acme,
        id=TROUBLE,
        kind="portal_access",
        state="running",
        stage="waiting",
        request=about,
        subject=subject.document(),
        allowed_actions=["close"],
    )
    trouble = PortalTrouble(
        operation_id=TROUBLE,
        organization_id=house.acme.id,
        customer_id=CUSTOMER,
        invoice_id=INVOICE,
        cause="reported",
        noticed_at=NOW,
        deadline=deadline,
    )
    await house.store(operation, trouble)
    await house.get("open_trouble", f"/v1/operations/{TROUBLE}")
    await house.get("trouble", "/v1/portal-troubles", part=first)


async def test_a_link_that_has_expired_is_found(house: ExampleHouse) -> None:
    link = a_link(house.invoice, created_at=NOW - timedelta(days=30), expires_at=NOW - timedelta(days=1))
    visit = PortalAccess(
        id=new_id("pac"),
        organization_id=house.acme.id,
        customer_id=CUSTOMER,
        invoice_id=INVOICE,
        link_id=link.id,
        at=NOW - timedelta(minutes=8),
        address="192.0.2.7",
        outcome="expired",
    )
    await house.store(link, visit)
    await house.request("diagnosis", "POST", f"/v1/invoices/{INVOICE}/access-diagnosis")


async def test_what_is_read_from_stripe(house: ExampleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    pdf = InvoicePdf(
        id="pdf_01JD0W4C7P0S3V6X9A2D5G8K1M",
        organization_id=house.acme.id,
        invoice_id=INVOICE,
        sha256="0c9d4b1c7f3e5a628d90b1f2e3a4c5d6978899aabbccddeeff00112233445566",
        size=48_213,
        content=b"%PDF",
        fetched_at=NOW,
        requested_by=house.acme.admin.id,
    )
    await house.store(pdf)

    async def fetch(*_: object) -> InvoiceFetched:
        return InvoiceFetched(
            state="ready",
            status="open",
            read_at=NOW,
            url="https://invoice.stripe.com/i/acct_1Q2w3E4r5T6y7U8i/live_YWNjdF8x",
            url_expires_at=NOW + timedelta(days=30),
            pdf=pdf.id,
        )

    monkeypatch.setattr("api.portal_admin.fetching.fetch", fetch)
    await house.request("pay_link", "POST", f"/v1/invoices/{INVOICE}/pay-link")
    await house.request("pdf", "POST", f"/v1/invoices/{INVOICE}/pdf")
